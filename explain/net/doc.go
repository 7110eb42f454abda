// Package net explains the network: the sockets of a network namespace and of one
// process, where the bytes of each wait, and who listens.
//
// It holds tables of literals, their readings, and their rules, and nothing else:
// what a value means is said here, and where it is from is in package inspect.
package net
