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

// HasBelow reports whether a name below owner has RRsets in the zone.
func (z *Zone) HasBelow(owner dname.Name) bool {
	if !z.IsAvailable() || !owner.IsAtOrBelow(z.apex) {
		return false
	}
	var k key
	z.fill(&k, owner)
	p := place{at: z.root}
	inOrdinary := z.family == dname.Forward
	for depth := 0; ; depth++ {
		if depth == k.ordinary && !inOrdinary && depth < k.n {
			var ok bool
			if p, ok = z.ordinary(p); !ok {
				return false
			}
			inOrdinary = true
		}
		if depth == k.n {
			break
		}
		v := k.nibble(depth)
		if z.next(p)>>v&1 == 0 {
			return false
		}
		p = z.step(p, v)
	}
	if z.next(p) != 0 {
		return true
	}
	_, ok := z.ordinary(p)
	return ok
}
