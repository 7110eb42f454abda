// Package cgroup reads control groups of both versions: where a controller is
// mounted, which groups a process is in, and what each bounds and counts.
package cgroup
