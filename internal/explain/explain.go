// Package explain returns the answer of a server with a given view to a question and the
// steps that lead to it: zone by zone, cut by cut, alias by alias. The answer is that of
// answer.Respond; the steps are derived from the same zones.
package explain

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/derive"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/synth"
)

// Question is a query and its client.
type Question struct {
	Name   dname.Name
	Type   rr.Type
	Client netip.Addr // invalid: a client that every access list allows
	At     time.Time  // zero: now

	// What the view does not have; nil: not known.
	Derived *derive.Rules // by which its PTRs are derived
	Dynamic HiddenFunc    // what updates put into its zones that other layers hide
}

// HiddenFunc calls add with the records that a layer has at a name and that are not served, and their source.
type HiddenFunc func(z *zone.Zone, owner dname.Name, add func(r *zone.Record, sources ...string)) error

// Explanation is the answer and the steps that lead to it.
type Explanation struct {
	Name          string   `json:"name"`
	Type          string   `json:"type"`
	Client        string   `json:"client,omitempty"`
	At            string   `json:"at,omitempty"` // RFC 3339; empty: now
	Steps         []Step   `json:"steps"`
	RCode         string   `json:"rcode"`
	Authoritative bool     `json:"authoritative"`
	Answer        []Record `json:"answer"`
	Authority     []Record `json:"authority"`
	Additional    []Record `json:"additional"`
	Hidden        []Record `json:"hidden,omitempty"` // of lower layers, at the names of the steps
}

// Step is one zone's part in the answer.
type Step struct {
	Name   string       `json:"name"`           // looked up
	Zone   string       `json:"zone,omitempty"` // the zone that it is in; empty: none here
	Serial *zone.Serial `json:"serial,omitempty"`
	What   string       `json:"what"`            // in a sentence
	Owner  string       `json:"owner,omitempty"` // where the data are stored, if not at the name: cut, wildcard, DNAME
	Rule   *Rule        `json:"rule,omitempty"`  // that makes a record at the name, which others may hide
}

// sections returns the three parts of the response.
func (e *Explanation) sections() [3][]Record {
	return [...][]Record{e.Answer, e.Authority, e.Additional}
}

// Rule is one that gives the addresses of a range names, see [synth.Rule].
type Rule struct {
	Range netip.Prefix `json:"range"`
	Name  string       `json:"name"`
	TTL   uint32       `json:"ttl"`  // seconds
	Type  string       `json:"type"` // of the records that it makes there
}

// Record is one record of the answer in presentation format.
type Record struct {
	Owner   string   `json:"owner"`
	TTL     uint32   `json:"ttl"`
	Type    string   `json:"type"`
	Data    string   `json:"data"`
	Sources []Source `json:"sources,omitempty"` // those that the server knows; Trace adds the others
}

// Source is where a record comes from.
type Source struct {
	finding.Position
	What string `json:"what"` // the kind of source, or the rule that makes the record
}

// maxSteps bounds the aliases that are followed, as for answers.
const maxSteps = 16

// Explain answers q from v.
func Explain(v *answer.View, q Question) (*Explanation, error) {
	e := &Explanation{Name: q.Name.String(), Type: q.Type.String(), Answer: []Record{}, Authority: []Record{}, Additional: []Record{}}
	if q.Client.IsValid() {
		e.Client = q.Client.String()
	} else {
		open := *v.Policy
		open.Access, open.HasZoneAccess = answer.ACL{}, false
		v = &answer.View{Zones: v.Zones, Policy: &open}
	}
	if !q.At.IsZero() {
		e.At = q.At.UTC().Format(time.RFC3339)
	}
	quiet := *v.Policy
	quiet.CountsZones = false // so that the query is not counted
	v = &answer.View{Zones: v.Zones, Policy: &quiet}
	if err := e.ask(v, q); err != nil {
		return nil, err
	}
	if err := e.walk(v, q); err != nil {
		return nil, err
	}
	if q.At.IsZero() {
		e.AddSources(v.Zones, func(z *zone.Zone, records []zone.Record) (out []string) {
			for i := range records {
				if _, isDerived := commit.Above(z, records[i].Owner, records[i].Type); isDerived {
					out = append(out, derivedFrom(q.Derived, v.Zones, z, &records[i]))
				}
			}
			return out
		})
	}
	return e, nil
}

// ask calls Respond with the question, as if it came over TCP.
func (e *Explanation) ask(v *answer.View, q Question) error {
	buf := make([]byte, wire.MaxMessage)
	wire.Header{Questions: 1}.Put(buf)
	n := wire.HeaderLen + copy(buf[wire.HeaderLen:], q.Name)
	n += copy(buf[n:], []byte{byte(q.Type >> 8), byte(q.Type), 0, byte(rr.ClassIN)})
	client := q.Client
	if !client.IsValid() {
		client = netip.IPv6Loopback()
	}
	req := &answer.Request{Client: netip.AddrPortFrom(client, 53), Local: netip.AddrPortFrom(client, 53), Transport: answer.TCP, Now: time.Now().Unix()}
	n, verdict := answer.NewResponder(answer.ResponderOptions{}).Respond(v, req, buf, n)
	if verdict != answer.Answered {
		return errors.New("such a question gets no ordinary answer: it is dropped, or starts a transfer")
	}
	return e.read(buf[:n])
}

// read reads the response.
func (e *Explanation) read(msg []byte) error {
	h, _ := wire.ReadHeader(msg)
	e.RCode = h.Flags.RCode().String()
	e.Authoritative = h.Flags&wire.AA != 0
	off := wire.HeaderLen
	if h.Questions > 0 {
		_, off = wire.ReadQuestion(msg, off)
	}
	for i, to := range []*[]Record{&e.Answer, &e.Authority, &e.Additional} {
		for range [...]uint16{h.Answers, h.Authorities, h.Additionals}[i] {
			r, next := wire.ReadRecord(msg, off)
			if next < 0 {
				return errors.New("the answer cannot be read")
			}
			off = next
			if r.Type == rr.TypeOPT {
				continue
			}
			data, ok := wire.AppendRData(nil, msg, r, next)
			if !ok {
				data = r.Data
			}
			*to = append(*to, Record{Owner: wire.AppendName(nil, msg, r.Owner).String(), TTL: r.TTL, Type: r.Type.String(), Data: rr.Text(r.Type, data)})
		}
	}
	return nil
}

// walk follows RFC 1034 §4.3.2 and records each step.
func (e *Explanation) walk(v *answer.View, q Question) error {
	client := q.Client
	if q.Client.IsValid() && !v.Policy.Access.Allows(client) {
		e.Steps = append(e.Steps, Step{Name: e.Name, What: fmt.Sprintf("the access list does not allow %v: REFUSED", client)})
		return nil
	}
	name := q.Name
	var a zone.Answer
	for n := 0; name != nil && n <= maxSteps; n++ {
		s := Step{Name: name.String()}
		z := find(v.Zones, name, q.Type)
		if z == nil {
			s.What = "no zone here is at or above it: REFUSED"
			if n > 0 {
				s.What = "no zone here is at or above it, so the client must ask elsewhere"
			}
			e.Steps = append(e.Steps, s)
			return nil
		}
		s.Zone = z.Apex().String()
		if own := v.Policy.Zones.Of(z); own != nil && own.Access != nil && q.Client.IsValid() && !own.Access.Allows(client) {
			s.What = fmt.Sprintf("the zone's access list does not allow %v", client)
			if n == 0 {
				s.What += ": REFUSED"
			}
			e.Steps = append(e.Steps, s)
			return nil
		}
		if !z.IsAvailable() {
			s.What = "the zone has no data until its sources are fixed"
			if n == 0 {
				s.What += ": SERVFAIL"
			}
			e.Steps = append(e.Steps, s)
			return nil
		}
		serial := z.Serial()
		s.Serial = &serial
		a.Reset()
		z.Lookup(name, q.Type, false, &a)
		var next dname.Name
		if a.Next != nil {
			next = a.Next.Clone()
		}
		if err := e.addLayers(v.Zones, z, name, &q, &s); err != nil {
			return err
		}
		s.What, s.Owner = describe(z, name, q.Type, &a)
		e.Steps = append(e.Steps, s)
		for _, before := range e.Steps {
			if next != nil && strings.EqualFold(before.Name, next.String()) {
				e.Steps = append(e.Steps, Step{Name: next.String(), What: "the chain of aliases is a loop and ends here"})
				return nil
			}
		}
		name = next
	}
	return nil
}

// find returns the zone that answers: DS at an apex belongs to the zone above
// (RFC 4035 §3.1.4.1).
func find(s *zone.Set, name dname.Name, t rr.Type) *zone.Zone {
	z := s.Find(name)
	if t == rr.TypeDS && z != nil && z.Apex().Equal(name) {
		if above := s.FindAbove(name); above != nil && above.IsAvailable() {
			return above
		}
	}
	return z
}

// addLayers adds the rule that makes a record at a name, and what layers have there that higher ones hide, the
// highest first.
func (e *Explanation) addLayers(set *zone.Set, z *zone.Zone, name dname.Name, q *Question, s *Step) error {
	l := z.Layers()
	if _, isDerived := commit.Above(z, name, rr.TypePTR); !isDerived {
		derived := commit.ReadRRset(l.Derived, name, rr.TypePTR)
		for _, r := range notServed(z, &derived) {
			e.addHidden(&r, derivedFrom(q.Derived, set, z, &r))
		}
	}
	if q.Dynamic != nil && l.Static != nil {
		if err := q.Dynamic(z, name, e.addHidden); err != nil {
			return err
		}
	}
	made, data, isHidden := z.MadeAt(name)
	if rule, err := synth.ParseRule(data); err == nil {
		s.Rule = &Rule{rule.Prefix, rule.Template, rule.TTL, made.Type.String()}
		if isHidden {
			e.addHidden(&made)
		}
	}
	for _, t := range [...]rr.Type{rr.TypePTR, rr.TypeA, rr.TypeAAAA} {
		made := commit.ReadRRset(l.Made, name, t)
		for _, r := range notServed(z, &made) {
			e.addHidden(&r)
		}
	}
	return nil
}

// notServed returns those records of a layer that a zone does not have.
func notServed(z *zone.Zone, layer *commit.RRset) []zone.Record {
	served := commit.ReadRRset(z, layer.Owner, layer.Type)
	return slices.DeleteFunc(layer.Records(), func(r zone.Record) bool {
		return slices.ContainsFunc(served.Data, func(d []byte) bool { return rr.EqualData(r.Type, d, r.Data) })
	})
}

// addHidden adds a record of a layer that a higher one hides, with what its sources are.
func (e *Explanation) addHidden(r *zone.Record, sources ...string) {
	out := Record{Owner: r.Owner.String(), TTL: r.TTL, Type: r.Type.String(), Data: rr.Text(r.Type, r.Data)}
	for _, s := range sources {
		out.Sources = append(out.Sources, Source{What: s})
	}
	e.Hidden = append(e.Hidden, out)
}

// describe returns what a lookup found, and the owner of the data if it is not the name.
func describe(z *zone.Zone, name dname.Name, t rr.Type, a *zone.Answer) (what, owner string) {
	synthesized := ""
	if w := synthesisSource(z, name, a); w != nil {
		owner = w.String()
		synthesized = fmt.Sprintf("the name does not exist, and the wildcard %v applies (RFC 4592): ", w)
	} else if _, data, isHidden := z.MadeAt(name); data != nil && !isHidden {
		rule, _ := synth.ParseRule(data)
		synthesized = fmt.Sprintf("made by the rule for %v, %s: ", rule.Prefix, rule.Template)
	}
	switch a.Kind {
	case zone.NXDomain:
		return "the name does not exist: NXDOMAIN", ""
	case zone.TooLong:
		return "a DNAME would make the name longer than 255 octets: YXDOMAIN (RFC 6672 §2.2)", ""
	case zone.NoData:
		var all zone.Answer
		z.Lookup(name, rr.TypeANY, false, &all)
		if all.Kind == zone.NoData {
			return synthesized + "only names below it exist, it has no records itself: NODATA", owner
		}
		return synthesized + fmt.Sprintf("the name exists and has no %v: NODATA", t), owner
	case zone.Referral:
		for i := range a.Items {
			if it := &a.Items[i]; it.Section == zone.SectionAuthority && it.Set.Type == rr.TypeNS {
				return fmt.Sprintf("the zone delegates %v: referral to its name servers", it.Owner), it.Owner.String()
			}
		}
		return "the zone delegates it: referral", ""
	}
	if len(a.Items) == 0 {
		return "answered", owner
	}
	first := &a.Items[0]
	switch {
	case first.Set.Type == rr.TypeDNAME && !first.Owner.Equal(name) && a.Next != nil:
		return fmt.Sprintf("the DNAME at %v turns it into %v (RFC 6672)", first.Owner, a.Next), first.Owner.String()
	case a.Next != nil:
		return synthesized + fmt.Sprintf("an alias (CNAME) to %v", a.Next), owner
	}
	n := 0
	for i := range a.Items {
		if a.Items[i].Section == zone.SectionAnswer {
			n += a.Items[i].Set.Len()
		}
	}
	if n == 1 {
		return synthesized + fmt.Sprintf("has one %v record", first.Set.Type), owner
	}
	return synthesized + fmt.Sprintf("has %d records of type %v", n, first.Set.Type), owner
}

// synthesisSource returns the wildcard that the data of name are synthesized from (RFC
// 4592 §3.3.1); nil if the name has the data itself.
func synthesisSource(z *zone.Zone, name dname.Name, a *zone.Answer) dname.Name {
	if a.Kind == zone.NoData {
		var all zone.Answer
		z.Lookup(name, rr.TypeANY, false, &all)
		a = &all
	}
	if a.Kind != zone.Success || len(a.Items) == 0 || !a.Items[0].Owner.Equal(name) {
		return nil
	}
	t := a.Items[0].Set.Type
	if _, rule, isHidden := z.MadeAt(name); rule != nil && !isHidden {
		return nil
	}
	if _, own := z.Get(name, t); own {
		return nil
	}
	// The closest encloser's wildcard is the lowest on the way up: where there is
	// one, the name above it exists.
	for n := name; len(n) > len(z.Apex()); {
		n = n.Parent()
		if w, err := n.Prepend([]byte("*")); err == nil {
			if _, ok := z.Get(w, t); ok {
				return w
			}
		}
	}
	return nil
}
