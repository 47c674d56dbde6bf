package daemon

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/zone"
)

// This file is what the documentation says about the layers of zones, in the plainest way there is. It
// shares no code with the server.

// recordSet is an RRset: its data as text.
type recordSet struct {
	ttl  uint32
	data map[string]bool
}

func (s *recordSet) String() string {
	if s == nil {
		return "none"
	}
	return fmt.Sprintf("%d %v", s.ttl, slices.Sorted(maps.Keys(s.data)))
}

func newSet(ttl uint32, data ...string) *recordSet {
	s := &recordSet{ttl, map[string]bool{}}
	for _, d := range data {
		s.data[d] = true
	}
	return s
}

// records are RRsets by owner and type.
type records map[string]map[string]*recordSet

func (r records) clone() records {
	out := records{}
	for owner, sets := range r {
		for typ, s := range sets {
			out.set(owner, typ, &recordSet{s.ttl, maps.Clone(s.data)})
		}
	}
	return out
}

// set replaces an RRset; nil removes it.
func (r records) set(owner, typ string, s *recordSet) {
	if s == nil || len(s.data) == 0 {
		if delete(r[owner], typ); len(r[owner]) == 0 {
			delete(r, owner)
		}
		return
	}
	if r[owner] == nil {
		r[owner] = map[string]*recordSet{}
	}
	r[owner][typ] = s
}

// sourceZone is a zone of the model.
type sourceZone struct {
	apex     string
	ttl      uint32 // of addresses
	isServed bool
	records  records // of files; all of a zone without layers
	layer    records // of updates, in a zone with layers
	update   bool    // it has a layer of updates
	mode     string
	past     map[zone.Serial]records // what a rollback restores

	// of a reverse zone
	prefix  netip.Prefix
	first   netip.Addr // of the addresses that the test uses
	ranges  map[netip.Prefix]*sourceRange
	derives bool
	from    []string
	all     bool
	prefer  []string
	ptrTTL  uint32 // 0: that of the addresses
}

type sourceRange struct {
	form string // of the first label
	base string
	ttl  uint32
}

const sourceAddresses = 12 // that a test uses of a reverse zone

func (z *sourceZone) isReverse() bool { return z.prefix.IsValid() }

func (z *sourceZone) addresses() (list []netip.Addr) {
	a := z.first
	for range sourceAddresses {
		list = append(list, a)
		a = a.Next()
	}
	return list
}

// owner returns the name of an address.
func (z *sourceZone) owner(a netip.Addr) string {
	if a.Is6() {
		name, _ := dns.ReverseAddr(a.String())
		return name
	}
	return fmt.Sprintf("%d.%s", a.As4()[3], z.apex)
}

// masterFile returns the file of a zone, which is never empty, as such a file is an error.
func (z *sourceZone) masterFile() string {
	return "_file." + z.apex + " 60 TXT x\n" + z.records.masterFile()
}

func (r records) masterFile() string {
	var b strings.Builder
	for _, owner := range slices.Sorted(maps.Keys(r)) {
		for _, typ := range slices.Sorted(maps.Keys(r[owner])) {
			s := r[owner][typ]
			for _, d := range slices.Sorted(maps.Keys(s.data)) {
				fmt.Fprintf(&b, "%s %d %s %s\n", owner, s.ttl, typ, d)
			}
		}
	}
	return b.String()
}

func typeOfAddress(a netip.Addr) string {
	if a.Is4() {
		return "A"
	}
	return "AAAA"
}

// name returns the name of an address of a range.
func (r *sourceRange) name(p netip.Prefix, a netip.Addr) string {
	last := func(a netip.Addr) int { b := a.AsSlice(); return int(b[len(b)-1]) }
	decimal := last(a) - last(p.Addr())
	dashed := strings.ReplaceAll(strings.ReplaceAll(a.StringExpanded(), ".", "-"), ":", "-")
	if a.Is6() {
		dashed = fmt.Sprintf("2001-db8-0-0-0-0-0-%x", last(a))
	}
	return strings.NewReplacer("{dashed}", dashed, "{decimal}", fmt.Sprint(decimal)).Replace(r.form) + "." + r.base
}

// made returns what ranges make at a name of a zone.
func (h *sourceHistory) made(z *sourceZone, owner string) (typ string, set *recordSet) {
	if z.apex == "sec.example." {
		return "", nil
	}
	for _, other := range h.zones {
		if !other.isServed || !other.isReverse() || z.isReverse() && z != other {
			continue
		}
		for _, a := range other.addresses() {
			bits := -1
			for p, r := range other.ranges {
				if !p.Contains(a) {
					continue
				}
				if z.isReverse() {
					if other.owner(a) == owner && p.Bits() > bits {
						bits, typ, set = p.Bits(), "PTR", newSet(r.ttl, r.name(p, a))
					}
				} else if r.name(p, a) == owner {
					return typeOfAddress(a), newSet(r.ttl, a.String())
				}
			}
		}
	}
	return typ, set
}

// zoneOf returns the zone that answers for a name; nil: none.
func (h *sourceHistory) zoneOf(name string) (found *sourceZone) {
	for _, z := range h.zones {
		if z.isServed && dns.IsSubDomain(z.apex, name) && (found == nil || len(z.apex) > len(found.apex)) {
			found = z
		}
	}
	return found
}

// derived returns the PTRs that follow from forward zones for an address.
func (h *sourceHistory) derived(z *sourceZone, a netip.Addr) *recordSet {
	if !z.derives {
		return nil
	}
	type candidate struct {
		name   string
		prefer int
		source int
		ttl    uint32
	}
	var list []candidate
	for _, f := range h.zones {
		if !f.isServed || f.isReverse() {
			continue
		}
		source := slices.IndexFunc(z.from, func(s string) bool {
			p, err := netip.ParsePrefix(strings.Trim(s, `"`))
			return err == nil && p.Contains(a) || s+"." == f.apex
		})
		if source < 0 {
			continue
		}
		for owner := range f.owners() {
			s := f.stored(h, owner)[typeOfAddress(a)]
			if _, made := h.made(f, owner); made != nil && s == f.layer[owner][typeOfAddress(a)] && s.String() == made.String() {
				continue // an update that adds what is there anyway
			}
			if s == nil || !s.data[a.String()] || strings.ContainsAny(owner, "_*") || h.zoneOf(owner) != f || f.cut(h, owner) != "" {
				continue
			}
			c := candidate{owner, len(z.prefer), source, s.ttl}
			if z.ptrTTL > 0 {
				c.ttl = z.ptrTTL
			}
			for i, p := range slices.Backward(z.prefer) {
				if under, isWild := strings.CutPrefix(p, "*"); owner == p || isWild && strings.HasSuffix(owner, under) {
					c.prefer = i
				}
			}
			list = append(list, c)
		}
	}
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(x, y candidate) int {
		reversed := func(s string) []string { l := dns.SplitDomainName(s); slices.Reverse(l); return l }
		return cmp.Or(cmp.Compare(x.prefer, y.prefer), cmp.Compare(x.source, y.source), cmp.Compare(dns.CountLabel(x.name), dns.CountLabel(y.name)), slices.Compare(reversed(x.name), reversed(y.name)))
	})
	set := newSet(list[0].ttl, list[0].name)
	for _, c := range list {
		if z.all {
			set.data[c.name], set.ttl = true, min(set.ttl, c.ttl)
		}
	}
	return set
}

// owners returns the names that have stored records.
func (z *sourceZone) owners() map[string]bool {
	all := map[string]bool{}
	for o := range z.records {
		all[o] = true
	}
	for o := range z.layer {
		all[o] = all[o] || z.update
	}
	maps.DeleteFunc(all, func(_ string, is bool) bool { return !is })
	return all
}

// derivedAt returns the derived PTRs that a zone shows at a name.
func (z *sourceZone) derivedAt(h *sourceHistory, owner string) *recordSet {
	static := z.records[owner]
	if !z.isReverse() || static["PTR"] != nil || static["CNAME"] != nil || static["NS"] != nil {
		return nil
	}
	for _, a := range z.addresses() {
		if z.owner(a) == owner {
			return h.derived(z, a)
		}
	}
	return nil
}

// hides reports whether layers above that of updates have an RRset or an alias in its place.
func (z *sourceZone) hides(h *sourceHistory, owner, typ string) bool {
	static := z.records[owner]
	return static[typ] != nil || static["CNAME"] != nil || typ == "PTR" && z.derivedAt(h, owner) != nil
}

// stored returns the RRsets at a name without those that ranges make.
func (z *sourceZone) stored(h *sourceHistory, owner string) map[string]*recordSet {
	sets := maps.Clone(z.records[owner])
	if sets == nil {
		sets = map[string]*recordSet{}
	}
	if d := z.derivedAt(h, owner); d != nil {
		sets["PTR"] = d
	}
	if z.update {
		for typ, s := range z.layer[owner] {
			if !z.hides(h, owner, typ) {
				sets[typ] = s
			}
		}
	}
	return sets
}

// cut returns the delegation at or above a name; empty: none.
func (z *sourceZone) cut(h *sourceHistory, name string) (cut string) {
	for n := name; n != z.apex; n = n[strings.IndexByte(n, '.')+1:] {
		if z.stored(h, n)["NS"] != nil {
			cut = n
		}
	}
	return cut
}

// answer returns what a question must be answered with.
func (h *sourceHistory) answer(name, qtype string) string {
	z := h.zoneOf(name)
	if z == nil {
		return "REFUSED"
	}
	if z.cut(h, name) != "" {
		return "referral"
	}
	sets := z.stored(h, name)
	typ, made := h.made(z, name)
	if made != nil && sets[typ] == nil && sets["CNAME"] == nil {
		sets[typ] = made
	}
	switch {
	case sets[qtype] != nil:
		return sets[qtype].String()
	case sets["CNAME"] != nil:
		return "alias " + sets["CNAME"].String()
	case len(sets) > 0:
		return "NODATA"
	}
	if name == z.apex || h.existsAbove(z, name) {
		return "NODATA"
	}
	for up := name; up != z.apex; { // a wildcard
		up = up[strings.IndexByte(up, '.')+1:]
		if wild := z.stored(h, "*."+up); len(wild) > 0 {
			if wild[qtype] != nil {
				return wild[qtype].String()
			}
			return "NODATA"
		}
		if len(z.stored(h, up)) > 0 || h.existsAbove(z, up) {
			break // the closest encloser
		}
	}
	return "NXDOMAIN"
}

// existsAbove reports whether there are records below a name.
func (h *sourceHistory) existsAbove(z *sourceZone, name string) bool {
	for owner := range z.owners() {
		if strings.HasSuffix(owner, "."+name) {
			return true
		}
	}
	for _, other := range h.zones {
		for _, r := range other.ranges {
			if other.isServed && !z.isReverse() && z.apex != "sec.example." && h.zoneOf(r.base) == z && dns.IsSubDomain(name, r.base) {
				return true
			}
		}
	}
	return false
}

// changing is what updates and rollbacks change.
func (z *sourceZone) changing() records {
	if z.apex == "dynamic.example." {
		return z.records
	}
	return z.layer
}
