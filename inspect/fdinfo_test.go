package inspect_test

import (
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"kwhy/inspect"
)

func TestParseInfo(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want inspect.FD
	}{
		"a file":      {"pos:\t12\nflags:\t0102001\nmnt_id:\t27\nino:\t5\n", inspect.FD{HasInfo: true, Pos: 12, Flags: 0o102001, MountID: 27}},
		"before 3.15": {"pos:\t0\nflags:\t02\n", inspect.FD{HasInfo: true, Flags: 2, MountID: -1}},
		"lines of its kind": {"pos:\t0\nflags:\t02\nmnt_id:\t17\ninotify wd:1 ino:13 sdev:fe00000 mask:102\nfanotify flags:0 event-flags:8000\nsettime flags: 01\nit_value: (1, 2)\ntfd:        6 events: 19 data: 6  pos:0\n",
			inspect.FD{HasInfo: true, Flags: 2, MountID: 17, Info: []inspect.InfoLine{{"inotify", "wd:1 ino:13 sdev:fe00000 mask:102"}, {"fanotify", "flags:0 event-flags:8000"}, {"settime flags", "01"}, {"it_value", "(1, 2)"}, {"tfd", "6 events: 19 data: 6  pos:0"}}}},
		"flags of its own": {"pos:\t0\nflags:\t02\nflags:\t0x7\n", inspect.FD{HasInfo: true, Flags: 2, MountID: -1, Info: []inspect.InfoLine{{"flags", "0x7"}}}},
	} {
		got, err := inspect.ParseInfo([]byte(c.text))
		if d := cmp.Diff(c.want, got, cmp.AllowUnexported(inspect.FD{})); err != nil || d != "" {
			t.Errorf("%s: %v, -want +got:\n%s", name, err, d)
		}
	}
	for _, text := range []string{"", "nothing\n", "flags:\t02\n", "pos:\tx\nflags:\t02\n", "pos:\t0\nflags:\t09\n"} {
		if _, err := inspect.ParseInfo([]byte(text)); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

func TestKindOf(t *testing.T) {
	for link, want := range map[string]string{
		"/etc/passwd": "path", "/x (deleted)": "path deleted", "/dev/null": "device", "/dev/shm/x": "path", "/memfd:x (deleted)": "memfd", "/dmabuf:": "dmabuf", "/secretmem (deleted)": "secretmem", "/secretmem": "path",
		"pipe:[1]": "pipe", "socket:[2]": "socket", "net:[3]": "namespace", "pidfd:[4]": "pidfd", "anon_inode:[pidfd]": "pidfd", "anon_inode:inotify": "inotify", "anon_inode:[inotify]": "inotify", "anon_inode:bpf-map": "bpf", "anon_inode:[new]": "other", "": "other", "new:[5]": "other", "x": "other",
	} {
		k, gone := inspect.KindOf(link)
		got := k.String()
		if gone {
			got += " deleted"
		}
		if got != want {
			t.Errorf("%q is %s, want %s", link, got, want)
		}
	}
}

func TestDevicesAndMounts(t *testing.T) {
	got, err := inspect.ParseDevices([]byte("Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n 10 misc\n\nBlock devices:\n254 virtblk\nx y\n 7\n"))
	const any, block = 0xfffff, 1 << 63
	want := map[uint64]string{unix.Mkdev(1, any): "mem", unix.Mkdev(5, any): "/dev/tty", unix.Mkdev(10, any): "misc", unix.Mkdev(254, any) | block: "virtblk"}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v, -want +got:\n%s", err, d)
	}
	if got := inspect.ParseMisc([]byte("200 tun\n x\n229 fuse\n")); got[unix.Mkdev(10, 200)] != "tun" || len(got) != 2 {
		t.Errorf("%v", got)
	}
	m, ok := inspect.ParseMount(`36 35 0:98 /a\040b /mnt\011x rw,noatime master:1 - ext4 /dev/root rw`)
	if !ok || m.ID != 36 || m.Dev != unix.Mkdev(0, 98) || m.Root != "/a b" || m.Point != "/mnt\tx" || m.FSType != "ext4" || m.Source != "/dev/root" {
		t.Errorf("%+v, %v", m, ok)
	}
	for _, bad := range []string{"", "36 35 0:98 / /m rw", "x 35 0:98 / /m rw - ext4 s rw", "36 35 098 / /m rw - ext4 s rw"} {
		if _, ok := inspect.ParseMount(bad); ok {
			t.Errorf("%q is a mount", bad)
		}
	}
	if got := inspect.KernelDev(0xfe00003); got != unix.Mkdev(254, 3) {
		t.Errorf("%x", got)
	}
	dev, inode, name, ok := inspect.MappingOf("56435339d000-56435339f000 r--p 00000000 fe:01 10903891                   /a b (deleted)")
	if !ok || dev != unix.Mkdev(254, 1) || inode != 10903891 || name != "/a b (deleted)" {
		t.Errorf("%x %d %q %v", dev, inode, name, ok)
	}
}

func FuzzParseInfo(f *testing.F) {
	seed(f, func(name string) bool { return strings.Contains(path.Dir(name), "fdinfo") }, "pos:\t0\nflags:\t02\nfanotify flags:0\n")
	f.Fuzz(func(t *testing.T, b []byte) {
		mutate(t, b, func(b []byte) {
			got, err := inspect.ParseInfo(b)
			if err == nil && got.Pos == 0 && !strings.Contains(string(b), "pos") {
				t.Errorf("%+v of %q", got, b)
			}
		})
	})
}

func FuzzDescriptorFiles(f *testing.F) {
	for _, s := range []string{"/x (deleted)", "anon_inode:[x]", "36 35 0:98 /a /m rw - ext4 /dev/root rw", "Block devices:\n  7 loop\n", "200 tun\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		mutate(t, b, func(b []byte) {
			if k, _ := inspect.KindOf(string(b)); k.String() == "" {
				t.Errorf("%q has no kind", b)
			}
			_, _ = inspect.ParseMount(string(b))
			if got, err := inspect.ParseDevices(b); (len(got) == 0) != (err != nil) {
				t.Errorf("%d devices, %v", len(got), err)
			}
			inspect.ParseMisc(b)
		})
	})
}
