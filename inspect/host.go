package inspect

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// Version is a kernel release's number: 6.18.44.
type Version struct{ Major, Minor, Patch int }

// ParseVersion reads the number at the start of a release string
// ("5.10.0-32-amd64"); it returns the zero Version for anything else.
func ParseVersion(release string) Version {
	var n [3]int
	for i := range n {
		end := 0
		for end < len(release) && release[end] >= '0' && release[end] <= '9' {
			end++
		}
		v, err := strconv.Atoi(release[:end])
		if err != nil {
			break
		}
		n[i] = v
		if end == len(release) || release[end] != '.' {
			break
		}
		release = release[end+1:]
	}
	return Version{n[0], n[1], n[2]}
}

// AtLeast reports whether v is major.minor or newer. An unknown version is not.
func (v Version) AtLeast(major, minor int) bool {
	return v.Major > major || v.Major == major && v.Minor >= minor
}

// Before reports whether v is known and older than w.
func (v Version) Before(w Version) bool {
	return v != Version{} && !v.AtLeast(w.Major, w.Minor)
}

// String returns major.minor, as people name kernels.
func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// Host is one machine's /proc and /sys: mounted here, mounted elsewhere, or saved.
type Host struct {
	Name     string // kernel.hostname
	Release  string // kernel.osrelease, whole
	Kernel   Version
	Arch     string // the machine name, as uname -m gives it; "" if unknown
	BootID   string
	CPUs     int // online; 0 if unknown
	PageSize uint64
	Live     bool // the tree is a mounted procfs, not a copy

	Proc, Sys Tree
	Now       func() time.Time

	fs    procfs.FS   // reads by path: see ByProcfs
	spare func() bool // descriptors, for what procfs opens
}

// Open opens the trees at procRoot and sysRoot. It fails only where procRoot
// is no directory that may be entered; a missing sysRoot shows as gaps.
// now is the clock that stamps samples.
func Open(procRoot, sysRoot string, now func() time.Time) (*Host, error) {
	h := &Host{Now: now}
	var err error
	if h.Proc, err = openTree(filepath.Clean(procRoot)); err != nil {
		return nil, fmt.Errorf("--proc-root: %w", err)
	}
	if h.Sys, err = openTree(filepath.Clean(sysRoot)); err != nil {
		h.Sys = NoTree(filepath.Clean(sysRoot))
	}
	if h.fs, err = procfs.NewFS(procRoot); err != nil {
		return nil, fmt.Errorf("--proc-root: %w", err)
	}
	h.spare = sync.OnceValue(h.Proc.spare)
	h.identify()
	return h, nil
}

// Close releases what Open opened.
func (h *Host) Close() error {
	return errors.Join(h.Proc.close(), h.Sys.close())
}

func (h *Host) identify() {
	h.Live = h.Proc.Is(unix.PROC_SUPER_MAGIC)
	h.Release = h.line("sys/kernel/osrelease")
	h.Kernel = ParseVersion(h.Release)
	h.Name = h.line("sys/kernel/hostname")
	h.BootID = h.line("sys/kernel/random/boot_id")
	h.Arch = h.line("sys/kernel/arch") // since 6.1
	if h.Live && h.Arch == "" {
		h.Arch = uname()
	}
	h.CPUs = h.onlineCPUs()
	h.PageSize = uint64(os.Getpagesize())
	if !h.Live {
		h.PageSize = h.savedPageSize()
	}
}

func uname() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Machine[:])
}

func (h *Host) line(rel string) (s string) {
	_ = h.Proc.Single(rel, func(b []byte) error { s = string(bytes.TrimSpace(b)); return nil })
	return s
}

func (h *Host) onlineCPUs() (n int) {
	_ = h.Sys.Single("devices/system/cpu/online", func(b []byte) error {
		n = CountList(string(bytes.TrimSpace(b)))
		return nil
	})
	return n
}

// savedPageSize finds the page size of a host that is not this one: meminfo
// counts AnonPages in kB and vmstat the same pages one by one. They are not
// read at one moment, and need not be: page sizes differ by a factor of two.
func (h *Host) savedPageSize() uint64 {
	info, err1 := h.Counters("meminfo", 64)
	stat, err2 := h.Counters("vmstat", 256)
	if err1 == nil && err2 == nil {
		for _, pair := range [][2]string{{"AnonPages", "nr_anon_pages"}, {"Mapped", "nr_mapped"}, {"PageTables", "nr_page_table_pages"}} {
			kb, n := info[pair[0]], stat[pair[1]]
			if n < 16 || kb < n<<10 {
				continue
			}
			ratio := float64(kb) / float64(n)
			return uint64(1) << (bits.Len64(uint64(ratio*1.414)) - 1)
		}
	}
	return uint64(os.Getpagesize())
}

// IsProc reports whether the root of /proc is one, mounted or saved. Each has one of these
// files, unless nothing was saved of a host but a file or two.
func (h *Host) IsProc() bool {
	if h.Live || h.Release != "" {
		return true
	}
	for _, rel := range [...]string{"self", "stat", "meminfo", "uptime"} {
		if _, err := h.Proc.Stat(rel); err == nil {
			return true
		}
	}
	return false
}

// Counters reads a file of names and numbers.
func (h *Host) Counters(rel string, sizeHint int) (out Counters, err error) {
	err = h.Proc.With(rel, func(b []byte) error {
		out, err = ParseCounters(b, sizeHint)
		return err
	})
	return out, err
}

// At returns the tree and the path in it of a source's file.
func (h *Host) At(s Source) (Tree, string) {
	path := s.String()
	if rel, ok := strings.CutPrefix(path, "/sys/"); ok {
		return h.Sys, rel
	}
	return h.Proc, strings.TrimPrefix(path, "/proc/")
}
