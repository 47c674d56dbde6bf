// Package servertest has the zones, keys and queries of the tests of package server and
// those below it.
package servertest

import (
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

// Now is the time of every request of the lab.
const Now = 1_700_000_000

// Zone builds a zone with a parser and packer that are not ours.
func Zone(t testing.TB, text string) *zone.Zone {
	t.Helper()
	var b *zone.Builder
	p := dns.NewZoneParser(strings.NewReader(text), "", "")
	for r, ok := p.Next(); ok; r, ok = p.Next() {
		owner := dname.MustParse(r.Header().Name)
		if b == nil {
			b = zone.NewBuilder(owner) // the SOA is the first record
		}
		buf := make([]byte, 65535)
		n, err := dns.PackRR(r, buf, 0, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		b.Add(zone.Record{Owner: owner, Type: rr.Type(r.Header().Rrtype), TTL: r.Header().Ttl, Data: buf[len(owner)+10 : n]})
	}
	if p.Err() != nil {
		t.Fatal(p.Err())
	}
	z, findings := b.Build()
	for _, f := range findings {
		if f.Severity == finding.Error {
			t.Fatal(f)
		}
	}
	return z
}

// Query returns a request for the name and type, changed by each of the edits.
func Query(name string, qtype uint16, edits ...func(*dns.Msg)) *dns.Msg {
	m := new(dns.Msg)
	m.Id = 0x1234
	m.Question = []dns.Question{{Name: name, Qtype: qtype, Qclass: dns.ClassINET}}
	for _, e := range edits {
		e(m)
	}
	return m
}

// EDNS adds an OPT record with the options.
func EDNS(options ...dns.EDNS0) func(*dns.Msg) {
	return func(m *dns.Msg) {
		m.SetEdns0(4096, false)
		m.IsEdns0().Option = options
	}
}

// Zones are the zones that most tests ask.
var Zones = []string{`
$ORIGIN 2.0.192.in-addr.arpa.
$TTL 3600
@	SOA	ns1.example.net. hostmaster.example.net. 7 7200 900 1209600 300
@	NS	ns1.example.net.
@	NS	ns2.example.net.
10	PTR	Mail.Example.NET.
11	PTR	a.example.net.
11	PTR	b.example.net.
128-255	NS	ns1.example.net.
20	CNAME	20.0/25
0/25	NS	ns.child.0/25
0/25	NS	ns1.example.net.
ns.child.0/25	A	192.0.2.53
ns.child.0/25	AAAA	2001:db8::53
30	CNAME	30.128-255
31	CNAME	nowhere.128-255
32	CNAME	outside.example.org.
33	CNAME	34
34	CNAME	33
35	CNAME	35
36	CNAME	36.closed.example.
37	CNAME	37.broken.example.
40	DNAME	target.128-255
41	DNAME	very-long-label-very-long-label-very-long-label-very-long-label.very-long-label-very-long-label-very-long-label-very-long-label.very-long-label-very-long-label-very-long-label-very-long-label.128-255
`, `
$ORIGIN 128-255.2.0.192.in-addr.arpa.
$TTL 600
@	SOA	ns1.example.net. hostmaster.example.net. 9 7200 900 1209600 60
@	NS	ns1.example.net.
30	PTR	host30.example.net.
x.target	PTR	dname.example.net.
many	PTR	host-number-one.first.example.
many	PTR	host-number-two.second.example.
many	PTR	host-number-three.third.example.
many	PTR	host-number-four.fourth.example.
many	PTR	host-number-five.fifth.example.
many	PTR	host-number-six.sixth.example.
many	PTR	host-number-seven.seventh.example.
many	PTR	host-number-eight.eighth.example.
many	PTR	host-number-nine.ninth.example.
many	PTR	host-number-ten.tenth.example.
many	PTR	host-number-eleven.eleventh.example.
many	PTR	host-number-twelve.twelfth.example.
many	PTR	host-number-thirteen.thirteenth.example.
`, `
$ORIGIN closed.example.
$TTL 600
@	SOA	ns1.example.net. hostmaster.example.net. 1 7200 900 1209600 60
@	NS	ns1.example.net.
36	PTR	secret.example.
`}

// Key returns a key of the name.
func Key(t testing.TB, name string) *tsig.Key {
	t.Helper()
	k, err := tsig.NewKey(tsig.KeyOptions{Name: dname.MustParse(name), Algorithm: tsig.HMACSHA256, Secret: []byte("secret of " + name)})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func Packed(t testing.TB, m *dns.Msg) []byte {
	t.Helper()
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Random returns a source of random numbers whose seed a failing test shows.
func Random(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// Signed packs the query and signs it.
func Signed(t testing.TB, k *tsig.Key, m *dns.Msg, at int64) ([]byte, *tsig.Verifier) {
	t.Helper()
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return k.Request(b, at)
}

func Option(code uint16, data string) dns.EDNS0 {
	b, err := hex.DecodeString(data)
	if err != nil {
		panic(err)
	}
	return &dns.EDNS0_LOCAL{Code: code, Data: b}
}

func SkipAllocs(t testing.TB) {
	if RaceEnabled {
		t.Skip("the race detector allocates")
	}
}

// EDE returns the code of the extended error in a response; -1 without one.
func EDE(m *dns.Msg) int {
	if o := m.IsEdns0(); o != nil {
		for _, e := range o.Option {
			if e, ok := e.(*dns.EDNS0_EDE); ok {
				return int(e.InfoCode)
			}
		}
	}
	return -1
}

// Options returns the options of a response as text: code, and data in hex.
func Options(m *dns.Msg) string {
	o := m.IsEdns0()
	if o == nil {
		return "no OPT"
	}
	b := make([]byte, 65535)
	n, err := dns.PackRR(o, b, 0, nil, false)
	if err != nil {
		return err.Error()
	}
	var out []string
	for d := b[11:n]; len(d) >= 4; {
		l := 4 + (int(d[2])<<8 | int(d[3]))
		out = append(out, hex.EncodeToString(d[:2])+":"+hex.EncodeToString(d[4:l]))
		d = d[l:]
	}
	return strings.Join(out, " ")
}
