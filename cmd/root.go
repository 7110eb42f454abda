package cmd

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"kwhy/explain/catalog"
)

const rootLong = `kwhy reads /proc and /sys and says what each value means: the kernel concept
behind it, what it says on this host now, and how the kernel computed it.

Settings are flags, variables (KWHY_OUTPUT, KWHY_PROC_ROOT, ...) and keys of
` + userConfig + " and " + hostConfig + `, in that order.

`

// root builds the command tree.
func (a *App) root() *cobra.Command {
	root := a.trunk()
	root.AddCommand(
		newMem(a, nil),
		newOom(a, nil),
		newProc(a, nil),
		newSched(a, nil),
		newFD(a, nil),
		newNet(a, nil),
		newCheck(a, nil),
		newDoctor(a, nil),
		newExplain(a, nil),
		newSchema(a, nil),
		newCompletion(a, nil),
		newVersion(a, nil),
	)
	a.complete(root)
	return root
}

// trunk is the root command with the shared flags, but without subcommands.
func (a *App) trunk() *cobra.Command {
	root := &cobra.Command{
		Use:           "kwhy",
		Short:         "Ask the kernel why: what a Linux host's /proc and /sys say, explained",
		Long:          rootLong + exitWords(),
		SilenceErrors: true,
		SilenceUsage:  true,

		Example: `  kwhy check                     what is wrong here, if anything, and what is well
  kwhy mem                       the host's memory; kwhy mem 1234 is one process's
  kwhy explain available-memory  what a value or a word of the kernel means
  kwhy mem -o json | jq .values.mem_available.value`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
	root.CompletionOptions.DisableDefaultCmd = true // completion is one of ours
	addSettings(root.PersistentFlags())
	return root
}

// flagError rewords pflag's errors to say what a flag takes.
func flagError(err error) error {
	var bad *pflag.InvalidValueError
	if !errors.As(err, &bad) {
		return usageError{err}
	}
	f := bad.GetFlag()
	takes := map[string]string{
		"int": "a whole number", "int32": "a whole number",
		"bool": "true or false", "duration": "a duration such as 500ms or 5s",
	}[f.Value.Type()]
	if takes == "" {
		return usageError{err}
	}
	return usagef("--%s: bad value %q: it takes %s", f.Name, bad.GetValue(), takes)
}

// noArgs is cobra's check with our exit status and suggestions for a mistyped command.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if c.HasParent() {
		return usagef("%s takes no argument %q", c.CommandPath(), args[0])
	}
	var known []string
	for _, sub := range c.Commands() {
		known = append(known, sub.Name())
	}
	hint := ""
	if near := catalog.Near(known, args[0]); near != nil {
		hint = "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return usagef("unknown command %q%s (kwhy --help lists the commands)", args[0], hint)
}

// atMostOne allows one optional argument.
func atMostOne(c *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usagef("%s takes one argument at most, not %d", c.CommandPath(), len(args))
	}
	return nil
}

// Manual describes the command line. Documentation is generated from it.
type Manual struct {
	Commands  []*cobra.Command // kwhy itself first, each before its subcommands
	Variables [][2]string      // with what each does
	Files     [][2]string      // config files, the one with the highest precedence first, with what each is
	Exits     []string         // what each exit status means
}

// Manual returns it.
func (a *App) Manual() Manual {
	m := Manual{Commands: below(a.root()), Variables: environment(), Exits: exitTable()}
	for _, f := range a.configFiles() {
		m.Files = append(m.Files, [2]string{f.name, f.means})
	}
	return m
}

// below lists a command and all its subcommands.
func below(c *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		all = append(all, below(sub)...)
	}
	return all
}

// pathOf is a command's path without kwhy: net sockets.
func pathOf(c *cobra.Command) string {
	return strings.TrimPrefix(strings.TrimPrefix(c.CommandPath(), "kwhy"), " ")
}
