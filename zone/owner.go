package zone

import (
	"cmp"
	"slices"

	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

// trieWriter makes the names of a trie out of records that come in the order of
// their owners.
type trieWriter struct {
	spine
	b     *Builder
	z     *Zone
	check *checker // nil in the trie of NSEC3

	// The records of one name, and their owner.
	slots   []ref
	entries []entry
	isOver  bool // there are more than a name may have
	at      addr // of an address; the slots are its
	owner   path
	octets  [16]byte // of owner, if that is of an address

	recs      []rec // scratch
	spellings map[canonicalData]bool
	only      [1]contentSet
	data      [1][]byte
}

// trieWriter returns the writer of one trie. It uses the room of the one before.
func (b *Builder) trieWriter(z *Zone, check *checker, plain bool) *trieWriter {
	t := &b.tries
	*t = trieWriter{
		spine: spine{w: b.w, plain: plain, stack: t.stack[:0], path: path{octets: t.path.octets[:0]}},
		b:     b, z: z, check: check, slots: t.slots[:0], entries: t.entries[:0], recs: t.recs[:0], spellings: t.spellings,
	}
	return t
}

// entry takes the next record.
func (t *trieWriter) entry(e entry) {
	if p := e.path(); len(t.slots)+len(t.entries) == 0 || p.compare(t.owner) != 0 {
		t.name()
		t.owner = p
	}
	if len(t.entries) == maxAtName {
		t.isOver = true
		return
	}
	t.entries = append(t.entries, e)
}

// slot takes the next record, which is at an address and in a slot.
func (t *trieWriter) slot(p addr, r ref) {
	switch {
	case len(t.slots) > 0 && t.at == p:
	case len(t.slots) == 0 && len(t.entries) > 0 && t.owner.compare(p.path(t.b.addresses.width, &t.octets)) == 0:
	default:
		t.name()
		t.owner = p.path(t.b.addresses.width, &t.octets)
	}
	t.at = p
	if len(t.slots) == maxAtName {
		t.isOver = true
		return
	}
	t.slots = append(t.slots, r)
}

// finish writes what is left and returns the root.
func (t *trieWriter) finish() ref {
	t.name()
	return t.spine.finish()
}

// name makes the node of the name whose records are there.
func (t *trieWriter) name() {
	if len(t.slots)+len(t.entries) == 0 || t.w.full {
		return
	}
	t.b.step()
	if t.z.stats.Names%64 == 0 && t.b.isOver() {
		return
	}
	f := t.spine.add(t.owner)
	if len(t.slots) == 1 && len(t.entries) == 0 {
		t.single(f, t.slots[0])
	} else {
		t.records(f)
	}
	t.slots, t.entries = t.slots[:0], t.entries[:0]
	if t.isOver {
		t.isOver = false
		t.b.report(finding.Error, "name-too-large", 0, t.b.pathName(t.owner), 0, "more than %d records have this name; remove some", maxAtName)
	}
}

// single makes the name of one record that is in a slot.
func (t *trieWriter) single(f *frame, r ref) {
	f.slot = r
	v := t.w.slotValue(r)
	if v[0] == formNS {
		f.flags = bitCut
	}
	if v[0] != formPTR || !t.check.isClear() {
		recs := t.gather()
		t.check.owner(t.owner, recs, t.content(recs))
	}
	t.z.stats.Names++
	t.z.stats.RRsets++
	t.z.stats.Records++
}

// records makes the name of any records.
func (t *trieWriter) records(f *frame) {
	recs := t.gather()
	z := t.z
	d := &t.b.digester
	d.reset(t.owner, t.check == nil)
	for i := range recs {
		if r := &recs[i]; r.slot != 0 {
			// The record may turn out to be one that is there already, or have
			// another TTL.
			d.add(&z.digest, -1, r.typ, r.ttl, r.data)
			t.w.release(r.slot, t.w.slotSize(r.slot))
		}
	}
	c := t.content(recs)
	if t.check != nil {
		t.check.owner(t.owner, recs, c)
	}
	c.prune(z.verbatim)
	if len(c) == 0 {
		t.b.report(finding.Error, "only-signatures", recs[0].tag(), nil, rr.TypeRRSIG, "a name has signatures and nothing that they cover; sign the zone again")
		f.value = append(f.value, formSets, 0, 0)
		return
	}
	z.account(c, 1)
	d.content(&z.digest, 1, c)
	if t.check != nil {
		f.flags = flagsOf(c, t.owner.nibbles)
		if hasWildcard(t.owner.octets, t.owner.nibbles, t.owner.ordinary) {
			z.wildcards++
		}
	}
	f.value = t.w.encodeValue(f.value, c, true)
}

// rec is one record of the name that is being made.
type rec struct {
	typ    rr.Type
	ttl    uint32
	data   []byte
	number uint64 // ascends in the order of Add
	entry  entry  // nil: it is in a slot
	slot   ref
	mark   Tag // of one in a slot
}

func (r *rec) tag() Tag {
	if r.slot != 0 {
		return r.mark
	}
	return r.entry.tag()
}

// gather returns the records of the name in the order that they were added in, valid
// until the next call.
func (t *trieWriter) gather() []rec {
	recs := t.recs[:0]
	for _, e := range t.entries {
		recs = append(recs, rec{typ: e.typ(), ttl: e.ttl(), data: e.data(), number: e.number(), entry: e})
	}
	t.z.storage, t.z.ttls = t.w.storage, t.w.ttls
	for _, r := range t.slots {
		s := t.z.short(t.w.slotValue(r))
		tag, before := t.b.addresses.tags.of(r)
		recs = append(recs, rec{typ: s.Type, ttl: s.TTL, data: s.First(nil), number: 2*uint64(before) + 1, slot: r, mark: tag})
	}
	if len(t.slots) > 0 {
		slices.SortStableFunc(recs, func(x, y rec) int { return cmp.Compare(x.number, y.number) })
	}
	t.recs = recs
	return recs
}

// content returns the RRsets of the name, valid until the next call.
func (t *trieWriter) content(recs []rec) (c content) {
	if r := &recs[0]; len(recs) == 1 && r.typ != rr.TypeRRSIG {
		t.data[0] = r.data
		t.only[0] = contentSet{typ: r.typ, ttl: r.ttl, sigTTL: r.ttl, data: t.data[:]}
		return t.only[:]
	}
	clear(t.spellings)
	for i := range recs {
		r := &recs[i]
		if r.typ == rr.TypeRRSIG {
			if s := c.find(covered(r.data)); s != nil && len(s.sigs) > maxInSet {
				t.b.report(finding.Error, "name-too-large", r.tag(), t.b.pathName(t.owner), r.typ, "more than %d signatures cover %v; remove some", maxInSet, s.typ)
				break
			}
		} else if s := c.find(r.typ); s != nil && len(s.data) > maxInSet {
			continue // it is too large already, which faults finds
		} else if s != nil && t.b.mergesCase && t.isThere(s, r.data) {
			continue
		}
		if c.add(r.typ, r.ttl, r.data); len(c) > maxTypes {
			t.b.report(finding.Error, "name-too-large", r.tag(), t.b.pathName(t.owner), 0, "this name has records of more than %d types; remove some", maxTypes)
			break
		}
	}
	return c
}

// isThere reports whether the records of s have one that is the same as data. The first spelling
// of names in RDATA is that of the record.
func (t *trieWriter) isThere(s *contentSet, data []byte) bool {
	const few = 16 // as many are compared one by one
	if !rr.HasCase(s.typ) {
		return false
	}
	if len(s.data) < few {
		return slices.ContainsFunc(s.data, func(d []byte) bool { return rr.EqualData(s.typ, d, data) })
	}
	if t.spellings == nil {
		t.spellings = map[canonicalData]bool{}
	}
	if len(s.data) == few {
		for _, d := range s.data {
			t.spellings[spellingOf(s.typ, d)] = true
		}
	}
	as := spellingOf(s.typ, data)
	is := t.spellings[as]
	t.spellings[as] = true
	return is
}

// canonicalData is the canonical form of RDATA.
type canonicalData struct {
	typ  rr.Type
	data string
}

func spellingOf(t rr.Type, data []byte) canonicalData {
	return canonicalData{t, string(rr.AppendCanonical(nil, t, data))}
}

// flagsOf returns the node flags of a name's RRsets.
func flagsOf(c content, depth int) (flags uint32) {
	if depth > 0 && c.has(rr.TypeNS) {
		flags |= bitCut
	}
	if c.has(rr.TypeDNAME) {
		flags |= bitDNAME
	}
	return flags
}
