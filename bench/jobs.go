package main

import (
	"fmt"
	"strings"
)

// job is one thing that kwhy does, the peer that does most nearly the same,
// and how kwhy should compare. A target of zero is none.
type job struct {
	name  string
	kwhy  []string // arguments
	peer  []string // command; nil: kwhy is timed alone
	crowd int      // idle processes to run alongside
	files bool     // processes with many files open to run alongside; PID stands for the one with most
	socks int      // connections over loopback to run alongside, each of two sockets
	ratio float64  // at most, of wall times
	mib   float64  // at most, peak RSS
}

// shown names the peer; what a shell runs is several of them.
func (j job) shown() string {
	if len(j.peer) > 0 && j.peer[0] == "sh" {
		return "sh -c ..."
	}
	return strings.Join(j.peer, " ")
}

func jobs() []job {
	return []job{
		{name: "start-up", kwhy: []string{"version"}, peer: []string{"free"}, ratio: 2.0, mib: 10},
		{name: "host memory", kwhy: []string{"mem"}, peer: []string{"free"}, ratio: 2.5},
		{
			name:  "the same, shown by peers",
			kwhy:  []string{"mem"},
			peer:  []string{"sh", "-c", "free; vmstat -s; ps -eo pid,rss,comm,args --sort=-rss; slabtop -o"},
			ratio: 1,
		},
		{name: "host memory, JSON", kwhy: []string{"mem", "-o", "json"}, peer: []string{"free"}},
		{
			name:  "process list",
			kwhy:  []string{"proc"},
			peer:  []string{"ps", "-eo", "pid,ppid,s,nlwp,ni,rss,time,etimes,comm", "--sort=-time"},
			crowd: 10000,
			ratio: 0.30,
			mib:   24,
		},
		{name: "host scheduling", kwhy: []string{"sched"}, peer: []string{"free"}, ratio: 2.5},
		{
			name:  "the same, shown by peers",
			kwhy:  []string{"sched"},
			peer:  []string{"sh", "-c", "uptime; vmstat; lscpu; ps -eo pid,cls,ni,rtprio,psr,pcpu,comm --sort=-pcpu"},
			ratio: 1,
		},
		{
			name:  "oom ranking",
			kwhy:  []string{"oom"},
			peer:  []string{"ps", "-eo", "pid,ppid,uid,stat,comm,rss,oom,oomadj"},
			crowd: 10000,
			ratio: 0.35,
		},
		{name: "open files", kwhy: []string{"fd"}, peer: []string{"lsof", "-nPw"}, files: true, ratio: 0.12, mib: 32},
		{name: "the same, lsfd", kwhy: []string{"fd"}, peer: []string{"lsfd"}, files: true},
		{name: "deleted files", kwhy: []string{"fd", "--deleted"}, peer: []string{"lsof", "-nPw", "+L1"}, files: true, mib: 32},
		{name: "one process's files", kwhy: []string{"fd", "PID"}, peer: []string{"lsof", "-nPw", "-p", "PID"}, files: true, ratio: 0.15},
		{
			name:  "50,000 sockets",
			kwhy:  []string{"net", "sockets", "--protocol", "tcp", "--limit", "0", "--no-owners"},
			peer:  []string{"ss", "-tanmi"},
			socks: 25000,
			ratio: 0.5,
			mib:   40,
		},
		{
			name:  "the same with owners",
			kwhy:  []string{"net", "sockets", "--protocol", "tcp", "--limit", "0"},
			peer:  []string{"ss", "-tanpmi"},
			socks: 25000,
			ratio: 0.25,
			mib:   40,
		},
		{
			name:  "the same, JSON",
			kwhy:  []string{"net", "sockets", "--protocol", "tcp", "--limit", "0", "-o", "json"},
			peer:  []string{"ss", "-tanpmi"},
			socks: 25000,
			ratio: 0.25,
			mib:   40,
		},
		{name: "sockets of a full host", kwhy: []string{"net"}, peer: []string{"ss", "-tanpmi"}, socks: 25000, ratio: 0.25, mib: 40},
		{name: "host memory, PSS", kwhy: []string{"mem", "--pss"}},
	}
}

// judge says how a result compares with the job's target.
func (j job) judge(r result) (verdict string, ok bool) {
	ok = true
	var words []string
	check := func(met bool, target string) {
		if !met {
			ok, target = false, target+" MISSED"
		}
		words = append(words, target)
	}
	if j.ratio > 0 {
		check(r.ratio <= j.ratio, fmt.Sprintf("≤ %.2fx", j.ratio))
	}
	if j.mib > 0 {
		check(r.ours.mib <= j.mib, fmt.Sprintf("≤ %.0f MiB", j.mib))
	}
	switch {
	case words == nil:
		return "none", true
	case ok:
		return strings.Join(words, ", ") + ": met", true
	}
	return strings.Join(words, ", "), false
}
