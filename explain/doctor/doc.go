// Package doctor says what kwhy can see here and whether it is right: which rights it
// has and which namespaces it is in, whether each source that a topic's values come from
// could be read, and whether every derivation agrees with this host's kernel.
//
// It really reads the sources: the files themselves, those of processes for each process,
// and the topics' snapshots, which parse them. The caller passes the topics as the
// catalogue lists them, because this package imports none. It judges nothing about the
// host, reads only through package inspect, and prints nothing.
package doctor
