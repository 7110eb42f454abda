// Package output prints explained data, for people and for programs.
//
// It imports package explain and nothing below it: it prints plain data, which a test
// can make up. It decides the layout of text, units and colour, escapes what processes
// and files chose, and defines the JSON contract kwhy/v1. It reads no file, finds no
// fact, and writes only to the writer it is given.
package output
