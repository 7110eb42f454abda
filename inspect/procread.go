package inspect

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// chunk is how many processes a worker takes at a time: enough to make taking
// them cheap, few enough that the last one does not wait.
const chunk = 32

// eachChunk runs do for 0..n-1 on at most two workers, each with a reader of
// its own. More workers than that only contend for the kernel's locks.
func (h *Host) eachChunk(n int, do func(*pidReader, int)) { h.eachOf(n, chunk, do) }

// eachOf does that with so many at a time: one, where a single one may be most of
// the work.
func (h *Host) eachOf(n, chunk int, do func(*pidReader, int)) {
	var next atomic.Int64
	work := func() {
		r := &pidReader{h: h, buf: make([]byte, 0, 16<<10)}
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

// pidReader reads files of processes into one buffer.
type pidReader struct {
	h    *Host
	buf  []byte
	path []byte
}

// fill reads what want names and p does not have yet. Where a file is not there
// that every process has, there is no process, unless stat was read: then only
// the file is missing.
func (r *pidReader) fill(p *Process, want Sources) {
	for s := PIDStat; s < nSources && !p.gone; s++ {
		if !want.Has(s) || p.got[s-PIDStat] != Unread {
			continue
		}
		if p.late && s.held() {
			p.got[s-PIDStat] = TimedOut // what holds one of its files holds the next
			continue
		}
		if p.lacks(s) {
			p.got[s-PIDStat] = Inapplicable
			continue
		}
		why := r.one(p, s)
		p.late = p.late || why == TimedOut
		if why == Vanished && s > PIDOomScore && r.there(p) {
			why = Unsupported // the process is there, the file is not
		}
		p.got[s-PIDStat] = why
		p.gone = why == Vanished && s <= PIDOomScore && (p.got[0] == Vanished || p.got[0] == Unread)
	}
}

// there tells whether the process still is.
func (r *pidReader) there(p *Process) bool {
	var st unix.Stat_t
	return unix.Fstatat(r.h.proc.fd, p.dir(), &st, 0) == nil
}

func (r *pidReader) one(p *Process, s Source) Reason {
	var err error
	switch s {
	case PIDStat:
		err = r.file(p, "/stat", atShort, p.parseStat)
	case PIDStatus:
		if err = r.file(p, "/status", atShort, p.parseStatus); err == nil && p.MainEnded() {
			_ = r.file(r.via(p), "/status", atShort, p.parseMemory) // without it there is none
		}
	case PIDOomScoreAdj:
		err = r.file(p, "/oom_score_adj", atShort, p.parseOomScoreAdj)
	case PIDOomScore:
		err = r.file(p, "/oom_score", atShort, p.parseOomScore)
	case PIDWchan:
		err = r.file(p, "/wchan", atShort, p.parseWchan)
	case PIDSyscall:
		if err = r.file(p, "/syscall", atShort, p.parseSyscall); err == nil && p.Call.Number != NoCall {
			p.Call.Compat = r.is32(p)
		}
	case PIDLimits:
		err = r.file(p, "/limits", atShort, p.parseLimits)
	case PIDIO:
		err = r.file(p, "/io", atShort, p.parseIO)
	case PIDFd:
		err = r.descriptors(p)
	case PIDCgroup:
		err = r.file(r.via(p), "/cgroup", atZero, p.parseCgroup)
	case PIDCmdline:
		err = r.file(r.via(p), "/cmdline", atZero, p.parseCmdline)
	case PIDSchedstat:
		err = r.schedstat(p)
	case PIDSched:
		err = r.file(p, "/sched", atShort, p.parseSched)
	case PIDAutogroup:
		of := &Process{PID: p.PID} // a session's: threads have no file of their own
		if p.TGID != 0 {
			of.PID = p.TGID
		}
		err = r.file(of, "/autogroup", atShort, p.parseAutogroup)
	case PIDSmapsRollup:
		if p.Kthread() {
			return Inapplicable
		}
		return r.h.pidReason(strconv.Itoa(int(p.PID)), r.rollup(p))
	default:
		return Unread
	}
	return reasonForPID(err)
}

// appendDir appends where a process's files are, below /proc.
func (p *Process) appendDir(b []byte) []byte {
	if p.TGID != 0 {
		b = append(strconv.AppendInt(b, int64(p.TGID), 10), "/task/"...)
	}
	return strconv.AppendInt(b, int64(p.PID), 10)
}

func (p *Process) dir() string { return string(p.appendDir(nil)) }

func (r *pidReader) file(p *Process, name string, end ending, parse func([]byte) error) (err error) {
	r.path = append(p.appendDir(r.path[:0]), name...)
	rel := string(r.path)
	if r.buf, err = r.h.proc.read(rel, r.buf[:0], end); err != nil {
		return err
	}
	if err = parse(r.buf); err != nil {
		return fmt.Errorf("parse %s/%s: %w", r.h.proc.root, rel, err)
	}
	return nil
}

// rollup reads smaps_rollup, and before 4.14 adds up smaps.
func (r *pidReader) rollup(p *Process) error {
	c, err := r.h.rollup(p.PID)
	if err != nil {
		return err
	}
	p.Pss, p.SwapPss, p.Uss = c.num("Pss"), c.num("SwapPss"), c.sum("Private_Clean", "Private_Dirty")
	return nil
}

// rollup returns the sums over a process's mappings, in bytes.
func (h *Host) rollup(pid int32) (out Counters, err error) {
	dir := strconv.Itoa(int(pid))
	err = h.proc.single(dir+"/smaps_rollup", func(b []byte) error {
		out, err = parseCounters(b, 24)
		return err
	})
	if !errors.Is(err, fs.ErrNotExist) {
		return out, err
	}
	proc, err := h.fs.Proc(int(pid))
	if err != nil {
		return nil, err
	}
	s, err := proc.ProcSMapsRollup()
	if err != nil {
		return nil, err
	}
	return Counters{
		"Rss": s.Rss, "Pss": s.Pss, "Shared_Clean": s.SharedClean, "Shared_Dirty": s.SharedDirty,
		"Private_Clean": s.PrivateClean, "Private_Dirty": s.PrivateDirty, "Referenced": s.Referenced,
		"Anonymous": s.Anonymous, "Swap": s.Swap, "SwapPss": s.SwapPss,
	}, nil
}
