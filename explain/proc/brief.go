package proc

import (
	"fmt"
	"math"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
)

// What other subcommands say more of, in brief.

func spent() []detailField {
	children := told(doc{
		Key: "cutime", Label: "children's time", Unit: explain.Seconds, Show: explain.Rare,
		Source:  inspect.PIDStat,
		Gist:    "CPU time of children that it has waited for.",
		Concept: "cpu-time",
	}, func(d detail) value { return ticks(d.Row.P.CUTime + d.Row.P.CSTime) }, nil)
	out := append(lifted(append([]column{CPU()}, times()[:4]...)...), children)
	policy, nice := read(Policy(), readPolicy), read(Nice(), readNice)
	return append(out, policy, read(RTPriority(), nil), read(Processor(), nil), nice)
}

// read lifts a column with what it says of this process.
func read(c column, says func(detail) string) detailField {
	f := lift(c, "")
	if says != nil {
		f.Reading = says
	}
	return f
}

func readPolicy(d detail) string {
	if n := int(d.Row.P.Policy); n >= 0 && n < len(policies()) {
		return policies()[n].Gist
	}
	return ""
}

// readNice tells what nice makes of its share: each step is a quarter more or less
// (kernel/sched/core.c, sched_prio_to_weight).
func readNice(d detail) string {
	n := float64(d.Row.P.Nice)
	if n == 0 {
		return "The usual share of a CPU that others want too."
	}
	return fmt.Sprintf("Where others of nice 0 want the CPU too, it gets about %.2g times what each of them gets.", math.Pow(1.25, -n))
}

func memories() []detailField {
	return []detailField{read(VmRSS(), readRSS), read(VmSwap(), func(d detail) string {
		p := d.Row.P
		switch {
		case p.VmSwap <= 0:
			return "Nothing of it is in swap."
		case p.RssAnon < 0:
			return ""
		}
		return units.Percent(int64(p.VmSwap), int64(p.VmSwap+p.RssAnon)) + " of its anonymous memory is in swap."
	})}
}

// readRSS says what share of RAM that is, and what it is made of.
func readRSS(d detail) string {
	p := d.Row.P
	var s string
	for i := range d.Bounds {
		if r := &d.Bounds[i]; r.Source == inspect.Meminfo && r.Limit > 0 {
			s = string(units.AppendPercent(nil, float64(p.VmRSS)/r.Limit)) + " of RAM"
		}
	}
	if p.RssAnon < 0 || p.RssFile < 0 || p.RssShmem < 0 {
		if s == "" {
			return ""
		}
		return s + "."
	}
	if s != "" {
		s += ": "
	}
	size := func(n inspect.Num) string { return units.Size(uint64(n)) }
	return s + size(p.RssAnon) + " anonymous, " + size(p.RssFile) + " of files, " + size(p.RssShmem) +
		" shared memory; shared pages are counted in full."
}

func scores() []detailField {
	return []detailField{read(OomScore(), readScore), read(OomScoreAdj(), readAdj)}
}

// readScore says what of the score is the process's memory: since 5.9 one without any
// has two thirds of a thousand (fs/proc/base.c, proc_oom_score).
func readScore(d detail) string {
	p := d.Row.P
	adj := int64(p.OomScoreAdj)
	base := max(adj, 0)
	if d.Kernel().AtLeast(5, 9) {
		base = (1000 + adj) * 2 / 3
	}
	switch n := int64(p.OomScore); {
	case adj == -1000:
		return "It is never chosen."
	case n-base <= 1:
		return fmt.Sprintf("A process that uses next to no memory has %d with this oom_score_adj, as this one.", base)
	default:
		return fmt.Sprintf("%d of that is oom_score_adj %d alone; the rest is its memory.", base, adj)
	}
}

func readAdj(d detail) string {
	switch adj := d.Row.P.OomScoreAdj; {
	case adj == 0:
		return "Its memory alone decides."
	case adj == -1000:
		return "It is never killed for want of memory."
	case adj < 0:
		return fmt.Sprintf("As if it used %s of RAM and swap less than it does.", units.Percent(int64(-adj), 1000))
	default:
		return fmt.Sprintf("As if it used %s of RAM and swap more than it does.", units.Percent(int64(adj), 1000))
	}
}
