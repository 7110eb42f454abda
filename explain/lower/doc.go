// Package lower is the machinery behind the vocabulary of package explain: it takes
// values out of snapshots, orders and cuts rows, holds rules against them and streams
// them, as plain data that package output prints.
//
// A [Page] is what one form of a command shows. Topics declare pages; who walks all that
// is declared sees a [Catalogue]; kwhy check sees each topic as a [Domain].
package lower
