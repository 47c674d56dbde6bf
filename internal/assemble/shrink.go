package assemble

import (
	"fmt"

	"github.com/ptrd/ptrd/zone"
)

// shrunk takes out of next, what is to be served at each apex of an item, the zones that
// would lose more records than max_shrink allows, says so, and returns them. Zones of one
// item share its files: if all of them together lose too much, each that loses any is
// held.
func (r *round) shrunk(m *merge, next []*zone.Zone) (held []Held) {
	limit := m.item.MaxShrink
	if limit == 0 || m.item.Dynamic {
		return nil
	}
	sizes := func(i int) (before, after int, ok bool) {
		base := r.set.Get(m.parts[i].apex)
		if base == nil || !base.IsAvailable() || next[i] == nil {
			return 0, 0, false
		}
		return base.Stats().Records, next[i].Stats().Records, true
	}
	var before, after int
	for i := range next {
		b, a, _ := sizes(i)
		before, after = before+b, after+a
	}
	together := limit.StopsRecords(before, after)
	for i, s := range m.parts {
		b, a, ok := sizes(i)
		if !ok || !limit.StopsRecords(b, a) && (!together || a >= b) || r.how.MayShrink != nil && r.how.MayShrink(s.apex) {
			continue
		}
		next[i] = nil
		held = append(held, Held{s.apex, b, a})
		m.fs.add(Finding{Pos: m.place(), Apex: s.apex, Finding: zone.Finding{Severity: zone.Error, Code: "max-shrink", Text: fmt.Sprintf(
			"zone %v would go from %d records to %d, and max_shrink lets a change remove %v at most, so what was served stays; look whether the sources are whole, and if this is meant, run `ptrd reload --accept-shrink %[1]v`",
			s.apex, b, a, limit)}})
	}
	return held
}

// shrunkBefore warns of a zone that lost too much since it was served before a restart:
// what it had is kept nowhere, so that nothing can be held back.
func (m *merge) shrunkBefore(s *share, before, after int) {
	if before == 0 || m.item.Dynamic {
		return
	}
	if m.item.MaxShrink.StopsRecords(before, after) {
		m.lost(fmt.Sprintf("zone %v", s.apex), before, after)
		return
	}
	m.before, m.after = m.before+before, m.after+after
}

// shrunkTogether is shrunkBefore for all zones of the item.
func (m *merge) shrunkTogether() {
	if len(m.parts) > 1 && m.item.MaxShrink.StopsRecords(m.before, m.after) {
		m.lost(itemName(m.item), m.before, m.after)
	}
}

func (m *merge) lost(what string, before, after int) {
	m.fs.report(zone.Warning, "max-shrink", m.place(), "%s had %d records when it was served last and has %d now; what it had is not kept over a restart, so this is served; look whether its sources are whole", what, before, after)
}
