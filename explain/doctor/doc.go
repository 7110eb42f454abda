// Package doctor says what kwhy can see here and whether it is right: with whose
// rights and in which namespaces it runs, what came of reading each source that a
// value of any topic rests on, and how every derivation comes out on this host.
//
// Sources are really read: the files themselves, tried on the processes where a
// process has them, and the snapshots of the topics, which parse them. The topics are
// handed in as the catalogue lists them, for this package imports none. It judges
// nothing of the host, reads by way of package inspect alone, and prints nothing.
package doctor
