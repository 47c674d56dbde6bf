package main

import (
	"net/url"
	"strconv"

	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/ptrd/ptrd/internal/history"
	"github.com/spf13/cobra"
)

func newDiff(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "diff ZONE|ADDRESS|PREFIX FROM [TO]",
		Short: "Show the difference between two serials of a zone",
		Long: `diff shows the records that a zone has with serial TO but not with serial FROM (+), and the
records that it has with FROM but not with TO (-). The default of TO is the served serial. An
address or a prefix means the zone that contains it. ` + "`ptrd log`" + ` lists the serials.`,
		Example:           `  ptrd diff 113.0.203.in-addr.arpa 2026012301 2026012305`,
		Args:              between(2, 3, "a zone and one serial or two"),
		ValidArgsFunction: g.completeZone,
		RunE: func(cmd *cobra.Command, args []string) error {
			q := url.Values{"what": {args[0]}}
			for i, name := range []string{"from", "to"} {
				if i+1 < len(args) {
					if !isSerial(args[i+1]) {
						return usagef("%q is not a serial, a number from 0 to 4294967295", args[i+1])
					}
					q.Set(name, args[i+1])
				}
			}
			var d history.Diff
			return g.ask(cmd, daemon.VerbDiff, q, &d)
		},
	}
	g.addJSON(cmd)
	return cmd
}

func isSerial(s string) bool {
	_, err := strconv.ParseUint(s, 10, 32)
	return err == nil
}
