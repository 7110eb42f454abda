package cmd

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kwhy/explain/catalog"
	"kwhy/inspect"
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
			for i, file := range hostFiles(t, dir) {
				if !inspecttest.HasTurn(i) {
					continue
				}
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

// Who made a copy is in it as self: kwhy takes none of that for its own, nor for what other
// programs may get. What of this host stands beside a copy is told.
func TestACopysSelfIsNotKwhy(t *testing.T) {
	dir := inspecttest.Recorded(t, "debian-7.3-sched")
	d, _ := taken(t, dir, "doctor")
	for _, key := range []string{
		"set_apart", "own_user", "own_capabilities", "lacking_capabilities", "own_pid_namespace", "own_user_namespace", "own_net_namespace",
	} {
		if v := d.Values[key]; v.Value != nil || v.Absent == nil || v.Absent.Reason != "inapplicable" {
			t.Errorf("%s: %+v", key, v)
		}
	}
	for _, name := range []string{"debian-6.1-sched", "debian-7.3-swap"} { // without a limit, and with one
		dir := inspecttest.Recorded(t, name)
		d, _ := taken(t, dir, "mem")
		if s := d.Values["cgroup_path"].Reading; !strings.Contains(s, "process that made the copy") {
			t.Errorf("%s: %q", name, s)
		}
		text, _, _ := live(t, "mem", "--width", "300", "--proc-root", dir+"/proc", "--sys-root", dir+"/sys")
		_, limit, _ := strings.Cut(text, "\n  lowest hard limit ")
		if limit, _, _ = strings.Cut(limit, "\n"); !strings.Contains(limit, "process that made the copy") ||
			strings.Contains(limit, "rograms here") || strings.Contains(limit, "what the host has") {
			t.Errorf("%s: %q", name, limit)
		}
	}
	for _, name := range []string{"memavailable", "vmrss"} {
		text, _, _ := live(t, "explain", name, "--proc-root", dir+"/proc", "--sys-root", dir+"/sys")
		if !strings.Contains(text, "In the copy of 2026-11-24 14:13:53 UTC") || strings.Contains(text, "host now") ||
			strings.Contains(text, "kwhy itself") {
			t.Errorf("%s", text)
		}
	}
	for _, sys := range []string{dir + "/sys", "/sys"} {
		out, _, _ := live(t, "mem", "--proc-root", dir+"/proc", "--sys-root", sys, "-o", "json")
		text, _, _ := live(t, "mem", "--proc-root", dir+"/proc", "--sys-root", sys)
		said := strings.Contains(text, "this host's own")
		if now := sys == "/sys"; said != now || strings.Contains(out, `"live_sys":true`) != now {
			t.Errorf("with %s: in text %v\n%.400s", sys, said, out)
		}
	}
}

// Where there is no process, nothing of one is malformed, and no file was understood.
func TestDoctorWithoutProcesses(t *testing.T) {
	for reason, dir := range map[string]string{
		"not_mounted": t.TempDir(), "not_in_copy": inspecttest.UnpackText(t, "-- proc/meminfo --\nMemTotal: 1000 kB\n"),
	} {
		proc := filepath.Join(dir, "proc")
		if err := os.MkdirAll(proc, 0o755); err != nil {
			t.Fatal(err)
		}
		d, errs := taken(t, dir, "doctor")
		if len(d.Tables["derivations"].Rows) == 0 {
			t.Fatal(errs)
		}
		for _, r := range d.Tables["derivations"].Rows {
			if command := r["command"].(string); strings.HasSuffix(command, " PID") && r["reason"] != reason {
				t.Errorf("%s: %v", reason, r)
			}
		}
		if r := rowOf(d, "sources", "path", "/proc/<pid>"); r["state"] != reason {
			t.Errorf("%v", r)
		}
	}
}

// everyReport are all subcommands that look at a host, and at a process.
func everyReport(pid string) [][]string {
	return append(reports(pid), [][]string{
		{"fd", "--deleted"}, {"fd", "--path", "/"}, {"fd", "--socket", ":1"}, {"net", "sockets"}, {"net", "sockets", "--process", pid},
		{"net", "--all-netns"}, {"oom", "log"}, {"doctor"},
	}...)
}

// form is the command as the catalogue has it.
func form(args []string) string {
	switch {
	case args[0] == "explain" || args[0] == "doctor":
		return args[0]
	case len(args) > 1 && regexp.MustCompile(`^[0-9]+$`).MatchString(args[1]):
		return args[0] + " PID"
	case len(args) > 1 && args[1] != "--limit" && args[1] != "--interval":
		return args[0] + " " + args[1]
	}
	return args[0]
}

// ofNoSet are values that are read from processes and are the same for all of them, so that they
// hold of any; and one that counts what is shown.
func ofNoSet() []string {
	return []string{
		"scores_exact", "oom_score_idle", "oom_score_adj_step", "base_slice", "processes_seen",
		// How many descriptors there are a directory says, or its size, to whom its links do not.
		"descriptors", "fds", "open_fds",
		// In the initial user namespace they are the same as others, which are told.
		"user_max_inotify_instances", "user_max_inotify_watches",
		// Of kwhy itself.
		"net_namespace", "set_apart", "own_user", "own_capabilities", "lacking_capabilities",
		"own_pid_namespace", "own_user_namespace", "own_net_namespace", "own_cgroup_namespace",
	}
}

// honest holds a document to have nothing of what can't be seen: no value but of a part of its
// set, no reason but a true one, no column, and no rule that is well or idle.
func honest(t *testing.T, d document, args []string, lost func(inspect.Source) bool, whys string) {
	t.Helper()
	sources := map[string]inspect.Source{}
	for _, s := range inspect.Every() {
		sources[s.String()] = s
	}
	for key, v := range d.Values {
		if s, ok := sources[v.Source]; !ok || !lost(s) || slices.Contains(ofNoSet(), key) {
			continue
		}
		switch {
		case v.Value != nil && v.Of == nil:
			t.Errorf("%v: %s is %v, %q, from %s", args, key, v.Value, v.Reading, v.Source)
		case v.Value == nil && !strings.Contains(whys, absent(v)):
			t.Errorf("%v: %s is %q, from %s", args, key, absent(v), v.Source)
		case v.Of != nil && !strings.Contains(v.Reading, "could be seen") && !strings.HasPrefix(v.Reading, "Of ") && v.Reading != "":
			t.Errorf("%v: %s is of %+v: %q", args, key, *v.Of, v.Reading)
		}
	}
	about := rulesFrom(lost)
	for _, row := range d.Tables["checks"].Rows {
		if id, _ := row["id"].(string); slices.Contains(about, id) && (row["outcome"] == "well" || row["outcome"] == "idle") {
			t.Errorf("%v: %s is %s", args, id, row["outcome"])
		}
	}
}

// rulesFrom are the rules of hosts about a value that can't be seen.
func rulesFrom(lost func(inspect.Source) bool) (out []string) {
	all := catalog.All()
	for _, r := range all.Rules {
		found, every := false, true // a table of the command may have a column of the same key
		for i := range all.Entries {
			if e := &all.Entries[i]; e.Doc.Key == r.Evidence[0] && e.Command == r.Command {
				found, every = true, every && lost(e.Doc.Source)
			}
		}
		if found && every {
			out = append(out, r.ID)
		}
	}
	return out
}

// claims of a whole set.
var (
	wholeWords = regexp.MustCompile(`(?i)\b(no|none|nobody|every|all|any|never|nothing|well|ok|first)\b`)
	ofSet      = regexp.MustCompile(`(?i)\b(process(es)?|threads?|descriptors?|sockets?|zombies?|tasks?|deleted|holders?|` +
		`killers?|killed|victim|in D)\b`)
	rowOfOne = regexp.MustCompile(`^ +\d+ `) // a table's, about one process
	inPart   = regexp.MustCompile(`(?i)could be seen|visible|denied|hid(den|es|epid)|not (shown|seen|mounted|in this copy)|outside`)
)

// claimsNothing holds text to have no sentence about the whole of a set of processes, or of
// what they have, but of the part that was seen.
func claimsNothing(t *testing.T, text string, args []string, partly bool) {
	t.Helper()
	for line := range strings.Lines(text) {
		if rowOfOne.MatchString(line) {
			continue
		}
		for _, sentence := range regexp.MustCompile(`[.;:] `).Split(line, -1) {
			if partly && claims(sentence) && !inPart.MatchString(line) && !allowed(sentence) {
				t.Errorf("%v says %q", args, sentence)
			}
		}
	}
}

// claims reports whether a sentence is about the whole of a set of processes, or of what they
// have.
func claims(sentence string) bool {
	return wholeWords.MatchString(sentence) && ofSet.MatchString(sentence) && !inPart.MatchString(sentence)
}

// allowed are sentences that hold of any host: what a kernel does, what a value is.
func allowed(sentence string) bool {
	return slices.ContainsFunc(ofAnyHost(), func(words string) bool { return strings.Contains(sentence, words) })
}

// What a saved tree lacks is in none of what is said of it, whichever command is asked.
func TestNothingIsSaidOfWhatIsTaken(t *testing.T) {
	long(t, "it runs some hundred commands")
	t.Parallel()
	remove := func(patterns ...string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			for _, p := range patterns {
				list, err := filepath.Glob(filepath.Join(dir, p))
				if err != nil || len(list) == 0 {
					t.Fatal(p, err)
				}
				for _, name := range list {
					if err := os.RemoveAll(name); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	is := func(list ...inspect.Source) func(inspect.Source) bool {
		return func(s inspect.Source) bool { return slices.Contains(list, s) }
	}
	under := func(top string) func(inspect.Source) bool {
		return func(s inspect.Source) bool { return strings.HasPrefix(s.String(), top) }
	}
	ofProcesses := func(s inspect.Source) bool { return s.Scope() == inspect.OfProcess }
	for name, c := range map[string]struct {
		take func(*testing.T, string)
		lost func(inspect.Source) bool
	}{
		"no /sys":         {remove("sys/*"), under("/sys/")},
		"no stat":         {remove("proc/[0-9]*/stat"), is(inspect.PIDStat)},
		"no status":       {remove("proc/[0-9]*/status"), is(inspect.PIDStatus)},
		"no processes":    {remove("proc/[0-9]*"), ofProcesses},
		"no host's files": {remove("proc/[a-z]*"), func(s inspect.Source) bool { return under("/proc/")(s) && s.Scope() == inspect.OfHost }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := inspecttest.Recorded(t, "debian-7.3-sched")
			c.take(t, dir)
			for _, args := range append(everyReport("152"), []string{"explain", "zombies"}, []string{"explain", "load_1"}) {
				if args[0] == "oom" && args[1] == "log" {
					continue // of this host's log
				}
				d, errs := taken(t, dir, args...)
				if strings.Contains(errs, "vanished") || strings.Contains(errs, "ended") {
					t.Errorf("%v of a copy: %s", args, errs)
				}
				honest(t, d, args, c.lost, "not_in_copy")
				at := []string{"--proc-root", dir + "/proc", "--sys-root", dir + "/sys", "--width", "1000"}
				text, _, _ := live(t, slices.Concat(args, at)...)
				claimsNothing(t, text, args, c.lost(inspect.PIDStat))
			}
		})
	}
}

// ofAnyHost are what a kernel does and what a value is, though it stands in the words of a claim.
func ofAnyHost() []string {
	return []string{
		"no process in it", // which cgroup.procs says, whatever /proc hides
		"It counts threads in D too", "found nothing more to reclaim", "flusher threads write and no task waits",
		"no task had to reclaim memory itself", "Sockets of every kind in this namespace", "where there are any",
		"None.", "Buffers may grow as their sockets need", "Above this a UDP socket gets no more than",
		"without a program or memory of their own", "the lower of the two limits below", "the tasks that had no more than their share",
		"Everybody sees every process", "when none is", "When all lower numbers are taken", "None of its files is deleted",
		"shared with all processes that map", "counts every page once", "None that the kernel lists", "more than any other process",
		"No task was stalled on memory since boot", "of all CPUs since boot", "even if a real-time task never waits",
		"all of its tasks", "reached first", "no limit   no limit", "All on the host", "that the kernel would kill first, except",
		"before all others, by", "before every fair task", "on the whole host",
		"left for all processes of its user", "no limit  the main thread's stack", "innermost function first",
		"no thread waits for a CPU", "by the side that closed first",
		"A process with almost no memory has", "that made the copy",
		"wait for memory, and none is killed", "sleep in D, and none is killed",
		"left for all in that namespace", "all of its threads, since it began",
	}
}

// What claimsNothing looks for it finds.
func TestAClaimIsFound(t *testing.T) {
	for sentence, want := range map[string]bool{
		"No process keeps a deleted file.": true,
		"bash (1) is killed first":         true,
		"none in D":                        true,
		"none in D among the 7 processes that could be seen; 118 denied":           false,
		"Sockets of every kind in this namespace, unix and netlink sockets too":    true,
		"Half-open: the client's last packet is missing":                           false,
		"no process could be seen: hidden":                                         false,
		"It has read all that came":                                                false,
		"None among the 2 processes that could be seen; this /proc hides others'.": false,
	} {
		if got := claims(sentence); got != want {
			t.Errorf("%q is a claim: %v", sentence, got)
		}
	}
}

// A report of which nothing could be read ends with status 1, and says so once.
func TestBlankReportsFail(t *testing.T) {
	dir := t.TempDir()
	for _, args := range overviews() {
		out, errs, status := live(t, append(args, "--proc-root", dir)...)
		if status != exitFailed || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v of nothing: status %d, stderr %q\n%s", args, status, errs, out)
		}
	}
	for _, args := range overviews() { // and one with a file fails for lack of it alone
		if _, errs, status := live(t, append(args, "--proc-root", inspecttest.Recorded(t, "debian-7.3-sched")+"/proc")...); status != 0 &&
			args[0] != "net" { // of which that copy has nothing
			t.Errorf("%v: status %d, %q", args, status, errs)
		}
	}
}

// What is suggested next reads what the report read, and a shell takes it as it stands.
func TestNextReadsTheSameTree(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a host's copy")
	if err := os.Rename(inspecttest.Recorded(t, "debian-7.3-oom"), dir); err != nil {
		t.Fatal(err)
	}
	at := []string{"--proc-root", dir + "/proc", "--sys-root", dir + "/sys"}
	out, _, _ := live(t, append([]string{"check", "--interval", "0", "-o", "json"}, at...)...)
	var d struct {
		Findings []struct{ Next string }
	}
	if err := json.Unmarshal([]byte(out), &d); err != nil || len(d.Findings) == 0 {
		t.Fatalf("%v: %+v", err, d)
	}
	directed := 0
	for _, f := range d.Findings {
		if strings.HasPrefix(f.Next, "kwhy explain") {
			continue
		}
		directed++
		words, err := exec.Command("sh", "-c", "for w in "+strings.TrimPrefix(f.Next, "kwhy ")+`; do printf '%s\n' "$w"; done`).Output()
		if err != nil {
			t.Fatal(err)
		}
		args := strings.Split(strings.TrimSpace(string(words)), "\n")
		if !slices.Equal(args[len(args)-len(at):], at) {
			t.Errorf("%q", f.Next)
		}
	}
	if directed == 0 {
		t.Errorf("nothing but essays: %+v", d.Findings)
	}
	text, _, _ := live(t, append([]string{"check", "--interval", "0", "--width", "400"}, at...)...)
	for _, arrow := range regexp.MustCompile(`→ .*`).FindAllString(text, -1) {
		for command := range strings.SplitSeq(strings.TrimPrefix(arrow, "→ "), " · ") {
			if !strings.HasPrefix(command, "kwhy explain") && !strings.Contains(command, `'\''s copy/sys'`) {
				t.Errorf("%q", command)
			}
		}
	}
	if own, _, _ := live(t, "check", "--interval", "0", "-o", "json"); strings.Contains(own, "--proc-root") {
		t.Error("this host's own suggestions name a root")
	}
}

// With explanations off a value of a set that was seen in part says so, whatever kind of value it is.
func TestPartsAreToldWithoutExplanations(t *testing.T) {
	dir := inspecttest.Recorded(t, "debian-7.3-swap")
	for _, args := range overviews() {
		if args[0] == "check" {
			continue
		}
		d, _ := taken(t, dir, args...)
		text, _, _ := live(t, slices.Concat(args, []string{
			"--explain", "none", "--width", "400", "--proc-root", dir + "/proc", "--sys-root", dir + "/sys",
		})...)
		parts := 0
		for _, v := range d.Values {
			if v.Of != nil && v.Value != nil {
				parts++
			}
		}
		told := len(regexp.MustCompile(`(?m)^  \S.* {2}\S.* that could be seen; |^  \S.* {2}Of `).FindAllString(text, -1))
		if parts > 0 && told == 0 {
			t.Errorf("%v: %d values are of a part, and %d say so:\n%s", args, parts, told, text)
		}
	}
	text, _, _ := live(t, "oom", "--explain", "none", "--width", "400", "--proc-root", dir+"/proc", "--sys-root", dir+"/sys")
	if !regexp.MustCompile(`userspace OOM killers +none +None among the 7 processes`).MatchString(text) {
		t.Errorf("who kills:\n%s", text)
	}
}
