package inspect

import (
	"bytes"
	"io"

	"kwhy/inspect/sockdiag"
)

// What the tests, which are outside of the package because inspecttest imports
// it, need of its inside.
var CountList = countList
var ParseChoice = parseChoice
var ParseUint = parseUint
var ParseZoneinfo = parseZoneinfo
var ParseSlabinfo = parseSlabinfo
var ParseNodeMeminfo = parseNodeMeminfo
var UnescapeOctal = unescapeOctal
var ParseSwaps = parseSwaps
var ErrMalformed = errMalformed

func ParseCounters(b []byte) (Counters, error) { return parseCounters(b, 0) }

func ParseStat(b []byte) (Process, error) {
	p := newProcess(1)
	err := p.parseStat(b)
	return p, err
}

func ParseStatus(b []byte) (Process, error) {
	p := newProcess(1)
	err := p.parseStatus(b)
	return p, err
}

func ParseCmdline(b []byte) (string, error) {
	p := newProcess(1)
	err := p.parseCmdline(b)
	return p.Cmdline, err
}

func ParseZram(b []byte) (Zram, error) {
	var z Zram
	err := z.parse(b)
	return z, err
}

func ParsePressure(b []byte) (Pressure, error) { return parsePressure(b) }

func ParseBuddyinfo(b []byte) ([]Zone, error) {
	var m Mem
	err := parseBuddyinfo(b, m.zone)
	return m.Zones, err
}

// Mount is a line of mountinfo, as the tests see it.
type Mount struct{ Root, Point, Type, Super string }

func ParseMountinfo(b []byte) (out []Mount, err error) {
	err = parseMountinfo(b, "", func(m mount) { out = append(out, Mount{m.root, m.point, m.fsType, m.super}) })
	return out, err
}

// Mapping is a line of maps, as the tests see it.
type Mapping struct {
	Start, End  uint64
	Perms, Path string
}

func ParseMaps(b []byte) (out []Mapping, err error) {
	for len(b) > 0 {
		var line []byte
		line, b = cutLine(b)
		var v mapping
		if !v.parse(line) {
			return nil, errMalformed
		}
		out = append(out, Mapping{v.start, v.end, v.perms, v.path})
	}
	return out, nil
}

// NewProcess is a process of which nothing was read.
func NewProcess(pid int32) Process { return newProcess(pid) }

func ParseSyscall(b []byte) (Syscall, error) {
	p := newProcess(1)
	err := p.parseSyscall(b)
	return p.Call, err
}

func ParseLimits(b []byte) (Num, error) {
	p := newProcess(1)
	err := p.parseLimits(b)
	return p.MaxFDs, err
}

func ParseTaskSched(b []byte) (*TaskSched, error) {
	p := newProcess(1)
	err := p.parseSched(b)
	return p.Sched, err
}

func ParseSchedstat(b []byte) (ran, waited, turns Num, err error) {
	p := newProcess(1)
	err = p.parseSchedstat(b)
	return p.Ran, p.Waited, p.Turns, err
}

func ParseAutogroup(b []byte) (id int32, nice int8, err error) {
	p := newProcess(1)
	err = p.parseAutogroup(b)
	return p.Autogroup, p.AutogroupNice, err
}

func ParseCPUStat(b []byte) (*Sched, error) {
	var s Sched
	err := s.parseStat(b)
	return &s, err
}

func ParseConfig(r io.Reader, hz bool) (map[string]string, error) { return parseConfig(r, hz) }

func ParseLag(b []byte, pid int32) (Lag, bool) { return parseLag(b, pid) }

// ParseSocket reads a line of a file of /proc/net.
func ParseSocket(name, line string) (sockdiag.Socket, bool) {
	for i := range socketKinds {
		if socketKinds[i].name == name {
			return parseSocket(&socketKinds[i], line)
		}
	}
	return sockdiag.Socket{}, false
}

func ParseInfo(b []byte) (FD, error) {
	f := FD{MountID: -1}
	err := f.parseInfo(b)
	return f, err
}

func KindOf(link string) (FileKind, bool) { return kindOf([]byte(link)) }

func ParseDevices(b []byte) (map[uint64]string, error) {
	out := map[uint64]string{}
	err := parseDevices(b, out)
	return out, err
}

func ParseMisc(b []byte) map[uint64]string {
	out := map[uint64]string{}
	_ = parseMisc(b, out)
	return out
}

// ParseMount reads a line of mountinfo.
func ParseMount(line string) (*MountPoint, bool) {
	t := mountTable{map[int64]*MountPoint{}, map[uint64]*MountPoint{}}
	ok := t.add(line)
	for _, m := range t.byID {
		return m, ok
	}
	return nil, ok
}

func KernelDev(n uint64) uint64 { return kernelDev(n) }

// MappingOf reads device, inode and path of a line of maps.
func MappingOf(line string) (dev, inode uint64, path string, ok bool) {
	var m mapping
	ok = m.parse([]byte(line))
	return m.dev, m.inode, m.path, ok
}

func ParseMIB(b []byte) (Counters, error) {
	out := Counters{}
	err := parseMIB(b, out)
	return out, err
}

func ParseSockstat(b []byte) (Counters, error) {
	out := Counters{}
	err := parseSockstat(b, out)
	return out, err
}

var ParseProtocols = parseProtocols
var ParseSoftnet = parseSoftnet
var ParseConntrack = parseConntrack
var ParseQdisc = parseQdisc
var ParseHook = parseHook
var CPUMask = cpuMask

func ParseNetDev(b []byte) (map[string]DevStats, error) {
	out := map[string]DevStats{}
	err := parseNetDev(b, func(name string, s DevStats) { out[name] = s })
	return out, err
}

// ParseLinks reads answers to RTM_GETLINK and to RTM_GETADDR.
func ParseLinks(links, addresses [][]byte) map[string]*Interface {
	n := rtnet{links: map[string]*Interface{}, index: map[int32]string{}}
	for _, b := range links {
		n.link(b)
	}
	for _, b := range addresses {
		n.address(b)
	}
	return n.links
}

// CountSockets counts the sockets in a file of /proc/net.
func CountSockets(b []byte, kind string, p PortRange) SocketCount {
	var s Sockets
	for line := range bytes.Lines(b) {
		if sock, ok := ParseSocket(kind, string(trimNewline(line))); ok {
			s.List.Add(&sock)
		}
	}
	return s.Count(p)
}
