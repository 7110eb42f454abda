package cmd

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"kwhy/explain/catalog"
	"kwhy/inspect/inspecttest"
)

// Trees that no kernel wrote, or not all of: what is changed in a recorded host's, by whom it
// was, and which files are in doubt then. "" is all of them.
var foreigners = []struct {
	name    string
	change  map[string][2]string // by file: a pattern, and what takes its place; of a new file its text
	kind    string
	by      string
	sources []string
}{
	{"lxcfs by its mounts", map[string][2]string{"self/mountinfo": {"", "" +
		"218 116 0:49 / /proc rw - proc proc rw\n" +
		"300 218 0:50 /proc/meminfo /proc/meminfo rw - fuse.lxcfs lxcfs rw\n" +
		"301 218 0:50 /proc/stat /proc/stat rw - fuse.lxcfs lxcfs rw\n"}},
		"mounted_over", "fuse.lxcfs", []string{"/proc/meminfo", "/proc/stat"}},
	{"a directory over several", map[string][2]string{"self/mountinfo": {"", "" +
		"218 116 0:49 / /proc rw - proc proc rw\n300 218 0:50 / /proc/sys/vm rw - tmpfs tmpfs rw\n"}},
		"mounted_over", "tmpfs", []string{"/proc/sys/vm/"}},
	{"free memory beyond all", map[string][2]string{"meminfo": {`(?m)^MemFree:.*$`, "MemFree: 999999999 kB"}},
		"contradiction", "", []string{"/proc/meminfo"}},
	{"more shared memory than page cache", map[string][2]string{"meminfo": {`(?m)^Cached:.*$`, "Cached: 16 kB"}},
		"contradiction", "", []string{"/proc/meminfo"}},
	{"more free swap than swap", map[string][2]string{"meminfo": {`(?m)^SwapFree:.*$`, "SwapFree: 99999999 kB"}},
		"contradiction", "", []string{"/proc/meminfo"}},
	{"one list larger than both", map[string][2]string{"meminfo": {`(?m)^Active\(file\):.*$`, "Active(file): 440000 kB"}},
		"contradiction", "", []string{"/proc/meminfo"}},
	{"more dirty pages than pages of files", map[string][2]string{"meminfo": {`(?m)^Dirty:.*$`, "Dirty: 440000 kB"}},
		"contradiction", "", []string{"/proc/meminfo"}},
	{"more of the slab than the slab", map[string][2]string{"meminfo": {`(?m)^SReclaimable:.*$`, "SReclaimable: 440000 kB"}},
		"contradiction", "", []string{"/proc/meminfo"}},
	{"parts that add up to more", map[string][2]string{"meminfo": {`(?m)^MemTotal:.*$`, "MemTotal: 400000 kB"}},
		"contradiction", "", []string{"/proc/meminfo"}},
	{"more CPU time than there was", map[string][2]string{"uptime": {"", "20.00 30.00\n"}, "stat": {"", "" +
		"cpu  9000 0 9000 90000 0 0 0 0 0 0\ncpu0 9000 0 9000 90000 0 0 0 0 0 0\nctxt 9\nbtime 1700000000\nprocesses 9\n"}},
		"contradiction", "", []string{"/proc/stat", "/proc/uptime"}},
	{"WSL 1", map[string][2]string{"sys/kernel/osrelease": {"", "4.4.0-19041-Microsoft\n"}},
		"emulated", "WSL 1", nil},
	{"gVisor", map[string][2]string{"version": {"", "Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016\n"}},
		"emulated", "gVisor", nil},
	{"nothing is counted", map[string][2]string{"stat": {"", "cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\n" +
		"intr 0\nctxt 0\nbtime 1700000000\nprocesses 0\nprocs_running 0\nprocs_blocked 0\n"}},
		"emulated", "", nil},
}

// foreign unpacks a recorded host with some files changed.
func foreign(t *testing.T, change map[string][2]string) string {
	t.Helper()
	dir := inspecttest.Recorded(t, "debian-7.3-swap")
	for file, by := range change {
		path := filepath.Join(dir, "proc", file)
		old, err := os.ReadFile(path)
		switch {
		case by[0] != "" && err != nil:
			t.Fatal(err)
		case by[0] == "":
			_ = os.MkdirAll(filepath.Dir(path), 0o755)
			old = []byte(by[1])
		default:
			now := regexp.MustCompile(by[0]).ReplaceAll(old, []byte(by[1]))
			if bytes.Equal(now, old) {
				t.Fatalf("nothing to change in %s", file)
			}
			old = now
		}
		_ = os.Remove(path)
		if err := os.WriteFile(path, old, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Of a file that is not the kernel's own nothing is said: no reading, no arithmetic, no level,
// no rule is well. The report and doctor say which it is and why.
func TestNothingIsSaidOfWhatIsNotTheKernels(t *testing.T) {
	long(t, "it runs many commands, in one goroutine each")
	rests := map[string][]string{} // the sources of each rule's evidence
	docs := map[string][]string{}
	for _, e := range catalog.All().Entries {
		for src := range e.Doc.Needs().Each() {
			docs[e.Doc.Key] = append(docs[e.Doc.Key], src.String())
		}
	}
	for _, r := range catalog.All().Rules {
		rests[r.ID] = docs[r.Evidence[0]]
	}
	for _, f := range foreigners {
		t.Run(f.name, func(t *testing.T) {
			dir := foreign(t, f.change)
			doubted := func(source string) bool {
				return f.sources == nil || slices.ContainsFunc(f.sources, func(s string) bool { return strings.HasPrefix(source, s) })
			}
			met := map[string]bool{}
			for _, args := range append(overviews(), []string{"doctor", "--all"}) {
				d, _ := taken(t, dir, args...)
				for _, it := range d.Foreign {
					met[it.Source] = true
					if it.Kind != f.kind || it.By != f.by || it.Detail == "" ||
						strings.Contains(it.Instead, "in its cgroup: memory.max") != (f.by == "fuse.lxcfs") || f.sources != nil && !doubted(it.Source) {
						t.Errorf("%v: %+v", args, it)
					}
				}
				for key, v := range d.Values {
					if args[0] != "doctor" && doubted(v.Source) && (v.Reading != "" || v.Derivation != nil || v.Level != "ok" && v.Level != "") {
						t.Errorf("%v: %s of %s: level %q, %q, %v", args, key, v.Source, v.Level, v.Reading, v.Derivation)
					}
				}
				for _, row := range d.Tables["checks"].Rows {
					if id := row["id"].(string); row["outcome"] != "blind" && row["outcome"] != "off" && row["outcome"] != "idle" &&
						slices.ContainsFunc(rests[id], doubted) {
						t.Errorf("rule %s is %v", id, row["outcome"])
					}
				}
				for _, row := range d.Tables["sources"].Rows {
					if path, _ := row["path"].(string); f.sources != nil && met[path] && row["state"] != "foreign" {
						t.Errorf("doctor: %v", row)
					}
				}
				text, _, _ := live(t, slices.Concat(args, []string{"--proc-root", dir + "/proc", "--sys-root", dir + "/sys"})...)
				if told := strings.Contains(text, "\nnote: "); told != (len(d.Foreign) > 0) {
					t.Errorf("%v: foreign is %v, and text begins\n%.300s", args, d.Foreign, text)
				}
			}
			for _, source := range f.sources {
				if !slices.ContainsFunc(slices.Collect(maps.Keys(met)), func(s string) bool { return strings.HasPrefix(s, source) }) {
					t.Errorf("nobody doubts %s", source)
				}
			}
			if f.sources == nil && !met["/proc and /sys"] {
				t.Errorf("met %v", met)
			}
		})
	}
}

// On no recorded host is anything in doubt.
func TestKernelsAreNotDoubted(t *testing.T) {
	long(t, "it runs many commands, in one goroutine each")
	for _, name := range inspecttest.AllHosts(t) {
		dir := inspecttest.Recorded(t, name)
		for _, args := range overviews() {
			if d, _ := taken(t, dir, args...); len(d.Foreign) > 0 {
				t.Errorf("%s, %v: %v", name, args, d.Foreign)
			}
		}
	}
}

// A file mounted over the kernel's is seen on a running host, whichever it is of, and the
// kernel's own beside it are not doubted.
func TestLiveFileMountedOver(t *testing.T) {
	root(t)
	fake := filepath.Join(t.TempDir(), "meminfo")
	real, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(fake, real, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"mem"}, {"oom"}, {"check", "--interval", "0"}, {"sched"}} {
		var out, errs bytes.Buffer
		withMounts(t, func() error { return under(fake, "/proc/meminfo", &out, &errs, append(args, "-o", "json")) })
		d := readJSON(t, out.String())
		if args[0] == "sched" {
			if len(d.Foreign) > 0 {
				t.Errorf("sched reads no meminfo: %v", d.Foreign)
			}
			continue
		}
		if len(d.Foreign) != 1 || d.Foreign[0].Source != "/proc/meminfo" || d.Foreign[0].Kind != "mounted_over" || d.Foreign[0].By == "" {
			t.Errorf("%v: %+v, stderr %q", args, d.Foreign, errs.String())
		}
		if v, shown := d.Values["mem_available"]; shown && (v.Doubt == "" || v.Reading != "" || v.Value == nil) {
			t.Errorf("%v: mem_available is %+v", args, v)
		}
	}
}

// A bound that a file mounted over a sysctl makes up is none: of the process that would be far
// beyond it nothing is found, and the file is named.
func TestLiveBoundMountedOver(t *testing.T) {
	root(t)
	fake := filepath.Join(t.TempDir(), "few")
	write(t, fake, "5\n")
	for _, name := range []string{"pid_max", "threads-max"} {
		var out, errs bytes.Buffer
		args := []string{"proc", strconv.Itoa(os.Getpid()), "-o", "json"}
		withMounts(t, func() error { return under(fake, "/proc/sys/kernel/"+name, &out, &errs, args) })
		d := readJSON(t, out.String())
		if len(d.Foreign) != 1 || d.Foreign[0].Source != "/proc/sys/kernel/"+name {
			t.Errorf("%s: %+v, stderr %q", name, d.Foreign, errs.String())
		}
		for _, f := range d.Findings {
			if strings.Contains(f.Message, "tasks") {
				t.Errorf("%s: %s", name, f.Message)
			}
		}
		for _, r := range d.Tables["limits"].Rows {
			if strings.Contains(fmt.Sprint(r["where"]), name) && (r["limit"] != nil || r["room"] != nil) {
				t.Errorf("%s: %v", name, r)
			}
		}
	}
}

// under runs kwhy with a file mounted over another.
func under(file, over string, out, errs *bytes.Buffer, args []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := unix.Mount(file, over, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("nothing can be mounted over %s: %w", over, err)
	}
	c := &exec.Cmd{Path: self, Args: append([]string{"kwhy"}, args...), Stdout: out, Stderr: errs}
	_ = c.Run() // check may end with 2: it found something
	return nil
}

// What is mounted over a file of one process, or over its whole directory, is not what the kernel
// says of it, though it be the kernel's word on another: what is shown of it is what the kernel says
// elsewhere, as of its thread, and the sets of processes have not seen it.
func TestLiveProcessMountedOver(t *testing.T) {
	long(t, "it runs many commands, in one goroutine each")
	root(t)
	c := exec.Command("sleep", "600")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Process.Kill(); _ = c.Wait() }()
	pid := strconv.Itoa(c.Process.Pid)
	settle(t, c.Process.Pid, "comm", "sleep")
	settle(t, c.Process.Pid, "stat", ") S ")
	for _, args := range [][]string{{"proc", pid}, {"mem", pid}, {"oom", pid}, {"sched", pid}, {"fd", pid}, {"net", pid}, {"proc"}} {
		args = append(args, "-o", "json")
		bare, errs, status := live(t, args...)
		if status != 0 {
			t.Fatalf("%v: status %d, %s", args, status, errs)
		}
		own := readJSON(t, bare).Values
		first, _, _ := live(t, strings.Split(strings.Replace(strings.Join(args, " "), pid, "1", 1), " ")...)
		others := readJSON(t, first).Values
		for _, file := range []string{"/status", "/stat", ""} {
			var out, errs bytes.Buffer
			withMounts(t, func() error { return under("/proc/1"+file, "/proc/"+pid+file, &out, &errs, args) })
			if out.Len() == 0 && strings.Contains(errs.String(), "something is mounted over it") {
				continue // the report can't be made without it, and says why
			}
			d := readJSON(t, out.String())
			missed := false
			for key, v := range d.Values {
				missed = missed || v.Of != nil && v.Of.All != nil && v.Of.Seen < *v.Of.All
				rel, ok := strings.CutPrefix(v.Source, "/proc/<pid>")
				alike := reflect.DeepEqual(v.Value, own[key].Value)
				if ok && (file == "" || rel == file) && len(args) > 3 && v.Value != nil && !alike && reflect.DeepEqual(v.Value, others[key].Value) {
					t.Errorf("%s: %v: %s of %s is %v, as of PID 1, and of the child %v", file, args, key, v.Source, v.Value, own[key].Value)
				}
			}
			told := strings.Contains(out.String(), `"reason":"foreign"`)
			if args[1] == "-o" && file != "/status" && !missed || args[1] != "-o" && !told && args[0] != "net" && args[0] != "sched" {
				t.Errorf("%s: %v: nothing is told of the mount\n%.400s", file, args, out.String())
			}
		}
	}
}

// What somebody mounts over a file of the kernel's is in no value, no row and no finding but as what that
// file says: with other numbers in it all else stays as it was.
func TestNothingIsMadeOfWhatIsMountedOver(t *testing.T) {
	long(t, "it runs many commands, in one goroutine each")
	numbers := regexp.MustCompile(`\b[0-9]+\b`)
	sources := map[string]string{} // of a column by table and key
	for _, e := range catalog.All().Entries {
		sources[e.Doc.Key] += e.Doc.Source.String() + " "
	}
	for _, file := range []string{"meminfo", "stat", "uptime", "vmstat", "zoneinfo", "swaps", "sys/vm/swappiness", "sys/kernel/pid_max"} {
		dir := inspecttest.Recorded(t, "debian-7.3-oom")
		name := filepath.Join(dir, "proc", file)
		real, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		mounts := filepath.Join(dir, "proc/self/mountinfo")
		old, _ := os.ReadFile(mounts)
		write(t, mounts, string(old)+"218 116 0:49 / /proc rw - proc proc rw\n300 218 0:50 /x /proc/"+file+" rw - fuse.lxcfs lxcfs rw\n")
		commands := append(overviews(), []string{"mem", "119"}, []string{"oom", "119"}, []string{"oom", "119", "--adj", "500"},
			[]string{"proc", "119"}, []string{"fd", "119"})
		for _, args := range commands {
			write(t, name, string(real))
			before, _ := taken(t, dir, args...)
			write(t, name, numbers.ReplaceAllStringFunc(string(real), func(s string) string {
				n, _ := strconv.ParseUint(s, 10, 62)
				return strconv.FormatUint(3*n, 10)
			}))
			after, _ := taken(t, dir, args...)
			its := "/proc/" + file
			doubted := false
			for _, f := range after.Foreign {
				doubted = doubted || f.Source == its
			}
			if !doubted {
				continue // which did not ask for it
			}
			for key, v := range after.Values {
				if was := before.Values[key]; v.Source != its && (!reflect.DeepEqual(v.Value, was.Value) || v.Reading != was.Reading) {
					t.Errorf("%s, %v: %s is %v, %q, and was %v, %q", file, args, key, v.Value, v.Reading, was.Value, was.Reading)
				}
			}
			for table, rows := range after.Tables {
				was := map[string]map[string]any{}
				for i, row := range before.Tables[table].Rows {
					was[identityOf(row, i)] = row
				}
				for i, row := range rows.Rows {
					before := was[identityOf(row, i)] // none in a table of that file's own lines
					for key, v := range row {
						if was := before[key]; before != nil && key != "absent" && !strings.Contains(sources[key], its+" ") &&
							!reflect.DeepEqual(v, was) {
							t.Errorf("%s, %v: %s, %s is %v, and was %v", file, args, table, key, v, was)
						}
					}
				}
			}
			if !reflect.DeepEqual(before.Findings, after.Findings) {
				t.Errorf("%s, %v: found %v, and before %v", file, args, after.Findings, before.Findings)
			}
		}
	}
}
