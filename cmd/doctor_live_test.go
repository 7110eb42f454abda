package cmd

import (
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
if e=$(if [ -d "$f" ]; then ls "$f" 2>&1 >/dev/null; else cat "$f" 2>&1 >/dev/null; fi); then echo "$f|"; else echo "$f|$e"; fi; done`, "sh"}, files...)...)
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
		if path := s.String(); !strings.Contains(path, "<") && (strings.HasPrefix(path, "/proc/") || strings.HasPrefix(path, "/sys/")) && s != inspect.KernelConfig {
			files = append(files, path)
		}
	}
	said := reads(t, attr, files)
	if len(said) != len(files) {
		t.Fatalf("%d of %d files were tried", len(said), len(files))
	}
	for _, file := range files {
		state, complaint := rowOf(d, "sources", "path", file)["state"].(string), said[file]
		var want []string
		switch {
		case complaint == "":
			want = []string{"readable"}
		case strings.Contains(complaint, "Permission denied"), strings.Contains(complaint, "not permitted"):
			want = []string{"denied"}
		case strings.Contains(complaint, "No such file"):
			want = []string{"unsupported"}
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

// Files that a user may not read are denied in a copy, too, and what rests on them is
// not computed.
func TestDoctorDenied(t *testing.T) {
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
		for at := dir; at != "/tmp" && at != "/"; at = filepath.Dir(at) {
			if err := os.Chmod(at, 0o755); err != nil {
				t.Skip(err)
			}
		}
		d = asNobody(t, args...)
	}
	if r := rowOf(d, "sources", "path", "/proc/zoneinfo"); r["state"] != "denied" || r["opens"] != "run as root" || !slices.Contains(items(r["keys"]), "mem_available") {
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
