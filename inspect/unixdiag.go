package inspect

import (
	"encoding/binary"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// unixPeers asks sock_diag for the peers of connected unix sockets, by inode: what
// /proc/net/unix does not tell (net/unix/diag.c; since 3.3). It is told of kwhy's
// own network namespace.
func unixPeers() (map[uint64]uint64, error) {
	const (
		byFamily = 20 // SOCK_DIAG_BY_FAMILY
		showPeer = 4  // UDIAG_SHOW_PEER
		attrPeer = 2  // UNIX_DIAG_PEER
		requestN = 24 // struct unix_diag_req
		messageN = 16 // struct unix_diag_msg
		inodeAt  = 4
	)
	c, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }() // nothing was written
	ask := make([]byte, requestN)
	ask[0] = unix.AF_UNIX
	binary.NativeEndian.PutUint32(ask[4:], ^uint32(0)) // states: all
	binary.NativeEndian.PutUint32(ask[12:], showPeer)
	answers, err := c.Execute(netlink.Message{Header: netlink.Header{Type: byFamily, Flags: netlink.Request | netlink.Dump}, Data: ask})
	if err != nil {
		return nil, err
	}
	out := map[uint64]uint64{}
	for _, a := range answers {
		if len(a.Data) < messageN {
			continue
		}
		inode := binary.NativeEndian.Uint32(a.Data[inodeAt:])
		attrs, err := netlink.NewAttributeDecoder(a.Data[messageN:])
		if err != nil {
			continue
		}
		for attrs.Next() {
			if attrs.Type() == attrPeer {
				out[uint64(inode)] = uint64(attrs.Uint32())
			}
		}
	}
	return out, nil
}
