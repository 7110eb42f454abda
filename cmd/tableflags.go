package cmd

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kwhy/explain"
	"kwhy/explain/check"
	"kwhy/explain/lower"
	"kwhy/explain/proc"
	"kwhy/inspect"
)

// What commands with a table have in common.

// autoLimit means as many rows as fit on a screen.
const autoLimit = -1

// tableFlags are the options of a table.
type tableFlags struct {
	limit         int
	columns, sort []string
}

func (o *tableFlags) flags(f *pflag.FlagSet, limit string) {
	f.IntVar(&o.limit, "limit", autoLimit, limit)
	f.StringSliceVar(&o.columns, "columns", nil, "`COLUMNS` to show, in this order; help lists them")
	f.StringSliceVar(&o.sort, "sort", nil, "`COLUMNS` to sort by, numbers largest first; a leading - reverses one")
}

func (o *tableFlags) check() error {
	if o.limit < autoLimit {
		return usagef("--limit: bad value %d: it takes a number of rows, or 0 for all", o.limit)
	}
	return nil
}

// asksHelp reports whether --columns help was given: then the columns are listed.
func (o *tableFlags) asksHelp() bool { return len(o.columns) == 1 && o.columns[0] == "help" }

// choice is the columns of the table that a command line is about: of the form of the
// command that a flag or an argument asks for, or else of the plain one.
func choice(c *cobra.Command) lower.Columns {
	path := pathOf(c)
	name, _, _ := strings.Cut(path, " ")
	all := check.Topics()
	i := slices.IndexFunc(all, func(t explain.Topic) bool { return t.Name == name })
	if i < 0 {
		return lower.Columns{}
	}
	choices := lower.Choices(&all[i])
	for _, form := range slices.Sorted(maps.Keys(choices)) {
		switch how, other := strings.CutPrefix(form, path+" "); {
		case !other:
		case how == "PID" && c.Flags().NArg() > 0, strings.HasPrefix(how, "--") && c.Flags().Changed(how[2:]):
			return choices[form]
		}
	}
	return choices[path]
}

// rowLimit is the limit that was asked for, or auto for autoLimit.
func rowLimit(asked, auto int) int {
	if asked == autoLimit {
		return auto
	}
	return asked
}

// screenRows is how many rows of a table fit on a screen: a row may have two lines, and
// other parts of the report need room too.
func (a *App) screenRows() int {
	if !a.OutTerminal || a.Lines == 0 {
		return 10
	}
	return min(max((a.Lines-4)/2, 5), 20)
}

// forTable refuses flags that are only for the table.
func (t *typed) forTable(flags ...string) error {
	if name := t.given(flags...); name != "" {
		return usagef("--%s is for the table, and a process was given", name)
	}
	return nil
}

// processFilter says which processes are shown.
type processFilter struct {
	proc.Filter
	user string // as it was typed
}

func (p *processFilter) flags(f *pflag.FlagSet) {
	f.StringVar(&p.user, "user", "", "only processes of this `USER`, by name or number")
	f.StringVar(&p.Name, "name", "", "only processes whose name matches this `REGEXP`")
}

// settle takes a user's number. A name is looked up once the host is open.
func (p *processFilter) settle() {
	if n, err := strconv.ParseUint(p.user, 10, 32); err == nil {
		uid := uint32(n)
		p.UID = &uid
	}
}

// wanted is the filter, with the number of the user that was named.
func (r *run) wanted(p *processFilter) (proc.Filter, error) {
	if p.user == "" || p.UID != nil {
		return p.Filter, nil
	}
	switch uid, found, err := r.host.UserID(p.user); {
	case errors.Is(err, inspect.ErrNoNames):
		return proc.Filter{}, usagef("--user: %w: give a number", err)
	case err != nil:
		return proc.Filter{}, fmt.Errorf("--user: %w (a number works without)", err)
	case !found:
		return proc.Filter{}, usagef("--user: there is no user %q here; a number works too", p.user)
	default:
		filter := p.Filter
		filter.UID = &uid
		return filter, nil
	}
}

// showAsked shows a page that was made from the options. If it could not be made, the
// command line has a mistake.
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

// process is the process that a command is about: its number, or a name that only one
// process has. The zero process is none.
type process struct {
	pid  int32
	name string
}

func (p process) given() bool { return p != process{} }

func parseProcess(arg string) (p process, err error) {
	if strings.Trim(arg, "0123456789") == "" {
		p.pid, err = parsePID(arg)
		return p, err
	}
	return process{name: arg}, nil
}

// find returns the number of a process; 0 for none.
func (r *run) find(p process) (int32, error) {
	if p.name != "" {
		return proc.Find(r.host, p.name)
	}
	return p.pid, nil
}
