package cmd

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
)

// /proc mounted with hidepid=2, read by a plain user: what others have is not there;
// that is told, and no error, and nothing is counted that can't be.
func TestLiveHidepid(t *testing.T) {
	long(t, "TestLiveUnprivileged runs the same")
	root(t)
	// A process of the plain user whose parent is root's.
	own := child(t, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}, "sleep", "600")
	settle(t, own.Process.Pid, "comm", "sleep")
	d := hidden(t, "2", "proc", "--limit", "0", "--columns", "pid,uid,why")
	found := false
	for _, r := range d.Tables["processes"].Rows {
		if r["uid"] != float64(65534) {
			t.Errorf("with hidepid=2 a plain user sees %v", r)
		}
		found = found || r["pid"] == float64(own.Process.Pid)
	}
	if !found {
		t.Errorf("the user's own process is not among %v", d.Tables["processes"].Rows)
	}
	saysHidden(t, d)
	for _, key := range []string{"kernel_threads", "zombies"} {
		// None among the user's own processes, of how many nobody can say.
		if v := d.Values[key]; v.Of == nil || v.Of.All != nil || v.Of.Reason != "hidden" || v.Of.Seen < 1 || v.Value != 0.0 {
			t.Errorf("%s is %v, of %+v", key, v.Value, v.Of)
		}
	}
	d = hidden(t, "2", "proc", strconv.Itoa(own.Process.Pid))
	saysHidden(t, d)
	if v := d.Values["ppid"]; v.Value != float64(os.Getpid()) || strings.Contains(v.Reading, "Outside") ||
		!strings.Contains(v.Reading, "Not visible") {
		t.Errorf("parent %v: %q", v.Value, v.Reading)
	}
	if s := d.Values["origin"].Reading; strings.Contains(s, "outside this PID namespace") {
		t.Errorf("%q", s)
	}
	// Without it there is no such gap.
	for _, g := range hidden(t, "0", "proc", "--limit", "0").Gaps {
		if g.Source == "/proc/<pid>" {
			t.Errorf("gap %v, and nothing is hidden", g)
		}
	}
}

func saysHidden(t *testing.T, d document) {
	t.Helper()
	n := 0
	for _, g := range d.Gaps {
		if g.Source == "/proc/<pid>" && g.Reason == "hidden" && g.Hint != nil && strings.Contains(*g.Hint, "hidepid") {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d gaps say that /proc hides processes: %v", n, d.Gaps)
	}
}

// hidden runs kwhy as a plain user on a /proc with hidepid.
func hidden(t *testing.T, hidepid string, args ...string) document {
	t.Helper()
	dir, err := os.MkdirTemp("", "kwhy-hidepid")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	withMounts(t, func() error { return onHidden(dir, hidepid, &out, &errs, args) })
	if errs.Len() > 0 {
		t.Errorf("stderr %q", errs.String())
	}
	return readJSON(t, out.String())
}

func onHidden(dir, hidepid string, out, errs *bytes.Buffer, args []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := unix.Mount("proc", dir, "proc", 0, "hidepid="+hidepid); err != nil {
		return fmt.Errorf("/proc can't be mounted with hidepid: %w", err)
	}
	fd, err := unix.Open(self, unix.O_PATH, 0) // where a plain user may not go by name
	if err != nil {
		return err
	}
	program := os.NewFile(uintptr(fd), self)
	defer program.Close()
	c := &exec.Cmd{
		Path:   fmt.Sprintf("/proc/self/fd/%d", 3),
		Args:   append([]string{"kwhy", "--proc-root", dir, "-o", "json"}, args...),
		Stdout: out,
		Stderr: errs,
	}
	c.ExtraFiles = []*os.File{program}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534, NoSetGroups: false}}
	return c.Run()
}

// A plain user may not list another's descriptors, but may see how many there are, by the size
// of their directory, since 6.2, and their limit: who is near it is found.
func TestLivePlainUserFindsWhoIsNearItsLimit(t *testing.T) {
	root(t)
	const limit, high = 1024, 1020
	c := child(t, nil, "bash", "-c", fmt.Sprintf(
		"ulimit -n %d; for ((i = 10; i < %d; i++)); do eval \"exec $i</dev/null\"; done; exec -a full sleep 600", limit, high,
	))
	pid := strconv.Itoa(c.Process.Pid)
	settle(t, c.Process.Pid, "stat", "(sleep) S") // and has closed what it was loaded from
	st, err := os.Stat("/proc/" + pid + "/fd")
	if err != nil {
		t.Fatal(err)
	}
	if st.Size() == 0 {
		t.Skip("this kernel does not give the size of /proc/PID/fd: it is older than 6.2")
	}
	d := hidden(t, "0", "fd", "--limit", "0")
	if r := rowOf(d, "processes", "pid", float64(c.Process.Pid)); r == nil || r["fds"] != float64(st.Size()) || r["files"] != nil {
		t.Errorf("the row of %s with %d descriptors: %v", pid, st.Size(), r)
	}
	d = hidden(t, "0", "check", "--interval", "0", "--only", "fd")
	found := false
	for _, f := range d.Findings {
		found = found || f.ID == "fd.process_near" && f.Level == "critical" && strings.Contains(f.Message, "("+pid+")")
	}
	if !found {
		t.Errorf("check of a plain user does not find %s: %v", pid, d.Findings)
	}
	for _, row := range d.Tables["checks"].Rows {
		if row["id"] == "fd.deleted_space" && row["outcome"] != "partly" {
			t.Errorf("whose files are not shown may keep deleted ones: %v", row)
		}
	}
}

// A plain user sees no process of root's on a /proc with hidepid: nothing about all of them is
// said, and who is asked for by number is not said to be none.
func TestLiveHidepidSaysOfWhom(t *testing.T) {
	root(t)
	d := hidden(t, "2", "check", "--interval", "0")
	for _, row := range d.Tables["checks"].Rows {
		switch row["id"] {
		case "proc.zombies", "fd.deleted_space", "fd.process_near", "proc.uninterruptible":
			if row["outcome"] == "well" {
				t.Errorf("with hidepid=2 %v is well", row["id"])
			}
		}
	}
	d = hidden(t, "2", "oom", "--limit", "3")
	if v := d.Values["next_victim_pid"]; v.Value != nil || absent(v) != "hidden" {
		t.Errorf("the next victim, which may be hidden, is %v, %q", v.Value, absent(v))
	}
	d = hidden(t, "2", "fd", "--deleted")
	if v := d.Values["gone_files"]; v.Of == nil || v.Of.All != nil {
		t.Errorf("deleted files: %+v, of %+v", v, v.Of)
	}
}

// place is from where kwhy looks at this host, and what it can't see from there.
type place struct {
	name string
	// as is a line of sh that runs "$@" there, with the mount namespace to itself; $PROC is a
	// directory for a /proc of its own, which kwhy is pointed at where the line names it.
	as   string
	lost func(inspect.Source) bool // what is seen in part there, or not at all
	pid  string                    // whom reports of one process are asked for
	whys string                    // the reasons that are true there
	// open says that processes cannot be counted.
	open bool
}

// asPlain runs what comes behind it as a plain user.
const asPlain = "exec setpriv --reuid=65534 --regid=65534 --clear-groups "

// places are those that a kernel can make which has these mounts and namespaces.
func places() []place {
	ofProcesses := func(s inspect.Source) bool { return s.Scope() == inspect.OfProcess && s != inspect.Taskstats }
	ofOwners := func(s inspect.Source) bool { // fs/proc/base.c: what takes PTRACE_MODE_READ
		return s == inspect.PIDFd || s == inspect.PIDFdinfo || s == inspect.PIDNs || s == inspect.PIDIO || s == inspect.PIDExe
	}
	ofHost := func(s inspect.Source) bool { // fs/proc/inode.c: PROC_PIDONLY leaves the processes, and self
		return strings.HasPrefix(s.String(), "/proc/") && s.Scope() == inspect.OfHost && !strings.HasPrefix(s.String(), "/proc/self/")
	}
	mounted := func(options string) string { return "mount -t proc -o " + options + " proc $PROC && " }
	return []place{
		{"plain user", asPlain + `"$@"`, ofOwners, "1", "denied", false},
		{"hidepid=1", mounted("hidepid=1") + asPlain + `"$@"`, ofProcesses, "1", "denied", false},
		{"hidepid=2", mounted("hidepid=2") + asPlain + `"$@"`, ofProcesses, "1", "hidden", true},
		{"hidepid=invisible", mounted("hidepid=invisible") + asPlain + `"$@"`, ofProcesses, "1", "hidden", true},
		{"hidepid=ptraceable", mounted("hidepid=ptraceable") + asPlain + `"$@"`, ofProcesses, "1", "hidden", true},
		{"subset=pid", mounted("subset=pid") + `exec "$@"`, ofHost, "1", "not_mounted inapplicable", false},
		{"user namespace", `exec unshare -U "$@"`, ofOwners, "1", "denied", false},
		{"root of a user namespace", asPlain + `unshare -Ur "$@"`, ofOwners, "1", "denied", false},
		{"PID namespace", `exec unshare -pf --mount-proc "$@"`, ofProcesses, "1", "other_namespace", true},
		{"PID namespace, with the /proc outside", `exec unshare -pf "$@"`, func(inspect.Source) bool { return false }, "1", "", false},
		{"no /sys", `mkdir -p $PROC/no && exec "$@" --sys-root $PROC/no`, func(s inspect.Source) bool {
			return strings.HasPrefix(s.String(), "/sys/")
		}, "1", "not_mounted", false},
	}
}

// program is kwhy where everybody may run it.
func program(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	name := everybodys(t) + "/kwhy"
	if err := os.WriteFile(name, b, 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// everybodys makes a directory that everybody may look into.
func everybodys(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kwhy-place")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// from runs kwhy there.
func (p *place) from(t *testing.T, kwhy, proc string, args ...string) (out, errs string, status int) {
	t.Helper()
	words := []string{"-m", "sh", "-c", "mount --make-rprivate / && " + p.as, "sh", kwhy}
	if strings.Contains(p.as, "proc $PROC") {
		words = append(words, "--proc-root", proc)
	}
	c := exec.Command("unshare", append(words, args...)...)
	var o, e bytes.Buffer
	c.Dir, c.Env, c.Stdout, c.Stderr = "/", append(os.Environ(), "PROC="+proc), &o, &e
	err := c.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		status = exit.ExitCode()
	} else if err != nil {
		t.Skip(err)
	}
	if text := e.String(); strings.HasPrefix(text, "mount:") || strings.HasPrefix(text, "unshare:") || strings.HasPrefix(text, "setpriv:") {
		t.Skipf("this kernel, or this user, can't make it: %s", text)
	}
	return o.String(), e.String(), status
}

// From each place, every command says nothing of what it can't see from there: by structure in
// JSON, by sentence in text.
func TestLivePlaces(t *testing.T) {
	long(t, "it runs some hundred commands in other processes")
	root(t)
	for _, tool := range []string{"unshare", "setpriv", "mount"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	kwhy := program(t)
	other := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sleep", "600") // a plain user has more than kwhy
	other.Dir = "/"
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	for i, p := range places() {
		if !inspecttest.HasTurn(i) {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			proc := everybodys(t)
			values := [][]string{{"explain", "zombies"}, {"explain", "gone_files"}, {"explain", "next_victim_pid"}}
			for _, args := range append(everyReport(p.pid), values...) {
				out, errs, status := p.from(t, kwhy, proc, slices.Concat(args, []string{"-o", "json"})...)
				if status > 1 || strings.Contains(errs, "panic") || status == 1 && errs == "" {
					t.Errorf("%v: status %d, stderr %q", args, status, errs)
				}
				if strings.Contains(errs, "no such process\n") {
					t.Errorf("%v: %q of the first process, which there is", args, errs)
				}
				if out != "" {
					d := readJSON(t, out)
					if p.whys != "other_namespace" || !strings.HasSuffix(form(args), " PID") { // one process is there, or not
						honest(t, d, args, p.lost, p.whys)
					}
					countsNone(t, d, args, &p)
				}
				text, errs, _ := p.from(t, kwhy, proc, slices.Concat(args, []string{"--width", "1000"})...)
				if text == "" && errs == "" {
					t.Errorf("%v says nothing", args)
				}
				claimsNothing(t, text, args, p.lost(inspect.PIDStat))
			}
		})
	}
}

// countsNone holds a document to say of every set of processes that nobody can count it, where
// that is so.
func countsNone(t *testing.T, d document, args []string, p *place) {
	t.Helper()
	for key, v := range d.Values {
		if p.open && v.Of != nil && v.Of.All != nil && v.Of.Reason == p.whys {
			t.Errorf("%v: %s is of %d, and nobody can count them", args, key, *v.Of.All)
		}
	}
}
