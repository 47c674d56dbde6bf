package main

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/ptrd/ptrd/internal/assemble"
	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/control"
	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/ptrd/ptrd/internal/registry"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/spf13/cobra"
)

func newDump(g *globals) *cobra.Command {
	var sources bool
	cmd := &cobra.Command{
		Use:   "dump ZONE|ADDRESS|PREFIX|NAME",
		Short: "Print a zone as a canonical master file",
		Long: `dump prints a zone of the running server as a master file: one record a line, all names
absolute, in canonical order. For an address, a name in a zone or a prefix that is a part of
a zone, it prints only the records there.

If no server runs with this configuration, or with --sources, the zone is built from its
sources; a generated serial is then that of a zone that was never served before.

For a zone with sources and updates, a comment after each record shows its source.`,
		Example: `  ptrd dump 113.0.203.in-addr.arpa
  ptrd dump 203.0.113.64/26
  ptrd dump 203.0.113.25`,
		Args:              exactly(1, "a zone, an address, a prefix or a name"),
		ValidArgsFunction: g.completeZone,
		RunE: func(cmd *cobra.Command, args []string) error {
			what := args[0]
			if !sources {
				err := g.send(cmd, daemon.VerbDump, url.Values{"what": {what}}, cmd.OutOrStdout())
				var down *control.NotRunningError
				if !errors.As(err, &down) {
					return err
				}
			}
			z, about, err := zoneFromSources(cmd, g, what)
			if err != nil {
				return err
			}
			return daemon.WriteZone(cmd.OutOrStdout(), z, about, nil)
		},
	}
	cmd.Flags().BoolVar(&sources, "sources", false, "build the zone from its sources, even if a server runs")
	return cmd
}

// zoneFromSources builds the zone of the configuration that what designates, see
// [registry.Zones.Find].
func zoneFromSources(cmd *cobra.Command, g *globals, what string) (z *zone.Zone, about func(dname.Name) bool, err error) {
	set, findings, err := setFromSources(cmd, g)
	if err != nil {
		return nil, nil, err
	}
	cfg, err := g.load()
	if err != nil {
		return nil, nil, err
	}
	none := func(dname.Name) (bool, error) { return false, nil }
	apex, about, err := registry.New(registry.Options{Config: cfg}).Find(set, what, none)
	if err != nil {
		return nil, nil, err
	}
	if z = set.Get(apex); !z.IsAvailable() {
		for _, f := range findings {
			if f.Severity == finding.Error {
				fmt.Fprintln(cmd.ErrOrStderr(), f.Report())
			}
		}
		return nil, nil, fmt.Errorf("zone %v has errors; `ptrd check` shows all of them", apex)
	}
	return z, about, nil
}

// setFromSources builds all zones of the configuration, as a server does at its first start.
func setFromSources(cmd *cobra.Command, g *globals) (*zone.Set, []finding.Finding, error) {
	cfg, err := g.load()
	if err != nil {
		return nil, nil, err
	}
	zones := commit.New(commit.Options{})
	plan, err := assemble.New(assemble.Options{}).Assemble(cmd.Context(), cfg, zones.Set(), assemble.Round{})
	if err != nil {
		return nil, nil, err
	}
	if err := zones.Publish(plan.Batch); err != nil {
		return nil, nil, err
	}
	return zones.Set(), plan.Findings, nil
}
