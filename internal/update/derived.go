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
// leave the same names: if it adds all of them, the layer of updates has them as well from then on, with the TTL of
// the message. Or it may leave none, if that layer has the same, which then loses them. So a DHCP server can update
// the names of its leases here, whether ptrd has read of them in its file before or after.
func (w *work) settleDerived() *Fault {
	for _, n := range w.derived {
		derived, now := n.had(rr.TypePTR), n.find(rr.TypePTR)
		switch {
		case now != nil && now.EqualData(*derived):
			if n.added.Includes(*derived) {
				w.same = append(w.same, *now)
			}
		case now == nil && n.find(rr.TypeCNAME) == nil && w.isDynamic(n, rr.TypePTR):
			w.same = append(w.same, commit.RRset{Owner: n.owner, Type: rr.TypePTR})
		default:
			return w.derivedFault(n.owner)
		}
		n.drop(rr.TypePTR)
		n.now = append(n.now, derived)
	}
	return nil
}

// isDynamic returns what Target.IsDynamic does. An error is that of the whole message.
func (w *work) isDynamic(n *name, t rr.Type) bool {
	is, err := w.t.IsDynamic(n.owner, t)
	w.err = cmp.Or(w.err, err)
	return is
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
