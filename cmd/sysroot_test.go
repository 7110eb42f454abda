package cmd

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
)

// everyCommand are all subcommands that look at a host.
func everyCommand(pid string) [][]string {
	return slices.DeleteFunc(everyReport(pid), func(args []string) bool {
		return slices.Contains(args, "log") || slices.Contains(args, "--deleted") || slices.Contains(args, "--path")
	})
}

// ofSys are the sources below /sys, as documents name them.
func ofSys() map[string]bool {
	out := map[string]bool{}
	for _, s := range inspect.Every() {
		if strings.HasPrefix(s.String(), "/sys/") {
			out[s.String()] = true
		}
	}
	return out
}

// saidOfSys are the values and rows of a document that are from below /sys, by command and key.
func saidOfSys(d document, args []string) map[string]string {
	out, from := map[string]string{}, ofSys()
	for key, v := range d.Values {
		if from[v.Source] && v.Value != nil {
			out[strings.Join(args, " ")+" "+key] = v.Source
		}
	}
	return out
}

// asked runs kwhy with variables, and returns what it says as a document.
func asked(t *testing.T, args []string, env map[string]string) (d document) {
	t.Helper()
	var out, errs bytes.Buffer
	get := func(name string) (string, bool) { s, ok := env[name]; return s, ok }
	a := &App{Out: &out, Err: &errs, Getenv: get, Now: time.Now, Sleep: time.Sleep}
	status := a.Run(slices.Concat(args, []string{"-o", "json"}))
	if status == exitFailed && out.Len() == 0 && errs.Len() > 0 {
		return d // it has nothing to show
	}
	if err := json.Unmarshal(out.Bytes(), &d); err != nil || status > 1 {
		t.Fatalf("kwhy %v: status %d, %q, %v", args, status, errs.String(), err)
	}
	return d
}

// A copy has the /sys that was saved beside its /proc, or the one that was named, by a flag, a
// variable or a config file; and else none: never that of the host that kwhy runs on.
func TestACopyHasNoSysOfThisHost(t *testing.T) {
	t.Parallel()
	const marked = "always madvise [never]"
	thp := "sys/kernel/mm/transparent_hugepage/enabled"
	prepare := func(t *testing.T) string {
		t.Helper()
		dir := inspecttest.Recorded(t, "debian-7.3-sched")
		for _, d := range []string{filepath.Dir(thp)} {
			if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		write(t, filepath.Join(dir, thp), marked+"\n")
		return dir
	}
	move := func(t *testing.T, dir, from, to string) {
		t.Helper()
		if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		arrange func(t *testing.T, dir string) (flags []string, env map[string]string)
		seen    bool
	}{
		"beside": {func(_ *testing.T, dir string) ([]string, map[string]string) {
			return []string{"--proc-root", dir + "/proc"}, nil
		}, true},
		"beside, by a link": {func(t *testing.T, dir string) ([]string, map[string]string) {
			t.Helper()
			if err := os.Symlink(dir+"/proc", dir+"/other"); err != nil {
				t.Fatal(err)
			}
			return []string{"--proc-root", dir + "/other"}, nil
		}, true},
		"beside, by a variable": {func(_ *testing.T, dir string) ([]string, map[string]string) {
			return nil, map[string]string{"KWHY_PROC_ROOT": dir + "/proc", "KWHY_SYS_ROOT": ""}
		}, true},
		"none": {func(t *testing.T, dir string) ([]string, map[string]string) {
			t.Helper()
			move(t, dir, "sys", "kept")
			return []string{"--proc-root", dir + "/proc"}, nil
		}, false},
		"none, and proc of another name": {func(t *testing.T, dir string) ([]string, map[string]string) {
			t.Helper()
			move(t, dir, "proc", "saved")
			return []string{"--proc-root", dir + "/saved"}, nil
		}, false},
		"a link to this host's": {func(t *testing.T, dir string) ([]string, map[string]string) {
			t.Helper()
			move(t, dir, "sys", "kept")
			if err := os.Symlink("/sys", dir+"/sys"); err != nil {
				t.Fatal(err)
			}
			return []string{"--proc-root", dir + "/proc"}, nil
		}, false},
		"named by a flag": {func(t *testing.T, dir string) ([]string, map[string]string) {
			t.Helper()
			move(t, dir, "sys", "kept")
			return []string{"--proc-root", dir + "/proc", "--sys-root", dir + "/kept"}, nil
		}, true},
		"named by a variable": {func(t *testing.T, dir string) ([]string, map[string]string) {
			t.Helper()
			move(t, dir, "sys", "kept")
			return []string{"--proc-root", dir + "/proc"}, map[string]string{"KWHY_SYS_ROOT": dir + "/kept"}
		}, true},
		"named by a file": {func(t *testing.T, dir string) ([]string, map[string]string) {
			t.Helper()
			move(t, dir, "sys", "kept")
			write(t, dir+"/config.yaml", "sys-root: "+dir+"/kept\n")
			return []string{"--proc-root", dir + "/proc", "--config", dir + "/config.yaml"}, nil
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := prepare(t)
			flags, env := c.arrange(t, dir)
			got := map[string]string{}
			for _, args := range everyCommand("152") {
				d := asked(t, slices.Concat(args, flags), env)
				for key, source := range saidOfSys(d, args) {
					got[key] = source
				}
				for key, v := range d.Values {
					if why := absent(v); !c.seen && ofSys()[v.Source] && v.Value == nil && why != "not_in_copy" && why != "inapplicable" {
						t.Errorf("%v: %s is %q", args, key, why)
					}
				}
			}
			d := asked(t, slices.Concat([]string{"mem"}, flags), env)
			switch v := d.Values["thp_enabled"]; {
			case c.seen && (v.Value != "never" || len(got) < 10):
				t.Errorf("huge pages %v, and %d values", v.Value, len(got))
			case !c.seen && len(got) > 0:
				t.Errorf("values of this host's /sys: %v", got)
			}
		})
	}
}

// Where a /proc is mounted that is not at /proc, it is no copy: /sys is this host's.
func TestAMountedProcHasThisHostsSys(t *testing.T) {
	dir := t.TempDir()
	at := filepath.Join(dir, "proc")
	for _, d := range []string{at, filepath.Join(dir, "sys")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	withMounts(t, func() error {
		if err := unix.Mount("/proc", at, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return err
		}
		plain, elsewhere := asked(t, []string{"mem"}, nil), asked(t, []string{"mem", "--proc-root", at}, nil)
		was, is := saidOfSys(plain, nil), saidOfSys(elsewhere, nil)
		if len(was) == 0 || len(is) != len(was) {
			t.Errorf("%d values of /sys with /proc at %s, and %d at /proc", len(is), at, len(was))
		}
		return nil
	})
}

// Where no /proc is, that is said, and by every subcommand: it is no copy of one, nothing is in
// it and nothing is 0.
func TestWhereNoProcIs(t *testing.T) {
	empty, full := t.TempDir(), t.TempDir()
	write(t, filepath.Join(full, "resolv.conf"), "nameserver ::1\n")
	for _, dir := range []string{empty, full} {
		for _, args := range everyReport("1") {
			if slices.Contains(args, "log") {
				continue // which wants a log, of whatever host
			}
			out, errs, status := live(t, slices.Concat(args, []string{"--proc-root", dir, "--width", "1000"})...)
			if status != exitFailed && !strings.Contains(out, "note: there is no /proc here") || status == exitFailed && errs == "" {
				t.Errorf("%v: status %d, %q, %.300q", args, status, errs, out)
			}
			if said := out + errs; regexp.MustCompile(`(?i)\bcopy, of|in (this|the) copy|saved copy|too old`).MatchString(said) {
				t.Errorf("%v calls it a copy: %s%s", args, errs, out)
			}
			d := asked(t, slices.Concat(args, []string{"--proc-root", dir}), nil)
			for key, v := range d.Values {
				if strings.HasPrefix(v.Source, "/proc/") && (v.Value != nil || absent(v) != "not_mounted" && absent(v) != "inapplicable") {
					t.Errorf("%v: %s is %v, %q", args, key, v.Value, absent(v))
				}
			}
			if view := d.View; status != exitFailed && view != "nothing" {
				t.Errorf("%v: view %q", args, view)
			}
		}
	}
	// A single file of a host makes a copy.
	write(t, filepath.Join(full, "vmstat"), "nr_free_pages 1\n")
	if d := asked(t, []string{"proc", "--proc-root", full}, nil); d.View != "copy" {
		t.Errorf("view %q of a tree with vmstat", d.View)
	}
}

// In a PID namespace of its own with the host's /proc every report says that its numbers are
// others'.
func TestOtherNumbersAreNoted(t *testing.T) {
	long(t, "it runs many commands, in one goroutine each")
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		t.Skip(err)
	}
	try := func(args ...string) (string, error) {
		c := exec.Command(unshare, slices.Concat([]string{"--pid", "--fork", "--kill-child", kwhyCommand(t)}, args)...)
		out, err := c.Output()
		return string(out), err
	}
	if _, err := try("version"); err != nil {
		t.Skip("no PID namespace can be made here: ", err)
	}
	for _, args := range append(overviews(), []string{"proc", "1"}, []string{"mem", "1"}, []string{"doctor"}) {
		out, _ := try(append(args, "--width", "1000")...)
		if !strings.Contains(out, "by other numbers than") {
			t.Errorf("%v in another PID namespace: %.400s", args, out)
		}
		if out, _, _ := live(t, args...); strings.Contains(out, "by other numbers than") {
			t.Errorf("%v here: %.400s", args, out)
		}
	}
}
