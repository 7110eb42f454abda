// Package sched explains how CPUs are shared: the host's scheduler and its settings,
// its CPUs' time by kind, the tasks that run and wait, and one task's share of a
// CPU by the kernel's weights.
//
// It declares tables of values and their readings. It reads no file and prints
// nothing.
//
// A function ofX declares a field of X, be it a value of a card or a column of a table:
// ofTask, ofGroup, ofCPU.
package sched
