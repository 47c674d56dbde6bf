package main

import (
	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/spf13/cobra"
)

func newReload(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Let the running server reload, and tell what came of it",
		Long: `reload asks the server that runs with this configuration to read the configuration
and everything that changed, waits for it, and prints what changed and what is
wrong. The server sees most changes by itself and may have been quicker: what it
reloaded in the ten seconds before, and nobody was told of, is in the list as well.
It exits with 0 if everything is served as its sources have it, and with 1
if the server refused the configuration or a zone has errors.`,
		Args:              exactly(0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var o daemon.Outcome
			if err := g.call(cmd, daemon.VerbReload, nil, &o); err != nil {
				return err
			}
			if err := show(cmd, asJSON, &o); err != nil {
				return err
			}
			if !o.OK() {
				return &silentError{}
			}
			return nil
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}
