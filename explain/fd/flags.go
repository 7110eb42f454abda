package fd

import (
	"slices"
	"strconv"
	"strings"

	"kwhy/explain"
	fdfacts "kwhy/inspect/fd"
)

// Flags of an open file as fdinfo has them. The four that stand apart have other
// values on arm64 than in include/uapi/asm-generic/fcntl.h; fdinfo shows O_LARGEFILE
// on every file that 64-bit programs open, so that it says nothing.
const accessMode = 3

type flag struct {
	bit  uint64
	name string
}

// flagsOf names the flags of a descriptor on a kind of machine.
func flagsOf(flags uint64, arch string) (out []string) {
	known := []flag{
		{0o2000, "O_APPEND"}, {0o4000, "O_NONBLOCK"}, {0o4010000, "O_SYNC"}, {0o10000, "O_DSYNC"}, {0o20000, "O_ASYNC"},
		{0o40000, "O_DIRECT"}, {0o200000, "O_DIRECTORY"}, {0o400000, "O_NOFOLLOW"}, {0o1000000, "O_NOATIME"},
		{0o2000000, "O_CLOEXEC"}, {0o10000000, "O_PATH"}, {0o20000000, "O_TMPFILE"}, {0o200, "O_EXCL"},
	}
	large := uint64(0o100000)
	if arch == "aarch64" || strings.HasPrefix(arch, "arm") {
		known[5].bit, known[6].bit, known[7].bit, large = 0o200000, 0o40000, 0o100000, 0o400000
	}
	if arch == "" { // what differs between architectures stays a number
		known, large = slices.Delete(known, 5, 8), 0
	}
	flags &^= accessMode | large
	for _, k := range known {
		if flags&k.bit == k.bit {
			out = append(out, k.name)
			flags &^= k.bit
		}
	}
	for ; flags != 0; flags &= flags - 1 {
		out = append(out, "0"+strconv.FormatUint(flags&-flags, 8))
	}
	return out
}

// flagWords are the flags by name (open(2)).
func flagWords() (out []explain.Word) {
	for _, f := range [][2]string{
		{"O_APPEND", "Each write goes to the end of the file."},
		{"O_NONBLOCK", "What would have to wait fails with EAGAIN; files on disk wait all the same."},
		{"O_SYNC", "A write returns when data and metadata are on the device."},
		{"O_DSYNC", "A write returns when the data are on the device."},
		{"O_ASYNC", "SIGIO is sent when it is ready."},
		{"O_DIRECT", "Bypasses the page cache; of a pipe: packet mode."},
		{"O_DIRECTORY", "It had to be a directory."},
		{"O_NOFOLLOW", "The last part of the path must not be a symbolic link."},
		{"O_NOATIME", "Reading does not set the time of access."},
		{"O_CLOEXEC", "Closed by exec; of the descriptor, not of the open file."},
		{"O_PATH", "A place in the file system, with nothing opened."},
		{"O_TMPFILE", "A file without a name."},
		{"O_EXCL", "Of a pidfd: it is that of a thread (PIDFD_THREAD, Linux 6.9)."},
	} {
		out = append(out, explain.Word{Name: f[0], Gist: f[1], Concept: "struct-file"})
	}
	return out
}

// modeOf says what may be done through a descriptor: r, w, rw, or - for one of
// O_PATH, which is a place and no open file.
func modeOf(f *fdfacts.Descriptor) string {
	const path = 0o10000000
	switch {
	case !f.HasInfo:
		return ""
	case f.Flags&path != 0:
		return "-"
	}
	return [...]string{"r", "w", "rw", "-"}[f.Flags&accessMode]
}
