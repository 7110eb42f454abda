package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// company starts what runs alongside a job, and puts the number of one of that into
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

// copies starts this program again with each of some arguments, and waits until
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
