// Package net explains a host's network: the sockets in use, the memory of their
// buffers, and the counters of every layer that a packet passes, in the order in
// which it passes them.
//
// It declares tables of values and their readings. It reads no file and prints
// nothing.
package net
