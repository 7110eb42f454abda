package fd_test

import (
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"kwhy/inspect/fd"
	"kwhy/inspect/inspecttest"
	"kwhy/inspect/mem"
	"kwhy/inspect/proc"
)

func TestParseInfo(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want fd.Descriptor
	}{
		"a file": {"pos:\t12\nflags:\t0102001\nmnt_id:\t27\nino:\t5\n",
			fd.Descriptor{HasInfo: true, Pos: 12, Flags: 0o102001, MountID: 27, Ino: 5}},
		"before 3.15": {"pos:\t0\nflags:\t02\n", fd.Descriptor{HasInfo: true, Flags: 2, MountID: -1}},
		"lines of its kind": {"pos:\t0\nflags:\t02\nmnt_id:\t17\ninotify wd:1 ino:13 sdev:fe00000 mask:102\n" +
			"fanotify flags:0 event-flags:8000\nsettime flags: 01\nit_value: (1, 2)\ntfd:        6 events: 19 data: 6  pos:0\n",
			fd.Descriptor{HasInfo: true, Flags: 2, MountID: 17,
				Info: []fd.InfoLine{{Name: "inotify", Value: "wd:1 ino:13 sdev:fe00000 mask:102"},
					{Name: "fanotify", Value: "flags:0 event-flags:8000"}, {Name: "settime flags", Value: "01"}, {Name: "it_value", Value: "(1, 2)"},
					{Name: "tfd", Value: "6 events: 19 data: 6  pos:0"}}}},
		"flags of its own": {"pos:\t0\nflags:\t02\nflags:\t0x7\n",
			fd.Descriptor{HasInfo: true, Flags: 2, MountID: -1, Info: []fd.InfoLine{{Name: "flags", Value: "0x7"}}}},
	} {
		got, err := fd.ParseInfo([]byte(c.text))
		if d := cmp.Diff(c.want, got, cmp.AllowUnexported(fd.Descriptor{})); err != nil || d != "" {
			t.Errorf("%s: %v, -want +got:\n%s", name, err, d)
		}
	}
	for _, text := range []string{"", "nothing\n", "flags:\t02\n", "pos:\tx\nflags:\t02\n", "pos:\t0\nflags:\t09\n"} {
		if _, err := fd.ParseInfo([]byte(text)); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

func TestDevicesAndMounts(t *testing.T) {
	got, err := fd.ParseDevices(
		[]byte("Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n 10 misc\n\nBlock devices:\n254 virtblk\nx y\n 7\n"),
	)
	const any, block = 0xfffff, 1 << 63
	want := map[uint64]string{
		unix.Mkdev(1, any):           "mem",
		unix.Mkdev(5, any):           "/dev/tty",
		unix.Mkdev(10, any):          "misc",
		unix.Mkdev(254, any) | block: "virtblk",
	}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v, -want +got:\n%s", err, d)
	}
	if got := fd.ParseMisc([]byte("200 tun\n x\n229 fuse\n")); got[unix.Mkdev(10, 200)] != "tun" || len(got) != 2 {
		t.Errorf("%v", got)
	}
	m, ok := fd.ParseMount(`36 35 0:98 /a\040b /mnt\011x rw,noatime master:1 - ext4 /dev/root rw`)
	if !ok || m.ID != 36 || m.Dev != unix.Mkdev(0, 98) || m.Root != "/a b" || m.Point != "/mnt\tx" || m.FSType != "ext4" ||
		m.Source != "/dev/root" {
		t.Errorf("%+v, %v", m, ok)
	}
	for _, bad := range []string{"", "36 35 0:98 / /m rw", "x 35 0:98 / /m rw - ext4 s rw", "36 35 098 / /m rw - ext4 s rw"} {
		if _, ok := fd.ParseMount(bad); ok {
			t.Errorf("%q is a mount", bad)
		}
	}
	if got := fd.KernelDev(0xfe00003); got != unix.Mkdev(254, 3) {
		t.Errorf("%x", got)
	}
	var v mem.Mapping
	ok = v.Parse([]byte("56435339d000-56435339f000 r--p 00000000 fe:01 10903891                   /a b (deleted)"))
	if !ok || v.Dev != unix.Mkdev(254, 1) || v.Inode != 10903891 || v.Path != "/a b (deleted)" {
		t.Errorf("%+v %v", v, ok)
	}
}

func FuzzParseInfo(f *testing.F) {
	inspecttest.Seed(
		f,
		func(name string) bool { return strings.Contains(path.Dir(name), "fdinfo") },
		"pos:\t0\nflags:\t02\nfanotify flags:0\n",
	)
	f.Fuzz(func(t *testing.T, b []byte) {
		inspecttest.Mutate(t, b, func(b []byte) {
			got, err := fd.ParseInfo(b)
			if err == nil && got.Pos == 0 && !strings.Contains(string(b), "pos") {
				t.Errorf("%+v of %q", got, b)
			}
		})
	})
}

func FuzzDescriptorFiles(f *testing.F) {
	for _, s := range []string{"/x (deleted)", "anon_inode:[x]", "36 35 0:98 /a /m rw - ext4 /dev/root rw", "Block devices:\n  7 loop\n",
		"200 tun\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		inspecttest.Mutate(t, b, func(b []byte) {
			if k, _ := proc.KindOf(b); k.String() == "" {
				t.Errorf("%q has no kind", b)
			}
			_, _ = fd.ParseMount(string(b))
			if got, err := fd.ParseDevices(b); (len(got) == 0) != (err != nil) {
				t.Errorf("%d devices, %v", len(got), err)
			}
			fd.ParseMisc(b)
		})
	})
}
