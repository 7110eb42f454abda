// Package sched reads how CPUs are shared out: the scheduler's settings, the times of
// CPUs, the tasks that run, wait or are real-time, and one process's share.
package sched
