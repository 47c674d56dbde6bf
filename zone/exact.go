package zone

import (
	"iter"

	"github.com/ptrd/ptrd/zone/dname"
)

// RRsets yields the RRsets stored at exactly owner, as [Zone.Get] finds them one
// by one; NSEC3 RRsets are not among them.
func (z *Zone) RRsets(owner dname.Name) iter.Seq[RRset] {
	return func(yield func(RRset) bool) {
		if !z.IsAvailable() || !owner.IsAtOrBelow(z.apex) {
			return
		}
		var k key
		z.fill(&k, owner)
		if f := z.find(&k, false); f.status == foundName {
			z.sets(f.value, yield)
		}
	}
}

// Has reports whether owner has RRsets in the zone, as RRsets yields them.
func (z *Zone) Has(owner dname.Name) bool {
	for range z.RRsets(owner) {
		return true
	}
	return false
}

// HasBelow reports whether a name below owner has RRsets in the zone.
func (z *Zone) HasBelow(owner dname.Name) bool {
	if !z.IsAvailable() || !owner.IsAtOrBelow(z.apex) {
		return false
	}
	s, ok := z.spotAt(owner, owner.Labels()-z.apexLabels)
	return ok && !z.isLeaf(s.place)
}

// IsOccluded reports whether queries for owner, which is in the zone, are answered by a referral
// or a DNAME: it is at or below a zone cut, or below a DNAME.
func (z *Zone) IsOccluded(owner dname.Name) bool {
	if !z.IsAvailable() || !owner.IsAtOrBelow(z.apex) {
		return false
	}
	var k key
	z.fill(&k, owner)
	f := z.find(&k, true)
	return f.status == foundCut || f.status == foundDNAME
}
