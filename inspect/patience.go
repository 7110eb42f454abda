package inspect

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// ErrTimedOut says that a file did not answer in time: another task holds what its
// reading must wait for.
var ErrTimedOut = errors.New("it did not answer in time")

// patience is how long reads are waited for, in all, that other tasks can hold up.
// A task that hangs with its memory locked lets `ps` hang too: of a file that does
// not answer kwhy says so, and goes on.
type patience struct {
	left atomic.Int64 // ns that may still be waited
	late atomic.Int64 // how many did not answer
}

// leastWait is what each read is given when the patience is used up: one that is
// not held up takes some microseconds.
const leastWait = 20 * time.Millisecond

// mayHang are the files of a process whose reading waits for what a task may hold for
// long: mmap_lock (cmdline, maps, smaps_rollup) or exec_update_lock (io, stack,
// syscall, and the opening of maps; before 5.11 mutexes), fs/proc/base.c and
// task_mmu.c; the locks of what a descriptor leads to (fdinfo); the server of a
// network file system (exe, cwd, root, and whatever fd and map_files lead to).
func mayHang(rel string) bool {
	if rel == "" || rel[0] < '0' || rel[0] > '9' { // of the host, or kwhy's own
		return false
	}
	switch dir, name := path.Split(rel); name {
	case "cmdline", "cwd", "exe", "io", "maps", "root", "smaps_rollup", "stack", "syscall":
		return true
	default:
		return strings.Contains(dir, "/root/") ||
			strings.HasSuffix(dir, "/fdinfo/") || strings.HasSuffix(dir, "/fd/") || strings.HasSuffix(dir, "/map_files/")
	}
}

// patiently does what may be held up. What do gives is lost where it comes too late, so
// that do must write to nothing that others see.
func patiently[T any](p *patience, op, path string, do func() (T, error)) (T, error) {
	type answer struct {
		got T
		err error
	}
	done := make(chan answer, 1)
	go func() {
		got, err := do()
		done <- answer{got, err}
	}()
	start := time.Now()
	patient := max(time.Duration(p.left.Load())/2, leastWait)
	runtime.Gosched() // most have answered when it is this one's turn again
	for nap := firstNap; ; nap = min(2*nap, longestNap) {
		select {
		case a := <-done:
			return a.got, a.err
		default:
		}
		if took := time.Since(start); took > patient {
			if !working() {
				p.left.Add(-int64(took))
				p.late.Add(1)
				var none T
				return none, fmt.Errorf("%s %s: %w", op, path, ErrTimedOut)
			}
			patient = took + leastWait
		}
		doze(nap)
	}
}

const (
	firstNap   = 10 * time.Microsecond
	longestNap = 5 * time.Millisecond
)

// doze sleeps by the kernel's clock alone: the runtime's timers want descriptors, and
// die where there is none left.
func doze(d time.Duration) {
	ts := unix.NsecToTimespec(int64(d))
	_ = unix.Nanosleep(&ts, nil) // cut short by a signal it is looked at sooner
}

// working reports whether a thread of kwhy besides this one is at work, as it is where
// a file is long, and not all are asleep, as they are where somebody else holds it
// up. Which thread a read is on is not known: it may change between two.
func working() bool {
	const tasks = "/proc/self/task/" // not those of the host that is read
	t := Tree{fd: unix.AT_FDCWD}
	own := strconv.Itoa(unix.Gettid())
	names, _ := t.Names(tasks) // without it nobody is seen at work
	var b []byte
	for _, name := range names {
		var err error
		b, err = t.Read(tasks+name+"/stat", b[:0], UntilShort)
		_, rest, ok := bytes.Cut(b, []byte(") "))
		if err == nil && ok && name != own && len(rest) > 0 && rest[0] == 'R' {
			return true
		}
	}
	return false
}

// usualWait is how long that is unless Wait says otherwise.
const usualWait = 2 * time.Second

// Wait sets how long files are waited for, in all, that do not answer.
func (h *Host) Wait(most time.Duration) { h.Proc.wait.left.Store(int64(most)) }

// Late returns how many files did not answer in time.
func (h *Host) Late() int { return int(h.Proc.wait.late.Load()) }

// Patience is how long the next answer of this host is waited for.
func (h *Host) Patience() time.Duration {
	return max(time.Duration(h.Proc.wait.left.Load()), leastWait)
}

// CameLate notes that something other than a file did not answer in time.
func (h *Host) CameLate() { h.Proc.wait.late.Add(1) }

func newPatience() *patience {
	p := &patience{}
	p.left.Store(int64(usualWait))
	return p
}
