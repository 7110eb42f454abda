// Package output prints explained data, for people and for programs.
//
// It imports package explain and nothing below it: what it prints is plain
// data that a test can make up. It owns the layout of text, units and colour,
// the escaping of what processes and files chose, and the JSON contract
// kwhy/v1. It reads no file, finds no fact, and writes only to the writer it
// is given.
package output
