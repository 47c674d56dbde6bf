package main

import (
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/naming"
	"github.com/ptrd/ptrd/internal/registry"
	"github.com/ptrd/ptrd/zone/dname"
)

// name returns the name that an argument designates, see [naming.NameOf].
func (g *globals) name(what string) (dname.Name, error) {
	cfg, _ := g.load() // a configuration with errors has no names for us
	n, err := naming.NameOf(what, cfg)
	if err != nil {
		return nil, usagef("%v", err)
	}
	return n, nil
}

// apex is name for a zone: an address means the zone of the configuration that contains it.
func (g *globals) apex(what string) (dname.Name, error) {
	if a, err := naming.ParseArgument(what); err != nil || !a.Address.IsValid() {
		return g.name(what)
	}
	cfg, err := g.load()
	if err != nil {
		cfg = &config.Config{}
	}
	zones := registry.New(registry.Options{Config: cfg})
	part, err := zones.Find(zones.Unbuilt(), what, nil)
	return part.Apex, err
}
