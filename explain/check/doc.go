// Package check tests every rule of every topic on one collection of facts, and says
// what it found and what is well.
//
// The topics, in the packages next to this one, declare the rules, their thresholds and
// the words for the state of a domain: the same rules give the levels in every other
// report. This package only collects the facts, once for all topics. It judges nothing
// by itself, reads files only through package inspect, and prints nothing.
package check
