package update

import (
	"bytes"
	"slices"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone/rr"
)

// What rules make at a name is no data to update: it is neither removed nor added to, and shows
// when there is no other RRset of its type and no CNAME. This is the same whether the zone makes it when
// asked or has it as records (zone.Layers.Made). Prerequisites see the zone as it is served (RFC 2136
// §3.2), so that they see what is made.

// served returns the RRset of a type that queries see before the message, nil if there is none.
func (w *work) served(n *name, t rr.Type) *rrset {
	if s := n.find(t); s != nil {
		return s
	}
	if s := w.made(n); s != nil && s.typ == t {
		return s
	}
	return nil
}

// made returns the RRset made by rules that queries see at a name before the message, nil if there
// is none.
func (w *work) made(n *name) *rrset {
	z := w.t.Zone
	if z.HasRules() {
		if r, rule, isHidden := z.MadeAt(n.owner); rule != nil && !isHidden {
			return &rrset{r.Type, r.TTL, [][]byte{r.Data}}
		}
		return nil
	}
	if shown := n.shown(n.was); len(shown) > 0 && !z.IsOccluded(n.owner) {
		return shown[0]
	}
	return nil
}

// separate moves what rules made out of the RRsets that the zone has at a name.
func (w *work) separate(n *name) {
	l := w.t.Zone.Layers()
	if l.Static.IsOccluded(n.owner) {
		return
	}
	for s := range l.Made.RRsets(n.owner) {
		if !commit.IsMadeType(s.Type) {
			continue
		}
		set := newRRset(&s)
		n.made = append(n.made, set)
		if there := find(n.was, set.typ); !there.equal(set) {
			continue
		}
		if above, _ := commit.Above(w.t.Zone, n.owner, set.typ); above {
			continue
		}
		isDynamic, err := w.t.IsDynamic(n.owner, set.typ)
		if err != nil {
			w.err = err
		}
		if !isDynamic {
			n.was = slices.DeleteFunc(n.was, func(s *rrset) bool { return s.typ == set.typ })
		}
	}
}

// equal reports whether two RRsets, of which the first may be nil, have the same records.
func (s *rrset) equal(other *rrset) bool {
	if s == nil || s.ttl != other.ttl || len(s.data) != len(other.data) {
		return false
	}
	return !slices.ContainsFunc(s.data, func(d []byte) bool {
		return !slices.ContainsFunc(other.data, func(o []byte) bool { return bytes.Equal(d, o) })
	})
}

// shown returns the made RRsets that show where the other layers have those in list.
func (n *name) shown(list []*rrset) (shown []*rrset) {
	if len(n.made) == 0 || find(list, rr.TypeCNAME) != nil {
		return nil
	}
	for _, s := range n.made {
		if find(list, s.typ) == nil {
			shown = append(shown, s)
		}
	}
	return shown
}

// stored returns list with the made RRsets that show.
func (n *name) stored(list []*rrset) []*rrset {
	shown := n.shown(list)
	if len(shown) == 0 {
		return list
	}
	return append(list[:len(list):len(list)], shown...)
}

// same returns which made RRsets become RRsets of the layer of updates as well, or are no longer.
func (n *name) same() (list []Same) {
	for _, s := range n.made {
		was, is := n.had(s.typ).equal(s), n.find(s.typ).equal(s)
		if was != is {
			list = append(list, Same{n.owner, s.typ, is})
		}
	}
	return list
}
