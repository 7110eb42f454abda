package mem_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
	"kwhy/inspect/mem"
	"kwhy/inspect/proc"
)

// helperVar names what this test binary does instead of testing, in a child.
const helperVar = "KWHY_INSPECT_TEST_HELPER"

func TestMain(m *testing.M) {
	switch os.Getenv(helperVar) {
	case "":
		os.Exit(m.Run())
	case "grow":
		grow(0, 1)
	case "denied":
		probeDenied(os.Args[1], os.Stdout)
	}
}

const (
	mapped  = 256 << 20
	touched = 64 << 20
	slack   = 2 << 20
)

// grow is the child: for each byte it does the next step, and says where its mapping
// is. Little else in it grows: it collects no garbage, and its system calls are raw,
// so that Go starts no thread for one that waits. What Go maps all the same, a few MiB
// of heap at a time, its parent counts separately.
func grow(in, out int) {
	runtime.LockOSThread()
	debug.SetGCPercent(-1)
	var mem []byte
	for step := 0; rawByte(in); step++ {
		switch step {
		case 1: // the first is to warm up
			var err error
			if mem, err = unix.Mmap(-1, 0, mapped, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON); err != nil {
				return
			}
			_ = unix.Madvise(mem, unix.MADV_NOHUGEPAGE) // a kernel without huge pages refuses
		case 2:
			for i := 0; i < touched; i += 4096 {
				mem[i] = 1
			}
		}
		var at [8]byte
		binary.NativeEndian.PutUint64(at[:], uint64(uintptr(unsafe.Pointer(unsafe.SliceData(mem)))))
		if n, _, _ := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(out), uintptr(unsafe.Pointer(&at[0])), 8); n != 8 {
			return
		}
	}
}

// rawByte reads one byte, whatever it is.
func rawByte(fd int) bool {
	var b [1]byte
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), 1)
		if errno != syscall.EINTR {
			return errno == 0 && n == 1
		}
	}
}

// grower is the child as its parent sees it.
type grower struct {
	pid int32
	in  io.Writer
	out io.Reader
}

func startGrower(t *testing.T) grower {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperVar+"=grow", "GOMAXPROCS=1",
		"MALLOC_ARENA_MAX=1") // a thread from its start may get to its first malloc late, and glibc maps 64 MiB for that
	cmd.Stderr = os.Stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2, cmd.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return grower{int32(cmd.Process.Pid), in, out}
}

// grown is the child's memory after a step, and what of it is not the mapping that it
// made: all of it, and of that what is anonymous and may be touched.
type grown struct {
	*mem.Process
	rest, restAnonymous uint64
}

// step has the child do its next step, and reads its memory after that.
func (g grower) step(t *testing.T, h *inspect.Host) grown {
	t.Helper()
	var b [8]byte
	if _, err := g.in.Write(b[:1]); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(g.out, b[:]); err != nil {
		t.Fatalf("the child ended: %v", err)
	}
	m, err := mem.TakeProcess(h, g.pid, inspecttest.Everything)
	if err != nil {
		t.Fatal(err)
	}
	out := grown{Process: m}
	at := binary.NativeEndian.Uint64(b[:])
	for line := range strings.Lines(inspecttest.LiveFile(t, fmt.Sprintf("/proc/%d/maps", g.pid))) {
		f := strings.Fields(line)
		var from, to uint64
		if n, _ := fmt.Sscanf(f[0], "%x-%x", &from, &to); n != 2 {
			t.Fatal(line)
		}
		size := to - from
		if a, b := max(from, at), min(to, at+mapped); at != 0 && a < b {
			size -= b - a
		}
		out.rest += size
		if len(f) == 5 && f[1] != "---p" {
			out.restAnonymous += size
		}
	}
	return out
}

func TestAProcessGrowsByWhatItMapsAndTouches(t *testing.T) {
	h := inspecttest.LiveHost(t)
	child := startGrower(t)
	before := child.step(t, h)
	after := child.step(t, h)
	full := child.step(t, h)

	near := func(what string, got, want uint64) {
		t.Helper()
		if got+slack < want || got > want+slack {
			t.Errorf("%s: %d, want %d within %d", what, got, want, slack)
		}
	}
	near("VmSize after mapping", after.Status["VmSize"]-after.rest, before.Status["VmSize"]-before.rest+mapped)
	near("anonymous mappings after mapping", anonymous(after)-after.restAnonymous, anonymous(before)-before.restAnonymous+mapped)
	near("RssAnon after mapping, from", resident(after), resident(before))
	near("VmSize after touching, from", full.Status["VmSize"]-full.rest, after.Status["VmSize"]-after.rest)
	near("RssAnon after touching", resident(full)-resident(after), touched)
	if full.Missing(inspect.PIDSmapsRollup) == inspect.Present {
		near(
			"private memory of smaps_rollup",
			full.Rollup["Private_Dirty"]+full.Rollup["Swap"]-after.Rollup["Private_Dirty"]-after.Rollup["Swap"],
			touched,
		)
	}
	pages := uint64(touched / os.Getpagesize())
	if faults := full.P.Minflt - after.P.Minflt; faults < pages || faults > pages+slack/4096 {
		t.Errorf("%d minor faults for %d pages touched", faults, pages)
	}
	if !full.At.After(before.At) || full.Born.IsZero() || full.Born.After(time.Now().Add(time.Minute)) {
		t.Errorf("read at %v, born %v", full.At, full.Born)
	}
	ps, err := proc.Scan(h, inspect.Of(inspect.PIDStat, inspect.PIDStatus))
	if err != nil {
		t.Fatal(err)
	}
	for i := range ps.Rows {
		if p := &ps.Rows[i]; p.PID == child.pid {
			near("RssAnon in the list of processes", uint64(p.RssAnon+p.VmSwap), resident(full))
			return
		}
	}
	t.Errorf("process %d is not in the list of %d", child.pid, ps.Len())
}

// resident is what the process touched, wherever the kernel put it.
func resident(m grown) uint64 { return m.Status["RssAnon"] + m.Status["VmSwap"] }

func anonymous(m grown) uint64 {
	for _, k := range m.Kinds {
		if k.Name == "anonymous" {
			return k.Size
		}
	}
	return 0
}

func TestALiveHostAddsUp(t *testing.T) {
	h := inspecttest.LiveHost(t)
	m, err := mem.Take(h, inspecttest.Everything)
	if err != nil {
		t.Fatal(err)
	}
	if !h.Live || !h.Kernel.Known() || h.CPUs < 1 || h.Arch == "" || h.PageSize != uint64(os.Getpagesize()) {
		t.Errorf("host %+v", h)
	}
	if m.Info["MemFree"] > m.Info["MemTotal"] || m.Info["MemAvailable"] > m.Info["MemTotal"] || m.Info["MemTotal"] == 0 {
		t.Errorf("MemTotal %d, MemFree %d, MemAvailable %d", m.Info["MemTotal"], m.Info["MemFree"], m.Info["MemAvailable"])
	}
	for _, g := range m.Gaps() {
		if os.Geteuid() == 0 && g.Reason == inspect.Denied || g.Reason == inspect.Malformed {
			t.Errorf("%v: %q", g.Source, g.Reason)
		}
	}
	ps, err := proc.Scan(h, inspecttest.Everything)
	if err != nil {
		t.Fatal(err)
	}
	if ps.Host.Self != int32(os.Getpid()) {
		t.Errorf("self is %d, want %d", ps.Host.Self, os.Getpid())
	}
	for _, g := range ps.Gaps() {
		if g.Reason == inspect.Malformed {
			t.Errorf("%v of %d processes: %q", g.Source, g.Count, g.Reason)
		}
	}
}

// seen is what a plain user finds, sent over a pipe.
type seen struct {
	Reachable              bool
	Slabinfo, Swaps        inspect.Reason
	Limit                  inspect.Reason // of the cgroup, whose memory.max may be read
	Rows                   int
	Gaps                   []inspect.Gap
	Maps, Rollup, Cmdline  inspect.Reason // of process 10
	StatDenied             bool           // of process 20: it is there, and its files are denied
	LiveMaps, LiveSlabinfo inspect.Reason
	LiveFirst              bool // there is a process 1 to see
}

// probeDenied looks at a tree as the user who runs it.
func probeDenied(dir string, out io.Writer) {
	var s seen
	defer func() { _ = json.NewEncoder(out).Encode(s) }()
	h, err := inspect.Open(filepath.Join(dir, "proc"), filepath.Join(dir, "sys"), inspecttest.AtNoon)
	if err != nil {
		return
	}
	defer h.Close()
	m, err := mem.Take(h, inspecttest.Everything)
	if err != nil {
		return
	}
	s.Reachable = true
	s.Slabinfo, s.Swaps = m.Missing(inspect.Slabinfo), m.Missing(inspect.Swaps)
	if len(m.Cgroups) > 0 {
		_, s.Limit = m.Cgroups[0].Limit()
	}
	if ps, err := proc.Scan(h, inspect.Of(inspect.PIDStat, inspect.PIDStatus, inspect.PIDCmdline)); err == nil {
		s.Rows, s.Gaps = ps.Len(), ps.Gaps()
	}
	if p, err := mem.TakeProcess(h, 10, inspecttest.Everything); err == nil {
		s.Maps, s.Rollup = p.Missing(inspect.PIDMaps), p.Missing(inspect.PIDSmapsRollup)
	}
	p, err := mem.TakeProcess(h, 20, inspecttest.Everything)
	s.StatDenied = err == nil && p.Missing(inspect.PIDStatus) == inspect.Denied
	s.lookLive()
}

func (s *seen) lookLive() {
	h, err := inspect.Open("/proc", "/sys", time.Now)
	if err != nil {
		return
	}
	defer h.Close()
	if m, err := mem.Take(h, inspect.Of(inspect.Meminfo, inspect.Slabinfo)); err == nil {
		s.LiveSlabinfo = m.Missing(inspect.Slabinfo)
	}
	if p, err := mem.TakeProcess(h, 1, inspecttest.Everything); err == nil {
		s.LiveFirst, s.LiveMaps = true, p.Missing(inspect.PIDMaps)
	}
}

const deniedHost = `
-- proc/meminfo --
MemTotal: 1 kB
-- proc/swaps --
Filename				Type		Size		Used		Priority
-- proc/slabinfo --
#denied
dentry  90 100 192 21 2 : tunables 0 0 0 : slabdata 5 6 0
-- proc/self/cgroup --
0::/a
-- proc/self/mountinfo --
24 21 0:21 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw
-- sys/fs/cgroup/a/memory.current --
1
-- sys/fs/cgroup/a/memory.max --
5
-- proc/10/stat --
10 (sh) S 7 1 1 0 -1 4194304 101 102 103 104 5 6 7 8 20 0 1 0 222 4096000 240
-- proc/10/status --
Name:	sh
VmSize:	1 kB
-- proc/10/cmdline --
sh␀
#nonl
-- proc/10/maps --
#denied
-- proc/10/smaps_rollup --
#denied
-- proc/20/stat --
#denied
-- proc/20/status --
#denied
-- proc/20/cmdline --
#denied
`

func TestAPlainUserIsDenied(t *testing.T) {
	dir := inspecttest.UnpackText(t, deniedHost)
	got := asNobody(t, dir)
	if !got.Reachable {
		t.Skipf("a plain user cannot reach %s, whatever its own mode", dir)
	}
	want := seen{Reachable: true, Slabinfo: inspect.Denied, Rows: 2, Maps: inspect.Denied, Rollup: inspect.Denied, StatDenied: true,
		Gaps: []inspect.Gap{
			{Source: inspect.PIDStat, Reason: inspect.Denied, Count: 1, Of: 2},
			{Source: inspect.PIDStatus, Reason: inspect.Denied, Count: 1, Of: 2},
			{Source: inspect.PIDCmdline, Reason: inspect.Denied, Count: 1, Of: 2},
		},
		LiveFirst: got.LiveFirst, LiveSlabinfo: inspect.Denied,
	}
	if want.LiveMaps = inspect.Denied; !got.LiveFirst || os.Geteuid() != 0 {
		want.LiveMaps = got.LiveMaps // hidepid, or process 1 of a container may be this user's own
	}
	if _, err := os.Stat("/proc/slabinfo"); err != nil {
		want.LiveSlabinfo = inspect.Unsupported
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// asNobody runs probeDenied without root's rights: here if this is no root,
// and otherwise in a child.
func asNobody(t *testing.T, dir string) (s seen) {
	t.Helper()
	var out strings.Builder
	if os.Geteuid() != 0 {
		probeDenied(dir, &out)
	} else {
		for _, d := range []string{dir, filepath.Dir(dir)} { // TempDir makes them for their owner alone
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command("/proc/self/exe", dir) // the binary itself lies where only root goes
		cmd.Env = append(os.Environ(), helperVar+"=denied")
		cmd.Stdout, cmd.Stderr = &out, os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if err := cmd.Start(); errors.Is(err, fs.ErrPermission) {
			t.Skipf("cannot become a plain user: %v", err)
		} else if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	if err := json.Unmarshal([]byte(out.String()), &s); err != nil {
		t.Fatalf("%v in %q", err, out.String())
	}
	return s
}
