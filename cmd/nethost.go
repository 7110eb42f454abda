package cmd

import (
	"github.com/spf13/pflag"

	"kwhy/explain/net"
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
