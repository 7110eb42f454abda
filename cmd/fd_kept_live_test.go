package cmd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// deletedRow is the row of a path in what fd --deleted says.
func deletedRow(d document, path string) map[string]any {
	rows := d.Tables["deleted"].Rows
	i := slices.IndexFunc(rows, func(r map[string]any) bool { return r["target"] == path })
	if i < 0 {
		return nil
	}
	return rows[i]
}

// A loop device keeps its file though no process has it open.
func TestLiveLoopDeviceKeepsAFile(t *testing.T) {
	losetup, err := exec.LookPath("losetup")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("it takes losetup and root to have a loop device")
	}
	img := filepath.Join(t.TempDir(), "img")
	if err := os.WriteFile(img, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(losetup, "-f", "--show", "--read-only", img).Output()
	if err != nil {
		t.Skipf("no loop device: %v", err)
	}
	dev := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if out, err := exec.Command(losetup, "-d", dev).CombinedOutput(); err != nil {
			t.Errorf("losetup -d %s: %s", dev, out)
		}
	})
	if err := os.Remove(img); err != nil {
		t.Fatal(err)
	}
	said, _, _ := live(t, "fd", "--deleted", "-o", "json")
	d := readJSON(t, said)
	row := deletedRow(d, img)
	if row == nil || fmt.Sprint(row["kernel_holders"]) != fmt.Sprint([]any{filepath.Base(dev)}) || row["taken"] != nil ||
		row["size"] != float64(1<<20) || row["processes"] != float64(0) {
		t.Errorf("the file of %s: %v", dev, row)
	}
	if n, _ := d.Values["gone_loops"].Value.(float64); n < 1<<20 {
		t.Errorf("loop devices keep %v", d.Values["gone_loops"].Value)
	}
	text, _, _ := live(t, "fd", "--deleted", "--width", "300", "--limit", "0")
	if want := "kept by loop device " + filepath.Base(dev) + "; "; !strings.Contains(text, want) {
		t.Errorf("no %q in:\n%s", want, text)
	}
}

// A file in flight over a unix socket is in no list, and fd --deleted says that there is one.
func TestLiveFileInFlight(t *testing.T) {
	before := inFlight(t)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	f, err := os.CreateTemp(t.TempDir(), "sent")
	if err != nil {
		t.Fatal(err)
	}
	_ = os.Remove(f.Name())
	err = unix.Sendmsg(pair[0], []byte{1}, unix.UnixRights(int(f.Fd()), int(f.Fd())), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	d := inFlight(t)
	if d.Values["in_flight"].Absent != nil {
		t.Skipf("this kernel does not count them: %v", d.Values["in_flight"].Absent)
	}
	own := fmt.Sprintf("(%d) as %d", os.Getpid(), pair[1])
	if said := d.Values["in_flight"].Reading; !strings.Contains(said, own) && !strings.Contains(said, " more") {
		t.Errorf("in flight is read as %q, want %q", said, own)
	}
	if n, _ := d.Values["in_flight"].Value.(float64); n < 2 {
		t.Errorf("%v in flight, sent 2; before that %v", n, before.Values["in_flight"].Value)
	}
	if row := deletedRow(d, f.Name()); row != nil {
		t.Errorf("what is in flight is kept by somebody: %v", row)
	}
	const below = "Files in flight or of rings, which are below, may be deleted too."
	if v := d.Values["gone_files"]; v.Of == nil && !strings.Contains(v.Reading, below) {
		t.Errorf("deleted files are read as %q", v.Reading)
	}
}

func inFlight(t *testing.T) document {
	t.Helper()
	said, _, _ := live(t, "fd", "--deleted", "-o", "json")
	return readJSON(t, said)
}

// Of many sockets the fdinfo of those alone is read that can carry files: what is in flight to
// one of these is found all the same.
func TestLiveFileInFlightAmongManySockets(t *testing.T) {
	const many = 700 // more than are read without a look
	for range many {
		s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(s) })
		if err := unix.Bind(s, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			t.Fatal(err)
		}
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(pair[0]); unix.Close(pair[1]) })
	before := inFlight(t).Values["in_flight"]
	if before.Absent != nil {
		t.Skipf("this kernel does not count them: %v", before.Absent)
	}
	if err := unix.Sendmsg(pair[0], nil, unix.UnixRights(0, 0, 0), nil, 0); err != nil { // with no byte
		t.Fatal(err)
	}
	after := inFlight(t).Values["in_flight"]
	own := fmt.Sprintf("(%d) as %d", os.Getpid(), pair[1])
	if n, _ := after.Value.(float64); n < 3 || !strings.Contains(after.Reading, own) && !strings.Contains(after.Reading, " more") {
		t.Errorf("%v in flight, sent 3: %q, want %q", after.Value, after.Reading, own)
	}
}

// A ring that several descriptors lead to, of one process or of two, is one ring; others are
// others.
func TestLiveFilesOfRings(t *testing.T) {
	var rings []int
	params := make([]byte, 120) // struct io_uring_params
	for range 3 {
		fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params[0])), 0)
		if errno != 0 {
			t.Skipf("no io_uring here: %v", errno)
		}
		unix.CloseOnExec(int(fd))
		clear(params)
		rings = append(rings, int(fd))
	}
	files := []int32{0, 0}
	const registerFiles = 2 // IORING_REGISTER_FILES
	for _, ring := range rings[:2] {
		at := uintptr(unsafe.Pointer(&files[0]))
		_, _, errno := unix.Syscall6(unix.SYS_IO_URING_REGISTER, uintptr(ring), registerFiles, at, 2, 0, 0)
		if errno != 0 {
			t.Skipf("no files can be registered: %v", errno)
		}
	}
	copied, err := unix.FcntlInt(uintptr(rings[0]), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command("sleep", "60")
	child.ExtraFiles = []*os.File{os.NewFile(uintptr(rings[1]), "ring")}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = child.Process.Kill()
		_ = child.Wait()
		unix.Close(copied)
		unix.Close(rings[0])
		unix.Close(rings[2])
	})
	v := inFlight(t).Values["ring_files"]
	mine := 0
	for _, pid := range []int{os.Getpid(), child.Process.Pid} {
		mine += strings.Count(v.Reading, fmt.Sprintf("(%d) as ", pid))
	}
	if n, _ := v.Value.(float64); n < 4 || mine != 2 && !strings.Contains(v.Reading, " more") {
		t.Errorf("two rings have two files each: %v, %q", v.Value, v.Reading)
	}
}

// Deleted files on tmpfs take memory, and so does what the kernel's own tmpfs has, which is mounted nowhere:
// none of it is space on a disk.
func TestLiveDeletedInMemory(t *testing.T) {
	const size = 3 << 20
	kept := func() (all, disk float64) {
		d := liveJSON(t, "fd", "--limit", "0")
		r := rowOf(d, "processes", "pid", float64(os.Getpid()))
		if r == nil {
			t.Fatal("this test has no row")
		}
		all, _ = r["deleted"].(float64)
		disk, _ = r["deleted_disk"].(float64)
		return all, disk
	}
	deleted := func(dir string) {
		f, err := os.CreateTemp(dir, "kwhy-deleted")
		if err != nil {
			t.Skip(err)
		}
		t.Cleanup(func() { f.Close() })
		if err := os.Remove(f.Name()); err != nil {
			t.Fatal(err)
		}
		if err := unix.Fallocate(int(f.Fd()), 0, 0, size); err != nil {
			t.Skipf("no file of %d bytes: %v", size, err)
		}
	}
	ofTmpfs := func(name string) bool {
		var st unix.Statfs_t
		return unix.Statfs(name, &st) == nil && int64(st.Type) == unix.TMPFS_MAGIC //nolint:unconvert // types differ by machine
	}
	if !ofTmpfs("/dev/shm") || ofTmpfs(t.TempDir()) {
		t.Skip("/dev/shm is no tmpfs, or the directory for tests is on one")
	}
	all, disk := kept()
	grew := func(what string, more, onDisk float64) {
		t.Helper()
		nowAll, nowDisk := kept()
		if nowAll-all < more || nowAll-all > more+64<<10 || nowDisk-disk < onDisk || nowDisk-disk > onDisk+64<<10 {
			t.Errorf("%s: %v more, %v of it on disks; want %v and %v", what, nowAll-all, nowDisk-disk, more, onDisk)
		}
		all, disk = nowAll, nowDisk
	}
	deleted("/dev/shm")
	grew("on tmpfs", size, 0)
	deleted(t.TempDir())
	grew("on a disk", size, size)

	shared, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(shared) }()
	at := uintptr(unsafe.Pointer(&shared[0]))
	names, _ := filepath.Glob(fmt.Sprintf("/proc/self/map_files/%x-*", at))
	if len(names) != 1 {
		t.Skip("map_files does not show the mapping")
	}
	f, err := os.Open(names[0])
	if err != nil {
		t.Skipf("the file of shared memory: %v", err)
	}
	defer f.Close()
	grew("of the kernel's own tmpfs", size, 0)
}

// Who runs a program whose file is deleted is found, and so is whether another file has its place.
func TestLiveDeletedProgramIsFound(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip(err)
	}
	program, err := os.ReadFile(sleep)
	if err != nil {
		t.Skip(err)
	}
	// Three of them: of findings of a rule the worst three are told.
	path := filepath.Join(t.TempDir(), "kwhyoldone")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	var who []string
	for range 3 {
		c := exec.Command(path, "300")
		if err := c.Start(); err != nil {
			t.Skipf("no program runs there: %v", err)
		}
		t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
		settle(t, c.Process.Pid, "comm", "kwhyoldone")
		who = append(who, fmt.Sprintf("kwhyoldone (%d)", c.Process.Pid))
	}
	slices.Sort(who)
	says := func() (message string, others int) {
		for _, f := range liveJSON(t, "fd", "--deleted").Findings {
			if f.ID == "fd.deleted_program" {
				if others++; strings.Contains(f.Message, path) {
					return f.Message, 0
				}
			}
		}
		return "", others
	}
	if said, _ := says(); said != "" {
		t.Errorf("its file is there: %q", said)
	}
	look := func(became string) {
		t.Helper()
		said, others := says()
		if others >= 3 {
			t.Skip("three other programs of this host are deleted, and run more often")
		}
		names, rest, _ := strings.Cut(said, " run "+path)
		list := strings.Split(names, ", ")
		slices.Sort(list)
		if want := ", which " + became + ": they go on"; !slices.Equal(list, who) || !strings.HasPrefix(rest, want) {
			t.Errorf("%q; want %v and %q", said, who, want)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	look("was deleted")
	if err := os.WriteFile(path, program, 0o755); err != nil {
		t.Fatal(err)
	}
	look("was replaced by another file there")
}

// Of a file behind a loop device, or that is swap, the kernel itself is the holder: no process has it.
func TestLivePathOfWhatTheKernelHas(t *testing.T) {
	root(t)
	dir := t.TempDir()
	for by, set := range map[string]func(img string) (name string, end func()){
		"loop": func(img string) (string, func()) {
			out, err := exec.Command("losetup", "-f", "--show", "--read-only", img).Output()
			if err != nil {
				t.Skipf("no loop device: %v", err)
			}
			dev := strings.TrimSpace(string(out))
			return filepath.Base(dev), func() { _ = exec.Command("losetup", "-d", dev).Run() }
		},
		"swap": func(img string) (string, func()) {
			if out, err := exec.Command("mkswap", img).CombinedOutput(); err != nil {
				t.Skipf("mkswap: %s", out)
			}
			if out, err := exec.Command("swapon", "--priority", "0", img).CombinedOutput(); err != nil {
				t.Skipf("swapon: %s", out)
			}
			return "swap", func() { _ = exec.Command("swapoff", img).Run() }
		},
	} {
		img := filepath.Join(dir, by+" img")
		if err := os.WriteFile(img, make([]byte, 1<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		name, end := set(img)
		said, _, _ := live(t, "fd", "--path", img, "-o", "json")
		text, _, _ := live(t, "fd", "--path", img, "--width", "300")
		end()
		rows := readJSON(t, said).Tables["holders"].Rows
		if len(rows) != 1 || rows[0]["kernel_holder"] != name || rows[0]["pid"] != nil || fmt.Sprint(rows[0]["how"]) != "["+by+"]" {
			t.Errorf("%s: %v", by, rows)
		}
		if !strings.Contains(text, name+" has "+img+" open") {
			t.Errorf("%s:\n%s", by, text)
		}
		after, _, _ := live(t, "fd", "--path", img, "--width", "300")
		if !strings.Contains(after, "No process, loop device or swap area has "+img+" open") {
			t.Errorf("%s, ended:\n%s", by, after)
		}
	}
}
