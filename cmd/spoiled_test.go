package cmd

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kwhy/inspect/inspecttest"
)

// Each file of a recorded host is garbage, cut or empty in turn: no command may
// panic, hang or fail for that but where the process itself can't be told, and
// what it prints stays a document of the contract.
func TestSpoiledFiles(t *testing.T) {
	long(t, "it runs some thousand commands")
	t.Parallel()
	commands := [][]string{
		{"oom", "--limit", "3"},
		{"oom", "119", "--adj", "7"},
		{"oom", "--cgroup", "/batch"},
		{"proc", "--limit", "0"},
		{"proc", "138"},
		{"mem", "--pss", "--limit", "3"},
		{"mem", "138"},
		{"fd", "--limit", "0"},
		{"fd", "138"},
		{"explain", "process-state"},
	}
	if runs := spoil(t, "debian-7.3-oom", commands); !enough(runs, 1000) {
		t.Errorf("%d runs", runs)
	}
}

// The same with what only scheduling reads.
func TestSpoiledScheduling(t *testing.T) {
	long(t, "it runs some thousand commands")
	t.Parallel()
	if runs := spoil(t, "debian-7.3-sched", [][]string{{"sched", "--limit", "3"}, {"sched", "131", "--threads"},
		{"sched", "152"}}); !enough(runs, 1000) {
		t.Errorf("%d runs", runs)
	}
}

// The same for who reads everything.
func TestSpoiledDoctor(t *testing.T) {
	long(t, "it runs some hundred commands")
	t.Parallel()
	if runs := spoil(t, "debian-7.3-oom", [][]string{{"doctor"}}); !enough(runs, 300) {
		t.Errorf("%d runs", runs)
	}
}

// The same with what only sockets read.
func TestSpoiledNetwork(t *testing.T) {
	long(t, "it runs some hundred commands")
	t.Parallel()
	commands := [][]string{
		{"net"},
		{"net", "1200"},
		{"net", "sockets", "--limit", "0"},
		{"fd", "1200"},
		{"fd", "--socket", ":8080"},
		{"explain", "socket"},
	}
	if runs := spoil(t, "linux-6.18-net", commands); !enough(runs, 300) {
		t.Errorf("%d runs", runs)
	}
}

// The same with all that check reads, of one sample and of two.
func TestSpoiledCheck(t *testing.T) {
	long(t, "it runs some thousand commands")
	t.Parallel()
	for host, least := range map[string]int{"debian-7.3-sched": 400, "linux-6.18-lossy-net": 300, "linux-6.18-files": 300} {
		if runs := spoil(t, host, [][]string{{"check", "--interval", "0"},
			{"check", "--interval", "10ms", "--only", "net,fd,mem"}}); !enough(runs, least) {
			t.Errorf("%s: %d runs", host, runs)
		}
	}
}

// A file that is garbage or empty is no alarm: no rule finds what it did not before.
func TestGarbageIsNoAlarm(t *testing.T) {
	long(t, "it runs some hundred commands")
	t.Parallel()
	for _, host := range []string{"debian-7.3-sched", "debian-5.10-oom", "linux-6.18-files", "linux-6.18-lossy-net"} {
		dir := unpacked(t, host)
		before := rulesThatFind(t, dir)
		files := 0
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || strings.Contains(path, "/sys/kernel/mm/") {
				return err
			}
			if files++; files%spoilEvery != 0 || !inspecttest.HasTurn(files/spoilEvery) {
				return nil
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return nil // one that may not be read
			}
			for _, bad := range inTurn(files, []byte("\xff%%% nothing of the kind\n\x00"), nil) {
				if err := os.WriteFile(path, bad, 0o644); err != nil {
					return err
				}
				for id := range rulesThatFind(t, dir) {
					if !before[id] {
						t.Errorf("%s with %s spoiled: %s", host, strings.TrimPrefix(path, dir), id)
					}
				}
			}
			return os.WriteFile(path, text, 0o644)
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// rulesThatFind are those that find something on a host, told or left to a better one.
func rulesThatFind(t *testing.T, dir string) map[string]bool {
	t.Helper()
	var out, errs bytes.Buffer
	a := &App{Out: &out, Err: &errs, Getenv: func(string) (string, bool) { return "", false }, Now: time.Now, Sleep: time.Sleep}
	status := a.Run([]string{"check", "--interval", "0", "--proc-root", dir + "/proc", "--sys-root", dir + "/sys", "-o", "json"})
	var d document // not held against the schema: that takes a hundred times longer, and others do
	if err := json.Unmarshal(out.Bytes(), &d); err != nil || status != 0 {
		t.Fatalf("status %d, %q, %v", status, errs.String(), err)
	}
	found := map[string]bool{}
	for _, r := range d.Tables["checks"].Rows {
		if r["outcome"] == "found" {
			found[r["id"].(string)] = true
		}
	}
	return found
}

// inTurn is one of some ways to spoil a file that has its turn, by the number of the file: another
// one each time that the file has. All of them, for each file, take minutes.
func inTurn(n int, ways ...[]byte) [][]byte {
	if inspecttest.AllTurns() {
		return ways
	}
	n = (n + inspecttest.Turn()) / 3 % len(ways)
	return ways[n : n+1]
}

// enough reports whether about as many runs were made as there are files, or have their turn.
func enough(runs, all int) bool {
	if !inspecttest.AllTurns() {
		all /= 10
	}
	return runs*spoilEvery >= all
}

// spoil runs commands for each file of a recorded host that is spoiled in turn, or under
// the race detector for some of them, and returns how many it ran.
func spoil(t *testing.T, host string, commands [][]string) (runs int) {
	t.Helper()
	b, err := os.ReadFile("../inspect/testdata/hosts/" + host + ".txtar")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := inspecttest.Unpack(dir, b); err != nil {
		t.Fatal(err)
	}
	files := 0
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.Contains(path, "/sys/kernel/mm/") {
			return err
		}
		if files++; files%spoilEvery != 0 || !inspecttest.HasTurn(files/spoilEvery) {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil // one that may not be read
		}
		for _, bad := range inTurn(files, []byte("\xff%%% nothing of the kind\n\x00"), text[:len(text)/2], nil) {
			if err := os.WriteFile(path, bad, 0o644); err != nil {
				return err
			}
			for _, args := range commands {
				runs++
				spoiled(t, dir, strings.TrimPrefix(path, dir), args)
			}
		}
		return os.WriteFile(path, text, 0o644)
	})
	if err != nil {
		t.Error(err)
	}
	return runs
}

func spoiled(t *testing.T, dir, file string, args []string) {
	t.Helper()
	var out, errs bytes.Buffer
	a := &App{Out: &out, Err: &errs, Getenv: func(string) (string, bool) { return "", false }, Now: time.Now, Sleep: time.Sleep}
	status := a.Run(append(args[:len(args):len(args)], "--proc-root", dir+"/proc", "--sys-root", dir+"/sys", "-o", "json"))
	var doc map[string]any
	switch err := json.Unmarshal(out.Bytes(), &doc); {
	case status == 0 && err == nil:
	case status == exitFailed && out.Len() == 0 && strings.Count(errs.String(), "\n") == 1 && mayFail(args, file):
	default:
		t.Errorf("%v with %s spoiled: status %d, %q, %v", args, file, status, errs.String(), err)
	}
}

// mayFail tells a file without which a command can't do its job: the stat of its
// process, or the cgroup that it was asked for.
func mayFail(args []string, file string) bool {
	switch {
	case args[0] == "oom" && len(args) > 2 && args[1] == "--cgroup":
		return strings.Contains(file, "/cgroup/batch/") || strings.HasSuffix(file, "/mountinfo")
	case len(args) > 1:
		return file == "/proc/"+args[1]+"/stat"
	}
	return false
}
