package oom

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
	"kwhy/inspect/kmsg"
)

// Ring reads the kills that the running kernel's ring buffer still has, and
// why it could not: the buffer is bounded, so none there does not mean none happened.
// A copy of /proc has none.
func Ring(h *inspect.Host, now time.Time) (Recent, inspect.Reason) {
	if !h.Live {
		return nil, inspect.Inapplicable
	}
	d, err := kmsg.Open(inspect.KernelLog.String())
	switch {
	case errors.Is(err, fs.ErrPermission):
		return nil, inspect.Denied
	case errors.Is(err, fs.ErrNotExist):
		return nil, inspect.Unsupported
	case err != nil:
		return nil, inspect.Failed
	}
	defer func() { _ = d.Close() }()
	var out Recent
	by := Examiner{Boot: h.Born(0), Now: now}
	_, err = by.Walk(d, func(k *Kill) bool {
		out = append(out, k)
		if len(out) > maxRecent {
			out = out[1:]
		}
		return true
	})
	if err != nil {
		return out, inspect.Failed
	}
	return out, inspect.Present
}

// maxRecent is how many of the kills are kept, the last ones.
const maxRecent = 10

// Recent is kills of this host, the latest one last: the rows of a table.
type Recent []*Kill

// Len returns how many there are.
func (r Recent) Len() int { return len(r) }

// At returns one of them.
func (r Recent) At(i int) *Kill { return r[i] }

// ago is how long ago it was, in seconds; absent where that is unknown.
func ago(k *Kill) value {
	t, _ := at(k)
	if t.IsZero() || k.Now.IsZero() {
		return value{}
	}
	return explain.F(max(k.Now.Sub(t).Seconds(), 0))
}

func killRules() []explain.Rule[*Kill] {
	return []explain.Rule[*Kill]{{
		ID: "oom.killed_lately", Evidence: []string{"victim_comm", "constraint", "oom_memcg", "invoker_comm"}, Concept: "oom-killer",
		Next: "kwhy oom log",
		What: "time since the kill, by the kernel's log", Unit: explain.Seconds, Below: true,
		Means: "The kernel found nothing more to reclaim, on the host or in a cgroup, and killed the process that had the most points there.",
		Of:    ago, At: explain.At{Notice: 86400, Warning: 600},
		Say: func(k *Kill) string {
			s := fmt.Sprintf("the OOM killer killed %s (%d) %s ago", k.name(), k.V.PID, units.Span(ago(k).Float()))
			if g := k.E.OOMMemcg; g != "" {
				s += ", at the limit of cgroup " + g
			}
			return s
		},
	}}
}
