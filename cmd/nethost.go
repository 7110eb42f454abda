package cmd

import (
	"errors"
	"strconv"
	"time"

	"github.com/spf13/pflag"

	"kwhy/explain"
	"kwhy/explain/lower"
	"kwhy/explain/net"
	"kwhy/explain/proc"
	"kwhy/inspect"
	netfacts "kwhy/inspect/net"
)

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

// space is the network namespace that was asked for.
func (r *run) space(o *netHostOptions) (netfacts.Namespace, error) {
	if o.netns == "" {
		return netfacts.OwnNamespace(r.host), nil
	}
	pid, err := r.findProcess(o.netns)
	if err != nil {
		return netfacts.Namespace{}, err
	}
	return netfacts.NamespaceOf(r.host, pid)
}

func (r *run) netHost(o *netHostOptions) error {
	if o.allNetns {
		return r.netSpaces()
	}
	space, err := r.space(o)
	if err != nil {
		return err
	}
	card, tables, err := newNetTables(r.app.screenRows())
	if err != nil {
		return err
	}
	want := net.Whole(card.Needs().Plus(tables.needs).Plus(inspect.Of(inspect.NetSockets)))
	var was *netfacts.Snapshot
	if r.set.Interval > 0 {
		if was, err = netfacts.Take(r.host, space, want); err != nil {
			return err
		}
		r.wait(r.set.Interval)
	}
	p := r.progress("reading the network")
	n, err := netfacts.Take(r.host, space, want.Plus(inspect.Of(inspect.PIDFd))) // whose they are, of the later sample
	p.Stop()
	if err != nil {
		return err
	}
	var over time.Duration
	if n.Was = was; was != nil {
		over = n.Mem.At.Sub(was.Mem.At)
	}
	rep := lower.Explain(&card, n, r.set.Limits)
	tables.add(&rep, n)
	if n.Listed != nil { // or else the report tells why
		if was != nil {
			n.Listed.Was = was.Listed
		}
		if err := addSockets(&rep, n.Listed, r.app.screenRows(), was != nil); err != nil {
			return err
		}
	}
	rep.Findings = lower.Better(rep.Findings)
	rep.Tell(n.Gaps(), r.host.Kernel)
	h := r.header(n.Mem.At, over)
	if !space.Own || o.netns != "" {
		h.Summary = []string{"network namespace of process " + strconv.Itoa(int(space.PID))}
	}
	return r.print(h, &rep)
}

// netTables are the tables of a host's network, and what they need.
type netTables struct {
	needs inspect.Sources
	list  []func(*lower.Report, *netfacts.Snapshot)
}

// add lowers them all.
func (t *netTables) add(rep *lower.Report, n *netfacts.Snapshot) {
	for _, do := range t.list {
		do(rep, n)
	}
}

func newNetTables(screen int) (explain.Card[*netfacts.Snapshot], *netTables, error) {
	t := &netTables{}
	err := errors.Join(
		addTable(t, net.Interfaces(), 0, net.InterfaceRows),
		addTable(t, net.SoftnetCPUs(), screen, net.SoftnetRows),
		addTable(t, net.Qdiscs(), screen, net.QdiscRows),
		addTable(t, net.Hooks(), 0, net.HookRows),
		addTable(t, net.Destinations(), screen, net.DestinationRows),
	)
	return net.Host(), t, err
}

func addTable[T any](t *netTables, table *explain.Table[netfacts.Part[T]], limit int, rows func(*netfacts.Snapshot) netfacts.Parts[T]) error {
	v, err := lower.NewView(table, nil, nil, limit)
	if err != nil {
		return err
	}
	t.needs = t.needs.Plus(v.Needs())
	t.list = append(t.list, func(rep *lower.Report, n *netfacts.Snapshot) { addGrid(rep, v, rows(n)) })
	return nil
}

// netSpaces tells of every network namespace that a process lives in.
func (r *run) netSpaces() error {
	v, err := lower.NewView(net.Spaces(), nil, nil, 0)
	if err != nil {
		return err
	}
	take := func() (*netfacts.Namespaces, error) {
		ps, err := proc.Scan(r.host, inspect.Sources{}, nil)
		if err != nil {
			return nil, err
		}
		return netfacts.TakeNamespaces(r.host, ps, net.Whole(v.Needs())), nil
	}
	var was *netfacts.Namespaces
	if r.set.Interval > 0 {
		if was, err = take(); err != nil {
			return err
		}
		r.wait(r.set.Interval)
	}
	p := r.progress("reading the network namespaces")
	l, err := take()
	p.Stop()
	if err != nil {
		return err
	}
	var over time.Duration
	if l.Was = was; was != nil {
		_, over, _ = l.Before()
	}
	card := net.Around()
	rep := lower.Explain(&card, l, r.set.Limits)
	addGrid(&rep, v, l)
	rep.Tell(l.Gaps(), r.host.Kernel)
	return r.print(r.header(l.Found.Procs.Host.At, over), &rep)
}
