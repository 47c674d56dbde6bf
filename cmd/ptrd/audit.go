package main

import (
	"fmt"
	"io"
	"net/url"
	"strconv"

	"github.com/ptrd/ptrd/internal/audit"
	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/spf13/cobra"
)

// audited is the result of audit.
type audited struct {
	*audit.Report
	Fix *audit.Fix `json:"fix,omitempty"`
}

func newAudit(g *globals) *cobra.Command {
	var fix bool
	var resolvers []string
	rate := 0
	cmd := &cobra.Command{
		Use:   "audit [ZONE|ADDRESS|PREFIX]",
		Short: "Check that reverse names lead back to their addresses",
		Long: `audit looks up the names that the addresses of a zone have, and whether they lead back, as mail
servers do (iprev, RFC 8601 §3). Of a forward zone, it examines the addresses that its names have.
Without an argument, it examines all zones.

Names in zones served here are looked up in these; for others, the resolvers of the configuration
(audit.resolvers) or of --resolver are asked. What they do not answer is shown as not_known, and
never as wrong.

With --fix it prints what would add the missing records: for files, a diff that ` + "`patch`" + ` applies;
for other zones, commands, or whom to ask. It changes nothing itself.

If no server runs with this configuration, or with --sources, the zones are built from their
sources.

Exit codes: 0 all names lead back; 1 some do not; 2 wrong command line; 3 nothing is known to be
wrong, but something is not known.`,
		Example: `  ptrd audit --resolver 127.0.0.1
  ptrd audit 203.0.113.0/24
  ptrd audit --fix >missing.diff`,
		Args:              between(0, 1, "at most one zone, address or prefix"),
		ValidArgsFunction: g.completeZone,
		RunE: func(cmd *cobra.Command, args []string) error {
			ask := url.Values{}
			if len(args) > 0 {
				ask.Set("what", args[0])
			}
			for _, text := range resolvers {
				at, err := serverAddr("--resolver", text, portDNS)
				if err != nil {
					return err
				}
				ask.Add("resolver", at.String())
			}
			if cmd.Flags().Changed("rate") {
				if rate < 0 {
					return usagef("--rate %d is negative; 0 is no limit", rate)
				}
				ask.Set("rate", strconv.Itoa(rate))
			}
			out := audited{Report: &audit.Report{}}
			if err := g.audit(cmd, ask, out.Report); err != nil {
				return err
			}
			if fix {
				cfg, err := g.load()
				if err != nil {
					return err
				}
				if out.Fix, err = audit.Propose(cfg, out.Report); err != nil {
					return err
				}
			}
			return g.show(cmd, &out)
		},
	}
	g.addJSON(cmd)
	f := cmd.Flags()
	g.addSources(cmd)
	f.BoolVar(&fix, "fix", false, "print what adds the missing records")
	f.StringArrayVar(&resolvers, "resolver", nil, "`ADDRESS[:PORT]` of a resolver, in place of those of the configuration; may be repeated")
	f.IntVar(&rate, "rate", 0, "ask resolvers at most `N` questions in a second; 0: no limit (default: as in the configuration)")
	return cmd
}

// audit has the running server examine addresses, or builds the zones from their sources.
func (g *globals) audit(cmd *cobra.Command, args url.Values, to *audit.Report) error {
	built, err := g.orSources(cmd, func() error { return g.call(cmd, daemon.VerbAudit, args, to) })
	if built == nil {
		return err
	}
	r, err := built.Audit(cmd.Context(), args)
	if err == nil {
		*to = *r
	}
	return err
}

// Print writes the result for a person: the fix alone, if it was asked for.
func (a *audited) Print(out io.Writer) error {
	if a.Fix == nil {
		return a.Report.Print(out)
	}
	if a.Fix.Diff == "" && len(a.Fix.Scripts) == 0 {
		_, err := fmt.Fprintln(out, "nothing is missing that could be added")
		return err
	}
	return a.Fix.Print(out)
}
