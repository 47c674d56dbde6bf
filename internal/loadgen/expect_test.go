package loadgen

import (
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/server/wire"
)

func TestExpect(t *testing.T) {
	x, err := ReadExpectations("x.txt", strings.NewReader(`; name, target
1.2.0.192.in-addr.arpa a.example
2.2.0.192.IN-ADDR.arpa b.example.
2.2.0.192.in-addr.arpa C.example
2.2.0.192.in-addr.arpa b.example
3.2.0.192.in-addr.arpa NXDOMAIN
3.2.0.192.in-addr.arpa NXDOMAIN
4.2.0.192.in-addr.arpa NODATA
`))
	if err != nil || x.Len() != 4 {
		t.Fatalf("%v", err)
	}
	for _, tt := range []struct {
		question string
		flags    wire.Flags
		targets  []string
		want     string // empty: as expected; -: not compared
	}{
		{"1.2.0.192.in-addr.arpa PTR", 0, []string{"A.example"}, ""},
		{"1.2.0.192.in-addr.arpa PTR", 0, nil, "1.2.0.192.in-addr.arpa.: NODATA, expected a.example."},
		{"1.2.0.192.in-addr.arpa PTR", 0, []string{"a.example", "b.example"}, "1.2.0.192.in-addr.arpa.: a.example. b.example., expected a.example."},
		{"1.2.0.192.in-addr.arpa PTR", 3, nil, "1.2.0.192.in-addr.arpa.: NXDOMAIN, expected a.example."},
		{"1.2.0.192.in-addr.arpa PTR", wire.TC, nil, ""},
		{"1.2.0.192.in-addr.arpa TXT", 0, nil, "-"},
		{"2.2.0.192.in-addr.arpa PTR", 0, []string{"c.example", "b.example"}, ""},
		{"2.2.0.192.in-addr.arpa PTR", 0, []string{"c.example"}, "2.2.0.192.in-addr.arpa.: c.example., expected b.example. C.example."},
		{"3.2.0.192.in-addr.arpa PTR", 3, nil, ""},
		{"3.2.0.192.in-addr.arpa PTR", 0, nil, "3.2.0.192.in-addr.arpa.: NODATA, expected NXDOMAIN"},
		{"4.2.0.192.in-addr.arpa PTR", 0, nil, ""},
		{"4.2.0.192.in-addr.arpa PTR", 2, nil, "4.2.0.192.in-addr.arpa.: SERVFAIL, expected NODATA"},
		{"5.2.0.192.in-addr.arpa PTR", 2, nil, "-"},
	} {
		q, err := ReadQueries("q", strings.NewReader(tt.question))
		if err != nil {
			t.Fatal(err)
		}
		r, _ := simulate(t, Options{Source: q, Expect: x, Count: 1}, func(s *simTransport, _ int, query []byte) {
			s.after(0, response(query, tt.flags, tt.targets...), nil)
		})
		got := ""
		if r.Expected.Compared == 0 {
			got = "-"
		}
		for _, d := range r.Expected.Examples {
			got += d.Name + ": " + d.Got + ", expected " + d.Expected
		}
		if got != tt.want || !r.IsWrong() == (len(got) > 1) {
			t.Errorf("%s: %q, want %q", tt.question, got, tt.want)
		}
	}
}

func TestExpectErrors(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", "x: there is no name in it; a line has a name and its target, or NXDOMAIN, or NODATA"},
		{"a. b.\na.\n", "x:2:1: a.: 1 words, a line has two, a name and its target, or NXDOMAIN, or NODATA"},
		{"a. b..c\n", `x:1:4: "b..c" is not a name: two dots with no label between them; fix it`},
		{"a. b\nA NXDOMAIN\n", "x:2:1: A.: NXDOMAIN, but b. is expected by an earlier line; keep one of them"},
		{"a. NODATA\nA NXDOMAIN\n", "x:2:1: A.: NXDOMAIN, but NODATA is expected by an earlier line; keep one of them"},
		{"a. NODATA\nA b\n", "x:2:1: A.: b, but NODATA is expected by an earlier line; keep one of them"},
	} {
		if _, err := ReadExpectations("x", strings.NewReader(tt.text)); err == nil || err.Error() != tt.want {
			t.Errorf("%q: %v\nwant %s", tt.text, err, tt.want)
		}
	}
}

// FuzzTake: no message whatever upsets a flow.
func FuzzTake(f *testing.F) {
	query := func() []byte {
		w := takeWorker(f)
		return slices.Clone(w.flows[0].msgs[:w.flows[0].slots[0].len])
	}()
	f.Add(response(query, 0, "a.example"))
	f.Add(response(query, wire.TC))
	f.Add(append(response(query, 7), 0, 0, 41, 4, 0xd0, 1, 0, 0, 0, 0, 0))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, msg []byte) {
		w := takeWorker(t)
		fl := w.flows[0]
		fl.matchAnswer(msg, 1, w.o.Expect)
		c := &w.counts
		if got := c.answered + c.wrongID + c.wrongQuestion + c.malformed; got != 1 {
			t.Errorf("a message was counted %d times", got)
		}
		if uint64(1-fl.inFlight) != c.answered {
			t.Errorf("%d in flight, %d answered", fl.inFlight, c.answered)
		}
	})
}

// takeWorker returns a worker with one query in flight, for 1.0.0.127.in-addr.arpa.
func takeWorker(t testing.TB) *worker {
	x, err := ReadExpectations("x", strings.NewReader("1.0.0.127.in-addr.arpa a.example"))
	if err != nil {
		t.Fatal(err)
	}
	o, err := Options{
		Server: local, Source: prefixSource(t, "127.0.0.1/32"), Expect: x,
		Workers: 1, Sockets: 1, Window: 1, UDPSize: 1232, Cookie: true,
	}.withDefaults(1)
	if err != nil {
		t.Fatal(err)
	}
	s := &sim{answer: func(*simTransport, int, []byte) {}, flows: map[int]*simTransport{}}
	w := newWorker(&o, 0, func() int64 { return 0 })
	if err := w.open(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if _, err := w.send(); err != nil || w.flows[0].inFlight != 1 {
		t.Fatalf("%d in flight, %v", w.flows[0].inFlight, err)
	}
	return w
}
