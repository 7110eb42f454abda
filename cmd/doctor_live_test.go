package cmd

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"kwhy/explain/catalog"
	"kwhy/explain/doctor"
	"kwhy/inspect"
)

// reads are what cat and ls say of files: "" for one that they can read, or their
// complaint.
func reads(t *testing.T, attr *syscall.SysProcAttr, files []string) map[string]string {
	t.Helper()
	c := exec.Command("sh", append([]string{"-c", `for f; do
if e=$(if [ -d "$f" ]; then ls "$f" 2>&1 >/dev/null; else cat "$f" 2>&1 >/dev/null; fi)
then echo "$f|"; else echo "$f|$e"; fi; done`, "sh"}, files...)...)
	c.SysProcAttr, c.Env = attr, append(os.Environ(), "LC_ALL=C")
	out, err := c.Output()
	if err != nil {
		t.Skipf("sh can't be run so: %v", err)
	}
	found := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if file, complaint, ok := strings.Cut(strings.TrimSpace(line), "|"); ok {
			found[file] = complaint
		}
	}
	return found
}

// agrees compares what doctor says of the files of the whole host with what other
// programs of the same user can read.
func agrees(t *testing.T, d document, attr *syscall.SysProcAttr) {
	t.Helper()
	var files []string
	for _, s := range inspect.Every() {
		if path := s.String(); !strings.Contains(path, "<") && (strings.HasPrefix(path, "/proc/") || strings.HasPrefix(path, "/sys/")) &&
			s != inspect.KernelConfig {
			files = append(files, path)
		}
	}
	said := reads(t, attr, files)
	if of := "/sys/fs/cgroup/cgroup.stat"; said[of] != "" { // what it says of version 2 is here of version 1
		said[of] = reads(t, attr, []string{"/proc/cgroups"})["/proc/cgroups"]
	}
	if len(said) != len(files) {
		t.Fatalf("%d of %d files were tried", len(said), len(files))
	}
	mounts, _ := os.ReadFile("/proc/self/mounts") // without it everything is
	for _, file := range files {
		state, complaint := rowOf(d, "sources", "path", file)["state"].(string), said[file]
		var want []string
		switch {
		case complaint == "":
			want = []string{"readable"}
		case strings.Contains(complaint, "Permission denied"), strings.Contains(complaint, "not permitted"):
			want = []string{"denied"}
		case strings.Contains(complaint, "No such file"):
			if want = []string{"unsupported"}; strings.HasPrefix(file, "/sys/kernel/security/") && !bytes.Contains(mounts, []byte(" securityfs ")) {
				want = []string{"not_mounted"}
			}
		default:
			want = []string{"disabled", "failed", "unsupported"}
		}
		if strings.Contains(file, "/kernel/sched_") && state == "inapplicable" || strings.HasPrefix(file, "/sys/kernel/debug") {
			continue // of other kernels, or more than one file
		}
		if !slices.Contains(want, state) {
			t.Errorf("%s is %s for doctor; cat says %q", file, state, complaint)
		}
	}
}

func TestLiveDoctor(t *testing.T) {
	d := liveJSON(t, "doctor")
	agrees(t, d, nil)
	for _, r := range d.Tables["derivations"].Rows {
		if r["verdict"] == "off" {
			t.Errorf("%v", r)
		}
	}
	for _, key := range []string{"mem_available", "commit_limit", "oom_score"} {
		if r := rowOf(d, "derivations", "name", key); r["verdict"] != "exact" && r["verdict"] != "tolerated" {
			t.Errorf("%v", r)
		}
	}
	if n, want := number(t, d, "own_user"), os.Geteuid(); int(n) != want {
		t.Errorf("user %v, want %d", n, want)
	}
	for name, key := range map[string]string{"pid": "own_pid_namespace", "user": "own_user_namespace", "net": "own_net_namespace"} {
		link, err := os.Readlink("/proc/self/ns/" + name)
		if v, _ := d.Values[key].Value.(float64); err == nil && link != fmt.Sprintf("%s:[%.0f]", name, v) {
			t.Errorf("%s is %v; the link says %s", key, d.Values[key].Value, link)
		}
	}
}

// A plain user is told what is denied, what would open it, and of how many processes
// files can be read.
func TestLiveDoctorNobody(t *testing.T) {
	long(t, "TestLiveDoctor runs the same")
	root(t)
	nobody := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	d := asNobody(t, "doctor")
	agrees(t, d, nobody)
	for _, file := range []string{"fd", "io", "exe"} {
		r := rowOf(d, "sources", "path", "/proc/<pid>/"+file)
		gave, of := r["gave"].(float64), r["of"].(float64)
		if gave >= of || r["state"] == "readable" || !strings.Contains(r["opens"].(string), "CAP_SYS_PTRACE") {
			t.Errorf("%v", r)
		}
	}
	if r := rowOf(d, "sources", "path", "/proc/<pid>/stat"); r["state"] != "readable" {
		t.Errorf("%v", r)
	}
	if got := items(d.Values["own_capabilities"].Value); len(got) != 0 {
		t.Errorf("nobody has %v", got)
	}
	if got := items(d.Values["lacking_capabilities"].Value); !slices.Contains(got, "CAP_SYS_PTRACE") {
		t.Errorf("nobody lacks %v", got)
	}
	told := func(source string) bool {
		for _, g := range d.Gaps {
			if g.Source == source {
				return true
			}
		}
		return false
	}
	if !told("/proc/<pid>/io") || told("/proc/meminfo") {
		t.Errorf("gaps: %+v", d.Gaps)
	}
}

// A PID namespace of its own is a container's part of the host.
func TestLiveDoctorInAContainer(t *testing.T) {
	long(t, "TestLiveDoctor runs the same")
	d := inNamespaces(t, "doctor")
	if d.Values["view"].Value != "container" || !strings.Contains(d.Values["view"].Reading, "PID namespace") {
		t.Errorf("%+v", d.Values["view"])
	}
	if n := number(t, d, "processes_seen"); n != 1 {
		t.Errorf("%v processes", n)
	}
	for _, r := range d.Tables["derivations"].Rows {
		if r["verdict"] == "off" {
			t.Errorf("%v", r)
		}
	}
}

// doctorIn runs doctor as the command of a shell that has made namespaces or mounts of
// its own.
func doctorIn(t *testing.T, script string, args ...string) document {
	t.Helper()
	root(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	kwhy := filepath.Join(dir, "kwhy") // by that name the binary of the tests is kwhy
	if err := os.Symlink(self, kwhy); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("unshare", append(args, "sh", "-c", script, kwhy, dir)...)
	var errs strings.Builder
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Skipf("no such namespace can be made here: %v, %s", err, errs.String())
	}
	return readJSON(t, string(out))
}

// Root of a user namespace is a plain user of the host, and is told so: what a
// capability opens over the host is not open to it.
func TestLiveDoctorInAUserNamespace(t *testing.T) {
	long(t, "TestLiveDoctor runs the same")
	d := doctorIn(t, `exec "$0" doctor -o json`, "--user", "--map-root-user")
	if s := d.Values["own_user"].Reading; d.Values["own_user"].Value != 0.0 || !strings.Contains(s, "root in it is not root on the host") {
		t.Errorf("%+v", d.Values["own_user"])
	}
	if v := d.Values["view"]; v.Value == "host" || !strings.Contains(v.Reading, "a user namespace of its own") {
		t.Errorf("%+v", v)
	}
	if s := d.Values["dmesg_restrict"].Reading; strings.Contains(s, "which kwhy has") {
		t.Errorf("%q", s)
	}
	held, lacks := items(d.Values["own_capabilities"].Value), items(d.Values["lacking_capabilities"].Value)
	if len(held) != 0 || !slices.Contains(lacks, "CAP_SYSLOG") || !slices.Contains(lacks, "CAP_SYS_PTRACE") {
		t.Errorf("has %v over the host, lacks %v", held, lacks)
	}
	if r := rowOf(d, "sources", "path", "/proc/slabinfo"); r["state"] != "readable" &&
		!strings.Contains(r["why"].(string), "a plain user of the host") {
		t.Errorf("%v", r)
	}
}

// A network namespace that unshare has just made is not the host's, whoever asks, and then kwhy
// is not in the host's namespaces alone.
func TestLiveDoctorInANetworkNamespace(t *testing.T) {
	long(t, "TestLiveDoctor runs the same")
	if v := liveJSON(t, "doctor").View; v != "host" {
		t.Skipf("this is no host, but a %q", v)
	}
	const nobody = `mkdir "$1/b" && cat "$0" >"$1/b/kwhy" && chmod 755 "$1/b/kwhy" "$1/b" "$1" "$1/.." &&
exec setpriv --reuid=65534 --regid=65534 --clear-groups "$1/b/kwhy" doctor -o json`
	for name, script := range map[string]string{"root": `exec "$0" doctor -o json`, "nobody": nobody} {
		t.Run(name, func(t *testing.T) {
			d := doctorIn(t, script, "--net")
			if s := d.Values["own_net_namespace"].Reading; !strings.HasPrefix(s, "Not the host's") {
				t.Errorf("%q", s)
			}
			if v := d.Values["view"]; v.Value != "between" || !strings.Contains(v.Reading, "a net namespace of its own") {
				t.Errorf("%+v", v)
			}
		})
	}
}

// A PID namespace of its own, without a /proc of its own: that of the host shows all of the
// host's processes.
func TestLiveDoctorWithTheHostsProcesses(t *testing.T) {
	long(t, "TestLiveDoctor runs the same")
	if v := liveJSON(t, "doctor").View; v != "host" {
		t.Skipf("this is no host, but a %q", v)
	}
	d := doctorIn(t, `"$0" doctor -o json`, "--pid", "--fork")
	if v := d.Values["view"]; d.View != "host" || v.Value != "between" || !strings.Contains(v.Reading, "a PID namespace of its own") {
		t.Errorf("%s %+v", d.View, v)
	}
	if s := d.Values["processes_seen"].Reading; s != "All on the host." {
		t.Errorf("%q", s)
	}
	if s := d.Values["own_pid_namespace"].Reading; !strings.HasPrefix(s, "Not the host's") || strings.Contains(s, "can't be seen") {
		t.Errorf("%q", s)
	}
}

// What the mount of /proc leaves out is no fault of the kernel's.
func TestLiveDoctorWithoutFiles(t *testing.T) {
	long(t, "TestLiveDoctor runs the same")
	d := doctorIn(
		t,
		`mkdir "$1/p" && mount -t proc -o subset=pid proc "$1/p" && "$0" doctor --proc-root "$1/p" -o json; e=$?; umount "$1/p"; exit $e`,
		"--mount",
	)
	if r := rowOf(d, "sources", "path", "/proc/meminfo"); r["state"] != "not_mounted" || r["opens"] != "mount /proc without subset=pid" {
		t.Errorf("%v", r)
	}
	if r := rowOf(d, "sources", "path", "/proc/<pid>/stat"); r["state"] != "readable" {
		t.Errorf("%v", r)
	}
	if r := rowOf(d, "derivations", "name", "mem_available"); r["verdict"] != "uncomputed" {
		t.Errorf("%v", r)
	}
}

// Of a /proc that hides others' processes a plain user sees its own.
func TestLiveDoctorHidden(t *testing.T) {
	long(t, "TestLiveDoctor runs the same")
	d := doctorIn(
		t,
		`mkdir "$1/p" "$1/b" && mount -t proc -o hidepid=2 proc "$1/p" && cat "$0" >"$1/b/kwhy" && chmod 755 "$1/b/kwhy" "$1" "$1/.." &&
setpriv --reuid=65534 --regid=65534 --clear-groups "$1/b/kwhy" doctor --proc-root "$1/p" -o json; e=$?; umount "$1/p"; exit $e`,
		"--mount",
	)
	if s := d.Values["proc_mount"].Reading; !strings.Contains(s, "only processes that kwhy may trace are shown") {
		t.Errorf("%+v", d.Values["proc_mount"])
	}
	if r := rowOf(d, "sources", "path", "/proc/<pid>"); r["state"] != "hidden" || !strings.Contains(r["opens"].(string), "hidepid") {
		t.Errorf("%v", r)
	}
	if s := d.Values["view"].Reading; !strings.Contains(s, "hides other users' processes") {
		t.Errorf("%q", s)
	}
}

// Files that a user may not read are denied in a copy, too, and what rests on them is
// not computed.
func TestDoctorDenied(t *testing.T) {
	long(t, "TestLiveDoctor runs the same")
	dir := unpacked(t, "debian-7.3-oom")
	for _, file := range []string{"proc/zoneinfo", "proc/sys/vm/overcommit_ratio"} {
		if err := os.Chmod(filepath.Join(dir, file), 0); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"doctor", "--proc-root", filepath.Join(dir, "proc"), "--sys-root", filepath.Join(dir, "sys")}
	var d document
	if os.Geteuid() != 0 {
		d = liveJSON(t, args...)
	} else {
		for at := dir; at != filepath.Clean(os.TempDir()) && at != "/"; at = filepath.Dir(at) {
			if err := os.Chmod(at, 0o755); err != nil {
				t.Skip(err)
			}
		}
		d = asNobody(t, args...)
	}
	r := rowOf(d, "sources", "path", "/proc/zoneinfo")
	if r["state"] != "denied" || !strings.Contains(fmt.Sprint(r["opens"]), "files of this copy") ||
		!slices.Contains(items(r["keys"]), "mem_available") {
		t.Errorf("%v", r)
	}
	for _, key := range []string{"mem_available", "commit_limit"} {
		if r := rowOf(d, "derivations", "name", key); r["verdict"] != "uncomputed" || r["reason"] != "denied" {
			t.Errorf("%v", r)
		}
	}
	if r := rowOf(d, "derivations", "name", "slab"); r["verdict"] != "exact" {
		t.Errorf("%v", r)
	}
}

// Every source is in the table, and some value rests on it; every derivation that is
// declared was tried.
func TestDoctorMissesNothing(t *testing.T) {
	dir := unpacked(t, "debian-7.3-sched")
	h, err := inspect.Open(filepath.Join(dir, "proc"), filepath.Join(dir, "sys"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	topics := catalog.Examined()
	e, err := doctor.Take(h, topics)
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Sources) != len(inspect.Every()) {
		t.Errorf("%d of %d sources", len(e.Sources), len(inspect.Every()))
	}
	for _, s := range e.Sources {
		if len(s.Keys) == 0 {
			t.Errorf("no value rests on %s", s.Source)
		}
	}
	want := len(topics.Trials)
	for _, entry := range topics.Entries {
		if !entry.Derives {
			continue
		}
		want++
		if !slices.ContainsFunc(e.Derivations, func(d *doctor.Derivation) bool { return d.Key == entry.Doc.Key && d.Command == entry.Command }) {
			t.Errorf("%s of kwhy %s was not tried", entry.Doc.Key, entry.Command)
		}
	}
	if len(e.Derivations) != want || want < 30 {
		t.Errorf("%d derivations were tried, %d are declared", len(e.Derivations), want)
	}
}
