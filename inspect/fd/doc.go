// Package fd reads descriptors: how many each process has and what each leads to, who
// has a file or an address open, and files that are deleted and still open.
package fd
