package sched

import "io"

func ParseCPUStat(b []byte) (*Snapshot, error) {
	var s Snapshot
	err := s.parseStat(b)
	return &s, err
}

func ParseConfig(r io.Reader, hz bool) (map[string]string, error) { return parseConfig(r, hz) }

func ParseLag(b []byte, pid int32) (Lag, bool) { return parseLag(b, pid) }
