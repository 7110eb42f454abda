package cmd

import (
	"time"

	"github.com/spf13/cobra"

	"kwhy/explain/catalog"
	"kwhy/explain/doctor"
	"kwhy/output"
)

const doctorLong = `Shows what kwhy can see here, and whether its results are right.

First: which rights it has, whether it sees the host or only a container's part of it,
and what the kernel hides. Then the sources that gave nothing or not everything, with
the reason, what would open them and which values depend on them. Last the kernel's
arithmetic: every derivation is tried on this host and is exact, within its tolerance,
or off. One that is off is tried again a few times, because its terms change meanwhile.

A derivation that is off does not change the exit status. kwhy doctor -o json is then a
bug report: it has every term. --interval tries the arithmetic twice, that far apart, and
keeps the worse result.`

type doctorOptions struct {
	settings
	all bool
}

func (*doctorOptions) parse(*typed) error { return nil }

func newDoctor(a *App, do func(*doctorOptions) error) *cobra.Command {
	var o doctorOptions
	c := &cobra.Command{
		Use:   "doctor",
		Short: "What kwhy can see here, and whether its arithmetic is right",
		Long:  doctorLong,
		Example: `  kwhy doctor
  kwhy doctor --all                     what is readable and right, too
  kwhy doctor -o json | jq -r '.tables.sources.rows[] | select(.state == "denied") | [.path, .opens] | @tsv'
  kwhy doctor -o json | jq '.tables.derivations.rows[] | select(.verdict == "off")'`,
		Args: noArgs,
		RunE: settled(a, &o, do, onHost(a, "doctor", runDoctor)),
	}
	c.Flags().BoolVar(&o.all, "all", false, "in text, also show what is readable and right")
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
	if was != nil && !r.still {
		e.Derivations = e.Derivations.Worse(was.Derivations)
		over = e.Environment.At.Sub(was.Environment.At)
	}
	text, detail := o.Output == "text", o.detail()
	rep, err := e.Explain(doctor.Options{
		All: o.all || !text || detail == output.DetailFull, Gaps: !text, Terse: text && detail == output.DetailNone, Limits: o.Limits,
	})
	if err != nil {
		return err
	}
	h := r.header(e.Environment.At, over)
	h.Summary = e.Summary()
	return r.print(h, &rep)
}
