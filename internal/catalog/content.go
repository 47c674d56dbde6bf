package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Member is a zone that a catalog lists.
type Member struct {
	Apex   dname.Name
	Label  string     // of the member node, in lower case; another one asks for the zone to begin anew (RFC 9432 §5.4)
	Groups []string   // what the zone is to be treated as (§4.3.2)
	Owner  dname.Name // the catalog that may take the zone over (§4.3.1, `coo`); nil: none
}

// errNotCatalog says that a zone without data lists nothing.
var errNotCatalog = errors.New("the catalog zone has no data")

// The labels that RFC 9432 gives a meaning, in lower case.
var (
	labelVersion = []byte("version")
	labelZones   = []byte("zones")
	labelGroup   = []byte("group")
	labelCoo     = []byte("coo")
)

// versionData is the RDATA of the TXT record that says which schema a catalog has
// (§4.2.1): the only one there is.
var versionData = []byte{1, '2'}

// Read returns the members that a catalog zone lists, in the order of their labels.
// An error says why the catalog is broken and must not be processed (RFC 9432 §5.1);
// a catalog with more than most members counts as broken. Records without a meaning
// in RFC 9432 are ignored (§3).
func Read(z *zone.Zone, most int) ([]Member, error) {
	if !z.IsAvailable() {
		return nil, errNotCatalog
	}
	r := reader{apex: z.Apex(), depth: z.ApexLabels(), most: most, labels: map[string]string{}}
	for rec := range z.All() {
		if err := r.record(&rec); err != nil {
			return nil, err
		}
	}
	return r.done()
}

// readNode returns the member whose node this is; nil if the node lists none.
func readNode(z *zone.Zone, node dname.Name) (*Member, error) {
	r := reader{apex: z.Apex(), depth: z.ApexLabels(), most: 1, labels: map[string]string{}}
	for _, label := range [][]byte{nil, labelCoo, labelGroup} {
		owner := node
		if label != nil {
			var err error
			if owner, err = node.Prepend(label); err != nil {
				continue // such a name is too long
			}
		}
		for s := range z.RRsets(owner) {
			for it := s.Data(); it.Next(); {
				if err := r.record(&zone.Record{Owner: owner, Type: s.Type, Data: slices.Concat(it.Head, it.Tail)}); err != nil {
					return nil, err
				}
			}
		}
	}
	if len(r.members) == 0 {
		return nil, nil
	}
	return &r.members[0], nil
}

// reader reads the records of one catalog, in canonical order: a member node comes
// before what lies below it.
type reader struct {
	apex     dname.Name
	depth    int // labels of it
	most     int
	members  []Member
	labels   map[string]string // of members, by key of the apex
	versions int
	wrong    []byte // a version that is not ours
	node     []byte // label of the last member node that has a PTR
}

func (r *reader) record(rec *zone.Record) error {
	labels := rec.Owner.Labels() - r.depth
	if labels < 1 {
		return nil
	}
	is := func(n dname.Name, label []byte) bool { return dname.CompareLabels(n.Label(), label) == 0 }
	top := rec.Owner.Suffix(r.depth + 1)
	switch {
	case labels == 1 && rec.Type == rr.TypeTXT && is(top, labelVersion):
		if r.versions++; !bytes.Equal(rec.Data, versionData) {
			r.wrong = bytes.Clone(rec.Data)
		}
	case labels == 2 && rec.Type == rr.TypePTR && is(top, labelZones):
		return r.member(rec)
	case labels == 3 && is(top, labelZones):
		if m := r.of(rec.Owner.Parent()); m != nil {
			return m.property(rec)
		}
	}
	return nil
}

// member takes the PTR of a member node.
func (r *reader) member(rec *zone.Record) error {
	label := rec.Owner.Label()
	if r.node != nil && dname.CompareLabels(r.node, label) == 0 {
		return fmt.Errorf("%v has more than one PTR record, a member node has one (RFC 9432 §4.1)", rec.Owner)
	}
	if len(r.members) == r.most {
		return fmt.Errorf("the catalog lists more than %d zones; raise `max_members` if that is meant", r.most)
	}
	r.node = bytes.Clone(label)
	m := Member{Apex: dname.Name(rec.Data).Clone(), Label: lower(label)}
	key := m.Apex.Key()
	if first, twice := r.labels[key]; twice {
		return fmt.Errorf("zone %v is listed under the labels %q and %q, a catalog lists a zone once (RFC 9432 §4.1); remove one of them from the catalog", m.Apex, first, m.Label)
	}
	r.labels[key] = m.Label
	r.members = append(r.members, m)
	return nil
}

// of returns the member whose node this is; nil: the node has no PTR, and what lies
// below it concerns nobody.
func (r *reader) of(node dname.Name) *Member {
	if r.node == nil || dname.CompareLabels(r.node, node.Label()) != 0 {
		return nil
	}
	return &r.members[len(r.members)-1]
}

// property takes a record of a name one label below a member node.
func (m *Member) property(rec *zone.Record) error {
	label := rec.Owner.Label()
	switch {
	case rec.Type == rr.TypePTR && dname.CompareLabels(label, labelCoo) == 0:
		if m.Owner != nil {
			return fmt.Errorf("%v has more than one PTR record, a zone has one next owner (RFC 9432 §4.3.1)", rec.Owner)
		}
		m.Owner = dname.Name(rec.Data).Clone()
	case rec.Type == rr.TypeTXT && dname.CompareLabels(label, labelGroup) == 0:
		group, ok := text(rec.Data)
		if !ok { // transferred zones may have such RDATA
			return fmt.Errorf("the TXT record at %v is malformed", rec.Owner)
		}
		m.Groups = append(m.Groups, group)
	}
	return nil
}

func (r *reader) done() ([]Member, error) {
	switch {
	case r.versions == 0:
		return nil, fmt.Errorf("there is no TXT record at version.%v, as every catalog zone has one (RFC 9432 §4.2.1)", r.apex)
	case r.versions > 1:
		return nil, fmt.Errorf("there are %d TXT records at version.%v, a catalog zone has one (RFC 9432 §4.2.1)", r.versions, r.apex)
	case r.wrong != nil:
		wrong, _ := text(r.wrong)
		return nil, fmt.Errorf("the TXT record at version.%v is %q, must be \"2\" (RFC 9432 §4.2.1)", r.apex, wrong)
	}
	return r.members, nil
}

// text returns the character-strings of a TXT record's RDATA as one; ok is false if there
// are none, or the last one is not all there.
func text(data []byte) (s string, ok bool) {
	var b []byte
	ok = len(data) > 0
	for len(data) > 0 && ok {
		n := 1 + int(data[0])
		ok = n <= len(data)
		n = min(n, len(data))
		b = append(b, data[1:n]...)
		data = data[n:]
	}
	return string(b), ok
}

// lower returns a label in lower case.
func lower(label []byte) string {
	b := make([]byte, len(label))
	for i, c := range label {
		b[i] = dname.Lower(c)
	}
	return string(b)
}
