package main

import (
	"errors"

	"github.com/ptrd/ptrd/internal/control"
	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/spf13/cobra"
)

// addSources adds the flag --sources, see [globals.orSources].
func (g *globals) addSources(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&g.sources, "sources", false, "build the zones from their sources, even if a server runs")
}

// orSources calls ask, which asks the running server. If no server runs with this configuration, or with
// --sources, it builds the zones from their sources instead, once; nil: the server has answered.
func (g *globals) orSources(cmd *cobra.Command, ask func() error) (*daemon.Served, error) {
	if !g.sources && g.built == nil {
		err := ask()
		var down *control.NotRunningError
		if !errors.As(err, &down) {
			return nil, err
		}
	}
	if g.built == nil {
		cfg, err := g.load()
		if err != nil {
			return nil, err
		}
		if g.built, err = daemon.FromSources(cmd.Context(), cfg); err != nil {
			return nil, err
		}
	}
	return g.built, nil
}
