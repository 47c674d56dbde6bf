package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"

	"github.com/ptrd/ptrd/internal/assemble"
	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/control"
	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/ptrd/ptrd/internal/registry"
	"github.com/ptrd/ptrd/zone"
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
a zone, it prints only the records there, and for a prefix with several zones, one zone after
another.

If no server runs with this configuration, or with --sources, the zone is built from its
sources; a generated serial is then that of a zone that was never served before.

For a zone with sources and updates, a comment after each record shows its source.`,
		Example: `  ptrd dump 113.0.203.in-addr.arpa
  ptrd dump 203.0.113.64/26
  ptrd dump 203.0.113.25`,
		Args:              exactly(1, "a zone, an address, a prefix or a name"),
		ValidArgsFunction: g.completeZone,
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.dump(cmd, args[0], false, sources, cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&sources, "sources", false, "build the zone from its sources, even if a server runs")
	return cmd
}

// dump writes the records of what is designated, or of the whole zone that has it, as the running
// server has them, or built from the sources.
func (g *globals) dump(cmd *cobra.Command, what string, isWhole, sources bool, w io.Writer) error {
	if !sources {
		err := g.send(cmd, daemon.VerbDump, url.Values{"what": {what}, "whole": {strconv.FormatBool(isWhole)}}, w)
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
	find := zones.Select
	if isWhole {
		find = zones.Whole
	}
	parts, err := find(set, what, nil)
	if err != nil {
		return err
	}
	for _, part := range parts {
		if set.Get(part.Apex).IsAvailable() {
			continue
		}
		for _, f := range findings {
			if f.Severity == finding.Error {
				fmt.Fprintln(cmd.ErrOrStderr(), f.Report())
			}
		}
		return fmt.Errorf("zone %v has errors; `ptrd check` shows all of them", part.Apex)
	}
	return daemon.WriteZones(w, set, parts, nil)
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
