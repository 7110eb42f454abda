package cmd

import (
	"github.com/spf13/cobra"

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

type netOptions struct {
	settings
	netns    process // none: kwhy's own
	allNetns bool
	of       process // none: the host
}

func newNet(a *App, do func(*netOptions) error) *cobra.Command {
	var o netOptions
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
		RunE: settled(a, &o, do, onHost(a, "net", runNet)),
	}
	f := c.Flags()
	f.String("netns", "", "the network namespace of this `PROCESS`, by PID or name, instead of kwhy's own")
	f.BoolVar(&o.allNetns, "all-netns", false, "every network namespace that has processes, a line each")
	c.AddCommand(newSockets(a, nil))
	return c
}

func (o *netOptions) parse(t *typed) (err error) {
	netns := t.cmd.Flag("netns").Value.String()
	switch {
	case len(t.args) > 0 && (netns != "" || o.allNetns):
		return usagef("--netns and --all-netns are for the host: a process is always shown in its own network namespace")
	case netns != "" && o.allNetns:
		return usagef("--netns and --all-netns are two questions: ask one")
	case len(t.args) > 0:
		o.of, err = parseProcess(t.arg())
	case netns != "":
		o.netns, err = parseProcess(netns)
	}
	return err
}

func runNet(r *run, o *netOptions) error {
	if o.allNetns {
		return show(r, net.NamespacesPage())
	}
	if o.of.given() {
		pid, err := r.find(o.of)
		if err != nil {
			return err
		}
		return show(r, net.ProcessPage(pid, fdRows))
	}
	pid, err := r.find(o.netns)
	if err != nil {
		return err
	}
	return show(r, net.HostPage(net.HostOptions{Screen: r.app.screenRows(), PID: pid}))
}

type socketsOptions struct {
	settings
	table  tableFlags
	filter net.SocketFilter
	of     process // sockets of its network namespace; none: kwhy's own
}

func (o *socketsOptions) parse(t *typed) (err error) {
	if err := o.table.check(); err != nil || o.table.asksHelp() || len(t.args) == 0 {
		return err
	}
	o.of, err = parseProcess(t.arg())
	return err
}

func (o *socketsOptions) asksHelp() bool { return o.table.asksHelp() }

func newSockets(a *App, do func(*socketsOptions) error) *cobra.Command {
	var o socketsOptions
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
		RunE: settled(a, &o, do, onHost(a, "net", runSockets)),
	}
	f, by := c.Flags(), &o.filter
	o.table.flags(f, "`N` rows of sockets; 0 is all, -1 as many as a screen takes")
	f.BoolVar(&by.NoOwners, "no-owners", false, "leave out the owners: no walk over all descriptors")
	f.StringSliceVar(&by.Protocols, "protocol", nil, "only these `PROTOCOLS`: tcp, udp, unix, ..., both versions of IP unless it ends in 6")
	f.StringSliceVar(&by.States, "state", nil, "only sockets in these `STATES`: ESTABLISHED, CLOSE_WAIT, ...")
	f.StringVar(&by.Address, "address", "", "only sockets with this address, local or the peer's: `ADDR`, ADDR/BITS or a unix path")
	f.Uint16Var(&by.Port, "port", 0, "only sockets with this `PORT`, local or the peer's")
	f.StringVar(&by.Process, "process", "",
		"only sockets of this process, by `PID`, or of those whose name matches this regular expression")
	return c
}

// runSockets shows the sockets of a network namespace.
func runSockets(r *run, o *socketsOptions) error {
	pid, err := r.find(o.of)
	if err != nil {
		return err
	}
	page, err := net.SocketsPage(net.SocketOptions{
		Columns: o.table.columns, Sort: o.table.sort, Limit: rowLimit(o.table.limit, r.app.screenRows()),
		Text: o.Output == "text", Filter: o.filter, PID: pid,
	})
	return showAsked(r, page, err)
}
