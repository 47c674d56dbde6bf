package hosted

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
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

// Import returns the records of pages that the AWS CLI printed, the SOA first, and what cannot
// be imported.
func Import(pages [][]byte) (records []zone.Record, left []string, err error) {
	var sets []ListedSet
	for i, page := range pages {
		var p struct{ ResourceRecordSets []ListedSet }
		if err := json.Unmarshal(page, &p); err != nil {
			return nil, nil, fmt.Errorf("page %d is no JSON of `aws route53 list-resource-record-sets`: %w", i+1, err)
		}
		sets = append(sets, p.ResourceRecordSets...)
	}
	byKey := map[string]ListedSet{}
	for _, s := range sets {
		byKey[strings.TrimSuffix(strings.ToLower(s.Name), ".")+" "+s.Type] = s
	}
	for _, s := range sets {
		from := s
		if a := s.AliasTarget; a != nil {
			target, ok := byKey[strings.TrimSuffix(strings.ToLower(a.DNSName), ".")+" "+s.Type]
			if !ok || target.AliasTarget != nil {
				left = append(left, fmt.Sprintf("%s %s: an alias of %s, which is not in the same zone", s.Name, s.Type, a.DNSName))
				continue
			}
			from = target
		}
		if s.SetIdentifier != "" {
			left = append(left, fmt.Sprintf("%s %s: one of several record sets with a routing policy, %q", s.Name, s.Type, s.SetIdentifier))
			continue
		}
		owner, err := ParseName(s.Name)
		t, ok := rr.ParseType(s.Type)
		if err != nil || !ok || from.TTL == nil {
			left = append(left, fmt.Sprintf("%s %s: the name, the type or the TTL is not valid", s.Name, s.Type))
			continue
		}
		for _, r := range from.ResourceRecords {
			v, err := ParseValue(t, r.Value)
			if err != nil {
				left = append(left, fmt.Sprintf("%s %s: %v", s.Name, s.Type, err))
				continue
			}
			records = append(records, zone.Record{Owner: owner, Type: t, TTL: *from.TTL, Data: v.Data})
		}
	}
	i := slices.IndexFunc(records, func(r zone.Record) bool { return r.Type == rr.TypeSOA })
	if i < 0 {
		return nil, nil, fmt.Errorf("there is no SOA record: give all pages of a zone")
	}
	soa := records[i]
	return append([]zone.Record{soa}, slices.Delete(records, i, i+1)...), left, nil
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
	var last dname.Name
	for r := range z.All() {
		if last != nil && r.Owner.Equal(last) {
			continue
		}
		last = r.Owner.Clone()
		for _, set := range sortedSets(z, last) {
			if last.Equal(z.Apex()) && (set.Type == rr.TypeSOA || set.Type == rr.TypeNS) {
				continue
			}
			s := asSet(last, &set, nothing{})
			out := ListedSet{Name: FormatName(last), Type: set.Type.String(), TTL: &s.ttl}
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

// nothing is known of the records of a zone.
type nothing struct{}

func (nothing) text(string) (submitted, bool)    { return submitted{}, false }
func (nothing) alias(string) *Alias              { return nil }
func (nothing) aliasesOf(target string) []string { return nil }
