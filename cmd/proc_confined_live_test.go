package cmd

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kwhy/inspect/inspecttest"
)

// root skips a test that takes root.
func root(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("it takes root")
	}
}

// rungs are the rows of a process's ladder with a resource and a step.
func rungs(d document, resource, step string) (out []map[string]any) {
	for _, r := range d.Tables["limits"].Rows {
		if r["resource"] == resource && r["step"] == step {
			out = append(out, r)
		}
	}
	return out
}

// All capabilities over a user namespace of its own are none over the host: they exempt
// it from no bound of the host's. A child of this test that has them over the host is.
func TestLiveCapabilitiesOfANamespace(t *testing.T) {
	root(t)
	ids := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 65534, Size: 1}}
	inside := child(
		t,
		&syscall.SysProcAttr{
			Cloneflags:                 syscall.CLONE_NEWUSER,
			UidMappings:                ids,
			GidMappings:                ids,
			GidMappingsEnableSetgroups: true,
			Credential:                 &syscall.Credential{Uid: 0, Gid: 0},
		},
		"sleep",
		"600",
	)
	settle(t, inside.Process.Pid, "comm", "sleep")
	d := ofProcess(t, inside)
	if got := items(d.Values["cap_eff"].Value); len(got) < 35 {
		t.Fatalf("it has %v", got)
	}
	if s := d.Values["capabilities"].Reading; !strings.Contains(s, "in its own user namespace and those below it: on the host it has none") ||
		strings.Contains(s, "everything that needs a capability") {
		t.Errorf("%q", s)
	}
	if s := d.Values["uid"].Reading; strings.HasPrefix(s, "N") {
		t.Errorf("%q: a user's name is as it is", s)
	}
	plain := child(t, nil, "sleep", "600")
	settle(t, plain.Process.Pid, "comm", "sleep")
	over := ofProcess(t, plain)
	caps := items(over.Values["cap_eff"].Value)
	for _, b := range []struct{ resource, step, right string }{{"tasks", "rlimit", "CAP_SYS_ADMIN"}, {"open files", "host", "CAP_SYS_ADMIN"},
		{"locked memory", "rlimit", "CAP_IPC_LOCK"}} {
		for _, r := range rungs(d, b.resource, b.step) {
			if r["exempt"] != false {
				t.Errorf("inside: %v", r)
			}
		}
		for _, r := range rungs(over, b.resource, b.step) {
			if strings.Contains(strings.Join(caps, " "), b.right) && r["exempt"] != true {
				t.Errorf("with %s over the host: %v", b.right, r)
			}
		}
	}
	if s := over.Values["capabilities"].Reading; strings.Contains(s, "namespace only") {
		t.Errorf("%q", s)
	}
}

// The bounds of cgroups that bite are all on the ladder: memory.max, memory.high, swap.
// The recorded host's own files say which there are.
func TestRecordedLadder(t *testing.T) {
	dir := unpacked(t, "debian-7.3-oom")
	var out, errs bytes.Buffer
	a := &App{Out: &out, Err: &errs, Getenv: func(string) (string, bool) { return "", false }, Now: time.Now, Sleep: time.Sleep}
	if s := a.Run([]string{"proc", "119", "--proc-root", dir + "/proc", "--sys-root", dir + "/sys", "-o", "json"}); s != exitOK {
		t.Fatalf("status %d, %s", s, errs.String())
	}
	d := readJSON(t, out.String())
	at := items(d.Values["cgroups"].Value)[0]
	for _, c := range []struct{ file, resource, step string }{{"memory.max", "memory", "cgroup"}, {"memory.high", "memory", "high"},
		{"memory.swap.max", "swap", "cgroup"}} {
		for at := at; at != "/"; at = filepath.Dir(at) {
			b, err := os.ReadFile(dir + "/sys/fs/cgroup" + at + "/" + c.file)
			want := strings.TrimSpace(string(b))
			if err != nil || want == "max" {
				continue
			}
			found := false
			for _, r := range rungs(d, c.resource, c.step) {
				found = found || r["where"] == at && fmt.Sprintf("%.0f", r["limit"]) == want && r["whose"] == "cgroup"
				if c.step == "high" && r["first"] != false {
					t.Errorf("%v: memory.high stops nothing", r)
				}
			}
			if !found {
				t.Errorf("%s of %s, %s, is not among %v", c.file, at, want, rungs(d, c.resource, c.step))
			}
		}
	}
	if len(rungs(d, "memory", "high")) == 0 {
		t.Error("no memory.high on the ladder")
	}
	for _, r := range d.Tables["rlimits"].Rows {
		if why := fmt.Sprint(r["why"]); strings.Contains(why, "does not know") ||
			(r["name"] == "resident set" || r["name"] == "file locks") != strings.HasPrefix(why, "nothing") {
			t.Errorf("%v", r)
		}
	}
}

// unpacked is a recorded host.
func unpacked(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("../inspect/testdata/hosts/" + name + ".txtar")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := inspecttest.Unpack(dir, b); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Processes apart in namespaces are said to be, each in those that the test made.
func TestLiveApart(t *testing.T) {
	for name, c := range map[string]struct {
		flags uintptr
		kinds []string
	}{
		"mounts alone": {syscall.CLONE_NEWNS, []string{"mnt"}},
		"as a container": {syscall.CLONE_NEWPID | syscall.CLONE_NEWNS | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC | syscall.CLONE_NEWNET,
			[]string{"pid", "mnt", "uts", "ipc", "net"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := child(t, &syscall.SysProcAttr{Cloneflags: c.flags}, "sleep", "600")
			settle(t, p.Process.Pid, "comm", "sleep")
			d := ofProcess(t, p)
			v := d.Values["container"]
			if strings.Contains(v.Reading, "No container") {
				t.Errorf("%q", v.Reading)
			}
			for _, kind := range c.kinds {
				if !strings.Contains(v.Reading, kind) {
					t.Errorf("%q does not name %s", v.Reading, kind)
				}
			}
			for _, r := range d.Tables["namespaces"].Rows {
				its, err1 := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", p.Process.Pid, r["name"]))
				first, err2 := os.Readlink(fmt.Sprintf("/proc/1/ns/%s", r["name"]))
				if err1 == nil && err2 == nil && r["with_init"] != (its == first) {
					t.Errorf("%v, and the links are %s and %s", r, its, first)
				}
				if strings.HasSuffix(r["name"].(string), "_for_children") && r["shared_with"] != nil {
					t.Errorf("%v: nobody counted who shares it", r)
				}
			}
		})
	}
	plain := child(t, nil, "sleep", "600")
	settle(t, plain.Process.Pid, "comm", "sleep")
	if v := ofProcess(t, plain).Values["container"]; v.Value != float64(0) || strings.Contains(v.Reading, "Different from PID 1 in") {
		t.Errorf("a child in no namespace of its own: %v, %q", v.Value, v.Reading)
	}
}

// inNamespaces runs kwhy as PID 1 of namespaces that the test makes, with a /proc of
// theirs.
func inNamespaces(t *testing.T, args ...string) document {
	t.Helper()
	root(t)
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		t.Skip(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	kwhy := filepath.Join(t.TempDir(), "kwhy") // by that name the binary of the tests is kwhy
	if err := os.Symlink(self, kwhy); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	c := exec.Command(unshare, append([]string{"--pid", "--fork", "--mount-proc", kwhy, "-o", "json"}, args...)...)
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		t.Skipf("no PID namespace can be made here: %v, %s", err, errs.String())
	}
	return readJSON(t, out.String())
}

// Inside of a PID namespace nothing is taken for the host's: its PID 1 for the host's
// first process, its pid_max for what bounds it, its processes for all.
func TestLiveInsideANamespace(t *testing.T) {
	d := inNamespaces(t, "proc", "1")
	if s := d.Values["container"].Reading; strings.Contains(s, "No container") || !strings.Contains(s, "container") {
		t.Errorf("%q", s)
	}
	if s := d.Values["ppid"].Reading; !strings.Contains(s, "Outside this PID namespace") {
		t.Errorf("parent: %q", s)
	}
	host := inNamespaces(t, "proc")
	tasks := 0.0
	for _, r := range host.Tables["processes"].Rows {
		tasks += r["threads"].(float64)
	}
	if s := host.Values["tasks"].Reading; strings.Contains(s, "pid_max") {
		t.Errorf("threads in all: %q", s)
	}
	max, all := number(t, host, "pid_max"), number(t, host, "tasks")
	if s := host.Values["pid_max"].Reading; !strings.Contains(s, "below the host's") {
		if len(rungs(d, "tasks", "namespace")) > 0 {
			t.Errorf("pid_max: %q", s)
		}
		return // before 6.14 it is the host's
	}
	for _, r := range rungs(d, "tasks", "namespace") {
		switch {
		case r["where"] == "kernel.pid_max" && (r["limit"] != max || r["used"].(float64) >= all):
			t.Errorf("%v, and the host has %v threads", r, all)
		case r["where"] != "kernel.pid_max" && (r["limit"] != nil || r["room"] != nil):
			t.Errorf("%v: what is above can't be seen", r)
		}
	}
	if rows := rungs(d, "tasks", "namespace"); len(rows) != 2 || len(rungs(d, "tasks", "sysctl")) != 1 {
		t.Errorf("%v", d.Tables["limits"].Rows)
	}
}

// A process in a PID namespace has a bound there that is not to be seen from outside.
func TestLivePIDNamespaceBound(t *testing.T) {
	c := child(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}, "sleep", "600")
	settle(t, c.Process.Pid, "comm", "sleep")
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor); err != nil || major < 6 ||
		major == 6 && minor < 14 {
		t.Skip("PID namespaces have bounds of their own since 6.14")
	}
	if rows := rungs(ofProcess(t, c), "tasks", "namespace"); len(rows) != 1 || rows[0]["limit"] != nil {
		t.Errorf("%v", rows)
	}
}
