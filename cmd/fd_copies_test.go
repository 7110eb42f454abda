package cmd

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"kwhy/explain/catalog"
	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
)

// saveProcess copies files of this process into a tree, and its descriptors as cp -a does: the
// links, and none of what they lead to.
func saveProcess(t *testing.T, dir string, files ...string) (at string) {
	t.Helper()
	at = filepath.Join(dir, "proc", strconv.Itoa(os.Getpid()))
	for _, name := range files {
		switch name {
		case "fd", "fdinfo":
			entries, err := os.ReadDir("/proc/self/" + name)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				saveEntry(t, "/proc/self/"+name+"/"+e.Name(), filepath.Join(at, name, e.Name()))
			}
		default:
			inspecttest.Write(t, filepath.Join(at, name), inspecttest.LiveFile(t, "/proc/self/"+name))
		}
	}
	inspecttest.Write(t, filepath.Join(dir, "proc/meminfo"), inspecttest.LiveFile(t, "/proc/meminfo"))
	if err := os.MkdirAll(filepath.Join(dir, "sys"), 0o755); err != nil {
		t.Fatal(err)
	}
	return at
}

func saveEntry(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if link, err := os.Readlink(from); err == nil {
		if err := os.Symlink(link, to); err != nil {
			t.Fatal(err)
		}
	} else if b, err := os.ReadFile(from); err == nil { // else it was closed meanwhile
		inspecttest.Write(t, to, string(b))
	}
}

// deletedByTest is a file without a name that this process has open for writing.
func deletedByTest(t *testing.T) (f *os.File, st unix.Stat_t) {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "gone")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(make([]byte, 1<<16)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(f.Name()); err != nil {
		t.Fatal(err)
	}
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	return f, st
}

// A copy has the links of descriptors, which say which files are deleted; fdinfo says which inode
// that is. What stat alone knows is absent, and is no 0.
func TestDeletedFilesOfACopy(t *testing.T) {
	f, st := deletedByTest(t)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(pair[0]); unix.Close(pair[1]) })
	base := []string{"stat", "status", "mountinfo"}
	for name, files := range map[string][]string{"links": {"fd"}, "links and fdinfo": {"fd", "fdinfo"}} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			saveProcess(t, dir, append(base, files...)...)
			d, errs := taken(t, dir, "fd", "--deleted")
			row := deletedRow(d, f.Name())
			if row == nil || fmt.Sprint(row["pids"]) != fmt.Sprint([]any{float64(os.Getpid())}) {
				t.Fatalf("%s is not kept by %d: %v; %s", f.Name(), os.Getpid(), d.Tables["deleted"].Rows, errs)
			}
			for _, key := range []string{"taken", "size"} {
				if row[key] != nil {
					t.Errorf("%s is %v in a copy", key, row[key])
				}
			}
			if len(files) == 1 && (row["inode"] != nil || row["dev"] != nil) {
				t.Errorf("inode %v of device %v, and no file told it", row["inode"], row["dev"])
			}
			if len(files) == 2 && row["inode"] != nil && row["inode"] != float64(st.Ino) { // fdinfo has it since 5.14
				t.Errorf("inode %v, by stat %d", row["inode"], st.Ino)
			}
			if why := fmt.Sprint(row["absent"]); !strings.Contains(why, "taken:not_in_copy") || !strings.Contains(why, "size:not_in_copy") {
				t.Errorf("absent: %v", row["absent"])
			}
			if n, _ := d.Values["gone_files"].Value.(float64); n < 1 {
				t.Errorf("deleted files: %v", d.Values["gone_files"].Value)
			}
			for _, key := range []string{"gone_disk", "gone_memory"} {
				if v := d.Values[key]; v.Value != nil || absent(v) != "not_in_copy" {
					t.Errorf("%s: %v, %q", key, v.Value, absent(v))
				}
			}
			if v := d.Values["in_flight"]; len(files) == 1 && (v.Value != nil || absent(v) != "not_in_copy") {
				t.Errorf("in flight without fdinfo: %v, %q", v.Value, absent(v))
			}
			text, _, _ := live(t, "fd", "--deleted", "--width", "300", "--proc-root", dir+"/proc", "--sys-root", dir+"/sys")
			if strings.Contains(text, "takes no space") || strings.Contains(text, "truncate") {
				t.Errorf("a copy has no sizes, and nothing to truncate:\n%s", text)
			}
			one, _ := taken(t, dir, "fd", strconv.Itoa(os.Getpid()))
			if v := one.Values["fd_deleted"]; v.Value != nil || absent(v) != "not_in_copy" {
				t.Errorf("fd_deleted: %v, %q", v.Value, absent(v))
			}
		})
	}
}

// Of a copy in which some processes have descriptors it is told how many, wherever they are
// summed up.
func TestDescriptorsOfPartOfACopy(t *testing.T) {
	deletedByTest(t)
	dir := t.TempDir()
	at := saveProcess(t, dir, "stat", "status", "mountinfo", "fd", "fdinfo")
	const others = 3
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	inspecttest.Write(t, filepath.Join(dir, "proc/loadavg"), fmt.Sprintf("0.00 0.00 0.00 1/%d 7\n", len(threads)+others))
	for i := range others {
		pid := strconv.Itoa(4_000_000 + i)
		stat := strings.Replace(inspecttest.Read(t, at+"/stat"), strconv.Itoa(os.Getpid()), pid, 1)
		inspecttest.Write(t, filepath.Join(dir, "proc", pid, "stat"), stat)
	}
	for _, c := range []struct{ command, key string }{{"--deleted", "gone_files"}, {"--limit=0", "descriptors"}} {
		d, _ := taken(t, dir, "fd", c.command)
		v := d.Values[c.key]
		if v.Of == nil || v.Of.Seen != 1 || v.Of.All == nil || *v.Of.All != 1+others || v.Of.Reason != "not_in_copy" {
			t.Errorf("%s: %v of %+v", c.key, v.Value, v.Of)
		}
	}
}

// A directory of descriptors that is empty in a copy shows no process without descriptors: who
// saves it without rights leaves it so. Else of status says that there is no table.
func TestEmptyDirectoryOfDescriptorsInACopy(t *testing.T) {
	for name, c := range map[string]struct {
		fdinfo, noTable bool
		want            any // how many descriptors are told
	}{
		"empty":        {want: nil},
		"fdinfo saved": {fdinfo: true, want: "as many"},
		"no table":     {noTable: true, want: 0.0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			at := saveProcess(t, dir, "stat", "status", "limits")
			if err := os.MkdirAll(at+"/fd", 0o755); err != nil {
				t.Fatal(err)
			}
			want := c.want
			if c.fdinfo {
				saveProcess(t, dir, "fdinfo")
				infos, err := os.ReadDir(at + "/fdinfo")
				if err != nil {
					t.Fatal(err)
				}
				want = float64(len(infos))
			}
			if c.noTable {
				var out []string
				for line := range strings.Lines(inspecttest.Read(t, at+"/status")) {
					if strings.HasPrefix(line, "FDSize:") {
						line = "FDSize:\t0\n"
					}
					out = append(out, line)
				}
				inspecttest.Write(t, at+"/status", strings.Join(out, ""))
			}
			pid := strconv.Itoa(os.Getpid())
			for _, command := range []string{"fd", "proc"} {
				d, _ := taken(t, dir, command, "--columns", "pid,fds")
				rows := d.Tables["processes"].Rows
				if len(rows) == 1 && rows[0]["fds"] != want || len(rows) != 1 && (want != nil || command == "proc") {
					t.Errorf("kwhy %s: %v; want %v", command, rows, want)
				}
			}
			d, _ := taken(t, dir, "fd", pid)
			if v := d.Values["open_fds"]; c.want == nil && (v.Value != nil || absent(v) != "not_in_copy") {
				t.Errorf("open_fds: %v, %q", v.Value, absent(v))
			}
			d, _ = taken(t, dir, "fd", "--deleted")
			if v := d.Values["gone_files"]; c.want == nil && (v.Value != nil || absent(v) != "not_in_copy") {
				t.Errorf("deleted files: %v, %q", v.Value, absent(v))
			}
		})
	}
}

// What kwhy explain says of the rows of a table, it says of those in which the number was seen:
// of no column of processes that it is 0 in all, where one in four has what it is read from.
func TestExplainSaysOfWhichRows(t *testing.T) {
	dir := t.TempDir()
	at := saveProcess(t, dir, "stat", "status", "mountinfo", "fd", "fdinfo", "limits", "io", "schedstat", "oom_score", "oom_score_adj")
	const others = 3
	for i := range others {
		pid := strconv.Itoa(4_000_000 + i)
		stat := strings.Replace(inspecttest.Read(t, at+"/stat"), strconv.Itoa(os.Getpid()), pid, 1)
		inspecttest.Write(t, filepath.Join(dir, "proc", pid, "stat"), stat)
	}
	inspecttest.Write(t, dir+"/proc/uptime", inspecttest.LiveFile(t, "/proc/uptime"))
	tried := 0
	for _, e := range catalog.All().Entries {
		if e.Table != "processes" || !e.Doc.Unit.Number() || e.Doc.Source.Scope() != inspect.OfProcess || e.Doc.Source == inspect.PIDStat {
			continue
		}
		tried++
		text, _, _ := live(t, "explain", e.Doc.Key, "--width", "200", "--proc-root", dir+"/proc", "--sys-root", dir+"/sys")
		for line := range strings.Lines(text) {
			if strings.Contains(line, "processes: ") && strings.Contains(line, " in all ") && !strings.Contains(line, ", of kwhy itself") {
				t.Errorf("explain %s: %s", e.Doc.Key, line)
			}
		}
	}
	if tried < 20 {
		t.Errorf("%d columns", tried)
	}
	text, _, _ := live(t, "explain", "inotify", "--width", "200", "--proc-root", dir+"/proc", "--sys-root", dir+"/sys")
	if want := "inotify is 0 among the 1 process that could be seen; 3 not in this copy"; !strings.Contains(text, want) {
		t.Errorf("no %q in:\n%s", want, text)
	}
}
