package mem

import (
	"kwhy/inspect"
	"kwhy/inspect/proc"
)

// sharers finds the other processes that run in the memory of one: a child of vfork that has not called exec, its
// parent, or what clone(CLONE_VM) made. Such have the same size, and kcmp(2) says whether it is one memory;
// where that may not be asked, none is found. A main thread that has ended has no memory, like any other such.
func sharers(h *inspect.Host, p *proc.Process) (out []*proc.Process) {
	if !h.Live || p.VSize == 0 || p.MainEnded() || !h.SameProcesses() {
		return nil
	}
	ps, err := proc.Scan(h, inspect.Of(inspect.PIDStat))
	if err != nil {
		return nil
	}
	for i := range ps.Rows {
		o := &ps.Rows[i]
		if o.PID != p.PID && o.VSize == p.VSize && !o.MainEnded() && h.SameIn(inspect.SharedMemory, p.PID, o.PID) {
			out = append(out, o)
		}
	}
	return out
}
