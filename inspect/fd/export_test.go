package fd

import (
	"kwhy/inspect"
	"kwhy/inspect/proc"
)

func ParseInfo(b []byte) (Descriptor, error) {
	f := Descriptor{MountID: -1}
	err := f.parseInfo(b)
	return f, err
}

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

func InFlight(b []byte) (int, bool) { return inFlight(b) }

func Registered(b []byte) int { return registered(b) }

// KeptByKernel are the files that the kernel itself keeps, beside those of list.
func KeptByKernel(h *inspect.Host, list ...DeletedFile) *DeletedFiles {
	l := &DeletedFiles{Procs: &proc.Processes{}, List: list, why: map[inspect.Source]inspect.Reason{}}
	l.byKernel(h)
	return l
}
