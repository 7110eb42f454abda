// Package fd explains open files: what each descriptor of a process leads to, by
// kind and in detail, and which processes of a host have how many.
//
// It declares tables of values and their readings. It reads no file and prints
// nothing.
//
// A function ofX declares a field of X, be it a value of a card or a column of a table:
// ofHost, ofProcess, ofFD.
package fd
