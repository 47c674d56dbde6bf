package zone

import (
	"cmp"
	"slices"
)

// change is one record of a changeset on its way into a trie.
type change struct {
	order uint64 // the beginning of the key, as order makes it
	key   int    // where the path lies in the keys of the edit
	index int    // number of the record
}

func (e *edit) path(c change) path { return readPath(e.keys[c.key:]) }

// trie returns the root of the trie at root with the changes made in it; hashed
// means the one of NSEC3.
func (e *edit) trie(root ref, list []change, inOrdinary, hashed bool) ref {
	if len(list) == 0 {
		return root
	}
	slices.SortFunc(list, func(a, b change) int {
		if a.order != b.order {
			return cmp.Compare(a.order, b.order)
		}
		if c := e.path(a).compare(e.path(b)); c != 0 {
			return c
		}
		return a.index - b.index
	})
	g := graft{e, hashed}
	return g.child(root, 0, list, inOrdinary)
}

// graft puts changes into one trie. Its methods return what takes the place of a
// node, zero where nothing is left; lists are sorted and not empty, and their keys
// agree as far as the place where they go.
type graft struct {
	*edit
	hashed bool
}

// child makes the changes below the node at r, whose run begins at depth; r is
// zero where there is none yet.
func (g *graft) child(r ref, depth int, list []change, inOrdinary bool) ref {
	var room [maxRun]byte
	if r != 0 {
		n := g.z.w.decode(r, depth, room[:0])
		g.z.w.free(r, depth)
		return g.merge(&n, depth, list, inOrdinary)
	}
	first, last := g.path(list[0]), g.path(list[len(list)-1])
	end := min(first.common(last), depth+maxRun)
	if !inOrdinary {
		end = min(end, first.ordinary, last.ordinary)
	}
	n := node{run: room[:end-depth]}
	for i := range n.run {
		n.run[i] = nibbleAt(first.octets, depth+i)
	}
	return g.spread(&n, depth, list, inOrdinary, nil, 0)
}

// merge makes the changes in and below n, whose run begins at depth.
func (g *graft) merge(n *node, depth int, list []change, inOrdinary bool) ref {
	m := min(n.along(depth, g.path(list[0]), inOrdinary), n.along(depth, g.path(list[len(list)-1]), inOrdinary))
	if m == len(n.run) {
		return g.spread(n, depth, list, inOrdinary, nil, 0)
	}
	top := node{run: n.run[:m:m]}
	v := n.run[m]
	n.run = n.run[m+1:]
	return g.spread(&top, depth, list, inOrdinary, n, v)
}

// along returns how many nibbles of the run of n, which begins at depth, p has.
func (n *node) along(depth int, p path, inOrdinary bool) int {
	limit := p.nibbles
	if !inOrdinary {
		limit = min(limit, p.ordinary)
	}
	m := 0
	for m < len(n.run) && depth+m < limit && n.run[m] == nibbleAt(p.octets, depth+m) {
		m++
	}
	return m
}

// spread makes the changes behind the run of n. A rest, if not nil, is the node
// behind nibble v, not written yet.
func (g *graft) spread(n *node, depth int, list []change, inOrdinary bool, rest *node, v byte) ref {
	end := depth + len(n.run)
	own := 0
	for own < len(list) && g.path(list[own]).nibbles == end {
		own++
	}
	for below := list[own:]; len(below) > 0; {
		p := g.path(below[0])
		if !inOrdinary && p.ordinary == end {
			n.ordinary = g.child(n.ordinary, end, below, true)
			break
		}
		u := nibbleAt(p.octets, end)
		count := g.sameNibble(below, end, u, inOrdinary)
		if rest != nil && u == v {
			n.children[u] = g.merge(rest, end+1, below[:count], inOrdinary)
			rest = nil
		} else {
			n.children[u] = g.child(n.children[u], end+1, below[:count], inOrdinary)
		}
		below = below[count:]
	}
	if rest != nil {
		n.children[v] = g.shortest(rest, end+1)
	}
	if own > 0 { // last, as all values are encoded in the same room
		g.owner(n, list[:own], g.hashed)
	}
	return g.shortest(n, depth)
}

// sameNibble returns how many of the list go on with nibble v at depth: by
// doubling, then halving.
func (g *graft) sameNibble(list []change, depth int, v byte, inOrdinary bool) int {
	same := func(i int) bool {
		p := g.path(list[i])
		return (inOrdinary || p.ordinary != depth) && nibbleAt(p.octets, depth) == v
	}
	count, step := 1, 1
	for count+step < len(list) && same(count+step) {
		count += step
		step <<= 1
	}
	for ; step > 0; step >>= 1 {
		for count+step <= len(list) && same(count+step-1) {
			count += step
		}
	}
	return count
}

// shortest writes n; zero where there is nothing to write. A node that is nothing
// but the way to one child becomes part of the child's run.
func (g *graft) shortest(n *node, depth int) ref {
	w := g.z.w
	only, count := -1, 0
	for i, c := range n.children {
		if c != 0 {
			only = i
			count++
		}
	}
	switch {
	case n.value != nil || n.ordinary != 0 || count > 1:
	case count == 0:
		return 0
	default:
		var room [maxRun]byte
		at := depth + len(n.run) + 1
		below := w.decode(n.children[only], at, room[:0])
		if len(n.run)+1+len(below.run) <= maxRun {
			w.free(n.children[only], at)
			below.run = append(append(n.run[:len(n.run):len(n.run)], byte(only)), below.run...)
			return w.encode(&below, depth)
		}
	}
	return w.encode(n, depth)
}
