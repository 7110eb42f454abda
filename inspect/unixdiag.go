package inspect

import (
	"encoding/binary"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// unixPeers asks sock_diag for the peers of connected unix sockets, by inode, and for
// how many connections wait for a listener: what /proc/net/unix does not tell
// (net/unix/diag.c; since 3.3). It is told of kwhy's own network namespace.
func unixPeers() (peers, queued map[uint64]uint64, err error) {
	const (
		byFamily = 20     // SOCK_DIAG_BY_FAMILY
		show     = 4 | 16 // UDIAG_SHOW_PEER, UDIAG_SHOW_RQLEN
		attrPeer = 2      // UNIX_DIAG_PEER
		attrRQ   = 4      // UNIX_DIAG_RQLEN: two numbers
		requestN = 24     // struct unix_diag_req
		messageN = 16     // struct unix_diag_msg
		inodeAt  = 4
	)
	c, err := netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = c.Close() }() // nothing was written
	ask := make([]byte, requestN)
	ask[0] = unix.AF_UNIX
	binary.NativeEndian.PutUint32(ask[4:], ^uint32(0)) // states: all
	binary.NativeEndian.PutUint32(ask[12:], show)
	answers, err := c.Execute(netlink.Message{Header: netlink.Header{Type: byFamily, Flags: netlink.Request | netlink.Dump}, Data: ask})
	if err != nil {
		return nil, nil, err
	}
	peers, queued = map[uint64]uint64{}, map[uint64]uint64{}
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
			switch b := attrs.Bytes(); {
			case attrs.Type() == attrPeer && len(b) == 4:
				peers[uint64(inode)] = uint64(binary.NativeEndian.Uint32(b))
			case attrs.Type() == attrRQ && len(b) == 8:
				queued[uint64(inode)] = uint64(binary.NativeEndian.Uint32(b))
			}
		}
	}
	return peers, queued, nil
}
