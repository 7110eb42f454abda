package cmd

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
)

// takes is what goes with a source.
type takes struct {
	source inspect.Source
	host   string // the recorded host that has it; "" where none has
	why    string // why nothing goes with it
	// goes are the values and columns that are told with it and not without it, by command:
	// "sched steal cpus.steal", "check sched.steal=blind". "table.*" are all columns, "table~"
	// says that its rows are others, "value~" that a value is, and "value=" that it can't be
	// recomputed. All others are told as before.
	goes []string
}

// told is all that commands tell of a tree, by "command key" or "command table.column".
func told(t *testing.T, dir, pid string) map[string]any {
	t.Helper()
	out := map[string]any{}
	for _, args := range reports(pid) {
		name := strings.Join(args[:1], "")
		if slices.Contains(args, pid) {
			name += " PID"
		}
		d, _ := taken(t, dir, args...)
		for key, v := range d.Values {
			if v.Value != nil || absent(v) == "unlimited" {
				out[name+" "+key] = []any{v.Value, v.Of}
			}
			if v.Derivation != nil && v.Derivation.Result != nil {
				out[name+" "+key+"="] = v.Derivation.Result
			}
		}
		for table, rows := range d.Tables {
			if table == "checks" {
				for _, r := range rows.Rows {
					out["check "+r["id"].(string)] = r["outcome"]
				}
				continue
			}
			if table == "domains" {
				continue // which sums them up
			}
			for _, r := range rows.Rows {
				for column, v := range r {
					if v != nil && column != "absent" && column != "why" {
						at := name + " " + table + "." + column
						list, _ := out[at].([]any)
						out[at] = append(list, v)
					}
				}
			}
		}
	}
	return out
}

// reports are the commands that tell of a host, and of one of its processes.
func reports(pid string) [][]string {
	return [][]string{
		{"mem", "--limit", "0"}, {"oom", "--limit", "0"}, {"proc", "--limit", "0"}, {"sched", "--limit", "0"}, {"fd", "--limit", "0"}, {"net"},
		{"check", "--interval", "0"}, {"mem", pid}, {"oom", pid}, {"proc", pid}, {"sched", pid}, {"fd", pid}, {"net", pid},
	}
}

// filesOfSource are the files of a tree that a source is read from.
func filesOfSource(t *testing.T, dir string, s inspect.Source) (out []string) {
	t.Helper()
	for _, path := range s.Files() {
		path = strings.Replace(path, "/proc/net/", "/proc/self/net/", 1)
		path = strings.ReplaceAll(strings.ReplaceAll(path, "<pid>", "[0-9]*"), "<n>", "[0-9]*")
		if before, after, ok := strings.Cut(path, "<cgroup>/"); ok {
			for _, at := range hostFiles(t, dir) {
				if match, _ := filepath.Match(after, filepath.Base(at)); match && strings.HasPrefix("/"+at, before) {
					out = append(out, filepath.Join(dir, at))
				}
			}
			continue
		}
		list, err := filepath.Glob(dir + path)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, list...)
	}
	return out
}

// Which values go with each source, and no others: the rest is told as before, to the figure.
func TestWhatGoesWithEachSource(t *testing.T) {
	long(t, "it runs some thousand commands")
	t.Parallel()
	rows := map[inspect.Source]takes{}
	for _, row := range takeTable() {
		if _, twice := rows[row.source]; twice || (row.why == "") != (len(row.goes) > 0) || len(row.goes) > 0 && row.host == "" {
			t.Errorf("%s stands there twice, or nothing goes with it and nobody says why", row.source)
		}
		rows[row.source] = row
	}
	byHost := map[string][]takes{}
	for _, s := range inspect.Every() {
		row, ok := rows[s]
		if !ok {
			t.Errorf("nobody says what goes with %s", s)
			row = takes{source: s}
		}
		byHost[row.host] = append(byHost[row.host], row)
	}
	for host, list := range byHost {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			if host == "" {
				noneHas(t, list)
				return
			}
			dir := inspecttest.Recorded(t, host)
			pid := takenFrom()[host]
			before := told(t, dir, pid)
			for i, row := range list {
				if !inspecttest.HasTurn(i) {
					continue
				}
				goesWith(t, dir, pid, row, before)
			}
		})
	}
}

// noneHas holds sources to be in no recorded host.
func noneHas(t *testing.T, list []takes) {
	for host := range takenFrom() {
		dir := inspecttest.Recorded(t, host)
		for _, row := range list {
			if files := filesOfSource(t, dir, row.source); len(files) > 0 {
				t.Errorf("%s has %s", host, row.source)
			}
		}
	}
}

func goesWith(t *testing.T, dir, pid string, row takes, before map[string]any) {
	t.Helper()
	files := filesOfSource(t, dir, row.source)
	if len(files) == 0 {
		t.Errorf("%s is not on its host", row.source)
		return
	}
	aside := t.TempDir()
	for i, name := range files {
		move(t, name, filepath.Join(aside, strconv.Itoa(i)))
	}
	after := told(t, dir, pid)
	for i, name := range files {
		move(t, filepath.Join(aside, strconv.Itoa(i)), name)
	}
	var gone []string
	for at, was := range before {
		now, there := after[at]
		outcome, rule := now.(string)
		switch {
		case !there:
			gone = append(gone, at)
		case reflect.DeepEqual(now, was):
		case rule:
			gone = append(gone, at+"="+outcome)
		default:
			gone = append(gone, at+"~") // it is told, and is another
		}
	}
	if got := byCommand(joined(gone, before)); !slices.Equal(got, oneLine(row.goes)) {
		t.Errorf("without %s of %s these go:\n%s\nand not\n%s", row.source, row.host, strings.Join(got, "\n"), strings.Join(row.goes, "\n"))
	}
}

// oneLine puts the lines of each command together.
func oneLine(list []string) (out []string) {
	command := regexp.MustCompile(`^[a-z]+ (PID )?`)
	for _, words := range list {
		name := command.FindString(words)
		if n := len(out); n > 0 && command.FindString(out[n-1]) == name {
			out[n-1] += " " + strings.TrimPrefix(words, name)
			continue
		}
		out = append(out, words)
	}
	return out
}

// joined puts "table.*" in the place of all columns of a table, and "table~" in that of columns
// that are told and are others.
func joined(gone []string, before map[string]any) (out []string) {
	table := regexp.MustCompile(`^(.* [a-z_]+)\.[a-z0-9_]+(~?)$`)
	columns := func(list []string, of string) (n int) {
		for _, at := range list {
			if m := table.FindStringSubmatch(at); m != nil && m[1] == of && m[2] == "" {
				n++
			}
		}
		return n
	}
	all := slices.Collect(maps.Keys(before))
	for _, at := range gone {
		if m := table.FindStringSubmatch(at); m != nil && !strings.HasPrefix(at, "check ") {
			switch {
			case m[2] != "":
				at = m[1] + "~"
			case columns(gone, m[1]) == columns(all, m[1]):
				at = m[1] + ".*"
			}
		}
		if !slices.Contains(out, at) {
			out = append(out, at)
		}
	}
	return out
}

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// byCommand puts "command key" together by command.
func byCommand(list []string) (words []string) {
	by := map[string][]string{}
	for _, at := range list {
		i := strings.LastIndex(at, " ")
		by[at[:i]] = append(by[at[:i]], at[i+1:])
	}
	for _, command := range slices.Sorted(maps.Keys(by)) {
		slices.Sort(by[command])
		words = append(words, command+" "+strings.Join(by[command], " "))
	}
	return words
}

// takenFrom are the hosts that sources are taken away from, and a process of each.
func takenFrom() map[string]string {
	return map[string]string{
		"debian-7.3-sched": "152", "linux-6.18-files": "22650", "linux-6.18-lossy-net": "410", "linux-6.18-net": "1200",
		"debian-7.3-swap": "1", "debian-5.10-sched": "129",
	}
}

// What recorded hosts do not tell, and why: the values that are absent, those of sets that were
// seen in part, and the rules that could not see all. Nothing may come to these lists that was
// told before, but by a change that somebody can sign; KWHY_UPDATE=1 writes them.
func TestWhatIsNotTold(t *testing.T) {
	t.Parallel()
	const golden = "testdata/untold.txt"
	hosts, err := filepath.Glob("../inspect/testdata/hosts/*.txtar")
	if err != nil || len(hosts) < 15 {
		t.Fatal(hosts, err)
	}
	var b strings.Builder
	for _, name := range hosts {
		host := strings.TrimSuffix(filepath.Base(name), ".txtar")
		dir := inspecttest.Recorded(t, host)
		b.WriteString(host + "\n")
		for _, args := range reports("0")[:7] {
			d, errs := taken(t, dir, args...)
			if d.Values == nil {
				b.WriteString("  " + args[0] + ": " + strings.TrimSpace(strings.ReplaceAll(errs, dir, "")) + "\n")
				continue
			}
			for _, line := range untold(d) {
				b.WriteString("  " + args[0] + ": " + line + "\n")
			}
		}
	}
	if os.Getenv("KWHY_UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	was := slices.Collect(strings.Lines(string(want)))
	for line := range strings.Lines(b.String()) {
		if !slices.Contains(was, line) {
			t.Errorf("not among what was not told: %s", line)
		}
	}
	if b.String() != string(want) {
		t.Errorf("%s is not what is told now", golden)
	}
}

// untold lists by reason what a document does not tell.
func untold(d document) (out []string) {
	by := map[string][]string{}
	for key, v := range d.Values {
		switch why := absent(v); {
		case v.Of != nil:
			by["in part"] = append(by["in part"], key)
		case v.Value == nil && why != "inapplicable" && why != "no_interval" && why != "unlimited":
			by[why] = append(by[why], key)
		}
	}
	for _, r := range d.Tables["checks"].Rows {
		if outcome, _ := r["outcome"].(string); outcome == "partly" || outcome == "blind" {
			by[outcome] = append(by[outcome], r["id"].(string))
		}
	}
	for _, why := range slices.Sorted(maps.Keys(by)) {
		slices.Sort(by[why])
		out = append(out, why+" "+strings.Join(by[why], " "))
	}
	return out
}
