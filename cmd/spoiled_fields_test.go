package cmd

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kwhy/explain/catalog"
	"kwhy/inspect/inspecttest"
)

// fieldHosts are recorded hosts, and of each the commands that together read its files.
func fieldHosts() map[string][][]string {
	return map[string][][]string{
		"debian-7.3-oom": {
			{"mem", "--pss", "--limit", "0"}, {"mem", "138"}, {"oom", "--limit", "0"}, {"oom", "119"}, {"proc", "--limit", "0"},
			{"proc", "138"}, {"fd", "--limit", "0"},
		},
		"debian-7.3-sched": {{"sched", "--limit", "0"}, {"sched", "131"}, {"proc", "--limit", "0"}, {"check", "--interval", "0"}},
	}
}

// spot is one field of a file: what stands between blanks.
type spot struct{ from, to int }

func spots(text string) (out []spot) {
	for _, at := range regexp.MustCompile(`[^\s]+`).FindAllStringIndex(text, -1) {
		out = append(out, spot{at[0], at[1]})
	}
	return out
}

// cells are all values of some reports, by command, table, row and key. Those that are absent
// are not among them.
type cells map[string]string

// whyOf begins the key of a reason for which a value is absent.
const whyOf = "why "

// perhaps are values that say how much is known, or what is missing: they may change.
func perhaps(key string) bool {
	return slices.Contains([]string{
		"why", "reading", "message", "missing", "level", "outcome", "measure", "measured", "basis", "utilisation", "saturation", "errors",
		"state", "at_least", "used", // which say that they are of a part
		"points_lag",                                                  // by which of two files the parts are taken, a total decides
		"unit", "soft_text", "hard_text", "command", "sched_features", // the file's own words
		"agreement", "exact", "recomputed", "rss_from", "scores_exact", "first", "used_text", "room",
	}, key) || strings.HasPrefix(key, "rules_")
}

// choosesFile reports whether a file decides by which of two files the kernel's RSS is counted, and ofChosenFile whether a
// value is of that RSS: without it one of both is taken that is not to the page.
func choosesFile(rel string) bool {
	return rel == "proc/meminfo" || strings.HasSuffix(rel, "/oom_score")
}
func ofChosenFile(key string) bool { return key == "points_rss" || key == "victim_points" }

// read runs the commands, and returns what they print; fields is of which source each is.
func readCells(t *testing.T, dir string, commands [][]string, fields map[string]string) (cells, string) {
	t.Helper()
	out, failed := cells{}, ""
	for _, args := range commands {
		text, errs, status := live(t, slices.Concat(args, []string{"--proc-root", dir + "/proc", "--sys-root", dir + "/sys", "-o", "json"})...)
		if status > 1 || strings.Contains(errs, "panic") || status == 1 && errs == "" {
			t.Fatalf("kwhy %v: status %d, stderr %q", args, status, errs)
		}
		if status == 1 {
			failed += fmt.Sprintf("%v: %s", args, errs)
			continue
		}
		var d struct {
			Values map[string]documentValue
			Tables map[string]struct {
				Rows   []map[string]any
				Fields map[string]struct{ Source string }
			}
		}
		if err := json.Unmarshal([]byte(text), &d); err != nil {
			t.Fatal(err)
		}
		at := strings.Join(args, " ")
		for key, v := range d.Values {
			if fields[at+"|"+key] == "" {
				fields[at+"|"+key] = v.Source
			}
			if v.Value != nil && v.Of == nil {
				out[at+"|"+key] = fmt.Sprint(v.Value)
			} else if v.Value == nil {
				out[whyOf+at+"|"+key] = absent(v)
			}
		}
		for name, table := range d.Tables {
			for i, row := range table.Rows {
				who := identityOf(row, i)
				for key, v := range row {
					id := at + "|" + name + "|" + who + "|" + key
					if fields[id] == "" {
						fields[id] = table.Fields[key].Source
					}
					switch v := v.(type) {
					case nil:
					case map[string]any:
						for key, why := range v { // of "absent"
							out[whyOf+at+"|"+name+"|"+who+"|"+key] = fmt.Sprint(why)
						}
					default:
						if key != "level" {
							out[id] = fmt.Sprint(v)
						}
					}
				}
			}
		}
	}
	return out, failed
}

// identityOf is what tells a row from others, whatever is absent in it.
func identityOf(row map[string]any, n int) string {
	for _, keys := range [][]string{
		{"pid", "tid"}, {"resource", "step", "where"}, {"fd"}, {"zone", "node"}, {"cpu"}, {"id"}, {"name"}, {"path"}, {"domain"},
	} {
		var id []string
		for _, k := range keys {
			if v, ok := row[k]; ok && v != nil {
				id = append(id, fmt.Sprint(v))
			}
		}
		if len(id) > 0 {
			return strings.Join(id, " ")
		}
	}
	return "row " + strconv.Itoa(n)
}

// fileOf is a source as the file of a tree is: /proc/<pid>/stat of proc/138/stat.
func fileOf(rel string) string {
	return regexp.MustCompile(`^/proc/[0-9]+/`).ReplaceAllString("/"+rel, "/proc/<pid>/")
}

// Each field of each file of two hosts is spoiled in turn, or the file is cut there. What is not
// made of it stays as it was; what is, is absent, and no other number takes its place. No
// process is lost, and no command.
func TestSpoiledFields(t *testing.T) {
	long(t, "it runs some thousand commands")
	t.Parallel()
	for host, commands := range fieldHosts() {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			dir := inspecttest.Recorded(t, host)
			fields := map[string]string{}
			before, failed := readCells(t, dir, commands, fields)
			if failed != "" || len(before) < 300 {
				t.Fatalf("%d values, %s", len(before), failed)
			}
			turn, spoiltOnce := 0, 0
			for _, rel := range filesToSpoil(t, dir) {
				text := inspecttest.Read(t, filepath.Join(dir, rel))
				for i, at := range spots(text) {
					for _, bad := range []string{"x", "-1", "99999999999999999999", "", "cut"} {
						if turn++; !inFieldTurn(turn) {
							continue
						}
						spoiltOnce++
						spoilField(t, dir, rel, text, at, bad)
						after, failed := readCells(t, dir, commands, fields)
						compareSpoilt(t, spoilt{rel, text, i, at, bad}, before, after, failed, fields)
					}
				}
				write(t, filepath.Join(dir, rel), text)
			}
			if spoiltOnce < 50 {
				t.Errorf("%d fields", spoiltOnce)
			}
		})
	}
}

// inFieldTurn reports whether a spoiled field is of those that are tried: a prime, so that each
// way comes to its turn in each place. All of them would take an hour: with KWHY_TEST_ALL it is
// one of eleven.
func inFieldTurn(n int) bool {
	if inspecttest.AllTurns() {
		return n%11 == 0
	}
	return n%(149*spoilEvery) == 0
}

func filesToSpoil(t *testing.T, dir string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			out = append(out, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func spoilField(t *testing.T, dir, rel, text string, at spot, bad string) {
	t.Helper()
	if bad == "cut" {
		text = text[:(at.from+at.to)/2]
	} else {
		text = text[:at.from] + bad + text[at.to:]
	}
	write(t, filepath.Join(dir, rel), text)
}

// spoilt is a field of a file, and what stands in its place.
type spoilt struct {
	rel, text string
	n         int
	at        spot
	bad       string
}

func (s *spoilt) String() string {
	return fmt.Sprintf("%s, field %d (%q), now %q", s.rel, s.n+1, s.text[s.at.from:s.at.to], s.bad)
}

// compareSpoilt holds what is said of a host with a spoiled field to what was said before.
func compareSpoilt(t *testing.T, s spoilt, before, after cells, failed string, fields map[string]string) {
	t.Helper()
	if failed != "" && !mayFailWithout(s.rel, failed) {
		t.Errorf("%s: %s", s.String(), failed)
	}
	var changed, foreign, lost, untrue []string
	for _, id := range slices.Sorted(maps.Keys(before)) {
		if strings.HasPrefix(id, whyOf) {
			continue
		}
		is, there := after[id]
		key := id[strings.LastIndexByte(id, '|')+1:]
		switch {
		case there && is == before[id], perhaps(key), failed != "", choosesFile(s.rel) && ofChosenFile(key):
		case strings.HasSuffix(s.rel, "/mountinfo"): // what is mounted where, all cgroups hang on
		case there && !needs(id, fields[id], s.rel):
			foreign = append(foreign, id+": "+before[id]+" → "+is)
		case there:
			changed = append(changed, id+": "+before[id]+" → "+is)
		default:
			lost = append(lost, id)
			if why := after[whyOf+id]; reasonsHold(s.rel) && slices.Contains([]string{"unlimited", "inapplicable", "unsupported", "disabled"}, why) {
				untrue = append(untrue, id+": "+before[id]+" → "+why)
			}
		}
	}
	// A number that is cut off at the end of its file is another, and nothing tells.
	last := s.bad == "cut" && strings.TrimSpace(s.text[s.at.to:]) == ""
	if len(foreign) > 0 && !last {
		t.Errorf("%s: changes what is not read from it: %s", s.String(), strings.Join(foreign[:min(len(foreign), 5)], "; "))
	}
	if len(changed) > 0 && !last && (s.bad == "x" || s.bad == "cut" && reasonsHold(s.rel) || len(s.bad) == 20) {
		t.Errorf("%s: another number: %s", s.String(), strings.Join(changed[:min(len(changed), 5)], "; "))
	}
	if len(untrue) > 0 && (s.bad == "x" || s.bad == "cut") {
		t.Errorf("%s: a false reason: %s", s.String(), strings.Join(untrue[:min(len(untrue), 5)], "; "))
	}
	for _, id := range lost {
		if at := strings.Split(id, "|"); at[1] == "processes" && at[len(at)-1] == "pid" {
			t.Errorf("%s: a process is lost: %s", s.String(), id)
		}
	}
	const most = 60 // what one field is in, of all reports together
	if len(lost) > most && s.bad != "cut" && strings.HasPrefix(s.rel, "proc/") {
		t.Errorf("%s: %d values are lost: %s", s.String(), len(lost), strings.Join(lost[:5], "; "))
	}
}

// reasonsHold reports whether what is lost of a file is said to be malformed, and not to be without
// a bound or unknown to the kernel. Of others the topics can't tell yet.
func reasonsHold(rel string) bool {
	return slices.Contains([]string{"limits", "cpu.max", "cpu.stat", "schedstat", "smaps", "smaps_rollup"}, filepath.Base(rel)) ||
		strings.HasSuffix(rel, "proc/stat")
}

// mayFailWithout tells a file without which a command cannot do its job.
func mayFailWithout(rel, failed string) bool {
	return strings.HasSuffix(rel, "/stat") && strings.Contains(failed, filepath.Dir(rel)+"/stat")
}

// needs reports whether a value is made of a file, by what its literal declares.
func needs(id, source, rel string) bool {
	file := fileOf(rel)
	if source == file || source == "/proc and /sys" {
		return true
	}
	key := id[strings.LastIndexByte(id, '|')+1:]
	all := catalog.All()
	for i := range all.Entries {
		if d := &all.Entries[i].Doc; d.Key == key {
			for src := range d.Needs().Each() {
				if slices.Contains(src.Files(), file) || strings.HasPrefix(file, strings.TrimSuffix(src.String(), "/*")) {
					return true
				}
			}
		}
	}
	return false
}

// Each field of the stat of one process is spoiled in turn, with and without the status that stands in
// for it: no value, no sentence about the process's birth or parent, and no time of its start is made
// of what did not parse.
func TestSpoiledStatInventsNothing(t *testing.T) {
	t.Parallel()
	dir := inspecttest.Recorded(t, "debian-7.3-sched")
	const pid, fields = "152", 52
	stat, status := filepath.Join(dir, "proc", pid, "stat"), filepath.Join(dir, "proc", pid, "status")
	text := inspecttest.Read(t, stat)
	type said struct {
		Subject struct {
			Start string `json:"start_time"`
		}
		Values map[string]documentValue
	}
	read := func(command string) (d said) {
		out, errs, _ := live(t, command, pid, "--proc-root", dir+"/proc", "--sys-root", dir+"/sys", "-o", "json")
		if err := json.Unmarshal([]byte(out), &d); err != nil {
			t.Fatalf("%s: %v, %q", command, err, errs)
		}
		return d
	}
	for _, hidden := range []bool{false, true} {
		if hidden {
			if err := os.Remove(status); err != nil {
				t.Fatal(err)
			}
		}
		for _, command := range []string{"proc", "mem", "sched"} {
			before := read(command)
			for n, at := range spots(text) {
				if n++; n == 1 || n > fields { // the directory has the number
					continue
				}
				spoilField(t, dir, "proc/"+pid+"/stat", text, at, "~")
				now := read(command)
				what := fmt.Sprintf("%s of stat's field %d, without status %v", command, n, hidden)
				if s := now.Subject.Start; s != "" && s != before.Subject.Start {
					t.Errorf("%s: it started %s", what, s)
				}
				for key, v := range now.Values {
					was := before.Values[key]
					if v.Value != nil && v.Of == nil && key != "points_lag" && fmt.Sprint(v.Value) != fmt.Sprint(was.Value) {
						t.Errorf("%s: %s is %v, and was %v", what, key, v.Value, was.Value)
					}
					if key == "origin" && (strings.Contains(v.Reading, "younger") || strings.Contains(v.Reading, "outside")) {
						t.Errorf("%s: %q", what, v.Reading)
					}
				}
			}
			write(t, stat, text)
		}
	}
}
