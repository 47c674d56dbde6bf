package main

import (
	"net/url"

	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/spf13/cobra"
)

func newRefresh(g *globals) *cobra.Command {
	return newCheckNow(g, false, &cobra.Command{
		Use:   "refresh ZONE",
		Short: "Compare a secondary zone with its primaries now",
		Long: `refresh asks the primaries of a secondary zone for its serial at once, takes the
zone from the one that has the latest, waits for it, and tells what came of it. It
exits with 1 if no primary confirmed the zone or gave it.`,
		Example: `  ptrd refresh 4.0.192.in-addr.arpa`,
	})
}

func newRetransfer(g *globals) *cobra.Command {
	return newCheckNow(g, true, &cobra.Command{
		Use:   "retransfer ZONE",
		Short: "Take a secondary zone from its primary anew, whatever its serial",
		Long: `retransfer takes all of a secondary zone from the primary with the latest serial,
also where that is the one that is served or one before it, as after a primary was
set up anew. What is served stays until all of it has come. It exits with 1 if no
primary gave the zone.`,
		Example: `  ptrd retransfer 4.0.192.in-addr.arpa`,
	})
}

// newCheckNow completes a subcommand that has a zone checked.
func newCheckNow(g *globals, whole bool, cmd *cobra.Command) *cobra.Command {
	var asJSON bool
	cmd.Args = exactly(1, "a zone")
	cmd.ValidArgsFunction = g.completeZone
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		q := url.Values{"what": {args[0]}}
		if whole {
			q.Set("whole", "true")
		}
		var s daemon.SecondaryStatus
		if err := g.call(cmd, daemon.VerbRefresh, q, &s); err != nil {
			return err
		}
		if err := show(cmd, asJSON, &s); err != nil {
			return err
		}
		if s.Error != "" {
			return &silentError{}
		}
		return nil
	}
	addJSON(cmd, &asJSON)
	return cmd
}
