package zonetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

type oracleCase struct{ qname, qtype, want string }

func ask(t *testing.T, o *Oracle, do bool, cases []oracleCase) {
	t.Helper()
	for _, c := range cases {
		qtype, ok := rr.ParseType(c.qtype)
		if !ok {
			t.Fatalf("%q is no type", c.qtype)
		}
		qname, err := dname.ParseIn(c.qname, o.Apex)
		if err != nil {
			t.Fatal(err)
		}
		if got := Outline(o.Lookup(qname, qtype, do), o.Apex); got != c.want {
			t.Errorf("%s %s:\n got %s\nwant %s", c.qname, c.qtype, got, c.want)
		}
	}
}

// The zone and the answers of RFC 4592 §2.2.1.
func TestOracleRFC4592(t *testing.T) {
	o := MustParse("example.", `
example.                 3600 SOA ns.example.com. h.example. 1 2 3 4 5
example.                 3600 NS  ns.example.com.
example.                 3600 NS  ns.example.net.
*.example.               3600 TXT "this is a wildcard"
*.example.               3600 MX  10 host1.example.
sub.*.example.           3600 TXT "this is not a wildcard"
host1.example.           3600 A   192.0.2.1
_ssh._tcp.host1.example. 3600 SRV 0 0 22 host1.example.
_ssh._tcp.host2.example. 3600 SRV 0 0 22 host2.example.
subdel.example.          3600 NS  ns.example.com.
subdel.example.          3600 NS  ns.example.net.
`)
	ask(t, o, false, []oracleCase{
		// synthesized from the wildcard
		{"host3.example.", "MX", "success | host3 MX |  | host1 A"},
		{"host3.example.", "A", "nodata |  | @ SOA"},
		{"foo.bar.example.", "TXT", "success | foo.bar TXT"},
		// not synthesized
		{"host1.example.", "MX", "nodata |  | @ SOA"},
		{"sub.*.example.", "MX", "nodata |  | @ SOA"},
		{"_telnet._tcp.host1.example.", "SRV", "nxdomain |  | @ SOA"},
		{"host.subdel.example.", "A", "referral |  | subdel NS"},
		{"ghost.*.example.", "MX", "nxdomain |  | @ SOA"},
		// §2.2.2: empty non-terminals
		{"_tcp.host1.example.", "A", "nodata |  | @ SOA"},
		{"host2.example.", "MX", "nodata |  | @ SOA"},
		// the wildcard asked for by its name
		{"*.example.", "TXT", "success | * TXT"},
	})
	if r := o.Lookup(dname.MustParse("host1.example."), rr.TypeMX, false); r.Items[0].TTL != 5 {
		t.Errorf("negative TTL %d, want MINIMUM 5 (RFC 2308 §5)", r.Items[0].TTL)
	}
}

// The table of RFC 6672 §2.2.
func TestOracleRFC6672(t *testing.T) {
	for _, c := range []struct{ qname, owner, target, want string }{
		{"com.", "example.com.", "example.net.", ""},
		{"example.com.", "example.com.", "example.net.", ""},
		{"a.example.com.", "example.com.", "example.net.", "a.example.net."},
		{"a.b.example.com.", "example.com.", "example.net.", "a.b.example.net."},
		{"ab.example.com.", "b.example.com.", "example.net.", ""},
		{"foo.example.com.", "example.com.", "example.net.", "foo.example.net."},
		{"a.x.example.com.", "x.example.com.", "example.net.", "a.example.net."},
		{"a.example.com.", "example.com.", "y.example.net.", "a.y.example.net."},
		{"cyc.example.com.", "example.com.", "example.com.", "cyc.example.com."},
		{"cyc.example.com.", "example.com.", "c.example.com.", "cyc.c.example.com."},
		{"shortloop.x.x.", "x.", ".", "shortloop.x."},
		{"shortloop.x.", "x.", ".", "shortloop."},
	} {
		o := MustParse(".", fmt.Sprintf(". 9 SOA a. b. 1 2 3 4 5\n. 9 NS a.\n%s 7 DNAME %s\n", c.owner, c.target))
		r := o.Lookup(dname.MustParse(c.qname), rr.TypeA, false)
		if c.want == "" {
			if r.Next != nil {
				t.Errorf("%s under DNAME at %s: next %v, want none", c.qname, c.owner, r.Next)
			}
			continue
		}
		if r.Next.String() != c.want || len(r.Items) != 2 || r.Items[1].Data[0] != string(r.Next) || r.Items[1].TTL != 7 {
			t.Errorf("%s under DNAME %s to %s: want %s, got\n%v", c.qname, c.owner, c.target, c.want, r)
		}
	}
	label := strings.Repeat("x", 63) + "."
	o := MustParse("x.", "x. SOA a. b. 1 2 3 4 5\nx. NS a.\nd.x. DNAME "+strings.Repeat(label, 3)+"\n")
	for length, kind := range map[int]zone.Kind{61: zone.Success, 62: zone.TooLong} {
		r := o.Lookup(dname.MustParse(strings.Repeat("y", length)+".d.x."), rr.TypePTR, false)
		if r.Kind != kind {
			t.Errorf("DNAME with a label of %d: kind %s, want %s", length, KindText(r.Kind), KindText(kind))
		}
	}
}

// The zone of RFC 4035 appendix A, the answers of appendix B.
func TestOracleRFC4035(t *testing.T) {
	o := MustSign(MustParse("example.", `
example.       3600 SOA ns1.example. bugs.x.w.example. 1081539377 3600 300 3600000 3600
example.       3600 NS ns1.example.
example.       3600 NS ns2.example.
example.       3600 MX 1 xx.example.
a.example.     3600 NS ns1.a.example.
a.example.     3600 NS ns2.a.example.
a.example.     3600 DS 57855 5 1 B6DCD485719ADCA18E5F3D48A2331627FDD3636B
ns1.a.example. 3600 A 192.0.2.5
ns2.a.example. 3600 A 192.0.2.6
ai.example.    3600 A 192.0.2.9
ai.example.    3600 HINFO "KLH-10" "ITS"
ai.example.    3600 AAAA 2001:db8::f00:baa9
b.example.     3600 NS ns1.b.example.
b.example.     3600 NS ns2.b.example.
ns1.b.example. 3600 A 192.0.2.7
ns2.b.example. 3600 A 192.0.2.8
ns1.example.   3600 A 192.0.2.1
ns2.example.   3600 A 192.0.2.2
*.w.example.   3600 MX 1 ai.example.
x.w.example.   3600 MX 1 xx.example.
x.y.w.example. 3600 MX 1 xx.example.
xx.example.    3600 A 192.0.2.10
xx.example.    3600 HINFO "KLH-10" "TOPS-20"
xx.example.    3600 AAAA 2001:db8::f00:baaa
`), 1, Denial{})
	for owner, want := range map[string]string{ // the chain of appendix A
		"example.": "a.example. NS SOA MX RRSIG NSEC DNSKEY", "a.example.": "ai.example. NS DS RRSIG NSEC",
		"ai.example.": "b.example. A HINFO AAAA RRSIG NSEC", "b.example.": "ns1.example. NS RRSIG NSEC",
		"ns1.example.": "ns2.example. A RRSIG NSEC", "ns2.example.": "*.w.example. A RRSIG NSEC",
		"*.w.example.": "x.w.example. MX RRSIG NSEC", "x.w.example.": "x.y.w.example. MX RRSIG NSEC",
		"x.y.w.example.": "xx.example. MX RRSIG NSEC", "xx.example.": "example. A HINFO AAAA RRSIG NSEC",
	} {
		if got := DataText(rr.TypeNSEC, o.Get(dname.MustParse(owner), rr.TypeNSEC).Data[0]); got != want {
			t.Errorf("NSEC at %s: got %s, want %s", owner, got, want)
		}
	}
	ask(t, o, true, []oracleCase{
		{"x.w.example.", "MX", "success | x.w MX+ |  | xx A+, xx AAAA+"},                // B.1
		{"ml.example.", "A", "nxdomain |  | @ NSEC+, @ SOA+, b NSEC+"},                  // B.2
		{"ns1.example.", "MX", "nodata |  | @ SOA+, ns1 NSEC+"},                         // B.3
		{"mc.a.example.", "MX", "referral |  | a DS+, a NS | ns1.a A!, ns2.a A!"},       // B.4
		{"mc.b.example.", "MX", "referral |  | b NS, b NSEC+ | ns1.b A!, ns2.b A!"},     // B.5
		{"a.z.w.example.", "MX", "success | a.z.w MX+ | x.y.w NSEC+ | ai A+, ai AAAA+"}, // B.6
		{"a.z.w.example.", "AAAA", "nodata |  | *.w NSEC+, @ SOA+, x.y.w NSEC+"},        // B.7
		{"example.", "DS", "nodata |  | @ NSEC+, @ SOA+"},                               // B.8
		{"y.w.example.", "A", "nodata |  | @ SOA+, x.w NSEC+"},                          // an empty non-terminal
		{"a.example.", "DS", "success | a DS+"},
		{"b.example.", "DS", "nodata |  | @ SOA+, b NSEC+"},
	})
	ask(t, o, false, []oracleCase{
		{"mc.b.example.", "MX", "referral |  | b NS | ns1.b A!, ns2.b A!"},
		{"a.example.", "DS", "success | a DS"},
		{"b.example.", "DS", "nodata |  | @ SOA"},
		{"a.example.", "NS", "referral |  | a NS | ns1.a A!, ns2.a A!"},
		{"a.z.w.example.", "MX", "success | a.z.w MX |  | ai A, ai AAAA"},
	})
}

// The zone of RFC 5155 appendix A, the answers of appendix B.
func TestOracleRFC5155(t *testing.T) {
	o := MustSign(MustParse("example.", `
example.       3600 SOA ns1.example. bugs.x.w.example. 1 3600 300 3600000 3600
example.       3600 NS ns1.example.
example.       3600 NS ns2.example.
example.       3600 MX 1 xx.example.
2t7b4g4vsa5smi47k61mv5bv1a22bojr.example. 3600 A 192.0.2.127
a.example.     3600 NS ns1.a.example.
a.example.     3600 NS ns2.a.example.
a.example.     3600 DS 58470 5 1 3079F1593EBAD6DC121E202A8B766A6A4837206C
ns1.a.example. 3600 A 192.0.2.5
ns2.a.example. 3600 A 192.0.2.6
ai.example.    3600 A 192.0.2.9
ai.example.    3600 HINFO "KLH-10" "ITS"
ai.example.    3600 AAAA 2001:db8:0:0:0:0:f00:baa9
c.example.     3600 NS ns1.c.example.
c.example.     3600 NS ns2.c.example.
ns1.c.example. 3600 A 192.0.2.7
ns2.c.example. 3600 A 192.0.2.8
ns1.example.   3600 A 192.0.2.1
ns2.example.   3600 A 192.0.2.2
*.w.example.   3600 MX 1 ai.example.
x.w.example.   3600 MX 1 xx.example.
x.y.w.example. 3600 MX 1 xx.example.
xx.example.    3600 A 192.0.2.10
xx.example.    3600 HINFO "KLH-10" "TOPS-20"
xx.example.    3600 AAAA 2001:db8:0:0:0:0:f00:baaa
`), 1, Denial{NSEC3: true, OptOut: true, Iterations: 12, Salt: "\xaa\xbb\xcc\xdd"})
	var chain []string
	for _, owner := range o.Owners() {
		if o.Get(owner, rr.TypeNSEC3) != nil {
			chain = append(chain, string(owner.Label()))
		}
	}
	if want := []string{
		"0p9mhaveqvm6t7vbl5lop2u3t2rp3tom", "2t7b4g4vsa5smi47k61mv5bv1a22bojr", "2vptu5timamqttgl4luu9kg21e0aor3s",
		"35mthgpgcu1qg68fab165klnsnk3dpvl", "b4um86eghhds6nea196smvmlo4ors995", "gjeqe526plbf1g8mklp59enfd789njgi",
		"ji6neoaepv8b5o6k4ev33abha8ht9fgc", "k8udemvp1j2f7eg6jebps17vp3n8i58h", "kohar7mbb8dc2ce8a9qvl8hon4k53uhi",
		"q04jkcevqvmu85r014c7dkba38o0ji5r", "r53bq7cc2uvmubfu5ocmm6pers9tk9en", "t644ebqk9bibcna874givr6joj62mlhv",
	}; !slices.Equal(chain, want) {
		t.Errorf("NSEC3 chain %q, want %q", chain, want)
	}
	const (
		apex = "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom NSEC3+"
		h2t  = "2t7b4g4vsa5smi47k61mv5bv1a22bojr NSEC3+"
		h35  = "35mthgpgcu1qg68fab165klnsnk3dpvl NSEC3+"
		b4um = "b4um86eghhds6nea196smvmlo4ors995 NSEC3+"
		ji6n = "ji6neoaepv8b5o6k4ev33abha8ht9fgc NSEC3+"
		k8ud = "k8udemvp1j2f7eg6jebps17vp3n8i58h NSEC3+"
		q04j = "q04jkcevqvmu85r014c7dkba38o0ji5r NSEC3+"
		r53b = "r53bq7cc2uvmubfu5ocmm6pers9tk9en NSEC3+"
		soa  = "@ SOA+"
	)
	authority := func(s ...string) string { slices.Sort(s); return strings.Join(s, ", ") }
	ask(t, o, true, []oracleCase{
		{"a.c.x.w.example.", "A", "nxdomain |  | " + authority(soa, apex, b4um, h35)},                      // B.1
		{"ns1.example.", "MX", "nodata |  | " + authority(soa, h2t)},                                       // B.2
		{"y.w.example.", "A", "nodata |  | " + authority(soa, ji6n)},                                       // B.2.1
		{"mc.c.example.", "MX", "referral |  | " + authority("c NS", h35, apex) + " | ns1.c A!, ns2.c A!"}, // B.3
		{"a.z.w.example.", "MX", "success | a.z.w MX+ | " + q04j + " | ai A+, ai AAAA+"},                   // B.4
		{"a.z.w.example.", "AAAA", "nodata |  | " + authority(soa, k8ud, q04j, r53b)},                      // B.5
		{"example.", "DS", "nodata |  | " + authority(soa, apex)},                                          // B.6
		// §7.2.8: the owner of an NSEC3 does not exist as a name, unless by another record
		{"0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example.", "NSEC3", "nxdomain |  | " +
			outlineProof(o, "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.example.")},
		{"2t7b4g4vsa5smi47k61mv5bv1a22bojr.example.", "A", "success | 2t7b4g4vsa5smi47k61mv5bv1a22bojr A+"},
		{"c.example.", "DS", "nodata |  | " + authority(soa, h35, apex)}, // opt-out
	})
}

// outlineProof returns the authority section that denies a child of the apex.
func outlineProof(o *Oracle, name string) string {
	n := dname.MustParse(name)
	h := o.chain()
	var out []string
	for _, owner := range []dname.Name{h.matching(o.Apex), h.covering(n), h.covering(dname.MustParse("*.example."))} {
		out = append(out, string(owner.Label())+" NSEC3+")
	}
	out = append(out, "@ SOA+")
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ", ")
}

func TestOracleAliases(t *testing.T) {
	o := MustParse("2.0.192.in-addr.arpa.", `
@ SOA ns.example. h.example. 1 2 3 4 5
@ NS ns.example.
0/25 NS ns.example.
0/25 NS ns.0/25
1 CNAME 1.0/25
2 CNAME Ptr
ns.0/25 A 192.0.2.1
ns.0/25 AAAA 2001:db8::1
3 MX 5 ns.0/25
4 NS ns.0/25
5 DNAME elsewhere.example.
b.5 A 192.0.2.1
6 MX 5 b.5
*.7 CNAME x
Ptr PTR a.example.
`)
	ask(t, o, false, []oracleCase{
		{"1", "PTR", "success | 1 CNAME > 1.0/25"},
		{"1", "CNAME", "success | 1 CNAME"},
		{"1", "ANY", "success | 1 CNAME"},
		{"1", "RRSIG", "nodata |  | @ SOA"},
		{"2", "PTR", "success | 2 CNAME > Ptr"},
		{"PTR", "PTR", "success | ptr PTR"},
		{"q.7", "A", "success | q.7 CNAME > x"},
		{"q.7", "CNAME", "success | q.7 CNAME"},
		{"7", "A", "nodata |  | @ SOA"},
		// an address below a cut comes with referrals only
		{"3", "MX", "success | 3 MX"},
		{"4", "A", "referral |  | 4 NS | ns.0/25 A, ns.0/25 AAAA"},
		{"9.0/25", "A", "referral |  | 0/25 NS | ns.0/25 A!, ns.0/25 AAAA!"},
		{"0/25", "ANY", "referral |  | 0/25 NS | ns.0/25 A!, ns.0/25 AAAA!"},
		{"0/25", "DS", "nodata |  | @ SOA"},
		{"9.0/25", "DS", "referral |  | 0/25 NS | ns.0/25 A!, ns.0/25 AAAA!"},
		{"b.5", "A", "success | 5 DNAME, b.5 CNAME > b.elsewhere.example."},
		{"b.5", "CNAME", "success | 5 DNAME, b.5 CNAME"},
		{"5", "A", "nodata |  | @ SOA"},
		{"5", "DNAME", "success | 5 DNAME"},
		{"6", "MX", "success | 6 MX"},
	})
}

func TestOraclePredecessor(t *testing.T) {
	// RFC 4034 §6.1's example, which is in order
	names := []string{"example.", "a.example.", "yljkjljk.a.example.", "Z.a.example.", "zABC.a.EXAMPLE.",
		"z.example.", `\001.z.example.`, "*.z.example.",
		"q.z.example.", "b.q.z.example.", `q\000.z.example.`, `q\000a.z.example.`, `q\001.z.example.`, "qa.z.example.",
		`\200.z.example.`}
	o := New(dname.MustParse("example."))
	for _, n := range names {
		o.put(dname.MustParse(n), rr.TypeNSEC, 1, "x")
	}
	var got []string
	for _, n := range o.Owners() {
		got = append(got, n.String())
	}
	for i := range names {
		if !o.Owners()[i].Equal(dname.MustParse(names[i])) {
			t.Fatalf("owners %q, want %q", got, names)
		}
	}
	for q, want := range map[string]string{
		"Z.A.example.": "z.a.example.", "b.example.": "zabc.a.example.", "com.": `\200.z.example.`,
		`\000.z.example.`: "z.example.", "+.z.example.": "*.z.example.", "xx.yljkjljk.a.example.": "yljkjljk.a.example.",
	} {
		if got := o.Predecessor(dname.MustParse(q), rr.TypeNSEC); got.String() != want {
			t.Errorf("predecessor of %s: got %v, want %s", q, got, want)
		}
	}
}

func TestOracleEdit(t *testing.T) {
	a := MustParse("x.", "x. 5 SOA a. b. 1 2 3 4 5\nx. NS a.\nb.x. A 192.0.2.1\nb.x. A 192.0.2.2\n")
	b := a.Clone()
	b.SetSerial(2)
	b.Remove(dname.MustParse("b.x."), rr.TypeA)
	b.put(dname.MustParse("c.x."), rr.TypeA, 3, "\xc0\x00\x02\x01")
	if a.Serial() != 1 || b.Serial() != 2 || Equal(a, b) {
		t.Fatalf("serials %d and %d, equal %v", a.Serial(), b.Serial(), Equal(a, b))
	}
	c := Diff(a, b)
	if len(c.Removed) != 3 || len(c.Added) != 2 {
		t.Errorf("removed %d, added %d; want 3 and 2", len(c.Removed), len(c.Added))
	}
	d := a.Clone()
	if err := d.Apply(c); err != nil || !Equal(d, b) {
		t.Errorf("apply: %v; got\n%swant\n%s", err, d.Text(), b.Text())
	}
	if err := d.Apply(c); err == nil {
		t.Error("the same changeset applies twice")
	}
	if err := d.Apply(c.Reverse()); err != nil || !Equal(d, a) {
		t.Errorf("apply in reverse: %v", err)
	}
}
