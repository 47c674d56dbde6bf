package secondary

import (
	"encoding/binary"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// forEachZone runs f with random zones at all apexes.
func forEachZone(t *testing.T, f func(t *testing.T, g *zonetest.Random, o *zonetest.Oracle)) {
	for _, apex := range zonetest.Apexes() {
		for seed := range uint64(10) {
			g := zonetest.NewRandom(seed)
			o := g.Zone(dname.MustParse(apex), 10+g.IntN(50))
			if seed%3 == 0 {
				o = zonetest.MustSign(o, byte(seed), zonetest.Denial{NSEC3: seed%2 == 0})
			}
			if t.Failed() {
				return
			}
			t.Logf("apex %s, seed %d", apex, seed)
			f(t, g, o)
		}
	}
}

// What miekg/dns packs of a zone comes out as that zone, whatever the messages.
func TestWhole(t *testing.T) {
	forEachZone(t, func(t *testing.T, g *zonetest.Random, o *zonetest.Oracle) {
		most := 1 + g.IntN(40)
		list := messages(t, o.Apex, rr.TypeAXFR, whole(o), func() int { return g.IntN(most) })
		got, err := receive(request{typ: rr.TypeAXFR, apex: o.Apex}, list)
		if err != nil {
			t.Fatal(err)
		}
		hold(t, got.zone, o)
		if got.changes != nil || got.messages != len(list) || got.serial != o.Serial() {
			t.Errorf("%d differences, %d messages, serial %d", len(got.changes), got.messages, got.serial)
		}
	})
}

// An IXFR leads to the zone that the primary has, each difference by itself, and
// what was there before stays as it is.
func TestDifferences(t *testing.T) {
	forEachZone(t, func(t *testing.T, g *zonetest.Random, o *zonetest.Oracle) {
		o.SetSerial(1<<32 - 2) // it wraps
		base := mustBuild(t, o)
		chain := []*zonetest.Oracle{o}
		for range 1 + g.IntN(5) {
			next := g.Edit(chain[len(chain)-1])
			next.SetSerial(chain[len(chain)-1].Serial() + 1)
			chain = append(chain, next)
		}
		last := chain[len(chain)-1]
		if mustTry(last) != nil {
			return // such a zone is refused, see TestRefused
		}
		most := 1 + g.IntN(40)
		list := messages(t, o.Apex, rr.TypeIXFR, sequences(chain...), func() int { return g.IntN(most) })
		got, err := receive(request{typ: rr.TypeIXFR, apex: o.Apex, base: base}, list)
		if err != nil {
			t.Fatal(err)
		}
		hold(t, got.zone, last)
		hold(t, base, o)
		z := base
		for i, c := range got.changes {
			if z, err = z.Apply(c); err != nil {
				t.Fatalf("difference %d: %v", i, err)
			}
			hold(t, z, chain[i+1])
		}
		if len(got.changes) != len(chain)-1 {
			t.Errorf("%d differences, want %d", len(got.changes), len(chain)-1)
		}
		// The same, answered whole (RFC 1995 §4).
		list = messages(t, o.Apex, rr.TypeIXFR, whole(last), func() int { return g.IntN(most) })
		if got, err = receive(request{typ: rr.TypeIXFR, apex: o.Apex, base: base}, list); err != nil {
			t.Fatal(err)
		}
		hold(t, got.zone, last)
	})
}

// mustTry returns what a Builder has against the oracle.
func mustTry(o *zonetest.Oracle) []finding.Finding {
	b := zone.NewBuilder(o.Apex)
	for _, r := range o.Records() {
		b.Add(r)
	}
	if z, findings := b.Build(); z == nil {
		return findings
	}
	return nil
}

// parse returns records of the zone example.
func parse(t testing.TB, text string) []zone.Record {
	t.Helper()
	list, err := zonetest.ParseRecords("example.", text)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

const (
	soa1 = "@ 60 SOA ns hostmaster 1 10 5 100 60\n"
	soa2 = "@ 60 SOA ns hostmaster 2 10 5 100 60\n"
	soa3 = "@ 60 SOA ns hostmaster 3 10 5 100 60\n"
	rest = "@ 60 NS ns.other.\na 60 PTR x.\nb 60 PTR y.\n"

	// A signature over nothing; and what is no RDATA of its type, or not where it is.
	lone = "s 60 RRSIG A 13 2 60 20370101000000 20200101000000 1 example. AAAA\n"
	odd  = `0p9mhaveqvm6t7vbl5lop2u3t2rp3tom 60 TYPE50 \# 26 020000000014 0000000000000000000000000000000000000000
n 60 NSEC3 1 0 0 - 0p9mhaveqvm6t7vbl5lop2u3t2rp3tom A
d 60 DNAME x.
d 60 NS y.
`
)

func oracle(t testing.TB, text string) *zonetest.Oracle {
	o := zonetest.New(dname.MustParse("example."))
	o.Add(parse(t, text)...)
	return o
}

// TestAnswers goes through answers that are right and wrong.
func TestAnswers(t *testing.T) {
	base := mustBuild(t, oracle(t, soa1+rest))
	for _, c := range []struct {
		what string
		typ  rr.Type
		text string
		want string // of the result, or of the error after "error: "
	}{
		{"whole", rr.TypeAXFR, soa2 + rest + soa2, "whole 2"},
		{"whole, asked for differences", rr.TypeIXFR, soa2 + rest + soa2, "whole 2"},
		{"nothing new", rr.TypeIXFR, soa1, "none 1"},
		{"nothing new, as a zone", rr.TypeIXFR, soa1 + rest + soa1, "none 1"},
		{"old", rr.TypeAXFR, soa1 + rest + soa1, "error: serial 1 is not after 1"},
		{"no SOA at first", rr.TypeAXFR, rest + soa2, "error: begins with NS at example., must begin with the SOA"},
		{"SOA of another name", rr.TypeAXFR, "x" + soa2[1:] + rest + "x" + soa2[1:], "error: begins with SOA at x.example."},
		{"no end", rr.TypeAXFR, soa2 + rest, "error: no end"},
		{"no end, one SOA", rr.TypeIXFR, soa2, "error: no end"},
		{"another SOA at last", rr.TypeAXFR, soa2 + rest + soa3, "error: began with serial 2 and ends with 3"},
		{"SOA with other timers at last", rr.TypeAXFR, soa2 + rest + strings.Replace(soa2, "100", "101", 1), "error: began with serial 2 and ends with 2"},
		{"records behind the last", rr.TypeAXFR, soa2 + rest + soa2 + "c 60 PTR z.\n", "error: records follow the SOA"},
		{"no NS", rr.TypeAXFR, soa2 + "a 60 PTR x.\n" + soa2, "whole 2, warning no-ns"},
		{"SOA alone", rr.TypeIXFR, soa2 + soa2, "error: no NS at its apex"},
		{"CNAME and data", rr.TypeAXFR, soa2 + rest + "a 60 CNAME c.\n" + soa2, "error: CNAME together with PTR"},
		{"SOA below", rr.TypeAXFR, soa2 + rest + "x" + soa2[1:] + soa2, "error: at the apex example. only"},
		{"a signature alone", rr.TypeAXFR, soa2 + rest + lone + soa2, "whole 2, warning signature-without-rrset"},
		{"odd records", rr.TypeAXFR, soa2 + rest + odd + soa2, "whole 2, warning odd-rdata, warning nsec3-owner, warning dname-and-ns"},
		{"legal records", rr.TypeAXFR, soa2 + rest + "i 60 ISDN \\# 4 03313233\n" + soa2, "whole 2"},
		{"out of zone", rr.TypeAXFR, soa2 + rest + "www.other. 60 A 192.0.2.1\n" + soa2, "whole 2, warning out-of-zone"},
		{"TTLs differ", rr.TypeAXFR, soa2 + rest + "a 61 PTR z.\n" + soa2, "whole 2, warning ttl-differs"},
		{"twice the same", rr.TypeAXFR, soa2 + rest + rest + soa2, "whole 2"},

		{"a difference", rr.TypeIXFR, soa2 + soa1 + "a 60 PTR x.\n" + soa2 + "c 60 PTR z.\n" + soa2, "1 steps to 2"},
		{"two differences", rr.TypeIXFR, soa3 + soa1 + soa2 + "c 60 PTR z.\n" + soa2 + "c 60 PTR z.\n" + soa3 + soa3, "2 steps to 3"},
		{"nothing but the SOA", rr.TypeIXFR, soa2 + soa1 + soa2 + soa2, "1 steps to 2"},
		{"records of another zone", rr.TypeIXFR, soa2 + soa1 + soa2 + "c.other. 60 PTR z.\n" + soa2, "1 steps to 2, 1 outside"},
		{"from another serial", rr.TypeIXFR, soa3 + soa2 + soa3 + soa3, "error: begin at serial 2, asked for those from 1"},
		{"a gap", rr.TypeIXFR, soa3 + soa1 + soa2 + strings.Replace(soa2, " 2 ", " 4 ", 1) + soa3 + soa3, "error: leads to serial 2, and then SOA 4"},
		{"stands still", rr.TypeIXFR, soa2 + soa1 + soa1 + soa2, "error: leads from serial 1 to 1"},
		{"goes back", rr.TypeIXFR, soa3 + soa1 + strings.Replace(soa1, " 1 ", " 0 ", 1), "error: leads from serial 1 to 0"},
		{"never there", rr.TypeIXFR, soa2 + soa1 + "z 60 PTR x.\n" + soa2 + soa2, "error: does not fit: PTR at z.example.: record to be removed is not there"},
		{"there already", rr.TypeIXFR, soa2 + soa1 + soa2 + "A 60 PTR x.\nc 60 PTR z.\n" + soa2, "1 steps to 2"},
		{"there already, with another TTL", rr.TypeIXFR, soa2 + soa1 + soa2 + "a 61 PTR x.\n" + soa2, "error: does not fit"},
		{"twice the same that is new", rr.TypeIXFR, soa2 + soa1 + soa2 + "c 60 PTR z.\nc 60 PTR z.\n" + soa2, "error: does not fit"},
		{"goes, comes, and one that was there", rr.TypeIXFR, soa2 + soa1 + "a 60 PTR x.\n" + soa2 + "a 60 PTR x.\nb 60 PTR y.\n" + soa2, "1 steps to 2"},
		{"another TTL", rr.TypeIXFR, soa2 + soa1 + "a 61 PTR x.\n" + soa2 + soa2, "error: does not fit"},
		{"two TTLs", rr.TypeIXFR, soa2 + soa1 + soa2 + "a 61 PTR z.\n" + soa2, "error: does not fit"},
		{"another SOA of the same serial", rr.TypeIXFR, soa2 + strings.Replace(soa1, "100", "101", 1) + soa2 + soa2, "error: does not fit"},
		{"ends with another SOA", rr.TypeIXFR, soa2 + soa1 + soa2 + strings.Replace(soa2, "100", "101", 1), "error: ends with another SOA of serial 2"},
		{"leads past the end", rr.TypeIXFR, soa2 + soa1 + soa3 + soa3, "error: leads from serial 1 to 3, past the end at 2"},
		{"CNAME together with data", rr.TypeIXFR, soa2 + soa1 + soa2 + "a 60 CNAME c.\n" + soa2, "error: CNAME together with PTR"},
		{"no NS any more", rr.TypeIXFR, soa2 + soa1 + "@ 60 NS ns.other.\n" + soa2 + soa2, "1 steps to 2, warning no-ns"},
		{"comes to be a signature alone", rr.TypeIXFR, soa2 + soa1 + soa2 + lone + soa2, "1 steps to 2, warning signature-without-rrset"},
		{"odd records come", rr.TypeIXFR, soa2 + soa1 + soa2 + odd + soa2, "1 steps to 2, warning odd-rdata, warning nsec3-owner, warning dname-and-ns"},
		{"differences behind the last", rr.TypeIXFR, soa2 + soa1 + soa2 + soa2 + soa2, "error: records follow the SOA"},
	} {
		for _, each := range []int{1, 2, 100} {
			before := base.Digest()
			list := messages(t, base.Apex(), c.typ, parse(t, c.text), func() int { return each })
			got, err := receive(request{typ: c.typ, apex: base.Apex(), base: base}, list)
			if errors.Is(err, errEarly) && (strings.HasPrefix(c.want, "none") || strings.Contains(c.want, "records follow")) {
				continue // the connection is closed by then
			}
			if says := outline(got, err); !strings.HasPrefix(says, "error: ") && says != c.want ||
				strings.HasPrefix(says, "error: ") && (!strings.HasPrefix(c.want, "error: ") || !strings.Contains(says, c.want[len("error: "):])) {
				t.Errorf("%s, %d records a message: %s; want %s", c.what, each, says, c.want)
			}
			if base.Digest() != before || base.Check() != nil {
				t.Fatalf("%s: what was there is changed", c.what)
			}
		}
	}
}

// TestOddRData goes through octets that are no RDATA of their types. What has no names
// in it is carried as it is, whole or in a difference.
func TestOddRData(t *testing.T) {
	base := mustBuild(t, oracle(t, soa1+rest))
	for _, c := range []struct {
		what string
		typ  rr.Type
		data string
		want string
	}{
		{"HINFO of one string", rr.TypeHINFO, "\x01a", "whole 2, warning odd-rdata"},
		{"TXT without a string", rr.TypeTXT, "", "whole 2, warning odd-rdata"},
		{"TXT with a string too short", rr.TypeTXT, "\x05a", "whole 2, warning odd-rdata"},
		{"ISDN without a subaddress", 20, "\x03123", "whole 2"},
		{"DS of an octet", rr.TypeDS, "\x01", "whole 2, warning odd-rdata, warning ds-without-ns"},
		{"CAA of an octet", 257, "\x01", "whole 2, warning odd-rdata"},
		{"SVCB with parameters out of order", rr.TypeSVCB, "\x00\x01\x00\x00\x03\x00\x02\x00\x35\x00\x01\x00\x03\x02h2", "whole 2, warning odd-rdata"},
		{"SVCB with a name compressed", rr.TypeSVCB, "\x00\x00\xc0\x0c", "whole 2"},
		{"NSEC with a bitmap too short", rr.TypeNSEC, "\x00\x00\x28\x40", "whole 2, warning odd-rdata"},
		{"a type that nobody knows", 65280, "", "whole 2"},
		{"an address of five octets", rr.TypeA, "12345", "error: A at l.example.: the RDATA is malformed"},
		{"PTR without a name", rr.TypePTR, "", "error: PTR at l.example.: the RDATA is malformed"},
		{"MX with an octet more", rr.TypeMX, "\x00\x01\x00x", "error: MX at l.example.: the RDATA is malformed"},
		{"RRSIG of an octet", rr.TypeRRSIG, "\x01", "error: RRSIG at l.example.: the RDATA is malformed"},
		{"NSEC3PARAM of an octet", rr.TypeNSEC3PARAM, "\x01", "error: NSEC3PARAM at l.example.: the RDATA is malformed"},
		{"a type of queries", rr.TypeAXFR, "", "error: AXFR at l.example.: the type exists in queries only"},
	} {
		l := zone.Record{Owner: dname.MustParse("l.example."), Type: c.typ, TTL: 60, Data: []byte(c.data)}
		first, middle := parse(t, soa2+rest), parse(t, soa2+soa1+soa2)
		for typ, list := range map[rr.Type][]zone.Record{
			rr.TypeAXFR: append(append(first, l), first[0]),
			rr.TypeIXFR: append(append(middle, l), middle[0]),
		} {
			got, err := receive(request{typ: typ, apex: base.Apex(), base: base}, [][]byte{rawMessage(base.Apex(), typ, list)})
			says, want := outline(got, err), c.want
			if typ == rr.TypeIXFR { // which is not told what is no matter of RDATA
				want = strings.Replace(strings.Replace(want, "whole", "1 steps to", 1), ", warning ds-without-ns", "", 1)
			}
			if says != want && !(strings.HasPrefix(want, "error: ") && strings.HasPrefix(says, "error: ") && strings.Contains(says, want[len("error: "):])) {
				t.Errorf("%s, %v: %s; want %s", c.what, typ, says, want)
			}
			if err != nil {
				continue
			}
			if s, ok := got.zone.Get(l.Owner, l.Type); !ok || c.typ != rr.TypeSVCB && string(s.First(nil)) != c.data {
				t.Errorf("%s, %v: %x is served", c.what, typ, s.First(nil))
			}
			if err := got.zone.Check(); err != nil {
				t.Errorf("%s, %v: %v", c.what, typ, err)
			}
		}
	}
}

// rawMessage returns a response with records as they are, uncompressed.
func rawMessage(apex dname.Name, typ rr.Type, list []zone.Record) []byte {
	b := make([]byte, wire.HeaderLen)
	wire.Header{ID: testID, Flags: wire.QR | wire.AA, Questions: 1, Answers: uint16(len(list))}.Put(b)
	b = appendType(append(b, apex...), typ)
	for _, r := range list {
		b = appendType(append(b, r.Owner...), r.Type)
		b = binary.BigEndian.AppendUint32(b, r.TTL)
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(r.Data))), r.Data...)
	}
	return b
}

// outline says in a line what came.
func outline(got *received, err error) (s string) {
	switch {
	case err != nil:
		return "error: " + err.Error()
	case got.zone == nil:
		return "none " + itoa(got.serial)
	case got.changes == nil:
		s = "whole " + itoa(got.zone.Serial())
	default:
		s = itoa(zone.Serial(len(got.changes))) + " steps to " + itoa(got.zone.Serial())
	}
	if got.outside > 0 {
		s += ", " + itoa(zone.Serial(got.outside)) + " outside"
	}
	for _, f := range got.findings {
		s += ", " + f.Severity.String() + " " + f.Rule
	}
	return s
}

func itoa(s zone.Serial) string { return strconv.Itoa(int(s)) }

// TestMessages goes through messages that are wrong in themselves.
func TestMessages(t *testing.T) {
	apex := dname.MustParse("example.")
	good := messages(t, apex, rr.TypeAXFR, parse(t, soa2+rest+soa2), func() int { return 2 })
	with := func(at int, f func(m *dns.Msg)) func(t *testing.T) [][]byte {
		return func(t *testing.T) [][]byte {
			out := append([][]byte(nil), good...)
			m := new(dns.Msg)
			if err := m.Unpack(out[at]); err != nil {
				t.Fatal(err)
			}
			f(m)
			b, err := m.Pack()
			if err != nil {
				t.Fatal(err)
			}
			out[at] = b
			return out
		}
	}
	raw := func(at int, f func(b []byte) []byte) func(t *testing.T) [][]byte {
		return func(*testing.T) [][]byte {
			out := append([][]byte(nil), good...)
			out[at] = f(append([]byte(nil), out[at]...))
			return out
		}
	}
	for _, c := range []struct {
		what string
		list func(t *testing.T) [][]byte
		want string // in the error; empty: none
	}{
		{"as it should be", raw(0, func(b []byte) []byte { return b }), ""},
		{"another ID", with(0, func(m *dns.Msg) { m.Id++ }), "ID 4712, asked with 4711"},
		{"another ID later", with(1, func(m *dns.Msg) { m.Id++ }), "message 2: ID 4712"},
		{"a query", with(0, func(m *dns.Msg) { m.Response = false }), "no response"},
		{"another opcode", with(1, func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate }), "no response"},
		{"refused", with(0, func(m *dns.Msg) { m.Rcode = dns.RcodeRefused }), "answers REFUSED"},
		{"an error later", with(1, func(m *dns.Msg) { m.Rcode = dns.RcodeServerFailure }), "answers SERVFAIL"},
		{"an error that needs EDNS", with(1, func(m *dns.Msg) { m.SetEdns0(1232, false); m.Rcode = dns.RcodeBadVers }), "answers BADVERS"},
		{"no question", with(0, func(m *dns.Msg) { m.Question = nil }), "0 questions"},
		{"a question later", with(1, func(m *dns.Msg) {
			m.Question = []dns.Question{{Name: "EXAMPLE.", Qtype: dns.TypeAXFR, Qclass: dns.ClassINET}}
		}), ""},
		{"another name", with(0, func(m *dns.Msg) { m.Question[0].Name = "other." }), "the question is other. IN AXFR, asked for example. AXFR"},
		{"another type", with(0, func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeIXFR }), "the question is example. IN IXFR"},
		{"another class", with(0, func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }), "the question is example. CH AXFR"},
		{"truncated", with(1, func(m *dns.Msg) { m.Truncated = true }), "truncated"},
		{"no authority", with(0, func(m *dns.Msg) { m.Authoritative = false }), ""}, // as Knot DNS
		{"empty", with(1, func(m *dns.Msg) { m.Answer = nil }), "message 2: there is no record"},
		{"class CH", with(1, func(m *dns.Msg) { m.Answer[0].Header().Class = dns.ClassCHAOS }), "PTR at a.example.: class CH"},
		{"type ANY", raw(1, func(b []byte) []byte { return replace(b, "\x00\x0c\x00\x01", "\x00\xff\x00\x01") }), "queries only"},
		{"records beside the answer", with(1, func(m *dns.Msg) { m.Ns, m.Extra = m.Answer, m.Answer }), ""},
		{"cut in the header", raw(1, func(b []byte) []byte { return b[:7] }), "malformed"},
		{"cut in a record", raw(1, func(b []byte) []byte { return b[:len(b)-1] }), "malformed"},
		{"an octet too many", raw(1, func(b []byte) []byte { return append(b, 0) }), "malformed"},
		{"a name in RDATA cut", raw(1, func(b []byte) []byte { return replace(b, "\x00\x03\x01x\x00", "\x00\x03\x02x\x00") }), "PTR at a.example.: the RDATA is malformed"},
		{"a TTL with the upper bit", raw(1, func(b []byte) []byte { return replace(b, "\x00\x00\x00\x3c", "\x80\x00\x00\x3c") }), ""},
	} {
		_, err := receive(request{typ: rr.TypeAXFR, apex: apex}, c.list(t))
		if err == nil && c.want != "" || err != nil && (c.want == "" || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error %v, want %q", c.what, err, c.want)
		}
	}
	var refused *RefusedError
	if _, err := receive(request{typ: rr.TypeAXFR, apex: apex}, with(0, func(m *dns.Msg) { m.Rcode = dns.RcodeNotAuth })(t)); !errors.As(err, &refused) || refused.RCode != wire.RCodeNotAuth {
		t.Errorf("NOTAUTH: %v", err)
	}
}

// replace puts new in the place of the first old, which must be there.
func replace(b []byte, old, new string) []byte {
	at := strings.Index(string(b), old)
	if at < 0 {
		panic("nothing to replace")
	}
	copy(b[at:], new)
	return b
}

// A TTL that no RRset can have counts as 0 (RFC 2181 §8).
func TestUpperBitOfTTL(t *testing.T) {
	apex := dname.MustParse("example.")
	list := messages(t, apex, rr.TypeAXFR, parse(t, soa2+"@ 60 NS ns.other.\na 60 PTR x.\n"+soa2), func() int { return 100 })
	at := strings.Index(string(list[0]), "\x00\x0c\x00\x01")
	list[0][at+4] = 0x80
	got, err := receive(request{typ: rr.TypeAXFR, apex: apex}, list)
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := got.zone.Get(dname.MustParse("a.example."), rr.TypePTR); !ok || s.TTL != 0 {
		t.Errorf("TTL %d", s.TTL)
	}
}

// A primary that sends without end is left when the zone has become too large, and
// so are differences that are larger than the zone.
func TestEndless(t *testing.T) {
	base := mustBuild(t, oracle(t, soa1+rest))
	for _, c := range []struct {
		typ   rr.Type
		begin string
		want  string
		most  int64
	}{
		{rr.TypeAXFR, soa2, "raise `max_size`", 1 << 20},
		{rr.TypeIXFR, soa2 + "b 60 PTR z.\n", "raise `max_size`", 1 << 20},
		{rr.TypeIXFR, soa2 + soa1, "octets of differences", 2 << 20},
		{rr.TypeIXFR, soa2 + soa1 + soa2, "octets of differences", 2 << 20},
	} {
		r := newReceiver(request{id: testID, typ: c.typ, apex: base.Apex(), base: base, maxOctets: c.most})
		first := messages(t, base.Apex(), c.typ, parse(t, c.begin), func() int { return 100 })
		more := messages(t, base.Apex(), c.typ, parse(t, strings.Repeat("c 60 PTR z.\n", 1000)), func() int { return 1000 })
		_, err := r.addMessage(first[0])
		const enough = 1000
		for n := 0; err == nil && n < enough; n++ {
			_, err = r.addMessage(more[0])
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v after %q: %v, want %q", c.typ, c.begin, err, c.want)
		}
	}
}

// What the primary says of the zone's expiry comes with the answer.
func TestExpireOption(t *testing.T) {
	apex := dname.MustParse("example.")
	list := messages(t, apex, rr.TypeAXFR, parse(t, soa2+rest+soa2), func() int { return 100 })
	m := new(dns.Msg)
	if err := m.Unpack(list[0]); err != nil {
		t.Fatal(err)
	}
	m.SetEdns0(1232, false)
	m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_EXPIRE{Code: dns.EDNS0EXPIRE, Expire: 86400}}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	got, err := receive(request{typ: rr.TypeAXFR, apex: apex}, [][]byte{b})
	if err != nil {
		t.Fatal(err)
	}
	if !got.hasExpire || got.expire != 86400 {
		t.Errorf("%d, %v", got.expire, got.hasExpire)
	}
}

// TestMemory: short records take more memory than octets of an answer, and are bounded by
// that as well. Those of a zone always fit; differences are given up sooner.
func TestMemory(t *testing.T) {
	base := mustBuild(t, oracle(t, soa1+rest))
	const most = 1 << 16
	var many []zone.Record
	for i := range most / 22 {
		many = append(many, zone.Record{Owner: dname.Name("\x02" + string([]byte{byte(i >> 8), byte(i)}) + "\x07example\x00"), Type: 65280, TTL: 60})
	}
	soa := parse(t, soa2+rest+soa1+soa2)
	for typ, c := range map[rr.Type]struct {
		list []zone.Record
		want string
	}{
		rr.TypeAXFR: {slices.Concat(soa[:4], many[:len(many)-20], soa[:1]), "whole 2"},
		rr.TypeIXFR: {slices.Concat(soa[:1], soa[4:6], many[:len(many)-20], soa[:1]), "octets of memory"},
	} {
		got, err := receive(request{typ: typ, apex: base.Apex(), base: base, maxOctets: most}, [][]byte{rawMessage(base.Apex(), typ, c.list)})
		if says := outline(got, err); !strings.Contains(says, c.want) {
			t.Errorf("%v: %s, want %s", typ, says, c.want)
		}
	}
	// A Builder that holds more than it may is stopped while records come.
	r := newReceiver(request{id: testID, typ: rr.TypeAXFR, apex: base.Apex(), maxOctets: most})
	if _, err := r.addMessage(rawMessage(base.Apex(), rr.TypeAXFR, soa[:4])); err != nil {
		t.Fatal(err)
	}
	for range 2 * memoryFactor {
		for i := range many { // a Builder that is asked for what no answer has
			r.builder.Add(many[i])
		}
	}
	if _, err := r.addMessage(rawMessage(base.Apex(), rr.TypeAXFR, many[:pauseRecords])); err == nil || !strings.Contains(err.Error(), "octets of memory") {
		t.Errorf("%v", err)
	}
}
