package inspect

import (
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
	if !h.Live {
		return fmt.Errorf("%s %d: %w in this copy", what, id, ErrNoProcess)
	}
	if _, err := h.Proc.Stat("1"); err != nil {
		return fmt.Errorf("%s %d: %w that this user may see: /proc is mounted with hidepid", what, id, ErrNoProcess)
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
	if r == NotSaved {
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
// whatever CONFIG_HZ is.
const userHZ = 100

// Born returns when a process of that start time (stat, field 22) was started;
// the zero time if the boot time is unknown.
func (h *Host) Born(ticks uint64) time.Time {
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
	return time.Unix(int64(boot), 0).Add(time.Duration(ticks) * (time.Second / userHZ)).UTC()
}
