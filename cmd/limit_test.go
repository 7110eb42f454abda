package cmd

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kwhy/inspect/inspecttest"
)

// foundIn lists what a report finds, each with its level, and how bad it says each value is.
func foundIn(d document) (out []string) {
	for _, f := range d.Findings {
		out = append(out, f.ID+" "+f.Level+" "+f.Message)
	}
	for key, v := range d.Values {
		switch key {
		case "scores_exact": // is about the rows that are shown, and says so
			continue
		case "next_victim_pid": // its points are of the RSS that explains the scores of these rows
			v.Reading = ""
		}
		out = append(out, fmt.Sprint(key, " ", v.Level, " ", v.Value, " ", v.Reading))
	}
	slices.Sort(out)
	return out
}

// What is found, and what the values of the whole say, does not depend on how many rows are
// shown, of any command and in any order.
func TestFindingsDoNotDependOnTheLimit(t *testing.T) {
	long(t, "it runs every overview of every host twice")
	t.Parallel()
	found := 0
	for _, host := range inspecttest.AllHosts(t) {
		dir := inspecttest.Recorded(t, host)
		for _, args := range [][]string{
			{"mem"}, {"oom"}, {"proc"}, {"proc", "--threads"}, {"proc", "--sort", "fds"}, {"proc", "--sort", "-pid"}, {"sched"},
			{"sched", "--sort", "-pid"}, {"fd"}, {"fd", "--sort", "-pid"}, {"net", "sockets"}, {"net", "sockets", "--sort", "-state"},
		} {
			if pid := anyPID(t, dir); pid > 0 && args[0] == "proc" {
				twoThreads(t, dir, pid, "D", "D", "D")
			}
			one, _ := taken(t, dir, slices.Concat(args, []string{"--limit", "1"})...)
			all, _ := taken(t, dir, slices.Concat(args, []string{"--limit", "0"})...)
			a, b := foundIn(one), foundIn(all)
			found += len(all.Findings)
			if !slices.Equal(a, b) {
				t.Errorf("%s of %s: with one row\n%s\nwith all\n%s", args, host, minus(a, b), minus(b, a))
			}
		}
	}
	if found < 20 {
		t.Errorf("%d findings in all: they prove nothing", found)
	}
}

// minus is what of a is not in b.
func minus(a, b []string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(a), func(s string) bool { return slices.Contains(b, s) }), "\n")
}

// anyPID is the largest number of a process in a copy, which no order has first.
func anyPID(t *testing.T, dir string) (most int) {
	t.Helper()
	stats, err := filepath.Glob(dir + "/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range stats {
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(name))); err == nil {
			most = max(most, pid)
		}
	}
	return most
}
