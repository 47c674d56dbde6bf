package main

import (
	"errors"
	"io/fs"
	"os"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/spf13/cobra"
)

// defaultConfigs returns the paths of the configuration without --config.
func defaultConfigs() []string { return []string{"config.yaml", "/etc/ptrd/config.yaml"} }

// path returns the path of the configuration file.
func (g *globals) path() (string, error) {
	if g.config != "" {
		return g.config, nil
	}
	for _, p := range defaultConfigs() {
		if _, err := os.Stat(p); !errors.Is(err, fs.ErrNotExist) {
			return p, nil
		}
	}
	return "", usagef("there is neither ./config.yaml nor /etc/ptrd/config.yaml; give the configuration by --config FILE")
}

// load reads the configuration, once.
func (g *globals) load() (*config.Config, error) {
	path, err := g.path()
	if err != nil || g.loaded != nil {
		return g.loaded, err
	}
	g.loaded, err = config.Load(path)
	return g.loaded, err
}

// loadIfAny is load, without an error if there is no configuration: then it is nil.
func (g *globals) loadIfAny() (*config.Config, error) {
	if _, err := g.path(); err != nil {
		return nil, nil
	}
	return g.load()
}

// completeZone completes the apexes of the configuration.
func (g *globals) completeZone(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	cfg, err := g.load()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []cobra.Completion
	for i := range cfg.Zones {
		for _, apex := range cfg.Zones[i].Apexes {
			names = append(names, apex.String())
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
