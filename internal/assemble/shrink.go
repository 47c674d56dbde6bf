package assemble

import (
	"bytes"
	"fmt"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

// holdShrunk sets those zones in next, the zones to be served at the apexes of an item, to nil
// that would lose more records than max_shrink allows. It reports and returns them. Zones of one
// item share its files: if all of them together lose too much, each zone that loses any record
// is held.
func (r *round) holdShrunk(m *merge, next []*zone.Zone) (held []Held) {
	limit := m.item.MaxShrink
	if limit == 0 || m.item.Dynamic {
		return nil
	}
	changed := make([]Held, len(next)) // zero: there are no earlier data, or no later ones
	var before, after int
	for i, part := range m.parts {
		if base := r.set.Get(part.apex); base != nil && base.IsAvailable() && next[i] != nil {
			changed[i] = Held{part.apex, ownRecords(base), ownRecords(next[i])}
			before, after = before+changed[i].Before, after+changed[i].After
			if b, n := base.Layers(), next[i].Layers(); b.Derived != nil && n.Derived != nil {
				was, is := b.Static.Stats().Records, n.Static.Stats().Records
				if limit.StopsRecords(was, is) { // derived records must not hide this
					changed[i].Before, changed[i].After = was, is
				}
			}
		}
	}
	together := limit.StopsRecords(before, after)
	for i, h := range changed {
		isTooMuch := limit.StopsRecords(h.Before, h.After) || together && h.After < h.Before
		if h.Apex == nil || !isTooMuch || r.how.MayShrink != nil && r.how.MayShrink(h.Apex) {
			continue
		}
		next[i] = nil
		held = append(held, h)
		m.reportZone(finding.Error, "max-shrink", h.Apex,
			"zone %v would go from %d records to %d, and max_shrink lets a change remove %v at most, so the earlier content is still served; check that the sources are complete, and if this is intended, run `ptrd reload --accept-shrink %[1]v`",
			h.Apex, h.Before, h.After, limit)
	}
	return held
}

// ownRecords returns how many records a zone has, those of the names of ranges left out: they come
// from a few words of the configuration, and so many of them would hide the loss of others.
func ownRecords(z *zone.Zone) int {
	n := z.Stats().Records
	made := z.Layers().Made
	if made == nil {
		return n
	}
	for r := range made.All() {
		if set, ok := z.Get(r.Owner, r.Type); ok && r.Type != rr.TypeSOA && r.Type != rr.TypeNS && bytes.Equal(set.First(nil), r.Data) {
			n--
		}
	}
	return n
}

// warnShrunk warns about a zone that lost too many records since it was served before a restart.
// The earlier content is not in the state directory, so that the change cannot be held.
func (m *merge) warnShrunk(part *zonePart, before, after int) {
	if before == 0 || m.item.Dynamic {
		return
	}
	if m.item.MaxShrink.StopsRecords(before, after) {
		m.reportLoss(fmt.Sprintf("zone %v", part.apex), part.apex, before, after)
		return
	}
	m.before, m.after = m.before+before, m.after+after
}

// warnShrunkTogether is warnShrunk for all zones of the item together.
func (m *merge) warnShrunkTogether() {
	if len(m.parts) > 1 && m.item.MaxShrink.StopsRecords(m.before, m.after) {
		m.reportLoss(itemName(m.item), m.parts[0].apex, m.before, m.after)
	}
}

func (m *merge) reportLoss(what string, apex dname.Name, before, after int) {
	m.fs.warn("max-shrink", apex, m.place(), "%s had %d records when it was served last and has %d now; the earlier content is not kept over a restart, so the new one is served; check that its sources are complete", what, before, after)
}
