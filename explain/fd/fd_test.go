package fd_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"kwhy/explain"
	"kwhy/explain/fd"
	"kwhy/explain/lower"
	"kwhy/inspect"
	fdfacts "kwhy/inspect/fd"
	"kwhy/inspect/inspecttest"
	procfacts "kwhy/inspect/proc"
)

// open is one descriptor of a process that a test makes up: its link and what its
// fdinfo has behind mnt_id.
type open struct{ link, flags, info string }

const mounts = `20 1 254:0 / / rw - ext4 /dev/vda rw
21 20 0:6 / /dev rw - devtmpfs devtmpfs rw
27 20 0:30 / /tmp rw - tmpfs tmpfs rw
28 20 0:30 /sub /srv rw - tmpfs tmpfs rw
`

// process unpacks a /proc with one process that has these open, from 3 on.
func process(t *testing.T, arch string, list ...open) *inspect.Host {
	t.Helper()
	var b strings.Builder
	file := func(name, text string) { fmt.Fprintf(&b, "-- proc/%s --\n%s\n", name, strings.TrimSuffix(text, "\n")) }
	file("self.link", "7")
	file("meminfo", "MemTotal: 1000 kB")
	file("sys/kernel/osrelease", "6.18.0")
	file("sys/kernel/arch", arch)
	file("devices", "Character devices:\n  1 mem\n 10 misc\n136 pts\n\nBlock devices:\n254 virtblk")
	file("misc", "200 tun\n229 fuse")
	file("7/stat", "7 (some) S 1 7 7 0 -1 4194304 0 0 0 0 0 0 0 0 20 0 1 0 100 0 0 18446744073709551615 0 0 0 0 0 0 0 0 0 0 0 0 17 "+
		"0 0 0 0 0 0 0 0 0 0 0 0 0 0")
	file("7/status", "Name:\tsome\nPid:\t7\nPPid:\t1\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0")
	file("7/limits", "Limit                     Soft Limit           Hard Limit           Units     \nMax open files            8   "+
		"                 8                    files     ")
	file("7/mountinfo", mounts)
	for i, o := range list {
		file(fmt.Sprintf("7/fd/%d.link", i+3), o.link)
		flags := o.flags
		if flags == "" {
			flags = "02"
		}
		file(fmt.Sprintf("7/fdinfo/%d", i+3), "pos:\t0\nflags:\t"+flags+"\nmnt_id:\t20\n"+o.info)
	}
	dir := t.TempDir()
	if err := inspecttest.Unpack(dir, []byte(b.String())); err != nil {
		t.Fatal(err)
	}
	h, err := inspect.Open(dir+"/proc", dir+"/sys", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// column returns what a column of the table of descriptors has, by row.
func column(t *testing.T, h *inspect.Host, key string) (out []string) {
	t.Helper()
	l, err := fd.Take(h, 7, 0)
	if err != nil {
		t.Fatal(err)
	}
	v, err := lower.NewView(fd.FDs(), []string{"fd", key}, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	g, _ := v.Explain(l, v.Order(l), nil)
	for row := range g.Rows {
		text := row.Values[1].Text()
		for _, w := range row.Values[1].List() {
			text = strings.TrimSpace(text + " " + w.Text())
		}
		if row.Values[1].Kind() == explain.Absent {
			text = row.Values[1].Reason().String()
		}
		out = append(out, strings.Clone(text))
	}
	return out
}

// What fdinfo says of each kind is shown as it is: lines as kernels have written them.
func TestKindsWithoutAFileSystem(t *testing.T) {
	group := "fanotify flags:0 event-flags:8000\n"
	timer := "clockid: 1\nticks: %s\nsettime flags: 00\nit_value: (%s)\nit_interval: (%s)\n"
	for name, c := range map[string]struct{ link, info, want string }{
		"eventfd": {
			"anon_inode:[eventfd]", "eventfd-count:               ff\neventfd-id: 3\n",
			"a counter at 255; a read takes all",
		},
		"semaphore": {
			"anon_inode:[eventfd]", "eventfd-count:                2\neventfd-semaphore: 1\n",
			"a counter at 2; each read takes one",
		},
		"fanotify without a mark": {"anon_inode:[fanotify]", group, "watches by fanotify, and has no mark yet"},
		"fanotify, an inode": {
			"anon_inode:[fanotify]",
			group + "fanotify ino:13 sdev:fe00000 mflags:0 mask:2 ignored_mask:0 fhandle-bytes:8 fhandle-type:1 " +
				"f_handle:1300000000000000\n",
			"watches by fanotify, 1 mark: inode 19 at / for FAN_MODIFY",
		},
		"fanotify, a mount": {
			"anon_inode:[fanotify]", group + "fanotify mnt_id:1b mflags:0 mask:10020 ignored_mask:1\n",
			"watches by fanotify, 1 mark: the mount at /tmp for FAN_OPEN FAN_OPEN_PERM, not FAN_ACCESS",
		},
		"fanotify, a file system": {
			"anon_inode:[fanotify]",
			group + "fanotify sdev:6 mflags:0 mask:40000100 ignored_mask:0\nfanotify sdev:99 mflags:0 mask:1 ignored_mask:0\n",
			"watches by fanotify, 2 marks: the whole file system at /dev for FAN_CREATE FAN_ONDIR, the whole file system that is " +
				"not mounted here for FAN_ACCESS",
		},
		"inotify without brackets": {
			"anon_inode:inotify",
			"inotify wd:1 ino:13 sdev:fe00000 mask:102 ignored_mask:0 fhandle-bytes:8 fhandle-type:1 f_handle:1300000000000000\n",
			"watches 1 file or directory: inode 19 at / for IN_MODIFY IN_CREATE",
		},
		"inotify, everything": {
			"anon_inode:[inotify]",
			"inotify wd:2 ino:2 sdev:1e mask:fff ignored_mask:0 \ninotify wd:1 ino:13 sdev:fe00000 mask:8 ignored_mask:0 \n",
			"watches 2 files and directories: inode 2 at /tmp for every event, inode 19 at / for IN_CLOSE_WRITE",
		},
		"inotify, none": {"anon_inode:[inotify]", "", "watches none"},
		"pidfd": {
			"anon_inode:[pidfd]", "Pid:\t42\nNSpid:\t42\n",
			"process 42 itself, even if its number is reused",
		},
		"pidfd, ended": {"anon_inode:[pidfd]", "Pid:\t-1\nNSpid:\t-1\n", "a process that has ended and was reaped"},
		"epoll": {
			"anon_inode:[eventpoll]",
			"tfd:        6 events: 80000019 data:                6  pos:0 ino:2c1fa sdev:5\ntfd:        7 events:     2005 data: " +
				"7  pos:0 ino:1 sdev:5\n",
			"waits for 2 descriptors: 6 for EPOLLIN EPOLLET, 7 for EPOLLIN EPOLLOUT EPOLLRDHUP",
		},
		"epoll, one shot": {
			"anon_inode:[eventpoll]",
			"tfd:        6 events: 40000000 data:                6  pos:0 ino:2c1fa sdev:5\n",
			"waits for 1 descriptor: 6 for nothing until it is armed again",
		},
		"timer, running": {
			"anon_inode:[timerfd]", fmt.Sprintf(timer, "0", "4999, 0", "60, 0"),
			"a timer on the monotonic clock, expires in 1h23m19s and every 1m0s",
		},
		"timer, went off": {
			"anon_inode:[timerfd]", fmt.Sprintf(timer, "1", "0, 0", "0, 0"),
			"a timer on the monotonic clock, expired and was not read yet",
		},
		"timer, went off, repeats": {
			"anon_inode:[timerfd]", fmt.Sprintf(timer, "1", "0, 0", "2, 500000000"),
			"a timer on the monotonic clock, expired and was not read yet; every 2.5 s",
		},
		"timer, at rest": {
			"anon_inode:[timerfd]", fmt.Sprintf(timer, "0", "0, 0", "0, 0"),
			"a timer on the monotonic clock, disarmed",
		},
		"signalfd": {
			"anon_inode:[signalfd]", "sigmask:\t0000000000004200\n", "reads signals as they come: SIGUSR1 SIGTERM",
		},
		"userfaultfd": {
			"anon_inode:[userfaultfd]", "pending:\t0\ntotal:\t2\nAPI:\taa:0:7fffffffffffffff\n",
			"page faults of a range of memory, served by a program: 2 wait",
		},
		"io_uring": {
			"anon_inode:[io_uring]", "SqMask:\t0x3\nSqHead:\t5\nSqTail:\t7\n",
			"a ring of I/O requests, 2 handed in and not taken yet",
		},
		"dmabuf": {"/dmabuf:", "size:\t8192\ncount:\t2\nexp_name:\tsystem\n", "memory shared among devices, 8.0 KiB"},
		"BPF map": {
			"anon_inode:bpf-map",
			"map_type:\t27\nkey_size:\t0\nvalue_size:\t0\nmax_entries:\t4096\nmap_flags:\t0x0\nmemlock:\t16680\nmap_id:\t12\nfrozen:\t0\n",
			"a BPF map (id 12) of type ringbuf: keys of 0 bytes, values of 0, 4096 entries at most, 16.3 KiB",
		},
		"BPF map of later kernels": {
			"anon_inode:bpf-map", "map_type:\t99\nkey_size:\t4\nvalue_size:\t8\nmax_entries:\t1\n",
			"a BPF map of type 99: keys of 4 bytes, values of 8, 1 entry at most",
		},
		"BPF program": {
			"anon_inode:bpf-prog",
			"prog_type:\t1\nprog_jited:\t1\nprog_tag:\ta04f5eef06a7f555\nmemlock:\t4096\nprog_id:\t7\n",
			"a BPF program (id 7) of type socket_filter, tag a04f5eef06a7f555",
		},
		"BPF link": {
			"anon_inode:bpf_link", "link_type:\tcgroup\nlink_id:\t3\nprog_tag:\ta04f5eef06a7f555\nprog_id:\t7\n",
			"a BPF link (id 3) of type cgroup to a program (id 7)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := column(t, process(t, "x86_64", open{c.link, "", c.info}), "why"); len(got) != 1 || got[0] != c.want {
				t.Errorf("%q\nwant %q", got, c.want)
			}
		})
	}
}

// Four flags have other values on ARM, and the descriptor of a place has no mode.
func TestFlags(t *testing.T) {
	for _, c := range []struct{ arch, flags, want, mode string }{
		{"x86_64", "0100002", "", "rw"},
		{"x86_64", "02102001", "O_APPEND O_CLOEXEC", "w"},
		{"x86_64", "0240000", "O_DIRECT O_DIRECTORY", "r"},
		{"x86_64", "04010000", "O_SYNC", "r"},
		{"x86_64", "012000000", "O_CLOEXEC O_PATH", "-"},
		{"x86_64", "040000000", "040000000", "r"},
		{"aarch64", "0240000", "O_DIRECT O_DIRECTORY", "r"},
		{"aarch64", "0200000", "O_DIRECT", "r"},
		{"aarch64", "040000", "O_DIRECTORY", "r"},
		{"aarch64", "0500000", "O_NOFOLLOW", "r"},
	} {
		h := process(t, c.arch, open{"/etc/passwd", c.flags, ""})
		if got, mode := column(t, h, "flags")[0], column(t, h, "mode")[0]; got != c.want || mode != c.mode {
			t.Errorf("%s on %s is %q, %q; want %q, %q", c.flags, c.arch, got, mode, c.want, c.mode)
		}
	}
}

// TestWithoutFdinfoNoEndIsNamed: only the flags in fdinfo say which end of a pipe a descriptor is.
func TestWithoutFdinfoNoEndIsNamed(t *testing.T) {
	pipes := []open{{link: "pipe:[5]", flags: "00"}, {link: "pipe:[5]", flags: "01"}}
	for _, c := range []struct {
		lost []string
		want [2]string
	}{
		{nil, [2]string{
			"the read end of a pipe; the other end is open in some (7) as 4", "the write end of a pipe; the other end is open in some (7) as 3",
		}},
		{[]string{"3"}, [2]string{
			"one end of a pipe, which one is not known; one of its ends is also open in some (7) as 4",
			"the write end of a pipe; one end, which one is not known, is open in some (7) as 3",
		}},
		{[]string{"3", "4"}, [2]string{
			"one end of a pipe, which one is not known; one of its ends is also open in some (7) as 4",
			"one end of a pipe, which one is not known; one of its ends is also open in some (7) as 3",
		}},
	} {
		h := process(t, "x86_64", pipes...)
		for _, n := range c.lost {
			if err := os.Remove(h.Proc.Root + "/7/fdinfo/" + n); err != nil {
				t.Fatal(err)
			}
		}
		if got := column(t, h, "why"); !slices.Equal(got, c.want[:]) {
			t.Errorf("without fdinfo of %v:\n%q, want\n%q", c.lost, got, c.want)
		}
	}
}

// TestALimitThatWasCutIsNone: half a line of limits has half a number, or the first of two alone.
func TestALimitThatWasCutIsNone(t *testing.T) {
	const line = "Max open files            1024                 4096                 files     \n"
	for n := range len(line) + 1 {
		for _, end := range []string{"", "\n"} { // cut as a file, and as a line
			h := process(t, "x86_64")
			inspecttest.Write(t, h.Proc.Root+"/7/limits", "Limit                     Soft Limit           Hard Limit           Units     \n"+
				"Max processes             7                    7                    processes \n"+line[:n]+end)
			l, err := fd.Take(h, 7, 0)
			if err != nil {
				t.Fatal(err)
			}
			hard := strings.Contains(line[:n], " 4096 ")
			if s, hardNow := l.Limit.Soft, l.Limit.Hard; hard && end == "\n" && (s != 1024 || hardNow != 4096) ||
				(end == "" && n < len(line) || !strings.Contains(line[:n], " 4")) && (s != inspect.Garbled || hardNow != inspect.Garbled) {
				t.Errorf("of %q: soft %d, hard %d", line[:n]+end, s, hardNow)
			}
		}
	}
}

// Where the list is denied and the size of its directory is not, the size is the number of descriptors,
// and how many of them are below the limit is known only as long as they are no more than that.
func TestSizeAlone(t *testing.T) {
	h := process(t, "x86_64", open{link: "/dev/null"})
	ps, err := procfacts.Scan(h, inspect.Of(inspect.PIDStat, inspect.PIDLimits))
	if err != nil {
		t.Fatal(err)
	}
	card, table := fd.Process(), fd.Processes()
	for size, want := range map[int]struct {
		measure float64
		outcome lower.Outcome
	}{7: {7. / 8, lower.Found}, 8: {1, lower.Found}, 9: {-1, lower.Blind}} {
		l, err := fdfacts.TakeList(h, ps, 7, 0)
		if err != nil {
			t.Fatal(err)
		}
		l.List, l.Size, l.Sized, l.Sources[inspect.PIDFd] = nil, size, true, inspect.Denied
		rep := lower.Explain(&card, l, nil)
		if v := rep.Cell("open_fds").Value; !v.Has() || v.Int() != int64(size) {
			t.Errorf("size %d: open_fds is %v", size, v)
		}
		if v := rep.Cell("fd_lowest_free").Value; v.Reason() != inspect.Denied {
			t.Errorf("size %d: the lowest free number is %v", size, v)
		}
		for _, r := range lower.JudgeCard(&card, l, nil).Rules {
			if r.ID == "fd.limit_near" && (r.Outcome != want.outcome || r.Measure.Has() && r.Measure.Float() != want.measure) {
				t.Errorf("size %d: %v, %v", size, r.Outcome, r.Measure)
			}
		}
		scan := procfacts.ScanFDs(h, ps, nil)
		scan.Counts[0] = procfacts.FDCount{Total: size, Sized: true, Reason: inspect.Denied, Below: int(inspect.Unset)}
		f, err := fdfacts.TakeBeside(h, func() *procfacts.FDScan { return scan }, inspect.Sources{})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range table.Fields {
			if c.Key != "fd_used" {
				continue
			}
			v := c.Get(f.At(0))
			if v.Has() != (want.measure > 0) || v.Has() && v.Float() != want.measure || !v.Has() && v.Reason() != inspect.Denied {
				t.Errorf("size %d: of the numbers below the limit %v are taken (%v)", size, v, v.Reason())
			}
		}
	}
}
