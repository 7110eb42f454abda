package oom

import (
	"fmt"
	"strings"
	"time"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/mem"
	"kwhy/explain/proc"
	"kwhy/inspect"
	oomfacts "kwhy/inspect/oom"
	procfacts "kwhy/inspect/proc"
)

// Topic is the OOM killer: who dies next, and who died.
func Topic() explain.Topic {
	return explain.Topic{Name: "oom", Title: "OOM killer", Trials: trials, Pages: func() []explain.Page {
		return []explain.Page{
			lower.MustPage(HostPage(HostOptions{})), ProcessPage(0, nil), LogPage(&Log{In: strings.NewReader("")}),
		}
	}}
}

// HostOptions are what the ranking is asked for.
type HostOptions struct {
	Sort   []string
	Limit  int // rows of processes; 0 is all
	Screen int // rows of a screen
	Filter proc.Filter
	Cgroup *oomfacts.Group // rank within this one
}

// HostPage shows who dies next. It fails where the options name a column that there is
// not, or a filter does not make sense.
func HostPage(o HostOptions) (*lower.Page[host], error) {
	v, err := o.view()
	if err != nil {
		return nil, err
	}
	card := Host()
	if o.Cgroup != nil {
		card = Within(o.Cgroup.KillerOff())
	}
	groups := lower.Table(Cgroups(), o.Screen, func(s host) explain.Rows[oomfacts.Part] { return s.Limited() })
	groups.Ready = true
	groups.Scan = func(h *inspect.Host, v *lower.View[oomfacts.Part]) (explain.Rows[oomfacts.Part], []int32, error) {
		o, _, err := Take(h, Options{Groups: true, GroupView: v, Limit: 1})
		if err != nil {
			return nil, nil, err
		}
		rows := o.Limited()
		return rows, v.Order(rows), nil
	}
	kills := lower.Judged(logForm, Kills(), func(s host) explain.Rows[*Kill] { return recent(s) })
	look := func(h *inspect.Host, want inspect.Sources) (host, error) { return o.take(h, want, groups.View) }
	return &lower.Page[host]{
		Command: "oom", Card: card, Doing: "ranking the processes", Tables: []lower.Attached[host]{rankingRows(v), groups, kills},
		Take: func(h *inspect.Host, want inspect.Sources) (host, error) {
			s, _, err := Take(h, Options{Mem: want, Limit: liveRows, Groups: want.Has(inspect.CgroupMemory), Everyone: true})
			return s, err
		},
		First:  look,
		Second: func(h *inspect.Host, want inspect.Sources, _ host) (host, error) { return look(h, want) },
		Since: func(now, was host) {
			if now.Was, now.Mem.Was = was, nil; was != nil {
				now.Mem.Was = was.Mem
			}
		},
		At:   func(s host) time.Time { return s.Mem.At },
		Gaps: func(s host) []inspect.Gap { return append(s.Mem.Gaps(), s.Procs.Gaps()...) },
		Summary: func(_ *lower.Report, s host) []string {
			return []string{proc.Counted(s.Procs)}
		},
		Check: check,
	}, nil
}

// rankingRows attaches the table of processes, as it was asked for.
func rankingRows(v *lower.View[row]) lower.Attached[host] {
	return &lower.Rows[host, row]{View: v, Asked: true, Ready: true, More: "--limit 0 shows all", Left: lower.NotAsked,
		Of:    func(s host) explain.Rows[row] { return s.Procs },
		Order: func(s host) []int32 { return s.Order },
		Scan: func(h *inspect.Host, v *lower.View[row]) (explain.Rows[row], []int32, error) {
			o, order, err := Take(h, Options{View: v})
			if err != nil {
				return nil, nil, err
			}
			return o.Procs, order, nil
		},
	}
}

// logForm is the form of the command that shows kills.
const logForm = "oom log"

// check looks at the limits of cgroups, and at the kills that the kernel's log still has.
func check() *lower.Check[host] {
	return &lower.Check[host]{
		Take: func(sh *lower.Shared, want inspect.Sources) (host, error) {
			s, _, err := Take(sh.Host, Options{Mem: want, Procs: sh.Procs, Limit: 2, Groups: true, Walk: mem.Walked(sh)})
			if err != nil {
				return nil, err
			}
			s.Kills, s.NoLog = Ring(sh.Host, sh.Procs.Host.At)
			return s, nil
		},
		Scan:   inspect.Of(inspect.PIDStatus), // what each has in RAM and in swap
		Health: func(s host) lower.Health { return Health(s, recent(s)) }, Rests: memNeeds(),
		Gaps: func(s host) []inspect.Gap {
			if !s.NoLog.IsGap() {
				return nil
			}
			return []inspect.Gap{{Source: inspect.KernelLog, Reason: s.NoLog, Count: 1, Of: 1}}
		},
		Judged: func(s host, j *lower.Judgement) {
			for i := range j.Rules {
				if r := &j.Rules[i]; r.Command == logForm && s.NoLog.IsGap() && r.Outcome == lower.Idle {
					r.Outcome, r.Source, r.Reason = lower.Blind, inspect.KernelLog, s.NoLog
				}
			}
		},
	}
}

// recent are the kills that the kernel's log still has.
func recent(s host) Recent {
	list, _ := s.Kills.(Recent)
	return list
}

// view is the ranking as it was asked for.
func (o *HostOptions) view() (*lower.View[row], error) {
	v, err := lower.NewView(Processes(o.Cgroup != nil), nil, o.Sort, o.Limit)
	if err != nil {
		return nil, fmt.Errorf("--sort: %w", err)
	}
	return v, o.Filter.Apply(v)
}

// take ranks the processes, of the cgroup that was asked for or of the host.
func (o *HostOptions) take(h *inspect.Host, want inspect.Sources, groups *lower.View[oomfacts.Part]) (host, error) {
	v, err := o.view()
	if err != nil {
		return nil, err
	}
	var scanned *procfacts.Processes
	if o.Cgroup != nil {
		if oomfacts.ByProcess(h) {
			if scanned, err = procfacts.Scan(h, inspect.Of(inspect.PIDCgroup)); err != nil {
				return nil, err
			}
			o.Cgroup.Members(scanned)
		} else {
			o.Cgroup.List()
		}
		in := map[int32]bool{}
		for _, pid := range o.Cgroup.PIDs {
			in[pid] = true
		}
		v.Where(inspect.Sources{}, func(p row) bool { return in[p.P.PID] })
	}
	s, _, err := Take(h, Options{
		Mem: want, Procs: scanned, View: v, Groups: o.Cgroup == nil, GroupView: groups, Everyone: true, Cgroup: o.Cgroup,
	})
	if err == nil && o.Cgroup != nil {
		o.Cgroup.Members(s.Procs)
		s.Groups, s.Got = []oomfacts.Group{*o.Cgroup}, inspect.Present
		Judge(s.Procs, &s.Groups[0])
	}
	return s, err
}

// ProcessPage shows what one process's badness is made of, and with adj what another
// adjustment would make of it; 0 is kwhy itself.
func ProcessPage(pid int32, adj *int32) *lower.Page[*oomfacts.Task] {
	return &lower.Page[*oomfacts.Task]{
		Command: "oom PID", Scope: explain.OfProcess, Card: Process(), Doing: "ranking the processes",
		Take: func(h *inspect.Host, _ inspect.Sources) (*oomfacts.Task, error) {
			if pid == 0 {
				return TakeTask(h, h.Example(), nil)
			}
			return TakeTask(h, pid, adj)
		},
		Since: func(now, was *oomfacts.Task) { now.Was = was },
		Same:  func(was, now *oomfacts.Task) bool { return was.Row.P.GoesOn(now.Row.P) },
		Ended: func(left *oomfacts.Task, limits explain.Limits) []lower.Finding {
			return proc.Ended(left.Row.P, limits)
		},
		At:      func(t *oomfacts.Task) time.Time { return t.OOM.Mem.At },
		Gaps:    func(t *oomfacts.Task) []inspect.Gap { return append(t.OOM.Mem.Gaps(), t.Row.Gaps()...) },
		Subject: func(t *oomfacts.Task) *lower.Subject { return proc.Subject(pid, t.Row) },
	}
}

// LogPage shows the kills of a log. The log is no state of the host, and most users may
// not read the kernel's, so that who asks for single values of a host gets no rows.
func LogPage(l *Log) *lower.Page[host] {
	kills := &lower.Rows[host, *Kill]{View: l.columns(), Of: func(host) explain.Rows[*Kill] { return noKills{} }}
	kills.Scan = func(*inspect.Host, *lower.View[*Kill]) (explain.Rows[*Kill], []int32, error) {
		return noKills{}, nil, nil
	}
	return &lower.Page[host]{
		Command: logForm, Scope: explain.OfList, Tables: []lower.Attached[host]{&killsOf{kills, l}},
		Take: func(*inspect.Host, inspect.Sources) (host, error) { return nil, nil },
	}
}

// killsOf is the table of kills with the rows of a log.
type killsOf struct {
	*lower.Rows[host, *Kill]
	log *Log
}

// Add adds the kills of the log, and for text the overview of them.
func (k *killsOf) Add(rep *lower.Report, _ host) {
	rep.Grids = append(rep.Grids, k.log.Report(func() {}).Grids...)
}

// liveRows is how many rows a value of the host's card looks at when it is read
// alone.
const liveRows = 5

type noKills struct{}

func (noKills) Len() int     { return 0 }
func (noKills) At(int) *Kill { return nil }
