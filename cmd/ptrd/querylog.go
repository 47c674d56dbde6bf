package main

import (
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/ptrd/ptrd/server/worker"
	"github.com/spf13/cobra"
)

func newQueryLog(g *globals) *cobra.Command {
	var about string
	period := 10 * time.Minute
	cmd := &cobra.Command{
		Use:   "querylog on|ADDRESS|PREFIX|off",
		Short: "Show queries and their answers while they come in",
		Long: `querylog shows the queries that the running server gets from an address or a prefix, or with
"on" from all clients: time (UTC), client, transport and size, question, RCODE and size of the
answer, and zone. With --about it shows only those for the reverse names of an address or a prefix,
or for a name and names below it.

It ends on ctrl-C, with --for, and when the server stops. The server never writes queries to its log
for it: they are seen by the one who asks, and nothing is left running. ` + "`ptrd status`" + ` shows who
asks, and "off" ends all of them. Not more than 200 queries a second are shown; the others are counted.

The size of an answer of 0 with the word dropped is no answer. deferred are transfers, updates,
NOTIFY and signed queries, whose outcome is in the log of the server.`,
		Example: `  ptrd querylog 192.0.2.1
  ptrd querylog on --about 203.0.113.25 --for 1h
  ptrd querylog off`,
		Args:              exactly(1, "on, off, or the address or prefix of clients"),
		ValidArgsFunction: cobra.FixedCompletions([]string{"on", "off"}, cobra.ShellCompDirectiveNoFileComp),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := url.Values{"for": {period.String()}, "about": {about}}
			switch {
			case period <= 0 || period > daemon.MaxQueryLog:
				return usagef("--for %v is not a duration up to %v", period, daemon.MaxQueryLog)
			case args[0] == "off":
				var ended queryLogs
				return g.ask(cmd, daemon.VerbQueryLogOff, nil, &ended)
			case args[0] != "on":
				if !isAddressOrPrefix(args[0]) {
					return usagef("%q is neither on, off, an address nor a prefix; names of questions are given by --about", args[0])
				}
				q.Set("client", args[0])
			}
			return follow(g, cmd, daemon.VerbQueryLog, q, fmt.Sprintf("showing queries for %v", period), queryText)
		},
	}
	g.addJSON(cmd)
	cmd.Flags().StringVar(&about, "about", "", "only questions about an address, a prefix or a `NAME`")
	cmd.Flags().DurationVar(&period, "for", period, "`HOW_LONG`, up to 24h")
	return cmd
}

func isAddressOrPrefix(s string) bool {
	_, err := netip.ParseAddr(s)
	if err != nil {
		_, err = netip.ParsePrefix(s)
	}
	return err == nil
}

// queryLogs is the answer to `off`.
type queryLogs []daemon.QueryLog

// Print writes what was ended.
func (l queryLogs) Print(w io.Writer) error {
	var b strings.Builder
	for i := range l {
		fmt.Fprintf(&b, "ended: %v\n", &l[i])
	}
	if len(l) == 0 {
		b.WriteString("no command shows queries\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// queryText returns a query as a line.
func queryText(q *worker.Query) string {
	var b strings.Builder
	if q.Missed > 0 {
		fmt.Fprintf(&b, "%d more queries are not shown\n", q.Missed)
	}
	question := "no question"
	if q.Name != "" {
		question = q.Name + " " + q.Type
		if q.Class != "IN" {
			question = q.Name + " " + q.Class + " " + q.Type
		}
	}
	fmt.Fprintf(&b, "%s  %s %s %d  %s  ", q.At.Format("15:04:05.000"), q.Client, q.Transport, q.Size, question)
	if q.RCode == "" {
		b.WriteString(q.Verdict)
	} else {
		fmt.Fprintf(&b, "%s %d", q.RCode, q.ResponseSize)
	}
	if q.Truncated {
		b.WriteString(" truncated")
	}
	if q.Zone != "" {
		b.WriteString("  zone " + q.Zone)
	}
	return b.String() + "\n"
}
