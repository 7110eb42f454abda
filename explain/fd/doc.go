// Package fd explains open files: what each descriptor of a process leads to, by
// kind and with its particulars, and which processes of a host have how many.
//
// It declares tables of values and their readings. It reads no file and prints
// nothing.
package fd
