package fd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"kwhy/explain"
	"kwhy/explain/proc"
	"kwhy/inspect"
	"kwhy/inspect/sockdiag"
)

type (
	list      = *inspect.FDList
	listField = explain.Field[*inspect.FDList]
	fdRow     = inspect.FDPart
	doc       = explain.Doc
	value     = explain.Value
)

// Process sums up what a process has open.
func Process() explain.Card[*inspect.FDList] {
	return explain.Card[*inspect.FDList]{Name: "fd PID", Sections: []explain.Section[*inspect.FDList]{
		{Title: "All of them", Fields: summary()},
		{Title: "One by one", Table: "fds"},
	}, Rules: rules()}
}

func summary() []listField {
	field := func(d doc, get func(list) value, read func(list) string) listField {
		if d.Source == inspect.None {
			d.Source = inspect.PIDFd
		}
		if d.Concept == "" {
			d.Concept = "file-descriptor"
		}
		return listField{Doc: d, Get: get, Reading: read}
	}
	bound := func(n inspect.Num) value {
		if n == inspect.Unset {
			return explain.None(inspect.Unlimited)
		}
		return explain.Opt(n)
	}
	return []listField{
		field(doc{Key: "open_fds", Label: "open", Unit: explain.Count, Also: []inspect.Source{inspect.PIDLimits}, Gist: "Its open file descriptors."}, func(l list) value { return explain.I(len(l.List)) }, func(l list) string {
			if l.Limit.Soft <= 0 {
				return kindsOf(l) + "."
			}
			return explain.Percent(int64(len(l.List)), int64(l.Limit.Soft)) + " of its limit: " + kindsOf(l) + "."
		}),
		field(doc{Key: "fd_limit_soft", Label: "soft limit", Unit: explain.Count, Source: inspect.PIDLimits, Gist: "No descriptor gets this number or a higher one: EMFILE."}, func(l list) value { return bound(l.Limit.Soft) }, func(l list) string {
			if l.Missing(inspect.PIDFd) != inspect.Present {
				return "Then open, socket, pipe and the like fail with EMFILE. The process may raise it to the hard limit itself."
			}
			left := int64(l.Limit.Soft) - int64(len(l.List))
			return explain.Number(left) + " left; then open, socket, pipe and the like fail with EMFILE. The process may raise it to the hard limit itself."
		}),
		field(doc{Key: "fd_limit_hard", Label: "hard limit", Unit: explain.Count, Source: inspect.PIDLimits, Gist: "How far the process may raise its soft limit itself."}, func(l list) value { return bound(l.Limit.Hard) }, nil),
		field(doc{Key: "fd_lowest_free", Label: "next", Unit: explain.Plain, Gist: "The number that the next file gets: the lowest that is free."}, func(l list) value { return explain.I(lowestFree(l)) }, nil),
		field(doc{Key: "fd_deleted", Label: "deleted", Unit: explain.Bytes, Concept: "deleted-files", Gist: "Space of files that are gone from their directory, and that it keeps."}, func(l list) value {
			var sum uint64
			for _, f := range deleted(l) {
				sum += f.Taken
			}
			return explain.N(sum)
		}, func(l list) string {
			n := len(deleted(l))
			if n == 0 {
				return "None of its files is gone from its directory."
			}
			return explain.Plural(n, "file is gone from its directory and takes", "files are gone from their directories and take") + " up space until this process closes it."
		}),
		field(doc{Key: "fd_same", Label: "duplicates", Unit: explain.Count, Gist: "Descriptors that share their open file with a lower one: made by dup."}, func(l list) value {
			n := 0
			for i := range l.List {
				if l.List[i].Same != l.List[i].N {
					n++
				}
			}
			return explain.I(n)
		}, func(l list) string {
			if l.Uncompared > 0 {
				return explain.Number(l.Uncompared) + " that lead to the same place are too many to compare each with each."
			}
			if l.CompareDenied {
				return "Which share an open file could not be asked: kcmp takes the right to trace the process."
			}
			if !slices.ContainsFunc(l.List, func(f inspect.FD) bool { return f.Same != f.N }) {
				return "None."
			}
			return "They share offset and flags with another descriptor of this process: dup, or a shell's >&."
		}),
	}
}

// deleted are the files without a directory, each once.
func deleted(l list) (out []*inspect.FD) {
	type id struct{ dev, inode uint64 }
	seen := map[id]bool{}
	for i := range l.List {
		f := &l.List[i]
		if k := (id{f.Dev, f.Inode}); f.Deleted && f.HasStat && !seen[k] {
			seen[k] = true
			out = append(out, f)
		}
	}
	return out
}

func lowestFree(l list) int32 {
	next := int32(0)
	for i := range l.List { // by number
		if l.List[i].N == next {
			next++
		}
	}
	return next
}

// kindsOf counts by kind, the most first.
func kindsOf(l list) string {
	counts := map[inspect.FileKind]int{}
	for i := range l.List {
		counts[l.List[i].Kind]++
	}
	return countKinds(counts)
}

func countKinds(counts map[inspect.FileKind]int) string {
	kinds := []inspect.FileKind{}
	for _, k := range inspect.FileKinds() {
		if counts[k] > 0 {
			kinds = append(kinds, k)
		}
	}
	if len(kinds) == 0 {
		return "none"
	}
	slices.SortStableFunc(kinds, func(a, b inspect.FileKind) int { return counts[b] - counts[a] })
	words := make([]string, len(kinds))
	for i, k := range kinds {
		words[i] = explain.Plural(counts[k], plain(k), plural(k))
	}
	return strings.Join(words, ", ")
}

// plain is a kind in a sentence.
func plain(k inspect.FileKind) string {
	switch k {
	case inspect.KindPath:
		return "file"
	case inspect.KindChar:
		return "character device"
	case inspect.KindBlock:
		return "block device"
	case inspect.KindPipe:
		return "end of a pipe"
	case inspect.KindBPF:
		return "BPF object"
	case inspect.KindPerf:
		return "performance counter"
	case inspect.KindOther:
		return "of another kind"
	}
	return k.String()
}

func plural(k inspect.FileKind) string {
	switch k {
	case inspect.KindDirectory:
		return "directories"
	case inspect.KindPipe:
		return "ends of pipes"
	case inspect.KindOther, inspect.KindInotify, inspect.KindFanotify, inspect.KindEpoll:
		return plain(k)
	}
	return plain(k) + "s"
}

func rules() []explain.Rule[*inspect.FDList] {
	return []explain.Rule[*inspect.FDList]{{
		ID: "fd.limit_near", Evidence: []string{"open_fds", "fd_limit_soft"}, Concept: "file-descriptor", Next: "kwhy explain file-descriptor",
		Of: func(l list) value {
			if l.Limit.Soft <= 0 {
				return value{}
			}
			return explain.F(float64(len(l.List)) / float64(l.Limit.Soft))
		}, At: explain.At{Notice: 0.80, Warning: 0.90, Critical: 0.98},
		Say: func(l list) string {
			return string(explain.AppendPercent(nil, float64(len(l.List))/float64(l.Limit.Soft))) + " of the files that it may have open: " + explain.Number(len(l.List)) + " of " + explain.Number(int64(l.Limit.Soft))
		},
	}}
}

// kinds are the words for what a descriptor leads to.
func kinds() []explain.Word {
	gists := map[inspect.FileKind]string{
		inspect.KindPath: "A file or directory, by its path.", inspect.KindFile: "A regular file.", inspect.KindDirectory: "A directory.", inspect.KindDevice: "A device or terminal, by its path.",
		inspect.KindChar: "A character device: a terminal, /dev/null, a driver.", inspect.KindBlock: "A block device: a disk.", inspect.KindPipe: "One end of a pipe.", inspect.KindFIFO: "One end of a pipe with a name.",
		inspect.KindSocket: "A socket.", inspect.KindEventfd: "A counter to wait on.", inspect.KindEpoll: "A set of descriptors to wait on.", inspect.KindTimerfd: "A timer to wait on.",
		inspect.KindSignalfd: "Signals to read instead of handling them.", inspect.KindInotify: "Watches on files and directories.", inspect.KindFanotify: "Watches on file systems.", inspect.KindPidfd: "A process, held by more than its number.",
		inspect.KindIOUring: "A ring of I/O requests.", inspect.KindUserfaultfd: "Page faults to serve oneself.", inspect.KindBPF: "A BPF program, map or link.", inspect.KindMemfd: "Memory that is a file without a name.",
		inspect.KindPerf: "A performance counter.", inspect.KindDMABuf: "Memory shared among devices.", inspect.KindNamespace: "A namespace, kept alive.", inspect.KindOther: "Another kind that the kernel names in the target.",
	}
	var out []explain.Word
	for _, k := range inspect.FileKinds() {
		out = append(out, explain.Word{Name: k.String(), Gist: gists[k], Concept: "file-descriptor"})
	}
	return out
}

// FDs is the table of descriptors of one process.
func FDs() *explain.Table[fdRow] {
	type column = explain.Field[fdRow]
	declare := func(d doc, get func(*inspect.FD) value) column {
		if d.Source == inspect.None {
			d.Source = inspect.PIDFd
		}
		d.Concept = "file-descriptor"
		return column{Doc: d, Get: func(r fdRow) value { return get(r.It) }}
	}
	stat := func(d doc, get func(*inspect.FD) value) column {
		return declare(d, func(f *inspect.FD) value {
			if !f.HasStat {
				return explain.None(inspect.Inapplicable)
			}
			return get(f)
		})
	}
	info := func(d doc, get func(*inspect.FD) value) column {
		d.Source = inspect.PIDFdinfo
		return declare(d, func(f *inspect.FD) value {
			if !f.HasInfo {
				return explain.None(inspect.Masked)
			}
			return get(f)
		})
	}
	flags := info(doc{Key: "flags", Show: explain.Wide, Gist: "How it was opened: O_*, those of access apart."}, nil)
	flags.Get = func(r fdRow) value {
		if !r.It.HasInfo {
			return explain.None(inspect.Masked)
		}
		var out []value
		for _, name := range flagsOf(r.It.Flags, r.List.Row.Host.Host.Arch) {
			out = append(out, explain.S(name))
		}
		return explain.L(out)
	}
	flags.Show = explain.Data
	return &explain.Table[fdRow]{Name: "fds", Fields: []column{
		declare(doc{Key: "fd", Label: "FD", Unit: explain.Plain, Gist: "The number of the descriptor."}, func(f *inspect.FD) value { return explain.I(f.N) }),
		declare(doc{Key: "kind", Words: kinds(), Gist: "What it leads to."}, func(f *inspect.FD) value { return explain.S(f.Kind.String()) }),
		info(doc{Key: "mode", Gist: "r for reading, w for writing, - for a place that is not open (O_PATH)."}, func(f *inspect.FD) value { return explain.S(modeOf(f)) }),
		flags,
		info(doc{Key: "pos", Unit: explain.Bytes, Show: explain.Wide, Gist: "Where the next read or write is; several descriptors may share it."}, func(f *inspect.FD) value {
			if f.Kind != inspect.KindFile && f.Kind != inspect.KindMemfd && f.Kind != inspect.KindBlock || f.Pos < 0 {
				return explain.None(inspect.Inapplicable)
			}
			return explain.I(f.Pos)
		}),
		stat(doc{Key: "size", Unit: explain.Bytes, Show: explain.Wide, Gist: "How long the file is."}, func(f *inspect.FD) value {
			if f.Kind != inspect.KindFile && f.Kind != inspect.KindMemfd {
				return explain.None(inspect.Inapplicable)
			}
			return explain.N(f.Size)
		}),
		stat(doc{Key: "taken", Unit: explain.Bytes, Show: explain.Data, Gist: "What it takes of its file system: less than its length where it has holes."}, func(f *inspect.FD) value { return explain.N(f.Taken) }),
		declare(doc{Key: "deleted", Unit: explain.Bool, Show: explain.Data, Gist: "Whether it is gone from its directory, by the number of its links."}, func(f *inspect.FD) value { return explain.B(f.Deleted) }),
		stat(doc{Key: "dev", Show: explain.Data, Gist: "The device of its file system, major:minor."}, func(f *inspect.FD) value { return explain.S(device(f.Dev)) }),
		stat(doc{Key: "inode", Unit: explain.ID, Show: explain.Data, Gist: "The number of its inode there."}, func(f *inspect.FD) value { return explain.N(f.Inode) }),
		declare(doc{Key: "fs", Label: "FS", Source: inspect.PIDMountinfo, Show: explain.Data, Gist: "The type of its file system."}, func(f *inspect.FD) value {
			if f.Mount == nil {
				return explain.None(inspect.Inapplicable)
			}
			return explain.S(f.Mount.FSType)
		}),
		declare(doc{Key: "mount", Source: inspect.PIDMountinfo, Show: explain.Data, Gist: "Where that is mounted, as the process sees it."}, func(f *inspect.FD) value {
			if f.Mount == nil {
				return explain.None(inspect.Inapplicable)
			}
			return explain.S(f.Mount.Point)
		}),
		declare(doc{Key: "same_as", Label: "DUP OF", Unit: explain.Plain, Show: explain.Data, Gist: "A lower descriptor of this process with the same open file."}, func(f *inspect.FD) value {
			if f.Same == f.N {
				return explain.None(inspect.Inapplicable)
			}
			return explain.I(f.Same)
		}),
		info(doc{Key: "info", Show: explain.Data, Gist: "What fdinfo says of its kind, line by line."}, func(f *inspect.FD) value {
			out := []value{}
			for _, l := range f.Info {
				out = append(out, explain.S(l.Name+": "+l.Value))
			}
			return explain.L(out)
		}),
		declare(doc{Key: "target", Gist: "What the kernel says it leads to."}, func(f *inspect.FD) value { return explain.S(f.Link) }),
		{Doc: doc{Key: "why", Source: inspect.PIDFd, Also: []inspect.Source{inspect.PIDFdinfo, inspect.PIDNet, inspect.PIDMountinfo}, Concept: "file-descriptor", Gist: "What that is, with its particulars."},
			Get: func(r fdRow) value { return explain.S(why(r)) }},
	}}
}

func device(n uint64) string {
	major, minor := n>>8&0xfff|n>>32&0xfffff000, n&0xff|n>>12&0xffffff00
	return strconv.FormatUint(major, 10) + ":" + strconv.FormatUint(minor, 10)
}

// why says what a descriptor leads to.
func why(r fdRow) string {
	f := r.It
	s := particulars(r)
	if fl := flagsOf(f.Flags, r.List.Row.Host.Host.Arch); f.HasInfo && len(fl) > 0 {
		s += "; " + strings.Join(fl, " ")
	}
	if f.Same != f.N {
		s += fmt.Sprintf("; the same open file as %d", f.Same)
	}
	if len(f.Shared) > 0 {
		var who []string
		for _, pid := range f.Shared[:min(len(f.Shared), 3)] {
			who = append(who, strconv.Itoa(int(pid)))
		}
		s += "; shared with process " + strings.Join(who, ", ")
		if n := len(f.Shared) - len(who); n > 0 {
			s += fmt.Sprintf(" and %d more", n)
		}
	}
	return s
}

func particulars(r fdRow) string {
	f := r.It
	switch f.Kind {
	case inspect.KindFile, inspect.KindPath:
		return onDisk(f)
	case inspect.KindDirectory:
		return "directory" + where(f)
	case inspect.KindChar, inspect.KindDevice:
		return deviceName(f)
	case inspect.KindBlock:
		return "block device " + device(f.Rdev) + ": reads and writes bypass the file system on it"
	case inspect.KindPipe, inspect.KindFIFO:
		return pipe(f, r.List.Relatives)
	case inspect.KindSocket:
		return socket(f) + peer(f)
	case inspect.KindMemfd:
		return "memory that is a file without a name, " + explain.Size(f.Size) + " long"
	case inspect.KindNamespace:
		return "keeps that namespace alive, and lets setns enter it"
	}
	return special(r)
}

func onDisk(f *inspect.FD) string {
	var b strings.Builder
	b.WriteString("file")
	if f.HasStat {
		b.WriteString(" of " + explain.Size(f.Size))
	}
	b.WriteString(where(f))
	if f.Deleted {
		b.WriteString("; gone from its directory, and keeps " + explain.Size(f.Taken) + " until it is closed")
	}
	return b.String()
}

func where(f *inspect.FD) string {
	if f.Mount == nil {
		return ""
	}
	return " on " + f.Mount.FSType + " at " + f.Mount.Point
}

// deviceName says what the character devices are that programs have by default
// (Documentation/admin-guide/devices.txt).
func deviceName(f *inspect.FD) string {
	known := map[string]string{"1:3": "takes all and gives nothing", "1:5": "gives zeros", "1:7": "is always full", "1:8": "gives random bytes", "1:9": "gives random bytes", "5:0": "the terminal of its session", "5:2": "a new pseudo terminal"}
	dev := device(f.Rdev)
	if says := known[dev]; says != "" && f.HasStat {
		return "character device " + dev + ": " + says
	}
	if strings.HasPrefix(f.Link, "/dev/pts/") {
		return "pseudo terminal " + strings.TrimPrefix(f.Link, "/dev/pts/")
	}
	if !f.HasStat {
		return "device"
	}
	return "character device " + dev
}

func pipe(f *inspect.FD, relatives bool) string {
	writes := f.Flags&accessMode != 0
	reads := f.Flags&accessMode != 1
	var same, other []string
	for _, e := range f.Ends {
		who := fmt.Sprintf("%s (%d) as %d", e.P.Comm, e.P.PID, e.FD)
		if f.HasInfo && e.Writes != writes {
			other = append(other, who)
		} else {
			same = append(same, who)
		}
	}
	name := "the end to read of a pipe"
	switch {
	case !f.HasInfo:
		name = "one end of a pipe"
	case reads && writes:
		name = "both ends of a pipe"
	case writes:
		name = "the end to write of a pipe"
	}
	switch {
	case len(other) > 0:
		name += "; the other has " + few(other)
	case f.HasInfo && (!reads || !writes) && relatives:
		name += "; none of its relatives has the other, and this host has too much open to look through all"
	case f.HasInfo && (!reads || !writes):
		name += "; nobody that can be seen has the other"
	}
	if len(same) > 0 {
		name += "; this one too: " + few(same)
	}
	return name
}

func few(list []string) string {
	if len(list) > 3 {
		return strings.Join(list[:3], ", ") + fmt.Sprintf(" and %d more", len(list)-3)
	}
	return strings.Join(list, ", ")
}

func socket(f *inspect.FD) string {
	s := f.Socket
	if s == nil {
		return "socket that neither sock_diag nor /proc/net lists: not bound yet, of another network namespace, or of a family that they don't have"
	}
	switch s.Family {
	case unix.AF_UNIX:
		name := "unix " + s.Unix.TypeName() + " socket"
		if s.Unix.Name != "" {
			name += " at " + s.Unix.Name
		}
		return name + state(s)
	case unix.AF_NETLINK:
		return "netlink socket to the kernel's " + inspect.NetlinkFamily(s.Protocol)
	case unix.AF_PACKET:
		return "packet socket: it sees frames as they come from the interface"
	}
	name := s.ProtocolName() + " " + s.Local().String()
	if s.Connected() {
		name += " to " + s.Remote().String()
	}
	name += state(s)
	switch {
	case s.IsListener() && s.RQueue > 0:
		name += ", " + explain.Plural(s.RQueue, "connection waits", "connections wait") + " to be accepted"
	case !s.IsListener() && (s.RQueue > 0 || s.WQueue > 0):
		name += fmt.Sprintf(", %s unread, %s unsent or unanswered", explain.Size(uint64(s.RQueue)), explain.Size(uint64(s.WQueue)))
	}
	if s.State == sockdiag.CloseWait {
		name += ": the peer has closed, and this program has yet to"
	}
	return name
}

// peer says who has the other side of a unix socket.
func peer(f *inspect.FD) string {
	if f.Socket == nil || f.Socket.Unix == nil || f.Socket.Unix.Peer == 0 {
		return ""
	}
	var who []string
	for _, e := range f.Ends {
		who = append(who, fmt.Sprintf("%s (%d) as %d", e.P.Comm, e.P.PID, e.FD))
	}
	s := ""
	if f.PeerPath != "" {
		s = "; the other side is bound to " + f.PeerPath
	}
	if len(who) == 0 {
		return s + "; nobody that can be seen has the other side"
	}
	return s + "; the other side has " + few(who)
}

func state(s *sockdiag.Socket) string {
	if name := s.StateName(); name != "" {
		return ", " + name
	}
	return ""
}

// line returns what fdinfo has under a name.
func line(f *inspect.FD, name string) string {
	for _, l := range f.Info {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

func lines(f *inspect.FD, name string) (out []string) {
	for _, l := range f.Info {
		if l.Name == name {
			out = append(out, l.Value)
		}
	}
	return out
}

// special says what the files are that have no file system of their own.
func special(r fdRow) string {
	f := r.It
	switch f.Kind {
	case inspect.KindEventfd:
		n, err := strconv.ParseUint(strings.TrimSpace(line(f, "eventfd-count")), 16, 64)
		if err != nil {
			return "a counter to wait on"
		}
		if line(f, "eventfd-semaphore") == "1" {
			return fmt.Sprintf("a counter at %d, of which each read takes one", n)
		}
		return fmt.Sprintf("a counter at %d; a read takes all", n)
	case inspect.KindEpoll:
		return epoll(f)
	case inspect.KindTimerfd:
		return timer(f)
	case inspect.KindSignalfd:
		if set, err := strconv.ParseUint(line(f, "sigmask"), 16, 64); err == nil {
			return "reads signals as they come: " + strings.Join(proc.SignalNames(set), " ")
		}
		return "reads signals as they come"
	case inspect.KindInotify:
		return "watches " + explain.Plural(len(lines(f, "inotify")), "file or directory", "files and directories")
	case inspect.KindFanotify:
		return "watches by fanotify: " + explain.Plural(len(lines(f, "fanotify")), "mark", "marks")
	case inspect.KindPidfd:
		switch pid := line(f, "Pid"); pid {
		case "":
			return "a process"
		case "-1":
			return "a process that has ended and been asked for"
		case "0":
			return "a process of another PID namespace"
		default:
			return "process " + pid + ", whoever gets that number later"
		}
	case inspect.KindIOUring:
		return "a ring of I/O requests" + ring(f)
	case inspect.KindUserfaultfd:
		return "page faults of a range of memory, served by a program: " + orZero(line(f, "pending")) + " wait"
	case inspect.KindBPF:
		return bpf(f)
	case inspect.KindPerf:
		return "a performance counter"
	case inspect.KindDMABuf:
		return "memory shared among devices" + sized(line(f, "size"))
	}
	return "a kind of file that the kernel calls " + strings.Trim(strings.TrimPrefix(f.Link, "anon_inode:"), "[]")
}

func orZero(s string) string {
	if s == "" {
		return "0"
	}
	return s
}

func sized(s string) string {
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		return ", " + explain.Size(n)
	}
	return ""
}

func ring(f *inspect.FD) string {
	head, err1 := strconv.ParseUint(line(f, "SqHead"), 10, 64)
	tail, err2 := strconv.ParseUint(line(f, "SqTail"), 10, 64)
	if err1 != nil || err2 != nil {
		return ""
	}
	return fmt.Sprintf(", %d handed in and not taken yet", tail-min(head, tail))
}

// epoll lists what is watched: "tfd: 5 events: 19 data: 5 pos:0 ino:..".
func epoll(f *inspect.FD) string {
	var fds []string
	for _, l := range lines(f, "tfd") {
		if n := strings.Fields(l); len(n) > 0 {
			fds = append(fds, n[0])
		}
	}
	if len(fds) == 0 {
		return "waits for none"
	}
	if len(fds) > 8 {
		return fmt.Sprintf("waits for %d descriptors: %s and more", len(fds), strings.Join(fds[:8], " "))
	}
	return fmt.Sprintf("waits for %s: %s", explain.Plural(len(fds), "descriptor", "descriptors"), strings.Join(fds, " "))
}

// timer tells clock and next expiry: "it_value: (3, 141592653)".
func timer(f *inspect.FD) string {
	clocks := map[string]string{"0": "the wall clock", "1": "the monotonic clock", "7": "the clock since boot", "8": "the wall clock, and wakes the machine", "9": "the clock since boot, and wakes the machine"}
	clock := clocks[line(f, "clockid")]
	if clock == "" {
		clock = "clock " + line(f, "clockid")
	}
	next, ok := timespec(line(f, "it_value"))
	if !ok || next == 0 {
		return "a timer by " + clock + ", not set"
	}
	s := "a timer by " + clock + ", goes off in " + explain.Span(next)
	if every, ok := timespec(line(f, "it_interval")); ok && every > 0 {
		s += " and every " + explain.Span(every)
	}
	return s
}

func timespec(s string) (seconds float64, ok bool) {
	a, b, ok := strings.Cut(strings.Trim(s, "() "), ",")
	sec, err1 := strconv.ParseFloat(strings.TrimSpace(a), 64)
	nsec, err2 := strconv.ParseFloat(strings.TrimSpace(b), 64)
	return sec + nsec/1e9, ok && err1 == nil && err2 == nil
}

func bpf(f *inspect.FD) string {
	switch {
	case line(f, "map_type") != "":
		return fmt.Sprintf("a BPF map of type %s: keys of %s bytes, values of %s, %s entries at most, %s", line(f, "map_type"), line(f, "key_size"), line(f, "value_size"), line(f, "max_entries"), strings.TrimPrefix(sized(line(f, "memlock")), ", "))
	case line(f, "prog_type") != "":
		return fmt.Sprintf("a BPF program of type %s, tag %s", line(f, "prog_type"), line(f, "prog_tag"))
	case line(f, "link_type") != "":
		return "a BPF link of type " + line(f, "link_type")
	}
	return "a BPF object"
}
