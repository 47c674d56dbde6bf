package zone

import (
	"bytes"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sort"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/synth"
)

// HasRules reports whether the zone makes names by rules, see [synth.Rule].
func (z *Zone) HasRules() bool { return z.ranges != nil }

// HasRulesOf reports whether the zone has the same rules as another state of it.
func (z *Zone) HasRulesOf(other *Zone) bool { return z.ranges == other.ranges }

// RuleFaults returns why rules of the zone cannot be used.
func (z *Zone) RuleFaults() []string {
	if z.ranges == nil {
		return nil
	}
	return z.ranges.faults
}

// Templates returns those of the rules that are used.
func (z *Zone) Templates() (list []*synth.Template) {
	if z.ranges == nil {
		return nil
	}
	for i := range z.ranges.made {
		list = append(list, &z.ranges.made[i].template)
	}
	return list
}

// WithKeys returns the same zone with the keys of permutations, which are no part of its data.
// [Zone.Apply] leaves them as they are.
func (z *Zone) WithKeys(keys *synth.Keys) *Zone {
	if z.keys == keys || z.keys != nil && keys != nil && maps.EqualFunc(*z.keys, *keys, bytes.Equal) {
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
	made   []madeRange
	faults []string // rules that cannot be used, and why

	// of a reverse zone: the bits of addresses that the apex stands for, of a classless zone
	// those of its /24; negative: none
	apex      addressKey
	apexBits  int
	addresses intervals // the owners are rules

	// of a forward zone, by the base of templates; a name above one has nil
	bases  map[string]*synth.Names
	depths [2]uint64 // which numbers of labels bases have that are not nil, a bit each
	labels int       // of the longest name
}

// madeRange is a range with what its rule makes.
type madeRange struct {
	ttl      uint32 // seconds
	inArpa   bool   // the names end in arpa, as QNAMEs of reverse zones
	template synth.Template
	rule     string // the data of the rule
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
	var k key
	k.reset(&z.layout)
	if f := z.find(&k, false); f.status == foundName {
		each(f.value)
	}
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

// arpa is the domain of reverse zones.
const arpa = "\x04arpa\x00"

// maxFaults is how many rules of one kind are reported one by one. Another server decides how many
// there are.
const maxFaults = 20

// maxRuleLabels bounds the labels of the names of all rules, as each label of a template takes some 100
// octets: as many as the most rules of {reversed} have below a name of eight labels.
const maxRuleLabels = 40 * synth.MaxRules

// newRanges compiles the rules; nil: there are none. Those that old has are compiled already.
func (z *Zone) newRanges(old *ranges) *ranges {
	r := &ranges{}
	var keys synth.Keys
	if z.keys != nil {
		keys = *z.keys
	}
	compiled := map[string]int{}
	if old != nil {
		for i := range old.made {
			compiled[old.made[i].rule] = i
		}
	}
	tried, unused, labels := 0, 0, 0
	use := func(m madeRange) {
		if labels += m.template.Labels(); labels <= maxRuleLabels {
			r.made = append(r.made, m)
		}
	}
	z.eachRule(func(data []byte) {
		if tried++; tried > synth.MaxRules {
			return
		}
		if i, ok := compiled[string(data)]; ok {
			use(old.made[i])
			return
		}
		rule, err := synth.ParseRule(data)
		var t *synth.Template
		if err == nil {
			t, err = rule.Compile(keys)
		}
		if err != nil {
			if unused++; unused <= maxFaults {
				r.faults = append(r.faults, err.Error())
			}
			return
		}
		use(madeRange{rule.TTL, t.Base().IsAtOrBelow(dname.Name(arpa)), *t, string(data)})
	})
	if n := unused - maxFaults; n > 0 {
		r.faults = append(r.faults, fmt.Sprintf("names of ranges are missing for such reasons: of %d more", n))
	}
	if n := tried - synth.MaxRules; n > 0 {
		r.faults = append(r.faults, fmt.Sprintf("names of ranges are missing, of %d: a zone has at most %d ranges", n, synth.MaxRules))
	}
	if labels > maxRuleLabels {
		r.faults = append(r.faults, fmt.Sprintf("names of ranges are missing: the names of all ranges of a zone have at most %d labels in all, here %d", maxRuleLabels, labels))
	}
	if len(r.made)+len(r.faults) == 0 {
		return nil
	}
	r.made = slices.Clone(r.made)
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
	for i := range r.made {
		t := &r.made[i].template
		if t.Prefix().Addr().BitLen() == size {
			order = append(order, i)
		}
	}
	prefixOf := func(i int) netip.Prefix { return r.made[order[i]].template.Prefix() }
	sort.SliceStable(order, func(i, j int) bool {
		a, b := prefixOf(i), prefixOf(j)
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c < 0
		}
		return a.Bits() < b.Bits()
	})
	for _, i := range order {
		p := r.made[i].template.Prefix()
		r.addresses.add(keyOfAddr(p.Addr()), p.Bits(), i)
	}
	r.addresses.finish()
}

// indexNames groups the templates by their base, if it is in the zone.
func (r *ranges) indexNames(z *Zone) {
	templates := make([]*synth.Template, len(r.made))
	for i := range r.made {
		if t := &r.made[i].template; t.Base().IsAtOrBelow(z.apex) {
			templates[i] = t
			depth := t.Base().Labels()
			r.depths[depth/64] |= 1 << (depth % 64)
			r.labels = max(r.labels, t.Labels())
		}
	}
	bases, left := synth.FindNames(templates)
	for i := range left {
		if i == maxFaults {
			r.faults = append(r.faults, fmt.Sprintf("names in ranges are not found for this reason: in %d more", len(left)-i))
			break
		}
		r.faults = append(r.faults, fmt.Sprintf("the names in %v are not found: a name is compared with at most %d forms of names, those of its domain and of the domains above that", templates[left[i]].Prefix(), synth.MaxForms))
	}
	r.bases = bases
	for _, key := range slices.Collect(maps.Keys(bases)) {
		for name := dname.Name(key); len(name) > len(z.apex); {
			name = name.Parent()
			if _, ok := r.bases[string(name)]; ok {
				break // so are, or will be, those above it
			}
			r.bases[string(name)] = nil
		}
	}
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
	r = Record{Owner: name, Type: z.madeType(&m), TTL: z.ranges.made[m.rule].ttl, Data: m.addr.AsSlice()}
	if r.Type == rr.TypePTR {
		r.Data = z.ranges.made[m.rule].template.Append(nil, m.addr)
	}
	isHidden = f.status == foundCut || f.status == foundDNAME || f.status == foundName && z.hides(f.value, r.Type)
	return r, []byte(z.ranges.made[m.rule].rule), isHidden
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
		if m.rule = z.ranges.addresses.owner(a); m.rule >= 0 {
			m.match, m.addr = synth.Exact, a.addr(z.family)
		}
	} else if z.ranges.addresses.overlap(a, bits) {
		m.match = synth.Above
	}
	return m
}

// madeFor is made for a name of a forward zone.
func (r *ranges) madeFor(name dname.Name, z *Zone) (m made) {
	depth := name.Labels()
	if depth > r.labels {
		return m
	}
	var buf [dname.MaxWire]byte
	lower := name.AppendLower(buf[:0])
	for at := lower; len(at) >= len(z.apex); at, depth = at[1+int(at[0]):], depth-1 {
		if len(at) != len(lower) && r.depths[depth/64]>>(depth%64)&1 == 0 {
			continue // no bases have so many labels
		}
		names, ok := r.bases[string(at)]
		if ok && len(at) == len(lower) {
			m.match = synth.Above
		}
		if names != nil {
			a, i, match := names.Find(name)
			if match == synth.Exact {
				return made{synth.Exact, i, a}
			}
			m.match = max(m.match, match)
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

// isMade reports whether a rule makes an address of a name.
func (z *Zone) isMade(name dname.Name, k *key) bool {
	if z.ranges == nil || z.family != dname.Forward {
		return false
	}
	f := z.find(k, true)
	return f.status != foundCut && f.status != foundDNAME && z.made(name, k, k.labels).match == synth.Exact
}

// madeRoom is the room of an address that makeSet takes.
const madeRoom = 2 + 16

// makeSet returns the RRset that the rules make. Its data are in the room of the answer.
func (z *Zone) makeSet(m *made, a *Answer) (s RRset, ok bool) {
	var buf [2 + dname.MaxWire]byte
	b := buf[:2]
	if z.family != dname.Forward {
		b = z.ranges.made[m.rule].template.Append(b, m.addr)
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
	return RRset{Type: z.madeType(m), TTL: z.ranges.made[m.rule].ttl, count: 1, list: room}, true
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
	most := k.labels - 1
	if z.family == dname.Forward { // else names that are no addresses are cheap
		most = min(most, z.ranges.labels-z.apexLabels)
	}
	// All names above one that exists do too.
	return stored + sort.Search(max(most-stored, 0), func(i int) bool {
		m := z.made(qname, k, stored+i+1)
		return m.match == synth.None
	})
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
