package commit

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

const apex = "2.0.192.in-addr.arpa."

func static(t testing.TB, text string) *zone.Zone {
	t.Helper()
	b := zone.NewBuilder(dname.MustParse(apex))
	for _, r := range zonetest.MustParse(apex, soaNS+text).Records() {
		b.Add(r)
	}
	z, findings := b.Build()
	if z == nil {
		t.Fatal(findings)
	}
	return z
}

// layer returns the RRsets of a text.
func layer(text string) (list []RRset) {
	for _, r := range zonetest.MustParse(apex, text).Records() {
		if n := len(list); n > 0 && list[n-1].Type == r.Type && list[n-1].Owner.Equal(r.Owner) {
			list[n-1].Data = append(list[n-1].Data, r.Data)
			continue
		}
		list = append(list, RRset{r.Owner, r.Type, r.TTL, [][]byte{r.Data}})
	}
	return list
}

// ofLayer returns a layer that is a zone, from a text; nil without one.
func ofLayer(t testing.TB, text string) *zone.Zone {
	t.Helper()
	if text == "" {
		return nil
	}
	z, err := NewLayer(dname.MustParse(apex), slices.Values(zonetest.MustParse(apex, text).Records()), nil)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// content returns the records of a zone but for those at its apex.
func content(z *zone.Zone) string {
	var list []string
	for r := range z.All() {
		if owner := strings.TrimSuffix(r.Owner.String(), "."+apex); owner != apex {
			list = append(list, owner+" "+r.Type.String()+" "+rr.Text(r.Type, r.Data))
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// The precedence of the layers, by RRset.
func TestMerge(t *testing.T) {
	for _, c := range []struct {
		static, derived, dynamic, made string
		want                           string // owner labels and types
	}{
		{"", "", "", "", ""},
		{"1 60 PTR a.\n", "", "1 60 PTR b.\n2 60 PTR b.\n", "", "1 PTR a., 2 PTR b."},
		{"", "1 60 PTR b.\n", "1 60 PTR c.\n3 60 PTR c.\n", "", "1 PTR b., 3 PTR c."},
		{"", "", "1 60 PTR c.\n", "", "1 PTR c."}, // lower layers show again
		{"", "", "", "1 60 PTR d.\n", "1 PTR d."},
		{"1 60 PTR a.\n", "1 60 PTR b.\n2 60 PTR b.\n", "1 60 PTR c.\n2 60 PTR c.\n3 60 PTR c.\n", "1 60 PTR d.\n2 60 PTR d.\n3 60 PTR d.\n4 60 PTR d.\n",
			"1 PTR a., 2 PTR b., 3 PTR c., 4 PTR d."},
		{"1 60 CNAME a.\n", "1 60 PTR b.\n", "1 60 PTR c.\n", "1 60 PTR d.\n", "1 CNAME a."},
		{"1 60 PTR a.\n", "", "1 60 CNAME b.\n", "", "1 PTR a."},
		{"", "1 60 PTR a.\n", "1 60 CNAME b.\n", "", "1 PTR a."},
		{"", "", "1 60 CNAME b.\n", "1 60 PTR a.\n", "1 CNAME b."},
		{"", "", "1 60 CNAME b.\n1 60 PTR a.\n", "", "1 PTR a."},
		{"x.1 60 PTR a.\n", "", "1 60 NS b.\n", "", "x.1 PTR a."},
		{"", "x.1 60 PTR a.\n", "1 60 NS b.\n", "", "1 NS b., x.1 PTR a."}, // as a cut of the sources would occlude it
		{"1 60 PTR a.\n", "", "1 60 NS b.\n", "", "1 NS b., 1 PTR a."},
		{"1 60 NS a.\n", "1 60 PTR a.\nx.1 60 PTR a.\n", "", "x.1 60 PTR a.\n", "1 NS a."},
		{"1 60 NS a.\n", "", "1 60 DNAME b.\n", "", "1 NS a."},
		{"", "@ 60 TYPE65280 \\# 1 00\n@ 60 PTR a.\n", "", "@ 60 TXT a\n", ""}, // of types that are not those of the layer
		{"1 60 DNAME a.\n", "1 60 PTR a.\nx.1 60 PTR a.\n", "", "x.y.1 60 PTR a.\n2 60 A 192.0.2.1\n2 60 AAAA ::1\n", "1 DNAME a., 1 PTR a., 2 A 192.0.2.1, 2 AAAA ::1"},
		{"1 60 NS a.\nx.1 60 NS a.\n", "y.x.1 60 PTR a.\n", "y.x.1 60 TXT b\n", "y.x.1 60 A 192.0.2.1\n", "1 NS a., x.1 NS a., y.x.1 TXT \"b\""},
		{"1 60 PTR a.\n", "1 30 PTR a.\n", "", "1 90 PTR a.\n", "1 PTR a."}, // the TTL is that of the sources
		{"@ 60 DNAME a.\n", "1 60 PTR a.\n", "1 60 TXT a\n", "2 60 PTR a.\n", "1 TXT \"a\""},
	} {
		l := zone.Layers{Static: static(t, c.static), Derived: ofLayer(t, c.derived), Made: ofLayer(t, c.made), Declared: true}
		z, err := Merge(l, layer(c.dynamic), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := content(z); got != c.want {
			t.Errorf("%q over %q over %q over %q: %s, want %s", c.static, c.derived, c.dynamic, c.made, got, c.want)
		}
		for _, base := range []*zone.Zone{l.Static, l.Derived, l.Made} {
			if base == nil {
				continue
			}
			same, err := mergeOnto(base, l, layer(c.dynamic), nil)
			if err != nil {
				t.Fatal(err)
			}
			if list := zone.Diff(z, same, nil); !list.IsEmpty() || same.Layers() != l {
				t.Errorf("%q over %q over %q over %q: it depends on which of them it grows out of: %+v", c.static, c.derived, c.dynamic, c.made, list)
			}
		}
		if z.Layers() != l {
			t.Errorf("%q: layers %+v", c.static, z.Layers())
		}
		for _, s := range layer(c.dynamic) {
			shown := ReadRRset(z, s.Owner, s.Type)
			isShown := len(shown.Data) > 0 && slices.EqualFunc(shown.Data, s.Data, slices.Equal)
			if IsHidden(z, &s) && isShown {
				t.Errorf("%q over %q over %q: %v at %v is hidden, and shown", c.static, c.derived, c.dynamic, s.Type, s.Owner)
			}
		}
	}
}

// A zone shares the memory of its largest layer.
func TestMergeShares(t *testing.T) {
	large, err := NewLayer(dname.MustParse(apex), func(yield func(zone.Record) bool) {
		for i := range 20_000 {
			if !yield(zone.Record{Owner: dname.MustParse(fmt.Sprintf("%d.%d.%s", i>>8, i&255, apex)), Type: rr.TypePTR, TTL: 60, Data: dname.Root()}) {
				return
			}
		}
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	l := zone.Layers{Static: static(t, "1 60 PTR a.\n"), Derived: large}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	z, err := Merge(l, nil, nil)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if got, of := int64(after.TotalAlloc-before.TotalAlloc), large.Stats().Bytes; got > of/4 {
		t.Errorf("%d octets are allocated, the layer has %d", got, of)
	}
	if n := z.Stats().Records; n != 20_000+3 {
		t.Errorf("%d records", n)
	}
}

// Many records are merged in several steps.
func TestMergeMany(t *testing.T) {
	const n = 2*mergeRecords + 7
	records := func(yield func(zone.Record) bool) {
		for i := range n {
			owner := dname.MustParse(fmt.Sprintf("%d.%d.%d.10.in-addr.arpa.", i&255, i>>8&255, i>>16))
			if !yield(zone.Record{Owner: owner, Type: rr.TypePTR, TTL: 60, Data: dname.Root()}) {
				return
			}
		}
	}
	z, err := NewLayer(dname.MustParse("10.in-addr.arpa."), records, nil)
	if err != nil {
		t.Fatal(err)
	}
	pauses := 0
	small := smallZone(t, "10.in-addr.arpa.")
	merged, err := mergeOnto(small, zone.Layers{Static: small, Derived: z}, nil, func() { pauses++ })
	if err != nil {
		t.Fatal(err)
	}
	if got := merged.Stats().Records; got != n+3 || pauses < n {
		t.Errorf("%d records, %d pauses", got, pauses)
	}
	cut := zone.Record{Owner: dname.MustParse("0.10.in-addr.arpa."), Type: rr.TypeNS, TTL: 60, Data: dname.MustParse("ns.example.")}
	if small, err = small.Apply(&zone.Changeset{Added: []zone.Record{cut}}); err != nil {
		t.Fatal(err)
	}
	if merged, err = Merge(zone.Layers{Static: small, Derived: z}, nil, nil); err != nil {
		t.Fatal(err)
	}
	if list := zone.Diff(small, merged, nil); !list.IsEmpty() {
		t.Errorf("a delegation of all names: %d records more", len(list.Added))
	}
}

// A zone has its name as the sources write it, although a larger layer has another spelling of it.
func TestMergeSpelling(t *testing.T) {
	records := []zone.Record{}
	for i := range 10 {
		records = append(records, zone.Record{Owner: dname.MustParse(fmt.Sprintf("%d.%s", i, apex)), Type: rr.TypePTR, TTL: 60, Data: dname.Root()})
	}
	large, err := NewLayer(dname.MustParse(strings.ToUpper(apex)), slices.Values(records), nil)
	if err != nil {
		t.Fatal(err)
	}
	z, err := Merge(zone.Layers{Static: static(t, ""), Derived: large}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := z.Apex().String(); got != dname.MustParse(apex).String() || z.Stats().Records < len(records) {
		t.Errorf("%s has %d records", got, z.Stats().Records)
	}
}

// Layers change without their data: neither the journal nor an observer sees that, and a
// conflict is one all the same. An update retains the layers of its zone.
func TestChangeLayers(t *testing.T) {
	r := &recorder{}
	w := New(Options{Journal: r, Published: func(*zone.Batch) { r.events = append(r.events, "published") }})
	z := static(t, "1 60 PTR a.\n")
	if err := w.Publish(&zone.Batch{Source: "first", Changes: []zone.Change{{Zone: z, Apex: z.Apex()}}}); err != nil {
		t.Fatal(err)
	}
	r.events = nil
	relayer := func() error {
		next := z.WithLayers(zone.Layers{Static: z})
		return w.Publish(&zone.Batch{Layers: []zone.Change{{Zone: next, Apex: z.Apex(), Base: z}}})
	}
	if err := relayer(); err != nil || len(r.events) != 0 {
		t.Fatal(err, r.events)
	}
	if err := relayer(); err == nil {
		t.Error("a change of layers replaced a zone that it was not made from")
	}
	c, err := addTXT(w.Set(), apex, "2", 1)
	if err != nil {
		t.Fatal(err)
	}
	if c.Zone.Layers().Static != z || c.Zone.WithSerial(9).Layers().Static != z {
		t.Error("a change lost the layers of its zone")
	}
}

// What a stage signs here is not pre-signed, so that it can be updated and signed again.
func TestPreSigned(t *testing.T) {
	z := static(t, "@ 60 DNSKEY 256 3 13 AAAA\n@ 60 RRSIG SOA 13 4 60 20300101000000 20200101000000 1 2.0.192.in-addr.arpa. AAAA\n"+
		"@ 60 NSEC @ SOA NS RRSIG NSEC DNSKEY\n@ 60 RRSIG NSEC 13 4 60 20300101000000 20200101000000 1 2.0.192.in-addr.arpa. AAAA\n")
	if !z.IsSigned() || !z.IsPreSigned() {
		t.Fatal("not pre-signed")
	}
	z = z.WithLayers(zone.Layers{Signed: true})
	if !z.IsSigned() || z.IsPreSigned() {
		t.Error("pre-signed although the signatures were made here")
	}
	if _, ok := z.Get(z.Apex(), rr.TypeDNSKEY); !ok {
		t.Error("data lost")
	}
}
