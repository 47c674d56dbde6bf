package main

import (
	"net/url"

	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/spf13/cobra"
)

func newRecover(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "recover ZONE",
		Short: "Serve what is left of a zone whose kept data are damaged",
		Long: `recover gives up what is lost of a zone that answers SERVFAIL because its data in
the state directory are damaged, and serves what is left of it: of a dynamic zone the
last content that is whole, of a zone with sources these and the updates that can be
read. The serial is later than any that is known to have been served.

Where there is a backup, ` + "`ptrd restore`" + ` brings back more. It exits with 1 if the zone
cannot be served.`,
		Example:           `  ptrd recover lab.example.com`,
		Args:              exactly(1, "a zone"),
		ValidArgsFunction: g.completeZone,
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.showOutcome(cmd, daemon.VerbRecover, url.Values{"what": {args[0]}}, asJSON)
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}
