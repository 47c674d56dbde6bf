package plan

import (
	"fmt"
	"net/netip"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/synth"
)

// address returns the address that an owner name of the parent zone has.
func (m *Made) address(owner dname.Name) (netip.Addr, bool) {
	if p, ok := dname.ToClassless(m.Parent); ok && owner.Labels() > 0 && owner.Parent().Equal(m.Parent) {
		octet, ok := dname.OctetLabel(owner.Label())
		a := p.Addr().As4()
		a[3] = octet
		return netip.AddrFrom4(a), ok
	}
	return dname.ToAddr(owner)
}

// move sorts out what of the parent zone today belongs into the zones of the part.
func (m *Made) move(today []zone.Record) {
	for _, r := range today {
		switch a, ok := m.address(r.Owner); {
		case !r.Owner.IsAtOrBelow(m.Parent):
		case r.Type == synth.Type:
			if rule, err := synth.ParseRule(r.Data); err == nil && rule.Prefix.Overlaps(m.Prefix) {
				m.ranges = append(m.ranges, rule)
			}
		case ok && m.Prefix.Contains(a), m.isBelow(r.Owner):
			switch r.Type {
			case rr.TypeNS, rr.TypeDS, rr.TypeDNAME, rr.TypeCNAME, rr.TypeRRSIG, rr.TypeNSEC, rr.TypeNSEC3:
			default:
				m.moved = append(m.moved, r)
			}
		}
	}
}

// isBelow reports whether a name belongs to a zone of a part that is on a boundary.
func (m *Made) isBelow(name dname.Name) bool {
	if dname.IsClassless(m.Prefix) {
		return false
	}
	for _, part := range dname.Split(m.Prefix) {
		if apex, _ := dname.FromPrefix(part); name.IsAtOrBelow(apex) {
			return true
		}
	}
	return false
}

// target returns the name in the zones of the part that a name of the parent zone becomes; of nil,
// the name that a DNAME redirects to.
func (m *Made) target(owner dname.Name) dname.Name {
	base := owner
	if m.part.DName != "" {
		base, _ = dname.Parse(m.part.DName) // checked before
	}
	switch {
	case owner == nil:
		return base
	case dname.IsClassless(m.Prefix) && m.part.Style != "address":
		if m.part.DName == "" {
			base = m.cuts[0]
		}
		n, _ := base.Prepend(owner.Label())
		return n
	case m.part.DName == "":
		return owner
	}
	keep := owner.Labels() - m.cutLabels()
	var labels []dname.Name
	for n := owner; len(labels) < keep; n = n.Parent() {
		labels = append(labels, n)
	}
	for i := len(labels) - 1; i >= 0; i-- {
		base, _ = base.Prepend(labels[i].Label())
	}
	return base
}

// cutLabels returns the number of labels that a DNAME replaces: those of the part, or of the zone
// above if the part is several zones.
func (m *Made) cutLabels() int {
	n, _ := dname.FromPrefix(dname.Boundary(m.Prefix))
	return n.Labels()
}

// changes returns what has to be added to the parent zone, and removed from it.
func (m *Made) changes(today []zone.Record) (add, remove []zone.Record) {
	has := func(list []zone.Record, r zone.Record) bool {
		for _, o := range list {
			if o.Type == r.Type && o.Owner.Equal(r.Owner) && string(o.Data) == string(r.Data) {
				return true
			}
		}
		return false
	}
	for _, r := range m.lines {
		if !has(today, r) {
			add = append(add, r)
		}
	}
	for _, r := range today {
		a, ok := m.address(r.Owner)
		isOurs := ok && m.Prefix.Contains(a) || m.isBelow(r.Owner)
		for _, z := range m.cuts {
			isOurs = isOurs || r.Owner.IsAtOrBelow(z)
		}
		if isOurs && r.Owner.IsAtOrBelow(m.Parent) && !has(m.lines, r) {
			remove = append(remove, r)
		}
	}
	return add, remove
}

// notes returns what the operator should know about the part.
func (m *Made) notes() (list []string) {
	for _, r := range m.ranges {
		list = append(list, fmt.Sprintf("%s: addresses in %v have names of the range %v of the zone %v, %q, and lose them with the delegation; give the zone of the part a range of its own under `synth`",
			m.part.where, m.Prefix, r.Prefix, m.Parent, r.Template))
	}
	for _, s := range m.part.Servers {
		for _, z := range m.Zones {
			if m.part.DName == "" && s.Name.IsAtOrBelow(z) && len(s.Addresses) == 0 {
				list = append(list, fmt.Sprintf("%s: %v is in the zone %v itself, so that the parent zone needs its addresses; give them as %v=ADDRESS", m.part.where, s.Name, z, plain(s.Name)))
				break
			}
		}
	}
	return list
}
