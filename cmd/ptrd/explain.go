package main

import (
	"net/netip"
	"net/url"
	"time"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/ptrd/ptrd/internal/explain"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/spf13/cobra"
)

func newExplain(g *globals) *cobra.Command {
	var client, qtype string
	cmd := &cobra.Command{
		Use:   "explain ADDRESS|NAME|PREFIX",
		Short: "Show the answer for an address or a name, its reason, and its source",
		Long: `explain shows what the running server answers for the reverse name of an address, for a
name, or for the apex of the zone of a prefix, and the steps to this answer: zones, zone
cuts, aliases, wildcards. It shows the file and line, or the rule of the configuration, that
each record comes from, and for a record that was updated, transferred or made by an API the
change that added it: by whom, with which serial, and when.

If no server runs with this configuration, or with --sources, the zones are built from
their sources.`,
		Example: `  ptrd explain 203.0.113.25
  ptrd explain 2001:db8::25 --client 192.0.2.1
  ptrd explain --type NS 203.0.113.0/24`,
		Args:              exactly(1, "an address, a name or a prefix"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := g.question(args[0], qtype, client)
			if err != nil {
				return err
			}
			return g.explain(cmd, q)
		},
	}
	g.addJSON(cmd)
	g.addSources(cmd)
	cmd.Flags().StringVar(&client, "client", "", "the answer for a client with this `ADDRESS`, subject to access lists (default: without them)")
	cmd.Flags().StringVar(&qtype, "type", "PTR", "the `TYPE` in question")
	return cmd
}

func newAt(g *globals) *cobra.Command {
	var qtype string
	cmd := &cobra.Command{
		Use:   "at TIME ADDRESS|NAME|PREFIX",
		Short: "Show what was answered at a time, and who had made it so",
		Long: `at shows what the running server answered at a time for the reverse name of an address, for a
name, or for the apex of the zone of a prefix, as ` + "`ptrd explain`" + ` does for now. Below each record is
the change that had added it: who made it, the serial, and when.

The answer is made from the zones as they were, with the settings of now, and without access lists.
` + "`history`" + ` in the configuration bounds how far back this goes.

TIME is a time (UTC, unless it has an offset) or how long ago it was: 2026-11-29T14:00:00+01:00,
"2026-11-29 14:00", 2026-11-29, "2h ago", -2h.`,
		Example: `  ptrd at "2026-11-29 14:00" 203.0.113.25
  ptrd at -2h mail.example.com --type MX`,
		Args:              exactly(2, "a time, and an address, a name or a prefix"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			at, err := parseTime(args[0], time.Now())
			if err != nil {
				return usagef("%v", err)
			}
			q, err := g.question(args[1], qtype, "")
			if err != nil {
				return err
			}
			q.At = at
			return g.explain(cmd, q)
		},
	}
	g.addJSON(cmd)
	cmd.Flags().StringVar(&qtype, "type", "PTR", "the `TYPE` in question")
	return cmd
}

// explain shows the answer to a question. It has no sources of a time that is past.
func (g *globals) explain(cmd *cobra.Command, q explain.Question) error {
	cfg, cfgErr := g.load()
	e, err := g.answer(cmd, q)
	if err == nil && cfg != nil && len(e.Steps) == 1 && e.Steps[0].Zone == "" {
		e, err = g.fromAbove(cmd, q, cfg, e)
	}
	switch {
	case err != nil:
		return err
	case !q.At.IsZero():
	case cfgErr != nil:
		remark(cmd, "the sources cannot be shown, because the configuration has errors:\n%v", cfgErr)
	default:
		var set *zone.Set // nil: the server has answered
		if g.built != nil {
			set = g.built.Set
		}
		if err := e.Trace(cmd.Context(), cfg, set); err != nil {
			return err
		}
	}
	return g.show(cmd, e)
}

func (g *globals) question(what, qtype, client string) (q explain.Question, err error) {
	if q.Name, err = g.name(what); err != nil {
		return q, err
	}
	var ok bool
	if q.Type, ok = rr.ParseType(qtype); !ok {
		return q, usagef("--type %q is not a record type", qtype)
	}
	if client != "" {
		if q.Client, err = netip.ParseAddr(client); err != nil {
			return q, usagef("--client %q is not an address", client)
		}
	}
	return q, nil
}

// answer asks the running server, or builds the zones from their sources.
func (g *globals) answer(cmd *cobra.Command, q explain.Question) (*explain.Explanation, error) {
	args := url.Values{"name": {q.Name.String()}, "type": {q.Type.String()}}
	if q.Client.IsValid() {
		args.Set("client", q.Client.String())
	}
	if !q.At.IsZero() {
		args.Set("at", q.At.Format(time.RFC3339Nano))
	}
	var e explain.Explanation
	ask := func() error { return g.call(cmd, daemon.VerbExplain, args, &e) }
	if !q.At.IsZero() {
		return &e, ask()
	}
	built, err := g.orSources(cmd, ask)
	if built == nil {
		return &e, err
	}
	return built.Explain(q)
}

// fromAbove explains a question about a name in no zone that a CNAME in the parent zone should
// lead into a classless zone. If there is no such zone, it returns none.
func (g *globals) fromAbove(cmd *cobra.Command, q explain.Question, cfg *config.Config, none *explain.Explanation) (*explain.Explanation, error) {
	above, step, err := explain.Above(cfg, q)
	if err != nil || above.Name == nil {
		return none, err
	}
	e, err := g.answer(cmd, above)
	if err == nil {
		e.Name, e.Steps = step.Name, append([]explain.Step{step}, e.Steps...)
	}
	return e, err
}
