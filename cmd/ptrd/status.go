package main

import (
	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/spf13/cobra"
)

func newStatus(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:               "status",
		Short:             "Show the zones and the state of the running server",
		Long:              "status shows the zones of the running server, with serials and errors.",
		Example:           "  ptrd status",
		Args:              exactly(0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var s daemon.Status
			return g.ask(cmd, daemon.VerbStatus, nil, &s)
		},
	}
	g.addJSON(cmd)
	return cmd
}
