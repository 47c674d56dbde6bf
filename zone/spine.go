package zone

import "slices"

// spine writes a trie whose names come in order, from its leaves up: it keeps the
// nodes on the path to the last name, and writes each once no further name can
// lie below it, with exactly the room it needs.
type spine struct {
	w     *zoneWriter
	plain bool    // there is no ordinary branch, all labels are ordinary
	stack []frame // from the root down
	path  path    // of the last name
}

// frame is a node that is not written yet.
type frame struct {
	end      int    // depth
	inside   bool   // behind the ordinary branch
	isBranch bool   // has children or the ordinary branch
	flags    uint32 // bitCut, bitDNAME
	slot     ref    // of its value, if that lies in a slot
	value    []byte // else; empty: none
	ordinary ref
	children [16]ref
}

// firstFrames are as many as the path to an address has nodes in a small zone.
const firstFrames = 4

// add opens the node of a name and returns it, to be given a value. The name must
// come after all names before.
func (s *spine) add(p path) *frame {
	inside := p.ordinary != entryPlain && !s.plain
	if len(s.stack) > 0 {
		end := s.path.common(p)
		s.closeBelow(end, inside && p.ordinary == s.path.ordinary && p.ordinary <= end)
	}
	s.path = path{p.nibbles, p.ordinary, append(s.path.octets[:0], p.octets...)}
	if inside && !s.isOpen(p.ordinary, false) {
		s.open(p.ordinary, false)
	}
	if !s.isOpen(p.nibbles, inside) {
		s.open(p.nibbles, inside)
	}
	return &s.stack[len(s.stack)-1]
}

// isOpen reports whether the lowest open node is at the place or below it.
func (s *spine) isOpen(end int, inside bool) bool {
	n := len(s.stack)
	return n > 0 && !s.stack[n-1].isAbove(end, inside)
}

// isAbove reports whether f is above the place, on the same path.
func (f *frame) isAbove(end int, inside bool) bool {
	return f.end < end || f.end == end && inside && !f.inside
}

// closeBelow writes the nodes below the place at which the next name parts from the
// last one. The node there is left open.
func (s *spine) closeBelow(end int, inside bool) {
	for {
		top := len(s.stack) - 1
		f := &s.stack[top]
		if f.end < end || f.end == end && (inside || !f.inside) {
			return
		}
		if top == 0 || s.stack[top-1].isAbove(end, inside) {
			// No name before needed a branch here.
			s.open(end, inside)
			s.stack[top], s.stack[top+1] = s.stack[top+1], s.stack[top]
		}
		s.attach()
	}
}

// open puts a node on top of the stack.
func (s *spine) open(end int, inside bool) {
	n := len(s.stack)
	if n == cap(s.stack) {
		s.stack = append(slices.Grow(s.stack, firstFrames), frame{})
	}
	s.stack = s.stack[:n+1]
	f := &s.stack[n]
	*f = frame{end: end, inside: inside, value: f.value[:0]}
}

// attach writes the lowest open node and takes it from the stack.
func (s *spine) attach() {
	top := len(s.stack) - 1
	parent, f := &s.stack[top-1], &s.stack[top]
	parent.isBranch = true
	if f.inside && !parent.inside {
		parent.ordinary = s.write(f, parent.end)
	} else {
		parent.children[nibbleAt(s.path.octets, parent.end)] = s.write(f, parent.end+1)
	}
	s.stack = s.stack[:top]
}

// finish writes what is still open and returns the root; zero if there was no
// name.
func (s *spine) finish() ref {
	if len(s.stack) == 0 {
		return 0
	}
	for len(s.stack) > 1 {
		s.attach()
	}
	return s.write(&s.stack[0], 0)
}

// write writes the node whose run begins at depth.
func (s *spine) write(f *frame, depth int) ref {
	switch {
	case s.w.full:
		return 1 // the zone is thrown away
	case f.slot != 0 && !f.isBranch:
		return s.w.fillSlot(f.slot, s.path.octets, depth, f.end, f.flags)
	}
	return s.encode(f, depth)
}

// encode is write for what is no leaf in a slot. What a run cannot hold goes to
// nodes above it, each with one child and a run as long as may be.
func (s *spine) encode(f *frame, depth int) ref {
	var room [maxRun]byte
	from := depth + (f.end-depth)&^maxRun
	n := node{run: s.path.appendNibbles(room[:0], from, f.end), flags: f.flags, ordinary: f.ordinary, children: f.children}
	switch {
	case f.slot != 0:
		n.value, n.at = s.w.emptySlot(f.slot)
	case len(f.value) > 0:
		n.value = f.value
	}
	r := s.w.encode(&n, from)
	for from > depth {
		from -= maxRun + 1
		n = node{run: s.path.appendNibbles(room[:0], from, from+maxRun)}
		n.children[nibbleAt(s.path.octets, from+maxRun)] = r
		r = s.w.encode(&n, from)
	}
	return r
}
