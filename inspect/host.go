package inspect

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// Host is one machine's /proc and /sys: mounted here, mounted elsewhere, or saved.
type Host struct {
	Name     string // kernel.hostname
	Release  string // kernel.osrelease, whole
	Kernel   Kernel
	Arch     string // the machine name, as uname -m gives it; "" if unknown
	BootID   string
	CPUs     int // online; 0 if unknown
	PageSize uint64
	// PageSizeKnown is false for a copy that does not show it: then PageSize is this host's.
	PageSizeKnown bool
	// Ticks is how many clock ticks of /proc are in a second; TicksKnown is false for a copy that
	// does not show it: then it is this host's.
	Ticks      uint64
	TicksKnown bool
	Live       bool // the tree is a mounted procfs, not a copy
	// NoProc says that there is neither: nothing is mounted at the root, and nothing of what a
	// /proc has lies there.
	NoProc bool

	Proc, Sys Tree
	Now       func() time.Time

	fs    procfs.FS   // reads by path: see ByProcfs
	spare func() bool // descriptors, for what procfs opens

	emulator *string // what wrote this /proc, where it was no Linux kernel; "" if that has no name
	doubts   *doubts
	mounts   func() []Mount // below /proc and /sys, read once; nil of a host that was not opened
	kept     sync.Map       // see Keep
}

// Open opens the trees at procRoot and sysRoot; where that is "", the /sys that belongs to that
// /proc. It fails only where procRoot is no directory that may be entered; a missing sysRoot
// shows as gaps. now is the clock that stamps samples.
func Open(procRoot, sysRoot string, now func() time.Time) (*Host, error) {
	h := &Host{Now: now, doubts: &doubts{of: map[Source]Doubt{}, devices: map[string]uint64{}}}
	var err error
	if h.Proc, err = openTree(filepath.Clean(procRoot)); err != nil {
		return nil, fmt.Errorf("--proc-root: %w", err)
	}
	if h.Live = h.Proc.Is(unix.PROC_SUPER_MAGIC); !h.Live {
		h.Proc.self = h.Proc.flattened()
	}
	h.NoProc = !h.Live && !h.hasProc()
	h.Sys = h.openSys(sysRoot)
	if h.fs, err = procfs.NewFS(procRoot); err != nil {
		return nil, fmt.Errorf("--proc-root: %w", err)
	}
	h.spare = sync.OnceValue(h.Proc.spare)
	h.mounts = sync.OnceValue(h.mountsBelow)
	h.Proc.over = &overlaid{list: sync.OnceValue(h.overProcesses)}
	h.Sys.over = &overlaid{list: sync.OnceValue(h.overCgroups), all: true}
	h.identify()
	return h, nil
}

// openSys opens the /sys at root or, where nobody named one, the one that belongs to that
// /proc. What the running kernel shows there is of no copy.
func (h *Host) openSys(root string) Tree {
	named := root != ""
	if !named {
		root = h.sysBeside()
	}
	root = filepath.Clean(root)
	t, err := openTree(root)
	if err == nil && !named && h.Copy() && t.Is(unix.SYSFS_MAGIC) {
		err = errors.Join(fs.ErrNotExist, t.close())
	}
	if err != nil {
		return NoTree(root)
	}
	return t
}

// sysBeside is where the /sys lies that belongs to the /proc: a running host's at /sys,
// wherever its /proc is mounted; a copy's beside it, as in what sosreport makes.
func (h *Host) sysBeside() string {
	if h.Live {
		return "/sys"
	}
	full, followed := h.Proc.Resolve(".")
	for _, at := range [...]string{full, followed} {
		if filepath.Base(at) == "proc" {
			return filepath.Join(filepath.Dir(at), "sys")
		}
	}
	return filepath.Join(full, "sys") // where /proc has its sysctls, and a copy no /sys
}

// Copy reports whether what is read was saved of a host.
func (h *Host) Copy() bool { return !h.Live && !h.NoProc }

// SysOfNow reports whether the /sys beside a copy is one that is mounted here: what it shows is
// this host's own, and of now.
func (h *Host) SysOfNow() bool { return h.Copy() && h.Sys.Is(unix.SYSFS_MAGIC) }

// Lack is why something is not there that no kernel withholds: it was not saved, or is not
// mounted.
func (h *Host) Lack() Reason {
	if h.Copy() {
		return NotSaved
	}
	return NotMounted
}

// hasProc reports whether there is a process, or one of the files that a /proc has.
func (h *Host) hasProc() bool {
	there := func(rel string) bool { _, err := h.Proc.Stat(rel); return err == nil }
	for _, s := range Every() {
		if rel, ok := strings.CutPrefix(s.String(), "/proc/"); ok && !strings.Contains(rel, "<") && there(rel) {
			return true
		}
	}
	names, _ := h.Proc.Names(".")
	return slices.ContainsFunc([]string{"self", "version", "cpuinfo", "net", "sys/kernel/osrelease"}, there) ||
		slices.ContainsFunc(names, func(name string) bool { _, ok := ParsePID(name); return ok })
}

// Close releases what Open opened.
func (h *Host) Close() error {
	return errors.Join(h.Proc.close(), h.Sys.close())
}

func (h *Host) identify() {
	h.findLacks()
	h.Proc.live, h.Sys.live = h.Live, !h.Copy() && h.Sys.lack == Present
	banner := h.line("version")
	h.version(banner)
	h.emulator = h.emulatorBy(banner)
	h.Name = h.line("sys/kernel/hostname")
	h.Arch = h.line("sys/kernel/arch") // since 6.1
	if h.Live {                        // without its files, which subset=pid leaves out, the kernel itself says it
		machine, node, _ := uname()
		h.Name, h.Arch = cmp.Or(h.Name, node), cmp.Or(h.Arch, machine)
	}
	h.BootID = h.line("sys/kernel/random/boot_id")
	h.CPUs = h.onlineCPUs()
	h.PageSize, h.Ticks = uint64(os.Getpagesize()), userHZ
	if h.PageSizeKnown, h.TicksKnown = true, true; !h.Live {
		h.Arch = cmp.Or(h.Arch, h.savedArch())
		h.PageSize, h.PageSizeKnown = h.savedPageSize()
		h.Ticks, h.TicksKnown = h.savedTicks()
	}
}

// findLacks finds what the trees lack and no kernel withholds: a copy has what was saved, a
// /proc mounted with subset=pid nothing but processes, a chroot no /sys.
func (h *Host) findLacks() {
	if !h.Live {
		h.Proc.lack = h.Lack()
	} else if _, err := h.Proc.Stat("stat"); errors.Is(err, fs.ErrNotExist) {
		h.Proc.lack, h.Proc.own = NotMounted, true
	}
	if !h.Sys.Is(unix.SYSFS_MAGIC) {
		h.Sys.lack = h.Lack()
	}
}

// Clocks returns what of a copy changes with time on every running host: its uptime and what
// the kernel counts. A copy that has the same after an interval is of one moment, and nothing
// can be told of the time between. "" of a live host, whose clocks run.
func (h *Host) Clocks() string {
	if h.Live {
		return ""
	}
	var all strings.Builder
	for _, file := range [...]string{"uptime", "stat", "vmstat", "loadavg", "schedstat", "interrupts", "softirqs"} {
		_ = h.Proc.With(file, func(b []byte) error { _, err := all.Write(b); return err })
		all.WriteByte(0) // a file that is there now, and was not
	}
	return all.String()
}

// uname asks the running kernel for its machine, its node's name and its release.
func uname() (machine, node, release string) {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return "", "", ""
	}
	return unix.ByteSliceToString(u.Machine[:]), unix.ByteSliceToString(u.Nodename[:]), unix.ByteSliceToString(u.Release[:])
}

func (h *Host) line(rel string) (s string) {
	_ = h.Proc.Single(rel, func(b []byte) error { s = string(bytes.TrimSpace(b)); return nil })
	return s
}

// onlineCPUs counts the CPUs that are online: by the list of /sys, or, without /sys, by the
// lines of /proc/stat, which has one for each (fs/proc/stat.c, show_stat).
func (h *Host) onlineCPUs() (n int) {
	_ = h.Sys.Single("devices/system/cpu/online", func(b []byte) error {
		n = CountList(string(bytes.TrimSpace(b)))
		return nil
	})
	if n == 0 {
		_ = h.Proc.With("stat", func(b []byte) error { n = cpusIn(b); return nil })
	}
	if n == 0 {
		n = h.linesOf("cpuinfo", func(line []byte) bool { return bytes.HasPrefix(line, []byte("processor")) })
	}
	return n
}

// cpusIn counts the CPUs of /proc/stat; 0 where it ends among them, so that there may be more. What
// follows them is in every kernel's (fs/proc/stat.c, show_stat: intr, ctxt, btime, processes).
func cpusIn(stat []byte) (n int) {
	for line := range Lines(stat) {
		rest, ok := bytes.CutPrefix(line, []byte("cpu"))
		switch {
		case ok && len(rest) > 0 && rest[0] >= '0' && rest[0] <= '9':
			n++
		case bytes.HasPrefix(line, []byte("btime ")), bytes.HasPrefix(line, []byte("processes ")):
			return n
		}
	}
	return 0
}

// linesOf counts the lines of a file that are so.
func (h *Host) linesOf(rel string, so func([]byte) bool) (n int) {
	_ = h.Proc.With(rel, func(b []byte) error {
		for line := range Lines(b) {
			if so(line) {
				n++
			}
		}
		return nil
	})
	return n
}

// SavedAt returns when a copy was made: the boot time and the uptime that it has. It is zero
// for a running host, and where the copy lacks one of them.
func (h *Host) SavedAt() time.Time {
	up, why := h.Uptime()
	if h.Live || why != Present {
		return time.Time{}
	}
	boot := h.Born(0)
	if boot.IsZero() {
		return time.Time{}
	}
	return boot.Add(time.Duration(up * float64(time.Second)))
}

// savedPageSize finds the page size of a host that is not this one: meminfo has in kB what
// vmstat has in pages. They are not read at one moment, and need not be: page sizes are a
// factor of two apart. A page is no larger than what divides all lines of meminfo. Where the
// copy has too little to tell, or another file was mounted over one of the two, this host's own is
// taken, and PageSizeKnown is false.
func (h *Host) savedPageSize() (size uint64, known bool) {
	own := uint64(os.Getpagesize())
	info, err1 := h.Counters("meminfo", 64)
	stat, err2 := h.Counters("vmstat", 256)
	if err1 != nil || err2 != nil || h.replaced(Meminfo) || h.replaced(Vmstat) {
		return own, false
	}
	votes := map[uint64]int{} // by page size
	for _, pair := range [...][2]string{
		{"MemFree", "nr_free_pages"}, {"Mapped", "nr_mapped"}, {"PageTables", "nr_page_table_pages"}, {"Dirty", "nr_dirty"},
	} {
		inBytes, pages := info[pair[0]], stat[pair[1]]
		const most = 1 << 52 // pages: no host has more memory than addresses
		if pages < 16 || pages > most || inBytes < pages<<10 {
			continue
		}
		ratio := float64(inBytes) / float64(pages)
		votes[uint64(1)<<(bits.Len64(uint64(ratio*1.414))-1)]++
	}
	largest := divisorOf(info)
	for at, n := range votes {
		if at <= largest && (n > votes[size] || n == votes[size] && at < size) { // the smaller of two alike
			size = at
		}
	}
	if size == 0 {
		return own, false
	}
	return size, true
}

// divisorOf returns the largest power of two that divides the sizes that meminfo counts in
// pages.
func divisorOf(info Counters) uint64 {
	var all uint64
	for _, name := range [...]string{"MemTotal", "MemFree", "Cached", "Active", "Inactive", "AnonPages", "Mapped", "PageTables"} {
		all |= info[name]
	}
	return all & -all
}

// Counters reads a file of names and numbers.
func (h *Host) Counters(rel string, sizeHint int) (out Counters, err error) {
	err = h.Proc.With(rel, func(b []byte) error {
		out, err = ParseCounters(b, sizeHint)
		return err
	})
	return out, err
}

// Beneath returns what finds where a mount point of kwhy's own mount table lies in the tree of
// /sys, and whether what lies elsewhere is to be read too: a /sys that was named is all of it.
func (h *Host) Beneath() (rel func(point string) (string, bool), elsewhere bool) {
	root := "/sys"
	if h.Live && h.Sys.Root != root {
		full, followed := h.Sys.Resolve(".")
		root = cmp.Or(followed, full)
	}
	return func(point string) (string, bool) {
		rest, ok := strings.CutPrefix(filepath.Clean(point), root)
		return strings.TrimPrefix(rest, "/"), ok && (rest == "" || rest[0] == '/')
	}, h.Live && root == "/sys"
}

// At returns the tree and the path in it of a source's file.
func (h *Host) At(s Source) (Tree, string) {
	path := s.String()
	if rel, ok := strings.CutPrefix(path, "/sys/"); ok {
		return h.Sys, rel
	}
	return h.Proc, strings.TrimPrefix(path, "/proc/")
}
