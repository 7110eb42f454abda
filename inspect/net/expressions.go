package net

import (
	"strings"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// expression passes on the name and the data of an expression.
func expression(do func(name string, data *netlink.AttributeDecoder)) func(*netlink.AttributeDecoder) {
	name := ""
	return func(ad *netlink.AttributeDecoder) {
		switch ad.Type() {
		case nftExprName:
			name = ad.String()
		case nftExprData:
			do(name, ad)
		}
	}
}

// decision is what a rule makes of a packet that fits it.
type decision uint8

const (
	undecided decision = iota
	drops
	rejects
	jumps
	byMap
)

// express takes in one expression of a rule. A counter counts what the rule drops where nothing
// behind it can still let a packet go: counter drop, and not counter tcp dport 22 drop.
func (d *DropRule) express(name string, data *netlink.AttributeDecoder, decides *decision, to *string) {
	switch name {
	case "counter":
		d.Counted = true
		d.Packets, d.Bytes = counts(data)
	case "objref":
		d.objref(data)
	case "immediate":
		code, chain, ok := verdictOf(data)
		switch {
		case !ok:
		case code == nftDrop:
			*decides = drops
		case code == unix.NFT_JUMP, code == unix.NFT_GOTO:
			*decides, *to = jumps, chain
		}
	case "reject":
		*decides = rejects
	case "target": // of x_tables
		nested(data, func(in *netlink.AttributeDecoder) {
			if in.Type() == nftTargetName && strings.TrimRight(in.String(), "\x00") == "REJECT" {
				*decides = rejects
			}
		})
	case "log", "last", "notrack":
	case "lookup":
		nested(data, func(in *netlink.AttributeDecoder) {
			if in.Type() == nftLookupTo && in.Uint32() == unix.NFT_REG_VERDICT {
				*decides = byMap
			}
		})
		d.uncounted()
	default: // something that packets may not fit
		d.uncounted()
	}
}

func (d *DropRule) uncounted() { d.Counted, d.Named, d.Packets, d.Bytes = false, "", 0, 0 }

// objref reads which object with a name a rule uses: a counter, or a limit, which lets packets go.
func (d *DropRule) objref(data *netlink.AttributeDecoder) {
	kind, name := uint32(0), ""
	nested(data, func(in *netlink.AttributeDecoder) {
		switch in.Type() {
		case nftObjRefType:
			kind = in.Uint32()
		case nftObjRefName:
			name = in.String()
		}
	})
	if kind != nftCounterObj {
		d.uncounted()
		return
	}
	d.Counted, d.Named = true, name
}

// verdictOf reads the verdict of an immediate expression; false where it loads a value.
func verdictOf(data *netlink.AttributeDecoder) (code int32, chain string, ok bool) {
	nested(data, func(in *netlink.AttributeDecoder) {
		if in.Type() != nftImmData {
			return
		}
		nested(in, func(in *netlink.AttributeDecoder) {
			if in.Type() != nftVerdict {
				return
			}
			nested(in, func(in *netlink.AttributeDecoder) {
				switch in.Type() {
				case nftVerdictCode:
					code, ok = int32(in.Uint32()), true
				case nftVerdictTo:
					chain = in.String()
				}
			})
		})
	})
	return code, chain, ok
}
