package history

import (
	"slices"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/synth"
)

// reader makes lines of a part, the newest first.
type reader struct {
	*Part
	// zone has what is served at the name, and the rules, after the next change; nil: that is not
	// known. The rest is as it is now.
	zone *zone.Zone
}

func (p *Part) reader() *reader {
	r := &reader{Part: p}
	if p.Name != nil && p.Now != nil && p.Now.IsAvailable() && !p.Now.IsSigned() {
		r.zone = p.Now
	}
	return r
}

// line returns a line of the part; false: it is about other names.
func (p *reader) line(l *journal.Line) (Line, bool) {
	line := lineOf(p.Zone, l)
	c := l.Changeset
	if c == nil || p.About == nil {
		p.zone = nil
		return line, true
	}
	removed, added := p.undo(c)
	line.RemovedRecords, line.AddedRecords = append(texts(c.Removed, p.isWanted), removed...), append(texts(c.Added, p.isWanted), added...)
	return line, len(line.RemovedRecords)+len(line.AddedRecords) > 0
}

// isWanted reports whether a record is asked for.
func (p *reader) isWanted(r *zone.Record) bool {
	if p.About(r.Owner) {
		return true
	}
	if r.Type != synth.Type || !p.Prefix.IsValid() {
		return false
	}
	rule, err := synth.ParseRule(r.Data)
	return err == nil && rule.Prefix.Overlaps(p.Prefix)
}

// undo undoes a change as far as the name depends on it: by records there and above it, and by rules. It
// returns what rules made before and after the change, if that differs.
func (p *reader) undo(c *zone.Changeset) (removed, added []string) {
	if p.zone == nil || p.zone.Serial() != c.To {
		return nil, nil // a change after the zone was read, or with those behind it not known
	}
	concerns := func(list []zone.Record) (out []zone.Record) {
		for _, r := range list {
			if r.Type == rr.TypeSOA || r.Type == synth.Type || p.Name.IsAtOrBelow(r.Owner) {
				out = append(out, r)
			}
		}
		return out
	}
	after := p.zone
	p.zone, _ = after.Apply(&zone.Changeset{Apex: c.Apex, From: c.To, To: c.From, Removed: concerns(c.Added), Added: concerns(c.Removed)})
	if p.zone == nil || !p.zone.HasRules() && !after.HasRules() {
		return nil, nil
	}
	removed, added = madeAt(p.zone, p.Name), madeAt(after, p.Name)
	if slices.Equal(removed, added) {
		return nil, nil
	}
	return removed, added
}

// madeAt returns the record that a rule makes at a name.
func madeAt(z *zone.Zone, name dname.Name) []string {
	made, data, isHidden := z.MadeAt(name)
	rule, err := synth.ParseRule(data)
	if err != nil || isHidden {
		return nil
	}
	return []string{text(&made) + " ; made by the rule for " + rule.Prefix.String()}
}
