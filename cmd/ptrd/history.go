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
	var asJSON bool
	var since string
	limit := 50
	cmd := &cobra.Command{
		Use:   "log ZONE|ADDRESS|PREFIX|NAME",
		Short: "Show who changed what and when",
		Long: `log shows the history of a zone, the newest change first: when it was (UTC), from
which serial to which, and who asked for it. With an address, a name in a zone or a
prefix that is only a part of one, it shows the changes of these names alone, with
the records. How far back it goes is what ` + "`history`" + ` in the configuration says.`,
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
					return usagef("--since %q is neither a span such as 24h nor a time such as 2026-01-31 or 2026-01-31T12:00:00Z", since)
				}
				q.Set("since", at.Format(time.RFC3339))
			}
			var l history.Log
			if err := g.call(cmd, daemon.VerbLog, q, &l); err != nil {
				return err
			}
			return show(cmd, asJSON, &l)
		},
	}
	addJSON(cmd, &asJSON)
	cmd.Flags().IntVar(&limit, "limit", limit, "show `N` changes at most, 0: all")
	cmd.Flags().StringVar(&since, "since", "", "show changes since a `TIME` (UTC), or of the last so long: 2026-01-31, 24h")
	return cmd
}

// parseSince reads a moment, or a span before now.
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

func newDiff(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "diff ZONE|ADDRESS|PREFIX FROM [TO]",
		Short: "Show what differs between two serials of a zone",
		Long: `diff shows the records that a zone has with serial TO and had not with serial
FROM (+), and the other way round (-). What came and went in between is not shown.
Without TO it is the serial that is served. An address or a prefix stands for the
zone that holds it. ` + "`ptrd log`" + ` lists the serials.`,
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
			if err := g.call(cmd, daemon.VerbDiff, q, &d); err != nil {
				return err
			}
			return show(cmd, asJSON, &d)
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}

func newRollback(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "rollback ZONE|ADDRESS|PREFIX SERIAL",
		Short: "Serve the content of an earlier serial again",
		Long: `rollback publishes the content that a zone had with an earlier serial, under a new
one, so that secondaries follow. It is for zones whose content the server itself
keeps. Those that come from files or from a primary it refuses: their source would
bring back what was undone. ` + "`ptrd log`" + ` lists the serials, ` + "`ptrd diff`" + ` shows what
would change.`,
		Example:           `  ptrd rollback 113.0.203.in-addr.arpa 2026012301`,
		Args:              between(2, 2, "a zone and a serial"),
		ValidArgsFunction: g.completeZone,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !isSerial(args[1]) {
				return usagef("%q is not a serial, a number from 0 to 4294967295", args[1])
			}
			var r history.Rollback
			if err := g.call(cmd, daemon.VerbRollback, url.Values{"what": {args[0]}, "serial": {args[1]}}, &r); err != nil {
				return err
			}
			return show(cmd, asJSON, &r)
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}

func isSerial(s string) bool {
	_, err := strconv.ParseUint(s, 10, 32)
	return err == nil
}
