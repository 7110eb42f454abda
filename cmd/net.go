package cmd

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kwhy/explain/lower"
	"kwhy/explain/net"
	"kwhy/explain/units"
	"kwhy/inspect"
	netfacts "kwhy/inspect/net"
	"kwhy/inspect/sockdiag"
	"kwhy/output"
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

// netOptions are what the sockets are shown by.
type netOptions struct {
	limit          int
	columns        []string
	sort           []string
	noOwners       bool
	protocol       []string
	state          []string
	address        string
	port           uint16
	process        string
	addr           netip.Prefix
	kinds          []string
	mask           sockdiag.Mask
	processPattern *regexp.Regexp
	processPID     int32
}

func (o *netOptions) tableFlags(f *pflag.FlagSet) {
	f.IntVar(&o.limit, "limit", autoLimit, "`N` rows of sockets; 0 is all, -1 as many as a screen takes")
	f.StringSliceVar(&o.columns, "columns", nil, "`COLUMNS` to show, in this order; help lists them")
	f.StringSliceVar(&o.sort, "sort", nil, "`COLUMNS` to sort by, numbers largest first; a leading - reverses one")
	f.BoolVar(&o.noOwners, "no-owners", false, "leave out the owners: no walk over all descriptors")
	f.StringSliceVar(&o.protocol, "protocol", nil, "only these `PROTOCOLS`: tcp, udp, unix, ..., both versions of IP unless it ends in 6")
	f.StringSliceVar(&o.state, "state", nil, "only sockets in these `STATES`: ESTABLISHED, CLOSE_WAIT, ...")
	f.StringVar(&o.address, "address", "", "only sockets with this address, local or the peer's: `ADDR`, ADDR/BITS or a unix path")
	f.Uint16Var(&o.port, "port", 0, "only sockets with this `PORT`, local or the peer's")
	f.StringVar(&o.process, "process", "", "only sockets of this process, by `PID`, or of those whose name matches this regular expression")
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
			return r.netProcess(pid)
		},
	}
	o.flags(c.Flags())
	c.AddCommand(a.socketsCommand())
	return c
}

func (a *App) socketsCommand() *cobra.Command {
	var o netOptions
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
			if o.limit < autoLimit {
				return usagef("--limit: bad value %d: it takes a number of rows, or 0 for all", o.limit)
			}
			if len(o.columns) == 1 && o.columns[0] == "help" {
				_, err := fmt.Fprint(a.Out, net.Columns())
				return err
			}
			if err := o.settle(); err != nil {
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

// settle makes of the words what the filters compare with.
func (o *netOptions) settle() error {
	known := netfacts.SocketProtocols()
	for _, p := range o.protocol {
		if !slices.Contains(known, p) {
			return usagef("--protocol: bad value %q: it takes %s", p, strings.Join(known, ", "))
		}
		if o.kinds = append(o.kinds, p); slices.Contains(known, p+"6") {
			o.kinds = append(o.kinds, p+"6")
		}
	}
	if err := o.settleStates(); err != nil {
		return err
	}
	if o.address != "" && !strings.HasPrefix(o.address, "/") && !strings.HasPrefix(o.address, "@") {
		var err error
		if o.addr, err = parsePrefix(o.address); err != nil {
			return usagef("--address: bad value %q: it takes ADDR, ADDR/BITS or a unix path", o.address)
		}
	}
	if o.process == "" {
		return nil
	}
	if o.noOwners {
		return usagef("--process asks whose they are: it does not go with --no-owners")
	}
	if strings.Trim(o.process, "0123456789") == "" {
		pid, err := parsePID(o.process)
		o.processPID = pid
		return err
	}
	re, err := regexp.Compile(o.process)
	if err != nil {
		return usagef("--process: %v", err)
	}
	o.processPattern = re
	return nil
}

// settleStates reads names of states, in any case, with - or _; ss's short ones too.
func (o *netOptions) settleStates() error {
	o.mask = sockdiag.Every
	if len(o.state) == 0 {
		return nil
	}
	o.mask = 0
	short := map[string]string{"ESTAB": "ESTABLISHED", "LISTENING": "LISTEN", "CONNECTED": "ESTABLISHED", "UNCONNECTED": "CLOSE", "UNCONN": "CLOSE", "FIN_WAIT_1": "FIN_WAIT1", "FIN_WAIT_2": "FIN_WAIT2"}
	for _, name := range o.state {
		name = strings.ReplaceAll(strings.ToUpper(name), "-", "_")
		if long := short[name]; long != "" {
			name = long
		}
		found := false
		var all []string
		for s := sockdiag.Established; s <= sockdiag.Closing; s++ {
			all = append(all, s.String())
			if s.String() == name {
				o.mask, found = o.mask|sockdiag.Of(s), true
			}
		}
		if !found {
			return usagef("--state: bad value %q: it takes %s", name, strings.Join(all, ", "))
		}
	}
	if o.mask.Has(sockdiag.Close) { // which bound ones are told as, and asked for by another name
		o.mask |= sockdiag.Of(sockdiag.BoundInactive)
	}
	return nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		return netip.ParsePrefix(text)
	}
	a, err := netip.ParseAddr(strings.Trim(text, "[]"))
	if err != nil {
		return netip.Prefix{}, err
	}
	return netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), nil
}

// keep puts the filters before a view.
func (o *netOptions) keep(v *lower.View[netfacts.SocketRow]) {
	if o.port != 0 {
		v.Where(inspect.Sources{}, func(r netfacts.SocketRow) bool { return r.It.LocalPort == o.port || r.It.PeerPort == o.port })
	}
	if o.address != "" {
		v.Where(inspect.Sources{}, func(r netfacts.SocketRow) bool {
			if !o.addr.IsValid() {
				p := r.Net.PeerOf(r.It)
				return r.It.Unix != nil && r.It.Unix.Name == o.address || p != nil && p.Unix.Name == o.address
			}
			return o.addr.Contains(r.It.Local().Addr()) || r.It.Connected() && o.addr.Contains(r.It.Remote().Addr())
		})
	}
	if o.processPID != 0 {
		v.Where(inspect.Of(inspect.PIDFd), func(r netfacts.SocketRow) bool { return r.Net.Has(o.processPID, r.It) })
	}
	if o.processPattern != nil {
		v.Where(inspect.Of(inspect.PIDFd, inspect.PIDStat), func(r netfacts.SocketRow) bool {
			list := r.Owners()
			for i := range list.Len() {
				if o.processPattern.MatchString(list.At(i).P.Comm) {
					return true
				}
			}
			return false
		})
	}
}

// netSockets shows the sockets of this network namespace, or of a process's.
func (r *run) netSockets(args []string, o *netOptions) error {
	limit := o.limit
	if limit == autoLimit {
		limit = r.app.screenRows()
	}
	v, err := lower.NewView(net.Sockets(), o.columns, o.sort, limit)
	if err != nil {
		return usagef("%v", err)
	}
	if r.set.Output == "text" {
		v.ForText()
	}
	v.Few(fewFindings)
	o.keep(v)
	q := netfacts.SocketQuery{Dir: netfacts.OwnDir(r.host), Kinds: o.kinds, States: o.mask, Owners: !o.noOwners && (v.Needs().Has(inspect.PIDFd) || o.process != "")}
	if len(args) == 1 {
		pid, err := r.findProcess(args[0])
		if err != nil {
			return err
		}
		q.Dir = strconv.Itoa(int(pid))
	}
	var was *netfacts.Sockets
	if r.set.Interval > 0 {
		first := q
		first.Owners = false
		if was, err = netfacts.TakeSockets(r.host, first); err != nil {
			return err
		}
		r.wait(r.set.Interval)
	}
	p := r.progress("reading the sockets")
	s, order, err := takeSockets(r, v, q, o.processPattern != nil)
	p.Stop()
	if err != nil {
		return err
	}
	if s.Was = was; was != nil {
		order = v.Again(s, order)
	}
	_, over, _ := s.Before()
	rep := lower.Report{Limits: r.set.Limits}
	g, found := v.Explain(s, order, rep.Limits)
	g.Title, g.More, g.Empty = "Sockets", "--limit 0 shows all", "No socket is as was asked."
	if limit == 0 || len(order) < limit {
		g.More = "the others are not as was asked"
	}
	rep.Grids, rep.Findings = append(rep.Grids, g), lower.Once(found)
	rep.Tell(s.Gaps(), r.host.Kernel)
	h := r.header(s.When, over)
	h.Summary = []string{units.Plural(s.Len(), "socket", "sockets"), namespaceOf(s)}
	return r.print(h, &rep)
}

// takeSockets lists sockets and orders them. The names of all owners are read where
// a filter asks for them, and otherwise of those that are shown.
func takeSockets(r *run, v *lower.View[netfacts.SocketRow], q netfacts.SocketQuery, names bool) (*netfacts.Sockets, []int32, error) {
	s, err := netfacts.TakeSockets(r.host, q)
	if err != nil {
		return nil, nil, err
	}
	if names {
		s.NameAll()
	}
	order := v.Refine(s)
	return s, s.Fill(order, v.Needs()), nil
}

// namespaceOf says whose network namespace was read, and how.
func namespaceOf(s *netfacts.Sockets) string {
	how := "sock_diag"
	if s.Missing(inspect.SockDiag) != inspect.Present {
		how = "/proc/net"
	}
	switch {
	case s.Dir == "self":
		return "this network namespace, by " + how
	case s.Own:
		return "the network namespace of process " + s.Dir + ", kwhy's own, by " + how
	}
	return "the network namespace of process " + s.Dir + ", by " + how
}

// addSockets adds to a report of a network whose sockets they are, and who listens.
func addSockets(rep *lower.Report, s *netfacts.Sockets, screen int, watched bool) error {
	use, err := lower.NewView(net.Use(), nil, nil, 0)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(rep.Parts, func(p lower.Part) bool { return p.Table == "listeners" })
	rep.Parts = slices.Insert(rep.Parts, max(at, 0), lower.Part{Title: "Sockets by state and owner", Table: "states"})
	addGrid(rep, use, s.Use())
	if err := addLosers(rep, s, watched); err != nil {
		return err
	}
	return addListeners(rep, s.Only((*sockdiag.Socket).IsListener), screen)
}

// addLosers adds findings that say at whose sockets datagrams were lost. What each
// socket counts is since it was made: over an interval they are named where the
// interval has seen losses.
func addLosers(rep *lower.Report, s *netfacts.Sockets, watched bool) error {
	const rule = "net.datagrams_dropped"
	if watched && !slices.ContainsFunc(rep.Findings, func(f lower.Finding) bool {
		return f.ID == "net.udp_rcvbuf_errors" || f.ID == "net.udp6_rcvbuf_errors"
	}) {
		return nil
	}
	v, err := lower.NewView(net.Sockets(), nil, []string{"sk_drops"}, 0)
	if err != nil {
		return err
	}
	v.Few(fewFindings)
	rows := s.Only(func(s *sockdiag.Socket) bool { return s.Mem[sockdiag.Drops] > 0 && !s.IsListener() })
	_, found := v.Explain(rows, rows.Fill(v.Refine(rows), v.Needs()), rep.Limits)
	rep.Findings = append(rep.Findings, lower.Once(slices.DeleteFunc(found, func(f lower.Finding) bool { return f.ID != rule }))...)
	return nil
}

func addListeners(rep *lower.Report, rows netfacts.SocketRows, limit int) error {
	v, err := lower.NewView(net.Listeners(), nil, nil, limit)
	if err != nil {
		return err
	}
	order := rows.Fill(v.Refine(rows), v.Needs())
	g, found := v.Explain(rows, order, rep.Limits)
	g.More = "kwhy net sockets --state LISTEN --limit 0 shows all"
	rep.Grids, rep.Findings = append(rep.Grids, g), append(rep.Findings, found...)
	return nil
}

// netProcess shows one process's sockets.
func (r *run) netProcess(pid int32) error {
	v, err := lower.NewView(net.Sockets(), nil, nil, fdRows)
	if err != nil {
		return err
	}
	v.Few(fewFindings)
	var was *netfacts.Sockets
	if r.set.Interval > 0 {
		if was, err = netfacts.TakeBefore(r.host, pid); err != nil {
			return err
		}
		r.wait(r.set.Interval)
	}
	p := r.progress("reading the sockets")
	n, err := netfacts.TakeProcess(r.host, pid, was)
	p.Stop()
	if err != nil {
		return err
	}
	_, over, _ := n.Before()
	card := net.Process()
	order := n.Mine.Fill(v.Refine(n.Mine), v.Needs())
	rep := lower.Explain(&card, n, r.set.Limits)
	if err := addListeners(&rep, n.Net.Only(func(s *sockdiag.Socket) bool { return s.IsListener() && n.Net.Has(pid, s) }), 0); err != nil {
		return err
	}
	g, found := v.Explain(n.Mine, order, r.set.Limits)
	g.More = "kwhy net sockets --process " + strconv.Itoa(int(pid)) + " --limit 0 shows all"
	rep.Grids = append(rep.Grids, g)
	rep.Findings = append(rep.Findings, lower.Once(slices.DeleteFunc(found, func(f lower.Finding) bool {
		return f.ID == "net.accept_queue_full" // the listeners have said so
	}))...)
	rep.Tell(n.Gaps(), r.host.Kernel)
	h := r.header(n.Net.When, over)
	h.Subject = &output.Subject{PID: pid, Comm: n.Row.P.Comm}
	if born := r.host.Born(n.Row.P.Start); !born.IsZero() {
		h.Subject.StartTime = &born
	}
	return r.print(h, &rep)
}

// fewFindings is how many findings of a rule are told one by one: a host in trouble
// has the same one of thousands of sockets.
const fewFindings = 3
