package main

import (
	"net/url"

	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/spf13/cobra"
)

func newRecover(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "recover ZONE",
		Short: "Serve the rest of a zone whose stored data is damaged",
		Long: `recover accepts the loss of data of a zone that answers SERVFAIL because its data in the
state directory is damaged, and serves the rest: for a dynamic or hosted zone the last
complete content, for a zone with sources these and the readable updates. Its new serial is
later than any known one. A hosted zone whose id is lost gets a new one.

If there is a backup, ` + "`ptrd restore`" + ` recovers more. It exits with 1 if the zone cannot be
served.`,
		Example:           `  ptrd recover lab.example.com`,
		Args:              exactly(1, "a zone"),
		ValidArgsFunction: g.completeZone,
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.ask(cmd, daemon.VerbRecover, url.Values{"what": {args[0]}}, &daemon.Outcome{})
		},
	}
	g.addJSON(cmd)
	return cmd
}
