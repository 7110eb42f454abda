// Bench runs kwhy and its peers as whole processes, in turn, and compares wall
// time and peak memory with the targets that kwhy has set itself:
//
//	go run ./bench
//
// README.md in this directory tells how to read the table.
package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// job is one thing that kwhy does, the peer that does most nearly the same,
// and how kwhy should compare. A target of zero is none.
type job struct {
	name  string
	kwhy  []string // arguments
	peer  []string // command; nil: kwhy is timed alone
	crowd int      // idle processes to have beside it
	files bool     // processes with many files open to have beside it; PID stands for the one with most
	socks int      // connections over loopback to have beside it, each of two sockets
	ratio float64  // at most, of wall times
	mib   float64  // at most, peak RSS
}

// shown names the peer; what a shell runs is several of them.
func (j job) shown() string {
	if len(j.peer) > 0 && j.peer[0] == "sh" {
		return "sh -c ..."
	}
	return strings.Join(j.peer, " ")
}

func jobs() []job {
	return []job{
		{name: "start-up", kwhy: []string{"version"}, peer: []string{"free"}, ratio: 2.0, mib: 10},
		{name: "host memory", kwhy: []string{"mem"}, peer: []string{"free"}, ratio: 2.5},
		{name: "the same, shown by peers", kwhy: []string{"mem"}, peer: []string{"sh", "-c", "free; vmstat -s; ps -eo pid,rss,comm,args --sort=-rss; slabtop -o"}, ratio: 1},
		{name: "host memory, JSON", kwhy: []string{"mem", "-o", "json"}, peer: []string{"free"}},
		{name: "process list", kwhy: []string{"proc"}, peer: []string{"ps", "-eo", "pid,ppid,s,nlwp,ni,rss,time,etimes,comm", "--sort=-time"}, crowd: 10000, ratio: 0.30, mib: 24},
		{name: "host scheduling", kwhy: []string{"sched"}, peer: []string{"free"}, ratio: 2.5},
		{name: "the same, shown by peers", kwhy: []string{"sched"}, peer: []string{"sh", "-c", "uptime; vmstat; lscpu; ps -eo pid,cls,ni,rtprio,psr,pcpu,comm --sort=-pcpu"}, ratio: 1},
		{name: "oom ranking", kwhy: []string{"oom"}, peer: []string{"ps", "-eo", "pid,ppid,uid,stat,comm,rss,oom,oomadj"}, crowd: 10000, ratio: 0.35},
		{name: "open files", kwhy: []string{"fd"}, peer: []string{"lsof", "-nPw"}, files: true, ratio: 0.12, mib: 32},
		{name: "the same, lsfd", kwhy: []string{"fd"}, peer: []string{"lsfd"}, files: true},
		{name: "deleted files", kwhy: []string{"fd", "--deleted"}, peer: []string{"lsof", "-nPw", "+L1"}, files: true, mib: 32},
		{name: "one process's files", kwhy: []string{"fd", "PID"}, peer: []string{"lsof", "-nPw", "-p", "PID"}, files: true, ratio: 0.15},
		{name: "50,000 sockets", kwhy: []string{"net", "sockets", "--protocol", "tcp", "--limit", "0", "--no-owners"}, peer: []string{"ss", "-tanmi"}, socks: 25000, ratio: 0.5, mib: 40},
		{name: "the same with owners", kwhy: []string{"net", "sockets", "--protocol", "tcp", "--limit", "0"}, peer: []string{"ss", "-tanpmi"}, socks: 25000, ratio: 0.25, mib: 40},
		{name: "the same, JSON", kwhy: []string{"net", "sockets", "--protocol", "tcp", "--limit", "0", "-o", "json"}, peer: []string{"ss", "-tanpmi"}, socks: 25000, ratio: 0.25, mib: 40},
		{name: "sockets of a full host", kwhy: []string{"net"}, peer: []string{"ss", "-tanpmi"}, socks: 25000, ratio: 0.25, mib: 40},
		{name: "host memory, PSS", kwhy: []string{"mem", "--pss"}},
	}
}

// options are what one can ask for.
type options struct {
	rounds int
	warm   int
	slow   bool
	only   *regexp.Regexp
}

const reminder = "Machines are shared and differ: compare within a row, quote ratios, never milliseconds."

func main() {
	if len(os.Args) > 2 && os.Args[1] == launcher {
		launch(os.Args[2:])
		return
	}
	if len(os.Args) == 3 && os.Args[1] == holder {
		hold(os.Args[2])
		return
	}
	if len(os.Args) == 3 && os.Args[1] == connecter {
		connect(os.Args[2])
		return
	}
	var o options
	flag.IntVar(&o.rounds, "rounds", 31, "measured `rounds` of each job; each runs kwhy, then the peer")
	flag.IntVar(&o.warm, "warm", 2, "`rounds` before those, not measured")
	flag.BoolVar(&o.slow, "slow", false, "rest between rounds, so that others on a shared machine get their turn")
	only := flag.String("jobs", "", "only the jobs whose name matches this `regexp`")
	flag.Parse()
	err := errors.New("-rounds must be at least 1")
	if o.rounds > 0 {
		o.only, err = regexp.Compile(*only)
	}
	if err == nil {
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	dir, err := os.MkdirTemp("", "kwhy-bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	kwhy := filepath.Join(dir, "kwhy")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", kwhy, "kwhy/cmd/kwhy")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building kwhy: %w\n%s", err, out)
	}

	fmt.Printf("%-24s  %-12s  %-9s  %6s  %17s  %15s  %s\n", "", "", "", "wall", "median ms", "peak RSS, MiB", "")
	fmt.Printf("%-24s  %-12s  %-9s  %6s  %8s %8s  %7s %7s  %s\n", "job", "kwhy", "peer", "ratio", "kwhy", "peer", "kwhy", "peer", "target")
	missed := 0
	for _, j := range jobs() {
		if !o.only.MatchString(j.name) {
			continue
		}
		r, err := o.measure(kwhy, j)
		if err != nil {
			fmt.Printf("%-24s  skipped: %v\n", j.name, err)
			continue
		}
		verdict, ok := j.judge(r)
		if !ok {
			missed++
		}
		fmt.Printf("%-24s  %-12s  %-9s  %6s  %8.2f %8s  %7.1f %7s  %s\n", j.name,
			strings.Join(j.kwhy, " "), cmp.Or(j.shown(), "-"), known(r.ratio, "%.2fx"),
			r.ours.ms, known(r.peer.ms, "%.2f"), r.ours.mib, known(r.peer.mib, "%.1f"), verdict)
	}
	fmt.Printf("\n%d rounds, interleaved. The ratio is the median of the rounds' ratios.\n%s\n", o.rounds, reminder)
	if missed > 0 {
		return fmt.Errorf("targets missed in %d jobs", missed)
	}
	return nil
}

// result is what a job came to.
type result struct {
	ratio      float64 // median of the rounds' ratios; 0 without a peer
	ours, peer cost
}

// cost is the median wall time and the largest peak RSS of a command.
type cost struct{ ms, mib float64 }

// measure runs a job, its two commands in turn.
func (o options) measure(kwhy string, j job) (result, error) {
	ours, peer := append([]string{kwhy}, j.kwhy...), j.peer
	if peer != nil {
		path, err := exec.LookPath(peer[0])
		if err != nil {
			return result{}, fmt.Errorf("no %s here", peer[0])
		}
		peer = append([]string{path}, peer[1:]...)
	}
	end, err := j.company(ours, peer)
	if err != nil {
		return result{}, err
	}
	defer end()
	if j.crowd > 0 || j.files || j.socks > 0 {
		o.rounds = min(o.rounds, crowdRounds)
	}
	var a, b []sample
	var ratios []float64
	for round := range o.warm + o.rounds {
		x, err := once(ours)
		if err != nil {
			return result{}, err
		}
		var y sample
		if peer != nil {
			if y, err = once(peer); err != nil {
				return result{}, err
			}
		}
		if o.slow {
			time.Sleep(max(3*(x.wall+y.wall), 50*time.Millisecond))
		}
		if round < o.warm {
			continue
		}
		a = append(a, x)
		if peer != nil {
			b, ratios = append(b, y), append(ratios, float64(x.wall)/float64(y.wall))
		}
	}
	return result{median(ratios), sum(a), sum(b)}, nil
}

// company starts what a job has beside it, and puts the number of one of that into
// commands that ask for a PID.
func (j job) company(commands ...[]string) (end func(), err error) {
	switch {
	case j.crowd > 0:
		return crowd(j.crowd)
	case j.socks > 0:
		return connections(j.socks)
	case !j.files:
		return func() {}, nil
	}
	most, end, err := holders()
	if err != nil {
		return nil, err
	}
	for _, list := range commands {
		for i := range list {
			if list[i] == "PID" {
				list[i] = strconv.Itoa(most)
			}
		}
	}
	return end, nil
}

// crowdRounds is how often a job with a crowd is measured at most: each round
// takes about a second.
const crowdRounds = 11

// crowd starts idle processes, which cost little more than their number: shells
// that wait to open a pipe nobody writes to. end kills them, by their group.
func crowd(n int) (end func(), err error) {
	before := processes()
	dir, err := os.MkdirTemp("", "kwhy-crowd")
	if err != nil {
		return nil, err
	}
	const script = `mkfifo "$0" && i=0; while [ $i -lt $1 ]; do : <"$0" & i=$((i+1)); done; echo ready; wait`
	c := exec.Command("sh", "-c", script, filepath.Join(dir, "never"), strconv.Itoa(n))
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	end = func() {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		_ = c.Wait()
		_ = os.RemoveAll(dir)
		for range 120 { // until whoever adopted them has asked for them all
			if time.Sleep(500 * time.Millisecond); processes() < before+n/100 {
				return
			}
		}
	}
	var ready string
	if _, err := fmt.Fscan(out, &ready); err != nil || ready != "ready" {
		end()
		return nil, fmt.Errorf("%d processes could not be started", n)
	}
	return end, nil
}

// holder is the argument by which this program starts copies of itself that hold
// files open.
const holder = "hold-files"

// Two hundred processes with 500 files each, and five with as many as the limit
// allows or 20,000.
const (
	manyHolders, manyFiles = 200, 500
	fewHolders, fewFiles   = 5, 20000
)

// holders starts them, and returns one of those with most.
func holders() (most int, end func(), err error) {
	args := make([][]string, manyHolders+fewHolders)
	for i := range args {
		args[i] = []string{holder, strconv.Itoa(manyFiles)}
		if i >= manyHolders {
			args[i][1] = strconv.Itoa(fewFiles)
		}
	}
	list, end, err := copies(args)
	if err != nil {
		return 0, nil, err
	}
	return list[len(list)-1].Process.Pid, end, nil
}

// copies starts this program anew with each of some arguments, and waits until
// each says that it is ready. end ends them.
func copies(args [][]string) (list []*exec.Cmd, end func(), err error) {
	end = func() {
		for _, c := range list {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
	}
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	for _, a := range args {
		c := exec.Command(self, a...)
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		out, err := c.StdoutPipe()
		if err == nil {
			err = c.Start()
		}
		if err != nil {
			end()
			return nil, nil, err
		}
		list = append(list, c)
		var ready string
		if _, err := fmt.Fscan(out, &ready); err != nil {
			end()
			return nil, nil, fmt.Errorf("%s can't be done: %w", strings.Join(a, " "), err)
		}
	}
	return list, end, nil
}

// connecter is the argument by which this program starts copies of itself that
// hold connections to themselves.
const connecter = "hold-connections"

// connectors is how many processes share them.
const connectors = 10

// connections makes n connections over loopback, half of them with data that
// nobody reads.
func connections(n int) (end func(), err error) {
	args := make([][]string, connectors)
	for i := range args {
		args[i] = []string{connecter, strconv.Itoa(n / connectors)}
	}
	_, end, err = copies(args)
	return end, err
}

// connect makes n connections, keeps both ends of each, and waits. It calls the
// system by itself: a net.Conn is a goroutine's worth of memory.
func connect(n string) {
	most, _ := strconv.Atoi(n)
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		limit.Cur = limit.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	}
	l, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil || syscall.Bind(l, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}) != nil || syscall.Listen(l, 16) != nil {
		return
	}
	at, _ := syscall.Getsockname(l)
	for i := range most {
		c, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil || syscall.Connect(c, at) != nil {
			return
		}
		if _, _, err := syscall.Accept(l); err != nil {
			return
		}
		if i%2 == 0 {
			_, _ = syscall.Write(c, make([]byte, 100))
		}
	}
	fmt.Println("ready")
	time.Sleep(time.Hour)
}

// hold opens files of some kinds until there are n, or the limit is met, and waits.
func hold(n string) {
	most, _ := strconv.Atoi(n)
	time.Sleep(time.Millisecond) // the runtime opens what it needs for that
	for i := 3; i < most; i += 2 {
		var p [2]int
		if i%4 == 3 {
			if syscall.Pipe2(p[:], syscall.O_CLOEXEC) != nil {
				break
			}
			continue
		}
		_, err1 := syscall.Open("/dev/null", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		_, err2 := syscall.Open(os.Args[0], syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		if err1 != nil || err2 != nil {
			break
		}
	}
	fmt.Println("ready")
	time.Sleep(time.Hour)
}

// processes counts what /proc lists.
func processes() (n int) {
	list, _ := os.ReadDir("/proc")
	for _, d := range list {
		if name := d.Name(); name[0] >= '1' && name[0] <= '9' {
			n++
		}
	}
	return n
}

// judge says how a result compares with the job's target.
func (j job) judge(r result) (verdict string, ok bool) {
	ok = true
	var words []string
	check := func(met bool, target string) {
		if !met {
			ok, target = false, target+" MISSED"
		}
		words = append(words, target)
	}
	if j.ratio > 0 {
		check(r.ratio <= j.ratio, fmt.Sprintf("≤ %.2fx", j.ratio))
	}
	if j.mib > 0 {
		check(r.ours.mib <= j.mib, fmt.Sprintf("≤ %.0f MiB", j.mib))
	}
	switch {
	case words == nil:
		return "none", true
	case ok:
		return strings.Join(words, ", ") + ": met", true
	}
	return strings.Join(words, ", "), false
}

func sum(list []sample) (c cost) {
	walls := make([]float64, len(list))
	for i, s := range list {
		walls[i] = s.wall.Seconds() * 1e3
		c.mib = max(c.mib, float64(s.kib)/1024)
	}
	c.ms = median(walls)
	return c
}

func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	n := len(list)
	return (list[(n-1)/2] + list[n/2]) / 2
}

func known(n float64, format string) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprintf(format, n)
}

// sample is one run of a command: the time from before its fork until after
// its end, and the kernel's account of its peak RSS.
type sample struct {
	wall time.Duration
	kib  int64
}

// launcher is the first argument that makes this program a launcher.
//
// Exec hands the peak RSS of the memory it drops down to the new program
// (fs/exec.c, exec_mmap: setmax_mm_hiwater_rss), and after Go's fork that is
// the parent's memory. So the parent must be small, or no child could be seen
// to be smaller than it: a fresh copy of this program starts each command and
// waits for it, with about as little memory as a Go program can have (2.6 MiB).
const launcher = "-launch"

// once runs a command by way of a launcher.
func once(command []string) (s sample, err error) {
	self, err := os.Executable()
	if err != nil {
		return s, err
	}
	c := exec.Command(self, append([]string{launcher}, command...)...)
	out, err := c.Output()
	if err != nil {
		return s, fmt.Errorf("%s: %w", strings.Join(command, " "), err)
	}
	var status int
	if _, err := fmt.Sscan(string(out), &s.wall, &s.kib, &status); err != nil {
		return s, err
	}
	if status != 0 {
		return s, fmt.Errorf("%s: exit status %d", filepath.Base(command[0]), status)
	}
	return s, nil
}

// launch runs a command with its output thrown away and prints its cost.
func launch(command []string) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		os.Exit(1)
	}
	attr := &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{null.Fd(), null.Fd(), null.Fd()}}
	start := time.Now()
	pid, err := syscall.ForkExec(command[0], command, attr)
	if err != nil {
		os.Exit(1)
	}
	var status syscall.WaitStatus
	var use syscall.Rusage
	for err = syscall.EINTR; errors.Is(err, syscall.EINTR); {
		_, err = syscall.Wait4(pid, &status, 0, &use)
	}
	wall := time.Since(start)
	fmt.Println(int64(wall), use.Maxrss, status.ExitStatus()) // -1: a signal
}
