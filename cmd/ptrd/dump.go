package main

import (
	"bufio"
	"errors"
	"fmt"
	"net/url"

	"github.com/ptrd/ptrd/internal/assemble"
	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/control"
	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/zonefile"
	"github.com/spf13/cobra"
)

func newDump(g *globals) *cobra.Command {
	var sources bool
	cmd := &cobra.Command{
		Use:   "dump ZONE|PREFIX",
		Short: "Print a zone as a canonical master file",
		Long: `dump prints a zone of the running server as a master file: one record a line, all names
absolute, in canonical order. If no server runs with this configuration, or with --sources,
the zone is built from its sources; a generated serial is then that of a zone that was
never served before.

For a zone with sources and updates, a comment after each record shows its source.`,
		Example: `  ptrd dump 113.0.203.in-addr.arpa
  ptrd dump 203.0.113.64/26`,
		Args:              exactly(1, "a zone or its prefix"),
		ValidArgsFunction: g.completeZone,
		RunE: func(cmd *cobra.Command, args []string) error {
			apex, err := g.apex(args[0])
			if err != nil {
				return err
			}
			if !sources {
				err := g.send(cmd, daemon.VerbDump, url.Values{"zone": {apex.String()}}, cmd.OutOrStdout())
				var down *control.NotRunningError
				if !errors.As(err, &down) {
					return err
				}
			}
			z, err := zoneFromSources(cmd, g, apex)
			if err != nil {
				return err
			}
			w := bufio.NewWriter(cmd.OutOrStdout())
			if err := zonefile.Write(w, z); err != nil {
				return err
			}
			return w.Flush()
		},
	}
	cmd.Flags().BoolVar(&sources, "sources", false, "build the zone from its sources, even if a server runs")
	return cmd
}

// zoneFromSources builds one zone of the configuration.
func zoneFromSources(cmd *cobra.Command, g *globals, apex dname.Name) (*zone.Zone, error) {
	set, findings, err := setFromSources(cmd, g)
	if err != nil {
		return nil, err
	}
	z := set.Get(apex)
	switch {
	case z == nil:
		return nil, fmt.Errorf("zone %v is not in the configuration", apex)
	case !z.IsAvailable():
		for _, f := range findings {
			if f.Severity == finding.Error {
				fmt.Fprintln(cmd.ErrOrStderr(), f.Report())
			}
		}
		return nil, fmt.Errorf("zone %v has errors; `ptrd check` shows all of them", apex)
	}
	return z, nil
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
