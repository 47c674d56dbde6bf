package hosted

import (
	"crypto/rand"
	"encoding/binary"
	"slices"
	"time"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/spelling"
)

// Creation is a zone that is to be created.
type Creation struct {
	Apex            dname.Name
	CallerReference string
	Comment         string
	Set             string // id of a reusable delegation set; empty: the next of the settings
	Edits           []Edit // that make its records besides SOA and NS
}

// placement is the creation, removal or recovery of one zone on its way.
type placement struct {
	create  *Creation
	remove  string // id
	recover dname.Name

	zone   *Zone // that it concerns
	change Change
	err    error
	done   bool // in a round
}

// CreateZone creates a zone and returns after it is durable and served.
func (s *Store) CreateZone(c *Creation) (*Zone, Change, error) {
	if slip := spelling.ReverseName(c.Apex); slip.Sure {
		return nil, Change{}, faultf(InvalidDomainName, "%s is not a valid domain name: %v", FormatName(c.Apex), slip)
	}
	if c.Apex.IsRoot() || c.Apex.IsWildcard() {
		return nil, Change{}, faultf(InvalidDomainName, "%s is not a valid domain name", FormatName(c.Apex))
	}
	return s.place(&placement{create: c})
}

// DeleteZone removes a zone that has no records but its SOA and NS.
func (s *Store) DeleteZone(id string) (Change, error) {
	_, c, err := s.place(&placement{remove: id})
	return c, err
}

// place carries out p together with those that wait.
func (s *Store) place(p *placement) (*Zone, Change, error) {
	s.waits.Lock()
	s.waiting = append(s.waiting, p)
	s.waits.Unlock()
	s.placeAll() // returns after p was carried out, here or by another caller
	return p.zone, p.change, p.err
}

// placeAll carries out all that wait.
func (s *Store) placeAll() {
	s.order.Lock()
	defer s.order.Unlock()
	s.waits.Lock()
	list := s.waiting
	s.waiting = nil
	s.waits.Unlock()
	for len(list) > 0 {
		list = s.placeSome(list)
	}
}

// placeSome carries out all that concern different zones, and returns the others.
func (s *Store) placeSome(list []*placement) (rest []*placement) {
	var p *plan
	err := s.write(len(list), commit.Request{
		Propose: func(set *zone.Set) (*zone.Batch, error) {
			p = s.plan(set, list)
			if len(p.batch.Changes)+len(p.batch.Notes) == 0 {
				return nil, nil
			}
			catalogs, show, err := s.o.Owners.With(set, p.added, p.gone)
			p.show = show
			p.batch.Changes = append(p.batch.Changes, catalogs...)
			return p.batch, err
		},
		// A source that proposes for the new snapshot must find the zones of it here, or it
		// would restore one that is deleted.
		Show: func(set *zone.Set) {
			p.show(set)
			s.adopt(p)
		},
	})
	for _, one := range list {
		switch {
		case err != nil && one.err == nil:
			one.err = err
		case err == nil && !one.done:
			rest = append(rest, one)
		}
	}
	return rest
}

// plan is what a round of placements changes.
type plan struct {
	s           *Store
	set         *zone.Set
	now         time.Time
	batch       *zone.Batch
	shared      []zone.Note
	added, gone []dname.Name
	show        func(*zone.Set)
	entries     []*entry // that are created
	dropped     []*entry
	removed     []removed
	refs        map[string]bool // CallerReferences of this round
	touched     map[string]bool // apexes
	next        int
}

func (s *Store) plan(set *zone.Set, list []*placement) *plan {
	s.mu.RLock()
	defer s.mu.RUnlock()
	now := s.o.Now()
	p := &plan{s: s, set: set, now: now, batch: &zone.Batch{Source: source, At: now.UnixMilli()}, refs: map[string]bool{}, touched: map[string]bool{}, next: s.next}
	for _, one := range list {
		one.zone, one.change, one.err = nil, Change{}, nil
		one.done = p.add(one)
	}
	if len(p.shared) > 0 {
		p.batch.Notes = append(p.batch.Notes, zone.ZoneNotes{Apex: shared, Notes: p.shared})
	}
	return p
}

// add adds a placement to the plan, or refuses it; false: another one of the same zone has to
// be carried out before.
func (p *plan) add(one *placement) bool {
	if c := one.create; c != nil {
		if p.touched[c.Apex.Key()] || p.refs[c.CallerReference] {
			return false
		}
		if one.zone, one.change, one.err = p.create(c); one.err == nil {
			p.touched[c.Apex.Key()], p.refs[c.CallerReference] = true, true
		}
		return true
	}
	if apex := one.recover; apex != nil {
		if p.touched[apex.Key()] {
			return false
		}
		one.zone, one.err = p.recover(apex)
		p.touched[apex.Key()] = true
		return true
	}
	e := p.s.byID[one.remove]
	if e == nil {
		one.err = noSuchZone(one.remove)
		return true
	}
	if p.touched[e.zone.Apex.Key()] {
		return false
	}
	if one.zone, one.change, one.err = p.remove(e); one.err == nil {
		p.touched[e.zone.Apex.Key()] = true
	}
	return true
}

func (p *plan) create(c *Creation) (*Zone, Change, error) {
	none := Change{}
	s := p.s
	if s.refs[c.CallerReference] != "" {
		return nil, none, faultf(HostedZoneAlreadyExists, "A hosted zone has already been created with the specified caller reference: %s", c.CallerReference)
	}
	if e := s.byApex[c.Apex.Key()]; e != nil && e.zone.From == "" {
		return nil, none, faultf(ConflictingDomainExists, "The hosted zone %s exists already, with the ID %s: one server answers for a name with one zone. Change that one, or delete it first.", FormatName(c.Apex), e.zone.ID)
	}
	if s.isDamaged(c.Apex) {
		return nil, none, faultf(ConflictingDomainExists, "The hosted zone %s exists already, but what is known of it is damaged: `ptrd recover %v` makes it accessible again.", FormatName(c.Apex), c.Apex)
	}
	if owner := s.o.Owners.Owner(c.Apex); owner != "" {
		return nil, none, faultf(ConflictingDomainExists, "The zone %s is served already: %s has it. Remove it there, or change it there.", FormatName(c.Apex), owner)
	}
	z := &Zone{Apex: c.Apex, CallerReference: c.CallerReference, Comment: c.Comment, Set: c.Set, Created: p.now.UnixMilli()}
	if c.Set != "" {
		set := s.sets[c.Set]
		if set == nil {
			return nil, none, faultf(NoSuchDelegationSet, "No delegation set found with ID: %s", c.Set)
		}
		z.NameServers = set.NameServers
	} else if z.NameServers = s.freeSet(&p.next); z.NameServers == nil {
		return nil, none, faultf(DelegationSetNotAvailable, "There is no delegation set for the zone: configure one under `route53: delegation_sets` that is not a reusable delegation set.")
	}
	z.ID = p.newZoneID()
	content, soa, err := p.content(z)
	if err != nil {
		return nil, none, err
	}
	note, sub := soa.note(z.Apex, rr.TypeSOA)
	e := &entry{id: z.ID, apex: z.Apex, zone: z, texts: map[string]submitted{rr.Key(z.Apex, rr.TypeSOA): sub}}
	notes := []zone.Note{noteOf(noteZone, z), note}
	if len(c.Edits) > 0 {
		zr := newZoneRound(e, content)
		if _, err := zr.carryOut(c.Edits, false, content.Serial()+1); err != nil {
			return nil, none, err
		}
		content, notes = zr.zone, append(notes, zr.notes...)
		zr.adopt()
	}
	p.batch.Changes = append(p.batch.Changes, zone.Change{Zone: content, Apex: z.Apex, Base: p.set.Get(z.Apex), Kept: true, Notes: notes})
	p.added = append(p.added, z.Apex)
	p.entries = append(p.entries, e)
	return z, Change{ID: s.changeID(z.ID, content.Serial(), false, p.now), SubmittedAt: p.now.UTC()}, nil
}

// newZoneID returns an id that no zone has or had.
func (p *plan) newZoneID() string {
	for {
		id := newID('Z')
		if s := p.s; s.byID[id] == nil && s.parts[partOf(id)] == nil && s.removed[id].ID == "" {
			return id
		}
	}
}

func textsOf(names []dname.Name) (out []string) {
	for _, n := range names {
		out = append(out, n.String())
	}
	return out
}

// content returns the records that a zone begins with, and the SOA as it is listed.
func (p *plan) content(z *Zone) (*zone.Zone, *rrset, error) {
	c := p.s.settings.Load()
	servers := make([]dname.Name, len(z.NameServers))
	for i, text := range z.NameServers {
		servers[i] = dname.MustParse(text) // it was made from a name
	}
	contact := c.Contact
	if contact == nil {
		var err error
		if contact, err = servers[0].Parent().Prepend([]byte("hostmaster")); err != nil {
			contact = servers[0]
		}
	}
	serial := zone.Serial(uint32(p.now.Unix()))
	last, had, err := p.s.o.LastSerial(z.Apex)
	if err != nil {
		return nil, nil, faultf(ServiceUnavailable, "The last serial of zone %s cannot be read: %v", FormatName(z.Apex), err)
	}
	if had {
		serial = last.Next(p.now.Unix())
	}
	mname := c.MName
	if mname == nil {
		mname = servers[0]
	}
	data := slices.Concat(mname, contact, make([]byte, 4))
	for _, n := range c.Timers {
		data = binary.BigEndian.AppendUint32(data, n)
	}
	b := zone.NewBuilder(z.Apex)
	b.Add(zone.Record{Owner: z.Apex, Type: rr.TypeSOA, TTL: c.SOATTL, Data: zone.SOAWithSerial(data, serial)})
	for _, n := range servers {
		b.Add(zone.Record{Owner: z.Apex, Type: rr.TypeNS, TTL: c.NSTTL, Data: n})
	}
	content, findings := b.Build()
	if content == nil {
		return nil, nil, faultf(InvalidDomainName, "The zone %s cannot be made: %v", FormatName(z.Apex), findings)
	}
	data = zone.SOAWithSerial(data, 1)
	return content, &rrset{ttl: c.SOATTL, values: []Value{{textOf(rr.TypeSOA, data), data}}}, nil
}

// newID returns a random id.
func newID(first byte) string {
	var b [12]byte
	rand.Read(b[:]) // never fails
	return string(first) + idEncoding.EncodeToString(b[:])
}

func (p *plan) remove(e *entry) (*Zone, Change, error) {
	if err := e.zone.checkHosted(); err != nil {
		return nil, Change{}, err
	}
	z := p.set.Get(e.zone.Apex)
	if err := e.noData(z); err != nil {
		return nil, Change{}, err
	}
	if z.Stats().RRsets > 2 {
		return nil, Change{}, faultf(HostedZoneNotEmpty, "The specified hosted zone contains non-required resource record sets and so cannot be deleted.")
	}
	c := zone.Change{Apex: e.zone.Apex, Base: z, Notes: []zone.Note{{Key: noteZone}}}
	for key := range e.texts {
		c.Notes = append(c.Notes, zone.Note{Key: noteText + key})
	}
	for key := range e.aliased.byKey {
		c.Notes = append(c.Notes, zone.Note{Key: noteAlias + key})
	}
	p.batch.Changes = append(p.batch.Changes, c)
	r := removed{e.zone.ID, e.zone.CallerReference, p.now.UnixMilli(), e.apex.String()}
	p.shared = append(p.shared, noteOf(noteRemoved+r.ID, r))
	cutoff := p.now.Add(-p.s.settings.Load().KeepRefs).UnixMilli()
	for id, old := range p.s.removed {
		if old.At < cutoff {
			p.shared = append(p.shared, zone.Note{Key: noteRemoved + id})
		}
	}
	p.removed = append(p.removed, r)
	p.gone = append(p.gone, e.zone.Apex)
	p.dropped = append(p.dropped, e)
	return e.zone, Change{ID: p.s.changeID(e.zone.ID, z.Serial(), false, p.now), SubmittedAt: p.now.UTC()}, nil
}

// adopt makes the plan what there is.
func (s *Store) adopt(p *plan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = p.next
	for _, e := range p.dropped {
		s.drop(e)
	}
	cutoff := p.now.Add(-s.settings.Load().KeepRefs).UnixMilli()
	for id, old := range s.removed {
		if old.At < cutoff && len(p.removed) > 0 {
			delete(s.removed, id)
			delete(s.refs, old.CallerReference)
			delete(s.parts, partOf(id))
		}
	}
	for _, r := range p.removed {
		s.removed[r.ID] = r
	}
	for _, e := range p.entries {
		s.put(e)
	}
}

// note makes notes durable, and then what they say known.
func (s *Store) note(n zone.ZoneNotes, adopt func()) error {
	return s.write(1, commit.Request{
		Propose: func(*zone.Set) (*zone.Batch, error) { return &zone.Batch{Notes: []zone.ZoneNotes{n}}, nil },
		After: func() error {
			s.mu.Lock()
			defer s.mu.Unlock()
			adopt()
			return nil
		},
	})
}

// ChangeZone replaces what is known of a zone besides its records by what change returns.
func (s *Store) ChangeZone(id string, change func(Zone) (Zone, error)) (*Zone, error) {
	s.order.Lock()
	defer s.order.Unlock()
	e, err := s.entryOf(id)
	if err != nil {
		return nil, err
	}
	if err := e.zone.checkHosted(); err != nil {
		return nil, err
	}
	next, err := change(*e.zone)
	if err != nil {
		return nil, err
	}
	return &next, s.note(zone.ZoneNotes{Apex: e.zone.Apex, Notes: []zone.Note{noteOf(noteZone, &next)}}, func() { e.zone = &next })
}
