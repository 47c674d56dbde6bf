package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/ptrd/ptrd/internal/assemble"
	"github.com/ptrd/ptrd/internal/control"
	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/ptrd/ptrd/internal/naming"
	"github.com/ptrd/ptrd/internal/registry"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/spf13/cobra"
)

func newDump(g *globals) *cobra.Command {
	var sources bool
	var made string
	q := daemon.DumpQuery{Limit: maxMade}
	cmd := &cobra.Command{
		Use:   "dump ZONE|ADDRESS|PREFIX|NAME",
		Short: "Print a zone as a canonical master file",
		Long: `dump prints a zone of the running server as a master file: one record a line, all names
absolute, in canonical order. For an address, a name in a zone or a prefix that is a part of
a zone, it prints only the records there, and for a prefix with several zones, one zone after
another.

If no server runs with this configuration, or with --sources, the zone is built from its
sources; a generated serial is then that of a zone that was never served before.

For a zone with several layers, a comment after each record shows its own: sources, derived, updates.
Names that ` + "`synth`" + ` makes are in it as the rules that make them, each with a comment in words. With
--made, the records of the addresses of a prefix are written out after them, in a reverse zone their
names, in a forward zone the addresses of the names.`,
		Example: `  ptrd dump 113.0.203.in-addr.arpa
  ptrd dump 203.0.113.64/26
  ptrd dump 203.0.113.25
  ptrd dump 2001:db8::/32 --made 2001:db8:4000::/120
  ptrd dump example.net --made 203.0.113.128/25`,
		Args:              exactly(1, "a zone, an address, a prefix or a name"),
		ValidArgsFunction: g.completeZone,
		RunE: func(cmd *cobra.Command, args []string) error {
			q.What = args[0]
			if made != "" {
				arg, err := naming.ParseArgument(made)
				switch {
				case err != nil:
					return usagef("--made: %v", err)
				case arg.Address.IsValid():
					arg.Prefix = netip.PrefixFrom(arg.Address, arg.Address.BitLen())
				case !arg.Prefix.IsValid():
					return usagef("--made %q is not a prefix", made)
				}
				q.Made = arg.Prefix
			}
			return g.dump(cmd, &q, sources, cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&sources, "sources", false, "build the zone from its sources, even if a server runs")
	cmd.Flags().StringVar(&made, "made", "", "write what rules make for the addresses of a `PREFIX` as well")
	cmd.Flags().IntVar(&q.Limit, "limit", q.Limit, "refuse --made for more than `N` addresses")
	return cmd
}

// maxMade is how many addresses --made writes out without --limit, some megabytes.
const maxMade = 65536

// dump writes what is asked for as the running server has it, or built from the sources.
func (g *globals) dump(cmd *cobra.Command, q *daemon.DumpQuery, sources bool, w io.Writer) error {
	if !sources {
		err := g.send(cmd, daemon.VerbDump, q.Args(), w)
		var down *control.NotRunningError
		if !errors.As(err, &down) {
			return err
		}
	}
	set, findings, err := setFromSources(cmd, g)
	if err != nil {
		return err
	}
	cfg, err := g.load()
	if err != nil {
		return err
	}
	zones := registry.New(registry.Options{Config: cfg})
	err = q.Write(w, set, zones, nil, nil)
	var lost *daemon.NoDataError
	if errors.As(err, &lost) {
		for _, f := range findings {
			if f.Severity == finding.Error {
				fmt.Fprintln(cmd.ErrOrStderr(), f.Report())
			}
		}
		return fmt.Errorf("zone %v has errors; `ptrd check` shows all of them", lost.Apex)
	}
	return err
}

// setFromSources builds all zones of the configuration, as a server does at its first start.
func setFromSources(cmd *cobra.Command, g *globals) (*zone.Set, []finding.Finding, error) {
	cfg, err := g.load()
	if err != nil {
		return nil, nil, err
	}
	return assemble.Offline(cmd.Context(), cfg)
}
