package sched

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"

	"kwhy/inspect"
)

// KernelConfig reads the options that bear on scheduling, no further than it must:
// from /proc, or where a live kernel does not have it there, from where
// distributions put it.
func KernelConfig(h *inspect.Host) (out map[string]string, why inspect.Reason) {
	hz := !h.Live // the clock gives it
	err := h.Proc.With("config.gz", func(b []byte) error {
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return inspect.ErrMalformed
		}
		out, err = parseConfig(z, hz)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) && h.Live {
		other := h.Elsewhere().With("/boot/config-"+h.Release, func(b []byte) (err error) {
			out, err = parseConfig(bytes.NewReader(b), hz)
			return err
		})
		if other == nil || !inspect.ReasonOf(other).IsMissing() {
			err = other
		}
	}
	return out, inspect.ReasonOf(err)
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
		return nil, inspect.ErrMalformed
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

// isPreemption reports whether an option says when a task in the kernel is preempted.
func isPreemption(name []byte) bool {
	switch string(name) {
	case "CONFIG_PREEMPT_NONE", "CONFIG_PREEMPT_VOLUNTARY", "CONFIG_PREEMPT", "CONFIG_PREEMPT_RT",
		"CONFIG_PREEMPT_LAZY", "CONFIG_PREEMPT_DYNAMIC":
		return true
	}
	return false
}

// tick asks how long the kernel's tick is.
func tick(h *inspect.Host, s *Snapshot) inspect.Reason {
	var err error
	s.Tick, err = h.Tick()
	return inspect.ReasonOf(err)
}

// Loads returns the load averages in units of 1/2048, to the bit: /proc/loadavg
// rounds them.
func Loads(h *inspect.Host) (out [3]uint64, why inspect.Reason) {
	out, err := h.Loads()
	return out, inspect.ReasonOf(err)
}

func schedDebug(h *inspect.Host, d *Debugfs) inspect.Reason {
	const dir = "kernel/debug/sched"
	names, err := h.Sys.Names(dir)
	if err != nil {
		why := inspect.ReasonOf(err)
		if before := inspect.Choose(h.Kernel.Since(5, 13), false, true, true); before {
			why = inspect.ReasonOf(h.Sys.Single("kernel/debug/sched_features", d.parseFeatures))
		}
		return why
	}
	number := func(name string) inspect.Num {
		if n, err := h.Sys.Number(dir + "/" + name); err == nil && n >= 0 {
			return inspect.Num(n)
		}
		return inspect.Unset
	}
	d.BaseSlice, d.MinGranularity = number("base_slice_ns"), number("min_granularity_ns")
	d.Latency, d.Wakeup = number("latency_ns"), number("wakeup_granularity_ns")
	d.FairRuntime, d.FairPeriod = number("fair_server/cpu0/runtime"), number("fair_server/cpu0/period")
	err = h.Sys.Single(dir+"/features", d.parseFeatures)
	_ = h.Sys.Single(dir+"/preempt", func(b []byte) error {
		_, rest, _ := strings.Cut(string(b), "(")
		d.Preempt, _, _ = strings.Cut(rest, ")")
		return nil
	})
	if slices.Contains(names, "features") {
		return inspect.ReasonOf(err)
	}
	return inspect.Present
}

func (d *Debugfs) parseFeatures(b []byte) error {
	if len(b) == 0 || inspect.CutOff(b) {
		return inspect.ErrMalformed // its last word may be half of one
	}
	d.Features = strings.Fields(string(b))
	return nil
}

func schedExt(h *inspect.Host, e *ExtState) inspect.Reason {
	err := h.Sys.Single("kernel/sched_ext/state", func(b []byte) error { e.State = string(inspect.TrimNewline(b)); return nil })
	_ = h.Sys.Single("kernel/sched_ext/root/ops", func(b []byte) error { e.Ops = string(inspect.TrimNewline(b)); return nil })
	may := inspect.Choose(h.Kernel.Since(6, 12), true, false, true)
	if r := inspect.ReasonOf(err); r != inspect.Unsupported && may {
		return r
	}
	return inspect.Inapplicable // without it no BPF program decides: that is an answer
}
