package main

import (
	"net/url"

	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/spf13/cobra"
)

func newRefresh(g *globals) *cobra.Command {
	return newCheckNow(g, false, &cobra.Command{
		Use:   "refresh ZONE|ADDRESS|PREFIX",
		Short: "Compare a secondary zone with its primaries now",
		Long: `refresh queries the primaries of a secondary zone for its serial now, transfers the zone from
the primary with the latest one, waits, and prints the result. It exits with 1 if no primary
confirmed or transferred the zone. For a prefix, it checks all secondary zones in it.`,
		Example: `  ptrd refresh 4.0.192.in-addr.arpa`,
	})
}

func newRetransfer(g *globals) *cobra.Command {
	return newCheckNow(g, true, &cobra.Command{
		Use:   "retransfer ZONE|ADDRESS|PREFIX",
		Short: "Transfer a secondary zone from its primary, whatever its serial",
		Long: `retransfer transfers a secondary zone from the primary with the latest serial, even if that
is not later than the served one, for instance because the primary was installed again. The
served data stays until the transfer is complete. It exits with 1 if no primary transferred
the zone.`,
		Example: `  ptrd retransfer 4.0.192.in-addr.arpa`,
	})
}

// newCheckNow completes a subcommand that checks a secondary zone.
func newCheckNow(g *globals, whole bool, cmd *cobra.Command) *cobra.Command {
	cmd.Args = exactly(1, "a zone, an address or a prefix")
	cmd.ValidArgsFunction = g.completeZone
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		q := url.Values{"what": {args[0]}}
		if whole {
			q.Set("whole", "true")
		}
		return g.ask(cmd, daemon.VerbRefresh, q, &daemon.Refreshed{})
	}
	g.addJSON(cmd)
	return cmd
}
