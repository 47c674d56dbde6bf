package secondary

import (
	"fmt"
	"slices"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

const (
	// Differences larger than minDifferences and than differenceFactor times the zone are not read
	// to the end: an AXFR is cheaper then. Their records have about twice the octets that they take
	// in a zone, and removed ones count as well.
	minDifferences   = 1 << 20
	differenceFactor = 4
)

// differences are the difference sequences of an IXFR that is being received (RFC 1995 §4). They are
// applied one by one.
type differences struct {
	zone  *zone.Zone      // after those that are complete
	next  *zone.Changeset // that is being received
	limit int64           // octets
	slab  []byte          // memory for names and RDATA
	held  int64           // octets of memory that the records take
}

// beginDifferences begins with the first SOA of the differences, s, that of the current copy.
func (r *receiver) beginDifferences(s soa) {
	r.differences = differences{zone: r.a.base, limit: max(minDifferences, differenceFactor*r.a.base.Stats().Bytes)}
	r.beginDifference(s)
}

func (r *receiver) beginDifference(s soa) {
	r.differences.next = &zone.Changeset{Apex: r.a.apex, From: s.serial, Removed: []zone.Record{r.soaRecord(s)}}
	r.state = inRemoved
}

func (r *receiver) soaRecord(s soa) zone.Record {
	return zone.Record{Owner: r.a.apex, Type: rr.TypeSOA, TTL: s.ttl, Data: s.data}
}

// handleDifference handles the next record of differences. An SOA ends the removed records, and then
// the added ones.
func (r *receiver) handleDifference(rec *zone.Record, s soa, isSOA bool) error {
	d := &r.differences
	if r.octets > d.limit {
		return fmt.Errorf("more than %d octets of differences, the zone is smaller", d.limit)
	}
	switch {
	case !isSOA && !rec.Owner.IsAtOrBelow(r.a.apex):
		r.out.outside++
	case !isSOA && r.state == inRemoved:
		d.next.Removed = append(d.next.Removed, d.copyRecord(rec))
	case !isSOA:
		d.next.Added = append(d.next.Added, d.copyRecord(rec))
	case r.state == inRemoved:
		if !d.next.From.Before(s.serial) {
			return fmt.Errorf("a difference leads from serial %d to %d, which is not after it (RFC 1982)", d.next.From, s.serial)
		}
		if s.serial != r.soa.serial && !s.serial.Before(r.soa.serial) {
			return fmt.Errorf("a difference leads from serial %d to %d, past the end at %d", d.next.From, s.serial, r.soa.serial)
		}
		d.next.To = s.serial
		d.next.Added = append(d.next.Added, r.soaRecord(s))
		r.state = inAdded
	default:
		if err := r.applyDifference(); err != nil {
			return err
		}
		switch {
		case s.serial != d.zone.Serial():
			return fmt.Errorf("a difference leads to serial %d, and then SOA %d follows", d.zone.Serial(), s.serial)
		case s.serial != r.soa.serial:
			r.beginDifference(s)
		case !r.soa.equal(&s):
			return fmt.Errorf("the answer ends with another SOA of serial %d than it began with", s.serial)
		default:
			r.out.zone = d.zone
			r.state = atEnd
		}
	}
	return nil
}

// applyDifference applies a difference that is complete.
func (r *receiver) applyDifference() error {
	d := &r.differences
	next, err := d.zone.ApplyPaused(d.next, r.a.pause)
	if err != nil && d.dropPresent() {
		next, err = d.zone.ApplyPaused(d.next, r.a.pause)
	}
	if err != nil {
		return fmt.Errorf("the difference from serial %d to %d does not fit: %w", d.next.From, d.next.To, err)
	}
	findings := next.Recheck(d.next, r.a.pause)
	if slices.ContainsFunc(findings, func(f finding.Finding) bool { return f.Severity == finding.Error }) {
		return invalidZone(findings)
	}
	r.warn(findings...)
	d.zone = next
	r.out.changes = append(r.out.changes, d.next)
	return nil
}

// dropPresent removes from the difference added records that the zone has already, and reports
// whether there were any. NSD 4.6 adds TXT records that did not change, and the result is the same. A
// removed record that the zone does not have is an error: then the current copy is not what the
// primary has under that serial.
func (d *differences) dropPresent() bool {
	removed := map[string]bool{}
	for i := range d.next.Removed {
		removed[d.next.Removed[i].Key()] = true
	}
	before := len(d.next.Added)
	d.next.Added = slices.DeleteFunc(d.next.Added, func(r zone.Record) bool {
		s, ok := d.zone.Get(r.Owner, r.Type)
		if !ok || s.TTL != r.TTL || removed[r.Key()] {
			return false
		}
		for it := s.Data(); it.Next(); {
			if string(it.Head)+string(it.Tail) == string(r.Data) {
				return true
			}
		}
		return false
	})
	return len(d.next.Added) < before
}

// recordOctets is what a zone.Record without name and RDATA takes in a growing list.
const recordOctets = 128

// copyRecord returns a copy of a record.
func (d *differences) copyRecord(rec *zone.Record) zone.Record {
	const slabOctets = 32 << 10
	n := len(rec.Owner) + len(rec.Data)
	d.held += int64(n) + recordOctets
	if cap(d.slab)-len(d.slab) < n {
		// The first slab is small, as most differences are.
		d.slab = make([]byte, 0, max(n, min(slabOctets, 512+2*cap(d.slab))))
	}
	at := len(d.slab)
	d.slab = append(append(d.slab, rec.Owner...), rec.Data...)
	out := *rec
	end := at + len(rec.Owner)
	out.Owner, out.Data = d.slab[at:end:end], d.slab[end:len(d.slab):len(d.slab)]
	return out
}
