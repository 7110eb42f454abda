package cmd

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kwhy/inspect/inspecttest"
)

// What status has of stat is taken from there where stat is not there, or where that field of it
// did not parse; and what stat alone has is absent then, and no zero.
func TestStatusStandsInForStat(t *testing.T) {
	const pid = "152"
	for name, spoil := range map[string]func(t *testing.T, stat string){
		"missing": func(t *testing.T, stat string) {
			t.Helper()
			if err := os.Remove(stat); err != nil {
				t.Fatal(err)
			}
		},
		"rubbish": func(t *testing.T, stat string) { t.Helper(); write(t, stat, "nothing of the kind\n") },
		"empty":   func(t *testing.T, stat string) { t.Helper(); write(t, stat, "") },
		"fields": func(t *testing.T, stat string) {
			t.Helper()
			f := strings.Split(strings.TrimSpace(inspecttest.Read(t, stat)), " ")
			for _, n := range []int{2, 3, 4, 14, 20, 23} { // by their numbers in proc_pid_stat(5)
				f[n-1] = "?"
			}
			write(t, stat, strings.Join(f, " ")+"\n")
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := inspecttest.Recorded(t, "debian-7.3-sched")
			at := []string{"--proc-root", dir + "/proc"}
			was := asked(t, slices.Concat([]string{"proc", pid}, at), nil)
			status := filepath.Join(dir, "proc", pid, "status")
			text := inspecttest.Read(t, status)
			write(t, status, strings.Replace(text, "Name:\tthrottled", `Name:\ta\\b\nc d`, 1))
			write(t, status, strings.Replace(inspecttest.Read(t, status), `Name:\t`, "Name:\t", 1))
			spoil(t, filepath.Join(dir, "proc", pid, "stat"))
			is := asked(t, slices.Concat([]string{"proc", pid}, at), nil)
			for _, key := range []string{"ppid", "threads", "state"} {
				if was.Values[key].Value == nil || is.Values[key].Value != was.Values[key].Value {
					t.Errorf("%s is %v, %q; was %v", key, is.Values[key].Value, absent(is.Values[key]), was.Values[key].Value)
				}
			}
			if v := is.Values["comm"]; v.Value != "a\\b\nc d" {
				t.Errorf("the name is %q, %q", v.Value, absent(v))
			}
			for _, row := range is.Tables["rlimits"].Rows {
				switch row["name"] {
				case "address space":
					if row["used"] != 988.0*1024 {
						t.Errorf("address space: %v", row["used"])
					}
				case "cpu time":
					if row["used"] != nil {
						t.Errorf("cpu time: %v", row["used"])
					}
				}
			}
			found := false
			for _, row := range asked(t, slices.Concat([]string{"proc", "--limit", "0"}, at), nil).Tables["processes"].Rows {
				if row["pid"] != 152.0 {
					continue
				}
				found = true
				if row["state"] != "R" || row["ppid"] != 1.0 || row["cpu"] != nil {
					t.Errorf("the row: %v", row)
				}
			}
			if !found {
				t.Error("it has no row")
			}
		})
	}
}
