package cmd

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// box is a container by hand: cgroups of its own with a limit of 64 MiB and 1.5 CPUs, and a
// process that sleeps in them.
type box struct {
	memory memcg
	cpu    string
	pid    int
}

func newBox(t *testing.T) box {
	t.Helper()
	root(t)
	b := box{memory: newMemcg(t, 64<<20)}
	if b.memory.v2 {
		b.cpu = b.memory.dir
	} else {
		b.cpu = cpuGroup(t)
	}
	quota(t, b.cpu, 150000)
	c := child(t, nil, "sh", "-c", b.join()+"exec sleep 600")
	settle(t, c.Process.Pid, "stat", "(sleep) S")
	b.pid = c.Process.Pid
	return b
}

// join puts a shell into the cgroups.
func (b box) join() string {
	return fmt.Sprintf("echo $$ >%s/cgroup.procs && echo $$ >%s/cgroup.procs && ", b.memory.dir, b.cpu)
}

// The ways to mount /sys/fs/cgroup in a box: what its own cgroup namespace shows, or the
// directory of its own cgroup out of the host's, as with --cgroupns private and host.
const (
	ownNamespace = "unshare --cgroup --mount"
	boundFromAll = "unshare --mount"
)

// run runs kwhy in the box, where the host's /sys is at sys, and returns its report.
func (b box) run(t *testing.T, apart, mounts string, args ...string) document {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf(`%s exec %s sh -c '%s exec bash -c '\''exec -a kwhy %s "$@"'\'' kwhy "$@"' sh "$@"`, b.join(), apart, mounts, self)
	var out, errs bytes.Buffer
	c := exec.Command("sh", append([]string{"-c", script, "sh", "-o", "json"}, args...)...)
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		t.Skipf("no container can be made by hand here: %v: %s", err, errs.String())
	}
	return readJSON(t, out.String())
}

// mounts are the commands that give a box /sys/fs/cgroup, with the host's /sys at hostSys.
func (b box) mounts(apart, hostSys string) string {
	s := "mount --rbind /sys " + hostSys + " && "
	switch {
	case b.memory.v2 && apart == ownNamespace:
		return s + "mount -t cgroup2 none /sys/fs/cgroup && "
	case b.memory.v2:
		return s + "mount --bind " + b.memory.dir + " /sys/fs/cgroup && "
	}
	s += "mount -t tmpfs none /sys/fs/cgroup && mkdir /sys/fs/cgroup/memory /sys/fs/cgroup/cpu && "
	for name, dir := range map[string]string{"memory": b.memory.dir, "cpu": b.cpu} {
		if apart == ownNamespace {
			s += "mount -t cgroup -o " + name + " none /sys/fs/cgroup/" + name + " && "
		} else {
			s += "mount --bind " + hostSys + strings.TrimPrefix(dir, "/sys") + " /sys/fs/cgroup/" + name + " && "
		}
	}
	return s
}

// A kwhy in a container says what bounds it and the limits that it sees, and no more: that
// nothing bounds it, or that the host's RAM or CPUs do, it says where it sees the hierarchy to its
// root. With the host's /sys it sees each cgroup once, by its name on the host.
func TestLiveContainerSeesItsPart(t *testing.T) {
	long(t, "it runs many commands, in one goroutine each")
	b := newBox(t)
	for name, apart := range map[string]string{"a cgroup namespace of its own": ownNamespace, "the host's": boundFromAll} {
		t.Run(name, func(t *testing.T) {
			hostSys := t.TempDir()
			mounts := b.mounts(apart, hostSys)
			reason := "not_mounted"
			if apart == ownNamespace {
				reason = "other_namespace"
			}

			d := b.run(t, apart, mounts, "oom")
			limits64(t, d, reason)
			own := "/"
			if apart == boundFromAll {
				own = b.memory.path
			}
			if rows := d.Tables["cgroups"].Rows; len(rows) != 1 || rows[0]["path"] != own || rows[0]["limit"] != 64.0*(1<<20) {
				t.Errorf("the cgroups with a limit: %v, want %s alone", rows, own)
			}
			for _, r := range b.run(t, apart, mounts, "proc", strconv.Itoa(b.pid)).Tables["limits"].Rows {
				if r["resource"] == "cpus" && strings.Contains(fmt.Sprint(r["why"]), "no more CPU time than that") {
					t.Errorf("with groups above that can't be seen: %v", r)
				}
			}

			d = b.run(t, apart, mounts, "--sys-root", hostSys, "oom")
			limits64(t, d, "")
			found := 0
			for _, r := range d.Tables["cgroups"].Rows {
				if strings.HasSuffix(r["path"].(string), filepath.Base(b.memory.dir)) {
					found++
					if r["path"] != b.memory.path || r["limit"] != 64.0*(1<<20) || r["processes"].(float64) < 2 {
						t.Errorf("%v, and it is %s", r, b.memory.path)
					}
				}
			}
			if of := d.Tables["cgroups"].Of; found != 1 || of != nil {
				t.Errorf("with the host's /sys it stands %d times, among %+v", found, of)
			}
			d = b.run(t, apart, mounts, "--sys-root", hostSys, "proc", strconv.Itoa(b.pid))
			cpus := rungs(d, "cpus", "cgroup")
			if len(cpus) == 0 || cpus[0]["where"] != strings.TrimPrefix(b.cpu, b.cpuRoot()) || cpus[0]["limit"] != 1.5 ||
				cpus[0]["first"] != true || cpus[0]["why"] != "the lowest: it gets no more CPU time than that" {
				t.Errorf("%v, and its cgroup is %s", cpus, b.cpu)
			}

			d = b.run(t, apart, mounts, "--sys-root", filepath.Join(hostSys, "no"), "mem")
			v := d.Values["cgroup_limit"]
			if absent(v) != "not_mounted" || v.Absent.Hint == nil || !strings.Contains(*v.Absent.Hint, "--sys-root") {
				t.Errorf("without cgroups below --sys-root: %v %+v", v.Value, v.Absent)
			}
		})
	}
}

// limits64 finds the limit of 64 MiB, and where groups above it can't be seen, no word of what
// the host has.
func limits64(t *testing.T, d document, reason string) {
	t.Helper()
	v := d.Values["cgroup_limit"]
	if v.Value != 64.0*(1<<20) {
		t.Errorf("the lowest hard limit is %v: %+v", v.Value, v.Absent)
	}
	of := d.Values["limited_cgroups"].Of
	if (of == nil) != (reason == "") || of != nil && (of.Reason != reason || of.All != nil || of.Seen != 1) {
		t.Errorf("cgroups with a limit are of %+v, want those of which the rest is %q", of, reason)
	}
}

// cpuRoot is where the hierarchy of its CPU controller is mounted.
func (b box) cpuRoot() string {
	root := "/sys/fs/cgroup"
	if !b.memory.v2 {
		root = filepath.Dir(b.cpu)
	}
	return root
}
