// Package doctor finds out what kwhy itself is on a host, and what it may read there:
// its rights and namespaces, what is mounted, and which sources give something.
package doctor
