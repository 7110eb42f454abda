// Package net explains the network: the sockets of a namespace and of one process and
// where the bytes of each wait, the memory of their buffers, and the counters of every
// layer that a packet passes, in the order in which it passes them.
//
// It holds tables of literals, their readings, and their rules, and nothing else: it
// reads no file and prints nothing.
//
// A function ofX declares a field of X, be it a value of a card or a column of a table:
// ofProcess, ofSocket, ofQdisc. counters declares a file's counters, one a row.
package net
