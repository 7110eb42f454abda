package proc

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/prometheus/procfs"

	"kwhy/inspect"
)

// chunk is how many processes a worker takes at a time: enough to make taking
// them cheap, few enough that the last one does not wait.
const chunk = 32

// EachChunk runs do for 0..n-1 on at most two workers, each with a reader of
// its own. More workers than that only contend for the kernel's locks.
func EachChunk(h *inspect.Host, n int, do func(*Reader, int)) { EachOf(h, n, chunk, do) }

// EachOf does that with so many at a time: one, where a single one may be most of
// the work.
func EachOf(h *inspect.Host, n, chunk int, do func(*Reader, int)) {
	var next atomic.Int64
	work := func() {
		r := &Reader{Host: h, Buf: make([]byte, 0, 16<<10)}
		for {
			from := int(next.Add(int64(chunk))) - chunk
			if from >= n {
				return
			}
			for i := from; i < min(from+chunk, n); i++ {
				do(r, i)
			}
		}
	}
	var wg sync.WaitGroup
	if n > chunk && runtime.GOMAXPROCS(0) > 1 {
		wg.Go(work)
	}
	work()
	wg.Wait()
}

// Reader reads files of processes into one buffer.
type Reader struct {
	Host *inspect.Host
	Buf  []byte
	path []byte
}

// Fill reads what want names and p does not have yet. Where a file is not there
// that every process has, there is no process, unless stat was read: then only
// the file is missing.
func (r *Reader) Fill(p *Process, want inspect.Sources) {
	for _, s := range inspect.ProcessSources() {
		if p.Gone {
			return
		}
		if want.Has(s) && p.Why(s) == inspect.Unread {
			r.note(p, s)
		}
	}
	r.countLow(p)
}

// note reads a source, unless it is known beforehand that it gives nothing, and notes
// what became of it.
func (r *Reader) note(p *Process, s inspect.Source) {
	switch {
	case p.late && s.MayHang():
		p.note(s, inspect.TimedOut) // what holds one of its files holds the next
		return
	case p.Lacks(s):
		p.note(s, inspect.Inapplicable)
		return
	}
	why := r.One(p, s)
	p.late = p.late || why == inspect.TimedOut
	if (why == inspect.NotSaved || why == inspect.NotMounted) && !r.there(p) {
		why = inspect.Vanished // with the process, from a tree that somebody changes
	}
	if why == inspect.Vanished && !s.OfEveryProcess() && r.there(p) {
		why = inspect.Unsupported // the process is there, the file is not
	}
	p.note(s, why)
	if s == inspect.PIDStat && p.Why(inspect.PIDStatus) == inspect.Unread && why != inspect.Vanished && p.inStat(2, 3, 4, 20, 23) {
		if r.note(p, inspect.PIDStatus); p.Why(inspect.PIDStatus) != inspect.Present { // which has some of the same
			p.note(inspect.PIDStatus, inspect.Unread) // nobody asked for it
		}
	}
	if why == inspect.Vanished && s.OfEveryProcess() {
		first := p.Why(inspect.PIDStat)
		p.Gone = first == inspect.Vanished || first == inspect.Unread
	}
}

// there reports whether the process still is.
func (r *Reader) there(p *Process) bool {
	_, err := r.Host.Proc.Stat(p.Dir())
	return err == nil
}

// One reads one source into p, whether or not p has it already, and says what became of
// it. A source that rows don't have is Unread.
func (r *Reader) One(p *Process, s inspect.Source) inspect.Reason {
	var err error
	switch s {
	case inspect.PIDStat:
		if err = r.File(p, "/stat", inspect.UntilShort, p.ParseStat); err == nil && p.MainEnded() {
			r.statOfAll(p)
		}
	case inspect.PIDStatus:
		if err = r.File(p, "/status", inspect.UntilShort, p.parseStatus); err == nil && p.MainEnded() {
			_ = r.File(r.via(p), "/status", inspect.UntilShort, p.parseMemory) // without it there is none
		}
	case inspect.PIDOomScoreAdj:
		err = r.File(p, "/oom_score_adj", inspect.UntilShort, p.parseOomScoreAdj)
	case inspect.PIDOomScore:
		err = r.File(p, "/oom_score", inspect.UntilShort, p.parseOomScore)
	case inspect.PIDWchan:
		err = r.File(p, "/wchan", inspect.UntilShort, p.parseWchan)
	case inspect.PIDSyscall:
		if err = r.File(p, "/syscall", inspect.UntilShort, p.parseSyscall); err == nil && p.Call.Number != NoCall {
			p.Call.Compat = r.is32(p)
		}
	case inspect.PIDLimits:
		err = r.File(p, "/limits", inspect.UntilShort, p.parseLimits)
	case inspect.PIDIO:
		err = r.File(p, "/io", inspect.UntilShort, p.parseIO)
	case inspect.PIDFd:
		err = r.descriptors(p)
	case inspect.PIDCgroup:
		err = r.File(r.via(p), "/cgroup", inspect.UntilEmpty, func(b []byte) error { return p.parseCgroup(r.Host, b) })
	case inspect.PIDCmdline:
		err = r.File(r.via(p), "/cmdline", inspect.UntilEmpty, p.parseCmdline)
	case inspect.PIDSchedstat:
		err = r.schedstat(p)
	case inspect.PIDSched:
		err = r.File(p, "/sched", inspect.UntilShort, p.parseSched)
	case inspect.PIDAutogroup:
		of := &Process{PID: p.PID} // a session's: threads have no file of their own
		if p.TGID != 0 {
			of.PID = p.TGID
		}
		err = r.File(of, "/autogroup", inspect.UntilShort, p.parseAutogroup)
	case inspect.PIDSmapsRollup:
		if p.Kthread() {
			return inspect.Inapplicable
		}
		return r.Host.PidReason(strconv.Itoa(int(p.PID)), r.rollup(p))
	default:
		return inspect.Unread
	}
	return inspect.ReasonOfPID(err)
}

// appendDir appends where a process's files are, below /proc.
func (p *Process) appendDir(b []byte) []byte {
	if p.TGID != 0 {
		b = append(strconv.AppendInt(b, int64(p.TGID), 10), "/task/"...)
	}
	return strconv.AppendInt(b, int64(p.PID), 10)
}

// Dir is where the files of p are, below /proc: "12", or of a thread "12/task/13".
func (p *Process) Dir() string { return string(p.appendDir(nil)) }

// File reads one of p's files, by its name with a slash before it, and has it parsed. The
// bytes are the reader's.
func (r *Reader) File(p *Process, name string, end inspect.Ending, parse func([]byte) error) (err error) {
	r.path = append(p.appendDir(r.path[:0]), name...)
	rel := string(r.path)
	if r.Buf, err = r.Host.Proc.Read(rel, r.Buf[:0], end); err != nil {
		return err
	}
	if err = parse(r.Buf); err != nil {
		return fmt.Errorf("parse %s/%s: %w", r.Host.Proc.Root, rel, err)
	}
	return nil
}

// rollup reads smaps_rollup, and before 4.14 adds up smaps.
func (r *Reader) rollup(p *Process) error {
	c, err := Rollup(r.Host, p.Home(r.Host))
	if err != nil {
		return err
	}
	p.Pss, p.SwapPss, p.Uss = c.Num("Pss"), c.Num("SwapPss"), c.Sum("Private_Clean", "Private_Dirty")
	return nil
}

// Rollup returns the sums over the mappings of a process, by its directory, in bytes.
func Rollup(h *inspect.Host, dir string) (out inspect.Counters, err error) {
	pid, _ := inspect.ParsePID(dir)
	err = h.Proc.Single(dir+"/smaps_rollup", func(b []byte) error {
		out, err = inspect.ParseCounters(b, 24)
		return err
	})
	if !errors.Is(err, fs.ErrNotExist) || h.Proc.Overlaid(dir) {
		return out, err
	}
	return inspect.ByProcfs(h, inspect.PIDSmapsRollup, func(fs procfs.FS) (inspect.Counters, error) { return smapsOf(fs, pid) },
		func() (out inspect.Counters, err error) {
			err = h.Proc.With(dir+"/smaps", func(b []byte) error {
				out, err = sumSmaps(b)
				return err
			})
			return out, err
		})
}

// sums are the lines of smaps that can be added up.
func sums() []string {
	return []string{
		"Rss", "Pss", "Shared_Clean", "Shared_Dirty", "Private_Clean", "Private_Dirty", "Referenced", "Anonymous",
		"Swap", "SwapPss",
	}
}

// sumSmaps adds up smaps, in bytes. A process without mappings has nothing in it.
func sumSmaps(b []byte) (inspect.Counters, error) {
	out := inspect.Counters{}
	for _, name := range sums() {
		out[name] = 0
	}
	if inspect.CutOff(b) {
		return nil, inspect.ErrMalformed // of the mappings behind its end nothing is known
	}
	met := map[string]bool{}
	for len(b) > 0 {
		var line []byte
		line, b = inspect.CutLine(b)
		name, rest, _ := bytes.Cut(line, []byte(":"))
		if _, ok := out[string(name)]; !ok {
			continue
		}
		met[string(name)] = true
		number, unit := inspect.CutField(rest)
		n, ok := inspect.ParseUint(number)
		if !ok || n > 1<<53 || string(unit) != "kB" {
			delete(out, string(name)) // a sum of some mappings is none
			continue
		}
		out[string(name)] += n << 10
	}
	if len(met) > 0 { // and what this kernel does not count, as SwapPss before 4.3, is none either
		maps.DeleteFunc(out, func(name string, _ uint64) bool { return !met[name] })
	}
	if len(out) == 0 {
		return nil, inspect.ErrMalformed
	}
	return out, nil
}

// smapsOf takes the sums as procfs makes them.
func smapsOf(fs procfs.FS, pid int32) (inspect.Counters, error) {
	proc, err := fs.Proc(int(pid))
	if err != nil {
		return nil, err
	}
	s, err := proc.ProcSMapsRollup()
	if err != nil {
		return nil, err
	}
	return inspect.Counters{
		"Rss": s.Rss, "Pss": s.Pss, "Shared_Clean": s.SharedClean, "Shared_Dirty": s.SharedDirty,
		"Private_Clean": s.PrivateClean, "Private_Dirty": s.PrivateDirty, "Referenced": s.Referenced,
		"Anonymous": s.Anonymous, "Swap": s.Swap, "SwapPss": s.SwapPss,
	}, nil
}
