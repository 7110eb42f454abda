package cmd

import "github.com/spf13/cobra"

func (a *App) explainCommand() *cobra.Command {
	return &cobra.Command{Use: "explain [NAME]", Short: "x", RunE: func(*cobra.Command, []string) error { return nil }}
}

func (a *App) schemaCommand() *cobra.Command {
	return &cobra.Command{Use: "schema", Short: "x", RunE: func(*cobra.Command, []string) error { return nil }}
}
