package cmd

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"kwhy/inspect/inspecttest"
)

func TestMain(m *testing.M) {
	mainEnds()
	testscript.Main(m, map[string]func(){"kwhy": scripted})
}

// scripted is kwhy with a clock that stands still, as recorded hosts do, and with a
// config file of the host that is the scenario's.
func scripted() {
	a := System()
	a.Build = Build{
		Version: "v0.0.0-test",
		Commit:  "0123abc",
		Time:    "2026-11-23T20:46:01Z",
		Go:      "go1.26",
		Modules: []*debug.Module{{Path: "example.org/m", Version: "v1.2.3"}},
	}
	a.Now, a.HostConfig = inspecttest.Now, "etc/kwhy/config.yaml"
	os.Exit(a.Run(os.Args[1:]))
}

// scripts are the scenarios: all, and of a short run one for each report, for each
// command is another process there that the race detector makes slow.
func scripts(t *testing.T) (files []string) {
	t.Helper()
	names := []string{"*"}
	if testing.Short() {
		names = []string{
			"check_debian-7.3-idle",
			"doctor",
			"fd_linux-6.18",
			"hostile",
			"mem_debian-7.3-swap",
			"net_linux-6.18",
			"nethost_linux-6.18",
			"oom_debian-7.3",
			"pipe",
			"proc_debian-7.3",
			"sched_debian-7.3",
		}
	}
	for _, name := range names {
		found, err := filepath.Glob("testdata/script/" + name + ".txtar")
		if err != nil || len(found) == 0 {
			t.Fatalf("no scenario %s: %v", name, err)
		}
		files = append(files, found...)
	}
	return files
}

// TestScript runs the scenarios: a recorded host, commands, what they print.
// make golden rewrites what is compared.
func TestScript(t *testing.T) {
	hosts, err := filepath.Abs("../inspect/testdata/hosts")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Files:         scripts(t),
		UpdateScripts: os.Getenv("KWHY_UPDATE") != "",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			// host NAME unpacks a recorded host into ./host and points kwhy to it.
			"host": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) != 1 {
					ts.Fatalf("usage: host NAME")
				}
				b, err := os.ReadFile(filepath.Join(hosts, args[0]+".txtar"))
				ts.Check(err)
				dir := ts.MkAbs("host")
				ts.Check(os.MkdirAll(dir, 0o755))
				ts.Check(inspecttest.Unpack(dir, b))
				ts.Setenv("KWHY_PROC_ROOT", filepath.Join(dir, "proc"))
				ts.Setenv("KWHY_SYS_ROOT", filepath.Join(dir, "sys"))
			},
			// exits STATUS COMMAND ARG... runs a command that ends with that status.
			"exits": func(ts *testscript.TestScript, neg bool, args []string) {
				if neg || len(args) < 2 {
					ts.Fatalf("usage: exits STATUS COMMAND ARG...")
				}
				got := "0"
				var exit *exec.ExitError
				if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
					got = strconv.Itoa(exit.ExitCode())
				} else {
					ts.Check(err)
				}
				if got != args[0] {
					ts.Fatalf("%v ended with %s, want %s", args[1:], got, args[0])
				}
			},
			// schema FILE validates a document.
			"schema": func(ts *testscript.TestScript, _ bool, args []string) {
				validate(t, []byte(ts.ReadFile(args[0])))
			},
		},
	})
}
