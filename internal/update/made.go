package update

import (
	"slices"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone/rr"
)

// What rules make at a name is no data to update: it is neither removed nor added to, and shows
// when there is no other RRset of its type and no CNAME. This is the same whether the zone makes it when
// asked or has it as records (zone.Layers.Made). Prerequisites see the zone as it is served (RFC 2136
// §3.2), so that they see what is made.

// served returns the RRset of a type that queries see before the message, nil if there is none.
func (w *work) served(n *name, t rr.Type) *commit.RRset {
	if s := n.find(t); s != nil {
		return s
	}
	if s := w.made(n); s != nil && s.Type == t {
		return s
	}
	return nil
}

// made returns the RRset made by rules that queries see at a name before the message, nil if there
// is none.
func (w *work) made(n *name) *commit.RRset {
	z := w.t.Zone
	if z.HasRules() {
		if r, rule, isHidden := z.MadeAt(n.owner); rule != nil && !isHidden {
			return &commit.RRset{Owner: n.owner, Type: r.Type, TTL: r.TTL, Data: [][]byte{r.Data}}
		}
		return nil
	}
	if shown := n.shown(n.was); len(shown) > 0 && !z.IsOccluded(n.owner) {
		return shown[0]
	}
	return nil
}

// ignoreMade records which deletions of a message leave a made RRset that they were to remove.
func (w *work) ignoreMade(list []Record) {
	for i := range list {
		r := &list[i]
		if r.Class == rr.ClassIN {
			continue
		}
		n := w.name(r.Owner)
		s := w.made(n)
		if s == nil || r.Type != rr.TypeANY && r.Type != s.Type || r.Class == rr.ClassNONE && s.Index(r.Data) < 0 {
			continue
		}
		if n.find(s.Type) == nil && n.find(rr.TypeCNAME) == nil && n.find(rr.TypeNS) == nil {
			w.ignore(r, "a range has "+s.Type.String()+" for each of its names, which no update removes; change `synth`, or add another record in its place")
		}
	}
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
		set := newRRset(n.owner, &s)
		n.made = append(n.made, set)
		if !equal(find(n.was, set.Type), set) {
			continue
		}
		if above, _ := commit.Above(w.t.Zone, n.owner, set.Type); above {
			continue
		}
		if !w.isDynamic(n, set.Type) {
			n.was = slices.DeleteFunc(n.was, func(s *commit.RRset) bool { return s.Type == set.Type })
		}
	}
}

// equal reports whether an RRset, nil for none, has the records of another one.
func equal(s, other *commit.RRset) bool { return s != nil && s.Equal(*other) }

// shown returns the made RRsets that show where the other layers have those in list.
func (n *name) shown(list []*commit.RRset) (shown []*commit.RRset) {
	if len(n.made) == 0 || find(list, rr.TypeCNAME) != nil {
		return nil
	}
	for _, s := range n.made {
		if find(list, s.Type) == nil {
			shown = append(shown, s)
		}
	}
	return shown
}

// stored returns list with the made RRsets that show.
func (n *name) stored(list []*commit.RRset) []*commit.RRset {
	shown := n.shown(list)
	if len(shown) == 0 {
		return list
	}
	return append(list[:len(list):len(list)], shown...)
}

// same returns the made RRsets that become RRsets of the layer of updates as well, and without data those that are
// no longer.
func (n *name) same() (list []commit.RRset) {
	for _, s := range n.made {
		now := n.find(s.Type)
		if was, is := equal(n.had(s.Type), s), equal(now, s); is && !was {
			list = append(list, *now)
		} else if was && !is {
			list = append(list, commit.RRset{Owner: n.owner, Type: s.Type})
		}
	}
	return list
}
