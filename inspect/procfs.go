package inspect

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// ByProcfs reads a source of a running host with prometheus/procfs: theirs calls what
// the table of sources names, on the files that it names. ours reads the same files
// with a reader of our own. It has the last word where procfs could make nothing of a
// file, for one bad line costs procfs all of them and costs ours itself alone; and it
// reads copies, whose files need not be what a kernel writes. What the kernel refuses,
// it refuses to both. theirs must return ErrMalformed for what it would take for
// nothing at all, and write to nothing that others see.
func ByProcfs[T any](h *Host, s Source, theirs func(procfs.FS) (T, error), ours func() (T, error)) (T, error) {
	if !h.Live || s.Procfs() == "" || !h.spare() {
		return ours()
	}
	read := func() (T, error) { return unpanicked(h.fs, theirs) }
	var out T
	var err error
	if s.MayHang() {
		out, err = patiently(h.Proc.wait, "read", s.String(), read)
	} else {
		out, err = read()
	}
	if r := ReasonOf(err); r == Malformed || r == Unsupported { // ours knows why a file is not there
		return ours()
	}
	return out, err
}

// spare reports whether there are descriptors to spare. procfs opens files with package os,
// for the first of which the runtime makes its poller, and dies where it gets no
// descriptors: that is done here, where some are known to be free.
func (t Tree) spare() bool {
	const enough = 16 // for the poller, and what other threads open meanwhile
	var fds []int
	defer func() {
		for _, fd := range fds {
			unix.Close(fd)
		}
		if len(fds) == enough {
			if f, err := os.Open(t.Root); err == nil {
				f.Close()
			}
		}
	}()
	for range enough {
		fd, err := openat(t.fd, ".", unix.O_PATH|unix.O_DIRECTORY)
		if err != nil {
			return false
		}
		fds = append(fds, fd)
	}
	return true
}

// unpanicked reads with procfs, which panics on some files that end too early.
func unpanicked[T any](fs procfs.FS, read func(procfs.FS) (T, error)) (out T, err error) {
	defer func() {
		if bad := recover(); bad != nil {
			err = fmt.Errorf("procfs: %v: %w", bad, ErrMalformed)
		}
	}()
	return read(fs)
}

// Procfs names what of prometheus/procfs reads s of a running host; "" where doc.go says
// why it is read otherwise.
func (s Source) Procfs() string { return sourceTable[s].procfs }

// Pressure reads a pressure file of the host: s is PressureMemory or the like, rel its
// name below /proc/pressure.
func (h *Host) Pressure(s Source, name string) (Pressure, error) {
	return ByProcfs(h, s, func(fs procfs.FS) (Pressure, error) { return PressureOf(fs, name) }, func() (p Pressure, err error) {
		err = h.Proc.Single("pressure/"+name, func(b []byte) (err error) {
			p, err = ParsePressure(b)
			return err
		})
		return p, err
	})
}

// PressureOf takes a pressure file as procfs reads it.
func PressureOf(fs procfs.FS, name string) (Pressure, error) {
	p, err := fs.PSIStatsForResource(name)
	if err == nil && p.Some == nil && p.Full == nil {
		err = ErrMalformed
	}
	return Pressure{(*Stall)(p.Some), (*Stall)(p.Full)}, err
}

// Pressure is a pressure file, the host's or a cgroup's; a line that the kernel
// does not have is nil (Documentation/accounting/psi.rst).
type Pressure struct{ Some, Full *Stall }

// Stall is one line of it.
type Stall struct {
	Avg10, Avg60, Avg300 float64 // percent
	Total                uint64  // microseconds since boot
}

// ParsePressure reads lines of "some avg10=0.00 avg60=0.00 avg300=0.00 total=0".
// A line that does not parse is passed over; a file without a good one is malformed.
func ParsePressure(b []byte) (p Pressure, err error) {
	for len(b) > 0 {
		var line []byte
		line, b = CutLine(b)
		kind, rest := CutField(line)
		s, ok := parseStall(string(rest))
		switch {
		case ok && string(kind) == "some":
			p.Some = s
		case ok && string(kind) == "full":
			p.Full = s
		}
	}
	if p.Some == nil && p.Full == nil {
		return p, ErrMalformed
	}
	return p, nil
}

func parseStall(s string) (*Stall, bool) {
	f := strings.Fields(s)
	if len(f) < 4 {
		return nil, false
	}
	var out Stall
	for i, name := range [...]string{"avg10=", "avg60=", "avg300="} {
		text, ok := strings.CutPrefix(f[i], name)
		x, err := strconv.ParseFloat(text, 64)
		if !ok || err != nil || math.IsNaN(x) || math.IsInf(x, 0) || x < 0 {
			return nil, false
		}
		*[...]*float64{&out.Avg10, &out.Avg60, &out.Avg300}[i] = x
	}
	text, ok := strings.CutPrefix(f[3], "total=")
	total, ok2 := ParseUint([]byte(text))
	out.Total = total
	return &out, ok && ok2
}
