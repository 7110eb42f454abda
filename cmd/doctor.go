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

type doctorOptions struct {
	settings
	all bool
}

func (*doctorOptions) parse(*typed) error { return nil }

func newDoctor(a *App, do func(*doctorOptions) error) *cobra.Command {
	var o doctorOptions
	c := &cobra.Command{
		Use:   "doctor",
		Short: "What kwhy can see here, and whether its arithmetic comes out",
		Long:  doctorLong,
		Example: `  kwhy doctor
  kwhy doctor --all                     what is readable and well, too
  kwhy doctor -o json | jq -r '.tables.sources.rows[] | select(.state == "denied") | [.path, .opens] | @tsv'
  kwhy doctor -o json | jq '.tables.derivations.rows[] | select(.verdict == "off")'`,
		Args: noArgs,
		RunE: settled(a, &o, do, onHost(a, "doctor", runDoctor)),
	}
	c.Flags().BoolVar(&o.all, "all", false, "in text, show what is readable and well too")
	return c
}

func runDoctor(r *run, o *doctorOptions) error {
	const doing = "trying everything"
	try := func() (*doctor.Exam, error) { return doctor.Take(r.host, catalog.Examined()) }
	was, err := earlier(r, doing, try, nil)
	if err != nil {
		return err
	}
	e, err := take(r, doing, try)
	if err != nil {
		return err
	}
	var over time.Duration
	if was != nil {
		e.Derivations = e.Derivations.Worse(was.Derivations)
		over = e.Sight.At.Sub(was.Sight.At)
	}
	text, detail := o.Output == "text", o.detail()
	rep, err := e.Explain(doctor.Options{
		All: o.all || !text || detail == output.DetailFull, Gaps: !text, Terse: text && detail == output.DetailNone, Limits: o.Limits,
	})
	if err != nil {
		return err
	}
	h := r.header(e.Sight.At, over)
	h.Summary = e.Summary()
	return r.print(h, &rep)
}
