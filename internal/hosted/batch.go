package hosted

import (
	"bytes"
	"fmt"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Action is what a change does with an RRset.
type Action string

// The actions.
const (
	Create Action = "CREATE"
	Delete Action = "DELETE"
	Upsert Action = "UPSERT"
)

// Edit is one change of a batch.
type Edit struct {
	Action Action
	Owner  dname.Name
	Type   rr.Type
	TTL    uint32
	Values []Value
	Alias  *Alias // nil: TTL and Values are its own
}

// Limits of a batch and of an RRset. An UPSERT counts twice in those of a batch.
const (
	MaxRecords    = 1000
	MaxCharacters = 32000
	MaxSet        = 400
)

// work is a batch on its way into a zone.
type work struct {
	zone   *zone.Zone
	known  facts
	sets   map[string]*workSet
	order  []*workSet // as they were first looked at
	owners map[string][]*workSet
	faults []string
	count  int // of faults

	derived int // records of aliases
}

// workSet is an RRset before and after the edits so far.
type workSet struct {
	owner    dname.Name
	typ      rr.Type
	was, now rrset
	edited   bool
}

// maxFaults is how many faults of a batch are named: a target that goes can have many aliases.
const maxFaults = MaxRecords

func (w *work) fault(format string, args ...any) {
	if w.count++; w.count <= maxFaults {
		w.faults = append(w.faults, fmt.Sprintf(format, args...))
	}
}

func (w *work) set(owner dname.Name, t rr.Type) *workSet {
	key := rr.Key(owner, t)
	s := w.sets[key]
	if s == nil {
		s = &workSet{owner: owner, typ: t}
		s.was, _ = readSet(w.zone, owner, t, w.known)
		s.now = s.was
		w.sets[key] = s
		w.order = append(w.order, s)
		w.owners[owner.Key()] = append(w.owners[owner.Key()], s)
	}
	return s
}

// apply carries out the edits, one after the other on what the ones before left, and checks
// the result. It returns the changeset to a serial, nil if no record changes, and the RRsets
// whose text may have changed. A batch has limits.
func apply(z *zone.Zone, known facts, edits []Edit, isBatch bool, next zone.Serial) (c *zone.Changeset, touched []*workSet, err error) {
	w := &work{zone: z, known: known, sets: make(map[string]*workSet, len(edits)), owners: map[string][]*workSet{}}
	if isBatch {
		w.limits(edits)
	}
	for i := range edits {
		w.edit(&edits[i])
	}
	w.aliases()
	if isBatch && w.derived > MaxAliasRecords {
		w.fault("Number of records of aliases limit of %d exceeded.", MaxAliasRecords)
	}
	for _, s := range w.order {
		w.coexist(s)
	}
	w.apex()
	if w.count > maxFaults {
		w.faults = append(w.faults, fmt.Sprintf("and %d more", w.count-maxFaults))
	}
	if w.count > 0 {
		return nil, nil, &Fault{InvalidChangeBatch, w.faults}
	}
	for _, s := range w.order {
		if s.edited {
			touched = append(touched, s)
		}
	}
	return w.changeset(next), touched, nil
}

func (w *work) limits(edits []Edit) {
	records, characters := 0, 0
	for i := range edits {
		times := 1
		if edits[i].Action == Upsert {
			times = 2
		}
		records += times * max(len(edits[i].Values), 1) // an alias is one
		for _, v := range edits[i].Values {
			characters += times * len(v.Text)
		}
	}
	if records > MaxRecords {
		w.fault("Number of records limit of %d exceeded.", MaxRecords)
	}
	if characters > MaxCharacters {
		w.fault("RDATA character limit of %d exceeded.", MaxCharacters)
	}
}

// edit carries out one edit.
func (w *work) edit(e *Edit) {
	apex := w.zone.Apex()
	name, in := FormatName(e.Owner), FormatName(apex)
	if !e.Owner.IsAtOrBelow(apex) {
		w.fault("RRSet with DNS name %s is not permitted in zone %s", name, in)
		return
	}
	s := w.set(e.Owner, e.Type)
	given := rrset{e.TTL, e.Values, e.Alias}
	isThere := len(s.now.values) > 0 || s.now.alias != nil
	switch {
	case e.Action == Delete && !isThere:
		w.fault("Tried to delete resource record set [name='%s', type='%v'] but it was not found", name, e.Type)
		return
	case e.Action == Delete && !s.now.equal(e.Type, &given):
		w.fault("Tried to delete resource record set [name='%s', type='%v'] but the values provided do not match the current values", name, e.Type)
		return
	case e.Action == Delete:
		s.now, s.edited = rrset{}, true
		return
	case e.Action == Create && isThere:
		w.fault("Tried to create resource record set [name='%s', type='%v'] but it already exists", name, e.Type)
		return
	}
	if w.permits(e, name, in) {
		s.now, s.edited = given, true
	}
}

// permits reports whether an RRset may be put at its name, whatever else is there.
func (w *work) permits(e *Edit, name, in string) bool {
	before := len(w.faults)
	atApex := e.Owner.Equal(w.zone.Apex())
	switch {
	case atApex && (e.Type == rr.TypeCNAME || e.Type == rr.TypeDS):
		w.fault("RRSet of type %v with DNS name %s is not permitted at apex in zone %s", e.Type, name, in)
	case e.Alias != nil && (e.Type == rr.TypeNS || e.Type == rr.TypeSOA || e.Type == rr.TypeCNAME):
		w.fault("RRSet of type %v with DNS name %s is not permitted as an alias in zone %s", e.Type, name, in)
	case !atApex && e.Type == rr.TypeSOA:
		w.fault("RRSet of type SOA with DNS name %s is not permitted in zone %s: an SOA belongs to the name of the zone", name, in)
	case len(e.Values) > 1 && (e.Type == rr.TypeCNAME || e.Type == rr.TypeSOA):
		w.fault("RRSet of type %v with DNS name %s has %d values, must have one", e.Type, name, len(e.Values))
	case len(e.Values) > MaxSet:
		w.fault("RRSet of type %v with DNS name %s has %d values, must have at most %d", e.Type, name, len(e.Values), MaxSet)
	}
	seen := make(map[string]bool, len(e.Values))
	for _, v := range e.Values {
		if seen[string(v.Data)] {
			w.fault("Duplicate Resource Record: '%s'", v.Text)
		}
		seen[string(v.Data)] = true
	}
	return len(w.faults) == before
}

// coexist checks an RRset that was edited against the others at its name.
func (w *work) coexist(s *workSet) {
	if !s.edited || len(s.now.values) == 0 {
		return
	}
	others := map[rr.Type]bool{}
	for set := range w.zone.RRsets(s.owner) {
		others[set.Type] = true
	}
	for _, o := range w.owners[s.owner.Key()] {
		others[o.typ] = len(o.now.values) > 0
	}
	for t, there := range others {
		if there && t != s.typ && (s.typ == rr.TypeCNAME || t == rr.TypeCNAME) {
			w.fault("RRSet of type %v with DNS name %s is not permitted as it conflicts with other records with the same DNS name in zone %s",
				s.typ, FormatName(s.owner), FormatName(w.zone.Apex()))
			return
		}
	}
}

// apex checks that the zone has an SOA and NS afterwards.
func (w *work) apex() {
	for _, s := range w.order {
		if !s.edited || len(s.now.values) > 0 || !s.owner.Equal(w.zone.Apex()) {
			continue
		}
		switch s.typ {
		case rr.TypeNS:
			w.fault("A HostedZone must contain at least one NS record for the zone itself.")
		case rr.TypeSOA:
			w.fault("A HostedZone must contain exactly one SOA record.")
		}
	}
}

// changeset returns what turns the zone into the edited one; nil: nothing.
func (w *work) changeset(next zone.Serial) *zone.Changeset {
	soa := w.zone.SOA()
	now := soa
	var removed, added []zone.Record
	for _, s := range w.order {
		switch {
		case !s.edited:
		case s.typ == rr.TypeSOA:
			now.TTL, now.Data = s.now.ttl, s.now.values[0].Data
		default:
			was, now := s.was.records(s.owner, s.typ), s.now.records(s.owner, s.typ)
			removed, added = append(removed, commit.Missing(was, now)...), append(added, commit.Missing(now, was)...)
		}
	}
	same := now.TTL == soa.TTL && bytes.Equal(zone.SOAWithSerial(now.Data, 0), zone.SOAWithSerial(soa.Data, 0))
	if same && len(removed)+len(added) == 0 {
		return nil
	}
	return w.zone.ChangesetTo(now.WithSerial(next), removed, added)
}
