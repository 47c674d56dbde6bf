package main

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/ptrd/ptrd/internal/history"
	"github.com/spf13/cobra"
)

func newLog(g *globals) *cobra.Command {
	var since string
	limit, isFollowed := 50, false
	cmd := &cobra.Command{
		Use:   "log [ZONE|ADDRESS|PREFIX|NAME]",
		Short: "Show who changed what and when",
		Long: `log shows the changes of all zones, of a zone, or of all zones in a prefix, the newest first:
time (UTC), serials, who made them, and how many records changed. The SOA counts only if more than
its serial changed. Zones that are no longer served are among them.

For an address, a name in a zone or a prefix that is a part of a zone, it shows only changes
of these names, with the records. ` + "`history`" + ` in the configuration bounds what is stored.

With --follow it shows the changes that are made from now on, the latest last, until ctrl-C.`,
		Example: `  ptrd log
  ptrd log -f 10.0.0.0/8
  ptrd log 10.0.0.0/8 --since 2h
  ptrd log 113.0.203.in-addr.arpa --since "2026-01-31 14:00"
  ptrd log 203.0.113.25 --since 24h`,
		Args:              between(0, 1, "a zone, an address, a prefix or a name, or nothing"),
		ValidArgsFunction: g.completeZone,
		RunE: func(cmd *cobra.Command, args []string) error {
			if limit < 0 {
				return usagef("--limit %d is negative; 0 shows all", limit)
			}
			q := url.Values{"what": args, "limit": {strconv.Itoa(limit)}}
			if since != "" {
				at, err := parseTime(since, time.Now())
				if err != nil {
					return usagef("--since %v", err)
				}
				q.Set("since", at.Format(time.RFC3339))
			}
			if isFollowed {
				for _, name := range []string{"limit", "since"} {
					if cmd.Flags().Changed(name) {
						return usagef("--%s is about earlier changes, --follow about later ones; omit one of them", name)
					}
				}
				return follow(g, cmd, daemon.VerbFollow, q, "showing changes", (*history.Line).Text)
			}
			var l history.Log
			return g.ask(cmd, daemon.VerbLog, q, &l)
		},
	}
	g.addJSON(cmd)
	cmd.Flags().BoolVarP(&isFollowed, "follow", "f", false, "show changes as they are made")
	cmd.Flags().IntVar(&limit, "limit", limit, "show `N` changes at most, 0: all")
	cmd.Flags().StringVar(&since, "since", "", "show changes since a `TIME` (UTC) or in a duration before now: 2026-01-31, 24h")
	return cmd
}

// parseTime reads a time, or how long before now it was. A time without a zone is UTC, as all times
// of ptrd.
func parseTime(s string, now time.Time) (time.Time, error) {
	ago := strings.TrimPrefix(strings.TrimSuffix(s, " ago"), "-")
	if d, err := time.ParseDuration(ago); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, time.DateTime, "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is neither a duration before now, such as 24h, nor a time such as 2026-01-31, \"2026-01-31 14:00\" or 2026-01-31T14:00:00Z", s)
}
