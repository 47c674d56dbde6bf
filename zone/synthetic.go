package zone

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"sort"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/synth"
)

// HasRules reports whether the zone makes names by rules, see [synth.Rule].
func (z *Zone) HasRules() bool { return z.ranges != nil }

// RuleFaults returns why rules of the zone cannot be used.
func (z *Zone) RuleFaults() []string {
	if z.ranges == nil {
		return nil
	}
	return z.ranges.faults
}

// Templates returns those of the rules that are used.
func (z *Zone) Templates() []*synth.Template {
	if z.ranges == nil {
		return nil
	}
	return z.ranges.templates
}

// WithKeys returns the same zone with the keys of permutations, which are no part of its data.
// [Zone.Apply] leaves them as they are.
func (z *Zone) WithKeys(keys *synth.Keys) *Zone {
	if z.keys == keys {
		return z
	}
	n := *z
	n.keys, n.ranges = keys, nil
	return n.withNewRanges()
}

// WithRules returns the same zone with the data of rules that are no part of its data, in addition
// to those among its records: transfers and digests do not have them. [Zone.Apply] leaves them as they
// are. The zone keeps the list.
func (z *Zone) WithRules(rules [][]byte) *Zone {
	if slices.EqualFunc(z.rules, rules, bytes.Equal) {
		return z
	}
	n := *z
	n.rules = rules
	return n.withNewRanges()
}

// withNewRanges reads the rules of a copy of a zone that has other keys or rules.
func (z *Zone) withNewRanges() *Zone {
	if z.IsAvailable() {
		z.deriveRanges(true)
	}
	return z
}

// ranges are the ranges of addresses whose names are made when asked for. A reverse zone
// answers for the addresses of its own prefix, a forward zone for the names of templates below
// its apex.
type ranges struct {
	templates []*synth.Template
	ttls      []uint32
	rules     []string // their data
	faults    []string // rules that cannot be used, and why

	// of a reverse zone: the bits of addresses that the apex stands for, of a classless zone
	// those of its /24; negative: none. The addresses from starts[i] to the next belong to the range
	// owners[i], the longest of those that hold them; negative: to none
	apex     addressKey
	apexBits int
	starts   []addressKey
	owners   []int

	// of a forward zone, by the base of templates; a name above one has nil
	bases map[string]*base
}

// base is the templates that have it.
type base struct {
	names   *synth.Names
	members []int // their templates
}

// addressKey is the bits of an address from the left.
type addressKey struct{ hi, lo uint64 }

func (a addressKey) isBefore(b addressKey) bool { return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo }

// last returns the last key that has the first bits of a.
func (a addressKey) last(bits int) addressKey {
	return addressKey{a.hi | ^uint64(0)>>bits, a.lo | ^uint64(0)>>max(bits-64, 0)}
}

// next returns the key after a; ok is false behind the last.
func (a addressKey) next() (b addressKey, ok bool) {
	b = addressKey{a.hi, a.lo + 1}
	if b.lo == 0 {
		b.hi++
	}
	return b, b != addressKey{}
}

func keyOfAddr(a netip.Addr) (k addressKey) {
	for i, c := range a.AsSlice() {
		if i < 8 {
			k.hi |= uint64(c) << (56 - 8*i)
		} else {
			k.lo |= uint64(c) << (120 - 8*i)
		}
	}
	return k
}

// addr returns the address of a family.
func (a addressKey) addr(f dname.Family) netip.Addr {
	var b [16]byte
	for i := range 8 {
		b[i], b[8+i] = byte(a.hi>>(56-8*i)), byte(a.lo>>(56-8*i))
	}
	if f == dname.IP6 {
		return netip.AddrFrom16(b)
	}
	return netip.AddrFrom4([4]byte(b[:4]))
}

// deriveRanges compiles the rules if they may have changed. Signed zones are served as their
// signer made them.
func (z *Zone) deriveRanges(changed bool) {
	if z.denial != unsigned {
		z.ranges = nil
	} else if changed {
		z.ranges = z.newRanges(z.ranges)
	}
}

// eachRule calls yield with the data of each rule: at the apex, as earlier versions wrote them, at
// the names one label below [synth.Label], and those that are no part of the zone's data.
func (z *Zone) eachRule(yield func(data []byte)) {
	each := func(value []byte) {
		set := z.set(value, synth.Type)
		for it := set.Data(); it.Next(); {
			yield(it.Head)
		}
	}
	each(z.apexValue)
	if s, ok := z.rulesSpot(); ok {
		z.children(s, func(c child) bool {
			if value := z.value(c.place); value != nil {
				each(value)
			}
			return true
		})
	}
	for _, data := range z.rules {
		yield(data)
	}
}

// rulesSpot returns the end of the label below which the rules are; ok is false if there are none.
func (z *Zone) rulesSpot() (s spot, ok bool) {
	s = spot{place: place{at: z.root}, ordinary: true}
	if z.family != dname.Forward {
		if s.place, ok = z.ordinary(s.place); !ok {
			return s, false
		}
	}
	path := appendLabelKey(nil, []byte(synth.Label))
	for i := range 2 * len(path) {
		v := nibbleAt(path, i)
		if z.next(s.place)>>v&1 == 0 {
			return s, false
		}
		s.place = z.step(s.place, v)
	}
	return s, true
}

// newRanges compiles the rules; nil: there are none. Those that old has are compiled already.
func (z *Zone) newRanges(old *ranges) *ranges {
	r := &ranges{}
	var keys synth.Keys
	if z.keys != nil {
		keys = *z.keys
	}
	compiled := map[string]int{}
	if old != nil {
		for i, rule := range old.rules {
			compiled[rule] = i
		}
	}
	tooMany := 0
	add := func(rule string, ttl uint32, t *synth.Template) {
		r.templates, r.ttls, r.rules = append(r.templates, t), append(r.ttls, ttl), append(r.rules, rule)
	}
	z.eachRule(func(data []byte) {
		if len(r.rules) == synth.MaxRules {
			tooMany++
			return
		}
		if i, ok := compiled[string(data)]; ok {
			add(old.rules[i], old.ttls[i], old.templates[i])
			return
		}
		rule, err := synth.ParseRule(data)
		var t *synth.Template
		if err == nil {
			t, err = rule.Compile(keys)
		}
		if err != nil {
			r.faults = append(r.faults, err.Error())
			return
		}
		add(string(data), rule.TTL, t)
	})
	if tooMany > 0 {
		r.faults = append(r.faults, fmt.Sprintf("the names of %d ranges are missing: a zone has at most %d ranges", tooMany, synth.MaxRules))
	}
	if len(r.rules)+len(r.faults) == 0 {
		return nil
	}
	if z.family == dname.Forward {
		r.indexNames(z)
	} else {
		r.indexAddresses(z)
	}
	return r
}

// indexAddresses divides the addresses among the ranges.
func (r *ranges) indexAddresses(z *Zone) {
	size := int(4 * addressNibbles(z.family))
	r.apexBits = -1
	_, address, rest := dname.Tree(z.apex)
	if p, ok := dname.ToPrefix(z.apex.Suffix(2 + address)); ok && (rest == 0 || p.Bits() == 24 && z.address == 1) {
		r.apex, r.apexBits = keyOfAddr(p.Addr()), p.Bits()
	}
	var order []int
	for i, t := range r.templates {
		if t.Prefix().Addr().BitLen() == size {
			order = append(order, i)
		}
	}
	prefixOf := func(i int) netip.Prefix { return r.templates[order[i]].Prefix() }
	sort.SliceStable(order, func(i, j int) bool {
		a, b := prefixOf(i), prefixOf(j)
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c < 0
		}
		return a.Bits() < b.Bits()
	})
	// open are the ranges that hold the current address, the longest last.
	type open struct {
		owner int
		last  addressKey
	}
	var stack []open
	begin := func(at addressKey, owner int) {
		if n := len(r.starts); n > 0 && r.starts[n-1] == at {
			r.owners[n-1] = owner
			return
		}
		r.starts, r.owners = append(r.starts, at), append(r.owners, owner)
	}
	// end closes the ranges that end before at.
	end := func(at addressKey, all bool) {
		for len(stack) > 0 && (all || stack[len(stack)-1].last.isBefore(at)) {
			top := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			next, ok := top.last.next()
			if !ok {
				continue
			}
			owner := -1
			if len(stack) > 0 {
				owner = stack[len(stack)-1].owner
			}
			begin(next, owner)
		}
	}
	begin(addressKey{}, -1)
	for _, i := range order {
		p := r.templates[i].Prefix()
		at := keyOfAddr(p.Addr())
		end(at, false)
		begin(at, i)
		stack = append(stack, open{i, at.last(p.Bits())})
	}
	end(addressKey{}, true)
}

// indexNames groups the templates by their base, if it is in the zone.
func (r *ranges) indexNames(z *Zone) {
	r.bases = map[string]*base{}
	members := map[string][]int{}
	for i, t := range r.templates {
		if !t.Base().IsAtOrBelow(z.apex) {
			continue
		}
		members[t.Base().Key()] = append(members[t.Base().Key()], i)
		for name := t.Base(); len(name) >= len(z.apex); name = name.Parent() {
			if _, ok := r.bases[name.Key()]; !ok {
				r.bases[name.Key()] = nil
			}
			if name.IsRoot() {
				break
			}
		}
	}
	for key, list := range members {
		var templates []*synth.Template
		for _, i := range list {
			templates = append(templates, r.templates[i])
		}
		names := synth.NewNames(templates)
		for _, i := range names.Left() {
			r.faults = append(r.faults, fmt.Sprintf("the names in %v are not found: below one domain, there are at most %d forms of names", templates[i].Prefix(), synth.MaxForms))
		}
		r.bases[key] = &base{names, list}
	}
}

// owner returns the range that an address belongs to; negative: none.
func (r *ranges) owner(k addressKey) int {
	lo, hi := 0, len(r.starts)
	for hi-lo > 1 {
		mid := int(uint(lo+hi) >> 1)
		if k.isBefore(r.starts[mid]) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return r.owners[lo]
}

// overlap reports whether a range has an address whose first bits are those of k.
func (r *ranges) overlap(k addressKey, bits int) bool {
	if r.owner(k) >= 0 {
		return true
	}
	i, _ := slices.BinarySearchFunc(r.starts, k, func(a, b addressKey) int {
		switch {
		case a.isBefore(b):
			return -1
		case a == b:
			return 0
		}
		return 1
	})
	last := k.last(bits)
	for ; i < len(r.starts) && !last.isBefore(r.starts[i]); i++ {
		if r.owners[i] >= 0 {
			return true
		}
	}
	return false
}

// MadeAt returns the record that a rule makes at a name, and the data of the rule; nil if none does. If isHidden, what is stored there takes precedence.
func (z *Zone) MadeAt(name dname.Name) (r Record, rule []byte, isHidden bool) {
	if z.ranges == nil || !name.IsAtOrBelow(z.apex) {
		return r, nil, false
	}
	var k key
	z.fill(&k, name)
	f := z.find(&k, true)
	m := z.made(name, &k, k.labels)
	if m.match != synth.Exact {
		return r, nil, false
	}
	r = Record{Owner: name, Type: z.madeType(&m), TTL: z.ranges.ttls[m.rule], Data: m.addr.AsSlice()}
	if r.Type == rr.TypePTR {
		r.Data = z.ranges.templates[m.rule].Append(nil, m.addr)
	}
	isHidden = f.status == foundCut || f.status == foundDNAME || f.status == foundName && z.hides(f.value, r.Type)
	return r, []byte(z.ranges.rules[m.rule]), isHidden
}

// AppendPTR appends the target that the rules make for an address whose name is not in the
// zone, and returns its TTL in seconds; ok is false if it is in no range.
func (z *Zone) AppendPTR(dst []byte, k *dname.AddressKey) (name []byte, ttl uint32, ok bool) {
	a := addressKey{k.Hi, k.Lo}
	owner := z.ranges.owner(a)
	if owner < 0 {
		return dst, 0, false
	}
	return z.ranges.templates[owner].Append(dst, a.addr(k.Family)), z.ranges.ttls[owner], true
}

// made is what the rules make at a name.
type made struct {
	match synth.Match
	rule  int
	addr  netip.Addr
}

// made returns what the rules make at the ancestor of qname that has only the first labels of its
// key, or at qname itself if these are all.
func (z *Zone) made(qname dname.Name, k *key, labels int) (m made) {
	if z.family == dname.Forward {
		return z.ranges.madeFor(z.below(qname, labels), z)
	}
	n := int(k.ends[labels])
	apexBits := z.ranges.apexBits
	if k.ordinary < n || apexBits < 0 {
		return m
	}
	a := z.ranges.apex
	for i := range n {
		at := apexBits + 4*i
		if at < 64 {
			a.hi |= uint64(k.nibble(i)) << (60 - at)
		} else {
			a.lo |= uint64(k.nibble(i)) << (124 - at)
		}
	}
	bits := apexBits + 4*n
	if bits == int(4*addressNibbles(z.family)) {
		if m.rule = z.ranges.owner(a); m.rule >= 0 {
			m.match, m.addr = synth.Exact, a.addr(z.family)
		}
	} else if z.ranges.overlap(a, bits) {
		m.match = synth.Above
	}
	return m
}

// madeFor is made for a name of a forward zone.
func (r *ranges) madeFor(name dname.Name, z *Zone) (m made) {
	var buf [dname.MaxWire]byte
	lower := name.AppendLower(buf[:0])
	for at := lower; len(at) >= len(z.apex); at = at[1+int(at[0]):] {
		b, ok := r.bases[string(at)]
		if ok && len(at) == len(lower) {
			m.match = synth.Above
		}
		if b != nil {
			a, i, match := b.names.Find(name)
			if match == synth.Exact {
				return made{synth.Exact, b.members[i], a}
			}
			m.match = max(m.match, match)
		}
		if len(at) == 1 {
			break
		}
	}
	return m
}

// madeType returns the type of the records that the rules make at a name.
func (z *Zone) madeType(m *made) rr.Type {
	switch {
	case z.family != dname.Forward:
		return rr.TypePTR
	case m.addr.Is4():
		return rr.TypeA
	}
	return rr.TypeAAAA
}

// makeSet returns the RRset that the rules make. Its data are in the room of the answer.
func (z *Zone) makeSet(m *made, a *Answer) (s RRset, ok bool) {
	var buf [2 + dname.MaxWire]byte
	b := buf[:2]
	if z.family != dname.Forward {
		b = z.ranges.templates[m.rule].Append(b, m.addr)
	} else if m.addr.Is4() {
		four := m.addr.As4()
		b = append(b, four[:]...)
	} else {
		sixteen := m.addr.As16()
		b = append(b, sixteen[:]...)
	}
	room := a.room(len(b))
	if room == nil {
		return s, false
	}
	b[1] = byte(len(b) - 2)
	copy(room, b)
	return RRset{Type: z.madeType(m), TTL: z.ranges.ttls[m.rule], count: 1, list: room}, true
}

// hides reports whether what is stored at a name takes precedence over a record of type t that a
// rule makes.
func (z *Zone) hides(value []byte, t rr.Type) bool {
	if s := z.set(value, t); s.Exists() {
		return true
	}
	s := z.set(value, rr.TypeCNAME)
	return s.Exists()
}

// madeEncloser returns how many labels below the apex the closest encloser has of a name that
// does not exist, where stored is the number without the names that the rules make.
func (z *Zone) madeEncloser(qname dname.Name, k *key, stored int) int {
	for labels := k.labels - 1; labels > stored; labels-- {
		if m := z.made(qname, k, labels); m.match != synth.None {
			return labels
		}
	}
	return stored
}

// synthesize answers from the rules, and reports whether it did; what is stored comes first,
// RRset by RRset.
func (z *Zone) synthesize(qname dname.Name, qtype rr.Type, k *key, f *found, do bool, a *Answer) bool {
	m := z.made(qname, k, k.labels)
	if m.match == synth.None {
		return false
	}
	t := z.madeType(&m)
	if f.status == foundName && (m.match != synth.Exact || t != qtype || z.hides(f.value, t)) {
		return false
	}
	if m.match == synth.Exact && (qtype == t || qtype == rr.TypeANY) {
		if s, ok := z.makeSet(&m, a); ok {
			a.Kind = Success
			a.add(SectionAnswer, qname, s, false)
		}
		return true
	}
	a.Kind = NoData
	z.negative(do, a)
	return true
}
