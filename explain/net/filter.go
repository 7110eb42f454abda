package net

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"kwhy/explain/lower"
	"kwhy/inspect"
	netfacts "kwhy/inspect/net"
	"kwhy/inspect/sockdiag"
)

type sockets = *netfacts.Sockets

// SocketFilter says which sockets are wanted. What is empty keeps all.
type SocketFilter struct {
	NoOwners  bool
	Protocols []string
	States    []string // as the kernel or ss spells them
	Address   string   // ADDR, ADDR/BITS or a unix path
	Port      uint16
	Process   string // a PID, or a regular expression

	kinds   []string
	mask    sockdiag.Mask
	addr    netip.Prefix
	pid     int32
	pattern *regexp.Regexp
}

// settle makes of the words what the filter compares with. An error names the flag that
// the word is from.
func (f *SocketFilter) settle() error {
	known := netfacts.SocketProtocols()
	for _, p := range f.Protocols {
		if !slices.Contains(known, p) {
			return fmt.Errorf("--protocol: bad value %q: it takes %s", p, strings.Join(known, ", "))
		}
		if f.kinds = append(f.kinds, p); slices.Contains(known, p+"6") {
			f.kinds = append(f.kinds, p+"6")
		}
	}
	if err := f.settleStates(); err != nil {
		return err
	}
	if f.Address != "" && !strings.HasPrefix(f.Address, "/") && !strings.HasPrefix(f.Address, "@") {
		var err error
		if f.addr, err = parsePrefix(f.Address); err != nil {
			return fmt.Errorf("--address: bad value %q: it takes ADDR, ADDR/BITS or a unix path", f.Address)
		}
	}
	return f.settleProcess()
}

func (f *SocketFilter) settleProcess() error {
	if f.Process == "" {
		return nil
	}
	if f.NoOwners {
		return fmt.Errorf("--process needs the owners: it does not go with --no-owners")
	}
	if strings.Trim(f.Process, "0123456789") == "" {
		n, err := strconv.ParseInt(f.Process, 10, 32)
		if err != nil || n < 1 {
			return fmt.Errorf("bad PID %q: it takes the number of a process", f.Process)
		}
		f.pid = int32(n)
		return nil
	}
	var err error
	if f.pattern, err = regexp.Compile(f.Process); err != nil {
		return fmt.Errorf("--process: %w", err)
	}
	return nil
}

// synonym returns the kernel's name of a state that ss calls otherwise.
func synonym(name string) string {
	switch name {
	case "ESTAB", "CONNECTED":
		return "ESTABLISHED"
	case "LISTENING":
		return "LISTEN"
	case "UNCONNECTED", "UNCONN":
		return "CLOSE"
	case "FIN_WAIT_1":
		return "FIN_WAIT1"
	case "FIN_WAIT_2":
		return "FIN_WAIT2"
	}
	return name
}

// settleStates reads names of states, in any case, with - or _; ss's short ones too.
func (f *SocketFilter) settleStates() error {
	f.mask = sockdiag.Every
	if len(f.States) == 0 {
		return nil
	}
	f.mask = 0
	for _, name := range f.States {
		name = synonym(strings.ReplaceAll(strings.ToUpper(name), "-", "_"))
		found := false
		var all []string
		for s := sockdiag.Established; s <= sockdiag.Closing; s++ {
			all = append(all, s.String())
			if s.String() == name {
				f.mask, found = f.mask|sockdiag.Of(s), true
			}
		}
		if !found {
			return fmt.Errorf("--state: bad value %q: it takes %s", name, strings.Join(all, ", "))
		}
	}
	if f.mask.Has(sockdiag.Close) { // bound ones are reported as that, and asked for by another name
		f.mask |= sockdiag.Of(sockdiag.BoundInactive)
	}
	return nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		return netip.ParsePrefix(text)
	}
	a, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
}

// apply puts the filter before a view.
func (f *SocketFilter) apply(v *lower.View[row]) {
	if f.Port != 0 {
		v.Where(inspect.Sources{}, func(r row) bool { return r.It.LocalPort == f.Port || r.It.PeerPort == f.Port })
	}
	if f.Address != "" {
		v.Where(inspect.Sources{}, f.hasAddress)
	}
	if f.pid != 0 {
		v.Where(inspect.Of(inspect.PIDFd), func(r row) bool { return r.Net.Has(f.pid, r.It) })
	}
	if f.pattern != nil {
		v.Where(inspect.Of(inspect.PIDFd, inspect.PIDStat), func(r row) bool {
			list := r.Owners()
			for i := range list.Len() {
				if f.pattern.MatchString(list.At(i).P.Comm) {
					return true
				}
			}
			return false
		})
	}
}

func (f *SocketFilter) hasAddress(r row) bool {
	if !f.addr.IsValid() {
		p := r.Net.PeerOf(r.It)
		return r.It.Unix != nil && r.It.Unix.Name == f.Address || p != nil && p.Unix.Name == f.Address
	}
	return f.addr.Contains(r.It.Local().Addr()) || r.It.Connected() && f.addr.Contains(r.It.Remote().Addr())
}
