package cmd

import "github.com/spf13/cobra"

const netLong = `The network of this host: sockets in use, the memory of their buffers, and where
packets are lost, layer by layer in the order in which a packet passes them.

What is told is one network namespace's: kwhy's own, or a process's with --netns.
What the kernel keeps for all of them is the host's: buffer memory and its limits,
and what the CPUs do with packets.`

func (a *App) netCommand() *cobra.Command {
	var o netHostOptions
	c := &cobra.Command{
		Use:   "net",
		Short: "Sockets, their buffers, and where packets are lost",
		Long:  netLong,
		Example: `  kwhy net
  kwhy net --interval 10s               what is being lost now
  kwhy net --netns 1234                 in the network namespace of a process
  kwhy net --all-netns                  which namespaces there are, and who lives there`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.check(); err != nil {
				return err
			}
			r, err := a.begin(c, "net")
			if err != nil {
				return err
			}
			defer r.host.Close()
			return r.netHost(&o)
		},
	}
	o.flags(c.Flags())
	return c
}
