package inspect

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"time"
)

// NoProcess returns ErrNoProcess with the number that was asked for, and what it means here:
// a copy has few processes, and a /proc that is mounted with hidepid does not show PID 1 to
// who may not see the others.
func (h *Host) NoProcess(pid int32) error { return h.none("process", pid) }

// NoThread says the same of a number that may be a thread's.
func (h *Host) NoThread(tid int32) error { return h.none("thread", tid) }

func (h *Host) none(what string, id int32) error {
	if h.NoProc {
		return fmt.Errorf("%s %d: %w: there is no /proc at %s", what, id, ErrNoProcess, h.Proc.Root)
	}
	if !h.Live {
		return fmt.Errorf("%s %d: %w in this copy", what, id, ErrNoProcess)
	}
	if _, err := h.Proc.Stat("1"); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s %d: %w that this user may see: /proc is mounted with hidepid", what, id, ErrNoProcess)
	}
	if whole, known := h.InitialPIDNamespace(); known && !whole {
		return fmt.Errorf("%s %d: %w in this PID namespace", what, id, ErrNoProcess)
	}
	return fmt.Errorf("%s %d: %w", what, id, ErrNoProcess)
}

// Uptime reads how long the host has been up, in seconds; 0 if unknown, and why.
func (h *Host) Uptime() (seconds float64, why Reason) {
	err := h.Proc.Single("uptime", func(b []byte) (err error) {
		field, _ := CutField(b)
		if seconds, err = strconv.ParseFloat(string(field), 64); err != nil || !(seconds > 0) || seconds > 1e12 {
			return ErrMalformed
		}
		return nil
	})
	if err != nil {
		return 0, ReasonOf(err)
	}
	return seconds, Present
}

// ErrNoProcess says that there is no process of that number.
var ErrNoProcess = errors.New("no such process")

// PidReason distinguishes a process that ended from a file that this kernel does not
// have for anyone.
func (h *Host) PidReason(dir string, err error) Reason {
	r := ReasonOfPID(err)
	if r == NotSaved || r == NotMounted {
		if _, err := h.Proc.Stat(dir); err != nil {
			return Vanished // the copy has no such process
		}
		return r
	}
	if r != Vanished || !errors.Is(err, fs.ErrNotExist) {
		return r
	}
	if _, err := h.Proc.Names(dir); err == nil {
		return Unsupported
	}
	return Vanished
}

// userHZ is the unit of the clock ticks that /proc shows to user space: 100
// on every architecture that Go builds for (include/asm-generic/param.h),
// whatever CONFIG_HZ is. A copy may be of another: alpha and ia64 have 1024.
const userHZ = 100

// Seconds returns how long some clock ticks of /proc are, in seconds.
func (h *Host) Seconds(ticks uint64) float64 {
	if h == nil || h.Ticks == 0 {
		return float64(ticks) / userHZ
	}
	return float64(ticks) / float64(h.Ticks)
}

// savedTicks finds how many clock ticks of /proc are in a second of a host that is not this
// one: the times of a CPU add up to its uptime, but for what was lost while it was offline. Where
// the copy lacks one of them, its architecture tells.
func (h *Host) savedTicks() (perSecond uint64, known bool) {
	var longest uint64
	_ = h.Proc.With("stat", func(b []byte) error {
		for line := range Lines(b) {
			if name, rest := CutField(line); len(name) > 3 && bytes.HasPrefix(name, []byte("cpu")) {
				longest = max(longest, sumOf(rest, 8))
			}
		}
		return nil
	})
	up, _ := h.Uptime()
	likely := []uint64{userHZ}
	if h.Arch == "alpha" || h.Arch == "ia64" { // the only ones with another (asm/param.h)
		likely = append(likely, 1024)
	}
	for _, hz := range likely {
		if f := float64(longest) / (up * float64(hz)); up > 10 && f > 0.8 && f < 1.25 {
			return hz, true
		}
	}
	return userHZ, h.Arch != ""
}

// sumOf adds up the first fields of a line, at most so many; 0 where one is no number. What
// guests ran, behind them, is in user and nice too (kernel/sched/cputime.c, account_guest_time).
func sumOf(line []byte, most int) (sum uint64) {
	for ; most > 0 && len(line) > 0; most-- {
		var field []byte
		field, line = CutField(line)
		n, ok := ParseUint(field)
		if !ok || n > 1<<56 {
			return 0
		}
		sum += n
	}
	return sum
}

// noBoot is what NoBoot returns, kept.
type noBoot Reason

// NoBoot says why /proc/stat does not give the time of the boot; Present where it can be read.
func (h *Host) NoBoot() Reason {
	if h.replaced(ProcStat) && !h.Live {
		return Foreign
	}
	return Reason(Keep(h, func() noBoot { return noBoot(h.Proc.Look("stat")) }))
}

// Born returns when a process of that start time (stat, field 22) was started;
// the zero time if the boot time is unknown. Where another file is mounted over /proc/stat, a
// running host's clock says when it was booted.
func (h *Host) Born(ticks uint64) time.Time {
	if h.replaced(ProcStat) {
		at := h.bootedByClock()
		if at.IsZero() || ticks > 1<<40 {
			return time.Time{}
		}
		return at.Add(time.Duration(h.Seconds(ticks) * float64(time.Second)))
	}
	var boot uint64
	_ = h.Proc.With("stat", func(b []byte) error {
		for len(b) > 0 {
			var line []byte
			line, b = CutLine(b)
			if word, rest := CutField(line); string(word) == "btime" {
				boot, _ = ParseUint(rest)
			}
		}
		return nil
	})
	if boot == 0 || boot > 1<<40 || ticks > 1<<40 {
		return time.Time{}
	}
	return time.Unix(int64(boot), 0).Add(time.Duration(h.Seconds(ticks) * float64(time.Second))).UTC()
}
