// Package explain says what values mean.
//
// A value is declared once, as a literal of [Field] in a table of one of the
// packages below: its name, unit, source and gist, how to get it from a
// snapshot of package inspect, what it says here and now, and the kernel's
// arithmetic behind it. Text, JSON, `kwhy explain`, schema and documentation
// all come from that literal. A [Card] holds the values that a host or a process
// has one of, a [Table] those that it has many of, and a [Rule] is the
// only thing that gives a value a level.
//
// Explaining lowers typed snapshots to plain data (Report, in package lower) that package
// output prints. This package and those below it read no file, print nothing,
// and keep no state.
package explain
