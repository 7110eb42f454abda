package proc

import (
	"fmt"
	"math"

	"kwhy/explain"
	"kwhy/explain/units"
	"kwhy/inspect"
)

// Values of which other subcommands have the details.

func spent() []detailField {
	children := declare(doc{
		Key: "cutime", Label: "cutime + cstime", Unit: explain.Seconds, Show: explain.Rare,
		Source:  inspect.PIDStat,
		Gist:    "CPU time of its children that ended and that it has waited for.",
		Concept: "cpu-time",
	}, func(d detail) value { return ticks(d.Row.P.CUTime + d.Row.P.CSTime) }, nil)
	out := append(lifted(append([]column{CPU()}, times()[:4]...)...), children)
	policy, nice := read(Policy(), readPolicy), read(Nice(), readNice)
	return append(out, policy, read(RTPriority(), nil), read(Processor(), nil), nice)
}

// read lifts a column, with a reading for this process.
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

// readNice says how nice changes its share: each step is a factor of about 1.25
// (kernel/sched/core.c, sched_prio_to_weight).
func readNice(d detail) string {
	n := float64(d.Row.P.Nice)
	if n == 0 {
		return "The default share of a CPU that other tasks want too."
	}
	return fmt.Sprintf("If tasks of nice 0 want the CPU too, it gets about %.2g times as much as each of them.", math.Pow(1.25, -n))
}

func memories() []detailField {
	return []detailField{read(VmRSS(), readRSS), read(VmSwap(), func(d detail) string {
		p := d.Row.P
		switch {
		case p.VmSwap <= 0:
			return "None of it is in swap."
		case p.RssAnon < 0:
			return ""
		}
		return units.Percent(int64(p.VmSwap), int64(p.VmSwap+p.RssAnon)) + " of its anonymous memory is in swap."
	})}
}

// readRSS says which share of RAM that is, and its parts.
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
	return s + size(p.RssAnon) + " anonymous, " + size(p.RssFile) + " file, " + size(p.RssShmem) +
		" shared memory; shared pages are counted in full."
}

func scores() []detailField {
	return []detailField{read(OomScore(), readScore), read(OomScoreAdj(), readAdj)}
}

// readScore says how much of the score is the process's memory: since 5.9 one without any
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
		return "It is never killed."
	case n-base <= 1:
		return fmt.Sprintf("A process with almost no memory has %d with this oom_score_adj, and so has this one.", base)
	default:
		return fmt.Sprintf("A process without memory has %d with oom_score_adj %d; the rest is its memory.", base, adj)
	}
}

func readAdj(d detail) string {
	switch adj := d.Row.P.OomScoreAdj; {
	case adj == 0:
		return "Only its memory use counts."
	case adj == -1000:
		return "The OOM killer never kills it."
	case adj < 0:
		return fmt.Sprintf("As if it used %s of RAM and swap less than it does.", units.Percent(int64(-adj), 1000))
	default:
		return fmt.Sprintf("As if it used %s of RAM and swap more than it does.", units.Percent(int64(adj), 1000))
	}
}
