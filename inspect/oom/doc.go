// Package oom reads what the OOM killer goes by: the memory cgroups with a limit and
// who is in them.
package oom
