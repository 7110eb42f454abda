package proc

import (
	"strings"

	"kwhy/explain"
	"kwhy/inspect"
	procfacts "kwhy/inspect/proc"
)

type (
	row    = procfacts.Row
	column = explain.Field[procfacts.Row]
	doc    = explain.Doc
	value  = explain.Value
)

// PID is the process's number: the first column of every process table.
func PID() column {
	return column{Doc: doc{
		Key: "pid", Unit: explain.Plain,
		Source:  inspect.PIDStat,
		Gist:    "The process ID, in the PID namespace of that /proc.",
		Concept: "process",
	}, Get: func(p row) value {
		if p.P.TGID != 0 {
			return explain.I(p.P.TGID)
		}
		return explain.I(p.P.PID)
	}}
}

// TID is the number of a thread; that of the main thread is the PID.
func TID() column {
	return column{Doc: doc{
		Key: "tid", Unit: explain.Plain,
		Source: inspect.PIDStat, Also: []inspect.Source{inspect.PIDTask},
		Gist:    "The thread ID; that of the main thread is the PID.",
		Concept: "process",
	}, Get: func(p row) value { return explain.I(p.P.PID) }}
}

// PPID is the parent's number.
func PPID() column {
	return column{Doc: doc{
		Key: "ppid", Unit: explain.Plain, Show: explain.Data,
		Source:  inspect.PIDStat,
		Gist:    "The PID of its parent; 0 where that is outside the PID namespace.",
		Concept: "process",
	}, Get: func(p row) value { return explain.I(p.P.PPID) }}
}

// Comm is the name that the kernel knows.
func Comm() column {
	return column{Doc: doc{
		Key: "comm", Label: "NAME",
		Source:  inspect.PIDStat,
		Gist:    "The kernel's name for it: 15 bytes, more for kernel threads; can be changed.",
		Concept: "process",
	}, Get: func(p row) value { return explain.S(p.P.Comm) }}
}

// Command is the command line, which the process may have overwritten.
func Command() column {
	return column{Doc: doc{
		Key: "command", Show: explain.Data,
		Source:  inspect.PIDCmdline,
		Gist:    "The command line; a process may overwrite it, a kernel thread has none.",
		Concept: "process",
	}, Get: func(p row) value {
		if p.P.Cmdline == "" {
			return explain.None(inspect.Inapplicable)
		}
		return explain.S(p.P.Cmdline)
	}}
}

// RSS is the resident memory from /proc/PID/stat, cheap to read for all processes.
func RSS() column {
	return column{Doc: doc{
		Key: "rss", Unit: explain.Bytes, Show: explain.Data,
		Source:  inspect.PIDStat,
		Gist:    "Resident memory from stat; since 6.2 off by what CPUs have yet to add up.",
		Concept: "rss",
	}, Get: func(p row) value {
		if p.P.Kthread() {
			return explain.None(inspect.Inapplicable)
		}
		return explain.N(p.P.RSS * p.Host.Host.PageSize)
	}}
}

// VmRSS is the resident memory as /proc/PID/status gives it.
func VmRSS() column {
	return status("vm_rss", "VmRSS", "RSS", "Resident memory: pages in RAM, shared ones counted in full.",
		"rss", func(p *procfacts.Process) inspect.Num {
			return p.VmRSS
		})
}

// RssParts are the three parts of VmRSS.
func RssParts() []column {
	return []column{
		status("rss_anon", "RssAnon", "ANON", "The part of RSS that no file backs: heap, stack.", "rss", func(p *procfacts.Process) inspect.Num {
			return p.RssAnon
		}),
		status("rss_file", "RssFile", "FILE", "The part of RSS that files back: programs, libraries, mapped files.",
			"rss", func(p *procfacts.Process) inspect.Num {
				return p.RssFile
			}),
		status("rss_shmem", "RssShmem", "SHMEM", "The part of RSS that is shared memory or tmpfs.", "rss",
			func(p *procfacts.Process) inspect.Num {
				return p.RssShmem
			}),
	}
}

// VmSwap is how much of the process is swapped out.
func VmSwap() column {
	return status("vm_swap", "VmSwap", "SWAP", "Anonymous memory in swap; shared memory in swap is not counted.",
		"swap", func(p *procfacts.Process) inspect.Num {
			return p.VmSwap
		})
}

func status(key, kernel, label, gist string, concept explain.Concept, get func(*procfacts.Process) inspect.Num) column {
	d := doc{
		Key: key, Kernel: kernel, Label: label, Unit: explain.Bytes,
		Source: inspect.PIDStatus, Also: []inspect.Source{inspect.PIDStat},
		Gist:    gist,
		Concept: concept,
	}
	if strings.HasPrefix(key, "rss_") {
		d.Since = inspect.Version{Major: 4, Minor: 5}
	}
	return column{Doc: d, Get: func(p row) value {
		v := explain.Opt(get(p.P))
		if !v.Has() && (p.P.Kthread() || p.P.State == 'Z' || p.P.VmRSS == inspect.Unset) {
			return explain.None(inspect.Inapplicable)
		}
		return v
	}}
}

// Shares are PSS, USS and SwapPss, which the kernel walks page tables for.
func Shares() []column {
	share := func(key, kernel, label, gist string, get func(*procfacts.Process) inspect.Num) column {
		return column{Doc: doc{
			Key: key, Kernel: kernel, Label: label, Unit: explain.Bytes,
			Source:  inspect.PIDSmapsRollup,
			Gist:    gist,
			Concept: "pss",
		}, Get: func(p row) value { return explain.Opt(get(p.P)) }}
	}
	return []column{
		share("pss", "Pss", "PSS", "Resident memory, each shared page divided among the processes that map it.",
			func(p *procfacts.Process) inspect.Num {
				return p.Pss
			}),
		share("uss", "", "USS", "Resident memory that this process alone maps.", func(p *procfacts.Process) inspect.Num { return p.Uss }),
		share("swap_pss", "SwapPss", "SWAPPSS", "Anonymous memory in swap, divided where several processes share it.",
			func(p *procfacts.Process) inspect.Num {
				return p.SwapPss
			}),
	}
}

// UID is the process's owner.
func UID() column {
	return column{Doc: doc{
		Key: "uid", Kernel: "Uid", Label: "UID", Unit: explain.Plain, Show: explain.Data,
		Source:  inspect.PIDStatus,
		Gist:    "The effective user ID, as kwhy's user namespace maps it.",
		Concept: "process",
	}, Get: func(p row) value { return explain.N(p.P.UID) }}
}

// VmPTE is the size of the process's page tables.
func VmPTE() column {
	return status("vm_pte", "VmPTE", "TABLES", "Its page tables; before 4.15 with VmPMD and VmPUD added.",
		"page-tables", func(p *procfacts.Process) inspect.Num {
			return p.PageTables
		})
}

// OomScore is the kernel's own figure.
func OomScore() column {
	return column{Doc: doc{
		Key: "oom_score", Kernel: "oom_score", Label: "SCORE", Unit: explain.Plain,
		Source:  inspect.PIDOomScore,
		Gist:    "The kernel's own figure: its memory and adjustment, relative to all memory.",
		Concept: "oom-score",
	}, Get: func(p row) value { return explain.Opt(p.P.OomScore) }}
}

// OomScoreAdj is the adjustment that was set for the process or inherited.
func OomScoreAdj() column {
	return column{Doc: doc{
		Key: "oom_score_adj", Kernel: "oom_score_adj", Label: "ADJ", Unit: explain.Plain,
		Source:  inspect.PIDOomScoreAdj,
		Gist:    "From -1000 (never killed) to 1000 (killed first); children inherit it.",
		Concept: "oom-score-adj",
	}, Get: func(p row) value { return explain.I(p.P.OomScoreAdj) }}
}

// Cgroup is the cgroup to which the process's memory is charged.
func Cgroup() column {
	return column{Doc: doc{
		Key: "cgroup", Show: explain.Data,
		Source:  inspect.PIDCgroup,
		Gist:    "The memory cgroup that it is charged to.",
		Concept: "memory-cgroup",
	}, Get: func(p row) value {
		if p.P.Cgroup == "" {
			return explain.None(inspect.Inapplicable)
		}
		return explain.S(p.P.Cgroup)
	}}
}
