package proc

import "bytes"

// FileKind is what a file descriptor leads to.
type FileKind uint8

// The kinds. The link alone does not say which of the first four a path is:
// until the file is looked at it is KindPath.
const (
	KindPath FileKind = iota
	KindFile
	KindDirectory
	KindDevice // character or block, by its path until it is looked at
	KindChar
	KindBlock
	KindPipe
	KindFIFO
	KindSocket
	KindEventfd
	KindEpoll
	KindTimerfd
	KindSignalfd
	KindInotify
	KindFanotify
	KindPidfd
	KindIOUring
	KindUserfaultfd
	KindBPF
	KindMemfd
	KindPerf
	KindDMABuf
	KindNamespace
	KindMqueue
	KindSecret
	KindOther
	nKinds
)

// kindNames are the kinds as JSON spells them.
var kindNames = [nKinds]string{
	"path", "file", "directory", "device", "chardev", "blockdev", "pipe", "fifo",
	"socket", "eventfd", "epoll", "timerfd", "signalfd", "inotify", "fanotify",
	"pidfd", "io_uring", "userfaultfd", "bpf", "memfd", "perf_event", "dmabuf", "namespace", "mqueue", "secretmem", "other",
}

// String returns the kind as JSON spells it.
func (k FileKind) String() string { return kindNames[k] }

// FileKinds returns every kind, in order.
func FileKinds() []FileKind {
	out := make([]FileKind, nKinds)
	for k := range out {
		out[k] = FileKind(k)
	}
	return out
}

// anonKinds are what follows "anon_inode:", brackets left out; inotify has had
// none on all kernels (fs/notify/inotify/inotify_user.c).
var anonKinds = [...]struct {
	name string
	kind FileKind
}{
	{"eventpoll", KindEpoll}, {"eventfd", KindEventfd}, {"timerfd", KindTimerfd},
	{"signalfd", KindSignalfd}, {"inotify", KindInotify}, {"fanotify", KindFanotify},
	{"pidfd", KindPidfd}, {"io_uring", KindIOUring}, {"userfaultfd", KindUserfaultfd},
	{"bpf-map", KindBPF}, {"bpf-prog", KindBPF}, {"bpf_link", KindBPF}, {"bpf_iter", KindBPF}, {"btf", KindBPF},
	{"perf_event", KindPerf}, {"dmabuf", KindDMABuf}, {"sync_file", KindDMABuf},
}

// KindOf finds out from a link in /proc/PID/fd what it leads to, and whether the kernel
// says that it is gone from its directory. A file may be called so that it ends in
// " (deleted)": the number of its links decides.
func KindOf(link []byte) (k FileKind, deleted bool) {
	if len(link) > 0 && link[0] == '/' {
		deleted = bytes.HasSuffix(link, []byte(" (deleted)"))
		switch {
		case bytes.HasPrefix(link, []byte("/memfd:")):
			return KindMemfd, false // never had a directory
		case string(link) == "/secretmem (deleted)": // memfd_secret(2), since 5.14: a file of a file system that is not mounted
			return KindSecret, false
		case bytes.HasPrefix(link, []byte("/dmabuf:")):
			return KindDMABuf, false
		case bytes.HasPrefix(link, []byte("/dev/")) && !bytes.HasPrefix(link, []byte("/dev/shm/")):
			return KindDevice, deleted
		}
		return KindPath, deleted
	}
	if name, ok := bytes.CutPrefix(link, []byte("anon_inode:")); ok {
		name = bytes.Trim(name, "[]")
		for i := range anonKinds {
			if string(name) == anonKinds[i].name {
				return anonKinds[i].kind, false
			}
		}
		return KindOther, false
	}
	head, _, ok := bytes.Cut(link, []byte(":["))
	if !ok {
		return KindOther, false
	}
	switch string(head) {
	case "socket":
		return KindSocket, false
	case "pipe":
		return KindPipe, false
	case "pidfd": // of pidfs, since 6.9
		return KindPidfd, false
	case "cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts":
		return KindNamespace, false
	}
	return KindOther, false
}
