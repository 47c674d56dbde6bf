package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/internal/assemble"
	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/ptrd/ptrd/internal/plan"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/spf13/cobra"
)

// maxChildren bounds the child zones that are read from a server.
const maxChildren = 1000

// checkParent prints the gaps in the delegations of a zone.
func (g *globals) checkParent(cmd *cobra.Command, zone, from string, files []string) error {
	apex, err := g.apex(zone)
	if err != nil {
		return err
	}
	read := func(apex dname.Name) (*plan.Content, error) { return readParent(cmd.Context(), apex, from) }
	if from == "" {
		read = func(apex dname.Name) (*plan.Content, error) { return g.readZone(cmd, apex) }
	}
	parent, err := read(apex)
	if err != nil {
		return err
	}
	var children []*plan.Content
	for _, f := range files {
		name, path, ok := strings.Cut(f, "=")
		n, err := dname.Parse(name)
		if !ok || err != nil {
			return usagef("--child %q: write ZONE=FILE, such as 64/26.113.0.203.in-addr.arpa=customer.zone", f)
		}
		child := plan.ReadFile(n, path)
		if err := child.Error(); err != nil {
			return err
		}
		children = append(children, child)
	}
	names := parent.Cuts()
	switch {
	case from == "":
		names = append(names, g.zonesBelow(apex)...)
	case isFileName(from):
		names = nil
	}
	for _, n := range names[:min(len(names), maxChildren)] {
		same := func(c *plan.Content) bool { return c.Apex.Equal(n) }
		if child, err := read(n); err == nil && child.Error() == nil && !slices.ContainsFunc(children, same) {
			children = append(children, child)
		}
	}
	r := checked{Findings: append([]finding.Finding{}, plan.Check(parent, children)...), Zones: 1 + len(children)}
	if from == "" {
		g.locate(cmd, apex, r.Findings)
	}
	return r.show(cmd, g)
}

// maxLocated bounds the findings whose sources are read for their positions.
const maxLocated = 20

// locate adds positions in the sources of the configuration to findings about records of a zone.
func (g *globals) locate(cmd *cobra.Command, apex dname.Name, list []finding.Finding) {
	cfg, err := g.load()
	if err != nil {
		return // a running server has the zone
	}
	for i := range list[:min(len(list), maxLocated)] {
		f := &list[i]
		if f.Owner == nil || f.File != "" {
			continue
		}
		origins, err := assemble.Explain(cmd.Context(), cfg, nil, f.Owner)
		at := slices.IndexFunc(origins, func(o assemble.Origin) bool { return o.Apex.Equal(apex) && o.Record.Type == f.Type })
		if err == nil && at >= 0 {
			f.Position = origins[at].Pos
		}
	}
	finding.Sort(list)
}

// readZone reads a zone of the running server, or of the configuration.
func (g *globals) readZone(cmd *cobra.Command, apex dname.Name) (*plan.Content, error) {
	var text bytes.Buffer
	err := g.dump(cmd, &daemon.DumpQuery{What: apex.String()}, &text)
	c := plan.ReadText(apex, "", text.Bytes())
	switch {
	case g.built != nil && g.built.Set.Get(apex) == nil:
		return nil, fmt.Errorf("zone %v is not in the configuration; give --from FILE or --from ADDRESS to read it elsewhere", apex)
	case err != nil:
		return nil, err
	case !c.HasSOA(): // another zone has the name
		return nil, fmt.Errorf("there is no zone %v; `ptrd status` lists the zones", apex)
	}
	return c, nil
}

// zonesBelow returns the zones of the configuration below a name.
func (g *globals) zonesBelow(apex dname.Name) (names []dname.Name) {
	cfg, err := g.load()
	if err != nil {
		return nil // the running server has them as far as they are delegated
	}
	for i := range cfg.Zones {
		for _, a := range cfg.Zones[i].Apexes {
			if a.IsAtOrBelow(apex) && !a.Equal(apex) {
				names = append(names, a)
			}
		}
	}
	return names
}

// isFileName reports whether --from names a file and not a server.
func isFileName(from string) bool {
	_, err := serverAddr("--from", from, portDNS)
	return err != nil
}
