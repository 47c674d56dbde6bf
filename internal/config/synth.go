package config

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/synth"
)

// Synth gives every address of a range a name that is made when asked for, and every such
// name its address.
type Synth struct {
	Range    netip.Prefix // within the prefix of the zone
	Template *synth.Template
	TTL      time.Duration // negative: that of the zone
	Key      string        // the name of the key of {permuted}, which is in Keys; empty: none
	Pos      finding.Position
}

// SynthTransfer says what secondaries of a zone receive for the names of ranges in it.
type SynthTransfer string

const (
	TransferRule        SynthTransfer = "rule"        // rules, which only ptrd understands
	TransferMaterialize SynthTransfer = "materialize" // a record for each name
	TransferOmit        SynthTransfer = "omit"        // nothing
)

func (v value) synthTransfer() SynthTransfer {
	return SynthTransfer(v.oneOf(string(TransferRule), string(TransferMaterialize), string(TransferOmit)))
}

// synths reads the ranges of a zone.
func (v value) synths(z *item) {
	if !z.Prefix.IsValid() {
		v.fail("zone %s has no prefix, and `synth` has ranges of addresses; %s", z.title(), z.prefixRemedy())
		return
	}
	first := map[netip.Prefix]Synth{}
	v.list(func(v value) {
		s, ok := v.synth(z)
		if !ok {
			return
		}
		if was, twice := first[s.Range]; twice {
			v.fail("the range %v has names already (%v); remove one of the two", s.Range, was.Pos)
			return
		}
		first[s.Range] = s
		z.Synth = append(z.Synth, s)
	})
}

func (v value) synth(z *item) (s Synth, ok bool) {
	s = Synth{TTL: zoneTTL, Pos: v.pos()}
	if !v.isMapping() {
		v.fail("%s, must be a mapping with `range` and `name`, such as `{range: %v, name: \"{dashed}.pool.example.net\"}`", v.describe(), z.Prefix)
		return s, false
	}
	var given, name, key *value
	v.mapping(
		field{"range", func(v value) { given = &v; s.Range = v.prefix(true) }},
		field{"name", func(v value) { name = &v }},
		field{"ttl", func(v value) { s.TTL = v.seconds(0) }},
		field{"key", func(v value) {
			key = &v
			if n := v.keyName(); n != nil {
				if !v.doc.keys[n.Key()] {
					v.fail("there is no key %v; add it under `keys`, with a secret by `ptrd key generate %v`", n, n)
				}
				s.Key = n.String()
			}
		}},
	)
	switch {
	case given == nil:
		v.fail("the range is missing; write `range: %v` for all addresses of the zone", z.Prefix)
		return s, false
	case !s.Range.IsValid():
		return s, false
	case !contains(z.Prefix, s.Range):
		given.fail("%v is not a part of %v; move it to the zone that contains it, or correct the range", s.Range, z.Prefix)
		return s, false
	case name == nil:
		v.fail("the names are missing; write for example `name: \"{dashed}.pool.example.net\"`")
		return s, false
	}
	text, ok := name.text()
	if !ok {
		return s, false
	}
	// The secret is read later and does not matter here.
	t, err := synth.New(text, s.Range, make([]byte, synth.KeySize))
	if err != nil {
		name.fail("%v", err)
		return s, false
	}
	s.Template = t
	name.checkedHost("a name by the template", t.Append(nil, s.Range.Addr()))
	switch {
	case !t.Base().IsForward():
		name.fail("the names would be in %v, a reverse zone: names have no addresses there, so that they would not lead back; give another domain", t.Base())
		return s, false
	case t.Labels() == 1:
		name.fail("the template %q has no domain; write for example %s.pool.example.net", text, strings.TrimSuffix(text, "."))
		return s, false
	case t.NeedsKey() && key == nil:
		v.fail("the field {permuted} needs a `key`, one of `keys`; make one with `ptrd key generate NAME`")
		return s, false
	case !t.NeedsKey() && key != nil:
		key.fail("only the field {permuted} needs a key; remove it")
		return s, false
	}
	return s, true
}

// checkSynth reports what is wrong with ranges taken together.
func (d *document) checkSynth(zones []Zone) {
	var all []*Synth
	var templates []*synth.Template
	var paths []string
	for i := range zones {
		for j := range zones[i].Synth {
			s := &zones[i].Synth[j]
			all, templates, paths = append(all, s), append(templates, s.Template), append(paths, zones[i].Path+".synth")
		}
	}
	if len(all) == 0 {
		return
	}
	apexes := map[string]bool{}
	for i := range zones {
		for _, apex := range zones[i].Apexes {
			apexes[apex.Key()] = true
		}
	}
	d.checkForms(apexes, all, paths)
	d.checkBases(apexes, zones)
	if c := synth.FindConflict(templates); c != nil {
		a, b := all[c.A], all[c.B]
		d.report(b.Pos, paths[c.B], "the names of %v and of %v (%v) can be the same, for example %s; give one of them other names", b.Range, a.Range, a.Pos, c.Name)
	}
}

// checkForms reports ranges whose names are not found because those of their zone have too many forms. Where
// no zone here has the names, only those in the same domain are counted: if there is a hosted zone, its status
// shows more.
func (d *document) checkForms(apexes map[string]bool, all []*Synth, paths []string) {
	members := map[string][]int{}
	for i, s := range all {
		home := s.Template.Base()
		for !home.IsRoot() && !apexes[home.Key()] {
			home = home.Parent()
		}
		if !apexes[home.Key()] {
			home = s.Template.Base()
		}
		members[home.Key()] = append(members[home.Key()], i)
	}
	isReported := map[string]bool{} // by base: one range of each is enough
	for _, list := range members {
		var templates []*synth.Template
		for _, i := range list {
			templates = append(templates, all[i].Template)
		}
		_, left := synth.FindNames(templates)
		for _, k := range left {
			s := all[list[k]]
			if base := s.Template.Base(); !isReported[base.Key()] {
				isReported[base.Key()] = true
				d.report(s.Pos, paths[list[k]], "there are more than %d forms of names below %v and the domains above it in its zone, templates that differ in the prefix only counted as one; use the same template for several ranges", synth.MaxForms, base)
			}
		}
	}
}

// maxSuggestions bounds the comparisons of names for suggestions: zones, and domains of ranges.
const maxSuggestions = 1000

// checkBases warns about names of ranges in a domain that no zone here has, if a zone has almost that
// name. It is no fault that other servers have the names.
func (d *document) checkBases(apexes map[string]bool, zones []Zone) {
	if len(apexes) > maxSuggestions {
		return
	}
	var list []string
	for key := range apexes {
		if n := dname.FromWire([]byte(key)); n.IsForward() && n.Labels() > 1 {
			list = append(list, n.String())
		}
	}
	slices.Sort(list)
	seen := map[string]bool{}
	for i := range zones {
		for _, s := range zones[i].Synth {
			best := ""
			for n := s.Template.Base(); n.Labels() > 1; n = n.Parent() {
				if apexes[n.Key()] {
					best = ""
					break
				}
				if best == "" && !seen[n.Key()] && len(seen) < maxSuggestions {
					seen[n.Key()], best = true, nearest(n.String(), list)
				}
			}
			f := errorAt(s.Pos, zones[i].Path+".synth", "no zone here has the names below %v; did you mean %s?", s.Template.Base(), best)
			if f.Severity, f.Rule = finding.Warning, "range-forward"; best != "" && f.Apply(&zones[i].Checks) {
				d.findings.Add(f)
			}
		}
	}
}

// SynthKeys returns the keys of permutations.
func (c *Config) SynthKeys() synth.Keys {
	keys := synth.Keys{}
	for _, k := range c.Keys {
		keys[k.Name.String()] = k.TSIG.Derive("permutation of addresses")[:synth.KeySize]
	}
	return keys
}
