package proc

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"kwhy/explain/lower"
	"kwhy/inspect"
)

// Filter says which processes are wanted. What is empty keeps all.
type Filter struct {
	UID    *uint32
	Name   string // a regular expression
	State  string // letters: D,Z
	Cgroup string // a path: those in it and below it
}

// Apply puts the filter before a view. It fails where a part of it makes no sense, and
// then names the flag that it is from.
func (f *Filter) Apply(v *lower.View[row]) error {
	if f.UID != nil {
		uid := *f.UID
		v.Where(inspect.Of(inspect.PIDStatus), func(p row) bool {
			return p.Missing(inspect.PIDStatus) == inspect.Present && p.P.UID == uid
		})
	}
	if f.Name != "" {
		re, err := regexp.Compile(f.Name)
		if err != nil {
			return fmt.Errorf("--name: %w", err)
		}
		v.Where(inspect.Of(inspect.PIDStat), func(p row) bool { return re.MatchString(p.P.Comm) })
	}
	if f.State != "" {
		letters := strings.ReplaceAll(f.State, ",", "")
		if bad := strings.Trim(letters, "RSDTtZIXP"); bad != "" {
			return fmt.Errorf("--state: bad value %q: it takes the letters R, S, D, T, t, Z, I, X and P", f.State)
		}
		v.Where(inspect.Of(inspect.PIDStat), func(p row) bool { return strings.IndexByte(letters, p.P.State) >= 0 })
	}
	if f.Cgroup != "" {
		top := "/" + strings.Trim(f.Cgroup, "/")
		v.Where(inspect.Of(inspect.PIDCgroup), func(p row) bool {
			return p.P.Cgroup != "" && (top == "/" || p.P.Cgroup == top || strings.HasPrefix(p.P.Cgroup, top+"/"))
		})
	}
	return nil
}

// Find returns the process of a name that just one has, kwhy itself aside. The error
// says how many have it, and is inspect.ErrNoProcess where none has.
func Find(h *inspect.Host, name string) (int32, error) {
	ps, err := Scan(h, inspect.Sources{}, nil)
	if err != nil {
		return 0, err
	}
	var found []string
	var pid int32
	for i := range ps.Rows {
		if p := &ps.Rows[i]; p.Comm == name && p.PID != ps.Host.Self {
			pid = p.PID
			found = append(found, strconv.Itoa(int(pid)))
		}
	}
	switch n := len(found); {
	case n == 0:
		return 0, fmt.Errorf("no process is called %q (kwhy proc --name finds parts of names): %w", name, inspect.ErrNoProcess)
	case n > 20:
		return 0, fmt.Errorf("%d processes are called %q: give a PID, such as %s", n, name, found[0])
	case n > 1:
		return 0, fmt.Errorf("%d processes are called %q: give a PID of %s", n, name, strings.Join(found, ", "))
	}
	return pid, nil
}

// Subject is the process of a row, for a page that is about it.
func Subject(pid int32, r row) *lower.Subject {
	return &lower.Subject{PID: pid, Comm: r.P.Comm, Born: r.Host.Host.Born(r.P.Start)}
}
