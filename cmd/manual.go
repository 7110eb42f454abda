package cmd

import (
	"strings"

	"github.com/spf13/cobra"
)

// Manual is what the command line says of itself: documentation is made from it.
type Manual struct {
	Commands  []*cobra.Command // kwhy itself first, and each before those below it
	Variables [][2]string      // with what each does
	Files     [][2]string      // of settings, the strongest first, with what each is
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

// below are a command and all that are below it.
func below(c *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		all = append(all, below(sub)...)
	}
	return all
}

// pathOf is a command as it is typed behind kwhy: net sockets.
func pathOf(c *cobra.Command) string {
	return strings.TrimPrefix(strings.TrimPrefix(c.CommandPath(), "kwhy"), " ")
}
