package proc

import "kwhy/inspect"

func ParseStat(b []byte) (Process, error) {
	p := NewProcess(1)
	err := p.ParseStat(b)
	return p, err
}

func ParseStatus(b []byte) (Process, error) {
	p := NewProcess(1)
	err := p.parseStatus(b)
	return p, err
}

func ParseCmdline(b []byte) (string, error) {
	p := NewProcess(1)
	err := p.parseCmdline(b)
	return p.Cmdline, err
}

func ParseSyscall(b []byte) (Syscall, error) {
	p := NewProcess(1)
	err := p.parseSyscall(b)
	return p.Call, err
}

func ParseLimits(b []byte) (inspect.Num, error) {
	p := NewProcess(1)
	err := p.parseLimits(b)
	return p.MaxFDs, err
}

func ParseTaskSched(b []byte) (*TaskSched, error) {
	p := NewProcess(1)
	err := p.parseSched(b)
	return p.Sched, err
}

func ParseSchedstat(b []byte) (ran, waited, turns inspect.Num, err error) {
	p := NewProcess(1)
	err = p.parseSchedstat(b)
	return p.Ran, p.Waited, p.Turns, err
}

func ParseAutogroup(b []byte) (id int32, nice int8, err error) {
	p := NewProcess(1)
	err = p.parseAutogroup(b)
	return p.Autogroup, p.AutogroupNice, err
}

// What procfs reads of one process, and what we read.
var (
	TaskOf           = taskOf
	IOOf             = ioOf
	ReadIO           = readIO
	SmapsOf          = smapsOf
	SumSmaps         = sumSmaps
	NamespacesOf     = namespacesOf
	NamespaceNumbers = namespaceNumbers
)

func FindHeld(d *Detail, h *inspect.Host, ps *Processes) { d.findHeld(h, ps) }
