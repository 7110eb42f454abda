package inspect

import (
	"bytes"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Sight is what kwhy is here, as the kernel has it: with whose rights, in which
// namespaces, and with what of /proc and /sys before it.
type Sight struct {
	Settings                    // those that decide who sees what
	Status    map[string]string // the lines of /proc/self/status
	User      string            // its effective user's name; "" if unknown
	Spaces    []OwnSpace        // the namespaces that it lives in
	Foreign   bool              // this /proc shows another PID namespace than kwhy's own
	Processes int               // that it sees
	Hidden    bool              // /proc hides others' processes from it

	Proc, Sys, Debug *SightMount // nil where none is found
	Root             *SightMount
	Cgroups          []CgroupMount
}

// OwnSpace is a namespace of kwhy's, and whether it is the one that the kernel began
// with.
type OwnSpace struct {
	Name         string
	Inode        uint64
	First, Known bool
}

// SightMount is where a file system is mounted.
type SightMount struct {
	Point, Type    string
	Options, Super []string // of the mount, and of the file system
}

// Has tells whether one of its options is there.
func (m *SightMount) Has(option string) bool {
	return slices.Contains(m.Options, option) || slices.Contains(m.Super, option)
}

// Option returns what an option is set to: hidepid=2; "" if it is not there.
func (m *SightMount) Option(name string) string {
	for _, o := range slices.Concat(m.Options, m.Super) {
		if v, ok := strings.CutPrefix(o, name+"="); ok {
			return v
		}
	}
	return ""
}

// CgroupMount is a mounted cgroup file system.
type CgroupMount struct {
	Version     int
	Point       string
	Controllers []string // that can be used there
}

// sightSettings are the settings that decide who sees what.
func sightSettings() []Source {
	return []Source{SecurityLockdown, YamaPtraceScope, DmesgRestrict, KptrRestrict, PerfEventParanoid}
}

// Before says that it is of one moment.
func (s *Sight) Before() (*Sight, time.Duration, bool) { return nil, 0, false }

// Space returns one of kwhy's namespaces; nil if it is not to be seen.
func (s *Sight) Space(name string) *OwnSpace {
	for i := range s.Spaces {
		if s.Spaces[i].Name == name {
			return &s.Spaces[i]
		}
	}
	return nil
}

// OverHost tells whether kwhy has a capability over the host: those that a user
// namespace of its own gives hold over that alone (capable() in kernel/capability.c).
func (s *Sight) OverHost(bit uint) (yes, ok bool) {
	yes, ok = s.Holds(bit)
	user := s.Space("user")
	return yes && user != nil && user.Known && user.First, ok && user != nil
}

// Holds tells whether kwhy has a capability; ok is false where that is not known.
func (s *Sight) Holds(bit uint) (yes, ok bool) {
	set, err := strconv.ParseUint(s.Status["CapEff"], 16, 64)
	return set>>bit&1 == 1, err == nil
}

// Sight finds out what kwhy is here. The caller has scanned the processes.
func (h *Host) Sight(ps *Procs) *Sight {
	s := &Sight{Settings: h.NewSettings(), Processes: len(ps.Rows), Hidden: ps.Host.Hidden}
	s.got[ProcAndSys], s.got[PIDStat] = Present, Present // the scan has read it
	s.Foreign = h.Live && !h.sameProcesses()
	var d ProcDetail
	self := h.ownDir()
	s.got[PIDStatus] = reasonFor(h.proc.with(self+"/status", d.parseStatus))
	s.Status = d.Status
	s.user()
	s.got[PIDNs] = s.spaces(self)
	s.got[SelfMountinfo] = reasonFor(h.proc.with(self+"/mountinfo", s.parseMounts))
	for _, src := range sightSettings() {
		s.Note(src, s.Read(src))
	}
	return s
}

// ownDir is where kwhy's own files are, below the root of /proc: a /proc of a PID
// namespace that it is not in has none of them, and then its own /proc does.
func (h *Host) ownDir() string {
	if h.Live && h.Self() == 0 {
		return "/proc/self"
	}
	return "self"
}

func (s *Sight) user() {
	users, err := s.Host.Users()
	s.got[Passwd] = reasonFor(err)
	if f := strings.Fields(s.Status["Uid"]); len(f) == 4 {
		if uid, err := strconv.ParseUint(f[1], 10, 32); err == nil {
			s.User = users[uint32(uid)]
		}
	}
}

// spaces reads kwhy's own namespaces. Those of mnt and net that the kernel began with
// have a fixed number since late only: before that PID 1's of the host tell, where
// these are to be seen.
func (s *Sight) spaces(self string) Reason {
	h := s.Host
	names, err := h.proc.names(self + "/ns")
	if err != nil {
		return reasonFor(err)
	}
	slices.Sort(names)
	for _, name := range names {
		inode, err := h.namespace(self, name)
		if err != nil {
			return reasonFor(err)
		}
		own := OwnSpace{Name: name, Inode: inode}
		if first := firstNamespace(name, inode); first != 0 {
			own.First, own.Known = inode == first, true
		} else if whole, known := h.InitialPIDNamespace(); known && whole {
			init, err := h.namespace("1", name)
			own.First, own.Known = init == inode, err == nil
		} else if name == "net" {
			own.First, own.Known = h.firstNet()
		}
		s.Spaces = append(s.Spaces, own)
	}
	if len(s.Spaces) == 0 {
		return Malformed
	}
	return Present
}

// firstNet tells by the sysctls of the network whether kwhy is in the namespace that the
// kernel began with: tcp_mem is registered in that alone (net/ipv4/sysctl_net_ipv4.c).
func (h *Host) firstNet() (yes, known bool) {
	mem, _ := h.Look(TCPMem)
	ports, _ := h.Look(IPLocalPortRange)
	return mem == Present, h.Live && ports == Present && (mem == Present || mem == Unsupported)
}

// parseMounts finds the mounts that decide what is to be seen; of several at one place
// the last, which lies on top.
func (s *Sight) parseMounts(b []byte) error {
	proc, _ := filepath.Abs(s.Host.proc.root)
	sys, _ := filepath.Abs(s.Host.sys.root)
	return parseMountinfo(b, "", func(m mount) {
		at := &SightMount{Point: m.point, Type: m.fsType, Options: strings.Split(m.options, ","), Super: strings.Split(m.super, ",")}
		switch {
		case m.fsType == "proc" && m.point == proc:
			s.Proc = at
		case m.fsType == "sysfs" && m.point == sys:
			s.Sys = at
		case m.fsType == "debugfs" && m.point == filepath.Join(sys, "kernel/debug"):
			s.Debug = at
		case m.point == "/":
			s.Root = at
		case m.fsType == "cgroup2":
			s.Cgroups = append(s.Cgroups, CgroupMount{2, m.point, s.Host.controllers(m.point)})
		case m.fsType == "cgroup":
			s.Cgroups = append(s.Cgroups, CgroupMount{1, m.point, controllersV1(&m)})
		}
	})
}

// controllers are those that the cgroup at the top of a mount of version 2 can use
// (cgroup.controllers).
func (h *Host) controllers(point string) (out []string) {
	t, rel := h.under(point)
	_ = t.single(rel+"/cgroup.controllers", func(b []byte) error {
		out = strings.Fields(string(bytes.TrimSpace(b)))
		return nil
	})
	return out
}

// controllersV1 are named among the file system's options.
func controllersV1(m *mount) (out []string) {
	for o := range strings.SplitSeq(m.super, ",") {
		switch o {
		case "rw", "ro", "xattr", "noprefix", "clone_children", "cpuset_v2_mode", "seclabel", "favordynmods":
		default:
			if !strings.Contains(o, "=") || strings.HasPrefix(o, "name=") {
				out = append(out, o)
			}
		}
	}
	return out
}

// MountedSys tells whether a sysfs is at the root of /sys that was given.
func (h *Host) MountedSys() bool {
	var st unix.Statfs_t
	return h.sys.fd >= 0 && unix.Fstatfs(h.sys.fd, &st) == nil && st.Type == unix.SYSFS_MAGIC
}
