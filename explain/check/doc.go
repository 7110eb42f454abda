// Package check holds every rule of every topic against one collection of facts,
// and says what was found, and what was looked at and is well.
//
// The rules, their thresholds and the words for how a domain stands are declared
// with their topics, in the packages beside this one: they are the rules that give
// the levels in every other report. This package only collects the facts, once for
// all, and lines the topics up. It judges nothing by itself, reads files by way of
// package inspect alone, and prints nothing.
package check
