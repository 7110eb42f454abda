package cmd

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kwhy/explain/fd"
	"kwhy/explain/lower"
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
	filter        processFlags
	deleted       bool
	path, socket  string
}

func (o *fdOptions) flags(f *pflag.FlagSet) {
	f.IntVar(&o.limit, "limit", autoLimit, "`N` rows of a table; 0 is all, -1 as many processes as a screen takes, or 200 descriptors")
	f.StringSliceVar(&o.columns, "columns", nil, "`COLUMNS` to show, in this order; help lists them")
	f.StringSliceVar(&o.sort, "sort", nil, "`COLUMNS` to sort by, numbers largest first; a leading - reverses one")
	o.filter.flags(f)
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
				page, err := fd.ProcessPage(pid, fd.Options{Columns: o.columns, Sort: o.sort, Limit: rowLimit(o.limit, fdRows)})
				return showAsked(r, page, err)
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
	if err := checkLimit(o.limit); err != nil {
		return err
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

func (r *run) fdHost(o *fdOptions) error {
	filter, err := o.filter.filter()
	if err != nil {
		return err
	}
	page, err := fd.HostPage(fd.Options{Columns: o.columns, Sort: o.sort, Limit: rowLimit(o.limit, r.app.screenRows()), Filter: filter})
	return showAsked(r, page, err)
}

// fdAnswer answers who has something open.
func (r *run) fdAnswer(o *fdOptions) error {
	if r.set.Interval > 0 {
		return usagef("--interval is of counts: it does not go with --%s", o.question())
	}
	if !r.host.Live && o.socket == "" {
		return fmt.Errorf("--%s looks at the files that links lead to, and a copy of /proc has none", o.question())
	}
	asked := fd.Options{Columns: o.columns, Sort: o.sort, Limit: rowLimit(o.limit, 0)}
	switch {
	case o.deleted:
		page, err := fd.DeletedPage(asked)
		return showAsked(r, page, err)
	case o.path != "":
		page, err := fd.PathPage(o.path, asked)
		return showAsked(r, page, err)
	}
	page, err := fd.SocketPage(o.socket, asked)
	return showAsked(r, page, err)
}

// fdRows is how many descriptors of a process are shown unless --limit says
// otherwise: who has thousands has thousands of the same.
const fdRows = 200
