package secondary

import (
	"fmt"
	"slices"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/rr"
)

const (
	// A difference that has come to more than this, or to four times what the zone
	// takes, is given up: to ask for the zone is cheaper then. Its records have some
	// twice the octets that they take in a zone, and those removed count as well.
	leastSteps = 1 << 20
	stepsFor   = 4
)

// steps are differences under way into a zone.
type steps struct {
	to    *zone.Zone      // what those before led to
	step  *zone.Changeset // that is coming
	limit int64           // octets
	slab  []byte          // room for names and RDATA
	held  int64           // octets of memory that the records take
}

// beginSteps begins with differences, whose first SOA, of what we have, is s.
func (r *Receiver) beginSteps(s soa) {
	r.steps = steps{to: r.a.Base, limit: max(leastSteps, stepsFor*r.a.Base.Stats().Bytes)}
	r.beginStep(s)
}

func (r *Receiver) beginStep(s soa) {
	r.steps.step = &zone.Changeset{Apex: r.a.Apex, From: s.serial, Removed: []zone.Record{r.soaRecord(s)}}
	r.state = inRemoved
}

func (r *Receiver) soaRecord(s soa) zone.Record {
	return zone.Record{Owner: r.a.Apex, Type: rr.TypeSOA, TTL: s.ttl, Data: s.data}
}

// difference takes the next record of differences (RFC 1995 §4). An SOA ends what is
// removed, and then what is added.
func (r *Receiver) difference(rec *zone.Record, s soa, isSOA bool) error {
	w := &r.steps
	if r.octets > w.limit {
		return fmt.Errorf("more than %d octets of differences, the zone is smaller", w.limit)
	}
	switch {
	case !isSOA && !rec.Owner.IsAtOrBelow(r.a.Apex):
		r.out.Outside++
	case !isSOA && r.state == inRemoved:
		w.step.Removed = append(w.step.Removed, w.keep(rec))
	case !isSOA:
		w.step.Added = append(w.step.Added, w.keep(rec))
	case r.state == inRemoved:
		if !w.step.From.Before(s.serial) {
			return fmt.Errorf("a difference leads from serial %d to %d, which is not after it (RFC 1982)", w.step.From, s.serial)
		}
		if s.serial != r.soa.serial && !s.serial.Before(r.soa.serial) {
			return fmt.Errorf("a difference leads from serial %d to %d, past the end at %d", w.step.From, s.serial, r.soa.serial)
		}
		w.step.To = s.serial
		w.step.Added = append(w.step.Added, r.soaRecord(s))
		r.state = inAdded
	default:
		if err := r.endStep(); err != nil {
			return err
		}
		switch {
		case s.serial != w.to.Serial():
			return fmt.Errorf("a difference leads to serial %d, and then SOA %d follows", w.to.Serial(), s.serial)
		case s.serial != r.soa.serial:
			r.beginStep(s)
		case !r.soa.equal(&s):
			return fmt.Errorf("the answer ends with another SOA of serial %d than it began with", s.serial)
		default:
			r.out.Zone = w.to
			r.state = atEnd
		}
	}
	return nil
}

// endStep applies the difference that has come.
func (r *Receiver) endStep() error {
	w := &r.steps
	next, err := w.to.ApplyPaused(w.step, r.a.Pause)
	if err != nil && w.dropPresent() {
		next, err = w.to.ApplyPaused(w.step, r.a.Pause)
	}
	if err != nil {
		return fmt.Errorf("the difference from serial %d to %d does not fit: %w", w.step.From, w.step.To, err)
	}
	findings := next.Recheck(w.step, r.a.Pause)
	if slices.ContainsFunc(findings, func(f zone.Finding) bool { return f.Severity == zone.Error }) {
		return unfit(findings)
	}
	r.warn(findings...)
	w.to = next
	r.out.Changes = append(r.out.Changes, w.step)
	return nil
}

// dropPresent takes out of the step what it adds although it is there, and reports
// whether it found any. NSD 4.6 adds TXT records that did not change, and what comes
// of it is the same. What a step removes although it is not there has no such excuse: we
// have another zone than the primary thinks.
func (w *steps) dropPresent() bool {
	removed := map[string]bool{}
	for i := range w.step.Removed {
		removed[recordKey(&w.step.Removed[i])] = true
	}
	before := len(w.step.Added)
	w.step.Added = slices.DeleteFunc(w.step.Added, func(r zone.Record) bool {
		s, ok := w.to.Get(r.Owner, r.Type)
		if !ok || s.TTL != r.TTL || removed[recordKey(&r)] {
			return false
		}
		for d := s.Data(); d.Next(); {
			if len(d.Head)+len(d.Tail) == len(r.Data) && string(d.Head) == string(r.Data[:len(d.Head)]) && string(d.Tail) == string(r.Data[len(d.Head):]) {
				return true
			}
		}
		return false
	})
	return len(w.step.Added) < before
}

// recordKey returns a text that tells a record from others, but for its TTL.
func recordKey(r *zone.Record) string {
	return r.Owner.Key() + string([]byte{byte(r.Type >> 8), byte(r.Type)}) + string(r.Data)
}

// recordOctets is what a zone.Record takes in a list that grows, besides name and RDATA.
const recordOctets = 128

// keep returns a record of our own.
func (w *steps) keep(rec *zone.Record) zone.Record {
	const room = 32 << 10
	n := len(rec.Owner) + len(rec.Data)
	w.held += int64(n) + recordOctets
	if cap(w.slab)-len(w.slab) < n {
		// The first is small: most differences are.
		w.slab = make([]byte, 0, max(n, min(room, 512+2*cap(w.slab))))
	}
	at := len(w.slab)
	w.slab = append(append(w.slab, rec.Owner...), rec.Data...)
	out := *rec
	end := at + len(rec.Owner)
	out.Owner, out.Data = w.slab[at:end:end], w.slab[end:len(w.slab):len(w.slab)]
	return out
}
