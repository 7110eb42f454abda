package cmd

import (
	"fmt"

	"github.com/spf13/cobra"

	"kwhy/explain/fd"
)

const fdLong = `Open files. Without arguments: what the whole host has open, its limits, and the
processes that have most.

With a PID: every descriptor with what it leads to and what that is: files with their
file system and whether they are deleted, pipes with the processes at the other end,
sockets with addresses and state, and the kinds of file without a name.

--deleted finds deleted files that still take space, --path the processes that have a
file, directory or device open, --socket those that have an address.`

type fdOptions struct {
	settings
	table        tableFlags
	who          processFilter
	deleted      bool
	path, socket string
	of           process // none: the host
}

func (o *fdOptions) parse(t *typed) (err error) {
	if err := o.table.check(); err != nil {
		return err
	}
	var asked []string
	for _, name := range []string{"deleted", "path", "socket"} {
		if t.given(name) != "" {
			asked = append(asked, name)
		}
	}
	switch {
	case len(asked) > 1:
		return usagef("--%s and --%s are two questions: ask one", asked[0], asked[1])
	case len(asked) > 0 && len(t.args) > 0:
		return usagef("--%s asks about the whole host, and a process was given", asked[0])
	}
	if name := t.given("user", "name"); name != "" && len(t.args)+len(asked) > 0 {
		return usagef("--%s is for the table of all processes", name)
	}
	if q := o.question(); q != "" && o.paired() && !o.table.asksHelp() {
		return usagef("--interval is of counts: it does not go with --%s", q)
	}
	if len(t.args) == 0 {
		o.who.settle()
		return nil
	}
	o.of, err = parseProcess(t.arg())
	return err
}

// question is the flag that replaces the table by another; "" without one.
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

func (o *fdOptions) asksHelp() bool { return o.table.asksHelp() }

func newFD(a *App, do func(*fdOptions) error) *cobra.Command {
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
		RunE: settled(a, &o, do, onHost(a, "fd", runFD)),
	}
	f := c.Flags()
	o.table.flags(f, "`N` rows of a table; 0 is all, -1 as many processes as a screen takes, or 200 descriptors")
	o.who.flags(f)
	f.BoolVar(&o.deleted, "deleted", false, "deleted files that still take space")
	f.StringVar(&o.path, "path", "", "which processes have this `FILE`, directory or device open, by its inode")
	f.StringVar(&o.socket, "socket", "", "which processes have the sockets with this address: `ADDR:PORT`, or :PORT")
	return c
}

func runFD(r *run, o *fdOptions) error {
	asked := fd.Options{Columns: o.table.columns, Sort: o.table.sort, Limit: rowLimit(o.table.limit, 0)}
	question := o.question()
	if question != "" && r.host.NoProc {
		return fmt.Errorf("--%s: there is no /proc at %s", question, r.host.Proc.Root)
	}
	if question == "path" && !r.host.Live {
		return fmt.Errorf("--%s looks at the files that links lead to, and a copy of /proc has none", question)
	}
	switch {
	case o.of.given():
		pid, err := r.find(o.of)
		if err != nil {
			return err
		}
		asked.Limit = rowLimit(o.table.limit, fdRows)
		page, err := fd.ProcessPage(pid, asked)
		return showAsked(r, page, err)
	case question == "deleted":
		page, err := fd.DeletedPage(asked)
		return showAsked(r, page, err)
	case question == "path":
		page, err := fd.PathPage(o.path, asked)
		return showAsked(r, page, err)
	case question == "socket":
		page, err := fd.SocketPage(o.socket, asked)
		return showAsked(r, page, err)
	}
	who, err := r.wanted(&o.who)
	if err != nil {
		return err
	}
	asked.Limit, asked.Filter = rowLimit(o.table.limit, r.app.screenRows()), who
	page, err := fd.HostPage(asked)
	return showAsked(r, page, err)
}

// fdRows is how many descriptors of a process are shown unless --limit says
// otherwise: a process with thousands has thousands of the same.
const fdRows = 200
