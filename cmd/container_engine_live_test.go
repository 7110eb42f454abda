package cmd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"kwhy/inspect/inspecttest"
)

// memoryOf is the limit of the containers of this run: about 64 MiB, and no other's of the host.
func memoryOf() float64 { return float64(64<<20 + os.Getpagesize()*(os.Getpid()%1000+1)) }

// engine runs kwhy in a container of that and 0.2 CPUs.
type engine struct {
	name string
	run  func(t *testing.T, flags []string, args ...string) *exec.Cmd
}

// engines starts what engines of containers are installed. They take a while: with
// KWHY_TEST_ALL alone.
func engines(t *testing.T) (out []engine) {
	t.Helper()
	if !inspecttest.AllTurns() {
		t.Skip("it starts engines of containers: with KWHY_TEST_ALL alone")
	}
	root(t)
	dir := t.TempDir()
	context := filepath.Join(dir, "image") // apart from the storage of engines, which is not all to be read
	build := exec.Command("go", "build", "-o", filepath.Join(context, "kwhy"), "./kwhy")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if b, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	image := "FROM scratch\nCOPY kwhy /kwhy\nENTRYPOINT [\"/kwhy\"]\n"
	if err := os.WriteFile(filepath.Join(context, "Dockerfile"), []byte(image), 0o644); err != nil {
		t.Fatal(err)
	}
	if e, ok := docker(t, dir); ok {
		out = append(out, e)
	}
	if e, ok := podman(t, dir); ok {
		out = append(out, e)
	}
	if len(out) == 0 {
		t.Skip("neither docker's engine nor podman runs here")
	}
	return out
}

// limited are the flags that both engines take.
func limited() []string {
	return []string{"--rm", "--network", "none", "--memory", strconv.Itoa(int(memoryOf())), "--cpus", "0.2"}
}

// docker starts an engine of the test's own, beside any that runs, and ends it.
func docker(t *testing.T, dir string) (engine, bool) {
	t.Helper()
	socket := "unix://" + dir + "/docker.sock"
	daemon := exec.Command("dockerd", "--data-root", dir+"/data", "--exec-root", dir+"/exec", "--pidfile", dir+"/pid", "-H", socket,
		"--iptables=false", "--ip6tables=false", "--bridge=none")
	if err := daemon.Start(); err != nil {
		t.Logf("docker is not tried: %v", err)
		return engine{}, false
	}
	t.Cleanup(func() {
		_ = daemon.Process.Signal(os.Interrupt)
		_ = daemon.Wait()
	})
	client := func(args ...string) *exec.Cmd {
		c := exec.Command("docker", args...)
		c.Env = append(os.Environ(), "DOCKER_HOST="+socket, "DOCKER_BUILDKIT=0")
		return c
	}
	var said []byte
	var err error
	for range 100 {
		if said, err = client("build", "-q", "-t", "kwhy-test", dir+"/image").CombinedOutput(); err == nil {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	if err != nil {
		t.Logf("docker is not tried: %v: %s", err, said)
		return engine{}, false
	}
	return engine{"docker", func(_ *testing.T, flags []string, args ...string) *exec.Cmd {
		return client(append(append(append([]string{"run"}, limited()...), flags...), append([]string{"kwhy-test"}, args...)...)...)
	}}, true
}

// podman needs no engine. Its storage is the test's own.
func podman(t *testing.T, dir string) (engine, bool) {
	t.Helper()
	global := []string{"--root", dir + "/podman", "--runroot", dir + "/podman-run", "--cgroup-manager", "cgroupfs"}
	if runc, err := exec.LookPath("runc"); err == nil {
		global = append(global, "--runtime", runc) // crun refuses controllers of both versions
	}
	client := func(args ...string) *exec.Cmd { return exec.Command("podman", append(global, args...)...) }
	if said, err := client("build", "-q", "-t", "kwhy-test", dir+"/image").CombinedOutput(); err != nil {
		t.Logf("podman is not tried: %v: %s", err, said)
		return engine{}, false
	}
	t.Cleanup(func() { _ = client("rmi", "--all", "--force").Run() })
	return engine{"podman", func(_ *testing.T, flags []string, args ...string) *exec.Cmd {
		// Its own limits of files and processes are more than root has without CAP_SYS_RESOURCE.
		own := append(limited(), "--ulimit", "nofile=1024:2048", "--ulimit", "nproc=1000:1000")
		return client(append(append(append([]string{"run"}, own...), flags...), append([]string{"kwhy-test"}, args...)...)...)
	}}, true
}

// of runs kwhy in a container and returns its report.
func (e engine) of(t *testing.T, flags []string, args ...string) (document, string) {
	t.Helper()
	var out, errs bytes.Buffer
	c := e.run(t, flags, append([]string{"-o", "json"}, args...)...)
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	var d document
	if json.Unmarshal(out.Bytes(), &d) != nil {
		t.Fatalf("%s %v %v: %v: %s", e.name, flags, args, err, errs.String())
	}
	return d, out.String()
}

// The containers that engines make: each has about 64 MiB and 0.2 CPUs, and says so where it sees
// its cgroup, and no more than it sees.
func TestLiveEngines(t *testing.T) {
	long(t, "it starts engines of containers")
	roots := []string{
		"-v", "/proc:/host/proc:ro", "-e", "KWHY_PROC_ROOT=/host/proc", "-v", "/sys:/host/sys:ro", "-e", "KWHY_SYS_ROOT=/host/sys",
	}
	for _, e := range engines(t) {
		for _, ns := range []string{"private", "host"} {
			t.Run(e.name+" with cgroup namespace "+ns, func(t *testing.T) {
				flags := []string{"--cgroupns", ns}
				e.alone(t, flags)
				e.alone(t, append(flags, "--pid", "host"))
				e.rooted(t, append(append(flags, "--pid", "host"), roots...))
				e.rooted(t, append(flags, roots...))
				e.blind(t, append(flags, "--pid", "host", "-v", "/proc:/host/proc:ro", "-e", "KWHY_PROC_ROOT=/host/proc",
					"-e", "KWHY_SYS_ROOT=/host/sys"))
			})
		}
	}
}

// alone is a container that sees its own cgroup, and none above it.
func (e engine) alone(t *testing.T, flags []string) {
	t.Helper()
	d, text := e.of(t, flags, "oom")
	if v := d.Values["cgroup_limit"]; v.Value != memoryOf() {
		t.Errorf("%v: the limit is %v %+v", flags, v.Value, v.Absent)
	}
	if rows := d.Tables["cgroups"]; len(rows.Rows) != 1 || rows.Of == nil || rows.Of.All != nil {
		t.Errorf("%v: cgroups %v of %+v", flags, rows.Rows, rows.Of)
	}
	saysNothingFalse(t, text)
	d, text = e.of(t, flags, "proc", "1")
	saysNothingFalse(t, text)
	for _, r := range d.Tables["limits"].Rows {
		if r["resource"] == "cpus" && strings.Contains(fmt.Sprint(r["why"]), "no more CPU time than that") {
			t.Errorf("%v: %v, and what is above can't be seen", flags, r)
		}
	}
	_, text = e.of(t, flags, "check", "--interval", "0")
	saysNothingFalse(t, text)
}

// rooted is a container that was given the host's /sys: each cgroup stands there once, by its name
// on the host.
func (e engine) rooted(t *testing.T, flags []string) {
	t.Helper()
	d, text := e.of(t, flags, "oom")
	if v := d.Values["cgroup_limit"]; v.Value != memoryOf() || v.Of != nil {
		t.Errorf("%v: the limit is %v of %+v %+v", flags, v.Value, v.Of, v.Absent)
	}
	seen := map[any]bool{}
	own := 0
	for _, r := range d.Tables["cgroups"].Rows {
		path := fmt.Sprint(r["path"])
		if seen[path] || strings.Contains(path, "..") {
			t.Errorf("%v: %v", flags, r)
		}
		seen[path] = true
		if _, err := os.Stat(filepath.Join("/sys/fs/cgroup", path)); strings.Count(path, "/docker/") > 1 || err == nil && path == "/" {
			t.Errorf("%v: %s is no name on the host", flags, path)
		}
		if r["limit"] == memoryOf() {
			own++
		}
	}
	if own != 1 || d.Tables["cgroups"].Of != nil {
		t.Errorf("%v: %d cgroups with its limit, of %+v", flags, own, d.Tables["cgroups"].Of)
	}
	saysNothingFalse(t, text)
}

// blind is a container that was given the host's /proc, and no /sys.
func (e engine) blind(t *testing.T, flags []string) {
	t.Helper()
	d, text := e.of(t, flags, "oom")
	v := d.Values["limited_cgroups"]
	if absent(v) != "not_mounted" || v.Absent.Hint == nil || !strings.Contains(*v.Absent.Hint, "--sys-root") {
		t.Errorf("%v: %v %+v", flags, v.Value, v.Absent)
	}
	saysNothingFalse(t, text)
	d, _ = e.of(t, flags, "proc", "1")
	told := false
	for _, r := range d.Tables["limits"].Rows {
		told = told || r["step"] == "cgroup" && r["limit"] == nil && strings.Contains(fmt.Sprint(r["why"]), "would apply too")
	}
	if !told {
		t.Errorf("%v: no word of the cgroups that bound it: %v", flags, d.Tables["limits"].Rows)
	}
}

// saysNothingFalse finds what no container may say that does not see its host.
func saysNothingFalse(t *testing.T, text string) {
	t.Helper()
	for _, words := range []string{"what the host has", `"/..`, "needs CONFIG_PRINTK", "needs CONFIG_MEMCG", "kill would be global"} {
		if strings.Contains(text, words) {
			t.Errorf("it says %s", words)
		}
	}
}
