package zonetest

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Apexes are the kinds of zones that Random makes: each depth of both trees,
// classless ones, above and beside the trees, and the root.
func Apexes() []string {
	return []string{
		"in-addr.arpa.", "192.in-addr.arpa.", "0.192.in-addr.arpa.", "2.0.192.in-addr.arpa.", "1.2.0.192.in-addr.arpa.",
		"0/25.2.0.192.in-addr.arpa.", "0-127.2.0.192.IN-ADDR.arpa.", "customer.2.0.192.in-addr.arpa.", "01.192.in-addr.arpa.",
		"256.in-addr.arpa.", "5.1.2.0.192.in-addr.arpa.",
		"ip6.arpa.", "2.ip6.arpa.", "b.d.0.1.0.0.2.ip6.arpa.", "8.B.D.0.1.0.0.2.IP6.ARPA.", "10.8.b.d.0.1.0.0.2.ip6.arpa.",
		strings.Repeat("f.", 31) + "ip6.arpa.", strings.Repeat("f.", 32) + "ip6.arpa.", strings.Repeat("f.", 33) + "ip6.arpa.",
		"arpa.", "example.", "a.b.example.com.", `x\.y\000.example.`, ".",
	}
}

// oddLabels hang on the ordinary branch of a reverse tree, or look as if they
// did, and try the order of octets.
func oddLabels() []string {
	return []string{
		"01", "00", "001", "256", "260", "300", "999", "1000", "*", "**", "0/25", "0-127", "64/26", "128-25", "_dmarc",
		"-1", "1-", "+1", " 1", "1 ", "g", "G", "a", "ab", "abc", "A", "F", "f0", "0x1", "\x00", "\x01", "\xff", "\x00\x00",
		"\x00\x01", "\x01\x00", "a\x00", "a.b", `\`, `\000`, "\xd1\x80", "@", "$", "(", "in-addr", "ip6", "arpa", "com",
		"mail", "ns", "www", strings.Repeat("l", 63), strings.Repeat("\xff", 63), strings.Repeat("9", 40),
	}
}

// Random makes zones and edits of them, the same ones for the same source of
// chance. It seeks trouble: odd labels, names that are prefixes of each other,
// nested cuts, occluded data, wildcards and empty non-terminals everywhere.
type Random struct {
	rng  *rand.Rand
	odd  []string
	made int // records with made-up RDATA, for serials and the like
}

// NewRandom returns a Random for a seed.
func NewRandom(seed uint64) *Random {
	return &Random{rng: rand.New(rand.NewPCG(seed, 0x70747264)), odd: oddLabels()}
}

// Chance reports true once in n.
func (g *Random) Chance(n int) bool { return g.rng.IntN(n) == 0 }

// IntN returns a number below n.
func (g *Random) IntN(n int) int { return g.rng.IntN(n) }

// Shuffle puts records into an order of chance.
func (g *Random) Shuffle(records []zone.Record) {
	g.rng.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
}

func pick[T any](g *Random, of []T) T { return of[g.rng.IntN(len(of))] }

// Zone returns a zone with an SOA and NS and about size other RRsets.
func (g *Random) Zone(apex dname.Name, size int) *Oracle {
	o := New(apex)
	serial := uint32(g.rng.Uint64())
	o.put(apex, rr.TypeSOA, g.ttl(), string(g.soa(serial)))
	o.Add(g.rrset(o, apex, rr.TypeNS)...)
	for range size {
		g.addRRset(o)
	}
	return o
}

func (g *Random) soa(serial uint32) []byte {
	data := slices.Concat(dname.MustParse("ns.example."), dname.MustParse("hostmaster.example."))
	for _, v := range []uint32{serial, 7200, 3600, 1209600, g.ttl()} {
		data = binary.BigEndian.AppendUint32(data, v)
	}
	return data
}

func (g *Random) ttl() uint32 {
	return pick(g, []uint32{0, 1, 60, 300, 3600, 3600, 3600, 86400, 1<<31 - 1})
}

// Edit changes a few RRsets and raises the serial. Signatures and chains of
// denial are left as they are: sign the result again.
func (g *Random) Edit(o *Oracle) *Oracle {
	o = o.Clone()
	o.SetSerial(o.Serial() + 1 + zone.Serial(g.IntN(1000)))
	for range 1 + g.IntN(6) {
		owner := pick(g, o.Owners())
		types := o.types(owner)
		t := types[g.IntN(len(types))]
		isApexSet := owner.Equal(o.Apex) && (t == rr.TypeSOA || t == rr.TypeNS)
		switch g.IntN(5) {
		case 0, 1:
			g.addRRset(o)
		case 2:
			if isApexSet && t == rr.TypeNS {
				o.Remove(owner, t)
				o.Add(g.rrset(o, owner, t)...)
			} else if !isApexSet {
				g.remove(o, owner, t)
			}
		case 3: // the same data with another TTL
			set := *o.Get(owner, t)
			set.TTL = g.ttl()
			o.changed()
			o.at(owner)[t] = &set
		case 4: // everything at and below a name goes
			if !owner.Equal(o.Apex) && g.Chance(3) {
				for _, n := range slices.Clone(o.Owners()) {
					if n.IsAtOrBelow(owner) {
						delete(o.sets, n.Key())
					}
				}
				o.changed()
			}
		}
	}
	return o
}

// remove takes an RRset out, with the NS at a cut also its DS.
func (g *Random) remove(o *Oracle, owner dname.Name, t rr.Type) {
	o.Remove(owner, t)
	if t == rr.TypeNS {
		o.Remove(owner, rr.TypeDS)
	}
}

// types returns the types at owner in ascending order.
func (o *Oracle) types(owner dname.Name) []rr.Type {
	var types []rr.Type
	for t := range o.at(owner) {
		types = append(types, t)
	}
	slices.Sort(types)
	return types
}

// addRRset adds an RRset that keeps the zone loadable, or nothing.
func (g *Random) addRRset(o *Oracle) {
	owner := g.Name(o)
	t := pick(g, []rr.Type{
		rr.TypePTR, rr.TypePTR, rr.TypePTR, rr.TypePTR, rr.TypePTR, rr.TypePTR, rr.TypeA, rr.TypeA, rr.TypeAAAA, rr.TypeTXT, rr.TypeTXT,
		rr.TypeMX, rr.TypeSRV, rr.TypeNS, rr.TypeNS, rr.TypeNS, rr.TypeCNAME, rr.TypeCNAME, rr.TypeDNAME, rr.TypeHINFO, 65280,
	})
	sets := o.at(owner)
	isApex := owner.Equal(o.Apex)
	switch {
	case sets[t] != nil || sets[rr.TypeCNAME] != nil:
		return
	case t == rr.TypeCNAME && len(sets) > 0:
		return
	case t == rr.TypeNS && sets[rr.TypeDNAME] != nil:
		return
	case t == rr.TypeDNAME && (!isApex && sets[rr.TypeNS] != nil || isApex && !g.Chance(20)):
		return
	}
	o.Add(g.rrset(o, owner, t)...)
	if t == rr.TypeNS && g.Chance(2) {
		o.Add(g.rrset(o, owner, rr.TypeDS)...)
	}
}

// rrset makes an RRset of one or several records; for NS often with glue.
func (g *Random) rrset(o *Oracle, owner dname.Name, t rr.Type) []zone.Record {
	count := 1
	switch {
	case t == rr.TypeCNAME || t == rr.TypeDNAME:
	case g.Chance(12) && t != rr.TypeNS:
		count = 20 + g.IntN(60)
	case g.Chance(3):
		count = 2 + g.IntN(3)
	}
	ttl := g.ttl()
	var out []zone.Record
	for range count {
		data := g.rdata(o, t, owner)
		out = append(out, zone.Record{Owner: owner, Type: t, TTL: ttl, Data: data})
		target := dname.Name(data)
		if t != rr.TypeNS || g.Chance(4) || !target.IsAtOrBelow(o.Apex) || o.Get(target, rr.TypeCNAME) != nil {
			continue
		}
		for _, at := range []rr.Type{rr.TypeA, rr.TypeAAAA} {
			if o.Get(target, at) == nil && !g.Chance(3) {
				out = append(out, zone.Record{Owner: target, Type: at, TTL: 60, Data: g.rdata(o, at, target)})
			}
		}
	}
	if t == rr.TypeNS && o.Get(owner, rr.TypeCNAME) != nil {
		return nil
	}
	return out
}

// rdata makes RDATA of a type.
func (g *Random) rdata(o *Oracle, t rr.Type, owner dname.Name) []byte {
	g.made++
	switch t {
	case rr.TypeA:
		return []byte{192, 0, 2, byte(g.rng.Uint32())}
	case rr.TypeAAAA:
		return append([]byte("\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), byte(g.rng.Uint32()))
	case rr.TypeTXT:
		text := strings.Repeat("t", g.IntN(250)) + string(rune('a'+g.IntN(26)))
		return append([]byte{byte(len(text))}, text...)
	case rr.TypeHINFO:
		return []byte{1, byte('a' + g.IntN(26)), 2, 'O', 'S'}
	case rr.TypeMX:
		return append([]byte{0, byte(g.IntN(3))}, g.target(o, owner)...)
	case rr.TypeSRV:
		return append([]byte{0, 0, 0, 1, 0, byte(g.IntN(3))}, g.target(o, owner)...)
	case rr.TypeDS:
		return append([]byte{byte(g.made >> 8), byte(g.made), 15, 2}, strings.Repeat(string(rune('a'+g.IntN(26))), 32)...)
	case rr.TypePTR, rr.TypeNS, rr.TypeCNAME, rr.TypeDNAME:
		return g.target(o, owner)
	}
	data := make([]byte, g.IntN(20))
	for i := range data {
		data[i] = byte(g.rng.Uint32())
	}
	return data
}

// target returns a name to point to: foreign ones that share suffixes, and those
// in the zone, its cuts, below the owner.
func (g *Random) target(o *Oracle, owner dname.Name) dname.Name {
	if g.Chance(3) {
		return g.Name(o)
	}
	if g.Chance(4) {
		return g.below(owner, "ns")
	}
	host := pick(g, []string{"host", "Host", "h", "a-much-longer-host-name-of-a-pool", "10-0-2-192"})
	name := pick(g, []string{"example.net.", "pool.Example.NET.", "dyn.pool.example.net.", "x.", "com.", "xample.net.",
		strings.Repeat(strings.Repeat("y", 61)+".", 3)})
	return g.below(dname.MustParse(name), host+string(rune('0'+g.IntN(10))))
}

// Name returns an owner name in the zone, made from one that is there or from
// the apex, mostly with labels in front.
func (g *Random) Name(o *Oracle) dname.Name {
	base := o.Apex
	if owners := o.Owners(); len(owners) > 0 && !g.Chance(3) {
		base = pick(g, owners)
		if g.Chance(4) && !base.Equal(o.Apex) {
			base = base.Parent()
		}
	}
	depth := pick(g, []int{0, 1, 1, 1, 1, 2, 2, 3, 4})
	if base.IsAtOrBelow(dname.IP6Arpa()) && g.Chance(4) {
		depth = max(0, 34-base.Labels()) // as deep as an address
	}
	for range depth {
		base = g.below(base, g.Label(base))
	}
	return base
}

// Label returns a label to put in front of a name: an octet or nibble where one
// belongs, an ordinary one elsewhere, an odd one anywhere.
func (g *Random) Label(parent dname.Name) string {
	family, _, _ := dname.Tree(parent)
	switch {
	case g.Chance(12):
		return "*"
	case family == dname.InAddr && !g.Chance(3):
		return pick(g, []string{"0", "1", "2", "3", "9", "10", "19", "20", "25", "99", "100", "101", "199", "200", "249", "250", "255"})
	case family == dname.IP6 && !g.Chance(5):
		return string("0123456789abcdefABCDEF"[g.IntN(22)])
	case family == dname.Forward && parent.Labels() < 2 && g.Chance(4):
		return pick(g, []string{"arpa", "in-addr", "ip6"})
	case family == dname.Forward && g.Chance(3):
		return pick(g, []string{"a", "b", "ns", "www", "mail", "1", "2"})
	}
	return pick(g, g.odd)
}

// below returns the name with a label in front, or as it is where that would be
// too long.
func (g *Random) below(n dname.Name, label string) dname.Name {
	if m, err := n.Prepend([]byte(label)); err == nil {
		return m
	}
	return n
}
