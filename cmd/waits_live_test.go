package cmd

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// silentFUSE mounts a file system whose server, this process, answers nothing but the greeting. It
// must be called in a mount namespace of its own. Closing the descriptor ends all waits for it.
func silentFUSE(dir string) (fd int, err error) {
	if fd, err = unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
		return -1, err
	}
	if err := unix.Mount("kwhy-test", dir, "fuse", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0", fd)); err != nil {
		unix.Close(fd)
		return -1, err
	}
	ask := make([]byte, 1<<17)
	if _, err := unix.Read(fd, ask); err != nil {
		unix.Close(fd)
		return -1, err
	}
	// struct fuse_out_header and fuse_init_out (include/uapi/linux/fuse.h).
	const size = 16 + 64
	answer := make([]byte, size)
	binary.NativeEndian.PutUint32(answer, size)
	copy(answer[8:16], ask[8:16]) // which request it is of
	binary.NativeEndian.PutUint32(answer[16:], 7)
	binary.NativeEndian.PutUint32(answer[20:], 31)
	binary.NativeEndian.PutUint32(answer[36:], 65536) // max_write
	if _, err = unix.Write(fd, answer); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// Of who waits for a FUSE file system it is told which one, and who serves it; and who has
// something of it open is found without asking that server.
func TestLiveWaitsForAServer(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting takes root")
	}
	dir := filepath.Join(t.TempDir(), "mount")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	withMounts(t, func() error {
		fd, err := silentFUSE(dir)
		if err != nil {
			return fmt.Errorf("no FUSE file system can be mounted here: %w", err)
		}
		// Whatever waits for the mount waits until its server is gone, kwhy in a fault too.
		end := sync.OnceFunc(func() { unix.Close(fd) })
		defer time.AfterFunc(3*time.Minute, end).Stop()
		waits := exec.Command("stat", dir+"/x")
		if err := waits.Start(); err != nil {
			end()
			return err
		}
		defer func() { end(); _ = waits.Process.Kill(); _ = waits.Wait() }()
		pid := waits.Process.Pid
		for range 2000 { // the test's thread, which no failure may end: it has the mount
			if b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", pid)); string(b) == "request_wait_answer" {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		told := kwhyHere(t, "proc", strconv.Itoa(pid), "--timeout", "1s", "-o", "json")
		if want := fmt.Sprintf("(%d), which serves the FUSE file system at %s", os.Getpid(), dir); !strings.Contains(told, want) {
			t.Errorf("%q is not in %s", want, told)
		}
		root, err := unix.Open(dir, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		holds := exec.Command("sleep", "600")
		holds.ExtraFiles = []*os.File{os.NewFile(uintptr(root), dir)}
		if err := holds.Start(); err != nil {
			return err
		}
		defer func() { _ = holds.Process.Kill(); _ = holds.Wait(); _ = holds.ExtraFiles[0].Close() }()
		has := kwhyHere(t, "fd", strconv.Itoa(holds.Process.Pid), "--timeout", "1s", "--width", "1000")
		if want := fmt.Sprintf("fuse at %s (kwhy-test), whose server did not answer in time: ", dir); !strings.Contains(has, want) ||
			!strings.Contains(has, fmt.Sprintf("(%d)", os.Getpid())) {
			t.Errorf("%q is not in %s", want, has)
		}
		for _, path := range []string{dir, dir + "/x", dir + "/x/y"} {
			start := time.Now()
			if out := kwhyHere(t, "fd", "--path", path, "--timeout", "1s"); !strings.Contains(out, "its server is not asked") {
				t.Errorf("%s: %s", path, out)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("%s: it took %s", path, took)
			}
		}
		return nil
	})
}

// kwhyHere runs kwhy as a program, in the namespaces of the calling thread, and returns its text
// without its line breaks. One that hangs is killed in the end.
func kwhyHere(t *testing.T, args ...string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Error(err)
		return ""
	}
	var out bytes.Buffer
	c := &exec.Cmd{Path: self, Args: append([]string{"kwhy"}, args...), Stdout: &out, Stderr: &out, WaitDelay: time.Second}
	if err := c.Start(); err != nil {
		t.Error(err)
		return ""
	}
	late := time.AfterFunc(time.Minute, func() { _ = c.Process.Kill() })
	defer late.Stop()
	if err := c.Wait(); err != nil {
		t.Errorf("kwhy %v: %v: %s", args, err, out.String())
	}
	return strings.Join(strings.Fields(out.String()), " ")
}

// Where the OOM killer of a cgroup is disabled, who is at its limit waits: nobody is the next to
// die there, and one finding says why.
func TestLiveKillerOff(t *testing.T) {
	long(t, "it fills a cgroup")
	g := newMemcg(t, smallLimit/4)
	if g.v2 || os.WriteFile(filepath.Join(g.dir, "memory.oom_control"), []byte("1"), 0o644) != nil {
		t.Skip("the OOM killer of a cgroup can be disabled in version 1 alone")
	}
	// tail keeps a line without an end: it has one thread, and takes all the memory that there is.
	hog := child(t, nil, "sh", "-c", "echo $$ >"+g.dir+"/cgroup.procs && exec tail /dev/zero")
	pid := strconv.Itoa(hog.Process.Pid)
	settle(t, hog.Process.Pid, "wchan", "mem_cgroup_oom_synchronize")

	if s := ofProcess(t, hog).Values["state"].Reading; !strings.Contains(s, "waits for memory: cgroup "+g.path+" is at its limit of ") ||
		!strings.Contains(s, "its OOM killer is disabled") || !strings.Contains(s, "only a fatal signal such as SIGKILL ends that") {
		t.Errorf("proc: %q", s)
	}
	in := liveJSON(t, "oom", "--cgroup", g.path)
	if v := in.Values["next_victim_pid"]; v.Value != nil || absent(v) != "inapplicable" {
		t.Errorf("next victim %v, %q", v.Value, absent(v))
	}
	if v := in.Tables["cgroups"].Rows[0]["victim_pid"]; v != nil {
		t.Errorf("victim %v", v)
	}
	one := liveJSON(t, "oom", pid)
	if v := one.Values["rank_in_cgroup"]; v.Value != nil {
		t.Errorf("rank %v", v.Value)
	}
	if s := one.Values["killable"].Reading; !strings.Contains(s, "At the limit of "+g.path+" nobody is killed") {
		t.Errorf("killable: %q", s)
	}
	// Who waits for it is no second finding, by whatever domains, and for those who may not see where it waits.
	list := liveJSON(t, "check", "--only", "proc", "--interval", "0").Findings
	if os.Geteuid() == 0 {
		list = append(list, asNobody(t, "check", "--only", "proc,sched", "--interval", "0").Findings...)
	}
	for _, f := range list {
		if strings.Contains(f.Message, "("+pid+")") {
			t.Errorf("%s: %q beside the cgroup's", f.ID, f.Message)
		}
	}
	var found []string
	for _, f := range liveJSON(t, "check", "--interval", "0").Findings {
		if strings.Contains(f.Message, g.path+" ") {
			found = append(found, f.ID+" "+f.Level+" "+f.Message)
		}
	}
	if len(found) != 1 || !strings.HasPrefix(found[0], "oom.cgroup_stuck critical ") || strings.Contains(found[0], "killed first") {
		t.Errorf("findings %q", found)
	}
}

// Where the main thread of a process has ended and others go on, its memory, descriptors, sockets
// and score are those of the others.
func TestLiveMainThreadEndedEverywhere(t *testing.T) {
	c, _ := helper(t, "MainEnds")
	pid := strconv.Itoa(c.Process.Pid)
	settle(t, c.Process.Pid, "stat", ") Z ")
	list, err := os.ReadDir("/proc/" + pid + "/task")
	if err != nil || len(list) < 2 {
		t.Fatal(list, err)
	}
	fds, err := os.ReadDir("/proc/" + pid + "/task/" + list[len(list)-1].Name() + "/fd")
	if err != nil || len(fds) == 0 {
		t.Fatal(fds, err)
	}
	if rss := number(t, liveJSON(t, "mem", pid), "vm_rss"); rss < 1<<20 {
		t.Errorf("mem: %v resident", rss)
	}
	in := liveJSON(t, "oom", pid)
	if killable := in.Values["killable"].Value; killable != true || number(t, in, "points") < 100 {
		t.Errorf("oom: killable %v, %v points", killable, number(t, in, "points"))
	}
	if n := number(t, liveJSON(t, "fd", pid), "open_fds"); n != float64(len(fds)) {
		t.Errorf("fd: %v open, its threads have %d", n, len(fds))
	}
	if v := liveJSON(t, "sched", pid).Values["cpu_share"]; v.Value != nil || absent(v) != "inapplicable" {
		t.Errorf("sched: share %v, %q", v.Value, absent(v))
	}
	if v := liveJSON(t, "net", pid).Values["sockets"]; v.Value == nil {
		t.Errorf("net: %+v", v)
	}
	for command, key := range map[string]string{"mem": "vm_rss", "oom": "points", "fd": "fds"} {
		found := false
		for _, r := range liveJSON(t, command, "--limit", "0").Tables["processes"].Rows {
			if r["pid"] == float64(c.Process.Pid) {
				n, _ := r[key].(float64)
				found = n > 0
			}
		}
		if !found {
			t.Errorf("kwhy %s: no %s in its row", command, key)
		}
	}
}
