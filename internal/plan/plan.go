// Package plan makes both sides of the delegation of a prefix or of its parts, and looks for gaps
// in a parent zone that exists.
//
// In goes a prefix with its parts, their name servers, and how each is delegated (split.go). Out
// come the lines of the parent zone and the zones of the parts, each as configuration of ptrd and
// as master files (files.go). The lines are not made here: config.go writes the configuration of
// the parent with its `delegate` entries, and the records are those that assemble generates from
// it, so that a plan and a running ptrd cannot differ. The zones of the parts are made in the same
// way, with what the parent zone has of their addresses today (today.go).
//
// check.go reads a parent zone and reports gaps; rules.go has what it looks for, children.go what the
// zones of the parts show.
package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/ptrd/ptrd/internal/assemble"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/handover"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/spelling"
	"github.com/ptrd/ptrd/zone/synth"
)

// Options say what to plan.
type Options struct {
	Prefix  netip.Prefix
	Parts   []Part              // nil: the prefix itself, delegated by the zone above
	Servers []config.NameServer // of parts without their own
	Way                         // of parts of a /24 without their own, and of the prefix itself
	// Today returns what a parent zone has now; nil: not known.
	Today func(apex dname.Name) ([]zone.Record, error)
	For   []string // owners of addresses (handover.Owners) whose documents are wanted
	// Generate makes $GENERATE lines of the CNAMEs, which NSD and Knot DNS do not support.
	Generate bool
}

// Plan is both sides of a delegation.
type Plan struct {
	Prefix netip.Prefix `json:"prefix"`
	Parts  []Made       `json:"parts"`
	Files  []File       `json:"files"`
	Notes  []string     `json:"notes,omitempty"`
}

// Made is a part with its zones.
type Made struct {
	Prefix netip.Prefix `json:"prefix"`
	Note   string       `json:"note,omitempty"`
	Parent dname.Name   `json:"parent"` // the zone that delegates it
	Zones  []dname.Name `json:"zones"`

	part   Part
	cuts   []dname.Name  // owners of NS or DNAME in the parent
	lines  []zone.Record // of the parent
	moved  []zone.Record // of the parent today, with their owners there
	ranges []synth.Rule  // of the parent today that have addresses of the part
	zones  []*zone.Zone
	config string // of its zones
}

// Make makes the plan. An error names the argument or the line that it is about.
func Make(ctx context.Context, o Options) (*Plan, error) {
	if fault := spelling.HostBits(o.Prefix); fault != "" {
		return nil, errors.New(fault)
	}
	if o.Prefix.Addr().Is4In6() {
		return nil, fmt.Errorf("prefix %v: IPv4-mapped addresses have no reverse zones; write the IPv4 prefix", o.Prefix)
	}
	p := &Plan{Prefix: o.Prefix}
	if o.Servers == nil && slices.ContainsFunc(o.Parts, func(p Part) bool { return p.Servers == nil }) || o.Parts == nil && o.Servers == nil {
		o.Servers = []config.NameServer{{Name: dname.MustParse("ns1.example.")}, {Name: dname.MustParse("ns2.example.")}}
		p.Notes = append(p.Notes, "ns1.example. and ns2.example. are placeholders; give the name servers by --ns, or with each part")
	}
	parts, err := o.complete()
	if err != nil {
		return nil, err
	}
	parents, err := o.parents(parts)
	if err != nil {
		return nil, err
	}
	for _, parent := range parents {
		if err := parent.build(ctx, &o); err != nil {
			return nil, err
		}
		for _, m := range parent.parts {
			if err := m.build(ctx, parent.today); err != nil {
				return nil, err
			}
			p.Parts = append(p.Parts, *m)
			p.Notes = append(p.Notes, m.notes()...)
		}
		p.Files = append(p.Files, parent.files(&o)...)
	}
	slices.SortStableFunc(p.Parts, func(a, b Made) int { return a.Prefix.Addr().Compare(b.Prefix.Addr()) })
	for i := range p.Parts {
		p.Files = append(p.Files, p.Parts[i].files()...)
	}
	for _, key := range o.For {
		owner, err := handover.OwnerOf(key)
		if err != nil {
			return nil, err
		}
		for i := range p.Parts {
			if err := p.document(&owner, &p.Parts[i]); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

// parent is an item of the configuration that delegates parts. It may be several zones.
type parent struct {
	prefix netip.Prefix
	way    Way
	parts  []*Made
	config string
	today  []zone.Record // of all its zones
}

// parents returns the items that delegate the parts: the prefix itself, if a part lies in one of its
// zones, otherwise the zone above the part.
func (o *Options) parents(parts []Part) (list []*parent, err error) {
	for i := range parts {
		part := &parts[i]
		prefix := o.Prefix
		inside := part.Prefix != o.Prefix && dname.IsClassless(o.Prefix) ||
			slices.ContainsFunc(dname.Split(o.Prefix), func(z netip.Prefix) bool { return z.Bits() < part.Prefix.Bits() })
		if !inside {
			if part.Prefix.Bits() == 0 {
				return nil, fmt.Errorf("%v is a whole tree, which is not delegated to operators; give a longer prefix", part.Prefix)
			}
			prefix = dname.Boundary(netip.PrefixFrom(part.Prefix.Addr(), part.Prefix.Bits()-1))
		}
		at := slices.IndexFunc(list, func(p *parent) bool { return p.prefix == prefix })
		if at < 0 {
			at = len(list)
			list = append(list, &parent{prefix: prefix})
			if dname.IsClassless(prefix) {
				list[at].way.Style = o.Style
			}
		}
		list[at].parts = append(list[at].parts, &Made{Prefix: part.Prefix, Note: part.Note, part: *part})
	}
	return list, nil
}

// build fills in what the parent has of its parts.
func (p *parent) build(ctx context.Context, o *Options) error {
	p.config = p.write()
	cfg, set, err := load(ctx, p.config+"defaults: {nameservers: [ns.invalid]}\n") // its own are not printed
	if err != nil {
		return p.blame(err)
	}
	item := &cfg.Zones[0]
	for _, apex := range item.Apexes {
		if o.Today == nil {
			break
		}
		list, err := o.Today(apex)
		if err != nil {
			return err
		}
		p.today = append(p.today, list...)
	}
	owners := map[string]*Made{} // by the names that lead to a part: those delegated, and those of its servers
	for i := range item.Delegate {
		d := &item.Delegate[i]
		at := slices.IndexFunc(p.parts, func(m *Made) bool { return m.Prefix.Overlaps(d.Prefix) })
		m := p.parts[at]
		m.Parent = item.Apex(d.Name)
		owners[d.Name.Key()] = m
		for _, s := range d.NameServers {
			if owners[s.Name.Key()] == nil {
				owners[s.Name.Key()] = m
			}
		}
		m.cuts = append(m.cuts, d.Name)
	}
	for _, apex := range item.Apexes {
		for r := range set.Get(apex).All() {
			name := r.Owner
			if r.Type == rr.TypeCNAME {
				name = dname.FromWire(r.Data)
			}
			for ; name.Labels() > apex.Labels(); name = name.Parent() {
				if m := owners[name.Key()]; m != nil {
					m.lines = append(m.lines, zone.Record{Owner: r.Owner.Clone(), Type: r.Type, Data: slices.Clone(r.Data)})
					break
				}
			}
		}
	}
	for _, m := range p.parts {
		slices.SortStableFunc(m.lines, func(a, b zone.Record) int {
			return cmp.Or(cmp.Compare(rank(a.Type), rank(b.Type)), compareOwners(a.Owner, b.Owner))
		})
	}
	return nil
}

// rank orders the types of a delegation as an operator writes them.
func rank(t rr.Type) int {
	return slices.Index([]rr.Type{rr.TypeNS, rr.TypeDS, rr.TypeDNAME, rr.TypeA, rr.TypeAAAA, rr.TypeCNAME}, t)
}

// compareOwners orders names by their parents, and octets by their value.
func compareOwners(a, b dname.Name) int {
	m, isOctet := dname.OctetLabel(a.Label())
	n, isToo := dname.OctetLabel(b.Label())
	if isOctet && isToo {
		return cmp.Or(dname.Compare(a.Parent(), b.Parent()), cmp.Compare(m, n))
	}
	return dname.Compare(a, b)
}

// load returns the zones of a configuration, which opens no file.
func load(ctx context.Context, text string) (*config.Config, *zone.Set, error) {
	cfg, err := config.Parse("", []byte(text))
	if err != nil {
		return nil, nil, err
	}
	first := func() time.Time { return time.Unix(1, 0) } // so that the first serial is 1
	made, err := assemble.New(assemble.Options{Now: first}).Assemble(ctx, cfg, zone.NewSet(), assemble.Round{})
	if err != nil {
		return nil, nil, err
	}
	var zones []*zone.Zone
	for _, c := range made.Batch.Changes {
		zones = append(zones, c.Zone)
	}
	for _, f := range made.Findings {
		if f.Severity == finding.Error {
			return nil, nil, config.Errors{f}
		}
	}
	return cfg, zone.NewSet().With(zones, nil), nil
}
