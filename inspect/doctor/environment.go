package doctor

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"kwhy/inspect"
	"kwhy/inspect/cgroup"
	"kwhy/inspect/proc"
)

// Environment is what kwhy is here to the kernel: its rights, its namespaces, and how
// /proc and /sys are mounted.
type Environment struct {
	inspect.Unpaired[*Environment]

	inspect.Settings                   // those that decide who sees what
	Status           map[string]string // the lines of /proc/self/status
	User             string            // its effective user's name; "" if unknown
	Spaces           []OwnNamespace    // the namespaces that it lives in
	Foreign          bool              // this /proc shows another PID namespace than kwhy's own
	Processes        int               // that it sees
	Hidden           bool              // /proc hides others' processes from it

	Proc, Sys, Debug *Mount // nil where none is found
	Root             *Mount
	Cgroups          []CgroupMount
}

// OwnNamespace is a namespace of kwhy's, and whether it is the initial one.
type OwnNamespace struct {
	Name         string
	Inode        uint64
	First, Known bool
}

// Mount is where a file system is mounted.
type Mount struct {
	Point, Type    string
	Options, Super []string // of the mount, and of the file system
}

// Has reports whether one of its options is there.
func (m *Mount) Has(option string) bool {
	return slices.Contains(m.Options, option) || slices.Contains(m.Super, option)
}

// Option returns what an option is set to: hidepid=2; "" if it is not there.
func (m *Mount) Option(name string) string {
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
	Controllers []string       // that can be used there
	Why         inspect.Reason // why these are not known; Present: they are
	Rest        inspect.Reason // why cgroups above its top and beside it can't be seen; Present: there are none
}

// sightSettings are the settings that decide who sees what.
func sightSettings() []inspect.Source {
	return []inspect.Source{
		inspect.SecurityLockdown, inspect.YamaPtraceScope, inspect.DmesgRestrict, inspect.KptrRestrict,
		inspect.PerfEventParanoid,
	}
}

// Space returns one of kwhy's namespaces; nil if it is not to be seen.
func (s *Environment) Space(name string) *OwnNamespace {
	for i := range s.Spaces {
		if s.Spaces[i].Name == name {
			return &s.Spaces[i]
		}
	}
	return nil
}

// OverHost reports whether kwhy has a capability over the host: those that a user
// namespace of its own gives hold over that alone (capable() in kernel/capability.c).
func (s *Environment) OverHost(bit uint) (yes, ok bool) {
	yes, ok = s.Holds(bit)
	user := s.Space("user")
	return yes && user != nil && user.Known && user.First, ok && user != nil
}

// Holds reports whether kwhy has a capability; ok is false if that is unknown.
func (s *Environment) Holds(bit uint) (yes, ok bool) {
	set, err := strconv.ParseUint(s.Status["CapEff"], 16, 64)
	return set>>bit&1 == 1, err == nil
}

// TakeEnvironment finds out what kwhy is here. The caller has scanned the processes.
func TakeEnvironment(h *inspect.Host, ps *proc.Processes) *Environment {
	s := &Environment{Settings: h.NewSettings(), Processes: len(ps.Rows), Hidden: ps.Host.Hidden}
	s.Got[inspect.ProcAndSys], s.Got[inspect.PIDStat] = inspect.Present, inspect.Present // the scan has read it
	s.Foreign = h.Live && !h.SameProcesses()
	self := h.OwnDir()
	s.rights(self)
	s.Got[inspect.SelfMountinfo] = inspect.ReasonOf(h.Proc.With(self+"/mountinfo", s.parseMounts))
	s.cgroups()
	for _, src := range sightSettings() {
		s.Note(src, s.Read(src))
	}
	return s
}

// rights finds out with which rights kwhy runs, and in which namespaces. In a copy, self is who
// made it, and what kwhy may do here matters for none of what was saved.
func (s *Environment) rights(self string) {
	if !s.Host.Live {
		s.Got[inspect.PIDStatus], s.Got[inspect.PIDNs], s.Got[inspect.Passwd] = s.notOwn(), s.notOwn(), s.notOwn()
		return
	}
	var d proc.Detail
	s.Got[inspect.PIDStatus] = inspect.ReasonOf(s.Host.Proc.With(self+"/status", d.ParseStatus))
	s.Status = d.Status
	s.user()
	s.Got[inspect.PIDNs] = s.spaces(self)
}

// notOwn is why nothing is said of kwhy's own process where what is read has none of it.
func (s *Environment) notOwn() inspect.Reason {
	if s.Host.NoProc {
		return inspect.NotMounted
	}
	return inspect.Inapplicable
}

func (s *Environment) user() {
	users, err := s.Host.Users()
	s.Got[inspect.Passwd] = inspect.ReasonOf(err)
	if f := strings.Fields(s.Status["Uid"]); len(f) == 4 {
		if uid, err := strconv.ParseUint(f[1], 10, 32); err == nil {
			s.User = users[uint32(uid)]
		}
	}
}

// spaces reads kwhy's own namespaces. Those of mnt and net that the kernel began with
// have a fixed number since late only: before that PID 1's of the host tell, where
// these can be seen.
func (s *Environment) spaces(self string) inspect.Reason {
	h := s.Host
	names, err := h.Proc.Names(self + "/ns")
	if err != nil {
		return inspect.ReasonOf(err)
	}
	slices.Sort(names)
	for _, name := range names {
		inode, err := h.Namespace(self, name)
		if err != nil {
			return inspect.ReasonOf(err)
		}
		own := OwnNamespace{Name: name, Inode: inode}
		if first := inspect.FirstNamespace(name, inode); first != 0 {
			own.First, own.Known = inode == first, true
		} else if whole, known := h.InitialPIDNamespace(); known && whole {
			init, err := h.Namespace("1", name)
			if own.First, own.Known = init == inode, err == nil; !own.Known && name == "net" {
				own.First, own.Known = h.SharesNetwork("1") // which nobody is denied
			}
		}
		if !own.Known && name == "net" {
			own.First, own.Known = firstNet(h)
		}
		s.Spaces = append(s.Spaces, own)
	}
	if len(s.Spaces) == 0 {
		return inspect.Malformed
	}
	return inspect.Present
}

// firstNet reports, by the sysctls of the network, whether kwhy is in the namespace that the
// kernel began with: tcp_mem is registered in that alone (net/ipv4/sysctl_net_ipv4.c).
func firstNet(h *inspect.Host) (yes, known bool) {
	mem, _ := Probe(h, inspect.TCPMem)
	ports, _ := Probe(h, inspect.IPLocalPortRange)
	return mem == inspect.Present, h.Live && ports == inspect.Present && (mem == inspect.Present || mem.IsMissing())
}

// parseMounts finds the mounts that decide what can be seen; of several at one place
// the last, which lies on top.
func (s *Environment) parseMounts(b []byte) error {
	proc, _ := filepath.Abs(s.Host.Proc.Root)
	sys, _ := filepath.Abs(s.Host.Sys.Root)
	return inspect.ParseMountinfo(b, "", func(m inspect.Mount) {
		at := &Mount{Point: m.Point, Type: m.FSType, Options: strings.Split(m.Options, ","), Super: strings.Split(m.Super, ",")}
		switch {
		case m.FSType == "proc" && m.Point == proc:
			s.Proc = at
		case m.Point == sys: // of whatever type: what lies on top hides the kernel's
			s.Sys = at
		case m.FSType == "debugfs" && m.Point == filepath.Join(sys, "kernel/debug"):
			s.Debug = at
		case m.Point == "/":
			s.Root = at
		}
	})
}

// cgroups lists the hierarchies of cgroups that can be read.
func (s *Environment) cgroups() {
	mounts, err := cgroup.Mounts(s.Host)
	if err != nil {
		return
	}
	for _, m := range mounts {
		out := CgroupMount{Version: m.Version, Point: m.Point, Rest: m.Rest}
		if m.Version == 1 {
			out.Controllers = controllersV1(&m.Mount)
		} else {
			out.Controllers, out.Why = m.Controllers()
		}
		s.Cgroups = append(s.Cgroups, out)
	}
}

// controllersV1 are named among the file system's options.
func controllersV1(m *inspect.Mount) (out []string) {
	for o := range strings.SplitSeq(m.Super, ",") {
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
