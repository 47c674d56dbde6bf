package config

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"gopkg.in/yaml.v3"
)

// Derive gives addresses of a zone the names that forward data have for them.
type Derive struct {
	From   []DeriveSource // at least one; the first has precedence
	All    bool           // an address has all its names, and not one
	Prefer []dname.Name   // these names, or those below a wildcard, before others
	TTL    time.Duration  // negative: that of the address records
	Pos    finding.Position
}

// DeriveSource is where names of addresses come from: one of its fields.
type DeriveSource struct {
	Zone   dname.Name   // a forward zone
	Prefix netip.Prefix // all forward zones, as far as their addresses are in it
	File   *Neighbour
	Pos    finding.Position
}

// Key returns a text that is equal for equal settings, wherever they are written; empty for nil.
func (d *Derive) Key() string {
	if d == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintln(&b, d.All, d.TTL, d.Prefer)
	for i := range d.From {
		s := &d.From[i]
		fmt.Fprintln(&b, s.Zone, s.Prefix)
		if n := s.File; n != nil {
			fmt.Fprintf(&b, "%q %q %v %q\n", n.Format, n.File.Path, n.Domain, n.Columns)
		}
	}
	return b.String()
}

// maxPrefer bounds the names of `prefer`: each is compared with each name of an address.
const maxPrefer = 250

// derive reads where names of addresses come from; nil: there are none, whatever `defaults` has.
func (v value) derive() *Derive {
	if v.node.Kind == yaml.SequenceNode && len(v.node.Content) == 0 {
		return nil
	}
	d := &Derive{TTL: zoneTTL, Pos: v.pos()}
	if !v.isMapping() {
		d.From = v.deriveSources()
		return d
	}
	v.mapping(
		field{"from", func(v value) { d.From = v.deriveSources() }},
		field{"names", func(v value) { d.All = v.oneOf("canonical", "all") == "all" }},
		field{"prefer", func(v value) {
			d.Prefer = distinct(v.oneOrMore, func(v value) (n dname.Name, key nameKey, ok bool) {
				n = v.hostName()
				host := n
				if n != nil && n.IsWildcard() {
					host = n.Parent()
				}
				v.checkedHost("the name", host)
				return n, nameKey(n.Key()), n != nil
			})
			if len(d.Prefer) > maxPrefer {
				v.fail("%d names, must be at most %d; use wildcards", len(d.Prefer), maxPrefer)
			}
		}},
		field{"ttl", func(v value) { d.TTL = v.seconds(0) }},
	)
	if !v.hasKey("from") {
		v.fail("there is no source; name zones or files in `from`, such as `from: [example.net]`")
	}
	return d
}

func (v value) deriveSources() []DeriveSource {
	return distinct(v.oneOrMore, func(v value) (s DeriveSource, key string, ok bool) {
		s, ok = v.deriveSource()
		switch {
		case !ok:
			return s, "", false
		case s.File != nil:
			return s, s.File.File.Path, true
		case s.Zone != nil:
			return s, nameKey(s.Zone.Key()).String(), true
		}
		return s, s.Prefix.String(), true
	})
}

// deriveSource reads the name of a zone, a prefix, or a file.
func (v value) deriveSource() (s DeriveSource, ok bool) {
	s.Pos = v.pos()
	if v.isMapping() {
		s.File = v.neighbour()
		return s, s.File != nil
	}
	text, ok := v.scalar()
	if !ok {
		return s, false
	}
	if _, isPrefix := parsePrefix(text); isPrefix {
		s.Prefix = v.prefix(false)
		return s, s.Prefix.IsValid()
	}
	if strings.ContainsRune(text, '/') || slices.Contains([]string{".leases", ".csv"}, path.Ext(text)) { // no top-level domains
		v.fail("%q is a path, must be the name of a forward zone or a prefix; write the program that makes the file before it, such as {%s: %s}", text, formatOf(text), text)
		return s, false
	}
	if s.Zone = v.name(); s.Zone == nil {
		return s, false
	}
	if !s.Zone.IsForward() {
		v.fail("%v is a reverse zone, must be a forward zone, which has A and AAAA records", s.Zone)
		return s, false
	}
	return s, true
}

// derived reports `derive` in a zone that cannot have it. That of `defaults` does not apply there.
func (v value) derived(z *item) {
	if z.Derive == nil {
		return
	}
	hasOwn := z.Explicit.Derive
	if hasOwn && !z.Prefix.IsValid() {
		v.fail("zone %s has no prefix, and `derive` gives addresses their names; %s", z.title(), z.prefixRemedy())
	}
	if z.Dynamic || !z.Prefix.IsValid() {
		z.Derive = nil
		return
	}
	for i := range z.Derive.From {
		if s := &z.Derive.From[i]; hasOwn && s.Prefix.IsValid() && !s.Prefix.Overlaps(z.Prefix) {
			v.doc.report(s.Pos, v.path+".derive", "%v has no address of %v; name a prefix within it, or a forward zone", s.Prefix, z.Prefix)
		}
	}
}
