package main

import (
	"net/url"

	"github.com/ptrd/ptrd/internal/daemon"
	updates "github.com/ptrd/ptrd/internal/update"
	"github.com/spf13/cobra"
)

func newRollback(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rollback ZONE|ADDRESS|PREFIX SERIAL",
		Short: "Serve the content of an earlier serial again",
		Long: `rollback publishes the content of an earlier serial under a new one, so that secondaries
follow. For a zone that has sources and accepts updates, it restores only the records that
updates had added; the sources do not change, and records whose dynamic_lifetime has ended
are not restored. It fails for other zones with sources and for secondary zones, because
their source would undo it. ` + "`ptrd log`" + ` lists the serials, ` + "`ptrd diff`" + ` shows the difference.`,
		Example:           `  ptrd rollback 113.0.203.in-addr.arpa 2026012301`,
		Args:              exactly(2, "a zone and a serial"),
		ValidArgsFunction: g.completeZone,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !isSerial(args[1]) {
				return usagef("%q is not a serial, a number from 0 to 4294967295", args[1])
			}
			var r updates.Rollback
			return g.ask(cmd, daemon.VerbRollback, url.Values{"what": {args[0]}, "serial": {args[1]}}, &r)
		},
	}
	g.addJSON(cmd)
	return cmd
}
