package interop

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/zone/synth"
)

// synthLab is a random configuration with ranges, as a file and as a [model].
type synthLab struct {
	rng     *rand.Rand
	items   []*labItem
	secret  string // of the key of {permuted}
	more    string // of `defaults`
	ofItems string // keys of all items
	hosts   int    // bits that a range leaves open at most
}

// labItem is an item of `zones`.
type labItem struct {
	prefix   netip.Prefix // of a reverse zone
	name     string       // of a forward zone
	apexes   []modelName
	own      bool   // the file has the SOA and the NS
	ttl      uint32 // seconds
	soa      [2]uint32
	ranges   []*madeRange
	explicit []bool // whether a range has a `ttl`
	records  []labRecord
	serial   int         // of the file
	updates  []labRecord // by UPDATE
	mode     string      // `synth_transfer`; empty: the default
}

// labRecord is a record of the file of an item.
type labRecord struct {
	apex, owner modelName
	rtype       uint16
	ttl         uint32
	data        string
}

const labServers = "ns1.servers.example.org. ns2.servers.example.org."

// apexesOf returns the zones of a prefix: that on the next octet or nibble and its neighbours in
// the prefix, or one classless zone (RFC 2317).
func apexesOf(p netip.Prefix) (list []modelName) {
	step := 4
	if p.Addr().Is4() {
		step = 8
	}
	if p.Bits() > 24 && p.Bits() < 32 && step == 8 {
		base, _ := p.Addr().Prefix(24)
		apex, _ := reverseOf(base).child(fmt.Sprintf("%d-%d", p.Addr().As4()[3], lastOf(p).As4()[3]))
		return []modelName{apex}
	}
	bits := (p.Bits() + step - 1) / step * step
	n := addressNumber(p.Addr())
	one := new(big.Int).Lsh(big.NewInt(1), uint(p.Addr().BitLen()-bits))
	for range 1 << (bits - p.Bits()) {
		list = append(list, reverseOf(netip.PrefixFrom(numberAddress(n, p.Addr()), bits)))
		n.Add(n, one)
	}
	return list
}

func isClasslessPrefix(p netip.Prefix) bool {
	return p.Addr().Is4() && p.Bits() > 24 && p.Bits() < 32
}

// randomIn returns an address of a prefix, often one at its edges or with few bits set.
func randomIn(rng *rand.Rand, p netip.Prefix) netip.Addr {
	hosts := p.Addr().BitLen() - p.Bits()
	n := new(big.Int)
	switch rng.IntN(6) {
	case 0:
		return p.Addr()
	case 1:
		return lastOf(p)
	case 2:
		n.SetUint64(rng.Uint64() & 0xff)
	default:
		n.SetUint64(rng.Uint64())
		n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(rng.Uint64()))
	}
	n = bits(n, 0, hosts)
	return numberAddress(n.Add(n, addressNumber(p.Addr())), p.Addr())
}

// randomPart returns a prefix in p.
func randomPart(rng *rand.Rand, p netip.Prefix, bits int) netip.Prefix {
	q, _ := randomIn(rng, p).Prefix(bits)
	return q
}

// newSynthLab returns the configuration of a number. With the numbers, the lengths of prefixes go
// through all that there are and that leave at most some bits open.
func newSynthLab(seed uint64, number, hosts int) *synthLab {
	l := &synthLab{rng: rand.New(rand.NewPCG(seed, uint64(number))), secret: xfrSecret, hosts: hosts}
	rng := l.rng
	forward := []string{"example.net", "pool.example.net", "a.pool.example.net", "net", "example.com", "deep.x.example.com"}
	rng.Shuffle(len(forward), func(i, j int) { forward[i], forward[j] = forward[j], forward[i] })
	for _, name := range forward[:1+rng.IntN(4)] {
		l.items = append(l.items, &labItem{name: name, apexes: []modelName{modelNameOf(name)}})
	}
	for i, family := range []int{128, 32} {
		shortest := max(0, family-hosts)
		length := shortest + (number*7+i)%(family-shortest+1)
		apexBits := length
		if rng.IntN(4) > 0 {
			apexBits = max(rng.IntN(length+1), shortest-4)
		}
		all := netip.PrefixFrom(numberAddress(bits(new(big.Int), 0, family), map[int]netip.Addr{32: netip.IPv4Unspecified(), 128: netip.IPv6Unspecified()}[family]), 0)
		it := &labItem{prefix: randomPart(rng, all, apexBits)}
		it.apexes = apexesOf(it.prefix)
		l.items = append(l.items, it)
		l.addRange(it, randomPart(rng, it.prefix, length))
		for range rng.IntN(4) {
			l.addRelated(it)
		}
		if rng.IntN(3) == 0 { // a zone of a part of it, with names of its own
			bits := min(family, apexBits+1+rng.IntN(family-min(family-1, apexBits)))
			child := &labItem{prefix: randomPart(rng, it.ranges[0].prefix, max(bits, it.ranges[0].prefix.Bits()))}
			child.apexes = apexesOf(child.prefix)
			if l.isNew(child) {
				l.items = append(l.items, child)
				l.addRange(child, child.prefix)
				l.addRelated(child)
			}
		}
	}
	// A forward zone at a node of made names.
	if r := l.someRange(); r != nil && rng.IntN(3) == 0 {
		if n, ok := r.nameOf(randomIn(rng, r.prefix)); ok && len(n) > len(r.base) {
			for n = n.parent(); len(n) > len(r.base) && rng.IntN(2) == 0; n = n.parent() {
			}
			child := &labItem{name: strings.TrimSuffix(n.String(), "."), apexes: []modelName{n}}
			if len(n) > len(r.base) && l.isNew(child) {
				l.items = append(l.items, child)
			}
		}
	}
	for _, it := range l.items {
		it.own = len(it.apexes) == 1 && rng.IntN(2) == 0
		it.ttl = uint32(1 + rng.IntN(100000))
		it.soa = [2]uint32{it.ttl, uint32(rng.IntN(5000))}
	}
	l.inheritTTLs()
	l.chooseModes()
	for range 5 + rng.IntN(40) {
		l.addRecords()
	}
	return l
}

// chooseModes chooses what transfers have of the names of ranges, for zones with few names perhaps all.
func (l *synthLab) chooseModes() {
	for _, it := range l.items {
		it.mode = l.pick("", "rule", "omit", "materialize")
	}
	l.limitModes()
}

func (l *synthLab) limitModes() {
	for _, z := range l.model().zones {
		if it := l.itemOf(z.apex); it.mode == "materialize" && z.namesOfRanges() > 5000 {
			it.mode = ""
		}
	}
}

// namesOfRanges returns how many names the ranges have.
func (z *modelZone) namesOfRanges() (n int) {
	for _, r := range z.ranges {
		n += 1 << min(r.prefix.Addr().BitLen()-r.prefix.Bits(), 20)
	}
	return n
}

// inheritTTLs completes ranges without a TTL of their own.
func (l *synthLab) inheritTTLs() {
	for _, it := range l.items {
		for i, r := range it.ranges {
			if !it.explicit[i] {
				r.ttl = it.ttl
			}
		}
	}
}

func (l *synthLab) isNew(it *labItem) bool {
	return !slices.ContainsFunc(l.items, func(other *labItem) bool {
		return slices.ContainsFunc(other.apexes, func(a modelName) bool { return slices.Contains(it.apexes, a) })
	})
}

func (l *synthLab) ranges() (list []*madeRange) {
	for _, it := range l.items {
		list = append(list, it.ranges...)
	}
	return list
}

func (l *synthLab) someRange() *madeRange {
	list := l.ranges()
	if len(list) == 0 {
		return nil
	}
	return list[l.rng.IntN(len(list))]
}

// addRelated adds a range in another one of the item, around it, or next to it.
func (l *synthLab) addRelated(it *labItem) {
	if len(it.ranges) == 0 {
		return
	}
	p := it.ranges[l.rng.IntN(len(it.ranges))].prefix
	size := p.Addr().BitLen()
	switch bits := p.Bits(); l.rng.IntN(4) {
	case 0:
		p = randomPart(l.rng, p, min(size, bits+1+l.rng.IntN(12)))
	case 1:
		p, _ = p.Addr().Prefix(max(it.prefix.Bits(), size-l.hosts, bits-1-l.rng.IntN(5)))
	case 2:
		if next := lastOf(p).Next(); next.IsValid() && it.prefix.Contains(next) {
			p = netip.PrefixFrom(next, bits)
		}
	case 3:
		p = randomPart(l.rng, it.prefix, max(it.prefix.Bits()+l.rng.IntN(size-it.prefix.Bits()+1), size-l.hosts))
	}
	l.addRange(it, p)
}

// addRange adds a range with a template that suits it.
func (l *synthLab) addRange(it *labItem, p netip.Prefix) {
	for _, r := range it.ranges {
		if r.prefix == p {
			return
		}
	}
	for range 30 {
		text, key := l.template(p)
		// Which templates are refused is not the question here, see zone/synth.
		t, err := synth.New(text, p, make([]byte, synth.KeySize))
		if err != nil {
			continue
		}
		all := []*synth.Template{t}
		for _, r := range l.ranges() {
			other, err := synth.New(r.template, r.prefix, make([]byte, synth.KeySize))
			if err != nil {
				panic(err)
			}
			all = append(all, other)
		}
		if synth.FindConflict(all) != nil {
			continue
		}
		ttl, explicit := uint32(l.rng.IntN(100000)), l.rng.IntN(3) > 0
		it.ranges = append(it.ranges, newMadeRange(p, text, key, ttl))
		it.explicit = append(it.explicit, explicit)
		return
	}
}

func (l *synthLab) pick(list ...string) string { return list[l.rng.IntN(len(list))] }

func (l *synthLab) template(p netip.Prefix) (text, key string) {
	base := "elsewhere.test"
	if l.rng.IntN(8) > 0 {
		var names []string
		for _, it := range l.items {
			if it.name != "" {
				names = append(names, it.name)
			}
		}
		base = l.pick("", "", "pool.", "Dyn.", "x.pool.", fmt.Sprintf("r%d.", l.rng.IntN(20))) + l.pick(names...)
	}
	if l.rng.IntN(8) == 0 {
		return l.pick("", "c-", "n.") + "{permuted}" + l.pick("", "-x", "z") + "." + base, "pool"
	}
	units := p.Addr().BitLen() / 8
	if units == 16 {
		units = 8
	}
	field := func() string {
		part := ""
		switch n := 1 + l.rng.IntN(units); l.rng.IntN(7) {
		case 0, 1:
			part = ":host"
		case 2:
			part = fmt.Sprintf(":last%d", n)
		case 3:
			part = fmt.Sprintf(":%d", n)
		case 4:
			part = fmt.Sprintf(":%d-%d", n, n+l.rng.IntN(units-n+1))
		}
		notation := l.pick("dashed", "dashed", "dotted", "padded", "reversed", "hex", "base36", "decimal", "compressed")
		if notation == "base36" || notation == "decimal" || notation == "compressed" {
			part = ""
		}
		return "{" + notation + part + "}"
	}
	text = l.pick("", "", "h", "Host-", "x.", "ip_", "9", "a.b-") + field()
	if l.rng.IntN(3) == 0 {
		text += l.pick("", "-", ".", "-v-", ".z.", "x") + field()
	}
	return text + l.pick("", "", "-end", ".dsl", "0") + "." + base, ""
}

// addRecords stores something at, above or below a name of an address, or elsewhere.
func (l *synthLab) addRecords() {
	m := l.model()
	rng := l.rng
	n := l.someName(m)
	for range rng.IntN(3) {
		if rng.IntN(2) == 0 && !n.isRoot() {
			n = n.parent()
		}
	}
	if rng.IntN(4) == 0 {
		n, _ = n.child(l.pick("*", "*", "_dmarc", "x", "01", "0/25", "f", "7"))
	}
	if len(n) > 240 {
		return
	}
	target := l.pick("mail.example.org.", "www.example.com.", "no-such.example.net.", l.someName(m).String())
	ttl := uint32(rng.IntN(100000))
	a4, a6 := fmt.Sprintf("198.51.100.%d", rng.IntN(256)), fmt.Sprintf("2001:db8:ffff::%x", rng.IntN(1<<16))
	switch rng.IntN(12) {
	case 0, 1:
		l.store(m, n, dns.TypePTR, ttl, "mail.example.org.")
	case 2:
		l.store(m, n, dns.TypeA, ttl, a4)
	case 3:
		l.store(m, n, dns.TypeAAAA, ttl, a6)
	case 4, 5:
		l.store(m, n, dns.TypeTXT, ttl, `"text" "more"`)
	case 6, 7:
		l.store(m, n, dns.TypeCNAME, ttl, target)
	case 8:
		l.store(m, n, dns.TypeDNAME, ttl, target)
	case 9:
		if l.store(m, n, dns.TypeNS, ttl, "ns.servers.example.org.") {
			if ns, ok := n.child("ns"); ok {
				l.store(l.model(), n, dns.TypeNS, ttl, ns.String())
				l.store(l.model(), ns, dns.TypeA, ttl, a4)
			}
		}
	case 10:
		l.store(m, n, dns.TypeMX, ttl, "10 "+target)
	case 11:
		l.store(m, n, dns.TypePTR, ttl, target)
	}
}

// someName returns the name of an address, reverse or forward, in a range or near one.
func (l *synthLab) someName(m *model) modelName {
	r := l.someRange()
	if r == nil {
		return m.zones[l.rng.IntN(len(m.zones))].apex
	}
	p := r.prefix
	if l.rng.IntN(5) == 0 {
		p, _ = p.Addr().Prefix(max(0, p.Bits()-1-l.rng.IntN(8)))
	}
	a := randomIn(l.rng, p)
	if n, ok := r.nameOf(a); ok && l.rng.IntN(2) == 0 {
		return n
	}
	n := reverseOf(hostPrefix(a))
	if z := m.zoneOf(n, 0); z != nil && z.classless.IsValid() {
		return n
	}
	for _, z := range m.zones { // its name in a classless zone
		if z.classless.IsValid() && z.classless.Contains(a) && l.rng.IntN(3) > 0 {
			n, _ = z.apex.child(n.label())
			break
		}
	}
	return n
}

// store adds a record unless it would be an error in the file.
func (l *synthLab) store(m *model, n modelName, rtype uint16, ttl uint32, data string) bool {
	z := m.zoneOf(n, 0)
	if z == nil || n == z.apex && (rtype == dns.TypeNS || rtype == dns.TypeCNAME || rtype == dns.TypeDNAME) {
		return false
	}
	sets := z.sets[n]
	isWild := strings.Contains(n.String(), "*")
	switch {
	case sets[dns.TypeCNAME] != nil, rtype == dns.TypeCNAME && len(sets) > 0:
		return false
	case isWild && (rtype == dns.TypeNS || rtype == dns.TypeDNAME):
		return false
	case rtype == dns.TypeNS && sets[dns.TypeDNAME] != nil, rtype == dns.TypeDNAME && (sets[dns.TypeNS] != nil || sets[dns.TypeDNAME] != nil):
		return false
	case rtype == dns.TypeNS && sets[dns.TypeNS] == nil && l.below(z, n), rtype == dns.TypeDNAME && l.below(z, n):
		return false
	}
	for up := n; up != z.apex; {
		up = up.parent()
		if s := z.sets[up]; s[dns.TypeDNAME] != nil || up != z.apex && s[dns.TypeNS] != nil && rtype != dns.TypeA {
			return false
		}
	}
	if s := sets[rtype]; s != nil {
		ttl = s.ttl
	}
	for _, it := range l.items {
		if slices.Contains(it.apexes, z.apex) {
			it.records = append(it.records, labRecord{z.apex, n, rtype, ttl, data})
		}
	}
	return true
}

// below reports whether a name has records below it, also of zones of the configuration.
func (l *synthLab) below(z *modelZone, n modelName) bool {
	for owner := range z.sets {
		if owner != n && owner.isAtOrBelow(n) {
			return true
		}
	}
	for _, it := range l.items {
		for _, a := range it.apexes {
			if a != z.apex && a.isAtOrBelow(n) {
				return true
			}
		}
	}
	return false
}

// model returns what the configuration means.
func (l *synthLab) model() *model { return l.modelFor(true) }

// modelFor returns what a server makes of the configuration. A secondary that does not understand
// rules has the names of ranges where these are materialized.
func (l *synthLab) modelFor(makesNames bool) *model {
	m := &model{}
	byApex := map[modelName]*modelZone{}
	for _, it := range l.items {
		for _, apex := range it.apexes {
			z := newModelZone(apex)
			if isClasslessPrefix(it.prefix) {
				z.classless = it.prefix
			}
			m.zones, byApex[apex] = append(m.zones, z), z
			z.negative = min(it.soa[0], it.soa[1])
			z.add(apex, dns.TypeSOA, it.soa[0], l.soaData(it))
			for ns := range strings.FieldsSeq(labServers) {
				z.add(apex, dns.TypeNS, 86400, ns)
			}
			for _, r := range it.records {
				if r.apex == apex {
					z.add(r.owner, r.rtype, r.ttl, r.data)
				}
			}
			for _, r := range it.updates {
				if static := z.sets[r.owner]; r.apex == apex && static[r.rtype] == nil && static[dns.TypeCNAME] == nil {
					z.add(r.owner, r.rtype, r.ttl, r.data)
				}
			}
			for _, r := range it.ranges {
				p, ok := prefixOf(apex)
				if !ok || p.Overlaps(r.prefix) {
					z.ranges = append(z.ranges, r)
				}
			}
		}
	}
	for _, r := range l.ranges() {
		if z := m.zoneOf(r.base, 0); z != nil && !z.isReverse() {
			z.ranges = append(z.ranges, r)
		}
	}
	for _, z := range m.zones {
		for _, r := range z.ranges {
			if mode := l.itemOf(z.apex).mode; mode != "" && mode != "rule" {
				break
			}
			owner, _ := z.apex.child("_ranges")
			owner, _ = owner.child(strings.NewReplacer(".", "-", ":", "-", "/", "-").Replace(r.prefix.String()))
			z.add(owner, uint16(synth.Type), l.itemOf(z.apex).ttl, ruleData(r))
		}
	}
	for _, z := range m.zones {
		if !makesNames && l.itemOf(z.apex).mode != "materialize" {
			z.ranges = nil
		}
	}
	// Without an SOA in the file, zones below are delegated, and addresses of classless ones have
	// CNAMEs.
	for _, it := range l.items {
		for _, apex := range it.apexes {
			up := m.zoneOf(apex.parent(), 0)
			if up != nil && !l.itemOf(up.apex).own {
				for ns := range strings.FieldsSeq(labServers) {
					up.add(apex, dns.TypeNS, 86400, ns)
				}
			}
			if !isClasslessPrefix(it.prefix) {
				continue
			}
			base, _ := it.prefix.Addr().Prefix(24)
			home := m.zoneOf(reverseOf(base), 0)
			if home == nil || l.itemOf(home.apex).own {
				continue
			}
			for a := it.prefix.Addr(); it.prefix.Contains(a); a = a.Next() {
				owner := reverseOf(hostPrefix(a))
				target, _ := apex.child(owner.label())
				if len(home.sets[owner]) == 0 {
					home.add(owner, dns.TypeCNAME, l.itemOf(home.apex).ttl, target.String())
				}
			}
		}
	}
	return m
}

// ruleData returns the record of a range, as docs/synthesis.md describes it, without the tag of the
// key.
func ruleData(r *madeRange) string {
	b := []byte{1, 4, byte(r.prefix.Bits())}
	if r.prefix.Addr().Is6() {
		b[1] = 6
	}
	b = append(b, r.prefix.Addr().AsSlice()...)
	b = binary.BigEndian.AppendUint32(b, r.ttl)
	key := r.key
	if key != "" {
		key += "."
	}
	b = append(append(b, byte(len(key))), key...)
	b = append(append(b, 0, 0, 0, 0), r.template...)
	return fmt.Sprintf(`\# %d %x`, len(b), b)
}

func (l *synthLab) itemOf(apex modelName) *labItem {
	i := slices.IndexFunc(l.items, func(it *labItem) bool { return slices.Contains(it.apexes, apex) })
	return l.items[i]
}

func (l *synthLab) soaData(it *labItem) string {
	serial := 0
	if it.own {
		serial = 7 + it.serial
	}
	return fmt.Sprintf("ns1.servers.example.org. hostmaster.servers.example.org. %d 7200 900 1209600 %d", serial, it.soa[1])
}

// write writes the configuration and its files.
func (l *synthLab) write(dir string, addr netip.AddrPort) string {
	var b strings.Builder
	fmt.Fprintf(&b, "listen: {dns: [%q], admin: \"\"}\nstate_dir: state\nreload: {max_shrink: off}\nkeys: [{name: pool, secret: %s}]\n", addr, l.secret)
	fmt.Fprintf(&b, "defaults:\n  nameservers: [%s]\n  max_shrink: off\n  soa: {refresh: 2h, retry: 15m, expire: 14d}\n%s", strings.Join(strings.Fields(labServers), ", "), l.more)
	fmt.Fprintf(&b, "  checks: {%s: warn}\nzones:\n", strings.Join(labChecks, ": warn, "))
	for i, it := range l.items {
		if it.prefix.IsValid() {
			fmt.Fprintf(&b, "  - prefix: %v\n", it.prefix)
		} else {
			fmt.Fprintf(&b, "  - name: %s\n", it.name)
		}
		fmt.Fprintf(&b, "    ttl: %ds\n    soa: {minimum: %ds}\n", it.ttl, it.soa[1])
		b.WriteString(l.ofItems)
		if it.mode != "" {
			fmt.Fprintf(&b, "    synth_transfer: %s\n", it.mode)
		}
		for j, r := range it.ranges {
			if j == 0 {
				b.WriteString("    synth:\n")
			}
			fmt.Fprintf(&b, "      - {range: %q, name: %q", r.prefix, r.template)
			if it.explicit[j] {
				fmt.Fprintf(&b, ", ttl: %ds", r.ttl)
			}
			if r.key != "" {
				fmt.Fprintf(&b, ", key: %s", r.key)
			}
			b.WriteString("}\n")
		}
		if text := l.masterFile(it); text != "" {
			file := "zone" + strconv.Itoa(i)
			fmt.Fprintf(&b, "    file: %s\n", file)
			mustWrite(dir, file+".new", text)
			if err := os.Rename(filepath.Join(dir, file+".new"), filepath.Join(dir, file)); err != nil {
				panic(err)
			}
		}
	}
	return mustWrite(dir, "ptrd.yaml", b.String())
}

// masterFile returns the file of an item.
func (l *synthLab) masterFile(it *labItem) string {
	var f strings.Builder
	if it.own {
		fmt.Fprintf(&f, "%v %d SOA %s\n", it.apexes[0], it.soa[0], l.soaData(it))
		for ns := range strings.FieldsSeq(labServers) {
			fmt.Fprintf(&f, "%v 86400 NS %s\n", it.apexes[0], ns)
		}
	}
	for _, r := range it.records {
		fmt.Fprintf(&f, "%v %d %s %s\n", r.owner, r.ttl, dns.Type(r.rtype), r.data)
	}
	return f.String()
}

// labChecks are rules that random records break.
var labChecks = []string{"address-owner", "outside-classless-range", "reverse-target", "address-as-target", "address-in-reverse-zone", "occluded", "setting-not-used", "overruled", "alias-hidden", "child-not-delegated", "other-servers", "addresses-unreachable", "ns-without-address", "ns-is-alias"}
