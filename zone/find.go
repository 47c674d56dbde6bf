package zone

import "github.com/ptrd/ptrd/zone/dname"

// How a walk down the trie ended.
type foundStatus uint8

const (
	foundName    foundStatus = iota // the name has RRsets
	foundEmpty                      // an empty non-terminal (RFC 4592 §2.2.2)
	foundNothing                    // the name does not exist
	foundCut                        // a zone cut at or above the name
	foundDNAME                      // a DNAME above the name
)

// found is the end of a walk.
type found struct {
	status foundStatus
	depth  int    // nibbles that matched; of foundCut and foundDNAME, those of their owner
	value  []byte // of foundName, foundCut and foundDNAME
}

// find walks to the key. With stop it ends at the first zone cut at or above
// the name and at a DNAME above it.
func (z *Zone) find(k *key, stop bool) found {
	return z.findIn(z.root, k, z.family == dname.Forward, stop)
}

// findIn walks down from r to the key, one pointer chase a node.
func (z *Zone) findIn(r ref, k *key, inOrdinary, stop bool) found {
	limit := k.n // how far the key can be compared before the next branch
	if !inOrdinary {
		limit = min(limit, k.ordinary)
	}
	depth := 0
	for {
		n := z.node(r, depth)
		if run := n.run(); run > 0 {
			m := min(matchRun(n.b[headerSize:], k, depth, run), limit-depth)
			depth += m
			if m < run {
				if depth == k.n {
					return found{status: foundEmpty, depth: depth}
				}
				return found{status: foundNothing, depth: depth}
			}
		}
		if n.hasValue() && (depth == k.n || stop && n.header&maskFlags != 0) {
			switch v := z.valueOf(n); {
			case stop && n.header&bitCut != 0:
				return found{foundCut, depth, v}
			case depth == k.n:
				return found{foundName, depth, v}
			default:
				return found{foundDNAME, depth, v}
			}
		}
		switch {
		case n.isLeaf():
			return found{status: foundNothing, depth: depth}
		case depth == k.n:
			return found{status: foundEmpty, depth: depth}
		case depth == k.ordinary && !inOrdinary:
			if !n.hasOrdinary() {
				return found{status: foundNothing, depth: depth}
			}
			inOrdinary, limit = true, k.n
			r = n.ref(n.ordinaryIndex())
			continue
		}
		v := uint64(k.nibble(depth))
		if !n.hasChild(v) {
			return found{status: foundNothing, depth: depth}
		}
		r = n.ref(n.childIndex(v))
		depth++
	}
}

// matchRun returns how many of the run's nibbles, which begin at depth, the key
// has. It may read behind the key's end; the caller limits the result.
func matchRun(b []byte, k *key, depth, run int) int {
	i, n := depth>>1, run
	kb := k.b[i:]
	j := 0
	if depth&1 == 1 {
		if b[0]&15 != kb[0]&15 {
			return 0
		}
		n--
		j = 1
	}
	for ; n >= 2; n -= 2 {
		if x := b[j] ^ kb[j]; x != 0 {
			if x>>4 == 0 {
				n--
			}
			return run - n
		}
		j++
	}
	if n == 1 && b[j]>>4 == kb[j]>>4 {
		n = 0
	}
	return run - n
}

// encloser returns how many labels below the apex the closest encloser of a key
// has that matched to the given depth (RFC 4592 §3.3.1).
func (k *key) encloser(depth int) int {
	i := k.labels
	for int(k.ends[i]) > depth {
		i--
	}
	return i
}
