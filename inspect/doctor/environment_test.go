package doctor

import (
	"os"
	"slices"
	"testing"

	"kwhy/inspect"
	"kwhy/inspect/inspecttest"
	"kwhy/inspect/proc"
)

// The mounts that decide what is seen: of several at one place the last, whatever
// else is mounted in a container, and lines that are none.
func TestSightMounts(t *testing.T) {
	s := &Environment{Settings: inspect.Settings{Host: &inspect.Host{Proc: inspect.Tree{Root: "/proc"}, Sys: inspect.NoTree("/sys")}}}
	err := s.parseMounts([]byte(`1 0 0:40 / / rw,relatime - overlay overlay rw,lowerdir=/a
22 1 0:5 / /proc rw - proc proc rw
23 22 0:6 / /proc rw,nosuid - proc proc rw,hidepid=invisible,gid=4,subset=pid
24 1 0:7 / /sys ro,nosuid - sysfs sysfs rw
25 24 0:8 / /sys/kernel/debug rw - debugfs none rw
nothing of the kind
29 1 0:12 / /other/proc rw - proc proc rw
`))
	if err != nil {
		t.Fatal(err)
	}
	if s.Proc.Option("hidepid") != "invisible" || s.Proc.Option("subset") != "pid" || s.Proc.Option("uid") != "" {
		t.Errorf("%+v", s.Proc)
	}
	if !s.Sys.Has("ro") || s.Debug == nil || s.Root.Type != "overlay" {
		t.Errorf("%+v %+v %+v", s.Sys, s.Debug, s.Root)
	}
	if err := s.parseMounts([]byte("nothing of the kind\n")); err == nil {
		t.Error("a file without a mount is malformed")
	}
}

// The hierarchies of cgroups, with the controllers that they have.
func TestSightCgroups(t *testing.T) {
	s := &Environment{Settings: inspect.Settings{Host: inspecttest.Open(t, inspecttest.UnpackText(t, `-- proc/self/mountinfo --
24 1 0:7 / /sys ro,nosuid - sysfs sysfs rw
26 24 0:9 / /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct
27 24 0:10 / /sys/fs/cgroup/systemd ro - cgroup cgroup rw,xattr,release_agent=/lib/x,name=systemd
28 24 0:11 / /sys/fs/cgroup/unified ro - cgroup2 cgroup2 rw,nsdelegate
`))}}
	s.cgroups()
	var got [][]string
	for _, c := range s.Cgroups {
		got = append(got, c.Controllers)
	}
	if len(got) != 3 || !slices.Equal(got[0], []string{"cpu", "cpuacct"}) || !slices.Equal(got[1], []string{"name=systemd"}) ||
		s.Cgroups[2].Version != 2 {
		t.Errorf("%+v", s.Cgroups)
	}
}

// In a copy self is who made it: its rights and namespaces are not kwhy's, whatever they are. And
// what a hierarchy has is not known where its cgroup.controllers was not saved.
func TestNothingOfKwhyInACopy(t *testing.T) {
	h := inspecttest.Open(t, inspecttest.UnpackText(t, `-- proc/self/stat --
7 (tar) R 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 0 0
-- proc/self/status --
Name:	tar
Uid:	0	0	0	0
CapEff:	000001ffffffffff
-- proc/self/mountinfo --
28 24 0:11 / /sys/fs/cgroup ro - cgroup2 cgroup2 rw,nsdelegate
`))
	for name, id := range map[string]string{"user": "4026531837", "net": "4026531833"} {
		if err := os.MkdirAll(h.Proc.Root+"/self/ns", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(name+":["+id+"]", h.Proc.Root+"/self/ns/"+name); err != nil {
			t.Fatal(err)
		}
	}
	s := TakeEnvironment(h, &proc.Processes{})
	if yes, known := s.Holds(2); yes || known || s.User != "" || len(s.Spaces) != 0 || s.Foreign {
		t.Errorf("%v %v, %+v", yes, known, s)
	}
	for _, src := range []inspect.Source{inspect.PIDStatus, inspect.PIDNs} {
		if why := s.Missing(src); why != inspect.Inapplicable {
			t.Errorf("%v: %v", src, why)
		}
	}
	if len(s.Cgroups) != 1 || s.Cgroups[0].Why != inspect.NotSaved {
		t.Errorf("%+v", s.Cgroups)
	}
}

func TestTally(t *testing.T) {
	var none, some Tally
	some.why[inspect.Present], some.why[inspect.Denied], some.why[inspect.Failed] = 3, 2, 1
	if r, n := some.Most(); r != inspect.Denied || n != 2 || some.Gave() != 3 {
		t.Errorf("%v %d %d", r, n, some.Gave())
	}
	if r, n := none.Most(); r != inspect.Present || n != 0 {
		t.Errorf("%v %d", r, n)
	}
}
