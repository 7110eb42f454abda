// Package proc is the glossary of processes: the columns of a process that
// several subcommands show are declared here, once, and imported by theirs.
//
// Like its siblings it reads no file and prints nothing.
package proc
