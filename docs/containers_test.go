package docs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"kwhy/explain/catalog"
	"kwhy/inspect"
)

const containersPage = "containers.md"

// TestPagesPrivileges keeps the table of privileges as the sources have it.
func TestPagesPrivileges(t *testing.T) {
	b, err := os.ReadFile(containersPage)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- generated: privileges -->\n", "<!-- end -->"
	before, rest, ok := strings.Cut(string(b), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("no %q and %q", begin, end)
	}
	golden(t, containersPage, []byte(before+begin+privileges()+end+after))
}

// privileges is a table of what it takes to read what is not open to everybody.
func privileges() string {
	uses := map[inspect.Source][]string{}
	for _, e := range catalog.All().Entries {
		command, _, _ := strings.Cut(e.Command, " ")
		for _, s := range append([]inspect.Source{e.Doc.Source}, e.Doc.Also...) {
			if !slices.Contains(uses[s], command) {
				uses[s] = append(uses[s], command)
			}
		}
	}
	var order []string
	files, commands := map[string][]string{}, map[string][]string{}
	for _, s := range inspect.Every() {
		o := s.Opens()
		if o == "" {
			continue
		}
		if files[o] == nil {
			order = append(order, o)
		}
		files[o] = append(files[o], "`"+s.String()+"`")
		commands[o] = append(commands[o], uses[s]...)
	}
	var b strings.Builder
	b.WriteString("\n| what it takes | for | used by |\n|---|---|---|\n")
	for _, o := range order {
		slices.Sort(commands[o])
		fmt.Fprintf(&b, "| %s | %s | %s |\n", o, strings.Join(files[o], ", "), strings.Join(slices.Compact(commands[o]), ", "))
	}
	return b.String() + "\n"
}

// pod is what the tests want to know of a manifest.
type pod struct {
	Kind string
	Spec struct {
		Template struct {
			Spec struct {
				HostPID    bool `yaml:"hostPID"`
				Containers []struct {
					Args []string
					Env  []struct{ Name, Value string }

					VolumeMounts []struct {
						Name      string
						MountPath string `yaml:"mountPath"`
						ReadOnly  bool   `yaml:"readOnly"`
					} `yaml:"volumeMounts"`
				}
				Volumes []struct {
					Name     string
					HostPath struct{ Path string } `yaml:"hostPath"`
				}
			}
		}
	}
}

// TestPagesManifests: every YAML of the pages parses, what a manifest mounts of the host it
// mounts read-only, where its arguments make kwhy look, and kwhy takes its arguments.
func TestPagesManifests(t *testing.T) {
	for _, p := range pages(t) {
		for _, f := range p.fences {
			if f.lang != "yaml" {
				continue
			}
			var any any
			if err := yaml.Unmarshal([]byte(p.text(f)), &any); err != nil {
				t.Errorf("%s:%d: %v", p.path, f.from, err)
			}
			var m pod
			if yaml.Unmarshal([]byte(p.text(f)), &m) == nil && m.Kind != "" {
				checkManifest(t, p.path, &m)
			}
		}
	}
}

func checkManifest(t *testing.T, path string, m *pod) {
	spec := m.Spec.Template.Spec
	if len(spec.Containers) != 1 || !spec.HostPID {
		t.Fatalf("%s: %d containers, hostPID %v", path, len(spec.Containers), spec.HostPID)
	}
	c := spec.Containers[0]
	checkCommand(t, path, "kwhy "+strings.Join(c.Args, " "))
	mounts := map[string]string{}
	for _, v := range spec.Volumes {
		mounts[v.Name] = v.HostPath.Path
	}
	seen := map[string]bool{}
	for _, v := range c.VolumeMounts {
		if !v.ReadOnly || v.MountPath != "/host"+mounts[v.Name] {
			t.Errorf("%s: %s of the host at %s, read-only %v", path, mounts[v.Name], v.MountPath, v.ReadOnly)
		}
		seen[v.MountPath] = true
	}
	for _, e := range c.Env {
		if !seen[e.Value] || e.Name != "KWHY_PROC_ROOT" && e.Name != "KWHY_SYS_ROOT" {
			t.Errorf("%s: %s=%s is no root that is mounted", path, e.Name, e.Value)
		}
	}
}

// TestPagesUnits: what is written for systemd is to its liking, and kwhy takes the
// arguments that it gives.
func TestPagesUnits(t *testing.T) {
	start := regexp.MustCompile(`(?m)^ExecStart=(\S*)/kwhy (.*)$`)
	for _, p := range pages(t) {
		for _, f := range p.fences {
			if f.lang != "ini" {
				continue
			}
			m := start.FindStringSubmatch(p.text(f))
			if m == nil {
				t.Fatalf("%s:%d: nothing is started", p.path, f.from)
			}
			checkCommand(t, p.path, "kwhy "+m[2])
			analyze, err := exec.LookPath("systemd-analyze")
			if err != nil {
				t.Skip("systemd-analyze is not installed")
			}
			unit := filepath.Join(t.TempDir(), "kwhy.service")
			here := strings.Replace(p.text(f), m[1]+"/kwhy", os.Args[0], 1) // a program that there is
			if err := os.WriteFile(unit, []byte(here), 0o644); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command(analyze, "verify", "--man=no", unit).CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%s:%d: %v: %s", p.path, f.from, err, out)
			}
		}
	}
}

var capabilityRow = regexp.MustCompile(`(?m)^\| ([a-z_/0]+) \| (yes|no) \| (yes|no) \| (yes|no) \| (yes|no) \| (yes|no) \|$`)

// TestLivePagesCapabilities tries what the table of capabilities says, on a child of another user.
func TestLivePagesCapabilities(t *testing.T) {
	if testing.Short() {
		t.Skip("setpriv does the work")
	}
	if os.Geteuid() != 0 {
		t.Skip("to drop capabilities takes root")
	}
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		t.Skip("setpriv is not installed")
	}
	pid := childOfAnother(t, setpriv)
	b, err := os.ReadFile(containersPage)
	if err != nil {
		t.Fatal(err)
	}
	rows := capabilityRow.FindAllStringSubmatch(string(b), -1)
	if len(rows) < 14 {
		t.Fatalf("only %d rows", len(rows))
	}
	for _, row := range rows {
		path := fmt.Sprintf("/proc/%d/%s", pid, row[1])
		if _, err := os.Lstat(path); os.IsNotExist(err) {
			continue // of a kernel without it
		}
		for i, caps := range []string{"", ",+sys_ptrace", ",+dac_read_search", ",+sys_ptrace,+dac_read_search",
			",+sys_ptrace,+dac_read_search,+sys_admin"} {
			if got := readableWith(setpriv, caps, path); got != (row[2+i] == "yes") {
				t.Errorf("%s with %q: readable %v, the page says %s", row[1], caps, got, row[2+i])
			}
		}
	}
}

// childOfAnother starts a child as another user, which ends with the test.
func childOfAnother(t *testing.T, setpriv string) int {
	t.Helper()
	child := exec.Command(setpriv, "--reuid=65533", "--regid=65533", "--clear-groups", "sleep", "600")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Process.Kill(); _ = child.Wait() })
	for range 500 { // it is another's as soon as it sleeps
		if comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", child.Process.Pid)); string(comm) == "sleep\n" {
			return child.Process.Pid
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Skip("no user can be changed here")
	return 0
}

// readableWith reports whether root with these capabilities alone gets at a file or link: a
// wait channel that is masked is 0.
func readableWith(setpriv, caps, path string) bool {
	read := "cat"
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSymlink != 0 {
		read = "readlink"
	}
	out, err := exec.Command(setpriv, "--inh-caps=-all"+caps, "--bounding-set=-all"+caps, "--", read, path).Output()
	return err == nil && string(out) != "0"
}
