package cmd

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kwhy/explain/catalog"
	"kwhy/inspect/inspecttest"
)

// taken runs kwhy on a saved tree. Where nothing at all can be shown it says so on stderr, and
// the document is empty.
func taken(t *testing.T, dir string, args ...string) (document, string) {
	t.Helper()
	at := []string{"--proc-root", dir + "/proc", "--sys-root", dir + "/sys"}
	out, errs, status := live(t, slices.Concat(args, at, []string{"-o", "json"})...)
	if status > 1 || strings.Contains(errs, "panic") || status == 1 && errs == "" {
		t.Fatalf("kwhy %v: status %d, stderr %q", args, status, errs)
	}
	if out == "" {
		return document{}, errs
	}
	return readJSON(t, out), errs
}

// overviews are the commands that speak of a whole host.
func overviews() [][]string {
	return [][]string{{"mem"}, {"oom"}, {"proc"}, {"sched"}, {"fd"}, {"net"}, {"check", "--interval", "0"}}
}

// In a directory with nothing in it, nothing is none, 0 or well.
func TestNothingIsSaidOfAnEmptyTree(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"proc", "sys"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	claims := regexp.MustCompile(`(?i)\b(none|nobody|nothing found|well|every|all of them|0 processes, none|0 CPUs)\b`)
	for _, args := range overviews() {
		d, errs := taken(t, dir, args...)
		for key, v := range d.Values {
			if v.Value != nil {
				t.Errorf("%v: %s is %v", args, key, v.Value)
			}
		}
		for name, table := range d.Tables {
			for _, row := range table.Rows {
				if name == "domains" && row["state"] != "unseen" || name == "checks" && row["outcome"] != "blind" && row["outcome"] != "off" {
					t.Errorf("%v: %s %v", args, name, row)
				}
			}
		}
		if args[0] == "check" && !strings.Contains(errs, "nothing could be seen") {
			t.Errorf("check of nothing: stderr %q", errs)
		}
		text, _, _ := live(t, slices.Concat(args, []string{"--proc-root", dir + "/proc", "--sys-root", dir + "/sys", "--explain", "none"})...)
		if said := claims.FindString(text); said != "" {
			t.Errorf("%v says %q:\n%s", args, said, text)
		}
	}
}

// Whichever file of a host is taken away: no value is said to be from it, and no rule that is
// about such a value is well.
func TestWhatIsTakenIsNotSaid(t *testing.T) {
	long(t, "it runs some thousand commands")
	t.Parallel()
	for _, host := range []string{"debian-7.3-sched", "linux-6.18-net"} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			dir := inspecttest.Recorded(t, host)
			for _, file := range hostFiles(t, dir) {
				at, aside := filepath.Join(dir, file), filepath.Join(dir, "aside")
				if err := os.Rename(at, aside); err != nil {
					t.Fatal(err)
				}
				for _, args := range overviews() {
					d, _ := taken(t, dir, args...)
					saysNothingOf(t, d, "/"+file, args)
				}
				if err := os.Rename(aside, at); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// hostFiles are the files of a tree that are of no process.
func hostFiles(t *testing.T, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		rel := strings.TrimPrefix(path, dir+"/")
		if err == nil && d.Type().IsRegular() && !regexp.MustCompile(`^proc/[0-9]+/`).MatchString(rel) {
			out = append(out, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// saysNothingOf holds a document to have nothing from a source.
func saysNothingOf(t *testing.T, d document, source string, args []string) {
	t.Helper()
	for key, v := range d.Values {
		if v.Source == source && (v.Value != nil || v.Reading != "") {
			t.Errorf("without %s, %v: %s is %v, %q", source, args, key, v.Value, v.Reading)
		}
	}
	about := rulesAbout(source)
	for _, row := range d.Tables["checks"].Rows {
		if id, _ := row["id"].(string); slices.Contains(about, id) && row["outcome"] == "well" {
			t.Errorf("without %s, %v: %s is well", source, args, id)
		}
	}
}

// rulesAbout are the rules about a value that is read from that source.
func rulesAbout(source string) (out []string) {
	all := catalog.All()
	for _, r := range all.Rules {
		for i := range all.Entries {
			e := &all.Entries[i]
			if e.Doc.Key == r.Evidence[0] && e.Command == r.Command && e.Doc.Source.String() == source {
				out = append(out, r.ID)
			}
		}
	}
	return out
}

// Without the files of processes nothing is said of processes as a set; with them, nothing is
// said to be seen in part.
func TestProcessesWithoutFiles(t *testing.T) {
	dir := inspecttest.Recorded(t, "debian-7.3-sched")
	whole, _ := taken(t, dir, "proc")
	for key, v := range whole.Values {
		if v.Of != nil {
			t.Errorf("%s is of %+v, and all was seen", key, v.Of)
		}
	}
	stats, err := filepath.Glob(dir + "/proc/[0-9]*/stat")
	if err != nil || len(stats) < 5 {
		t.Fatal(stats, err)
	}
	for _, name := range stats[1:] {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	part, _ := taken(t, dir, "proc")
	v := part.Values["zombies"]
	if v.Of == nil || v.Of.Seen != 1 || v.Of.All == nil || *v.Of.All != len(stats) || v.Of.Reason != "not_in_copy" ||
		!strings.HasPrefix(v.Reading, "None among the 1 process that could be seen; ") {
		t.Errorf("zombies of one of %d: %+v, of %+v", len(stats), v, v.Of)
	}
	if rows := part.Tables["processes"].Rows; len(rows) < len(stats) {
		t.Errorf("%d rows of %d processes", len(rows), len(stats))
	}
	if err := os.Remove(stats[0]); err != nil {
		t.Fatal(err)
	}
	none, _ := taken(t, dir, "proc")
	if v := none.Values["zombies"]; v.Value != nil || v.Absent == nil || v.Absent.Reason != "not_in_copy" {
		t.Errorf("zombies of none: %+v", v)
	}
}

// A copy is not this host: it has a time of its own, and nobody in it is kwhy.
func TestACopySaysSo(t *testing.T) {
	dir := inspecttest.Recorded(t, "debian-7.3-sched")
	out, _, _ := live(t, "proc", "--proc-root", dir+"/proc", "--sys-root", dir+"/sys", "-o", "json")
	var d struct {
		CollectedAt string `json:"collected_at"`
		Copy        *struct {
			SavedAt *string `json:"saved_at"`
		}
	}
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		t.Fatal(err)
	}
	// btime and uptime of that host, added by hand.
	if d.Copy == nil || d.Copy.SavedAt == nil || *d.Copy.SavedAt != d.CollectedAt || !strings.HasPrefix(d.CollectedAt, "2026-11-24T14:13:53") {
		t.Errorf("copy %+v, collected at %s", d.Copy, d.CollectedAt)
	}
	text, _, _ := live(t, "proc", "--limit", "0", "--width", "120", "--proc-root", dir+"/proc", "--sys-root", dir+"/sys")
	if strings.Contains(text, "kwhy itself") || !strings.Contains(text, "a copy of 2026-11-24 14:13:53 UTC") {
		t.Errorf("a copy:\n%s", text)
	}
}
