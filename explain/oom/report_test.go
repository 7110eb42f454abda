package oom_test

import (
	"fmt"
	"strings"
)

// proc is a process of a made-up report. Sizes are in pages.
type proc struct {
	pid               int64
	comm              string
	anon, file, shmem int64
	tables, swap, adj int64
}

func (p proc) rss() int64 { return p.anon + p.file + p.shmem }

// machine is what was running in these reports.
func machine() []proc {
	return []proc{
		{1, "systemd", 900, 1500, 0, 40, 0, 0},
		{230, "systemd-udevd", 300, 0, 0, 20, 0, -1000},
		{700, "sshd", 160, 100, 0, 49, 0, 0},
		{812, "Web Content", 50200, 5000, 5000, 170, 120, 0},
		{813, "tab (idle)", 9050, 2000, 1000, 90, 30, 300},
	}
}

// made is a report in the making: what differs from a plain one.
type made struct {
	major, minor int
	release      string // of the kernel; "-": its line is lost
	constraint   string // memcg, cpuset, mempolicy; "": the machine
	procs        []proc
	victim       int64
	score        int64    // up to 5.0
	limits       []string // the counters of the cgroup
	stats        []string
	head         string // behind the mask: ", nodemask=1"
	gfp          string
	order        int64
	cpuset, mems string
	zones        []string
	more         []string // further lines of the state of memory
	swap         string   // kB; "-": its lines are lost
}

func (m *made) before(major, minor int) bool {
	return m.major < major || m.major == major && m.minor < minor
}

// pages are 130,940 of RAM, 5,831 of them reserved.
func (m *made) memory() (out []string) {
	if m.constraint == "memcg" {
		return append(m.limits, m.stats...)
	}
	zones := m.zones
	if zones == nil {
		zones = []string{
			"Node 0 DMA32 free:2580kB min:2704kB low:3380kB high:4056kB present:523760kB managed:484528kB free_cma:0kB",
			"lowmem_reserve[]: 0 0 0 0 0",
			"Node 0 DMA32: 345*4kB (UME) 100*8kB (UE) 25*16kB (UE) 0*32kB 0*64kB = 2580kB",
		}
	}
	out = append(out, "Mem-Info:", "active_anon:80300 slab_unreclaimable:21500 shmem:9900")
	out = append(append(out, zones...), m.more...)
	out = append(out, "9964 total pagecache pages")
	if m.swap != "-" {
		out = append(out, "Free swap  = 0kB", "Total swap = "+m.swap+"kB")
	}
	return append(out, "130940 pages RAM", "5831 pages reserved")
}

func (m *made) table() (out []string) {
	switch {
	case m.before(4, 15):
		out = append(out, "[ pid ]   uid  tgid total_vm      rss nr_ptes swapents oom_score_adj name")
	default:
		out = append(out, "[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name")
	}
	for _, p := range m.procs {
		tables := p.tables
		if !m.before(4, 15) {
			tables *= 4096
		}
		out = append(out, fmt.Sprintf("[%7d] %5d %5d %8d %8d %8d %8d         %5d %s", p.pid, 1000, p.pid, p.rss()*2, p.rss(), tables,
			p.swap, p.adj, p.comm))
	}
	return out
}

// String is the report as dmesg has it.
func (m made) String() string {
	if m.procs == nil {
		m.procs = machine()
	}
	if m.release == "" {
		m.release = fmt.Sprintf("%d.%d.0-1-amd64", m.major, m.minor)
	}
	for _, or := range [...]struct {
		to *string
		is string
	}{{&m.cpuset, "/"}, {&m.mems, "0"}, {&m.gfp, "0x6280ca(GFP_HIGHUSER_MOVABLE|__GFP_ZERO)"}, {&m.swap, "0"}} {
		if *or.to == "" {
			*or.to = or.is
		}
	}
	lines := []string{fmt.Sprintf("sshd invoked oom-killer: gfp_mask=%s%s, order=%d, oom_score_adj=0", m.gfp, m.head, m.order)}
	if m.before(5, 0) {
		lines = append(lines, "sshd cpuset="+m.cpuset+" mems_allowed="+m.mems)
	}
	if m.release != "-" {
		lines = append(lines, "CPU: 1 PID: 700 Comm: sshd Not tainted "+m.release+" #1")
	}
	if m.constraint == "memcg" && m.before(5, 0) {
		lines = append(lines, "Task in /a/b killed as a result of limit of /a")
	}
	lines = append(append(lines, m.memory()...), m.table()...)
	return "[ 9021.118230] " + strings.Join(append(lines, m.kill()...), "\n[ 9021.118230] ") + "\n"
}

func (m *made) kill() (out []string) {
	var v proc
	for _, p := range m.procs {
		if p.pid == m.victim {
			v = p
		}
	}
	lead, scope, name := "Out of memory", "global_oom", map[string]string{
		"": "NONE", "memcg": "MEMCG", "cpuset": "CPUSET", "mempolicy": "MEMORY_POLICY",
	}[m.constraint]
	if m.constraint == "memcg" {
		lead, scope = "Memory cgroup out of memory", "oom_memcg=/a"
	}
	sizes := fmt.Sprintf("process %d (%s) total-vm:%dkB, anon-rss:%dkB, file-rss:%dkB, shmem-rss:%dkB",
		v.pid, v.comm, v.rss()*8, v.anon*4, v.file*4, v.shmem*4)
	if m.before(5, 1) {
		return append(out, fmt.Sprintf("%s: Kill process %d (%s) score %d or sacrifice child", lead, v.pid, v.comm, m.score), "Killed "+sizes)
	}
	mask := "(null)"
	if m.constraint == "mempolicy" {
		mask = m.mems
	}
	return append(out,
		fmt.Sprintf("oom-kill:constraint=CONSTRAINT_%s,nodemask=%s,cpuset=%s,mems_allowed=%s,%s,task_memcg=/a/b,task=%s,pid=%d,uid=1000",
			name, mask, m.cpuset, m.mems, scope, v.comm, v.pid),
		fmt.Sprintf("%s: Killed %s, UID:1000 pgtables:%dkB oom_score_adj:%d", lead, sizes, v.tables*4, v.adj))
}
