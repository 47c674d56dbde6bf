package main

import (
	"net/url"
	"strconv"
	"time"

	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/ptrd/ptrd/internal/history"
	"github.com/spf13/cobra"
)

func newLog(g *globals) *cobra.Command {
	var since string
	limit := 50
	cmd := &cobra.Command{
		Use:   "log ZONE|ADDRESS|PREFIX|NAME",
		Short: "Show who changed what and when",
		Long: `log shows the changes of a zone, the newest first: time (UTC), serials, and who made them.
For an address, a name in a zone or a prefix that is a part of a zone, it shows only changes
of these names, with the records. ` + "`history`" + ` in the configuration bounds what is stored.`,
		Example: `  ptrd log 113.0.203.in-addr.arpa
  ptrd log 203.0.113.25 --since 24h`,
		Args:              exactly(1, "a zone, an address, a prefix or a name"),
		ValidArgsFunction: g.completeZone,
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 0 {
				return usagef("--limit %d is negative; 0 shows all", limit)
			}
			q := url.Values{"what": {args[0]}, "limit": {strconv.Itoa(limit)}}
			if since != "" {
				at, ok := parseSince(since, time.Now())
				if !ok {
					return usagef("--since %q is neither a duration such as 24h nor a time such as 2026-01-31 or 2026-01-31T12:00:00Z", since)
				}
				q.Set("since", at.Format(time.RFC3339))
			}
			var l history.Log
			return g.ask(cmd, daemon.VerbLog, q, &l)
		},
	}
	g.addJSON(cmd)
	cmd.Flags().IntVar(&limit, "limit", limit, "show `N` changes at most, 0: all")
	cmd.Flags().StringVar(&since, "since", "", "show changes since a `TIME` (UTC) or in a duration before now: 2026-01-31, 24h")
	return cmd
}

// parseSince reads a time, or a duration before now.
func parseSince(s string, now time.Time) (time.Time, bool) {
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), true
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
