package update

import (
	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Target is the zone that a message is to change.
type Target struct {
	// Zone is the zone as it is served. No update removes, changes or hides what its layers
	// above that of updates have. Without a static layer, it has no source but updates.
	Zone *zone.Zone

	// Allow returns why a record of that owner and type may not be changed; empty
	// if it may. Nil: all may be.
	Allow func(owner dname.Name, t rr.Type) string

	// Origin describes what the derived PTRs at a name follow from, such as "www.example.net in
	// zone example.net"; nil or empty: that is not known.
	Origin func(owner dname.Name) string

	// IsDynamic reports whether updates added an RRset which has the same records as the one that is
	// derived or made by rules, so that the zone does not show it. It is asked only if the zone has a
	// layer of such RRsets.
	IsDynamic func(owner dname.Name, t rr.Type) (bool, error)

	Unix int64 // the time, for the serial
}

// Effect is what a message does to a zone.
type Effect struct {
	// Changeset leads from the zone to the changed one, as [zone.Zone.Apply] wants
	// it; nil if nothing changes.
	Changeset *zone.Changeset

	// Added are the records of the message that are in the zone afterwards, those
	// included that were there before; the SOA is not among them.
	Added []Record

	// Same are the RRsets, equal to derived ones but for TTLs or to those made by rules, that the message adds
	// to the layer of updates or, without data, removes from it. Changeset does not have them.
	Same []commit.RRset

	// Ignored are the records that have no effect although the client wanted one: those that RFC 2136 §3.4.2
	// has ignored without a word, and deletions of what rules make.
	Ignored []Ignored
}

// Ignored is a record of a message that has no effect.
type Ignored struct {
	Record *Record
	Why    string
}

// Run carries the message out in the order of RFC 2136 §3: prerequisites,
// form of the updates, permissions, updates. With a fault nothing changes.
func (m *Message) Run(t *Target) (*Effect, *Fault) {
	switch {
	case !t.Zone.IsAvailable():
		return nil, faultf(wire.RCodeServFail, "zone %v has no data", m.Zone)
	case t.Zone.IsPreSigned():
		return nil, faultf(wire.RCodeRefused, "zone %v is signed where its file is made, and a change would have no signature", m.Zone)
	}
	w := &work{t: t}
	if fault := w.prerequisites(m.Prerequisites); fault != nil {
		return nil, fault
	}
	if w.err != nil {
		return nil, w.noLayers()
	}
	if fault := w.prescan(m.Updates); fault != nil {
		return nil, fault
	}
	if fault := w.permissions(m.Updates); fault != nil {
		return nil, fault
	}
	for i := range m.Updates {
		if fault := w.update(&m.Updates[i]); fault != nil {
			return nil, fault
		}
	}
	fault := w.settleDerived()
	switch {
	case w.err != nil:
		return nil, w.noLayers()
	case fault != nil:
		return nil, fault
	}
	return w.effect(m.Updates)
}

func (w *work) noLayers() *Fault {
	return faultf(wire.RCodeServFail, "the updates of zone %v cannot be read: %v", w.t.Zone.Apex(), w.err)
}

// work is a message under way into a zone.
type work struct {
	t       *Target
	names   []*name // in the order in which they were first looked at
	byKey   map[string]*name
	ignored []Ignored
	derived []*name        // whose derived PTRs it would change
	same    []commit.RRset // of these; see Effect
	soa     bool           // the message brought an SOA of its own
	err     error          // of IsDynamic
}

func (w *work) inZone(r *Record) *Fault {
	if !r.Owner.IsAtOrBelow(w.t.Zone.Apex()) {
		return faultf(wire.RCodeNotZone, "%v is not in zone %v", r.Owner, w.t.Zone.Apex())
	}
	return nil
}

// prerequisites checks what the zone must be like (RFC 2136 §3.2).
func (w *work) prerequisites(list []Record) *Fault {
	type rrset struct {
		name *name
		typ  rr.Type
	}
	wanted := map[rrset][]*Record{} // of §3.2.3
	var order []rrset
	for i := range list {
		r := &list[i]
		if r.TTL != 0 {
			return faultf(wire.RCodeFormErr, "the prerequisite about %v at %v has TTL %d, must be 0 (RFC 2136 §3.2)", r.Type, r.Owner, r.TTL)
		}
		if fault := w.inZone(r); fault != nil {
			return fault
		}
		n := w.name(r.Owner)
		switch r.Class {
		case rr.ClassANY, rr.ClassNONE:
			if len(r.Data) != 0 {
				return faultf(wire.RCodeFormErr, "the prerequisite about %v at %v has RDATA, must have none in class %v (RFC 2136 §3.2)", r.Type, r.Owner, r.Class)
			}
			there := w.served(n, r.Type) != nil
			if r.Type == rr.TypeANY {
				there = len(n.now) > 0 || w.made(n) != nil
			}
			if there == (r.Class == rr.ClassANY) {
				continue
			}
			return unmet(r, there)
		case rr.ClassIN:
			key := rrset{n, r.Type}
			if wanted[key] == nil {
				order = append(order, key)
			}
			wanted[key] = append(wanted[key], r)
		default:
			return faultf(wire.RCodeFormErr, "the prerequisite about %v at %v has class %v, must have IN, ANY or NONE (RFC 2136 §3.2)", r.Type, r.Owner, r.Class)
		}
	}
	for _, key := range order {
		if !isExactly(w.served(key.name, key.typ), wanted[key]) {
			return faultf(wire.RCodeNXRRSet, "the %v RRset at %v is not what the prerequisite says", key.typ, key.name.owner)
		}
	}
	return nil
}

// unmet is the fault of a prerequisite about a name or RRset that is there, or
// is not.
func unmet(r *Record, there bool) *Fault {
	switch {
	case r.Type == rr.TypeANY && there:
		return faultf(wire.RCodeYXDomain, "%v is in use", r.Owner)
	case r.Type == rr.TypeANY:
		return faultf(wire.RCodeNXDomain, "%v is not in use", r.Owner)
	case there:
		return faultf(wire.RCodeYXRRSet, "%v has an RRset of type %v", r.Owner, r.Type)
	}
	return faultf(wire.RCodeNXRRSet, "%v has no RRset of type %v", r.Owner, r.Type)
}

// prescan checks the form of the updates (RFC 2136 §3.4.1).
func (w *work) prescan(list []Record) *Fault {
	for i := range list {
		r := &list[i]
		if fault := w.inZone(r); fault != nil {
			return fault
		}
		meta := r.Type.IsMeta() || r.Type == rr.TypeNone
		switch r.Class {
		case rr.ClassIN:
			if r.TTL > maxTTL {
				r.TTL = 0 // RFC 2181 §8
			}
		case rr.ClassANY:
			meta = meta && r.Type != rr.TypeANY
			if len(r.Data) != 0 {
				return faultf(wire.RCodeFormErr, "the deletion of %v at %v has RDATA, must have none in class ANY (RFC 2136 §3.4.1.2)", r.Type, r.Owner)
			}
			fallthrough
		case rr.ClassNONE:
			if r.TTL != 0 {
				return faultf(wire.RCodeFormErr, "the deletion of %v at %v has TTL %d, must be 0 (RFC 2136 §3.4.1.2)", r.Type, r.Owner, r.TTL)
			}
		default:
			return faultf(wire.RCodeFormErr, "the update of %v at %v has class %v, must have IN, ANY or NONE (RFC 2136 §3.4.1.2)", r.Type, r.Owner, r.Class)
		}
		if meta {
			return faultf(wire.RCodeFormErr, "type %v at %v exists in queries only, in class %v it cannot be updated (RFC 2136 §3.4.1.2)", r.Type, r.Owner, r.Class)
		}
	}
	return nil
}

const maxTTL = 1<<31 - 1

// permissions asks for each record whether it may be changed (RFC 2136 §3.3). A
// deletion of all that is at a name is asked about each RRset that would go.
func (w *work) permissions(list []Record) *Fault {
	if w.t.Allow == nil {
		return nil
	}
	for i := range list {
		r := &list[i]
		if r.Type != rr.TypeANY {
			if reason := w.t.Allow(r.Owner, r.Type); reason != "" {
				return forbidf("%s", reason)
			}
			continue
		}
		n := w.name(r.Owner)
		if len(n.now) == 0 { // not even whether a name exists is revealed
			if reason := w.t.Allow(r.Owner, rr.TypeANY); reason != "" {
				return forbidf("%s", reason)
			}
		}
		for _, s := range n.now {
			if reason := w.t.Allow(r.Owner, s.Type); reason != "" && !w.isApexCore(n, s.Type) {
				return forbidf("%s", reason)
			}
		}
	}
	return nil
}

// isApexCore reports whether an RRset is one that no deletion of whole RRsets
// takes away: SOA and NS of the apex.
func (w *work) isApexCore(n *name, t rr.Type) bool {
	return (t == rr.TypeSOA || t == rr.TypeNS) && n.owner.Equal(w.t.Zone.Apex())
}
