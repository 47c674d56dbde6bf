package zone

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Builder makes a Zone out of records in any order.
//
// Records are kept in a log of octets and sorted once; then the trie is written
// from its leaves up, each node with exactly the room it needs.
type Builder struct {
	layout
	log      [][]byte
	main     entries
	nsec3    entries
	findings []Finding
	outside  int // records out of zone
	key      key
	pauser
}

// entries are the records of one trie.
type entries struct {
	list   []item
	sorted bool
}

// item is one record: where its entry is in the log, which ascends in the order
// of Add, and the beginning of its key, so that sorting seldom looks there.
type item struct {
	order uint64
	at    uint64
}

// orderSymbols is how many symbols of a key fit in an item's order, five bits each.
const orderSymbols = 12

// order returns the beginning of the key as a number that sorts as keys do: the
// end of the key first, then the nibbles, then the ordinary branch.
func (k *key) order() (o uint64) {
	const end, ordinary = 0, 17
	branch := k.ordinary
	for i, depth := 0, 0; i < orderSymbols; i++ {
		o <<= 5
		switch {
		case depth == branch:
			o |= ordinary
			branch = noOrdinary
		case depth >= k.n:
			o |= end
		default:
			o |= uint64(k.nibble(depth)) + 1
			depth++
		}
	}
	return o
}

// A log entry: nibbles 2, depth of the ordinary branch 2, TTL 4, tag 8, type 2,
// RDATA length 2, key, RDATA.
const (
	entryHeader   = 20
	firstLog      = 2 << 10
	logChunk      = 1 << 20
	entryPlain    = 0xffff // no ordinary branch
	maxOutside    = 10     // findings about records out of zone, one for each; the rest is counted
	maxMessage    = 65535
	rrFixed       = 12 // octets of a record in a message with a compressed owner, RDATA not counted
	maxIterations = 2500
)

// NewBuilder returns a Builder of the zone at apex.
func NewBuilder(apex dname.Name) *Builder {
	return &Builder{layout: newLayout(apex.Clone())}
}

// SetPause makes Build call pause every few microseconds of its work.
func (b *Builder) SetPause(pause func()) { b.pause = pause }

// Apex returns the apex of the zone being built.
func (b *Builder) Apex() dname.Name { return b.apex }

func (b *Builder) report(s Severity, code string, tag Tag, owner dname.Name, t rr.Type, format string, args ...any) {
	b.findings = append(b.findings, Finding{s, code, tag, owner, t, fmt.Sprintf(format, args...)})
}

// Add takes a copy of one record. A record that is the same as an earlier one
// (owner, type and RDATA) is dropped; what is wrong with it or with the records
// together is told by Build.
func (b *Builder) Add(r Record) {
	if !r.Owner.IsAtOrBelow(b.apex) {
		if b.outside++; b.outside <= maxOutside {
			b.report(Warning, "out-of-zone", r.Tag, r.Owner.Clone(), r.Type, "the owner is not in zone %v and is ignored; move the record to its own zone, or mend the $ORIGIN or the owner", b.apex)
		}
		return
	}
	if r.Type.IsMeta() {
		b.report(Error, "meta-type", r.Tag, r.Owner.Clone(), r.Type, "the type exists in queries only (RFC 6895 §3.1); remove the record")
		return
	}
	if r.TTL > 1<<31-1 {
		b.report(Error, "ttl-range", r.Tag, r.Owner.Clone(), r.Type, "TTL %d is larger than 2147483647 (RFC 2181 §8); lower it", r.TTL)
		return
	}
	if reason := badRData(r.Type, r.Data); reason != "" {
		b.report(Error, "bad-rdata", r.Tag, r.Owner.Clone(), r.Type, "%s", reason)
		return
	}
	if r.Type == rr.TypeNSEC3 || r.Type == rr.TypeRRSIG && covered(r.Data) == rr.TypeNSEC3 {
		if hash, ok := b.nsec3Hash(r.Owner); ok {
			b.key.reset(&layout{})
			for _, c := range hash {
				b.key.pushOctet(c)
			}
			b.append(&b.nsec3, r)
			return
		}
		b.report(Error, "nsec3-owner", r.Tag, r.Owner.Clone(), r.Type, "the owner must be one label of 32 base32hex digits below the apex (RFC 5155 §3); sign the zone again")
		return
	}
	b.fill(&b.key, r.Owner)
	b.append(&b.main, r)
}

func (b *Builder) append(to *entries, r Record) {
	k := &b.key
	octets := (k.n + 1) >> 1
	n := entryHeader + octets + len(r.Data)
	if len(b.log) == 0 || len(b.log[len(b.log)-1])+n > cap(b.log[len(b.log)-1]) {
		// As large as all before, so that a small zone has a small log.
		size := firstLog << min(len(b.log), 20)
		b.log = append(b.log, make([]byte, 0, max(n, min(size, logChunk))))
	}
	last := len(b.log) - 1
	l := b.log[last]
	at := uint64(last)<<32 | uint64(len(l))
	ordinary := min(k.ordinary, entryPlain)
	le := binary.LittleEndian
	l = le.AppendUint16(l, uint16(k.n))
	l = le.AppendUint16(l, uint16(ordinary))
	l = le.AppendUint32(l, r.TTL)
	l = le.AppendUint64(l, uint64(r.Tag))
	l = le.AppendUint16(l, uint16(r.Type))
	l = le.AppendUint16(l, uint16(len(r.Data)))
	if k.n&1 == 1 {
		k.b[k.n>>1] &= 0xf0
	}
	l = append(l, k.b[:octets]...)
	l = append(l, r.Data...)
	b.log[last] = l
	it := item{k.order(), at}
	if n := len(to.list); n == 0 {
		to.sorted = true
	} else if to.sorted {
		to.sorted = b.compare(to.list[n-1], it) <= 0
	}
	to.list = append(to.list, it)
}

// compare orders items by key.
func (b *Builder) compare(x, y item) int {
	b.step()
	if x.order != y.order {
		return cmp.Compare(x.order, y.order)
	}
	return b.entry(x).compare(b.entry(y))
}

// entry is a view of a log entry.
type entry []byte

func (b *Builder) entry(i item) entry { return b.log[i.at>>32][uint32(i.at):] }

func (e entry) nibbles() int  { return int(binary.LittleEndian.Uint16(e)) }
func (e entry) ordinary() int { return int(binary.LittleEndian.Uint16(e[2:])) }
func (e entry) ttl() uint32   { return binary.LittleEndian.Uint32(e[4:]) }
func (e entry) tag() Tag      { return Tag(binary.LittleEndian.Uint64(e[8:])) }
func (e entry) typ() rr.Type  { return rr.Type(binary.LittleEndian.Uint16(e[16:])) }
func (e entry) key() []byte   { return e[entryHeader : entryHeader+(e.nibbles()+1)>>1] }
func (e entry) data() []byte {
	o := entryHeader + (e.nibbles()+1)>>1
	n := o + int(binary.LittleEndian.Uint16(e[18:]))
	return e[o:n:n]
}

// common returns the number of nibbles at which the keys part: the first that
// differs, the end of the shorter, or an ordinary branch that only one takes.
func (e entry) common(f entry) int {
	n := min(e.nibbles(), f.nibbles())
	p := commonNibbles(e.key(), f.key(), n)
	if a, b := e.ordinary(), f.ordinary(); a != b {
		p = min(p, a, b)
	}
	return p
}

// commonNibbles returns how many of the first n nibbles of a and b are equal.
func commonNibbles(a, b []byte, n int) int {
	i, octets := 0, (n+1)>>1
	a, b = a[:octets], b[:octets]
	for ; i+8 <= octets; i += 8 {
		if x := binary.BigEndian.Uint64(a[i:]) ^ binary.BigEndian.Uint64(b[i:]); x != 0 {
			return min(n, 2*i+bits.LeadingZeros64(x)>>2)
		}
	}
	for ; i < octets; i++ {
		if x := a[i] ^ b[i]; x != 0 {
			if x>>4 != 0 {
				return min(n, 2*i)
			}
			return min(n, 2*i+1)
		}
	}
	return n
}

// compare orders entries by key: a name before those below it, nibbles in
// ascending order, the ordinary branch last.
func (e entry) compare(f entry) int {
	p := e.common(f)
	if a, b := e.ordinary(), f.ordinary(); a != b && p == min(a, b) {
		// One takes the ordinary branch here. The other comes first: it ends here
		// or goes on with a nibble.
		if a < b {
			return 1
		}
		return -1
	}
	if p == e.nibbles() || p == f.nibbles() {
		return e.nibbles() - f.nibbles()
	}
	return int(nibbleAt(e.key(), p)) - int(nibbleAt(f.key(), p))
}

// holds reports whether f's name lies below e's.
func (e entry) holds(f entry) bool {
	n := e.nibbles()
	if f.nibbles() <= n || e.common(f) < n {
		return false
	}
	return e.ordinary() != entryPlain && e.ordinary() == f.ordinary() || e.ordinary() == entryPlain && f.ordinary() >= n
}

// Build makes the zone. Without an Error among the findings the zone is good to
// serve; with one it is nil. Findings come in the order of their records' tags.
// The Builder is spent.
func (b *Builder) Build() (*Zone, []Finding) {
	if b.outside > maxOutside {
		b.report(Warning, "out-of-zone", 0, nil, 0, "%d more records are not in zone %v and are ignored", b.outside-maxOutside, b.apex)
	}
	z := &Zone{layout: b.layout}
	// More than the zone will take, as a rule: the rest is trimmed.
	logged := int64(0)
	for _, l := range b.log {
		logged += int64(len(l))
	}
	w := &zoneWriter{writer: newWriter(logged), suffixes: map[string]ref{}}
	z.w = w
	c := checker{b: b, z: z}
	z.root = b.trie(z, &b.main, &c)
	c.checkZone()
	z.nsec3 = b.trie(z, &b.nsec3, nil)
	if w.full {
		b.report(Error, "zone-too-large", 0, nil, 0, "the zone takes more than 16 GiB; split it at an octet or nibble boundary")
	}
	z.storage = w.done()
	z.ttls = w.ttls
	z.w = nil
	b.log, b.main, b.nsec3 = nil, entries{}, entries{}
	slices.SortStableFunc(b.findings, func(x, y Finding) int { return cmp.Compare(x.Tag, y.Tag) })
	for _, f := range b.findings {
		if f.Severity == Error {
			return nil, b.findings
		}
	}
	z.derive()
	return z, b.findings
}

// trie writes the trie of the sorted entries and returns its root.
func (b *Builder) trie(z *Zone, e *entries, c *checker) ref {
	if len(e.list) == 0 {
		return 0
	}
	if !e.sorted {
		slices.SortFunc(e.list, func(x, y item) int {
			if c := b.compare(x, y); c != 0 {
				return c
			}
			return cmp.Compare(x.at, y.at)
		})
	}
	t := trieWriter{b: b, z: z, list: e.list, check: c}
	plain := z.family == dname.Forward || c == nil
	return t.node(0, len(e.list), 0, plain)
}

type trieWriter struct {
	b     *Builder
	z     *Zone
	list  []item
	check *checker // nil in the trie of NSEC3
	value []byte
}

// node writes the node for list[lo:hi], whose keys share their first depth
// nibbles; inOrdinary says that the ordinary branch is behind them.
func (t *trieWriter) node(lo, hi, depth int, inOrdinary bool) ref {
	t.b.step()
	first, last := t.b.entry(t.list[lo]), t.b.entry(t.list[hi-1])
	end := min(first.common(last), first.nibbles(), depth+maxRun)
	if !inOrdinary {
		end = min(end, first.ordinary(), last.ordinary())
	}
	var n node
	var run [maxRun]byte
	n.run = run[:end-depth]
	for i := range n.run {
		n.run[i] = nibbleAt(first.key(), depth+i)
	}
	if first.nibbles() == end {
		from := lo
		for lo < hi && t.b.entry(t.list[lo]).nibbles() == end {
			lo++
		}
		n.value, n.flags = t.owner(from, lo)
	}
	var value []byte
	if n.value != nil && lo < hi {
		value = append(value, n.value...) // n.value lies in the scratch that children use
	}
	for lo < hi {
		e := t.b.entry(t.list[lo])
		if !inOrdinary && e.ordinary() == end {
			n.ordinary = t.node(lo, hi, end, true)
			break
		}
		v := nibbleAt(e.key(), end)
		to := lo + 1
		// The entries with the same nibble: by doubling, then halving.
		step := 1
		for to+step < hi && t.same(to+step, end, v, inOrdinary) {
			to += step
			step <<= 1
		}
		for ; step > 0; step >>= 1 {
			for to+step <= hi && t.same(to+step-1, end, v, inOrdinary) {
				to += step
			}
		}
		n.children[v] = t.node(lo, to, end+1, inOrdinary)
		lo = to
	}
	if value != nil {
		n.value = value
	}
	return t.z.w.encode(&n, depth)
}

// same reports whether entry i goes on with nibble v at depth.
func (t *trieWriter) same(i, depth int, v byte, inOrdinary bool) bool {
	e := t.b.entry(t.list[i])
	return (inOrdinary || e.ordinary() != depth) && nibbleAt(e.key(), depth) == v
}

// owner makes the value of one name out of its records list[lo:hi]; it is valid
// until the next call.
func (t *trieWriter) owner(lo, hi int) (value []byte, flags uint32) {
	b, z := t.b, t.z
	first := b.entry(t.list[lo])
	var c content
	var single [1]contentSet
	if hi-lo == 1 && first.typ() != rr.TypeRRSIG {
		var data [1][]byte
		data[0] = first.data()
		single[0] = contentSet{typ: first.typ(), ttl: first.ttl(), sigTTL: first.ttl(), data: data[:]}
		c = single[:]
	} else {
		for _, at := range t.list[lo:hi] {
			e := b.entry(at)
			c.add(e.typ(), e.ttl(), e.data())
		}
	}
	if t.check != nil {
		t.check.owner(lo, hi, t.list, c)
	}
	c.prune()
	if len(c) == 0 {
		b.report(Error, "only-signatures", first.tag(), nil, rr.TypeRRSIG, "a name has signatures and nothing that they cover; sign the zone again")
		return []byte{formSets, 0, 0}, 0
	}
	depth := first.nibbles()
	z.account(c, 1)
	z.digestContent(c, 1, first.key(), depth, first.ordinary(), t.check == nil)
	if t.check != nil {
		flags = flagsOf(c, depth)
		if hasWildcard(first.key(), depth, first.ordinary()) {
			z.wildcards++
		}
	}
	t.value = z.w.encodeValue(t.value[:0], c, true)
	return t.value, flags
}

// flagsOf returns the node flags of a name's RRsets.
func flagsOf(c content, depth int) (flags uint32) {
	if depth > 0 && c.find(rr.TypeNS) != nil {
		flags |= bitCut
	}
	if c.find(rr.TypeDNAME) != nil {
		flags |= bitDNAME
	}
	return flags
}

// badRData returns what is wrong with RDATA that code of this package relies
// on; the empty string if nothing is.
func badRData(t rr.Type, d []byte) string {
	if len(d) > maxMessage-rrFixed-17 {
		return fmt.Sprintf("RDATA of %d octets does not fit in a message; shorten it", len(d))
	}
	name := func(d []byte) []byte {
		n := dname.FromWire(d)
		if n == nil {
			return nil
		}
		return d[len(n):]
	}
	const malformed = "the RDATA is malformed; write the record anew"
	switch t {
	case rr.TypePTR, rr.TypeNS, rr.TypeCNAME, rr.TypeDNAME:
		if rest := name(d); rest == nil || len(rest) != 0 {
			return malformed
		}
	case rr.TypeSOA:
		if rest := name(d); rest == nil {
			return malformed
		} else if rest = name(rest); len(rest) != 20 {
			return malformed
		}
	case rr.TypeMX:
		if len(d) < 3 || len(name(d[2:])) != 0 || dname.FromWire(d[2:]) == nil {
			return malformed
		}
	case rr.TypeSRV:
		if len(d) < 7 || len(name(d[6:])) != 0 || dname.FromWire(d[6:]) == nil {
			return malformed
		}
	case rr.TypeA:
		if len(d) != 4 {
			return malformed
		}
	case rr.TypeAAAA:
		if len(d) != 16 {
			return malformed
		}
	case rr.TypeRRSIG:
		if len(d) < 19 || dname.FromWire(d[18:]) == nil {
			return malformed
		}
	case rr.TypeNSEC:
		if dname.FromWire(d) == nil {
			return malformed
		}
	case rr.TypeNSEC3:
		if len(d) < 5 || len(d) < 6+int(d[4]) || len(d) < 6+int(d[4])+int(d[5+int(d[4])]) {
			return malformed
		}
		if d[0] != 1 {
			return fmt.Sprintf("hash algorithm %d is unknown, 1 (SHA-1) is the only one (RFC 5155 §11); sign the zone again", d[0])
		}
		if it := binary.BigEndian.Uint16(d[2:]); it > maxIterations {
			return fmt.Sprintf("%d iterations, at most %d are served (RFC 9276 §3.2 wants 0); sign the zone again with fewer", it, maxIterations)
		}
	case rr.TypeNSEC3PARAM:
		if len(d) < 5 || len(d) != 5+int(d[4]) {
			return malformed
		}
	}
	return ""
}

// nsec3Hash returns the hash that the owner of an NSEC3 stands for.
func (z *layout) nsec3Hash(owner dname.Name) (h []byte, ok bool) {
	if owner.Labels() != z.apexLabels+1 || owner[0] != 32 {
		return nil, false
	}
	h = make([]byte, 20)
	n, err := base32hex.Decode(h, bytes.ToUpper(owner.Label()))
	return h, err == nil && n == 20
}
