package cmd

import (
	"os/user"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/proc"
)

// What commands that show a table of processes have in common.

// autoLimit is as many rows as a screen takes.
const autoLimit = -1

func checkLimit(limit int) error {
	if limit < autoLimit {
		return usagef("--limit: bad value %d: it takes a number of rows, or 0 for all", limit)
	}
	return nil
}

// rowLimit is a limit as it was asked for, with what auto is here.
func rowLimit(asked, auto int) int {
	if asked == autoLimit {
		return auto
	}
	return asked
}

// screenRows is how many rows of a table a screen takes: each may be two
// lines, and it is not alone.
func (a *App) screenRows() int {
	if !a.OutTerminal || a.Lines == 0 {
		return 10
	}
	return min(max((a.Lines-4)/2, 5), 20)
}

// forTable refuses flags that go with the table alone.
func forTable(c *cobra.Command, flags ...string) error {
	for _, name := range flags {
		if c.Flags().Changed(name) {
			return usagef("--%s is for the table, and a process was given", name)
		}
	}
	return nil
}

// processFlags say which processes are wanted.
type processFlags struct{ user, name, state, cgroup string }

func (p *processFlags) flags(f *pflag.FlagSet) {
	f.StringVar(&p.user, "user", "", "only processes of this `USER`, by name or number")
	f.StringVar(&p.name, "name", "", "only processes whose name matches this `REGEXP`")
}

// filter is what was asked for, with the user's number.
func (p *processFlags) filter() (proc.Filter, error) {
	out := proc.Filter{Name: p.name, State: p.state, Cgroup: p.cgroup}
	if p.user == "" {
		return out, nil
	}
	uid, err := userID(p.user)
	out.UID = &uid
	return out, err
}

// userID finds a user's number by name or by number.
func userID(name string) (uint32, error) {
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(n), nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return 0, usagef("--user: there is no user %q here; a number works too", name)
	}
	n, err := strconv.ParseUint(u.Uid, 10, 32)
	return uint32(n), err
}

// showAsked shows a page that was made of what the user asked for; where it could not be
// made, that was a mistake in the command line.
func showAsked[S explain.Snapshot[S]](r *run, page *lower.Page[S], err error) error {
	if err != nil {
		return usageError{err}
	}
	return show(r, page)
}

func parsePID(arg string) (int32, error) {
	n, err := strconv.ParseInt(arg, 10, 32)
	if err != nil || n < 1 {
		return 0, usagef("bad PID %q: it takes the number of a process", arg)
	}
	return int32(n), nil
}
