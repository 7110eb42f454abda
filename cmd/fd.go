package cmd

import (
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kwhy/explain"
	"kwhy/explain/fd"
	"kwhy/explain/proc"
	"kwhy/inspect"
	"kwhy/output"
)

const fdLong = `Open files. Without arguments: what the whole host has open against its bounds, and
the processes that have most.

With a PID: every descriptor with what it leads to and what that is: files with their
file system and whether they are gone from their directory, pipes with who has the
other end, sockets with addresses and state, and the kinds of file without a name.

--deleted finds files that are gone and still take space, --path who has a file,
directory or device open, --socket who has an address.`

type fdOptions struct {
	limit        int
	sort         []string
	user, name   string
	deleted      bool
	path, socket string
}

func (o *fdOptions) flags(f *pflag.FlagSet) {
	f.IntVar(&o.limit, "limit", autoLimit, "rows of processes, or of one process's descriptors; 0 is all, -1 as many as a screen takes, or 200")
	f.StringSliceVar(&o.sort, "sort", nil, "columns to sort by, numbers largest first; a leading - turns one round")
	f.StringVar(&o.user, "user", "", "only processes of this user, by name or number")
	f.StringVar(&o.name, "name", "", "only processes whose name matches this regular expression")
	f.BoolVar(&o.deleted, "deleted", false, "files that are gone from their directories and still take space")
	f.StringVar(&o.path, "path", "", "who has this file, directory or device open, by its inode")
	f.StringVar(&o.socket, "socket", "", "who has the sockets with this address: ADDR:PORT, or :PORT")
}

func (a *App) fdCommand() *cobra.Command {
	var o fdOptions
	c := &cobra.Command{
		Use:   "fd [PID|NAME]",
		Short: "Open files: what each descriptor really is, and who has how many",
		Long:  fdLong,
		Example: `  kwhy fd
  kwhy fd 1234                          every descriptor of one process
  kwhy fd --interval 10s                who opens and does not close
  kwhy fd --deleted                     where the disk's space went
  kwhy fd --path /var/log               why it can't be unmounted
  kwhy fd --socket :8080`,
		Args: atMostOne,
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.check(c, args); err != nil {
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
				return r.fdProcess(pid, o.limit)
			case o.deleted || o.path != "" || o.socket != "":
				return r.fdHolders(&o)
			}
			return r.fdHost(&o)
		},
	}
	o.flags(c.Flags())
	return c
}

func (o *fdOptions) check(c *cobra.Command, args []string) error {
	if o.limit < autoLimit {
		return usagef("--limit: bad value %d: it takes a number of rows, or 0 for all", o.limit)
	}
	var one []string
	for _, name := range []string{"deleted", "path", "socket"} {
		if c.Flags().Changed(name) {
			one = append(one, name)
		}
	}
	if len(one) > 1 {
		return usagef("--%s and --%s are two questions: ask one", one[0], one[1])
	}
	for _, name := range []string{"deleted", "path", "socket", "limit", "sort", "user", "name"} {
		table := name == "limit" || name == "sort" || name == "user" || name == "name"
		if c.Flags().Changed(name) && (len(args) > 0 && name != "limit" || table && len(one) > 0) {
			return usagef("--%s is for the table of all processes", name)
		}
	}
	return nil
}

// keep puts the filters before a view.
func (o *fdOptions) keep(v *explain.View[inspect.FDHostPart]) error {
	if o.user != "" {
		uid, err := userID(o.user)
		if err != nil {
			return err
		}
		v.Where(inspect.Sources{}, func(p inspect.FDHostPart) bool {
			return p.Row.Missing(inspect.PIDStatus) == inspect.Present && p.Row.P.UID == uid
		})
	}
	if o.name != "" {
		re, err := regexp.Compile(o.name)
		if err != nil {
			return usagef("--name: %v", err)
		}
		v.Where(inspect.Sources{}, func(p inspect.FDHostPart) bool { return re.MatchString(p.Row.P.Comm) })
	}
	return nil
}

func (r *run) fdHost(o *fdOptions) error {
	limit := o.limit
	if limit == autoLimit {
		limit = r.app.screenRows()
	}
	v, err := fd.Processes().View(nil, o.sort, limit)
	if err != nil {
		return usagef("%v", err)
	}
	v.Where(inspect.Sources{}, func(p inspect.FDHostPart) bool { return p.It.Reason == inspect.Present && !p.Row.P.Kthread() })
	if err := o.keep(v); err != nil {
		return err
	}
	card := fd.Host()
	var was *inspect.FDHost
	if r.set.Interval > 0 {
		if was, err = fd.TakeHost(r.host, card.Needs()); err != nil {
			return err
		}
		r.wait()
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
	f.Scan.Procs.Fill(order, inspect.Of(inspect.PIDLimits))
	rep := card.Explain(f, nil)
	kinds, err := fd.Kinds().View(nil, nil, 0)
	if err != nil {
		return err
	}
	addGrid(&rep, kinds, f.Kinds())
	g, found := v.Explain(f, order, nil)
	g.More = "--limit 0 shows all"
	rep.Grids, rep.Findings = append(rep.Grids, g), append(rep.Findings, found...)
	rep.Tell(f.Gaps(), r.host.Kernel)
	h := r.header(f.Mem.At, over)
	h.Summary = []string{explain.Plural(f.Len(), "process", "processes")}
	return r.print(h, &rep)
}

// fdHolders answers who has something open.
func (r *run) fdHolders(o *fdOptions) error {
	ps, err := proc.Scan(r.host, inspect.Sources{}, nil)
	if err != nil {
		return err
	}
	p := r.progress("reading the descriptors")
	var l *inspect.FDHolders
	switch {
	case o.deleted:
		l = r.host.DeletedFiles(ps)
	case o.path != "":
		l, err = r.host.PathHolders(ps, o.path)
	default:
		var addr netip.Addr
		var port uint16
		if addr, port, err = parseAddress(o.socket); err == nil {
			l, err = r.host.SocketHolders(ps, addr, port)
		}
	}
	p.Stop()
	if err != nil {
		return err
	}
	v, err := fd.Holders(o.deleted).View(nil, nil, 0)
	if err != nil {
		return err
	}
	var rep explain.Report
	addGrid(&rep, v, l)
	g := &rep.Grids[0]
	g.Title = explain.Plural(l.Len(), "holder", "holders") + " of " + l.What
	g.Empty = "Nobody that may be looked at has " + l.What + " open."
	if g.Sections = l.Len() == 0; !g.Sections {
		rep.Parts = []explain.Part{{Title: g.Title, Table: g.Name}}
	}
	rep.Tell(l.Gaps(), r.host.Kernel)
	return r.print(r.header(ps.Host.At, 0), &rep)
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

func (r *run) fdProcess(pid int32, limit int) error {
	if limit == autoLimit {
		limit = fdRows
	}
	card := fd.Process()
	fds, err := fd.FDs().View(nil, nil, limit)
	if err != nil {
		return err
	}
	p := r.progress("reading the descriptors")
	l, err := fd.Take(r.host, pid, limit)
	p.Stop()
	if err != nil {
		return err
	}
	rep := card.Explain(l, nil)
	addGrid(&rep, fds, l)
	rep.Grids[0].More = "--limit 0 shows all"
	rep.Tell(l.Gaps(), r.host.Kernel)
	h := r.header(l.Row.Host.At, 0)
	h.Subject = &output.Subject{PID: pid, Comm: l.Row.P.Comm}
	if born := r.host.Born(l.Row.P.Start); !born.IsZero() {
		h.Subject.StartTime = &born
	}
	return r.print(h, &rep)
}
