package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/spf13/cobra"
)

func newServe(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Serve the zones of the configuration",
		Long: `serve answers queries until it is told to stop by SIGTERM or SIGINT.

It reloads by itself when the configuration or a file that it names changes; at
once on SIGHUP and for ` + "`ptrd reload`" + `. A configuration or a zone with an error
leaves what is served as it is.`,
		Args:              exactly(0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := g.path()
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, os.Interrupt)
			defer stop()
			context.AfterFunc(ctx, stop) // a second signal ends the process at once
			hangup := make(chan os.Signal, 1)
			signal.Notify(hangup, syscall.SIGHUP)
			defer signal.Stop(hangup)
			return daemon.Run(ctx, daemon.Options{
				Config:  path,
				Version: version(),
				Log:     cmd.ErrOrStderr(),
				Hangup:  hangup,
			}, nil)
		},
	}
}

// printFindings writes findings for a person, one a line.
func printFindings(cmd *cobra.Command, list []daemon.Finding) error {
	for _, f := range list {
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), f); err != nil {
			return err
		}
	}
	return nil
}
