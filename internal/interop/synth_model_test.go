package interop

import (
	"cmp"
	"fmt"
	"math/big"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// This file answers questions as docs/synthesis.md and the RFCs say, in the plainest way there is:
// the names of a range are those that its addresses have, a zone has what is stored and what is
// made, and RFC 1034 §4.3.2 is followed label by label. It shares no code with the server.

// modelName is a name in wire format and lower case.
type modelName string

func modelNameOf(text string) modelName {
	var b [256]byte
	n, err := dns.PackDomainName(strings.ToLower(dns.Fqdn(text)), b[:], 0, nil, false)
	if err != nil {
		panic(fmt.Sprintf("%q: %v", text, err))
	}
	return modelName(b[:n])
}

func (n modelName) String() string {
	s, _, err := dns.UnpackDomainName([]byte(n), 0)
	if err != nil {
		panic(err)
	}
	return strings.ToLower(s)
}

func (n modelName) isRoot() bool      { return n == "\x00" }
func (n modelName) label() string     { return string(n[1 : 1+n[0]]) }
func (n modelName) parent() modelName { return n[1+n[0]:] }

// child returns the name with a label in front; ok is false if that is too long.
func (n modelName) child(label string) (_ modelName, ok bool) {
	c := modelName([]byte{byte(len(label))}) + modelName(label) + n
	return c, len(label) > 0 && len(label) < 64 && len(c) < 256
}

func (n modelName) labels() (list []string) {
	for ; !n.isRoot(); n = n.parent() {
		list = append(list, n.label())
	}
	return list
}

func (n modelName) isAtOrBelow(m modelName) bool {
	for ; len(n) > len(m); n = n.parent() {
	}
	return n == m
}

// reverseOf returns the name of an address, or of a prefix on an octet or nibble.
func reverseOf(p netip.Prefix) modelName {
	if p.Addr().Is4() {
		n := modelNameOf("in-addr.arpa")
		for _, octet := range p.Addr().AsSlice()[:p.Bits()/8] {
			n, _ = n.child(strconv.Itoa(int(octet)))
		}
		return n
	}
	n := modelNameOf("ip6.arpa")
	for _, digit := range fmt.Sprintf("%x", p.Addr().AsSlice())[:p.Bits()/4] {
		n, _ = n.child(string(digit))
	}
	return n
}

func hostPrefix(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// prefixOf returns the prefix whose name n is, on an octet or nibble.
func prefixOf(n modelName) (p netip.Prefix, ok bool) {
	labels := n.labels()
	slices.Reverse(labels)
	if len(labels) < 2 || labels[0] != "arpa" {
		return p, false
	}
	var octets [16]byte
	switch rest := labels[2:]; {
	case labels[1] == "in-addr" && len(rest) <= 4:
		for i, l := range rest {
			v, err := strconv.Atoi(l)
			if err != nil || v < 0 || v > 255 || strconv.Itoa(v) != l {
				return p, false
			}
			octets[i] = byte(v)
		}
		return netip.PrefixFrom(netip.AddrFrom4([4]byte(octets[:4])), 8*len(rest)), true
	case labels[1] == "ip6" && len(rest) <= 32:
		for i, l := range rest {
			v := strings.IndexByte("0123456789abcdef", l[0])
			if len(l) != 1 || v < 0 {
				return p, false
			}
			octets[i/2] |= byte(v) << (4 - i%2*4)
		}
		return netip.PrefixFrom(netip.AddrFrom16(octets), 4*len(rest)), true
	}
	return p, false
}

// madeRange is an entry of `synth`.
type madeRange struct {
	prefix   netip.Prefix
	template string
	ttl      uint32 // seconds
	key      string
	labels   [][]token
	patterns []*regexp.Regexp // of the labels
	base     modelName        // what all names end in
	// names and addresses are what the server said about {permuted}, which alone it knows: the
	// digits of an address and the address of digits.
	names     map[netip.Addr]string
	addresses map[string]netip.Addr
}

// token is text, or the number that some bits of an address are; low is the lowest of them.
type token struct {
	text       string
	low, width int
	radix, pad int
	permuted   bool
	short      bool // the short form of an IPv6 address
}

func newMadeRange(p netip.Prefix, template, key string, ttl uint32) *madeRange {
	r := &madeRange{prefix: p, template: template, ttl: ttl, key: key, names: map[netip.Addr]string{}, addresses: map[string]netip.Addr{}}
	text := strings.ToLower(strings.TrimSuffix(template, "."))
	label := []token{}
	for text != "" {
		tokens := []token{{text: text}}
		open, end := strings.IndexByte(text, '{'), strings.IndexByte(text, '}')
		switch {
		case open == 0:
			tokens = r.field(text[1:end])
			text = text[end+1:]
		case open > 0:
			tokens[0].text, text = text[:open], text[open:]
		default:
			text = ""
		}
		for _, t := range tokens {
			if first := r.labelOf([]token{t}, p.Addr()); !t.permuted && first == r.labelOf([]token{t}, lastOf(p)) {
				t = token{text: first} // determined by the prefix
			}
			if t.radix > 0 {
				label = append(label, t)
				continue
			}
			for i, part := range strings.Split(t.text, ".") {
				if i > 0 {
					r.labels = append(r.labels, label)
					label = nil
				}
				label = append(label, token{text: part})
			}
		}
	}
	r.labels = append(r.labels, label)
	base := len(r.labels)
	for ; base > 0 && !slices.ContainsFunc(r.labels[base-1], func(t token) bool { return t.radix > 0 }); base-- {
	}
	r.base = "\x00"
	for i := len(r.labels) - 1; i >= base; i-- {
		r.base, _ = r.base.child(r.labelOf(r.labels[i], p.Addr()))
	}
	for _, l := range r.labels {
		pattern := "^"
		for _, t := range l {
			digits := map[int]string{0: "", 10: "[0-9]", 16: "[0-9a-f]", 36: "[0-9a-z]"}[t.radix]
			switch {
			case t.radix == 0:
				pattern += regexp.QuoteMeta(t.text)
			case t.short:
				pattern += "([0-9a-f-]+)"
			case t.pad > 0:
				pattern += fmt.Sprintf("(%s{%d})", digits, t.pad)
			default:
				pattern += "(" + digits + "+)"
			}
		}
		r.patterns = append(r.patterns, regexp.MustCompile(pattern+"$"))
	}
	return r
}

// field returns what a field of a template stands for.
func (r *madeRange) field(field string) (list []token) {
	notation, part, _ := strings.Cut(field, ":")
	size := r.prefix.Addr().BitLen()
	unit, radix, pad := 8, 10, 3
	if size == 128 {
		unit, radix, pad = 16, 16, 4
	}
	// Bits from the left, whole units.
	from, to := 0, size
	var a, b int
	switch {
	case part == "host":
		from = min(r.prefix.Bits(), size-1)
	case strings.HasPrefix(part, "last"):
		fmt.Sscanf(part, "last%d", &a)
		from = size - a*unit
	case part != "" && part != "all":
		if n, _ := fmt.Sscanf(part, "%d-%d", &a, &b); n == 1 {
			b = a
		}
		from, to = (a-1)*unit, b*unit
	}
	numbers := func(step, radix, pad int) (out []token) {
		for at := from / step * step; at < to; at += step {
			out = append(out, token{low: size - at - step, width: step, radix: radix, pad: pad})
		}
		return out
	}
	separator := "."
	switch notation {
	case "dashed":
		list, separator = numbers(unit, radix, 0), "-"
	case "padded":
		list, separator = numbers(unit, radix, pad), "-"
	case "dotted":
		list = numbers(unit, radix, 0)
	case "reversed":
		if list = numbers(unit, radix, 0); size == 128 {
			list = numbers(4, 16, 0)
		}
		slices.Reverse(list)
	case "hex":
		list, separator = numbers(4, 16, 1), ""
	case "base36":
		return []token{{width: size - r.prefix.Bits(), radix: 36}}
	case "decimal":
		return []token{{width: size - r.prefix.Bits(), radix: 10}}
	case "compressed":
		return []token{{width: size, radix: 16, short: true}}
	case "permuted":
		width := size - r.prefix.Bits()
		greatest := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(width)), big.NewInt(1))
		return []token{{width: width, radix: 36, pad: len(greatest.Text(36)), permuted: true}}
	default:
		panic(field)
	}
	for i := len(list) - 1; i > 0 && separator != ""; i-- {
		list = slices.Insert(list, i, token{text: separator})
	}
	return list
}

func addressNumber(a netip.Addr) *big.Int { return new(big.Int).SetBytes(a.AsSlice()) }

func numberAddress(n *big.Int, like netip.Addr) netip.Addr {
	a, _ := netip.AddrFromSlice(n.FillBytes(make([]byte, like.BitLen()/8)))
	return a
}

// lastOf returns the last address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	n := addressNumber(p.Addr())
	hosts := new(big.Int).Lsh(big.NewInt(1), uint(p.Addr().BitLen()-p.Bits()))
	return numberAddress(n.Add(n, hosts.Sub(hosts, big.NewInt(1))), p.Addr())
}

// bits returns width bits of n, the lowest of which is low.
func bits(n *big.Int, low, width int) *big.Int {
	v := new(big.Int).Rsh(n, uint(low))
	return v.And(v, new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(width)), big.NewInt(1)))
}

// labelOf returns a label of the name of an address.
func (r *madeRange) labelOf(l []token, a netip.Addr) (s string) {
	for _, t := range l {
		switch {
		case t.permuted:
			s += r.names[a]
		case t.short:
			s += shortForm(a)
		case t.radix > 0:
			digits := bits(addressNumber(a), t.low, t.width).Text(t.radix)
			s += strings.Repeat("0", max(0, t.pad-len(digits))) + digits
		default:
			s += t.text
		}
	}
	return s
}

// shortForm returns an IPv6 address without the first of its longest runs of zero groups (RFC 5952
// §4), with hyphens for colons, and a zero where it would begin or end with one.
func shortForm(a netip.Addr) string {
	groups := strings.Split(a.StringExpanded(), ":")
	for i, g := range groups {
		if groups[i] = strings.TrimLeft(g, "0"); groups[i] == "" {
			groups[i] = "0"
		}
	}
	for n := 8; n > 1; n-- {
		for i := range 9 - n {
			if slices.ContainsFunc(groups[i:i+n], func(g string) bool { return g != "0" }) {
				continue
			}
			front, rear := strings.Join(groups[:i], "-"), strings.Join(groups[i+n:], "-")
			return cmp.Or(front, "0") + "--" + cmp.Or(rear, "0")
		}
	}
	return strings.Join(groups, "-")
}

// nameOf returns the name of an address; ok is false if only the server knows it.
func (r *madeRange) nameOf(a netip.Addr) (n modelName, ok bool) {
	if r.isPermuted() && r.names[a] == "" {
		return n, false
	}
	n = "\x00"
	for i := len(r.labels) - 1; i >= 0; i-- {
		n, _ = n.child(r.labelOf(r.labels[i], a))
	}
	return n, true
}

func (r *madeRange) isPermuted() bool { return strings.Contains(r.template, "{permuted}") }

// find returns what a name is to the range. above: names of addresses are below it. exact: it is
// that of an address, of a for all but {permuted}, and there of digits.
func (r *madeRange) find(n modelName) (a netip.Addr, digits string, above, exact bool) {
	labels := n.labels()
	skip := len(r.labels) - len(labels)
	if skip < 0 {
		return a, "", false, false
	}
	if r.base.isAtOrBelow(n) {
		return r.prefix.Addr(), "", skip > 0, skip == 0
	}
	address := addressNumber(r.prefix.Addr())
	for i, l := range labels {
		found := r.patterns[skip+i].FindStringSubmatch(l)
		if found == nil {
			return a, "", false, false
		}
		for _, t := range r.labels[skip+i] {
			if t.radix == 0 {
				continue
			}
			v, ok := new(big.Int).SetString(found[1], t.radix)
			if t.short {
				var a netip.Addr
				if a, _ = netip.ParseAddr(strings.ReplaceAll(found[1], "-", ":")); a.Is6() {
					v, ok = addressNumber(a), true
				}
			}
			if !ok || v.BitLen() > t.width {
				return a, "", false, false
			}
			if t.permuted {
				digits = found[1]
			} else {
				address.Sub(address, new(big.Int).Lsh(bits(address, t.low, t.width), uint(t.low)))
				address.Add(address, new(big.Int).Lsh(v, uint(t.low)))
			}
			found = found[1:]
		}
	}
	if digits != "" {
		return r.addresses[digits], digits, skip > 0, skip == 0
	}
	// It is a name, or the end of one, if it is that of this address.
	a = numberAddress(address, r.prefix.Addr())
	if !r.prefix.Contains(a) {
		return a, "", false, false
	}
	if r.isPermuted() { // below the base, but the digits are in a label before these
		return a, "", skip > 0, false
	}
	for i, l := range labels {
		if r.labelOf(r.labels[skip+i], a) != l {
			return a, "", false, false
		}
	}
	return a, "", skip > 0, skip == 0
}

// learn records what the server said of a range with {permuted}. Each address has one name that
// no other has.
func (r *madeRange) learn(a netip.Addr, n modelName) error {
	if !n.isAtOrBelow(r.base) {
		return fmt.Errorf("%v is not below %v", n, r.base)
	}
	_, digits, _, exact := r.find(n)
	switch {
	case !exact:
		return fmt.Errorf("%v is no name of %s", n, r.template)
	case !r.prefix.Contains(a):
		return fmt.Errorf("%v is not in %v", a, r.prefix)
	case r.names[a] != "" && r.names[a] != digits:
		return fmt.Errorf("%v has the name %v, and had %v", a, digits, r.names[a])
	case r.addresses[digits].IsValid() && r.addresses[digits] != a:
		return fmt.Errorf("%v is the name of %v and of %v", n, a, r.addresses[digits])
	}
	r.names[a], r.addresses[digits] = digits, a
	return nil
}

// modelSet is an RRset; data is TTL and RDATA in the form of [rrset].
type modelSet struct {
	ttl  uint32
	data []string
	// learn is of data that only the server knows: it checks and records them.
	learn func(data string) error
	made  bool
}

// modelZone is a zone. The ranges are those whose records it has.
type modelZone struct {
	apex      modelName
	classless netip.Prefix // of a classless zone
	negative  uint32       // TTL of negative answers
	sets      map[modelName]map[uint16]*modelSet
	ranges    []*madeRange
	above     map[modelName]bool // names at or above what is stored
}

func newModelZone(apex modelName) *modelZone {
	return &modelZone{apex: apex, sets: map[modelName]map[uint16]*modelSet{}, above: map[modelName]bool{}}
}

// add adds a record. data is RDATA as text.
func (z *modelZone) add(owner modelName, rtype uint16, ttl uint32, data string) {
	if z.sets[owner] == nil {
		z.sets[owner] = map[uint16]*modelSet{}
		for n := owner; ; n = n.parent() {
			z.above[n] = true
			if n == z.apex {
				break
			}
		}
	}
	s := z.sets[owner][rtype]
	if s == nil {
		s = &modelSet{ttl: ttl}
		z.sets[owner][rtype] = s
	}
	r, err := dns.NewRR(fmt.Sprintf("%v %d %s %s", owner, ttl, dns.Type(rtype), data))
	if err != nil {
		panic(fmt.Sprintf("%v %s %s: %v", owner, dns.Type(rtype), data, err))
	}
	s.data = append(s.data, rdata(r))
	slices.Sort(s.data)
	s.data = slices.Compact(s.data)
}

func (z *modelZone) isReverse() bool { return z.apex.isAtOrBelow(modelNameOf("arpa")) }

// made returns what the ranges make at a name: nothing, names below it, or a record there.
func (z *modelZone) made(n modelName) (rtype uint16, set *modelSet, above bool) {
	if !z.isReverse() {
		for _, r := range z.ranges {
			a, digits, isAbove, exact := r.find(n)
			above = above || isAbove
			if !exact {
				continue
			}
			rtype = dns.TypeAAAA
			if r.prefix.Addr().Is4() {
				rtype = dns.TypeA
			}
			set = &modelSet{ttl: r.ttl, made: true}
			if digits != "" {
				set.learn = func(data string) error {
					a, err := netip.ParseAddr(data)
					if err != nil {
						return err
					}
					return r.learn(a, n)
				}
			} else {
				set.data = []string{a.String()}
			}
			return rtype, set, above
		}
		return 0, nil, above
	}
	p, ok := prefixOf(n)
	if z.classless.IsValid() {
		if n == z.apex || n.parent() != z.apex {
			return 0, nil, false
		}
		base, _ := z.classless.Addr().Prefix(24)
		in24, _ := reverseOf(base).child(n.label())
		if p, ok = prefixOf(in24); ok && !z.classless.Contains(p.Addr()) {
			ok = false
		}
	}
	if !ok {
		return 0, nil, false
	}
	var owner *madeRange
	for _, r := range z.ranges {
		if r.prefix.Addr().Is4() == p.Addr().Is4() && r.prefix.Overlaps(p) {
			above = true
			if p.IsSingleIP() && (owner == nil || owner.prefix.Bits() < r.prefix.Bits()) {
				owner = r
			}
		}
	}
	if owner == nil {
		return 0, nil, above
	}
	set = &modelSet{ttl: owner.ttl, made: true}
	if name, ok := owner.nameOf(p.Addr()); ok {
		set.data = []string{name.String()}
	} else {
		set.learn = func(data string) error { return owner.learn(p.Addr(), modelNameOf(data)) }
	}
	return dns.TypePTR, set, true
}

// at returns all RRsets at a name. What is stored takes precedence, RRset by RRset.
func (z *modelZone) at(n modelName) map[uint16]*modelSet {
	stored := z.sets[n]
	rtype, set, _ := z.made(n)
	if set == nil || stored[rtype] != nil || stored[dns.TypeCNAME] != nil {
		return stored
	}
	all := map[uint16]*modelSet{rtype: set}
	for t, s := range stored {
		all[t] = s
	}
	return all
}

// exists reports whether a name exists: it or one below it has a record (RFC 4592 §2.2.3).
func (z *modelZone) exists(n modelName) bool {
	if z.above[n] {
		return true
	}
	_, set, above := z.made(n)
	return set != nil || above
}

// model is all zones of a server.
type model struct{ zones []*modelZone }

// zoneOf returns the zone that answers for a name: the longest apex; for DS at an apex, the zone
// above if there is one (RFC 4035 §3.1.4.1).
func (m *model) zoneOf(n modelName, qtype uint16) (found *modelZone) {
	var own *modelZone
	for _, z := range m.zones {
		switch {
		case !n.isAtOrBelow(z.apex):
		case qtype == dns.TypeDS && n == z.apex:
			own = z
		case found == nil || len(z.apex) > len(found.apex):
			found = z
		}
	}
	if found == nil {
		return own
	}
	return found
}

// wanted is an RRset of a response.
type wanted struct {
	owner modelName
	rtype uint16
	*modelSet
}

// modelReply is the response to a question.
type modelReply struct {
	rcode     int
	aa        bool
	answer    []wanted // in order
	any       []wanted // one of these ends the answer (RFC 8482 §4.1)
	authority []wanted
	glue      []wanted // that a referral must have
	loop      bool     // the aliases go round, or on for long
}

func (m *model) reply(qname modelName, qtype uint16) (r modelReply) {
	r.aa = true
	n := qname
	for hops := 0; ; hops++ {
		z := m.zoneOf(n, qtype)
		if z == nil {
			if hops == 0 {
				r.rcode, r.aa = dns.RcodeRefused, false
			}
			return r
		}
		next := z.lookup(n, qtype, &r)
		if next == "" {
			return r
		}
		n = next
		if hops == 8 {
			r.loop = true
			return r
		}
	}
}

// lookup follows RFC 1034 §4.3.2 in the zone; it returns the name that an alias leads to.
func (z *modelZone) lookup(qname modelName, qtype uint16, r *modelReply) (next modelName) {
	above := []modelName{}
	for n := qname; ; n = n.parent() {
		above = append(above, n)
		if n == z.apex {
			break
		}
	}
	slices.Reverse(above)
	for i, n := range above {
		sets := z.at(n)
		if n != z.apex && sets[dns.TypeNS] != nil && !(n == qname && qtype == dns.TypeDS) {
			r.aa = len(r.answer) > 0
			r.authority = []wanted{{n, dns.TypeNS, sets[dns.TypeNS]}}
			for _, target := range sets[dns.TypeNS].data {
				t := modelNameOf(target)
				for _, at := range []uint16{dns.TypeA, dns.TypeAAAA} {
					if s := z.sets[t][at]; s != nil && t.isAtOrBelow(n) {
						r.glue = append(r.glue, wanted{t, at, s})
					}
				}
			}
			return ""
		}
		if n == qname {
			return z.match(qname, sets, qtype, r)
		}
		if d := sets[dns.TypeDNAME]; d != nil { // RFC 6672 §3.2
			if !slices.ContainsFunc(r.answer, func(w wanted) bool { return w.modelSet == d }) { // an RRset is in a response once
				r.answer = append(r.answer, wanted{n, dns.TypeDNAME, d})
			}
			target := qname[:len(qname)-len(n)] + modelNameOf(d.data[0])
			if len(target) > 255 {
				r.rcode = dns.RcodeYXDomain
				return ""
			}
			r.answer = append(r.answer, wanted{qname, dns.TypeCNAME, &modelSet{ttl: d.ttl, data: []string{target.String()}}})
			if qtype == dns.TypeCNAME {
				return ""
			}
			return target
		}
		if z.exists(above[i+1]) {
			continue
		}
		// n is the closest encloser (RFC 4592 §3.3.1).
		if wild, ok := n.child("*"); ok && z.exists(wild) {
			return z.match(qname, z.at(wild), qtype, r)
		}
		r.rcode = dns.RcodeNameError
		z.deny(r)
		return ""
	}
	return ""
}

func (z *modelZone) match(qname modelName, sets map[uint16]*modelSet, qtype uint16, r *modelReply) (next modelName) {
	cname := sets[dns.TypeCNAME]
	switch {
	case qtype == dns.TypeANY && len(sets) > 0:
		for t, s := range sets {
			r.any = append(r.any, wanted{qname, t, s})
		}
	case sets[qtype] != nil:
		r.answer = append(r.answer, wanted{qname, qtype, sets[qtype]})
	case cname != nil:
		r.answer = append(r.answer, wanted{qname, dns.TypeCNAME, cname})
		return modelNameOf(cname.data[0])
	default:
		z.deny(r)
	}
	return ""
}

// deny adds the SOA (RFC 2308 §3).
func (z *modelZone) deny(r *modelReply) {
	soa := *z.sets[z.apex][dns.TypeSOA]
	soa.ttl = z.negative
	r.authority = []wanted{{z.apex, dns.TypeSOA, &soa}}
}
