package kmsg

import "time"

// Unset is a number that the text does not say.
const Unset int64 = -1

// Stamp is when a line was logged, as far as its prefix says.
type Stamp struct {
	Text   string        // as the log has it: "Nov 24 10:20:42"
	Uptime time.Duration // since boot; negative if unknown
	Wall   time.Time     // zero if unknown
	Zone   bool          // whether Wall's zone is in the text
}

// Event is one report of the OOM killer: from the allocation that failed to the
// victims. A text may hold only a part of it.
type Event struct {
	Stamp   Stamp
	Release string // of the kernel, where the report names it

	Invoked  bool // the first line is there
	Invoker  Task // who asked for memory: Comm, and PID and UID where told
	GFP      uint64
	GFPNames string // as the kernel prints them since 4.6; ""
	HasGFP   bool
	Order    int64 // Unset if untold; -1 of sysrq is in Manual
	Manual   bool  // asked for through sysrq f

	Summary    bool   // the oom-kill: line is there, since 5.0
	Constraint string // NONE, CPUSET, MEMORY_POLICY, MEMCG; "" if untold
	Cpuset     string
	Nodes      string // nodemask or mems_allowed that the allocation was bound to; "" if none
	Global     bool   // told as global_oom
	OOMMemcg   string // the cgroup whose limit was hit
	TaskMemcg  string // the victim's own

	Memory, MemSwap, Swap Usage             // of that cgroup
	Stats                 map[string]uint64 // of that cgroup, in bytes

	Mem       map[string]int64 // the lines below Mem-Info, in pages
	Zones     []Zone
	PageCache int64 // pages
	SwapTotal int64 // kB
	SwapFree  int64 // kB
	RAM       int64 // pages
	Reserved  int64 // pages

	Header []string // columns of the task table, without pid; nil: no table
	Tasks  []Task
	Lost   int // rows beyond what is kept

	Task    Victim  // whom the oom-kill: line names
	Chosen  *Victim // up to 4.20: whom the points chose; a child may have died in its place
	Victims []Victim
	Whole   string // memory.oom.group: the cgroup that is killed as a whole
}

// Usage is a counter of a cgroup at its limit, in kB.
type Usage struct{ Use, Limit, Failed int64 }

// Zone is one zone at that moment. Sizes are in kB.
type Zone struct {
	Node                     int64 // Unset if the line does not say
	Name                     string
	Free, Min, Low, High     int64
	Present, Managed         int64
	Blocks                   []int64 // free blocks by order
	Smallest                 int64   // size of a block of order 0: the page size
	ActiveFile, InactiveFile int64
}

// Task is a row of the task table, or whoever else a report names. Counts are
// in pages, but PageTables, which is in bytes since 4.15.
type Task struct {
	PID, TGID, UID             int64
	Comm                       string
	TotalVM, RSS               int64
	RSSAnon, RSSFile, RSSShmem int64
	Tables                     int64 // pages of page tables, all levels that are told
	TableBytes                 int64
	Swap                       int64
	Adj                        int64
	HasAdj                     bool
}

// Victim is a process that was sent SIGKILL. Sizes are in kB.
type Victim struct {
	Stamp             Stamp
	PID, UID          int64
	Comm              string
	TotalVM           int64
	Anon, File, Shmem int64
	Tables            int64
	Adj               int64
	HasAdj            bool
	Score             int64 // up to 4.20, of the one that was chosen
	Memcg             bool  // told as a cgroup's
	AllocatingTask    bool  // vm.oom_kill_allocating_task
	Sharing           bool  // killed for sharing the victim's memory
	Named             bool  // only announced: the log ends before it says that it was killed
	Reaped            bool  // the reaper took its memory before it could exit
	ReapedAnon        int64 // what was left then
	ReapedFile        int64
	ReapedShmem       int64
}

func newTask() Task {
	return Task{PID: Unset, TGID: Unset, UID: Unset, TotalVM: Unset, RSS: Unset, RSSAnon: Unset, RSSFile: Unset, RSSShmem: Unset,
		Tables: Unset, TableBytes: Unset, Swap: Unset}
}

func newVictim() Victim {
	return Victim{PID: Unset, UID: Unset, TotalVM: Unset, Anon: Unset, File: Unset, Shmem: Unset, Tables: Unset, Score: Unset,
		ReapedAnon: Unset, ReapedFile: Unset, ReapedShmem: Unset}
}

func newEvent(s Stamp) *Event {
	none := Usage{Unset, Unset, Unset}
	return &Event{Stamp: s, Invoker: newTask(), Order: Unset, Memory: none, MemSwap: none, Swap: none,
		Task: newVictim(), PageCache: Unset, SwapTotal: Unset, SwapFree: Unset, RAM: Unset, Reserved: Unset}
}

// PageSize finds out the page size, which no line tells: the victim's size in kB
// and in pages, or the smallest block of the free lists. 0 if unknown.
func (e *Event) PageSize() int64 {
	for i := range e.Victims {
		v := &e.Victims[i]
		if t := e.Row(v.PID); t != nil && t.TotalVM > 0 && v.TotalVM > 0 && v.TotalVM%t.TotalVM == 0 {
			return v.TotalVM / t.TotalVM << 10
		}
	}
	for _, z := range e.Zones {
		if z.Smallest > 0 {
			return z.Smallest << 10
		}
	}
	return 0
}

// Row returns a process's row of the task table; nil if it has none.
func (e *Event) Row(pid int64) *Task {
	for i := range e.Tasks {
		if e.Tasks[i].PID == pid || e.Tasks[i].TGID == pid {
			return &e.Tasks[i]
		}
	}
	return nil
}
