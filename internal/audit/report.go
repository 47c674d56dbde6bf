package audit

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/ptrd/ptrd/internal/lookup"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// maxFindings bounds the findings of a Report; the others are counted.
const maxFindings = 10_000

// maxSeen bounds the addresses without a name that are remembered, in about 50 MB, to count each
// once. Of more, one that several names have may be counted for each of them.
const maxSeen = 1 << 20

// Report is the result of one pass.
type Report struct {
	Addresses int           `json:"addresses"` // that were examined
	States    map[State]int `json:"states"`
	Findings  []Finding     `json:"findings"`          // addresses that are not ok, by zone and address
	Omitted   int           `json:"omitted,omitempty"` // findings beyond the limit
	Ranges    []Range       `json:"ranges,omitempty"`  // whose names rules make
}

// Finding is an address whose reverse name is not ok.
type Finding struct {
	Address netip.Addr `json:"address"`
	Zone    string     `json:"zone"`
	State   State      `json:"state"`
	Names   []string   `json:"names"` // targets of its PTR; of no_name, names that have the address
	Reason  string     `json:"reason,omitempty"`
	Missing *Missing   `json:"missing,omitempty"` // the record that would make it ok; nil: it is in no zone served here
}

// Missing is a record that a zone served here could have.
type Missing struct {
	Zone   string   `json:"zone"`
	Owner  string   `json:"owner"`
	Type   rr.Type  `json:"type"`
	Data   string   `json:"data"`
	Others []string `json:"others,omitempty"` // data of the RRset as it is
	TTL    uint32   `json:"ttl"`              // of that RRset, or of the SOA
	Source Source   `json:"source"`
}

// Source is who or what can add a record to a zone.
type Source struct {
	Kind      Kind     `json:"kind"`
	ID        string   `json:"id,omitempty"`        // of a hosted zone
	Primaries []string `json:"primaries,omitempty"` // of a secondary zone
}

// Kind is what a zone comes from.
type Kind string

// The kinds.
const (
	Files     Kind = "files"     // the configuration and what it names
	Dynamic   Kind = "dynamic"   // updates alone
	Hosted    Kind = "hosted"    // the Route 53 API
	Secondary Kind = "secondary" // a primary
	Signed    Kind = "signed"    // a file with signatures
)

// Scope is what to examine.
type Scope struct {
	Apex  dname.Name            // nil: all zones
	About func(dname.Name) bool // owner names of PTRs; nil: all in the zone

	Name   dname.Name   // the only name, if it is one
	Prefix netip.Prefix // not valid: all addresses
}

// Examine examines the addresses of a scope once.
func Examine(ctx context.Context, set *zone.Set, s *Settings, scope Scope, source func(apex dname.Name) Source, ask lookup.Resolver) (*Report, error) {
	if ask == nil {
		ask = lookup.Ask
	}
	var p pacer
	p.set(s.Rate)
	e := newExaminer(func() *zone.Set { return set }, s, ask, p.wait)
	r := &Report{States: map[State]int{}, Findings: []Finding{}}
	var mu sync.Mutex
	c := crew{room: make(chan struct{}, parallel)}
	var zones []dname.Name
	if zones = []dname.Name{scope.Apex}; scope.Apex == nil {
		zones = zones[:0]
		for z := range set.All() {
			zones = append(zones, z.Apex())
		}
	}
	seen := map[netip.Addr]bool{} // without a name
	of := map[netip.Addr]int{}    // the range, of some that are examined in its place
	for _, apex := range zones {
		w := e.walk(apex)
		w.named, w.ranges.alone = w.forward && scope.Apex != nil, scope.Apex != nil
		w.ranges.isWanted = func(p netip.Prefix) bool {
			return scope.Name == nil && (!scope.Prefix.IsValid() || scope.Prefix.Overlaps(p))
		}
		w.ranges.onRange = func(one *Range, examined []netip.Addr) {
			mu.Lock()
			defer mu.Unlock()
			r.Ranges = append(r.Ranges, *one)
			for _, a := range examined {
				of[a] = len(r.Ranges) - 1
			}
		}
		for done := false; !done && ctx.Err() == nil; {
			var list []subject
			list, done = w.next()
			for i := range list {
				q := &list[i]
				if scope.About != nil && !scope.About(q.owner) || q.unnamed && seen[q.address] {
					continue
				}
				if q.unnamed && len(seen) < maxSeen {
					seen[q.address] = true
				}
				c.do(func() {
					state, why := e.examine(ctx, q)
					mu.Lock()
					defer mu.Unlock()
					r.add(e, q, state, why, source)
					if i, ok := of[q.address]; ok && state != OK {
						r.Ranges[i].State = state
					}
				})
			}
		}
	}
	c.workers.Wait()
	if scope.Name != nil {
		e.madeAt(scope.Name, func(q *subject) {
			state, why := e.examine(ctx, q)
			r.add(e, q, state, why, source)
		})
	}
	slices.SortFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Zone, b.Zone), a.Address.Compare(b.Address))
	})
	return r, ctx.Err()
}

// add adds the state of an address.
func (r *Report) add(e *examiner, q *subject, state State, why error, source func(apex dname.Name) Source) {
	r.Addresses++
	r.States[state]++
	if state == OK {
		return
	}
	if len(r.Findings) == maxFindings {
		r.Omitted++
		return
	}
	f := Finding{Address: q.address, Zone: q.apex.String(), State: state, Names: texts(q.names)}
	if why != nil {
		f.Reason = why.Error()
	}
	if f.Missing = e.missing(q, state); f.Missing != nil {
		apex := dname.MustParse(f.Missing.Zone)
		f.Missing.Source = source(apex)
		if f.Missing.Source.Kind == Files && e.set().Get(apex).IsPreSigned() {
			f.Missing.Source.Kind = Signed
		}
	}
	r.Findings = append(r.Findings, f)
}

// missing returns the record whose addition makes an address ok; nil: it is not known, or in a zone
// that is not served here.
func (e *examiner) missing(q *subject, state State) *Missing {
	if state == NoName {
		if !q.unnamed {
			return nil
		}
		name := slices.MinFunc(q.names, func(a, b dname.Name) int { return cmp.Or(a.Labels()-b.Labels(), dname.Compare(a, b)) })
		z := e.set().Get(q.apex)
		return &Missing{Zone: q.apex.String(), Owner: q.owner.String(), Type: rr.TypePTR, Data: name.String(), TTL: z.SOA().TTL}
	}
	if state != Mismatch && state != NoAddress {
		return nil
	}
	x := lookup.NewFinder(e.set())
	t := rr.AddressType(q.address)
	for _, name := range q.names {
		f := x.Find(name, t)
		if f.Rest != nil {
			continue
		}
		m := &Missing{Zone: f.Zone.Apex().String(), Owner: f.Name.String(), Type: t, Data: q.address.String(), TTL: f.Zone.SOA().TTL}
		if set, ok := f.Zone.Get(f.Name, t); ok {
			m.TTL = set.TTL
			for data := range set.Values() {
				m.Others = append(m.Others, rr.Text(t, data))
			}
		}
		return m
	}
	return nil
}

// line returns the record as a line of a master file.
func (m *Missing) line() string { return fmt.Sprintf("%s %v %s", m.Owner, m.Type, m.Data) }

// IsWrong reports whether an address is neither ok nor not known.
func (r *Report) IsWrong() bool {
	return r.States[Mismatch]+r.States[NoAddress]+r.States[NoName] > 0
}

// IsNotKnown reports whether the state of an address is not known.
func (r *Report) IsNotKnown() bool { return r.States[NotKnown] > 0 }

// remedy returns what to do about a finding.
func (f *Finding) remedy() string {
	switch m := f.Missing; {
	case m != nil && f.State == Mismatch:
		return fmt.Sprintf("correct the PTR, or add `%s` to zone %s", m.line(), m.Zone)
	case m != nil:
		return fmt.Sprintf("add `%s` to zone %s", m.line(), m.Zone)
	case f.State == NotKnown:
		return f.Reason
	case len(f.Names) > 0:
		return fmt.Sprintf("correct the PTR, or ask the operator of the zone of %s for the record `%s %v %v`", f.Names[0], f.Names[0], rr.AddressType(f.Address), f.Address)
	}
	return ""
}

// Print writes the report for a person.
func (r *Report) Print(out io.Writer) error {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, f := range r.Findings {
		fmt.Fprintf(w, "%v\t%s\t%s\t%s\n", f.Address, f.State, strings.Join(f.Names, " "), strings.ReplaceAll(f.remedy(), "\n", "; "))
	}
	w.Flush() // to a strings.Builder, which takes everything
	if r.Omitted > 0 {
		fmt.Fprintf(&b, "%d more are not listed\n", r.Omitted)
	}
	r.printRanges(&b)
	fmt.Fprintln(&b, summary(r.States))
	_, err := io.WriteString(out, b.String())
	return err
}
