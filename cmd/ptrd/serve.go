package main

import (
	"context"
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
		Long: `serve answers queries until it receives SIGTERM or SIGINT.

It reloads automatically when the configuration or a file that it names changes, and
immediately on SIGHUP and for ` + "`ptrd reload`" + `. If the configuration or a zone has an
error, the previous data stays served.`,
		Example:           `  ptrd serve --config /etc/ptrd/config.yaml`,
		Args:              exactly(0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			path, err := g.path()
			if err != nil {
				return err
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, os.Interrupt)
			defer stop()
			context.AfterFunc(ctx, stop) // a second signal ends the process immediately
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
