// Package sockdiag asks the kernel for its sockets by netlink: sock_diag(7).
//
// A Conn is of one network namespace, and need not be the caller's. What a dump
// gives is added to a List: tens of thousands of sockets in a few large pieces
// of memory, parsed in the one buffer that they are received in. Which groups of
// values the kernel gave for a socket is in Socket.Told, and what its struct
// tcp_info does not reach to is absent: nothing that is unknown reads as zero.
//
// No kept library does this: vishvananda/netlink does not decode the nine
// numbers of SKMEMINFO, swaps the window scales and stops at the first unix
// socket that is no stream; mdlayher/netlink is transport alone, and takes twice
// the time on dumps.
//
// This package reads no file and no process, knows no owners, explains nothing,
// changes no socket (it never sends SOCK_DESTROY) and keeps no state besides the
// Conn. The kernel loads the module that answers, where it was built as one.
package sockdiag
