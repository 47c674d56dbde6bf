package update

import (
	"bytes"
	"slices"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// name is an owner name that a message speaks of.
type name struct {
	owner    dname.Name
	was, now []*commit.RRset // RRsets before the message, which never change, and as far as it was carried out; without made ones
	made     []*commit.RRset // that the zone stores unless was or now hides them
	added    commit.RRset    // PTRs that the message adds, whatever it does with them later, if the zone derives some
}

// name returns the name with the RRsets that the zone has there.
func (w *work) name(owner dname.Name) *name {
	for _, n := range w.names {
		if n.owner.Equal(owner) {
			return n
		}
		if w.byKey != nil {
			break
		}
	}
	if w.byKey != nil {
		if n := w.byKey[owner.Key()]; n != nil {
			return n
		}
	}
	n := &name{owner: owner, added: commit.RRset{Owner: owner, Type: rr.TypePTR}}
	for s := range w.t.Zone.RRsets(owner) {
		n.was = append(n.was, newRRset(owner, &s))
	}
	if w.t.Zone.Layers().Made != nil {
		w.separate(n)
	}
	n.now = slices.Clone(n.was)
	w.names = append(w.names, n)
	// Most messages speak of one or two names, for which a map is not worth while.
	const few = 8
	switch {
	case w.byKey != nil:
		w.byKey[owner.Key()] = n
	case len(w.names) > few:
		w.byKey = map[string]*name{}
		for _, n := range w.names {
			w.byKey[n.owner.Key()] = n
		}
	}
	return n
}

func newRRset(owner dname.Name, s *zone.RRset) *commit.RRset {
	set := commit.NewRRset(owner, s)
	return &set
}

// find returns the RRset of a type as it is now, nil if there is none.
func (n *name) find(t rr.Type) *commit.RRset { return find(n.now, t) }

func find(list []*commit.RRset, t rr.Type) *commit.RRset {
	for _, s := range list {
		if s.Type == t {
			return s
		}
	}
	return nil
}

// edit returns the RRset of a type for changing; there need not be one yet.
func (n *name) edit(t rr.Type) *commit.RRset {
	for i, s := range n.now {
		if s.Type != t {
			continue
		}
		for _, old := range n.was {
			if old == s {
				s = &commit.RRset{Owner: s.Owner, Type: s.Type, TTL: s.TTL, Data: slices.Clone(s.Data)}
				n.now[i] = s
			}
		}
		return s
	}
	s := &commit.RRset{Owner: n.owner, Type: t}
	n.now = append(n.now, s)
	return s
}

// drop removes the RRset of a type.
func (n *name) drop(t rr.Type) {
	for i, s := range n.now {
		if s.Type == t {
			n.now = append(n.now[:i:i], n.now[i+1:]...)
			return
		}
	}
}

// isExactly reports whether an RRset, nil for none, has the records of list and
// no others; TTLs do not count (RFC 2136 §3.2.3).
func isExactly(s *commit.RRset, list []*Record) bool {
	if s == nil {
		return false
	}
	found := make([]bool, len(s.Data))
	for _, r := range list {
		i := s.Index(r.Data)
		if i < 0 {
			return false
		}
		found[i] = true
	}
	for _, f := range found {
		if !f {
			return false
		}
	}
	return true
}

func (w *work) ignore(r *Record, why string) { w.ignored = append(w.ignored, Ignored{r, why}) }

// update carries out one record of the update section (RFC 2136 §3.4.2).
func (w *work) update(r *Record) *Fault {
	n := w.name(r.Owner)
	switch {
	case r.Class == rr.ClassIN:
		return w.add(r, n)
	case r.Class == rr.ClassNONE:
		return w.remove(r, n)
	case r.Type == rr.TypeANY: // §3.4.2.3
		for _, s := range slices.Clone(n.now) {
			if w.isApexCore(n, s.Type) {
				continue
			}
			if fault := w.static(n, s.Type); fault != nil {
				return fault
			}
			n.drop(s.Type)
		}
	case n.find(r.Type) == nil:
	case w.isApexCore(n, r.Type):
		w.ignore(r, "SOA and NS of the apex are not deleted as a whole (RFC 2136 §3.4.2.3)")
	default:
		if fault := w.static(n, r.Type); fault != nil {
			return fault
		}
		n.drop(r.Type)
	}
	return nil
}

// remove deletes one record from its RRset (§3.4.2.4).
func (w *work) remove(r *Record, n *name) *Fault {
	s := n.find(r.Type)
	if s == nil {
		return nil
	}
	i := s.Index(r.Data)
	switch {
	case i < 0:
		return nil
	case r.Type == rr.TypeSOA || len(s.Data) == 1 && w.isApexCore(n, r.Type):
		w.ignore(r, "the SOA and the last NS of the apex are not deleted (RFC 2136 §3.4.2.4)")
		return nil
	}
	if fault := w.static(n, r.Type); fault != nil {
		return fault
	}
	if len(s.Data) == 1 {
		n.drop(r.Type)
		return nil
	}
	s = n.edit(r.Type)
	s.Data = append(s.Data[:i], s.Data[i+1:]...)
	return nil
}

// static is the fault of a change to an RRset that comes from the sources of the
// zone.
func (w *work) static(n *name, t rr.Type) *Fault {
	isAbove, isDerived := commit.Above(w.t.Zone, n.owner, t)
	switch {
	case !isAbove:
		return nil
	case isDerived:
		w.touchDerived(n)
		return nil
	}
	return faultf(wire.RCodeRefused, "%v at %v comes from the sources of the zone, which no update changes; change it there", t, n.owner)
}

// add puts a record into the zone (§3.4.2.2).
func (w *work) add(r *Record, n *name) *Fault {
	s := n.find(r.Type)
	switch r.Type {
	case rr.TypeRRSIG, rr.TypeNSEC, rr.TypeNSEC3, rr.TypeNSEC3PARAM:
		return faultf(wire.RCodeRefused, "%v at %v: what proves a zone's answers is made by its signer, not by updates", r.Type, r.Owner)
	case rr.TypeCNAME:
		for _, other := range n.now {
			if !commit.CoexistsWithCNAME(other.Type) {
				w.ignore(r, "the name has "+other.Type.String()+", and an alias has no other data (RFC 2136 §3.4.2.2)")
				return nil
			}
		}
	case rr.TypeSOA:
		if s == nil {
			w.ignore(r, "an SOA belongs at the apex only (RFC 2136 §3.4.2.2)")
			return nil
		}
		// After the first one too: of several in a message, each may be after the one
		// before it, and the last still not after what is served.
		if next := zone.SerialOf(r.Data); !zone.SerialOf(s.Data[0]).Before(next) || !w.t.Zone.Serial().Before(next) {
			w.ignore(r, "its serial is not after that of the zone (RFC 2136 §3.4.2.2)")
			return nil
		}
	case rr.TypeKEY:
	default:
		if alias := n.find(rr.TypeCNAME); alias != nil {
			w.ignore(r, "the name is an alias of "+dname.Name(alias.Data[0]).String()+", and an alias has no other data (RFC 2136 §3.4.2.2)")
			return nil
		}
	}
	isAmongDerived := r.Type == rr.TypePTR && w.t.Zone.Layers().Derived != nil
	if isAmongDerived {
		n.added.Data = append(n.added.Data, r.Data)
	}
	if s == nil {
		if fault := w.hides(r, n); fault != nil {
			return fault
		}
		s = n.edit(r.Type)
		s.TTL, s.Data = r.TTL, [][]byte{r.Data}
		return nil
	}
	i := s.Index(r.Data)
	if i >= 0 && s.TTL == r.TTL && bytes.Equal(s.Data[i], r.Data) {
		if isAmongDerived {
			_ = w.static(n, r.Type) // no fault: it changes nothing of what is served
		}
		return nil
	}
	if fault := w.static(n, r.Type); fault != nil {
		return fault
	}
	s = n.edit(r.Type)
	s.TTL = r.TTL // of the whole RRset: it has one (RFC 2181 §5.2)
	if i < 0 {
		i = slices.IndexFunc(s.Data, func(old []byte) bool { return replaces(r.Type, r.Data, old) })
	}
	if i >= 0 { // of a record that is there already, with the case of names that it has now
		s.Data[i] = r.Data
	} else {
		s.Data = append(s.Data, r.Data)
	}
	w.soa = w.soa || r.Type == rr.TypeSOA
	return nil
}

// replaces reports whether a record takes the place of another one, of which
// there can be only one (RFC 2136 §3.4.2.2; for DNAME, RFC 6672 §2.4).
func replaces(t rr.Type, data, old []byte) bool {
	const typeWKS, wksKey = 11, 5 // octets of ADDRESS and PROTOCOL
	switch t {
	case rr.TypeSOA, rr.TypeCNAME, rr.TypeDNAME:
		return true
	case typeWKS:
		return len(data) >= wksKey && len(old) >= wksKey && bytes.Equal(data[:wksKey], old[:wksKey])
	}
	return false
}

// hides is the fault of a new RRset that would take names away from those that
// have them: below it, those of the sources, or at it, since a zone cut cannot be
// redirected.
func (w *work) hides(r *Record, n *name) *Fault {
	other := rr.TypeNS
	switch r.Type {
	case rr.TypeDNAME:
	case rr.TypeNS:
		other = rr.TypeDNAME
	default:
		return nil
	}
	atApex := n.owner.Equal(w.t.Zone.Apex())
	if !atApex && n.find(other) != nil {
		return faultf(wire.RCodeRefused, "%v at %v, which has %v: a zone cut cannot have a DNAME as well (RFC 6672 §2.3)", r.Type, r.Owner, other)
	}
	if static := w.t.Zone.Layers().Static; static != nil && static.HasBelow(n.owner) {
		return faultf(wire.RCodeRefused, "%v at %v would hide names below it that come from the sources of the zone; remove them there first", r.Type, r.Owner)
	}
	return nil
}

// effect compares what the names have with what they had.
func (w *work) effect(list []Record) (*Effect, *Fault) {
	w.ignoreMade(list)
	e := &Effect{Ignored: w.ignored}
	var c zone.Changeset // without SOA
	for _, n := range w.names {
		was, now := n.records(n.was, n.now), n.records(n.now, n.was)
		c.Removed, c.Added = append(c.Removed, commit.Missing(was, now)...), append(c.Added, commit.Missing(now, was)...)
		for _, s := range n.now {
			if !fits(s) && n.had(s.Type) != s {
				return nil, faultf(wire.RCodeRefused, "the %d records of %v at %v would not fit in a message", len(s.Data), s.Type, n.owner)
			}
		}
	}
	e.Same = w.same
	for _, n := range w.names {
		e.Same = append(e.Same, n.same()...)
	}
	if len(c.Removed)+len(c.Added) > 0 || w.soa {
		e.Changeset = w.t.Zone.ChangesetTo(w.nextSOA(), c.Removed, c.Added)
	}
	for i := range list {
		if r := &list[i]; r.Class == rr.ClassIN && r.Type != rr.TypeSOA {
			if s := w.name(r.Owner).find(r.Type); s != nil && s.Index(r.Data) >= 0 {
				e.Added = append(e.Added, *r)
			}
		}
	}
	return e, nil
}

// had returns the RRset of a type before the message.
func (n *name) had(t rr.Type) *commit.RRset { return find(n.was, t) }

// records returns the records, but for the SOA, that the zone stores at the name with the RRsets of list, without those
// of RRsets that other has too.
func (n *name) records(list, other []*commit.RRset) (out []zone.Record) {
	for _, s := range n.stored(list) {
		if s.Type != rr.TypeSOA && !slices.Contains(other, s) {
			out = append(out, s.Records()...)
		}
	}
	return out
}

// fits reports whether an RRset can be sent at all.
func fits(s *commit.RRset) bool {
	const rrFixed, question = 12, dname.MaxWire + 4 // octets; the owner is a compression pointer
	size := wire.HeaderLen + wire.OPTLen + question
	for _, d := range s.Data {
		size += rrFixed + len(d)
	}
	return size <= wire.MaxMessage
}

// nextSOA returns the SOA of the zone after the message.
func (w *work) nextSOA() zone.Record {
	soa := w.t.Zone.SOA()
	if !w.soa {
		return soa.WithSerial(commit.NextSerial(w.t.Zone, w.t.Unix))
	}
	s := w.name(soa.Owner).find(rr.TypeSOA)
	soa.TTL, soa.Data = s.TTL, s.Data[0]
	return soa
}
