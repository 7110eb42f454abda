package inspect

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// kernelConfig reads the options that bear on scheduling, no further than it must:
// from /proc, or where a live kernel does not have it there, from where
// distributions put it.
func (h *Host) kernelConfig() (out map[string]string, why Reason) {
	hz := !h.Live // the clock tells
	err := h.proc.with("config.gz", func(b []byte) error {
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return errMalformed
		}
		out, err = parseConfig(z, hz)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) && h.Live {
		t := tree{root: "", fd: unix.AT_FDCWD, pool: h.proc.pool}
		err = t.with("/boot/config-"+h.Release, func(b []byte) error {
			out, err = parseConfig(bytes.NewReader(b), hz)
			return err
		})
	}
	return out, reasonFor(err)
}

// maxConfigLine is far above any line of a configuration.
const maxConfigLine = 64 << 10

// parseConfig reads lines of "CONFIG_HZ=250" and "# CONFIG_PREEMPT_RT is not set"
// until it has seen the options of preemption, which stand together
// (kernel/Kconfig.preempt), and CONFIG_HZ if that is wanted.
func parseConfig(r io.Reader, hz bool) (map[string]string, error) {
	out := map[string]string{}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4<<10), maxConfigLine)
	seen := false
	for lines.Scan() {
		name, value, ok := configLine(lines.Bytes())
		switch {
		case !ok:
			continue
		case isPreemption(name):
			out[string(name)], seen = string(value), true
		case string(name) == "CONFIG_HZ":
			out["CONFIG_HZ"] = string(value)
		}
		past := seen && !bytes.Contains(name, []byte("PREEMPT"))
		if past && (!hz || out["CONFIG_HZ"] != "") {
			return out, nil
		}
	}
	if lines.Err() != nil || len(out) == 0 {
		return nil, errMalformed
	}
	return out, nil
}

func configLine(line []byte) (name, value []byte, ok bool) {
	if name, value, ok = bytes.Cut(line, []byte("=")); ok {
		return name, value, bytes.HasPrefix(name, []byte("CONFIG_"))
	}
	if name, ok = bytes.CutPrefix(line, []byte("# ")); ok {
		name, ok = bytes.CutSuffix(name, []byte(" is not set"))
	}
	return name, []byte("n"), ok
}

// isPreemption tells the options that say when a task in the kernel is put off.
func isPreemption(name []byte) bool {
	switch string(name) {
	case "CONFIG_PREEMPT_NONE", "CONFIG_PREEMPT_VOLUNTARY", "CONFIG_PREEMPT", "CONFIG_PREEMPT_RT", "CONFIG_PREEMPT_LAZY", "CONFIG_PREEMPT_DYNAMIC":
		return true
	}
	return false
}

// tick asks how long the kernel's tick is: what its coarse clocks resolve
// (kernel/time/posix-timers.c, posix_get_coarse_res).
func (h *Host) tick(s *Sched) Reason {
	if !h.Live {
		return Inapplicable
	}
	var ts unix.Timespec
	if err := unix.ClockGetres(unix.CLOCK_MONOTONIC_COARSE, &ts); err != nil {
		return reasonFor(err)
	}
	s.Tick = time.Duration(ts.Nano())
	return Present
}

// Loads returns the load averages in units of 1/2048, to the bit: /proc/loadavg
// rounds them.
func (h *Host) Loads() (out [3]uint64, why Reason) {
	if !h.Live {
		return out, Inapplicable
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return out, reasonFor(err)
	}
	for i, l := range info.Loads {
		out[i] = unsigned(l) >> 5 // kernel/sys.c, do_sysinfo: SI_LOAD_SHIFT - FSHIFT
	}
	return out, Present
}

// unsigned widens what C calls a long.
func unsigned[N uint32 | uint64](n N) uint64 { return uint64(n) }

func (h *Host) schedDebug(d *SchedDebugfs) Reason {
	const dir = "kernel/debug/sched"
	names, err := h.sys.names(dir)
	if err != nil {
		if h.Kernel.AtLeast(5, 13) {
			return reasonFor(err)
		}
		return reasonFor(h.sys.single("kernel/debug/sched_features", func(b []byte) error { d.Features = strings.Fields(string(b)); return nil }))
	}
	number := func(name string) Num {
		if n, err := h.sys.number(dir + "/" + name); err == nil && n >= 0 {
			return Num(n)
		}
		return Unset
	}
	d.BaseSlice, d.MinGranularity, d.Latency, d.Wakeup = number("base_slice_ns"), number("min_granularity_ns"), number("latency_ns"), number("wakeup_granularity_ns")
	d.FairRuntime, d.FairPeriod = number("fair_server/cpu0/runtime"), number("fair_server/cpu0/period")
	err = h.sys.single(dir+"/features", func(b []byte) error { d.Features = strings.Fields(string(b)); return nil })
	_ = h.sys.single(dir+"/preempt", func(b []byte) error {
		_, rest, _ := strings.Cut(string(b), "(")
		d.Preempt, _, _ = strings.Cut(rest, ")")
		return nil
	})
	if slices.Contains(names, "features") {
		return reasonFor(err)
	}
	return Present
}

func (h *Host) schedExt(e *SchedExtState) Reason {
	err := h.sys.single("kernel/sched_ext/state", func(b []byte) error { e.State = string(trimNewline(b)); return nil })
	_ = h.sys.single("kernel/sched_ext/root/ops", func(b []byte) error { e.Ops = string(trimNewline(b)); return nil })
	if r := reasonFor(err); r != Unsupported {
		return r
	}
	return Inapplicable // without it no BPF program decides: that is an answer
}

func (h *Host) cpuLists(l *CPULists) Reason {
	read := func(name string, to *string) error {
		return h.sys.single("devices/system/cpu/"+name, func(b []byte) error { *to = strings.TrimSpace(string(b)); return nil })
	}
	err := read("online", &l.Online)
	_, _, _ = read("isolated", &l.Isolated), read("nohz_full", &l.NohzFull), read("smt/control", &l.SMT)
	if l.NohzFull == "(null)" {
		l.NohzFull = ""
	}
	return reasonFor(err)
}

// CPUListHolds tells whether every CPU of the list some is in the list all: a list
// is "0-3,8".
func CPUListHolds(all, some string) bool {
	in := map[int]bool{}
	eachCPU(all, func(n int) { in[n] = true })
	holds := true
	eachCPU(some, func(n int) { holds = holds && in[n] })
	return holds
}

func eachCPU(list string, do func(int)) {
	const most = 1 << 16 // far above any NR_CPUS
	for part := range strings.SplitSeq(list, ",") {
		from, to, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(from)
		b := a
		if isRange && err == nil {
			b, err = strconv.Atoi(to)
		}
		for n := a; err == nil && n >= 0 && n <= min(b, most); n++ {
			do(n)
		}
	}
}
