package oom

import (
	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/inspect"
	oomfacts "kwhy/inspect/oom"
	procfacts "kwhy/inspect/proc"
)

// Topic lists every value and rule of this package for those who walk the
// catalogue.
func Topic() lower.Topic {
	host, process := Host(), Process()
	t := lower.CardTopic(&host, "oom", func(h *inspect.Host, want inspect.Sources) (*oomfacts.Snapshot, error) {
		o, _, err := Take(h, Options{Mem: want, Limit: liveRows, Groups: want.Has(inspect.CgroupMemory), Everyone: true})
		return o, err
	})
	t.Trials = trials()
	t = t.Plus(lower.CardTopic(&process, "oom PID", func(h *inspect.Host, _ inspect.Sources) (*oomfacts.Task, error) {
		return TakeTask(h, h.Self(), nil)
	}))
	t = t.Plus(lower.TableTopic(Processes(false), "oom", func(h *inspect.Host, v *lower.View[procfacts.Row]) (explain.Rows[procfacts.Row], []int32, error) {
		o, order, err := Take(h, Options{View: v})
		if err != nil {
			return nil, nil, err
		}
		return o.Procs, order, nil
	}))
	t = t.Plus(lower.TableTopic(Kills(), "oom log", kernelLog))
	return t.Plus(lower.TableTopic(Cgroups(), "oom", func(h *inspect.Host, v *lower.View[oomfacts.Part]) (explain.Rows[oomfacts.Part], []int32, error) {
		o, _, err := Take(h, Options{Groups: true, GroupView: v, Limit: 1})
		if err != nil {
			return nil, nil, err
		}
		rows := oomfacts.Parts{OOM: o}
		return rows, v.Order(rows), nil
	}))
}

// liveRows is how many rows a value of the host's card looks at when it is read
// alone.
const liveRows = 5

// kernelLog gives no rows: the kernel's log is no state of the host, and most
// users may not read it. `kwhy oom log` does.
func kernelLog(*inspect.Host, *lower.View[*Kill]) (explain.Rows[*Kill], []int32, error) {
	return noKills{}, nil, nil
}

type noKills struct{}

func (noKills) Len() int     { return 0 }
func (noKills) At(int) *Kill { return nil }
