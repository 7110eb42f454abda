package cmd

import (
	"time"

	"github.com/spf13/cobra"

	"kwhy/explain/catalog"
	"kwhy/explain/doctor"
	"kwhy/output"
)

const doctorLong = `What kwhy can see here, and whether it is right.

First with whose rights it runs, whether it sees the host or a container's part of it,
and what the kernel keeps to itself. Then every source that kwhy reads: those that gave
nothing, or not all, with the reason, what would open them and what hangs on them.
Last the kernel's arithmetic, every derivation tried on this host: exact, within its
tolerance, or off. What is off is tried again a few times, for its parts move.

One that is off does not change the exit status; kwhy doctor -o json is then the report
of a bug: it has every term. --interval tries the arithmetic twice, that far apart, and
keeps what came out worse.`

func (a *App) doctorCommand() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "What kwhy can see here, and whether its arithmetic comes out",
		Long:  doctorLong,
		Example: `  kwhy doctor
  kwhy doctor --all                     what is readable and well, too
  kwhy doctor -o json | jq -r '.tables.sources.rows[] | select(.state == "denied") | [.path, .opens] | @tsv'
  kwhy doctor -o json | jq '.tables.derivations.rows[] | select(.verdict == "off")'`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := a.begin(c, "doctor")
			if err != nil {
				return err
			}
			defer r.host.Close()
			return r.doctor(all)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "in text, show what is readable and well too")
	return c
}

func (r *run) doctor(all bool) error {
	topics := catalog.Examined()
	take := func() (*doctor.Exam, error) {
		p := r.progress("trying everything")
		defer p.Stop()
		return doctor.Take(r.host, topics)
	}
	e, err := take()
	if err != nil {
		return err
	}
	var over time.Duration
	if r.set.Interval > 0 {
		was := e
		r.wait(r.set.Interval, nil)
		if e, err = take(); err != nil {
			return err
		}
		e.Derivations = e.Derivations.Worse(was.Derivations)
		over = e.Sight.At.Sub(was.Sight.At)
	}
	text := r.set.Output == "text"
	rep, err := e.Explain(
		doctor.Options{
			All:    all || !text || r.set.detail() == output.DetailFull,
			Gaps:   !text,
			Terse:  text && r.set.detail() == output.DetailNone,
			Limits: r.set.Limits,
		},
	)
	if err != nil {
		return err
	}
	h := r.header(e.Sight.At, over)
	h.Summary = e.Summary()
	return r.print(h, &rep)
}
