package hosted

import (
	"bytes"
	"maps"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Alias is an RRset that has the data of another one of its zone. Queries see records of its
// type and not the alias.
type Alias struct {
	Target   dname.Name `json:"target"`
	Evaluate bool       `json:"evaluate,omitempty"` // as submitted; there are no health checks
}

// equal reports whether both are the same alias, or none.
func (a *Alias) equal(b *Alias) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Evaluate == b.Evaluate && a.Target.Equal(b.Target)
}

// aliased are the aliases of a zone, by rr.Key, and which there are of each target.
type aliased struct {
	byKey    map[string]*Alias
	byTarget map[string][]string
}

// alias implements facts.
func (a *aliased) alias(key string) *Alias { return a.byKey[key] }

// aliasesOf implements facts.
func (a *aliased) aliasesOf(target string) []string { return a.byTarget[target] }

func (a *aliased) set(key string, alias *Alias) {
	typ := key[len(key)-2:]
	if old := a.byKey[key]; old != nil {
		target := old.Target.Key() + typ
		a.byTarget[target] = slices.DeleteFunc(a.byTarget[target], func(k string) bool { return k == key })
		if len(a.byTarget[target]) == 0 {
			delete(a.byTarget, target)
		}
	}
	if alias == nil {
		delete(a.byKey, key)
		return
	}
	if a.byKey == nil {
		a.byKey, a.byTarget = map[string]*Alias{}, map[string][]string{}
	}
	a.byKey[key] = alias
	target := alias.Target.Key() + typ
	a.byTarget[target] = append(a.byTarget[target], key)
}

// MaxAliasRecords is how many records the aliases of one target can have together, and those
// that one batch gives new data: a change of a target changes all of them in the same step.
const MaxAliasRecords = 10_000

// aliases gives aliases the data of their targets, after all edits.
func (w *work) aliases() {
	more := map[*workSet]int{} // aliases of a target that the edits add
	for _, s := range slices.Clone(w.order) {
		if !s.edited {
			continue
		}
		if was := s.was.alias; was != nil {
			more[w.set(was.Target, s.typ)]--
		}
		if now := s.now.alias; now != nil {
			more[w.set(now.Target, s.typ)]++
			w.derive(s)
		}
	}
	for _, s := range slices.Clone(w.order) {
		keys := slices.Sorted(slices.Values(w.known.aliasesOf(rr.Key(s.owner, s.typ))))
		n := len(keys) + more[s]
		if (s.edited || more[s] > 0) && n*len(s.now.values) > MaxAliasRecords {
			w.fault("RRSet with DNS name %s, type %v would have %d values and %d aliases with the same values; these may be %d records", FormatName(s.owner), s.typ, len(s.now.values), n, MaxAliasRecords)
			continue
		}
		if !s.edited || s.now.alias != nil {
			continue
		}
		for _, key := range keys {
			owner, typ, _, _ := rr.CutKey(key)
			if a := w.set(owner, typ); a.now.alias != nil && a.now.alias.Target.Equal(s.owner) {
				a.edited = true
				w.derive(a)
			}
		}
	}
}

// derive gives an alias the data of its target.
func (w *work) derive(s *workSet) {
	target := w.set(s.now.alias.Target, s.typ)
	in := FormatName(w.zone.Apex())
	switch {
	case !target.owner.IsAtOrBelow(w.zone.Apex()):
		w.fault("Tried to create an alias that targets %s, type %v in zone %s, but the alias target name does not lie within the target zone", FormatName(target.owner), s.typ, in)
	case target.now.alias != nil:
		w.fault("Tried to create an alias that targets %s, type %v in zone %s, which is an alias itself", FormatName(target.owner), s.typ, in)
	case len(target.now.values) == 0:
		w.fault("Tried to create an alias [name='%s', type='%v'] that targets %s, type %v in zone %s, but that target was not found", FormatName(s.owner), s.typ, FormatName(target.owner), s.typ, in)
	}
	s.now.ttl, s.now.values = target.now.ttl, target.now.values
	w.derived += len(s.now.values)
}

// Derive implements a [commit.Stage]: aliases follow changes of their targets that others make,
// such as a rollback, in the same step. An alias whose own records are changed, or whose target
// goes, is none any more, unless they are those of the target.
func (s *Store) Derive(_ *zone.Set, b *zone.Batch) error {
	for i := range b.Changes {
		if err := s.deriveZone(&b.Changes[i]); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) deriveZone(c *zone.Change) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.byApex[c.Apex.Key()]
	if e == nil || len(e.aliased.byKey) == 0 || c.Zone == nil || len(c.Steps) == 0 {
		return nil
	}
	for _, step := range c.Steps {
		if strings.HasPrefix(step.Source, source) {
			return nil // by apply, which knows of aliases that come and go with this step
		}
	}
	var removed, added []zone.Record
	changed := map[string]bool{}
	for _, step := range c.Steps {
		for _, list := range [][]zone.Record{step.Changeset.Removed, step.Changeset.Added} {
			for i := range list {
				changed[rr.Key(list[i].Owner, list[i].Type)] = true
			}
		}
	}
	follow := func(key string) {
		owner, typ, _, _ := rr.CutKey(key)
		had, want := records(c.Zone, owner, owner, typ), records(c.Zone, e.aliased.byKey[key].Target, owner, typ)
		isSame := slices.EqualFunc(had, want, func(x, y zone.Record) bool { return x.TTL == y.TTL && bytes.Equal(x.Data, y.Data) })
		if len(want) == 0 || changed[key] && !isSame {
			c.Notes = append(c.Notes, zone.Note{Key: noteAlias + key})
		}
		if !changed[key] && !isSame {
			removed, added = append(removed, had...), append(added, want...)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(changed)) {
		if e.aliased.byKey[key] != nil {
			follow(key)
		}
		for _, alias := range e.aliased.byTarget[key] {
			if !changed[alias] {
				follow(alias)
			}
		}
	}
	if len(removed)+len(added) == 0 {
		return nil
	}
	return commit.AddRecords(c, removed, added, "", 0)
}

// records returns the records of an RRset as those of another owner.
func records(z *zone.Zone, from, owner dname.Name, t rr.Type) (out []zone.Record) {
	set, ok := z.Get(from, t)
	if !ok {
		return nil
	}
	for data := range set.Values() {
		out = append(out, zone.Record{Owner: owner, Type: t, TTL: set.TTL, Data: data})
	}
	slices.SortFunc(out, func(a, b zone.Record) int { return bytes.Compare(a.Data, b.Data) })
	return out
}
