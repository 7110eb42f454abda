package sched

import (
	"bytes"
	"strings"

	"kwhy/inspect"
	"kwhy/inspect/proc"
)

// Lag is what only debugfs has on one fair task: sched/debug, which holds every
// queue and every task (kernel/sched/debug.c, print_task and print_cfs_rq).
type Lag struct {
	Eligible bool
	Deadline int64 // ns of virtual time
	Vruntime int64 // ns, at that moment
	Mean     int64 // ns: the weighted mean of its queue
	HasMean  bool
}

// lag finds a task in sched/debug; ok is false where it does not say: it is off
// the queues, or the kernel is of before 6.6.
func lag(h *inspect.Host, pid int32) (out Lag, ok bool, why inspect.Reason) {
	err := h.Sys.With("kernel/debug/sched/debug", func(b []byte) error {
		out, ok = parseLag(b, pid)
		return nil
	})
	return out, ok, inspect.ReasonOf(err)
}

// parseLag reads, below "cpu#1", queues of "cfs_rq[1]:/path" with their
// ".avg_vruntime", and "runnable tasks:" whose lines are
//
//	>R  name  131  1234.567890  E  1237.890123  1.400000  ...  /path
//
// and in 7.3 have the weight behind the PID, which the line above them says. The
// name may hold blanks and numbers.
func parseLag(b []byte, pid int32) (out Lag, ok bool) {
	means := map[string]int64{} // by group, of the queues of one CPU
	group := ""
	back := 0 // from a task's vruntime to its PID; 0: the kernel does not have these columns
	for len(b) > 0 {
		var line []byte
		line, b = inspect.CutLine(b)
		switch {
		case bytes.HasPrefix(line, []byte("cpu#")):
			means, group = map[string]int64{}, ""
		case bytes.HasPrefix(line, []byte("cfs_rq[")):
			_, path, _ := strings.Cut(string(line), "]:")
			group = strings.TrimSpace(path)
		case bytes.HasPrefix(line, []byte("rt_rq[")), bytes.HasPrefix(line, []byte("dl_rq[")):
			group = ""
		case bytes.Contains(line, []byte(".avg_vruntime")):
			_, value, _ := strings.Cut(string(line), ":")
			if n, good := proc.SplitNS(strings.TrimSpace(value)); good && group != "" {
				means[group] = n
			}
		case bytes.Contains(line, []byte("eligible")) && bytes.Contains(line, []byte("deadline")):
			back = 1
			if bytes.Contains(line, []byte("weight")) {
				back = 2
			}
		case back > 0:
			if l, path, good := lagLine(string(line), pid, back); good {
				l.Mean, l.HasMean = means[path]
				return l, true
			}
		}
	}
	return out, false
}

// lagLine reads the line of a task, if it is that one's. back is how far its PID is
// before its vruntime.
func lagLine(line string, pid int32, back int) (out Lag, group string, ok bool) {
	f := strings.Fields(line)
	if len(f) == 0 || strings.TrimPrefix(f[0], ">") != "R" {
		return out, "", false // asleep: what stands there is of when it went
	}
	for i := len(f) - 3; i > back; i-- { // a name is in front
		v, ok1 := proc.SplitNS(f[i])
		d, ok2 := proc.SplitNS(f[i+2])
		if !ok1 || !ok2 || f[i+1] != "E" && f[i+1] != "N" {
			continue
		}
		if n, good := inspect.ParsePID(f[i-back]); !good || n != pid {
			return out, "", false
		}
		group = f[len(f)-1]
		if !strings.HasPrefix(group, "/") {
			group = "/"
		}
		return Lag{Eligible: f[i+1] == "E", Deadline: d, Vruntime: v}, group, true
	}
	return out, "", false
}
