package main

import (
	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/spf13/cobra"
)

func newStatus(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:               "status",
		Short:             "Show what the running server serves",
		Args:              exactly(0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var s daemon.Status
			if err := g.call(cmd, daemon.VerbStatus, nil, &s); err != nil {
				return err
			}
			return show(cmd, asJSON, &s)
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}
