package update

import (
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// aliasOf returns where the name of an address leads by a CNAME of zone z (RFC
// 2317), and the zone of ours that the target is in; nil if it does not.
func aliasOf(set *zone.Set, z *zone.Zone, owner dname.Name) (target dname.Name, child *zone.Zone) {
	if _, ok := dname.ToAddr(owner); !ok {
		return nil, nil
	}
	alias, ok := z.Get(owner, rr.TypeCNAME)
	if !ok {
		return nil, nil
	}
	target = dname.Name(alias.First(nil)).Clone()
	if child = set.Find(target); child == nil || child.Apex().Equal(z.Apex()) {
		return nil, nil
	}
	return target, child
}

// follow moves a message about names that are aliases into another zone of ours to
// that zone: the owner of each record becomes the target of its alias. A record of
// type CNAME is about the alias itself and stays. A message that would then be
// about two zones is refused, since it could not be carried out as a whole.
func (m *Message) follow(set *zone.Set, z *zone.Zone) (*Message, *Fault) {
	moved := &Message{Zone: m.Zone}
	var home *zone.Zone
	var first dname.Name
	for i, list := range [][]Record{m.Prerequisites, m.Updates} {
		out := make([]Record, 0, len(list))
		for _, r := range list {
			to := z
			if r.Type != rr.TypeCNAME && r.Owner.IsAtOrBelow(z.Apex()) {
				if target, child := aliasOf(set, z, r.Owner); child != nil {
					r.Owner, to = target, child
				}
			}
			switch {
			case home == nil:
				home, first = to, list[0].Owner
			case home != to:
				return nil, faultf(wire.RCodeRefused, "%v belongs to zone %v and %v to zone %v, and an update changes one zone; send one for each",
					first, home.Apex(), r.Owner, to.Apex())
			}
			out = append(out, r)
		}
		if i == 0 {
			moved.Prerequisites = out
		} else {
			moved.Updates = out
		}
	}
	if home == nil || home == z {
		return m, nil
	}
	moved.Zone = home.Apex()
	return moved, nil
}
