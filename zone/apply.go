package zone

import (
	"bytes"
	"fmt"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Apply returns the zone with the changeset applied; z stays as it is. It costs
// what it changes, as the paths to the changed names are copied, and now and then
// the zone, as its storage is written anew without what is no longer used. The
// error names the first record that does not fit: removed but absent, added but
// there, out of zone, or of a kind that no zone can hold. Whole-zone rules (one
// SOA, no data beside a CNAME) are the caller's to check.
func (z *Zone) Apply(c *Changeset) (*Zone, error) {
	if !z.IsAvailable() {
		return nil, fmt.Errorf("zone %v has no data to change", z.apex)
	}
	n := *z
	w := &zoneWriter{writer: z.extend(), ttls: z.ttls}
	n.w = w
	e := edit{z: &n}
	for _, r := range c.Removed {
		if err := e.change(r, true); err != nil {
			w.giveBack()
			return nil, err
		}
	}
	for _, r := range c.Added {
		if err := e.change(r, false); err != nil {
			w.giveBack()
			return nil, err
		}
	}
	for _, o := range e.order {
		e.store(o)
	}
	if w.full {
		return nil, fmt.Errorf("zone %v takes more than 16 GiB; split it at an octet or nibble boundary", z.apex)
	}
	n.storage = w.done()
	n.ttls = w.ttls
	n.w = nil
	if n.isSparse() {
		n.compact()
	}
	apex := e.owners[string(z.apex.AppendLower(nil))]
	if apex != nil {
		if s := apex.sets.find(rr.TypeSOA); s == nil || len(s.data) != 1 {
			return nil, fmt.Errorf("SOA at %v: a zone has exactly one SOA at its apex", z.apex)
		}
	}
	n.derive()
	return &n, nil
}

// edit gathers the changes of each owner, so that each is stored once.
type edit struct {
	z      *Zone
	owners map[string]*ownerEdit
	order  []*ownerEdit
}

type ownerEdit struct {
	key    *key
	hashed bool // in the trie of NSEC3
	wild   bool // has a `*` label
	sets   content
	old    content
}

func (e *edit) change(r Record, remove bool) error {
	o, err := e.owner(r)
	if err != nil {
		return err
	}
	data := bytes.Clone(r.Data)
	if remove {
		if !o.sets.remove(r.Type, data) {
			return fmt.Errorf("%v at %v: record to be removed is not there", r.Type, r.Owner)
		}
		return nil
	}
	if !o.sets.add(r.Type, r.TTL, data) {
		return fmt.Errorf("%v at %v: record to be added is there already", r.Type, r.Owner)
	}
	return nil
}

func (e *edit) owner(r Record) (*ownerEdit, error) {
	z := e.z
	switch {
	case !r.Owner.IsAtOrBelow(z.apex):
		return nil, fmt.Errorf("%v at %v: not in zone %v", r.Type, r.Owner, z.apex)
	case r.Type.IsMeta():
		return nil, fmt.Errorf("%v at %v: the type exists in queries only (RFC 6895 §3.1)", r.Type, r.Owner)
	}
	if reason := badRData(r.Type, r.Data); reason != "" {
		return nil, fmt.Errorf("%v at %v: %s", r.Type, r.Owner, reason)
	}
	o := &ownerEdit{key: new(key)}
	id := r.Owner.Key()
	root := z.root
	plain := z.family == dname.Forward
	if r.Type == rr.TypeNSEC3 || r.Type == rr.TypeRRSIG && covered(r.Data) == rr.TypeNSEC3 {
		hash, ok := z.nsec3Hash(r.Owner)
		if !ok {
			return nil, fmt.Errorf("%v at %v: the owner must be one label of 32 base32hex digits below the apex (RFC 5155 §3)", r.Type, r.Owner)
		}
		id = "\xff" + id // no name begins so
		root, plain, o.hashed = z.nsec3, true, true
		o.key.reset(&layout{})
		for _, c := range hash {
			o.key.pushOctet(c)
		}
	} else {
		z.fill(o.key, r.Owner)
		o.wild = hasWildcard(o.key.b[:], o.key.n, o.key.ordinary)
	}
	if have, ok := e.owners[id]; ok {
		return have, nil
	}
	if root != 0 {
		if f := z.findIn(root, o.key, plain, false); f.status == foundName {
			o.sets = z.content(f.value)
			o.old = z.content(f.value)
		}
	}
	if e.owners == nil {
		e.owners = map[string]*ownerEdit{}
	}
	e.owners[id] = o
	e.order = append(e.order, o)
	return o, nil
}

// store writes the RRsets of one owner into the trie and keeps the totals.
func (e *edit) store(o *ownerEdit) {
	z, k := e.z, o.key
	o.sets.prune()
	if len(o.old) > 0 {
		z.digestContent(o.old, -1, k.b[:], k.n, k.ordinary, o.hashed)
		z.account(o.old, -1)
	}
	var value []byte
	var flags uint32
	if len(o.sets) > 0 {
		z.digestContent(o.sets, 1, k.b[:], k.n, k.ordinary, o.hashed)
		z.account(o.sets, 1)
		value = z.w.encodeValue(nil, o.sets, false)
		if !o.hashed {
			flags = flagsOf(o.sets, k.n)
		}
	}
	if o.wild {
		z.wildcards += min(len(o.sets), 1) - min(len(o.old), 1)
	}
	t := trieEdit{w: z.w, k: k, value: value, flags: flags}
	if o.hashed {
		z.nsec3 = t.put(z.nsec3, 0, true)
	} else {
		z.root = t.put(z.root, 0, z.family == dname.Forward)
	}
}

// trieEdit sets or, with a nil value, removes the value of one key.
type trieEdit struct {
	w     *zoneWriter
	k     *key
	value []byte
	flags uint32
}

// put returns what takes the place of the node at r, whose run begins at depth;
// zero where nothing is left.
func (t *trieEdit) put(r ref, depth int, inOrdinary bool) ref {
	if r == 0 {
		return t.leaf(depth, inOrdinary)
	}
	n := t.w.decode(r, depth)
	limit := t.k.n
	if !inOrdinary {
		limit = min(limit, t.k.ordinary)
	}
	m := 0
	for m < len(n.run) && depth+m < limit && n.run[m] == t.k.nibble(depth+m) {
		m++
	}
	if m < len(n.run) {
		if t.value == nil {
			return r // was not there
		}
		return t.split(n, r, depth, m, inOrdinary)
	}
	end := depth + m
	var child *ref
	switch {
	case end == t.k.n:
		n.value = t.value
		n.flags = t.flags
	case end == t.k.ordinary && !inOrdinary:
		child = &n.ordinary
		*child = t.put(*child, end, true)
	default:
		child = &n.children[t.k.nibble(end)]
		*child = t.put(*child, end+1, inOrdinary)
	}
	return t.replace(r, &n, depth)
}

// leaf writes a new leaf, or a branch where the key goes through the ordinary
// branch or is longer than a run may be.
func (t *trieEdit) leaf(depth int, inOrdinary bool) ref {
	if t.value == nil {
		return 0
	}
	end := min(t.k.n, depth+maxRun)
	if !inOrdinary {
		end = min(end, t.k.ordinary)
	}
	var n node
	n.run = t.nibbles(depth, end)
	switch {
	case end == t.k.n:
		n.value, n.flags = t.value, t.flags
	case end == t.k.ordinary && !inOrdinary:
		n.ordinary = t.leaf(end, true)
	default:
		n.children[t.k.nibble(end)] = t.leaf(end+1, inOrdinary)
	}
	return t.w.encode(&n, depth)
}

func (t *trieEdit) nibbles(from, to int) []byte {
	run := make([]byte, to-from)
	for i := range run {
		run[i] = t.k.nibble(from + i)
	}
	return run
}

// split parts the run of n after m nibbles.
func (t *trieEdit) split(n node, r ref, depth, m int, inOrdinary bool) ref {
	end := depth + m
	var top node
	top.run = n.run[:m]
	v := n.run[m]
	n.run = n.run[m+1:]
	t.free(r, depth)
	top.children[v] = t.shortest(&n, end+1) // its run may now join that of its child
	switch {
	case end == t.k.n:
		top.value, top.flags = t.value, t.flags
	case end == t.k.ordinary && !inOrdinary:
		top.ordinary = t.leaf(end, true)
	default:
		top.children[t.k.nibble(end)] = t.leaf(end+1, inOrdinary)
	}
	return t.w.encode(&top, depth)
}

// replace writes n in the place of the node at r, in its shortest form.
func (t *trieEdit) replace(r ref, n *node, depth int) ref {
	t.free(r, depth)
	if n.value == nil {
		n.flags = 0
	}
	return t.shortest(n, depth)
}

// shortest writes n; zero where there is nothing to write. A node that is nothing
// but the way to one child becomes part of the child's run.
func (t *trieEdit) shortest(n *node, depth int) ref {
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
		at := depth + len(n.run) + 1
		below := t.w.decode(n.children[only], at)
		if len(n.run)+1+len(below.run) <= maxRun {
			t.free(n.children[only], at)
			below.run = append(append(n.run[:len(n.run):len(n.run)], byte(only)), below.run...)
			return t.w.encode(&below, depth)
		}
	}
	return t.w.encode(n, depth)
}

// free counts the octets of a node that is no longer referred to.
func (t *trieEdit) free(r ref, depth int) { t.w.dead += int64(t.w.nodeSize(r, depth)) }

// WithSerial returns the zone with another SERIAL in its SOA.
func (z *Zone) WithSerial(s Serial) *Zone {
	if z.serial == s {
		return z
	}
	old := z.soa.First(nil)
	data := bytes.Clone(old)
	n := soaNumbers(data)
	n[0], n[1], n[2], n[3] = byte(s>>24), byte(s>>16), byte(s>>8), byte(s)
	c := &Changeset{
		Removed: []Record{{Owner: z.apex, Type: rr.TypeSOA, TTL: z.soa.TTL, Data: old}},
		Added:   []Record{{Owner: z.apex, Type: rr.TypeSOA, TTL: z.soa.TTL, Data: data}},
	}
	// The signatures over the SOA stay beside it: a signed zone's serial is its
	// signer's, and who changes it signs anew.
	m, err := z.Apply(c)
	if err != nil {
		panic("zone: SOA of a zone cannot be replaced: " + err.Error())
	}
	return m
}
