package main

import (
	"net/url"

	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/spf13/cobra"
)

func newNotify(g *globals) *cobra.Command {
	wait := daemon.NotifyWait
	cmd := &cobra.Command{
		Use:   "notify [ZONE|ADDRESS|PREFIX]",
		Short: "Send NOTIFY to the secondaries of zones now, and show which serial they have",
		Long: `notify sends NOTIFY to the secondaries of a zone, of all zones in a prefix, or of all zones. It
waits until they have the current serial, for some seconds at most, and prints what each answered
and which serial it has then. It exits with 1 if one of them does not answer or does not have the
current serial.`,
		Example: `  ptrd notify 113.0.203.in-addr.arpa
  ptrd notify 203.0.113.0/24 --wait 30s`,
		Args:              between(0, 1, "at most one zone, address or prefix"),
		ValidArgsFunction: g.completeZone,
		RunE: func(cmd *cobra.Command, args []string) error {
			if wait <= 0 {
				return usagef("--wait %v must be above 0", wait)
			}
			q := url.Values{"wait": {wait.String()}}
			if len(args) > 0 {
				q.Set("what", args[0])
			}
			return g.ask(cmd, daemon.VerbNotify, q, &daemon.Notified{})
		},
	}
	g.addJSON(cmd)
	cmd.Flags().DurationVar(&wait, "wait", wait, "how long to wait for secondaries, as a `DURATION` such as 30s or 1m")
	return cmd
}
