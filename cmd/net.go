package cmd

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kwhy/explain/net"
)

const netLong = `The network of this host: sockets in use, listeners, the memory of socket buffers,
and where packets are lost, layer by layer in the order in which a packet passes them.

The report is about one network namespace: kwhy's own, or a process's with --netns.
What the kernel keeps for all of them is the host's: buffer memory and its limits,
and the packet processing of the CPUs (softnet).

With a PID, or a name that just one process has: that process's sockets, in its own
network namespace.`

const socketsLong = `Every socket of this network namespace, or of a process's, with where its bytes wait:
in the program that does not read, in the peer's window, or in the network.

The kernel lists them by sock_diag, with memory, round-trip times and congestion
windows; where sock_diag is not available, /proc/net has addresses, state and queues.
To find their owners kwhy walks over all descriptors; --no-owners leaves that out.`

// socketOptions are what the sockets are shown by.
type socketOptions struct {
	limit   int
	columns []string
	sort    []string
	filter  net.SocketFilter
}

func (o *socketOptions) tableFlags(f *pflag.FlagSet) {
	f.IntVar(&o.limit, "limit", autoLimit, "`N` rows of sockets; 0 is all, -1 as many as a screen takes")
	f.StringSliceVar(&o.columns, "columns", nil, "`COLUMNS` to show, in this order; help lists them")
	f.StringSliceVar(&o.sort, "sort", nil, "`COLUMNS` to sort by, numbers largest first; a leading - reverses one")
	f.BoolVar(&o.filter.NoOwners, "no-owners", false, "leave out the owners: no walk over all descriptors")
	f.StringSliceVar(
		&o.filter.Protocols,
		"protocol",
		nil,
		"only these `PROTOCOLS`: tcp, udp, unix, ..., both versions of IP unless it ends in 6",
	)
	f.StringSliceVar(&o.filter.States, "state", nil, "only sockets in these `STATES`: ESTABLISHED, CLOSE_WAIT, ...")
	f.StringVar(&o.filter.Address, "address", "", "only sockets with this address, local or the peer's: `ADDR`, ADDR/BITS or a unix path")
	f.Uint16Var(&o.filter.Port, "port", 0, "only sockets with this `PORT`, local or the peer's")
	f.StringVar(
		&o.filter.Process,
		"process",
		"",
		"only sockets of this process, by `PID`, or of those whose name matches this regular expression",
	)
}

func (a *App) netCommand() *cobra.Command {
	var o netHostOptions
	c := &cobra.Command{
		Use:   "net [PID|NAME]",
		Short: "Sockets, their buffers, and where packets are lost",
		Long:  netLong,
		Example: `  kwhy net
  kwhy net --interval 10s               what is being lost now
  kwhy net --netns 1234                 in the network namespace of a process
  kwhy net --all-netns                  all network namespaces and their processes
  kwhy net 1234                         one process's sockets
  kwhy net 1234 --interval 1s           with the rates of each
  kwhy net sockets                      all of them, those with waiting bytes first`,
		Args: atMostOne,
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.check(len(args) > 0); err != nil {
				return err
			}
			r, err := a.begin(c, "net")
			if err != nil {
				return err
			}
			defer r.host.Close()
			if len(args) == 0 {
				return r.netHost(&o)
			}
			pid, err := r.findProcess(args[0])
			if err != nil {
				return err
			}
			return show(r, net.ProcessPage(pid, fdRows))
		},
	}
	o.flags(c.Flags())
	c.AddCommand(a.socketsCommand())
	return c
}

func (a *App) socketsCommand() *cobra.Command {
	var o socketOptions
	c := &cobra.Command{
		Use:   "sockets [PID|NAME]",
		Short: "Every socket, and where its bytes wait",
		Long:  socketsLong,
		Example: `  kwhy net sockets
  kwhy net sockets --state CLOSE_WAIT --limit 0     which programs do not close
  kwhy net sockets --port 443 --sort tcpi_rtt
  kwhy net sockets nginx                            in its network namespace
  kwhy net sockets --process nginx --interval 1s    with rates of bytes and retransmissions
  kwhy net sockets --columns protocol,local_endpoint,peer_endpoint,sk_rmem_alloc,sk_rcvbuf`,
		Args: atMostOne,
		RunE: func(c *cobra.Command, args []string) error {
			if err := checkLimit(o.limit); err != nil {
				return err
			}
			if len(o.columns) == 1 && o.columns[0] == "help" {
				_, err := fmt.Fprint(a.Out, net.Columns())
				return err
			}
			r, err := a.begin(c, "net")
			if err != nil {
				return err
			}
			defer r.host.Close()
			return r.netSockets(args, &o)
		},
	}
	o.tableFlags(c.Flags())
	return c
}

// netSockets shows the sockets of this network namespace, or of a process's.
func (r *run) netSockets(args []string, o *socketOptions) error {
	asked := net.SocketOptions{
		Columns: o.columns,
		Sort:    o.sort,
		Limit:   rowLimit(o.limit, r.app.screenRows()),
		Text:    r.set.Output == "text",
		Filter:  o.filter,
	}
	if len(args) == 1 {
		var err error
		if asked.PID, err = r.findProcess(args[0]); err != nil {
			return err
		}
	}
	page, err := net.SocketsPage(asked)
	return showAsked(r, page, err)
}

// netHostOptions are those of the host's network.
type netHostOptions struct {
	netns    string
	allNetns bool
}

func (o *netHostOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.netns, "netns", "", "the network namespace of this `PROCESS`, by PID or name, instead of kwhy's own")
	f.BoolVar(&o.allNetns, "all-netns", false, "every network namespace that has processes, a line each")
}

func (o *netHostOptions) check(process bool) error {
	if process && (o.netns != "" || o.allNetns) {
		return usagef("--netns and --all-netns are for the host: a process is told of in its own network namespace")
	}
	if o.netns != "" && o.allNetns {
		return usagef("--netns and --all-netns are two questions: ask one")
	}
	return nil
}

func (r *run) netHost(o *netHostOptions) error {
	if o.allNetns {
		return show(r, net.NamespacesPage())
	}
	asked := net.HostOptions{Screen: r.app.screenRows()}
	if o.netns != "" {
		var err error
		if asked.PID, err = r.findProcess(o.netns); err != nil {
			return err
		}
	}
	return show(r, net.HostPage(asked))
}
