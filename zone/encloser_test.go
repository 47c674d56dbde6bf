package zone

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/synth"
)

// The closest encloser is the longest of all ancestors that exist, in forward and reverse zones, with
// domains and ranges that lie in each other and names of several labels.
func TestMadeEncloser(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	pick := func(list ...string) string { return list[rng.IntN(len(list))] }
	found := map[int]int{} // by how many labels rules add
	for range 300 {
		apex := dname.MustParse(pick("net.", "8.b.d.0.1.0.0.2.ip6.arpa."))
		b := NewBuilder(apex)
		soa := append([]byte("\x00\x00"), make([]byte, 20)...)
		b.Add(Record{Owner: apex, Type: rr.TypeSOA, Data: soa})
		b.Add(Record{Owner: apex, Type: rr.TypeNS, Data: []byte{0}})
		below := func(text string) dname.Name { return dname.MustParse(text + apex.String()) }
		for range rng.IntN(4) {
			owner := below(pick("x.", "a.pool.", "7.", "1.0.", "b.a.pool.", "0.0.0.0.1.0.0.0."))
			b.Add(Record{Owner: owner, Type: rr.TypeTXT, Data: []byte("\x01x")})
		}
		b.Add(Record{Owner: below("*."), Type: rr.TypeTXT, Data: []byte("\x01w")})
		for i := range 1 + rng.IntN(6) {
			addr := netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, byte(i), byte(rng.IntN(3)), 1})
			prefix, _ := addr.Prefix(48 + rng.IntN(80))
			form := pick("{hex:7}.{hex:8}", "{dotted}", fmt.Sprintf("h%d-{hex}", i), "{base36}", "{hex:host}.c", "{reversed}")
			r := synth.Rule{Prefix: prefix, TTL: 300, Template: form + pick(".", ".pool.", ".a.pool.", ".b.a.pool.", ".e.d.c.b.a.pool.") + "net."}
			b.Add(Record{Owner: r.Owner(apex), Type: synth.Type, TTL: 60, Data: r.Append(nil)})
		}
		z, findings := b.Build()
		if z == nil {
			t.Fatal(findings)
		}
		if z.ranges == nil || len(z.ranges.made) == 0 {
			continue
		}
		var names []dname.Name
		for i := range z.ranges.made {
			made := &z.ranges.made[i].template
			addr := made.Prefix().Addr()
			for range rng.IntN(3) {
				addr = addr.Next()
			}
			names = append(names, made.Append(nil, addr), dname.FromAddr(addr))
		}
		for range 200 {
			name := names[rng.IntN(len(names))]
			for range rng.IntN(name.Labels()) { // another label in front of an ancestor
				name = name.Parent()
			}
			text := strings.Repeat(pick("x.", "7.", "0.", "ffff.", "*."), rng.IntN(4)) + name.String()
			name, err := dname.Parse(text)
			if err != nil || len(name) <= len(apex) || !name.IsAtOrBelow(apex) {
				continue
			}
			var k key
			z.fill(&k, name)
			f := z.find(&k, true)
			stored := k.encloser(f.depth)
			if f.status != foundNothing || z.made(name, &k, k.labels).match != synth.None {
				continue
			}
			want := k.labels - 1
			for want > stored && z.made(name, &k, want).match == synth.None {
				want--
			}
			if got := z.madeEncloser(name, &k, stored); got != want {
				t.Errorf("%v: the closest encloser has %d labels below %v, want %d", name, got, apex, want)
			}
			found[want-stored]++
		}
	}
	if found[0] == 0 || found[1] == 0 || found[2] == 0 || found[5] == 0 {
		t.Errorf("labels that rules add, and how often: %v", found)
	}
}
