package wire

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// begin returns a Writer over a buffer of limit octets that holds a question.
func begin(t testing.TB, limit int, qname string, qtype rr.Type) (*Writer, []byte) {
	t.Helper()
	buf := make([]byte, limit)
	n := HeaderLen
	name := dname.MustParse(qname)
	n += copy(buf[n:], name)
	n += copy(buf[n:], []byte{byte(qtype >> 8), byte(qtype), 0, 1})
	w := new(Writer)
	w.Reset(buf, limit, n, dname.FromWire(buf[HeaderLen:]))
	return w, buf
}

// decode reads the message back with a decoder that is not ours.
func decode(t testing.TB, msg []byte) *dns.Msg {
	t.Helper()
	m := new(dns.Msg)
	if err := m.Unpack(msg); err != nil {
		t.Fatalf("%v\n% x", err, msg)
	}
	return m
}

func TestNamesAreCompressed(t *testing.T) {
	w, buf := begin(t, 512, "10.2.0.192.In-Addr.ARPA.", rr.TypePTR)
	question := w.Len()
	qname := w.question
	add := func(owner dname.Name, typ rr.Type, head, tail []byte) {
		t.Helper()
		if !w.Record(Answer, &Owner{Name: owner}, typ, rr.ClassIN, 3600, head, tail) {
			t.Fatal("record does not fit")
		}
	}
	sizes := []struct {
		what string
		do   func()
		want int // octets
	}{
		{"the owner is the QNAME itself, the target shares nothing", func() {
			add(qname, rr.TypePTR, dname.MustParse("mail.example.com."), nil)
		}, 2 + 10 + 18},
		{"the second target ends like the first", func() {
			add(qname, rr.TypePTR, dname.MustParse("www.example.com."), nil)
		}, 2 + 10 + 4 + 2},
		{"another case in RDATA is kept, so only .com is shared", func() {
			add(qname, rr.TypePTR, dname.MustParse("www.Example.com."), nil)
		}, 2 + 10 + 12 + 2},
		{"an owner in another case than the QNAME's points into it", func() {
			add(dname.MustParse("2.0.192.in-addr.arpa."), rr.TypeNS, dname.MustParse("ns1.example.com."), nil)
		}, 2 + 10 + 4 + 2},
		{"a name known in whole is a pointer", func() {
			add(dname.MustParse("ns1.example.com."), rr.TypeA, []byte{192, 0, 2, 1}, nil)
		}, 2 + 10 + 4},
		{"RDATA in two pieces", func() {
			n := dname.MustParse("ftp.example.com.")
			add(qname, rr.TypePTR, n[:4], n[4:])
		}, 2 + 10 + 4 + 2},
		{"SOA with two names", func() {
			soa := append(dname.MustParse("ns1.example.com.").Clone(), dname.MustParse("hostmaster.example.com.")...)
			add(dname.MustParse("2.0.192.in-addr.arpa."), rr.TypeSOA, append(soa, make([]byte, 20)...), nil)
		}, 2 + 10 + 2 + 11 + 2 + 20},
		{"SRV is not compressed", func() {
			add(qname, rr.TypeSRV, append([]byte{0, 0, 0, 0, 0, 1}, dname.MustParse("ns1.example.com.")...), nil)
		}, 2 + 10 + 6 + 17},
		{"the root stays as it is", func() {
			add(dname.Root(), rr.TypeNS, dname.Root(), nil)
		}, 1 + 10 + 1},
	}
	for _, s := range sizes {
		before := w.Len()
		s.do()
		if got := w.Len() - before; got != s.want {
			t.Errorf("%s: %d octets, want %d", s.what, got, s.want)
		}
	}
	n := w.Finish(7, QR|AA)
	m := decode(t, buf[:n])
	var got []string
	for _, r := range m.Answer {
		got = append(got, strings.ReplaceAll(r.String(), "\t", " "))
	}
	want := []string{
		"10.2.0.192.In-Addr.ARPA. 3600 IN PTR mail.example.com.",
		"10.2.0.192.In-Addr.ARPA. 3600 IN PTR www.example.com.",
		"10.2.0.192.In-Addr.ARPA. 3600 IN PTR www.Example.com.",
		"2.0.192.In-Addr.ARPA. 3600 IN NS ns1.example.com.",
		"ns1.example.com. 3600 IN A 192.0.2.1",
		"10.2.0.192.In-Addr.ARPA. 3600 IN PTR ftp.example.com.",
		"2.0.192.In-Addr.ARPA. 3600 IN SOA ns1.example.com. hostmaster.example.com. 0 0 0 0 0",
		"10.2.0.192.In-Addr.ARPA. 3600 IN SRV 0 0 1 ns1.example.com.",
		". 3600 IN NS .",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("read back\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if question != HeaderLen+len(qname)+4 || m.Question[0].Name != "10.2.0.192.In-Addr.ARPA." {
		t.Errorf("question %v", m.Question)
	}
}

// A resolver that mixes the case of the QNAME (0x20) gets glue no less compressed:
// the name is in the NS record before it, in the case of the zone.
func TestGlueIsCompressedInAnyCase(t *testing.T) {
	for _, qname := range []string{"1.64.2.0.192.in-addr.arpa.", "1.64.2.0.192.IN-ADDR.ARPA.", "1.64.2.0.192.in-Addr.arpa."} {
		w, _ := begin(t, 512, qname, rr.TypePTR)
		cut, ns := dname.MustParse("64.2.0.192.in-addr.arpa."), dname.MustParse("ns.64.2.0.192.in-addr.arpa.")
		for range 2 {
			if !w.Record(Authority, &Owner{Name: cut}, rr.TypeNS, rr.ClassIN, 3600, ns, nil) {
				t.Fatal("record does not fit")
			}
		}
		before := w.Len()
		if !w.Record(Additional, &Owner{Name: ns}, rr.TypeA, rr.ClassIN, 3600, []byte{192, 0, 2, 1}, nil) {
			t.Fatal("record does not fit")
		}
		if got, want := w.Len()-before, 2+10+4; got != want {
			t.Errorf("%s: glue takes %d octets, want %d", qname, got, want)
		}
	}
}

// A label of the QNAME may hold octets that look like the labels of another
// name; a pointer into the middle of a label would still be wrong.
func TestPointersBeginAtLabels(t *testing.T) {
	w, buf := begin(t, 512, `\003foo\003com.`, rr.TypePTR)
	if !w.Record(Answer, &Owner{Name: dname.MustParse("foo.com.")}, rr.TypeA, rr.ClassIN, 1, []byte{1, 2, 3, 4}, nil) {
		t.Fatal("record does not fit")
	}
	m := decode(t, buf[:w.Finish(1, QR)])
	if got := m.Answer[0].Header().Name; got != "foo.com." {
		t.Errorf("owner %s, want foo.com.", got)
	}
	if want := HeaderLen + 10 + 4 + 9 + 10 + 4; w.Len() != want {
		t.Errorf("%d octets, want %d: the owner name in full", w.Len(), want)
	}
}

func TestRecordIsWholeOrNotThere(t *testing.T) {
	full, _ := begin(t, 512, "1.2.0.192.in-addr.arpa.", rr.TypePTR)
	target := dname.MustParse("a.b.example.org.")
	start := full.Len()
	if !full.Record(Answer, &Owner{Name: full.question}, rr.TypePTR, rr.ClassIN, 1, target, nil) {
		t.Fatal("record does not fit")
	}
	size := full.Len()
	for limit := start; limit <= size; limit++ {
		w, buf := begin(t, limit, "1.2.0.192.in-addr.arpa.", rr.TypePTR)
		ok := w.Record(Answer, &Owner{Name: w.question}, rr.TypePTR, rr.ClassIN, 1, target, nil)
		if ok != (limit == size) {
			t.Fatalf("limit %d: %v", limit, ok)
		}
		m := decode(t, buf[:w.Finish(1, QR)])
		if ok != (len(m.Answer) == 1) || !ok && w.Len() != start {
			t.Fatalf("limit %d: %d records in %d octets", limit, len(m.Answer), w.Len())
		}
	}
}

func TestRollbackForgetsNames(t *testing.T) {
	w, buf := begin(t, 512, "1.2.0.192.in-addr.arpa.", rr.TypePTR)
	owner := dname.MustParse("one.example.")
	put := func(target string) bool {
		return w.Record(Answer, &Owner{Name: owner}, rr.TypeNS, rr.ClassIN, 1, dname.MustParse(target), nil)
	}
	for range 3 {
		m := w.Mark()
		put("a.one.example.")
		put("b.two.example.")
		w.Rollback(m)
	}
	put("c.two.example.")
	put("d.two.example.")
	m := decode(t, buf[:w.Finish(1, QR)])
	if len(m.Answer) != 2 || m.Answer[0].(*dns.NS).Ns != "c.two.example." || m.Answer[1].(*dns.NS).Ns != "d.two.example." {
		t.Errorf("read back %v", m.Answer)
	}
}

// The first name of a message is entered when there is a second one; after a
// rollback it is not there any more.
func TestRollbackForgetsTheFirstName(t *testing.T) {
	w, buf := begin(t, 512, "1.2.0.192.in-addr.arpa.", rr.TypePTR)
	put := func(typ rr.Type, data []byte) {
		if !w.Record(Answer, &Owner{Name: w.question}, typ, rr.ClassIN, 1, data, nil) {
			t.Fatal("record does not fit")
		}
	}
	m := w.Mark()
	put(rr.TypePTR, dname.MustParse("gone.one.example."))
	w.Rollback(m)
	put(rr.TypeTXT, []byte("\x10one.example.text"))
	put(rr.TypePTR, dname.MustParse("a.one.example."))
	put(rr.TypePTR, dname.MustParse("b.one.example."))
	msg := decode(t, buf[:w.Finish(1, QR)])
	for i, want := range []string{"a.one.example.", "b.one.example."} {
		if got := msg.Answer[i+1].(*dns.PTR).Ptr; got != want {
			t.Errorf("read back %s, want %s", got, want)
		}
	}
}

// No pointer can lead behind the first 16,384 octets.
func TestNamesFarBack(t *testing.T) {
	for _, far := range []int{maxPointer - 60, maxPointer - 40, maxPointer - 20, maxPointer - 4, maxPointer, maxPointer + 100} {
		w, buf := begin(t, MaxMessage, "1.2.0.192.in-addr.arpa.", rr.TypePTR)
		for w.Len() < far {
			n := min(far-w.Len(), 255+12) - 12
			if n < 1 {
				break
			}
			if !w.Record(Answer, &Owner{Name: w.question}, rr.TypeTXT, rr.ClassIN, 1, append([]byte{byte(n - 1)}, make([]byte, n-1)...), nil) {
				t.Fatal("record does not fit")
			}
		}
		texts := int(w.counts[Answer])
		targets := []string{"a.b.c.example.", "d.b.c.example.", "a.b.c.example.", "e.d.b.c.example."}
		for _, target := range targets {
			n := dname.MustParse(target)
			o := &Owner{Name: n}
			for range 2 {
				if !w.Record(Answer, o, rr.TypeNS, rr.ClassIN, 1, n, nil) {
					t.Fatal("record does not fit")
				}
			}
		}
		msg := decode(t, buf[:w.Finish(1, QR)])
		for i, r := range msg.Answer[texts:] {
			if got := r.(*dns.NS); got.Ns != targets[i/2] || got.Hdr.Name != targets[i/2] {
				t.Errorf("from %d: read back %v, want %s", far, got, targets[i/2])
			}
		}
	}
}

func TestOptionsFillTheReserve(t *testing.T) {
	w, buf := begin(t, 70, "1.2.0.192.in-addr.arpa.", rr.TypePTR)
	w.Reserve(OPTLen + 4 + 8)
	if w.Record(Answer, &Owner{Name: w.question}, rr.TypePTR, rr.ClassIN, 1, dname.MustParse("abc.example."), nil) {
		t.Fatal("a record took the reserved octets")
	}
	if !w.OPT(1232, RCodeBadVers, DO) || !w.Option(OptionCookie, []byte("12345678"), nil) {
		t.Fatal("the reserved octets are not there")
	}
	if !w.EDE(EDENotReady, "a text that is too long for what is left") || w.EDE(EDENotReady, "") {
		t.Error("an error without text should fit once")
	}
	m := decode(t, buf[:w.Finish(1, QR|Flags(0).WithRCode(RCodeBadVers))])
	o := m.IsEdns0()
	if o == nil || m.Rcode != dns.RcodeBadVers || !o.Do() || len(o.Option) != 2 || o.UDPSize() != 1232 || o.Version() != 0 {
		t.Errorf("read back %v", m)
	}
}

// Random names with many labels in common, in large messages: what was written
// is what an independent decoder reads.
func TestCompressionKeepsNames(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	labels := []string{"a", "A", "b", "ab", "example", "Example", "com", "arpa", "in-addr", "192", "x-long-label-of-some-length"}
	name := func() string {
		s := ""
		for range rng.IntN(6) {
			s += labels[rng.IntN(len(labels))] + "."
		}
		if rng.IntN(40) == 0 {
			s = fmt.Sprintf("n%d.", rng.IntN(100)) + s
		}
		if s == "" {
			return "."
		}
		return s
	}
	for round := range 200 {
		limit := 512 << rng.IntN(8)
		w, buf := begin(t, min(limit, MaxMessage), name(), rr.TypeANY)
		var want []string
		for {
			o := Owner{Name: dname.MustParse(name())}
			m := w.Mark()
			var set []string
			fits := true
			for range 1 + rng.IntN(3) {
				target := name()
				if fits = w.Record(Section(rng.IntN(3)), &o, rr.TypeNS, rr.ClassIN, 1, dname.MustParse(target), nil); !fits {
					break
				}
				set = append(set, strings.ToLower(o.Name.String())+" "+target)
			}
			if !fits {
				w.Rollback(m)
				break
			}
			if rng.IntN(5) == 0 {
				w.Rollback(m)
				continue
			}
			want = append(want, set...)
		}
		m := decode(t, buf[:w.Finish(1, QR)])
		var got []string
		for _, s := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
			for _, r := range s {
				got = append(got, strings.ToLower(r.Header().Name)+" "+r.(*dns.NS).Ns)
			}
		}
		count := func(l []string) map[string]int {
			c := map[string]int{}
			for _, s := range l {
				c[s]++
			}
			return c
		}
		if fmt.Sprint(count(got)) != fmt.Sprint(count(want)) {
			t.Fatalf("round %d: got\n%v\nwant\n%v", round, got, want)
		}
	}
}
