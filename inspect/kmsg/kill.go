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

	clock  time.Time // a time of day without a year, for what lies between two lines
	caller string    // the task or CPU that printed it, under CONFIG_PRINTK_CALLER
}

// since returns how long after was s was logged; ok is false where the two have
// no clock in common.
func (s *Stamp) since(was *Stamp) (d time.Duration, ok bool) {
	switch {
	case s.Uptime >= 0 && was.Uptime >= 0:
		return s.Uptime - was.Uptime, true
	case !s.Wall.IsZero() && !was.Wall.IsZero():
		return s.Wall.Sub(was.Wall), true
	case !s.clock.IsZero() && !was.clock.IsZero():
		return s.clock.Sub(was.clock), true
	case s.Text != "" && s.Text == was.Text:
		return 0, true
	}
	return 0, false
}

// Event is one report of the OOM killer: from the allocation that failed to the
// victims. A text may hold only a part of it.
type Event struct {
	Stamp   Stamp
	Release string // of the kernel, where the report names it

	Invoked  bool // the first line is there
	Invoker  Task // who asked for memory: Comm, and PID and UID if given
	GFP      uint64
	GFPNames string // as the kernel prints them since 4.6; ""
	HasGFP   bool
	Order    int64 // Unset if not given; -1 of sysrq is in Manual
	Manual   bool  // asked for through sysrq f

	Summary     bool   // the oom-kill: line is there, since 5.0
	Constraint  string // NONE, CPUSET, MEMORY_POLICY, MEMCG; "" if not given
	Cpuset      string
	NodeMask    string // of the allocation's memory policy; "(null)" where it has none, "" if not given
	MemsAllowed string // by the cpuset of the task that asked
	Nodes       string // of the two the one that bound the allocation; "" if not given
	Global      bool   // given as global_oom
	OOMMemcg    string // the cgroup whose limit was hit
	TaskMemcg   string // the victim's own

	Memory, MemSwap, Kmem, Swap Usage             // of that cgroup
	Stats                       map[string]uint64 // of that cgroup and those below it, in bytes
	Listed                      bool              // they were a line each, as since 5.3

	Mem       map[string]int64 // the lines below Mem-Info, in pages
	Zones     []Zone
	Orphans   int   // lists of free blocks whose zone has no line of its own here
	HugePages int64 // kB in pools of huge pages; Unset if not given
	HugeFree  int64 // kB of it that nobody uses
	PageCache int64 // pages
	SwapTotal int64 // kB
	SwapFree  int64 // kB
	RAM       int64 // pages
	Reserved  int64 // pages

	Header []string // columns of the task table, without pid; nil: no table
	Tasks  []Task
	Lost   int // rows beyond what is kept

	Task    Victim  // whom the oom-kill: line names
	Chosen  *Victim // up to 5.0: whom the points chose; a child may have died in its place
	Victims []Victim
	Whole   string // memory.oom.group: the cgroup that is killed as a whole

	// Interleaved says that two reports were printed at once: only the victims' lines
	// say which one they belong to, and the rest is left out.
	Interleaved bool

	until Stamp // when a victim was named last
}

// Usage is a counter of a cgroup at its limit, in kB.
type Usage struct{ Use, Limit, Failed int64 }

// Zone is one zone at that moment. Sizes are in kB.
type Zone struct {
	Node                     int64 // Unset if the line does not say
	Name                     string
	Free, Min, Low, High     int64
	Present, Managed         int64
	CMA, HighAtomic          int64    // free pages kept for contiguous and for high-priority allocations
	Reserve                  []int64  // pages kept from requests that may come from a higher zone, by that zone
	Blocks                   []int64  // free blocks by order
	Types                    []string // who each order's blocks are for: U, M, E, H, C, I; "" if not given
	Smallest                 int64    // size of a block of order 0: the page size
	ActiveFile, InactiveFile int64
}

// Task is a row of the task table, or another task that a report names. Counts are
// in pages, but PageTables, which is in bytes since 4.15.
type Task struct {
	PID, TGID, UID             int64
	Comm                       string
	TotalVM, RSS               int64
	RSSAnon, RSSFile, RSSShmem int64
	Tables                     int64 // pages of page tables, all levels that are given
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
	Cut               bool // Comm is only the start of its name: the line was cut there
	Torn              bool // its line is the log's last, and lacks its end
	TotalVM           int64
	Anon, File, Shmem int64
	Tables            int64
	Adj               int64
	HasAdj            bool
	Score             int64 // up to 5.0, of the one that was chosen
	Memcg             bool  // given as a cgroup's
	Lead              bool  // what ran out is before "Killed process": since 5.1
	AllocatingTask    bool  // vm.oom_kill_allocating_task
	Sharing           bool  // killed for sharing the victim's memory
	Named             bool  // only announced: the log ends before it says that it was killed
	Reaped            bool  // the reaper took its memory before it could exit
	Unreaped          bool  // the log goes on for long enough, and has no line of the reaper
	Failed            bool  // the reaper gave up on it
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
	return &Event{Stamp: s, Invoker: newTask(), Order: Unset, Memory: none, MemSwap: none, Kmem: none, Swap: none,
		Task: newVictim(), HugePages: Unset, HugeFree: Unset, PageCache: Unset, SwapTotal: Unset, SwapFree: Unset, RAM: Unset, Reserved: Unset}
}

// PageSize finds out the page size, which no line has: the smallest block of
// the free lists, or the victim's size in kB and in pages. 0 if unknown: the
// victim may have grown between the table and its own line.
func (e *Event) PageSize() int64 {
	for _, z := range e.Zones {
		if isPage(z.Smallest) {
			return z.Smallest << 10
		}
	}
	for i := range e.Victims {
		v := &e.Victims[i]
		t := e.Row(v.PID)
		if t != nil && t.TotalVM > 0 && v.TotalVM > 0 && v.TotalVM%t.TotalVM == 0 && isPage(v.TotalVM/t.TotalVM) {
			return v.TotalVM / t.TotalVM << 10
		}
	}
	return 0
}

// isPage reports whether some machine has pages of that many kB.
func isPage(kb int64) bool { return kb >= 4 && kb <= 64 && kb&(kb-1) == 0 }

// Row returns a process's row of the task table; nil if it has none.
func (e *Event) Row(pid int64) *Task {
	for i := range e.Tasks {
		if e.Tasks[i].PID == pid || e.Tasks[i].TGID == pid {
			return &e.Tasks[i]
		}
	}
	return nil
}
