package hosted

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
	"github.com/ptrd/ptrd/zone/rr"
)

var errLost = errors.New("its content is lost")

// Damage is something stored that cannot be read.
type Damage struct {
	Apex   dname.Name // of the zone that it concerns; nil: of none
	Text   string     // with a remedy if there is one
	Served bool       // the zone is served all the same
}

// Load reads what an earlier process knew. What cannot be read stays in the journal as it is.
func (s *Store) Load() (damage []Damage, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err = s.o.Journal.AllNotes(NotePrefix, func(apex dname.Name, notes []zone.Note, lost string) {
		if apex.Equal(shared) {
			damage = append(damage, s.loadShared(notes)...)
			return
		}
		e, bad := loadZone(apex, notes)
		if e.zone != nil {
			e.id = e.zone.ID
			s.put(e)
		} else {
			e.damage = cmp.Or(e.damage, lost)
			s.loose[apex.Key()] = e
		}
		if e.zone != nil || e.damage != "" {
			s.lacking[apex.Key()] = e
		}
		if bad > 0 {
			damage = append(damage, Damage{Apex: apex, Text: fmt.Sprintf("%d submitted texts and aliases of the hosted zone cannot be read: they are listed as ptrd prints them, and aliases as record sets of their own", bad)})
		}
	})
	return damage, err
}

// loadZone returns the zone at apex, and how many of its notes but the first cannot be read.
func loadZone(apex dname.Name, notes []zone.Note) (e *entry, bad int) {
	e = &entry{apex: apex, texts: map[string]submitted{}}
	for _, n := range notes {
		ok := true
		if key, is := strings.CutPrefix(n.Key, noteText); is {
			var sub submitted
			if sub, ok = readNote(n.Value); ok {
				e.texts[key] = sub
			}
		} else if key, is := strings.CutPrefix(n.Key, noteAlias); is {
			a := new(Alias)
			_, _, rest, isKey := rr.CutKey(key)
			if ok = isKey && rest == "" && json.Unmarshal(n.Value, a) == nil && dname.FromWire(a.Target) != nil; ok {
				e.aliased.set(key, a)
			}
		} else if n.Key == noteZone {
			z := &Zone{Apex: apex}
			if json.Unmarshal(n.Value, z) == nil && len(z.ID) >= 1+changeZone && areNames(z.NameServers) {
				e.zone = z
			} else {
				e.damage = "the note of it cannot be read"
			}
		}
		if !ok {
			bad++
		}
	}
	return e, bad
}

func areNames(list []string) bool {
	return !slices.ContainsFunc(list, func(text string) bool { _, err := dname.Parse(text); return err != nil })
}

func (s *Store) loadShared(notes []zone.Note) (damage []Damage) {
	for _, n := range notes {
		switch {
		case n.Key == noteSecret:
			s.secret = n.Value
		case strings.HasPrefix(n.Key, noteSet):
			set := &DelegationSet{}
			if json.Unmarshal(n.Value, set) == nil && areNames(set.NameServers) && len(set.NameServers) > 0 {
				s.putSet(set)
			} else {
				damage = append(damage, Damage{Text: fmt.Sprintf("the note of the reusable delegation set %s cannot be read: there is no such set until another is created", n.Key[len(noteSet):])})
			}
		case strings.HasPrefix(n.Key, noteRemoved):
			var r removed
			if json.Unmarshal(n.Value, &r) == nil && len(r.ID) > changeZone {
				s.removed[r.ID] = r
				s.refs[r.CallerReference] = r.ID
				if apex, err := dname.Parse(r.Name); err == nil && r.Name != "" {
					s.parts[partOf(r.ID)] = apex
				}
			} else {
				damage = append(damage, Damage{Text: fmt.Sprintf("the note of the deleted hosted zone %s cannot be read: its CallerReference can be used again", n.Key[len(noteRemoved):])})
			}
		}
	}
	return damage
}

// Plan returns the changes that serve zones of an earlier process that set lacks, and what is
// damaged. A zone that is created meanwhile, which set lacks as well, is not among them. owns
// reports whether a zone is ours under the configuration that is planned.
func (s *Store) Plan(set *zone.Set, owns func(apex dname.Name) bool) (changes []zone.Change, damage []Damage) {
	for _, e := range s.unsettled() {
		if !owns(e.apex) {
			continue
		}
		base := set.Get(e.apex)
		served := base != nil && base.IsAvailable()
		if !served {
			z, ok, err := s.o.Restore(e.apex)
			if err == nil && !ok {
				err = fmt.Errorf("zone %v: %w", e.apex, errLost)
			}
			served = err == nil
			if err != nil {
				remedy := fmt.Sprintf("restore a backup, or accept the loss: `ptrd recover %v` serves what is left, under a later serial", e.apex)
				if !errors.Is(err, journal.ErrCorrupt) && !errors.Is(err, errLost) {
					remedy = "fix the disk, and `ptrd reload` tries again"
				}
				damage = append(damage, Damage{Apex: e.apex, Text: fmt.Sprintf("%v; %s", err, remedy)})
				z = zone.Unavailable(e.apex, err.Error())
			}
			if served || base == nil {
				changes = append(changes, zone.Change{Zone: z, Apex: e.apex, Base: base, Kept: true})
			}
		}
		if served && e.damage != "" {
			damage = append(damage, Damage{Apex: e.apex, Served: true, Text: fmt.Sprintf("zone %v: %s, so that the API does not list it; restore a backup, or accept the loss: `ptrd recover %[1]v` gives it a new id and CallerReference", e.apex, e.damage)})
		}
	}
	return changes, damage
}

// unsettled returns the zones of an earlier process that are damaged or have no data.
func (s *Store) unsettled() (list []*entry) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, e := range s.lacking {
		list = append(list, e)
	}
	for key, e := range s.loose {
		if e.damage != "" && s.lacking[key] == nil {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b *entry) int { return dname.Compare(a.apex, b.apex) })
	return list
}

// Damaged returns the apexes of zones that are served and not listed, because what is known of
// them is damaged.
func (s *Store) Damaged() (list []dname.Name) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, e := range s.loose {
		if e.damage != "" {
			list = append(list, e.apex)
		}
	}
	return list
}

func (s *Store) isDamaged(apex dname.Name) bool {
	e := s.loose[apex.Key()]
	return e != nil && e.damage != ""
}

// Recover accepts what is lost of the zone at apex. It serves what is left, and makes the zone a
// hosted zone with a new id if its own is not known.
func (s *Store) Recover(apex dname.Name) error {
	_, _, err := s.place(&placement{recover: apex})
	return err
}

// recover plans Recover.
func (p *plan) recover(apex dname.Name) (z *Zone, err error) {
	s, key := p.s, apex.Key()
	e := cmp.Or(s.byApex[key], s.loose[key], &entry{apex: apex, texts: map[string]submitted{}})
	content, changed := p.set.Get(apex), false
	if content == nil || !content.IsAvailable() {
		restored, ok, err := s.o.Restore(apex)
		switch {
		case err != nil:
			return nil, err
		case ok:
			content = restored
		case e.zone == nil:
			return nil, fmt.Errorf("zone %v: nothing is left of it", apex)
		default:
			if content, _, err = p.content(e.zone); err != nil {
				return nil, err
			}
		}
		changed = true
	}
	if z = e.zone; z == nil {
		id := p.newZoneID()
		z = &Zone{Apex: apex, ID: id, CallerReference: "recovered " + id, Created: p.now.UnixMilli(), NameServers: nameServers(content)}
		p.entries = append(p.entries, &entry{id: id, apex: apex, zone: z, texts: e.texts, aliased: e.aliased})
		p.added = append(p.added, apex)
	}
	notes := []zone.Note{noteOf(noteZone, z)}
	if changed {
		p.batch.Changes = append(p.batch.Changes, zone.Change{Zone: content, Apex: apex, Base: p.set.Get(apex), Kept: true, Notes: notes})
	} else {
		p.batch.Notes = append(p.batch.Notes, zone.ZoneNotes{Apex: apex, Notes: notes})
	}
	return z, nil
}
