package fd_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"kwhy/inspect"
	"kwhy/inspect/fd"
	"kwhy/inspect/inspecttest"
)

// Files that no descriptor leads to are counted as kernels have printed it: 6.18 of a unix
// socket, 6.12 and 5.15 of a ring.
func TestUnlistedFiles(t *testing.T) {
	for text, want := range map[string]int{
		"pos:\t0\nflags:\t02000002\nmnt_id:\t10\nino:\t7027311\nscm_fds: 1\n": 1,
		"pos:\t0\nscm_fds: 0\n": 0,
		"pos:\t0\nflags:\t02\n": -1, // no unix socket, or before 5.6
	} {
		if n, told := fd.InFlight([]byte(text)); told != (want >= 0) || told && n != want {
			t.Errorf("%q: %d, %v", text, n, told)
		}
	}
	for text, want := range map[string]int{
		"SqMask:\t0x7\nUserFiles:\t3\n    0: a.log\n    1: <none>\n    2: b c\nUserBufs:\t1\n    0: 0x7f00/4096\n": 2,
		"UserFiles:\t0\nUserBufs:\t1\n    0: 0x7f00/4096\n":                                                        0,
		"pos:\t0\n": 0,
	} {
		if n := fd.Registered([]byte(text)); n != want {
			t.Errorf("%q: %d registered, want %d", text, n, want)
		}
	}
}

// What the kernel keeps is found by paths that end in " (deleted)": as loop devices and swaps
// spell it. One that a process has too is one file.
func TestKeptByKernel(t *testing.T) {
	dir := t.TempDir()
	tree := `-- proc/self.link --
7
-- proc/meminfo --
MemTotal: 1000 kB
SwapTotal: 1020 kB
-- proc/swaps --
Filename				Type		Size		Used		Priority
/swap\040file\040(deleted)                   file		1020		0		-2
/dev/vdb                                partition	1020		0		-3
-- sys/block/loop0/size --
4096
-- sys/block/loop0/loop/backing_file --
/var/img (deleted)
-- sys/block/loop1/size --
0
-- sys/block/loop2/size --
8
-- sys/block/loop2/loop/backing_file --
/var/kept
-- sys/block/loop3/size --
8
-- sys/block/loop3/loop/backing_file --
/var/open (deleted)
`
	if err := inspecttest.Unpack(dir, []byte(tree)); err != nil {
		t.Fatal(err)
	}
	h, err := inspect.Open(dir+"/proc", dir+"/sys", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	var got []string
	for _, f := range fd.KeptByKernel(h, fd.DeletedFile{Path: "/var/open"}).List {
		got = append(got, fmt.Sprint(f.Path, f.Kernel, f.Size, f.Taken, f.Untold))
	}
	page := h.PageSize
	want := fmt.Sprintf("/var/open[loop3] 0 0 false; /var/img[loop0] %d 0 true; /swap file[swap] %d %[2]d false", 4096*512, 1020<<10+page)
	if said := strings.Join(got, "; "); said != want {
		t.Errorf("kept: %s\nwant %s", said, want)
	}
	if why := fd.KeptByKernel(without(t, dir)).Missing(inspect.LoopBacking); why != inspect.NotSaved {
		t.Errorf("without /sys: %v", why)
	}
}

// without is the same host without its /sys.
func without(t *testing.T, dir string) *inspect.Host {
	t.Helper()
	h, err := inspect.Open(dir+"/proc", dir+"/none", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}
