// Package sched explains who gets the CPUs: the host's scheduler and its settings,
// its CPUs' time by kind, the tasks that run and wait, and one task's share of a
// CPU by the kernel's weights.
//
// It declares tables of values and their readings. It reads no file and prints
// nothing.
package sched
