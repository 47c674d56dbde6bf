package daemon

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"math/big"
	"net/netip"
	"net/url"
	"strconv"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/registry"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/synth"
	"github.com/ptrd/ptrd/zone/zonefile"
)

// DumpQuery is what to dump.
type DumpQuery struct {
	What    string       // a zone, address, prefix or name
	IsWhole bool         // all of the one zone that has it
	Made    netip.Prefix // what rules make for its addresses as well; not valid: only the rules
	Limit   int          // of addresses in Made
}

// Args returns the arguments of VerbDump.
func (q *DumpQuery) Args() url.Values {
	args := url.Values{"what": {q.What}, "whole": {strconv.FormatBool(q.IsWhole)}, "limit": {strconv.Itoa(q.Limit)}}
	if q.Made.IsValid() {
		args.Set("made", q.Made.String())
	}
	return args
}

// parseDump reads the arguments of VerbDump.
func parseDump(args url.Values) (q *DumpQuery, err error) {
	q = &DumpQuery{What: args.Get("what"), IsWhole: args.Get("whole") == "true"}
	if s := args.Get("limit"); s != "" {
		if q.Limit, err = strconv.Atoi(s); err != nil {
			return nil, fmt.Errorf("limit %q is not a number", s)
		}
	}
	if s := args.Get("made"); s != "" {
		if q.Made, err = netip.ParsePrefix(s); err != nil {
			return nil, fmt.Errorf("made: %q is not a prefix", s)
		}
	}
	return q, nil
}

// check refuses more addresses than the limit.
func (q *DumpQuery) check() error {
	if !q.Made.IsValid() {
		return nil
	}
	n := new(big.Int).Lsh(big.NewInt(1), uint(q.Made.Addr().BitLen()-q.Made.Bits()))
	if n.Cmp(big.NewInt(int64(q.Limit))) > 0 {
		return fmt.Errorf("%v has %v addresses, and the limit is %d; give a longer prefix, or --limit", q.Made, n, q.Limit)
	}
	return nil
}

// dump writes zones, or the records of some names in them, as they are served.
func (d *Daemon) dump(q *DumpQuery, w io.Writer) error {
	s := d.served()
	if s == nil {
		return errLoading
	}
	return s.Dump(w, q)
}

// origin returns what else is known of where a record comes from that is not static; empty: nothing.
func (s *Served) origin(z *zone.Zone, r *zone.Record) string {
	if s.elasticOf != nil {
		if id := s.elasticOf(r.Owner, r.Type); id != "" {
			return id
		}
	}
	if r.Type != rr.TypePTR || z.Layers().Derived == nil {
		return ""
	}
	for _, o := range s.Derived.Describe(s.Set, z.Apex(), r.Owner) {
		if rr.EqualData(r.Type, o.Name, r.Data) {
			return "from " + o.String()
		}
	}
	return ""
}

// elasticOf returns the Elastic IP address whose reverse name a PTR is; empty: it is no such one.
func (d *Daemon) elasticOf(owner dname.Name, t rr.Type) string {
	if t == rr.TypePTR {
		if id := d.elastic.IDOf(owner); id != "" {
			return "Elastic IP " + id
		}
	}
	return ""
}

// NoDataError is that a zone has no data. If it was to be built from its sources, there are errors in them.
type NoDataError struct {
	Apex   dname.Name
	Errors []finding.Finding
}

func (e *NoDataError) Error() string {
	if len(e.Errors) > 0 {
		return fmt.Sprintf("zone %v has errors; `ptrd check` shows all of them", e.Apex)
	}
	return fmt.Sprintf("zone %v has no data until its sources are fixed; `ptrd status` shows what is wrong", e.Apex)
}

// Dump writes the records of zones or parts of them, zone by zone in canonical order, as lines of a
// master file. In a zone with layers, a comment after each record names its layer; what a rule makes is
// in a comment after it. It is an error if there are none.
func (s *Served) Dump(w io.Writer, q *DumpQuery) error {
	if err := q.check(); err != nil {
		return err
	}
	set, find := s.Set, s.Zones.Select
	if q.IsWhole {
		find = s.Zones.Whole
	}
	parts, err := find(set, q.What, s.isKnown)
	if err != nil {
		return err
	}
	for _, part := range parts {
		switch z := set.Get(part.Apex); {
		case z == nil:
			return fmt.Errorf("zone %v is not served here; `ptrd status` lists those that are", part.Apex)
		case !z.IsAvailable():
			return &NoDataError{part.Apex, s.Errors}
		}
	}
	d := dumper{Served: s, out: bufio.NewWriterSize(w, 64<<10)}
	for _, part := range parts {
		if err := d.part(q, part); err != nil {
			return err
		}
	}
	switch first := parts[0]; {
	case !d.isEmpty():
		return d.out.Flush()
	case set.Get(first.Apex).HasRules() && first.Prefix.IsValid():
		return fmt.Errorf("zone %v has no records there but those that rules make, which --made %v writes out", first.Apex, first.Prefix)
	default:
		return fmt.Errorf("zone %v has no records there; `ptrd explain` shows what is answered", first.Apex)
	}
}

// dumper writes records as lines of a master file.
type dumper struct {
	*Served
	out  *bufio.Writer
	line []byte // the last one
}

func (d *dumper) isEmpty() bool { return d.line == nil }

// part writes the records of a zone or a part of it, and what rules make there.
func (d *dumper) part(q *DumpQuery, part registry.Part) error {
	z := d.Set.Get(part.Apex)
	for r := range z.All() {
		if part.About != nil && !part.About(r.Owner) {
			continue
		}
		layer, made, more := layerOf(z, &r), "", ""
		if r.Type == synth.Type {
			made = synth.Describe(r.Data, part.Apex.IsForward())
		}
		if layer != fromSources {
			more = d.origin(z, &r)
		}
		if err := d.write(r, layer, made, more); err != nil {
			return err
		}
	}
	for name := range q.made(z, part, d.Zones) {
		r, data, isHidden := z.MadeAt(name)
		rule, err := synth.ParseRule(data)
		if err != nil || isHidden {
			continue
		}
		if err := d.write(r, fmt.Sprintf("made by the rule for %v", rule.Prefix)); err != nil {
			return err
		}
	}
	return nil
}

// write writes a record, with those comments that are not empty.
func (d *dumper) write(r zone.Record, comments ...string) error {
	d.line = zonefile.AppendRecord(d.line[:0], r)
	separator := " ; "
	for _, c := range comments {
		if c != "" {
			d.line = append(append(d.line, separator...), c...)
			separator = ", "
		}
	}
	_, err := d.out.Write(append(d.line, '\n'))
	return err
}

// The comments about static data, and those of updates and ranges.
const (
	fromSources = "from the sources"
	byUpdate    = "by update"
	byRange     = "by the rule of a range"
)

// layerOf returns the layer that a record comes from; empty: the zone has one only.
func layerOf(z *zone.Zone, r *zone.Record) string {
	l := z.Layers()
	if l.Static == nil {
		return ""
	}
	isAbove, isDerived := commit.Above(z, r.Owner, r.Type)
	switch {
	case isDerived:
		return "derived"
	case isAbove || r.Type == rr.TypeRRSIG:
		return fromSources
	case commit.IsMade(z, r.Owner, r.Type):
		return byRange
	}
	return byUpdate
}

// made yields the names of a zone that rules may make: that which is asked for, or those of the addresses
// asked for.
func (q *DumpQuery) made(z *zone.Zone, part registry.Part, zones *registry.Zones) iter.Seq[dname.Name] {
	return func(yield func(dname.Name) bool) {
		if part.Name != nil && !yield(part.Name) || !q.Made.IsValid() {
			return
		}
		if !z.Apex().IsForward() {
			for a := q.Made.Addr(); q.Made.Contains(a); a = a.Next() {
				if owner := zones.Owner(a); owner.IsAtOrBelow(z.Apex()) && !owner.Equal(part.Name) && !yield(owner) {
					return
				}
			}
			return
		}
		for _, t := range z.Templates() {
			p := t.Prefix()
			if !p.Overlaps(q.Made) {
				continue
			}
			if p.Bits() < q.Made.Bits() {
				p = q.Made
			}
			for a := p.Addr(); p.Contains(a); a = a.Next() {
				if name := dname.Name(t.Append(nil, a)); name.IsAtOrBelow(z.Apex()) && !yield(name) {
					return
				}
			}
		}
	}
}
