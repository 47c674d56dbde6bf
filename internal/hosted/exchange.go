package hosted

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/rr"
)

// ListedSet is a record set in the JSON of `aws route53 list-resource-record-sets`.
type ListedSet struct {
	Name            string
	Type            string
	TTL             *uint32      `json:",omitempty"`
	ResourceRecords []ListedText `json:",omitempty"`
	AliasTarget     *ListedAlias `json:",omitempty"`
	SetIdentifier   string       `json:",omitempty"`
}

// ListedText is a value in JSON.
type ListedText struct{ Value string }

// ListedAlias is the target of an alias in JSON.
type ListedAlias struct {
	HostedZoneID         string `json:"HostedZoneId"`
	DNSName              string
	EvaluateTargetHealth bool
}

// maxHops is how many aliases may lead from one to a target. Each becomes an alias of that
// target: here, an alias cannot be one.
const maxHops = 8

// Listing is a hosted zone as the AWS CLI lists it.
type Listing struct {
	Edits []Edit   // that create its record sets, the SOA first
	Left  []string // what cannot be imported, and why
}

// ReadListing reads the pages of a list that the AWS CLI printed.
func ReadListing(pages []string) (*Listing, error) {
	l := &Listing{}
	byKey := map[string]int{} // index in Edits
	var aliases []Edit
	aliasOf := map[string]*Alias{}
	for i, page := range pages {
		var p struct{ ResourceRecordSets []ListedSet }
		if err := json.Unmarshal([]byte(page), &p); err != nil {
			return nil, fmt.Errorf("page %d is no JSON of `aws route53 list-resource-record-sets`: %w", i+1, err)
		}
		for j := range p.ResourceRecordSets {
			e, ok := l.read(&p.ResourceRecordSets[j])
			switch {
			case !ok:
			case e.Alias != nil:
				aliases = append(aliases, e)
				aliasOf[rr.Key(e.Owner, e.Type)] = e.Alias
			default:
				byKey[rr.Key(e.Owner, e.Type)] = len(l.Edits)
				l.Edits = append(l.Edits, e)
			}
		}
	}
	soa := slices.IndexFunc(l.Edits, func(e Edit) bool { return e.Type == rr.TypeSOA })
	if soa < 0 {
		return nil, fmt.Errorf("there is no SOA record: give all pages of a zone")
	}
	for _, e := range aliases {
		own := *e.Alias
		e.Alias = &own
		for range maxHops {
			if next := aliasOf[rr.Key(own.Target, e.Type)]; next != nil {
				own.Target = next.Target
			}
		}
		target, ok := byKey[rr.Key(e.Alias.Target, e.Type)]
		if !ok {
			l.leave(FormatName(e.Owner), e.Type.String(), "an alias of %s, which is not in the same zone", FormatName(e.Alias.Target))
			continue
		}
		e.TTL, e.Values = l.Edits[target].TTL, l.Edits[target].Values
		l.Edits = append(l.Edits, e)
	}
	first := l.Edits[soa]
	l.Edits = slices.Insert(slices.Delete(l.Edits, soa, soa+1), 0, first)
	return l, nil
}

func (l *Listing) leave(name, kind, format string, args ...any) {
	l.Left = append(l.Left, fmt.Sprintf("%s %s: %s", name, kind, fmt.Sprintf(format, args...)))
}

// read returns what creates a record set; false: it cannot be imported.
func (l *Listing) read(s *ListedSet) (e Edit, ok bool) {
	e.Action = Create
	var err error
	if e.Owner, err = ParseName(s.Name); err == nil && s.AliasTarget != nil {
		e.Alias = &Alias{Evaluate: s.AliasTarget.EvaluateTargetHealth}
		e.Alias.Target, err = ParseName(s.AliasTarget.DNSName)
	}
	e.Type, ok = rr.ParseType(s.Type)
	switch {
	case s.SetIdentifier != "":
		l.leave(s.Name, s.Type, "one of several record sets with a routing policy, %q", s.SetIdentifier)
		return e, false
	case err != nil || !ok || s.TTL == nil && e.Alias == nil:
		l.leave(s.Name, s.Type, "the name, the type or the TTL is not valid")
		return e, false
	case e.Alias != nil:
		return e, true
	}
	e.TTL = *s.TTL
	for _, r := range s.ResourceRecords {
		v, err := ParseValue(e.Type, r.Value)
		if err != nil {
			l.leave(s.Name, s.Type, "%v", err)
			continue
		}
		e.Values = append(e.Values, v)
	}
	return e, len(e.Values) > 0
}

// Records returns the records of the zone, the SOA first. An alias has the records of its target.
func (l *Listing) Records() (records []zone.Record) {
	for i := range l.Edits {
		e := &l.Edits[i]
		set := rrset{ttl: e.TTL, values: e.Values}
		records = append(records, set.records(e.Owner, e.Type)...)
	}
	return records
}

// Import creates a hosted zone with the record sets of a listing in one step, all of them or
// none. SOA and NS of the apex are left out: the zone gets its own.
func (s *Store) Import(l *Listing) (*Zone, error) {
	apex := l.Edits[0].Owner
	c := &Creation{Apex: apex, CallerReference: "ptrd import " + newID('I')}
	for _, e := range l.Edits {
		if e.Alias != nil {
			e.TTL, e.Values = 0, nil
		}
		if !e.Owner.Equal(apex) || e.Type != rr.TypeSOA && e.Type != rr.TypeNS {
			c.Edits = append(c.Edits, e)
		}
	}
	z, _, err := s.CreateZone(c)
	return z, err
}

// batch is a change batch in the JSON of the AWS CLI.
type batch struct{ Changes []batchChange }

type batchChange struct {
	Action            Action
	ResourceRecordSet ListedSet
}

// Export returns change batches in JSON that make the records of a zone in a hosted zone of
// Route 53, each within its limits, and what it does not accept. SOA and NS of the apex are left
// out: a hosted zone has its own.
func Export(z *zone.Zone) (batches [][]byte, left []string, err error) {
	var now batch
	records, characters := 0, 0
	flush := func() error {
		if len(now.Changes) == 0 {
			return nil
		}
		b, err := json.Marshal(now)
		batches, now, records, characters = append(batches, b), batch{}, 0, 0
		return err
	}
	for owner := range zone.Owners(z.All()) {
		for _, set := range sortedSets(z, owner) {
			if owner.Equal(z.Apex()) && (set.Type == rr.TypeSOA || set.Type == rr.TypeNS) {
				continue
			}
			s := asSet(owner, &set, &entry{})
			out := ListedSet{Name: FormatName(owner), Type: set.Type.String(), TTL: &s.ttl}
			size, why := 0, ""
			for _, v := range s.values {
				out.ResourceRecords = append(out.ResourceRecords, ListedText{v.Text})
				size += len(v.Text)
				if len(v.Text) > MaxValue {
					why = fmt.Sprintf("a value has %d characters, may have %d", len(v.Text), MaxValue)
				}
			}
			switch {
			case !slices.Contains(Types, out.Type):
				why = "Route 53 has no such type"
			case len(s.values) > MaxSet:
				why = fmt.Sprintf("%d values, may have %d", len(s.values), MaxSet)
			case 2*size > MaxCharacters:
				why = fmt.Sprintf("the values have %d characters, may have %d", size, MaxCharacters/2)
			}
			if why != "" {
				left = append(left, fmt.Sprintf("%s %s: %s", out.Name, out.Type, why))
				continue
			}
			if records+2*len(s.values) > MaxRecords || characters+2*size > MaxCharacters {
				if err := flush(); err != nil {
					return nil, nil, err
				}
			}
			records, characters = records+2*len(s.values), characters+2*size
			now.Changes = append(now.Changes, batchChange{Upsert, out})
		}
	}
	return batches, left, flush()
}
