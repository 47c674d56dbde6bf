package update

import (
	"cmp"
	"slices"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// touchDerived records that the message changes the derived PTRs of a name, or adds to them what they have.
func (w *work) touchDerived(n *name) {
	if !slices.Contains(w.derived, n) {
		w.derived = append(w.derived, n)
	}
}

// settleDerived restores the derived PTRs that the message would change, which no update can. It may
// leave the same names: if it adds all of them, the layer of updates has them as well from then on. Or it may
// leave none, if that layer has the same, which then loses them. So a DHCP server can update the names of its
// leases here, whether ptrd has read of them in its file before or after.
func (w *work) settleDerived() *Fault {
	for _, n := range w.derived {
		derived, now := n.had(rr.TypePTR), n.find(rr.TypePTR)
		isSame := now.hasData(derived)
		if !isSame {
			isDynamic := false
			if now == nil && n.find(rr.TypeCNAME) == nil {
				var err error
				if isDynamic, err = w.t.IsDynamic(n.owner, rr.TypePTR); err != nil {
					w.err = err
				}
			}
			if !isDynamic {
				return w.derivedFault(n.owner)
			}
		}
		n.drop(rr.TypePTR)
		n.now = append(n.now, derived)
		if !isSame || n.added.includes(derived) {
			w.same = append(w.same, Same{n.owner, rr.TypePTR, isSame})
		}
	}
	return nil
}

// hasData reports whether an RRset, nil for none, has the same data as another one.
func (s *rrset) hasData(other *rrset) bool {
	return s != nil && len(s.data) == len(other.data) && s.includes(other)
}

// includes reports whether an RRset has all data of another one.
func (s *rrset) includes(other *rrset) bool {
	return !slices.ContainsFunc(other.data, func(d []byte) bool { return s.index(d) < 0 })
}

func (w *work) derivedFault(owner dname.Name) *Fault {
	origin := ""
	if w.t.Origin != nil {
		origin = w.t.Origin(owner)
	}
	fault := faultf(wire.RCodeRefused, "%v at %v is derived from %s, which no update of this zone changes; change it there", rr.TypePTR, owner, cmp.Or(origin, "other data"))
	fault.isDerived = true
	return fault
}

// isSame reports whether an RRset of the layer of updates has the data of a derived one that hides it.
func isSame(s, derived commit.RRset) bool {
	s.TTL = derived.TTL
	return s.Equal(derived)
}
