package answer

import (
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// maxAliases bounds the chain of CNAME and DNAME records in an answer. A longer chain is a
// mistake, or an attempt to make answers expensive. Resolvers stop at similar lengths (BIND
// after 11, Unbound after 11), and a [zone.Answer] has room for this many.
const maxAliases = 16

// resolve answers a question about our zones: the steps of RFC 1034 §4.3.2 but
// the first, which is about recursion.
func (r *Responder) resolve(v *View, q *Request, buf []byte) (int, Verdict) {
	m, p := &r.m, v.Policy

	// Step 2: the nearest zone.
	z := r.zoneFor(v, q, m.question.Name)
	switch {
	case z == nil:
		return r.fail(v, q, buf, wire.RCodeRefused, CountNotOurs, wire.EDENotAuthoritative, "")
	case !p.maySee(z, q):
		return r.fail(v, q, buf, wire.RCodeRefused, CountProhibited, wire.EDEProhibited, "")
	case !z.IsAvailable():
		p.countQuery(z)
		if z.IsExpired() {
			return r.fail(v, q, buf, wire.RCodeServFail, CountUnavailable, wire.EDEInvalidData, "zone has expired")
		}
		return r.fail(v, q, buf, wire.RCodeServFail, CountUnavailable, wire.EDENotReady, "zone has no valid data yet")
	}
	p.countQuery(z)
	r.zone = z

	// Steps 3 and 4, in each zone of the chain of aliases. The chain ends, with what was
	// found so far, at a name that is not served here or not to this client.
	a := &r.answer
	a.Reset()
	a.Large = !q.Transport.IsDatagram()
	do := m.isDO()
	z.Lookup(m.question.Name, m.question.Type, do, a)
	// RFC 1034 §6.2.7, RFC 1035 §4.1.1: AA concerns the first owner name.
	f := wire.AA
	if a.Kind == zone.Referral || m.question.Class == rr.ClassANY {
		f = 0 // QCLASS ANY includes classes that are not served (RFC 1035 §6.2)
	}
	for n := 1; a.Next != nil && n <= maxAliases && !r.isInChain(a.Next); n++ {
		z := r.zoneFor(v, q, a.Next)
		if z == nil || !p.maySee(z, q) || !z.IsAvailable() {
			break
		}
		z.Lookup(a.Next, m.question.Type, do, a)
	}

	r.begin(p, buf)
	if !r.write() {
		f |= wire.TC
	}
	c, outcome := outcomeOf(a)
	return r.finish(p, q, f, c, outcome, 0, "")
}

// zoneFor returns the zone that answers for name: the one with the longest apex. For DS at an
// apex it is the zone above, which has the DS (RFC 4035 §3.1.4.1), if that is served here and
// to this client; otherwise the zone below answers that there is none.
func (r *Responder) zoneFor(v *View, q *Request, name dname.Name) *zone.Zone {
	z := v.Zones.Find(name)
	if r.m.question.Type == rr.TypeDS && z != nil && len(z.Apex()) == len(name) {
		if above := v.Zones.FindAbove(name); above != nil && above.IsAvailable() && v.Policy.maySee(above, q) {
			return above
		}
	}
	return z
}

// isInChain reports whether the chain of aliases has been at name already.
func (r *Responder) isInChain(name dname.Name) bool {
	for i := range r.answer.Items {
		it := &r.answer.Items[i]
		if it.Section == zone.SectionAnswer && it.Set.Type == rr.TypeCNAME && it.Owner.Equal(name) {
			return true
		}
	}
	return false
}

// outcomeOf returns the RCODE, which is that of the last link of a chain (RFC 6604
// §3), and what to count.
func outcomeOf(a *zone.Answer) (wire.RCode, Counter) {
	switch a.Kind {
	case zone.NoData:
		return wire.RCodeNoError, CountNoData
	case zone.NXDomain:
		return wire.RCodeNXDomain, CountNXDomain
	case zone.Referral:
		return wire.RCodeNoError, CountReferral
	case zone.TooLong: // RFC 6672 §2.2
		return wire.RCodeYXDomain, CountYXDomain
	}
	return wire.RCodeNoError, CountAnswered
}

// write writes the items of the answer, section by section, and reports whether
// all that a response must hold is in it. An RRset is written whole or not at all
// (RFC 2181 §9). Where one of the answer or authority section does not fit,
// nothing is written behind it; of the additional section as much is as fits, and
// only glue that is required is missed (RFC 9471 §3.1).
func (r *Responder) write() (whole bool) {
	whole = !r.answer.Cut
	for s := range wire.Additional + 1 {
		for i := range r.answer.Items {
			it := &r.answer.Items[i]
			if wire.Section(it.Section) != s || r.writeItem(s, it, true) {
				continue
			}
			if s != wire.Additional {
				return false
			}
			// RFC 4035 §3.1.1: signatures may be left out here.
			if it.Set.Sigs() > 0 && !it.SigsOnly && r.writeItem(s, it, false) {
				continue
			}
			whole = whole && !it.Required
		}
	}
	return whole
}

// writeItem writes an RRset, with its signatures if sigs is set; if it does not
// fit, nothing of it.
func (r *Responder) writeItem(s wire.Section, it *zone.Item, sigs bool) bool {
	w := &r.w
	mark := w.Mark()
	owner := wire.Owner{Name: it.Owner}
	if !it.SigsOnly {
		for d := it.Set.Data(); d.Next(); {
			if !w.Record(s, &owner, it.Set.Type, rr.ClassIN, it.TTL, d.Head, d.Tail) {
				w.Rollback(mark)
				return false
			}
		}
	}
	if sigs && it.Set.Sigs() > 0 {
		for d := it.Set.SigData(); d.Next(); {
			if !w.Record(s, &owner, rr.TypeRRSIG, rr.ClassIN, it.SigTTL, d.Head, d.Tail) {
				w.Rollback(mark)
				return false
			}
		}
	}
	return true
}
