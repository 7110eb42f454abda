package cmd

import (
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"kwhy/explain"
	"kwhy/explain/net"
	"kwhy/explain/proc"
)

// seam adds a command to kwhy that stores its options in got and runs nothing.
func seam[O any](build func(*App, func(*O) error) *cobra.Command) func(a *App, got *any) *cobra.Command {
	return func(a *App, got *any) *cobra.Command {
		return build(a, func(o *O) error { *got = o; return nil })
	}
}

// seams are all commands, by how they are typed.
func seams() map[string]func(*App, *any) *cobra.Command {
	return map[string]func(*App, *any) *cobra.Command{
		"mem": seam(newMem), "oom": seam(newOom), "log": seam(newOomLog), "proc": seam(newProc), "sched": seam(newSched),
		"fd": seam(newFD), "net": seam(newNet), "sockets": seam(newSockets), "check": seam(newCheck), "doctor": seam(newDoctor),
		"explain": seam(newExplain), "schema": seam(newSchema), "completion": seam(newCompletion), "version": seam(newVersion),
	}
}

// parsed is what becomes of a command line: options with their settings apart.
func parsed(t *testing.T, line string, env map[string]string) (o any, set settings, err error) {
	t.Helper()
	a := &App{Out: io.Discard, Err: io.Discard, Getenv: func(name string) (string, bool) { s, ok := env[name]; return s, ok }}
	args := strings.Fields(strings.ReplaceAll(line, "''", "\x00"))
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "\x00", "")
	}
	build := seams()[args[0]]
	if build == nil {
		t.Fatalf("no command %q", args[0])
	}
	root := a.trunk()
	root.AddCommand(build(a, &o))
	root.SetArgs(args)
	err = root.Execute()
	if r, ok := o.(reading); ok {
		set = *r.shared()
		*r.shared() = settings{}
	}
	return o, set, err
}

// TestSeams: every command of the tree has one.
func TestSeams(t *testing.T) {
	for _, c := range below((&App{}).root())[1:] {
		if seams()[c.Name()] == nil {
			t.Errorf("%s has no seam in this test", c.CommandPath())
		}
	}
}

func ptr[T any](v T) *T { return &v }

func TestOptions(t *testing.T) {
	auto := tableFlags{limit: -1}
	for line, want := range map[string]any{
		"mem":                  &memOptions{limit: -1},
		"mem --pss --limit 20": &memOptions{limit: 20, pss: true},
		"mem 1234":             &memOptions{limit: -1, pid: 1234},

		"oom":               &oomOptions{limit: -1},
		"oom 1 --adj=-1000": &oomOptions{limit: -1, pid: 1, adj: ptr(int32(-1000))},
		"oom 1 --adj 0":     &oomOptions{limit: -1, pid: 1, adj: ptr(int32(0))},
		"oom --cgroup /app/web --sort rss,-pid --limit 0 --user 33 --name ^a": &oomOptions{
			cgroup: "/app/web", sort: []string{"rss", "-pid"}, who: processFilter{proc.Filter{UID: ptr(uint32(33)), Name: "^a"}, "33"},
		},
		"oom --user www-data":       &oomOptions{limit: -1, who: processFilter{user: "www-data"}}, // whose number the host has
		"log":                       &oomLogOptions{limit: -1, ring: true},
		"log - --limit 0":           &oomLogOptions{file: "-"},
		"log /var/log/kern.log":     &oomLogOptions{limit: -1, file: "/var/log/kern.log"},
		"log ''":                    &oomLogOptions{limit: -1},
		"proc":                      &procOptions{table: auto},
		"proc 12":                   &procOptions{table: auto, of: process{pid: 12}},
		"proc nginx --sample 1m30s": &procOptions{table: auto, of: process{name: "nginx"}, sample: 90 * time.Second},
		"proc --thread 77":          &procOptions{table: auto, thread: 77},
		"proc --threads --columns pid,why --sort=-rss --sort pid": &procOptions{
			table: tableFlags{-1, []string{"pid", "why"}, []string{"-rss", "pid"}}, threads: true,
		},
		"proc --tree --limit 5 --state D,Z --cgroup /a --user 0": &procOptions{
			table: tableFlags{limit: 5}, tree: true,
			who: processFilter{proc.Filter{UID: ptr(uint32(0)), State: "D,Z", Cgroup: "/a"}, "0"},
		},
		"proc --columns help --tree --threads": &procOptions{table: tableFlags{-1, []string{"help"}, nil}, tree: true, threads: true},

		"sched":                &schedOptions{table: auto},
		"sched 1 --threads":    &schedOptions{table: auto, threads: true, of: process{pid: 1}},
		"sched init":           &schedOptions{table: auto, of: process{name: "init"}},
		"sched --columns help": &schedOptions{table: tableFlags{-1, []string{"help"}, nil}},
		"sched --name ^k --sort wait_time": &schedOptions{
			table: tableFlags{-1, nil, []string{"wait_time"}}, who: processFilter{Filter: proc.Filter{Name: "^k"}},
		},

		"fd":                          &fdOptions{table: auto},
		"fd 1 --limit 0":              &fdOptions{of: process{pid: 1}},
		"fd postgres":                 &fdOptions{table: auto, of: process{name: "postgres"}},
		"fd --deleted":                &fdOptions{table: auto, deleted: true},
		"fd --path /var/log":          &fdOptions{table: auto, path: "/var/log"},
		"fd --socket :8080":           &fdOptions{table: auto, socket: ":8080"},
		"fd --user 0":                 &fdOptions{table: auto, who: processFilter{proc.Filter{UID: ptr(uint32(0))}, "0"}},
		"fd --path ''":                &fdOptions{table: auto},
		"fd --deleted --columns help": &fdOptions{table: tableFlags{-1, []string{"help"}, nil}, deleted: true},

		"net":                       &netOptions{},
		"net 1":                     &netOptions{of: process{pid: 1}},
		"net sshd":                  &netOptions{of: process{name: "sshd"}},
		"net --netns sshd":          &netOptions{netns: process{name: "sshd"}},
		"net --netns 12":            &netOptions{netns: process{pid: 12}},
		"net --all-netns":           &netOptions{allNetns: true},
		"sockets":                   &socketsOptions{table: auto},
		"sockets 1 --limit 7":       &socketsOptions{table: tableFlags{limit: 7}, of: process{pid: 1}},
		"sockets --columns help":    &socketsOptions{table: tableFlags{-1, []string{"help"}, nil}},
		"sockets nginx --no-owners": &socketsOptions{table: auto, of: process{name: "nginx"}, filter: net.SocketFilter{NoOwners: true}},
		"sockets --protocol tcp,udp6 --state CLOSE_WAIT --address 10.0.0.0/8 --port 443 --process ^a": &socketsOptions{
			table: auto, filter: net.SocketFilter{
				Protocols: []string{"tcp", "udp6"}, States: []string{"CLOSE_WAIT"}, Address: "10.0.0.0/8", Port: 443, Process: "^a",
			},
		},

		"check":                                  &checkOptions{},
		"check --fail-on warning --only mem,net": &checkOptions{failOn: explain.Warning, only: []string{"mem", "net"}},
		"check --list --off mem.available_low":   &checkOptions{list: true, off: []string{"mem.available_low"}},
		"check --all --every 1m":                 &checkOptions{all: true, every: time.Minute},
		"doctor":                                 &doctorOptions{},
		"doctor --all":                           &doctorOptions{all: true},

		"explain":                     &explainOptions{},
		"explain --all":               &explainOptions{all: true},
		"explain page-cache":          &explainOptions{named: true, name: "page-cache"},
		"explain MemFree --no-live":   &explainOptions{named: true, name: "MemFree", noLive: true},
		"explain '' -o json":          &explainOptions{named: true},
		"schema":                      &schemaOptions{},
		"version":                     &versionOptions{},
		"version --proc-root /no/way": &versionOptions{},
	} {
		got, _, err := parsed(t, line, nil)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\n got %+v\nwant %+v", line, err, got, want)
		}
	}
	o, _, err := parsed(t, "completion zsh", nil)
	if c, ok := o.(*completionOptions); err != nil || !ok || c.shell != "zsh" || c.root == nil || c.root.Name() != "kwhy" {
		t.Errorf("completion zsh: %v, %+v", err, o)
	}
}

func TestOptionsSettings(t *testing.T) {
	plain := settings{Output: "text", Color: "auto", Explain: "line", ProcRoot: "/proc", Timeout: 2 * time.Second}
	with := func(change func(*settings)) settings { s := plain; change(&s); return s }
	for _, c := range []struct {
		line string
		env  map[string]string
		want settings
	}{
		{"mem", nil, plain},
		{"check", nil, with(func(s *settings) { s.Interval = time.Second })},
		{"check --interval 0", nil, plain},
		{"check", map[string]string{"KWHY_INTERVAL": "3s"}, with(func(s *settings) { s.Interval = 3 * time.Second })},
		{"check --off mem.available_low", nil, with(func(s *settings) {
			s.Interval, s.Limits = time.Second, explain.Limits{"mem.available_low": {}}
		})},
		{"proc -o ndjson --interval 500ms --proc-root /a --sys-root /b", nil, with(func(s *settings) {
			s.Output, s.Interval, s.ProcRoot, s.SysRoot = "ndjson", 500*time.Millisecond, "/a", "/b"
			s.here = " --proc-root /a --sys-root /b"
		})},
		{"proc", map[string]string{"KWHY_PROC_ROOT": "/a"}, with(func(s *settings) { s.ProcRoot = "/a" })},
		{"doctor --explain full --color never --width 120 --timeout 0", nil, with(func(s *settings) {
			s.Explain, s.Color, s.Width, s.Timeout = "full", "never", 120, 0
		})},
		{"sockets -o text", map[string]string{"KWHY_OUTPUT": "json", "KWHY_WIDTH": "99"}, with(func(s *settings) { s.Width = 99 })},
	} {
		_, got, err := parsed(t, c.line, c.env)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v\n got %+v\nwant %+v", c.line, err, got, c.want)
		}
	}
}

// TestOptionsRefused: what is wrong with a command line is told before anything runs, and
// names the flag or the argument.
func TestOptionsRefused(t *testing.T) {
	for line, says := range map[string]string{
		"mem --limit -2":     "--limit: bad value -2",
		"mem 1 --pss":        "--pss is for the table",
		"mem 0":              `bad PID "0"`,
		"mem init":           `bad PID "init"`,
		"mem 1 2":            "one argument at most",
		"mem --limit many":   `--limit: bad value "many": it takes a whole number`,
		"mem --sort rss":     "unknown flag: --sort",
		"mem -o xml":         `--output: bad value "xml"`,
		"mem --interval 1":   `--interval: bad value "1"`,
		"mem --interval 1ms": "10ms at least",
		"oom --adj 5":        "--adj needs a PID",
		"oom 1 --adj 1001":   "--adj: bad value 1001",
		"oom --cgroup ''":    "--cgroup: it takes the path",
		"oom 1 --user root":  "--user is for the ranking",
		"oom x":              `bad PID "x"`,
		"log --limit -2":     "--limit: bad value -2: it takes a number of kills",
		"log a b":            "one argument at most",

		"proc --tree --threads":                "--tree is of processes",
		"proc --tree --sort rss":               "--tree has an order of its own",
		"proc --sample 1s":                     "--sample is of one process",
		"proc 1 --tree":                        "--tree is for the table",
		"proc --thread -1":                     "--thread: bad value -1",
		"proc 1 --sample -1s":                  "--sample: bad value -1s",
		"proc 1 --sample soon":                 `--sample: bad value "soon": it takes a duration`,
		"proc --thread 5 --sample 1s":          "--sample is of all threads",
		"proc 1 --thread 5":                    "give no other",
		"proc 1 --sample 1s --interval 1s":     "--sample has its own time",
		"proc 99999999999":                     `bad PID "99999999999"`,
		"proc ''":                              `bad PID ""`,
		"sched --threads":                      "--threads is of one process",
		"sched 1 --columns pid":                "--columns is for the table",
		"sched --limit -3":                     "--limit: bad value -3",
		"fd --deleted --path /":                "two questions",
		"fd 1 --socket :1":                     "a process was given",
		"fd 1 --name x":                        "--name is for the table of all processes",
		"fd --deleted --user root":             "--user is for the table of all processes",
		"fd --path / --interval 1s":            "it does not go with --path",
		"net 1 --all-netns":                    "--netns and --all-netns are for the host",
		"net --netns 1 --all-netns":            "two questions",
		"net --netns 0":                        `bad PID "0"`,
		"sockets --port 65536":                 `--port`,
		"sockets --limit -2":                   "--limit: bad value -2",
		"check mem":                            `takes no argument "mem"`,
		"check --fail-on ok":                   `--fail-on: bad value "ok": it takes one of notice, warning, critical, and unseen or partly`,
		"check --fail-on bad":                  `--fail-on: bad value "bad"`,
		"check --every 10ms":                   "1s at least",
		"check --every -1s":                    "--every: bad value",
		"check --every 2s --interval 3s":       "shorter than the interval of 3s",
		"check --only disk":                    `--only: bad value "disk"`,
		"check --off mem.nothing":              `there is no rule "mem.nothing"`,
		"doctor all":                           `takes no argument "all"`,
		"explain --all swap":                   "--all is without a name",
		"explain a b":                          "one argument at most",
		"schema x":                             `takes no argument "x"`,
		"completion":                           "completion takes the name of a shell",
		"completion tcsh":                      "bash, zsh, fish",
		"version 1":                            `takes no argument "1"`,
		"version --config /no/such/file/there": "--config",
	} {
		o, _, err := parsed(t, line, nil)
		if o != nil || !errors.As(err, new(usageError)) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q; options %+v", line, err, says, o)
		}
	}
}
