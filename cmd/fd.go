package cmd

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kwhy/explain"
	"kwhy/explain/fd"
	"kwhy/explain/lower"
	"kwhy/explain/proc"
	"kwhy/explain/units"
	"kwhy/inspect"
	fdfacts "kwhy/inspect/fd"
	procfacts "kwhy/inspect/proc"
	"kwhy/output"
)

const fdLong = `Open files. Without arguments: what the whole host has open, its limits, and the
processes that have most.

With a PID: every descriptor with what it leads to and what that is: files with their
file system and whether they are deleted, pipes with the processes at the other end,
sockets with addresses and state, and the kinds of file without a name.

--deleted finds deleted files that still take space, --path the processes that have a
file, directory or device open, --socket those that have an address.`

type fdOptions struct {
	limit         int
	columns, sort []string
	user, name    string
	deleted       bool
	path, socket  string
}

func (o *fdOptions) flags(f *pflag.FlagSet) {
	f.IntVar(&o.limit, "limit", autoLimit, "`N` rows of a table; 0 is all, -1 as many processes as a screen takes, or 200 descriptors")
	f.StringSliceVar(&o.columns, "columns", nil, "`COLUMNS` to show, in this order; help lists them")
	f.StringSliceVar(&o.sort, "sort", nil, "`COLUMNS` to sort by, numbers largest first; a leading - reverses one")
	f.StringVar(&o.user, "user", "", "only processes of this `USER`, by name or number")
	f.StringVar(&o.name, "name", "", "only processes whose name matches this `REGEXP`")
	f.BoolVar(&o.deleted, "deleted", false, "deleted files that still take space")
	f.StringVar(&o.path, "path", "", "which processes have this `FILE`, directory or device open, by its inode")
	f.StringVar(&o.socket, "socket", "", "which processes have the sockets with this address: `ADDR:PORT`, or :PORT")
}

func (a *App) fdCommand() *cobra.Command {
	var o fdOptions
	c := &cobra.Command{
		Use:   "fd [PID|NAME]",
		Short: "Open files: what each descriptor really is, and how many each process has",
		Long:  fdLong,
		Example: `  kwhy fd
  kwhy fd 1234                          every descriptor of one process
  kwhy fd 1234 --columns fd,local,remote,state
  kwhy fd --interval 10s                which processes open and do not close
  kwhy fd --deleted                     where the disk's space went
  kwhy fd --path /var/log               why it can't be unmounted
  kwhy fd --socket :8080`,
		Args: atMostOne,
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.check(c, args); err != nil {
				return err
			}
			if len(o.columns) == 1 && o.columns[0] == "help" {
				_, err := fmt.Fprint(a.Out, o.columnHelp(args))
				return err
			}
			r, err := a.begin(c, "fd")
			if err != nil {
				return err
			}
			defer r.host.Close()
			switch {
			case len(args) == 1:
				pid, err := r.findProcess(args[0])
				if err != nil {
					return err
				}
				return r.fdProcess(pid, &o)
			case o.question() != "":
				return r.fdAnswer(&o)
			}
			return r.fdHost(&o)
		},
	}
	o.flags(c.Flags())
	return c
}

// question is the flag that asks for something else than the table; "" without one.
func (o *fdOptions) question() string {
	switch {
	case o.deleted:
		return "deleted"
	case o.path != "":
		return "path"
	case o.socket != "":
		return "socket"
	}
	return ""
}

// columnHelp lists the columns of the table that is asked for.
func (o *fdOptions) columnHelp(args []string) string {
	switch {
	case len(args) > 0:
		return lower.ColumnHelp(fd.FDs().Fields)
	case o.deleted:
		return lower.ColumnHelp(fd.GoneList().Fields)
	case o.path != "":
		return lower.ColumnHelp(fd.Holders().Fields)
	case o.socket != "":
		return lower.ColumnHelp(fd.SocketHolders().Fields)
	}
	return lower.ColumnHelp(fd.Processes().Fields)
}

func (o *fdOptions) check(c *cobra.Command, args []string) error {
	if o.limit < autoLimit {
		return usagef("--limit: bad value %d: it takes a number of rows, or 0 for all", o.limit)
	}
	var asked []string
	for _, name := range []string{"deleted", "path", "socket"} {
		if c.Flags().Changed(name) {
			asked = append(asked, name)
		}
	}
	switch {
	case len(asked) > 1:
		return usagef("--%s and --%s are two questions: ask one", asked[0], asked[1])
	case len(asked) > 0 && len(args) > 0:
		return usagef("--%s asks about the whole host, and a process was given", asked[0])
	}
	for _, name := range []string{"user", "name"} {
		if c.Flags().Changed(name) && (len(args) > 0 || len(asked) > 0) {
			return usagef("--%s is for the table of all processes", name)
		}
	}
	return nil
}

// keep puts the filters before a view.
func (o *fdOptions) keep(v *lower.View[fdfacts.ProcessPart]) error {
	if o.user != "" {
		uid, err := userID(o.user)
		if err != nil {
			return err
		}
		v.Where(inspect.Sources{}, func(p fdfacts.ProcessPart) bool {
			return p.Row.Missing(inspect.PIDStatus) == inspect.Present && p.Row.P.UID == uid
		})
	}
	if o.name != "" {
		re, err := regexp.Compile(o.name)
		if err != nil {
			return usagef("--name: %v", err)
		}
		v.Where(inspect.Sources{}, func(p fdfacts.ProcessPart) bool { return re.MatchString(p.Row.P.Comm) })
	}
	return nil
}

func (r *run) fdHost(o *fdOptions) error {
	limit := o.limit
	if limit == autoLimit {
		limit = r.app.screenRows()
	}
	v, err := lower.NewView(fd.Processes(), o.columns, o.sort, limit)
	if err != nil {
		return usagef("%v", err)
	}
	v.Where(inspect.Sources{}, func(p fdfacts.ProcessPart) bool { return p.It.Reason == inspect.Present && !p.Row.P.Kthread() })
	if err := o.keep(v); err != nil {
		return err
	}
	card := fd.Host()
	var was *fdfacts.Snapshot
	if r.set.Interval > 0 {
		if was, err = fd.TakeHost(r.host, card.Needs()); err != nil {
			return err
		}
		r.wait(r.set.Interval)
	}
	p := r.progress("reading the descriptors")
	f, err := fd.TakeHost(r.host, card.Needs())
	p.Stop()
	if err != nil {
		return err
	}
	var over time.Duration
	if f.Was = was; was != nil {
		over = f.Mem.At.Sub(was.Mem.At)
	}
	order := v.Order(f)
	f.Scan.Procs.Fill(order, v.Needs().Plus(inspect.Of(inspect.PIDLimits)))
	rep := lower.Explain(&card, f, r.set.Limits)
	kinds, err := lower.NewView(fd.Kinds(), nil, nil, 0)
	if err != nil {
		return err
	}
	addGrid(&rep, kinds, f.Kinds())
	g, _ := v.Explain(f, order, r.set.Limits)
	g.More = "--limit 0 shows all"
	_, found := v.Explain(f, v.All(f), r.set.Limits) // a small limit is met by few: any row may be near
	rep.Grids, rep.Findings = append(rep.Grids, g), append(rep.Findings, found...)
	rep.Tell(f.Gaps(), r.host.Kernel)
	h := r.header(f.Mem.At, over)
	h.Summary = []string{units.Plural(f.Len(), "process", "processes")}
	return r.print(h, &rep)
}

// fdAnswer answers who has something open.
func (r *run) fdAnswer(o *fdOptions) error {
	if r.set.Interval > 0 {
		return usagef("--interval is of counts: it does not go with --%s", o.question())
	}
	if !r.host.Live && o.socket == "" {
		return fmt.Errorf("--%s looks at the files that links lead to, and a copy of /proc has none", o.question())
	}
	ps, err := proc.Scan(r.host, inspect.Sources{}, nil)
	if err != nil {
		return err
	}
	rep := lower.Report{Limits: r.set.Limits}
	p := r.progress("reading the descriptors")
	switch {
	case o.deleted:
		err = r.fdDeleted(o, ps, &rep)
	case o.path != "":
		err = r.fdPath(o, ps, &rep)
	default:
		err = r.fdSocket(o, ps, &rep)
	}
	p.Stop()
	if err != nil {
		return err
	}
	return r.print(r.header(ps.Host.At, 0), &rep)
}

func (r *run) fdDeleted(o *fdOptions, ps *procfacts.Processes, rep *lower.Report) error {
	v, err := answerView(fd.GoneList(), o)
	if err != nil {
		return err
	}
	card := fd.Gone()
	l := fdfacts.TakeDeleted(r.host, ps)
	*rep = lower.Explain(&card, l, r.set.Limits)
	addGrid(rep, v, l)
	rep.Grids[0].More = "--limit 0 shows all"
	rep.Tell(l.Gaps(), r.host.Kernel)
	return nil
}

func (r *run) fdPath(o *fdOptions, ps *procfacts.Processes, rep *lower.Report) error {
	v, err := answerView(fd.Holders(), o)
	if err != nil {
		return err
	}
	l, err := fdfacts.TakePathHolders(r.host, ps, o.path)
	if err != nil {
		return err
	}
	what := l.What
	if l.Whole {
		what = "something of the file system at " + l.What
	}
	addGrid(rep, v, l)
	answer(rep, l.Len(), units.Plural(l.Len(), "process has ", "processes have ")+what+" open", "Nobody that may be looked at has "+what+" open.")
	rep.Tell(l.Gaps(), r.host.Kernel)
	return nil
}

func (r *run) fdSocket(o *fdOptions, ps *procfacts.Processes, rep *lower.Report) error {
	addr, port, err := parseAddress(o.socket)
	if err != nil {
		return err
	}
	v, err := answerView(fd.SocketHolders(), o)
	if err != nil {
		return err
	}
	l, err := fdfacts.TakeSocketHolders(r.host, ps, addr, port)
	if err != nil {
		return err
	}
	where := ""
	if l.Namespaces > 1 {
		where = fmt.Sprintf(", in %d network namespaces", l.Namespaces)
	}
	nobody := "Nobody that may be looked at has a socket with " + o.socket + where + "."
	if l.Unheld > 0 {
		nobody += " There " + units.Plural(l.Unheld, "is one", "of them are") + ", and whose is not to be seen."
	}
	addGrid(rep, v, l)
	answer(rep, l.Len(), units.Plural(l.Len(), "holder", "holders")+" of sockets with "+o.socket+where, nobody)
	rep.Tell(l.Gaps(), r.host.Kernel)
	return nil
}

// answerView is the table of an answer as it was asked for.
func answerView[S explain.Snapshot[S]](t *explain.Table[S], o *fdOptions) (*lower.View[S], error) {
	v, err := lower.NewView(t, o.columns, o.sort, max(o.limit, 0))
	if err != nil {
		return nil, usagef("%v", err)
	}
	return v, nil
}

// answer puts a title over a table, or a sentence in its place.
func answer(rep *lower.Report, n int, title, nobody string) {
	g := &rep.Grids[0]
	g.Title, g.Empty, g.More = title, nobody, "--limit 0 shows all"
	if g.Sections = n == 0; !g.Sections {
		rep.Parts = []lower.Part{{Title: g.Title, Table: g.Name}}
	}
}

// parseAddress reads ADDR:PORT, [ADDR]:PORT or :PORT.
func parseAddress(text string) (netip.Addr, uint16, error) {
	bad := usagef("--socket: bad value %q: it takes ADDR:PORT, or :PORT", text)
	if rest, ok := strings.CutPrefix(text, ":"); ok {
		n, err := strconv.ParseUint(rest, 10, 16)
		if err != nil {
			return netip.Addr{}, 0, bad
		}
		return netip.Addr{}, uint16(n), nil
	}
	a, err := netip.ParseAddrPort(text)
	if err != nil {
		return netip.Addr{}, 0, bad
	}
	return a.Addr(), a.Port(), nil
}

// fdRows is how many descriptors of a process are shown unless --limit says
// otherwise: who has thousands has thousands of the same.
const fdRows = 200

func (r *run) fdProcess(pid int32, o *fdOptions) error {
	limit := o.limit
	if limit == autoLimit {
		limit = fdRows
	}
	card := fd.Process()
	fds, err := lower.NewView(fd.FDs(), o.columns, o.sort, limit)
	if err != nil {
		return usagef("%v", err)
	}
	look := limit
	if len(o.sort) > 0 {
		look = 0 // any may come first
	}
	var was *fdfacts.List
	if r.set.Interval > 0 {
		if was, err = fd.Take(r.host, pid, 1); err != nil {
			return err
		}
		r.wait(r.set.Interval)
	}
	p := r.progress("reading the descriptors")
	l, err := fd.Take(r.host, pid, look)
	p.Stop()
	if err != nil {
		return err
	}
	var over time.Duration
	if was != nil && was.Row.P.Start == l.Row.P.Start {
		l.Was, over = was, l.Row.Host.At.Sub(was.Row.Host.At)
	}
	rep := lower.Explain(&card, l, r.set.Limits)
	addGrid(&rep, fds, l)
	rep.Grids[0].More = "--limit 0 shows all"
	rep.Tell(l.Gaps(), r.host.Kernel)
	h := r.header(l.Row.Host.At, over)
	h.Subject = &output.Subject{PID: pid, Comm: l.Row.P.Comm}
	if born := r.host.Born(l.Row.P.Start); !born.IsZero() {
		h.Subject.StartTime = &born
	}
	return r.print(h, &rep)
}
