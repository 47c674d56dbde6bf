package main

import (
	"slices"

	"github.com/ptrd/ptrd/internal/audit"
	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/spf13/cobra"
)

// stateBroken is the --state of all zones that are broken.
const stateBroken = "broken"

func newStatus(g *globals) *cobra.Command {
	var states []string
	fcrdns := false
	limit := 100
	cmd := &cobra.Command{
		Use:   "status [ZONE|ADDRESS|PREFIX]",
		Short: "Show the zones and the state of the running server",
		Long: `status shows the state of the running server and its zones, those with errors first. For a zone,
or an address or prefix in it, it shows the zone in full: its owner and sources, the last change,
findings, what happens next, and the serials that its primaries and secondaries have at the moment.
For a prefix with several zones, it lists these.

The state of a zone is error (it is not served, or with older data than its sources have), expired
or loading (secondary zones), warning, or ok. Of a long list, 100 zones are shown; --json shows all.

It exits with 1 while the server has an error, or a zone is in the state error or expired; with an
argument, while one of these zones is.`,
		Example: `  ptrd status
  ptrd status 203.0.113.25
  ptrd status --state broken --limit 0`,
		Args:              between(0, 1, "at most one zone, address or prefix"),
		ValidArgsFunction: g.completeZone,
		RunE: func(cmd *cobra.Command, args []string) error {
			if fcrdns {
				return g.ask(cmd, daemon.VerbFCRDNS, nil, &audit.Status{})
			}
			q := daemon.StatusQuery{Worst: !g.json, Limit: limit}
			if g.json && !cmd.Flags().Changed("limit") {
				q.Limit = 0
			}
			if limit < 0 {
				return usagef("--limit %d is negative; 0 shows all", limit)
			}
			if len(args) > 0 {
				q.What = args[0]
			}
			for _, s := range states {
				switch h := daemon.Health(s); {
				case s == stateBroken:
					q.Healths = append(q.Healths, daemon.HealthError, daemon.HealthExpired)
				case slices.Contains(daemon.Healths, h):
					q.Healths = append(q.Healths, h)
				default:
					return usagef("--state %q is not a state; give broken or one of %v", s, daemon.Healths)
				}
			}
			return g.ask(cmd, daemon.VerbStatus, q.Args(), &daemon.Status{})
		},
	}
	g.addJSON(cmd)
	cmd.Flags().BoolVar(&fcrdns, "fcrdns", false, "list the addresses whose reverse names do not lead back, of zones that are audited")
	cmd.Flags().IntVar(&limit, "limit", limit, "list `N` zones at most, 0: all")
	cmd.Flags().StringSliceVar(&states, "state", nil, "list only zones in a `STATE`: error, expired, loading, warning, ok, or broken for the first two; may be repeated")
	return cmd
}
