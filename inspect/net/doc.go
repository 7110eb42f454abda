// Package net reads a network namespace: its sockets, by sock_diag or from /proc/net,
// its interfaces, queues and counters, and the sockets of one process.
package net
