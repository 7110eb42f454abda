package mem_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kwhy/inspect"
	"kwhy/inspect/mem"
)

// holders takes who holds shared memory on this host.
func holders(t *testing.T) []mem.Shared {
	t.Helper()
	h, err := inspect.Open("/proc", "/sys", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	m, err := mem.Take(h, inspect.Of(inspect.Meminfo, inspect.TmpfsUse, inspect.SysvipcShm))
	if err != nil {
		t.Fatal(err)
	}
	return m.Shared()
}

// A file in a tmpfs is in what the mount has, before and after it is there; a segment of System V has the
// pages that were touched, its size and its maker.
func TestLiveSharedMemory(t *testing.T) {
	const size = 8 << 20
	var st unix.Statfs_t
	if unix.Statfs("/dev/shm", &st) != nil || st.Type != unix.TMPFS_MAGIC {
		t.Skip("/dev/shm is no tmpfs")
	}
	used := func(list []mem.Shared) uint64 {
		i := slices.IndexFunc(list, func(s mem.Shared) bool { return s.Kind == "tmpfs" && s.Name == "/dev/shm" })
		if i < 0 {
			t.Skip("/dev/shm is not seen as a mount of its own")
		}
		return list[i].Used
	}
	grew := uint64(0)
	for range 5 { // others may write there too
		before := used(holders(t))
		name := filepath.Join("/dev/shm", "kwhy-test-"+strconv.Itoa(os.Getpid()))
		if err := os.WriteFile(name, make([]byte, size), 0o600); err != nil {
			t.Skip(err)
		}
		after := used(holders(t))
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		if grew = after - before; grew == size {
			break
		}
	}
	if grew != size {
		t.Errorf("a file of %d made what /dev/shm has grow by %d", size, grew)
	}
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, 2*size, unix.IPC_CREAT|0o600)
	if err != nil {
		t.Skip(err)
	}
	defer func() { _, _ = unix.SysvShmCtl(id, unix.IPC_RMID, nil) }()
	b, err := unix.SysvShmAttach(id, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.SysvShmDetach(b) }()
	for i := 0; i < size; i += 4096 {
		b[i] = 1
	}
	list := holders(t)
	i := slices.IndexFunc(list, func(s mem.Shared) bool { return s.Kind == "sysv" && s.Name == strconv.Itoa(id) })
	if i < 0 {
		t.Fatalf("segment %d is not in %+v", id, list)
	}
	s := list[i]
	if s.Used+uint64(max(s.Swap, 0)) != size || s.Most != 2*size || s.Attached != 1 ||
		int(s.Creator) != os.Getpid() || int(s.UID) != os.Geteuid() {
		t.Errorf("%+v of a segment with %d of %d touched", s, size, 2*size)
	}
}

// A mount that another one lies on, or that a server is on the way to, is not asked: the one would give the
// other's figures, the other may never answer.
func TestReachable(t *testing.T) {
	list := []inspect.Mount{
		{Point: "/", FSType: "ext4"}, {Point: "/a", FSType: "tmpfs"}, {Point: "/a", FSType: "tmpfs"}, {Point: "/nfs", FSType: "nfs4"},
		{Point: "/nfs/b", FSType: "tmpfs"}, {Point: "/nfsb", FSType: "tmpfs"}, {Point: "/f", FSType: "fuse.sshfs"},
	}
	reached := mem.Reachable(list)
	for i, want := range []bool{true, false, true, false, false, true, false} {
		if reached(i) != want {
			t.Errorf("%d, %s on %s: %v", i, list[i].FSType, list[i].Point, !want)
		}
	}
	if mem.Reachable([]inspect.Mount{{Point: "/", FSType: "nfs"}, {Point: "/tmp", FSType: "tmpfs"}})(1) {
		t.Error("the root needs a server, and what is on it is asked")
	}
}
