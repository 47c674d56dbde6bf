package loadgen

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// texts returns the questions in presentation form, in order.
func texts(q *Questions) []string {
	var out []string
	for i := range q.Len() {
		n, t := q.At(i)
		out = append(out, fmt.Sprintf("%v %v", n, t))
	}
	return out
}

// asked returns the next n questions of a cursor.
func asked(t *testing.T, c cursor, n int) []string {
	t.Helper()
	q := &Questions{}
	for range n {
		b := c.appendQuestion(nil)
		name := dname.FromWire(b)
		if len(name)+2 != len(b) {
			t.Fatalf("question %x", b)
		}
		if err := q.Add(name, rr.Type(b[len(name)])<<8|rr.Type(b[len(name)+1])); err != nil {
			t.Fatal(err)
		}
	}
	return texts(q)
}

func TestReadQueries(t *testing.T) {
	q, err := ReadQueries("q.txt", strings.NewReader("; dnsperf\n\n1.2.0.192.in-addr.arpa PTR\r\n \tWWW.example.  aaaa \n. NS\n0/25.x TYPE65280"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"1.2.0.192.in-addr.arpa. PTR", "WWW.example. AAAA", ". NS", "0/25.x. TYPE65280"}
	if got := texts(q); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	// Workers share them in order, and begin again.
	if got := asked(t, q.cursor(0, 3), 4); !slices.Equal(got, []string{want[0], want[3], want[2], want[1]}) {
		t.Errorf("worker 0 of 3 asks %q", got)
	}
	if got := asked(t, q.cursor(5, 9), 3); !slices.Equal(got, []string{want[1], want[2], want[3]}) {
		t.Errorf("worker 5 of 9 asks %q", got)
	}
	q.Shuffle(1)
	got := texts(q)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("shuffled: %q", got)
	}
}

func TestReadQueriesErrors(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "q.txt: there is no query in it; a line has a name and a type, as `1.2.0.192.in-addr.arpa PTR`"},
		{"; only\n", "q.txt: there is no query in it; a line has a name and a type, as `1.2.0.192.in-addr.arpa PTR`"},
		{"a. PTR\n  a..b PTR\n", `q.txt:2:3: "a..b" is not a name: two dots with no label between them; fix it`},
		{"a.b\n", "q.txt:1:1: 1 words, a line has two, a name and a type, as `a.b PTR`"},
		{"a.b IN PTR\n", "q.txt:1:8: 3 words, a line has two, a name and a type, as `a.b PTR`"},
		{"\na.b\tPTRR\n", `q.txt:2:5: a.b.: "PTRR" is not a type; write a mnemonic, as PTR, or TYPE12`},
		{"a PTR\n" + strings.Repeat("x", maxLine+1), fmt.Sprintf("q.txt:2: the line is longer than %d octets; is this a file of names?", maxLine)},
	} {
		if _, err := ReadQueries("q.txt", strings.NewReader(tt.text)); err == nil || err.Error() != tt.want {
			t.Errorf("%.20q: %v\nwant %s", tt.text, err, tt.want)
		}
	}
}

func FuzzReadQueries(f *testing.F) {
	f.Add("a. PTR\n;x\n\tb\\.c.d TYPE1\r\n")
	f.Add("a\\000.b A\n*.x ANY")
	f.Fuzz(func(t *testing.T, text string) {
		q, err := ReadQueries("q", strings.NewReader(text))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "q:") {
				t.Errorf("no position in %v", err)
			}
			return
		}
		// What was read is read again.
		again, err := ReadQueries("q", strings.NewReader(strings.ReplaceAll(strings.Join(texts(q), "\n"), ";", `\;`)))
		if err != nil || again.Len() != q.Len() {
			t.Errorf("again: %v", err)
		}
	})
}

// TestPrefix compares the names with those of dname, and the addresses with the
// prefix.
func TestPrefix(t *testing.T) {
	for _, p := range []string{
		"10.0.0.0/8", "192.0.2.0/24", "192.0.2.64/27", "192.0.2.77/32", "0.0.0.0/0", "172.16.0.0/12",
		"2001:db8::/32", "2001:db8::/47", "2001:db8::77/128", "::/0",
	} {
		prefix := netip.MustParsePrefix(p)
		c := prefixSource(t, p).cursor(0, 1).(*prefixCursor)
		other := prefixSource(t, p).cursor(0, 1)
		seen := map[netip.Addr]bool{}
		bits := make([]int, 128) // how often each bit was set
		const n = 2000
		for range n {
			b := c.appendQuestion(nil)
			name := dname.FromWire(b)
			a, ok := dname.ToAddr(name)
			if !ok || !prefix.Contains(a) {
				t.Fatalf("%s: %v", p, name)
			}
			if want := append(dname.FromAddr(a), 0, byte(rr.TypePTR)); string(b) != string(want) {
				t.Fatalf("%s: %x, want %x", p, b, want)
			}
			if string(other.appendQuestion(nil)) != string(b) {
				t.Fatalf("%s: the same seed gives other addresses", p)
			}
			seen[a] = true
			for i, octet := range a.AsSlice() {
				for k := range 8 {
					bits[8*i+k] += int(octet >> (7 - k) & 1)
				}
			}
		}
		host := prefix.Addr().BitLen() - prefix.Bits()
		if want := min(1<<min(host, 20), n) * 9 / 10; len(seen) < want {
			t.Errorf("%s: %d addresses in %d questions", p, len(seen), n)
		}
		// Each bit is set in a half of them: 1000 ± 22, so ± 200 is never.
		for i := prefix.Bits(); i < prefix.Addr().BitLen(); i++ {
			if bits[i] < n/2-200 || bits[i] > n/2+200 {
				t.Errorf("%s: bit %d is set in %d of %d", p, i, bits[i], n)
			}
		}
	}
	if _, err := NewPrefix(netip.MustParsePrefix("::ffff:192.0.2.0/120"), 1); err == nil {
		t.Error("mapped addresses are taken")
	}
	q := prefixSource(t, "10.0.0.0/8")
	if slices.Equal(asked(t, q.cursor(0, 2), 9), asked(t, q.cursor(1, 2), 9)) {
		t.Error("two workers ask the same")
	}
}

const testZone = `$TTL 1h
@ SOA ns.example. host.example. 1 2 3 4 5
@ NS ns1.example.
@ NS ns2.example.
5 PTR a.example.
5 PTR b.example.
5 TXT x
5 RRSIG PTR 8 5 60 20300101000000 20200101000000 1 @ aaaa
*.7 PTR w.example.
elsewhere.example. A 192.0.2.1
`

func writeZone(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "z.zone")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadZone(t *testing.T) {
	path := writeZone(t, testZone)
	origin := dname.MustParse("2.0.192.in-addr.arpa.")
	there := []string{
		"*.7.2.0.192.in-addr.arpa. PTR", "2.0.192.in-addr.arpa. NS", "2.0.192.in-addr.arpa. SOA",
		"5.2.0.192.in-addr.arpa. PTR", "5.2.0.192.in-addr.arpa. TXT",
	}
	for _, tt := range []struct {
		missing       float64
		there, missed int
	}{{0, 5, 0}, {0.5, 5, 5}, {0.2, 5, 2}, {1, 0, 5}} {
		q, err := ReadZone(path, ZoneOptions{Origin: origin, Missing: tt.missing, Seed: 7})
		if err != nil {
			t.Fatal(err)
		}
		got := texts(q)
		again, _ := ReadZone(path, ZoneOptions{Origin: origin, Missing: tt.missing, Seed: 7})
		if !slices.Equal(got, texts(again)) {
			t.Errorf("the same seed gives other questions: %q, %q", got, texts(again))
		}
		n := 0
		for i, text := range got {
			if slices.Contains(there, text) {
				n++
			} else if name, _ := q.At(i); !name.IsAtOrBelow(origin) {
				t.Errorf("%s is not in the zone", text)
			}
		}
		if n != tt.there || len(got)-n != tt.missed {
			t.Errorf("missing %v: %q", tt.missing, got)
		}
	}
}

// TestMissingNames: in a zone that is full of addresses, and in a forward zone,
// there are names that are not in it, too.
func TestMissingNames(t *testing.T) {
	for _, tt := range []struct{ origin, text, in string }{
		{"2.0.192.in-addr.arpa.", "$GENERATE 0-255 $ PTR h$.example.", "no-"},
		{"example.", "www A 192.0.2.1", "no-"},
		{"8.b.d.0.1.0.0.2.ip6.arpa.", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 PTR a.example.", ".0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."},
	} {
		origin := dname.MustParse(tt.origin)
		q, err := ReadZone(writeZone(t, "$TTL 1h\n"+tt.text+"\n"), ZoneOptions{Origin: origin, Missing: 1, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		for i := range q.Len() {
			if n, _ := q.At(i); !strings.Contains(n.String(), tt.in) || !n.IsAtOrBelow(origin) {
				t.Errorf("%v is no name that %s lacks", n, tt.origin)
			}
		}
	}
}

func TestReadZoneErrors(t *testing.T) {
	origin := dname.MustParse("2.0.192.in-addr.arpa.")
	path := writeZone(t, "$TTL 1h\n1 PTR a..b\n2 PTRR x\n")
	_, err := ReadZone(path, ZoneOptions{Origin: origin})
	if err == nil || !strings.HasPrefix(err.Error(), path+":2:") || !strings.HasSuffix(err.Error(), "(and 1 more; `ptrd check --origin` lists all)") {
		t.Errorf("%v", err)
	}
	if _, err := ReadZone(writeZone(t, ""), ZoneOptions{Origin: origin}); err == nil || !strings.Contains(err.Error(), ":1:1: the file has no record;") {
		t.Errorf("empty: %v", err)
	}
	if _, err := ReadZone(writeZone(t, "1 NSEC 2 PTR\n"), ZoneOptions{Origin: origin}); err == nil || !strings.HasSuffix(err.Error(), "there is no record in it to ask for") {
		t.Errorf("nothing to ask for: %v", err)
	}
	if _, err := ReadZone(path+"x", ZoneOptions{Origin: origin}); err == nil {
		t.Error("a file that is not there")
	}
	for _, part := range []float64{-1, 1.1} {
		if _, err := ReadZone(path, ZoneOptions{Origin: origin, Missing: part}); err == nil {
			t.Errorf("a part of %v is taken", part)
		}
	}
}
