package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// TestHelperWaits is no test: it is a child whose threads wait in a system call
// each, and tells their numbers.
func TestHelperWaits(t *testing.T) {
	inRole(t, "Waits")
	var r [2]int
	if err := unix.Pipe(r[:]); err != nil {
		t.Fatal(err)
	}
	l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(l, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(l, 1); err != nil {
		t.Fatal(err)
	}
	ep, err := unix.EpollCreate1(0)
	if err != nil {
		t.Fatal(err)
	}
	lock, err := os.CreateTemp(t.TempDir(), "lock")
	if err != nil {
		t.Fatal(err)
	}
	again, err := os.Open(lock.Name())
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	var word uint32
	buf := make([]byte, 4321)
	polls := []unix.PollFd{{Fd: int32(r[0]), Events: unix.POLLIN}}
	calls := []func(){
		func() { _, _ = unix.Read(r[0], buf) },
		func() { _, _, _ = unix.Syscall(unix.SYS_ACCEPT4, uintptr(l), 0, 0) },
		func() { _, _ = unix.EpollWait(ep, make([]unix.EpollEvent, 7), 7654321) },
		func() { _ = unix.Flock(int(again.Fd()), unix.LOCK_EX) },
		func() { _, _, _ = unix.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(&word)), 128, 0, 0, 0, 0) },
		func() {
			_, _, _ = unix.Syscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&polls[0])), 1, 0, 0, 0, 0)
		},
	}
	tids := make(chan int)
	for _, call := range calls {
		go func() {
			runtime.LockOSThread()
			tids <- unix.Gettid()
			for {
				call()
			}
		}()
		fmt.Print(<-tids, " ")
	}
	fmt.Println(r[0], l, ep, again.Fd())
	time.Sleep(10 * time.Minute)
}

// Threads that wait in calls whose arguments this test chose: the calls are told
// with just those.
func TestLiveCallArguments(t *testing.T) {
	c, line := helper(t, "Waits")
	n := strings.Fields(line)
	if len(n) != 10 {
		t.Fatalf("the child says %q", line)
	}
	dir := fmt.Sprintf("/proc/%d/fd/", c.Process.Pid)
	to := func(fd string) string {
		s, err := os.Readlink(dir + fd)
		if err != nil {
			t.Skipf("read /proc/PID/fd: %v", err)
		}
		return fd + "<" + s + ">"
	}
	for i, want := range []struct{ call, begins, ends, why string }{
		{"read", "read(" + to(n[6]) + ", 0x", ", 4321)", "data in a pipe"},
		{"accept4", "accept4(" + to(n[7]) + ", NULL, NULL, 0x0)", "", "a connection"},
		{"epoll_pwait", "epoll_pwait(" + to(n[8]) + ", 0x", ", 7, 7654321 ms, NULL, 0)", "an event"},
		{"flock", "flock(" + to(n[9]) + ", LOCK_EX)", "", "a lock on a file"},
		{"futex", "futex(0x", ", FUTEX_WAIT|FUTEX_PRIVATE_FLAG, 0, NULL)", "another thread"},
		{"ppoll", "ppoll(0x", ", 1, NULL, NULL, 0)", "an event"},
	} {
		settle(t, c.Process.Pid, "task/"+n[i]+"/status", "State:\tS")
		d := liveJSON(t, "proc", "--thread", n[i])
		call := d.Values["syscall"]
		if absent(call) != "" {
			t.Skipf("system calls are not to be seen here: %s", absent(call))
		}
		if want.call == "epoll_pwait" && call.Value == "epoll_wait" { // as x86 has it too
			want.begins, want.ends = strings.Replace(want.begins, "epoll_pwait", "epoll_wait", 1), ", 7, 7654321 ms)"
		} else if call.Value != want.call {
			t.Errorf("thread %s: %v, want %s", n[i], call.Value, want.call)
		}
		if !strings.HasPrefix(call.Reading, want.begins) || !strings.HasSuffix(call.Reading, want.ends) {
			t.Errorf("%q, want %s...%s", call.Reading, want.begins, want.ends)
		}
		if s := d.Values["state"].Reading; !strings.Contains(s, want.why) {
			t.Errorf("%s: %q does not say %q", want.call, s, want.why)
		}
		if origin := d.Values["origin"].Value; origin != "thread" && n[i] != strconv.Itoa(c.Process.Pid) {
			t.Errorf("a thread came to be by %v", origin)
		}
		if s := d.Values["flags"].Reading; n[i] != strconv.Itoa(c.Process.Pid) && strings.Contains(s, "forked") {
			t.Errorf("a thread: %q", s)
		}
	}
	d := liveJSON(t, "proc", strconv.Itoa(c.Process.Pid), "--sample", "300ms")
	kinds := map[string]bool{}
	for _, r := range d.Tables["doings"].Rows {
		kinds[r["kind"].(string)] = true
		if r["syscall"] == "read" && r["wchan"] != nil && r["file"] != nil && !strings.Contains(to(n[6]), r["file"].(string)) {
			t.Errorf("it reads %v, want %s", r["file"], to(n[6]))
		}
	}
	for _, kind := range []string{"ipc", "network", "events", "lock"} {
		if !kinds[kind] {
			t.Errorf("a sample finds %v, and not %s", kinds, kind)
		}
	}
}

// TestHelperBurns is no test: it is a child that computes and sleeps by turns.
func TestHelperBurns(t *testing.T) {
	inRole(t, "Burns")
	fmt.Println("ready")
	for {
		for at := time.Now(); time.Since(at) < 7*time.Millisecond; {
		}
		time.Sleep(13 * time.Millisecond)
	}
}

// The share of looks that find a thread on a CPU or ready for one is the share of
// time that the kernel's own clocks say.
func TestLiveSampleAgreesWithTheClocks(t *testing.T) {
	long(t, "it waits for the clocks")
	c, _ := helper(t, "Burns")
	var wrong string
	for range 3 { // of what chance has a part in
		d := liveJSON(t, "proc", strconv.Itoa(c.Process.Pid), "--sample", "2s")
		ran, waited := d.Values["ran"], d.Values["waited"]
		if absent(ran) != "" {
			t.Skipf("schedstat: %s", absent(ran))
		}
		clocks := ran.Value.(float64) + waited.Value.(float64)
		var found float64
		for _, r := range d.Tables["doings"].Rows {
			if r["state"] == "R" {
				found += r["times"].(float64)
			}
		}
		rounds, took := number(t, d, "rounds"), number(t, d, "took")
		if rounds < 50 || clocks < took/10 {
			wrong = fmt.Sprintf("%v rounds, on a CPU or ready for %v s of %v s", rounds, clocks, took)
			continue
		}
		// Four times what chance does to as many looks.
		if off := found/rounds - clocks/took; off < 0.12 && off > -0.12 {
			return
		}
		wrong = fmt.Sprintf("%v of %v rounds found it running, and the clocks say %v s of %v s", found, rounds, clocks, took)
	}
	t.Error(wrong)
}

// A process that ends while it is watched: what was seen until then, and that it
// ended.
func TestLiveSampleOfAnEnd(t *testing.T) {
	c := exec.Command("sleep", "0.5")
	if err := c.Start(); err != nil {
		t.Skip(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	d := liveJSON(t, "proc", strconv.Itoa(c.Process.Pid), "--sample", "1m")
	if err := <-done; err != nil {
		t.Error(err)
	}
	if took := number(t, d, "took"); took > 30 || !strings.Contains(d.Values["rounds"].Reading, "ended meanwhile") {
		t.Errorf("%v s, %q", took, d.Values["rounds"].Reading)
	}
}

// TestHelperChurns is no test: it is a child whose threads come and go.
func TestHelperChurns(t *testing.T) {
	inRole(t, "Churns")
	fmt.Println("ready")
	for {
		done := make(chan bool)
		go func() {
			runtime.LockOSThread() // and never let go: the thread ends with it
			for at := time.Now(); time.Since(at) < 5*time.Millisecond; {
			}
			close(done)
		}()
		<-done
	}
}

// Threads that end take their clocks along. Those of the others stand, and how many are
// missing is told.
func TestLiveSampleOfThreadsThatEnd(t *testing.T) {
	c, _ := helper(t, "Churns")
	for range 5 {
		d := ofProcess(t, c, "--sample", "700ms")
		ran := d.Values["ran"]
		if why := absent(ran); why == "denied" || why == "disabled" {
			t.Skip(why)
		} else if why != "" {
			t.Fatalf("on a CPU: absent, %q", why)
		}
		if strings.Contains(ran.Reading, "that ended meanwhile") {
			return
		}
	}
	t.Error("no thread is said to have ended")
}
