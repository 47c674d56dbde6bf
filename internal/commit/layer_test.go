package commit

import (
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

// layer returns the RRsets of a text, one record each.
func layer(text string) (list []RRset) {
	for _, r := range zonetest.MustParse(apex, text).Records() {
		list = append(list, RRset{r.Owner, r.Type, r.TTL, [][]byte{r.Data}})
	}
	return list
}

// The precedence of several layers, by RRset.
func TestMerge(t *testing.T) {
	for _, c := range []struct {
		static string
		layers []string
		want   string // owner labels and types
	}{
		{"", nil, ""},
		{"1 60 PTR a.\n", []string{"1 60 PTR b.\n2 60 PTR b.\n"}, "1 PTR a., 2 PTR b."},
		{"", []string{"1 60 PTR b.\n", "1 60 PTR c.\n3 60 PTR c.\n"}, "1 PTR b., 3 PTR c."},
		{"", []string{"", "1 60 PTR c.\n"}, "1 PTR c."}, // lower layers show again
		{"1 60 CNAME a.\n", []string{"1 60 PTR b.\n", "1 60 PTR c.\n"}, "1 CNAME a."},
		{"1 60 PTR a.\n", []string{"1 60 CNAME b.\n"}, "1 PTR a."},
		{"x.1 60 PTR a.\n", []string{"1 60 NS b.\n"}, "x.1 PTR a."},
		{"1 60 PTR a.\n", []string{"1 60 NS b.\n"}, "1 NS b., 1 PTR a."},
		{"1 60 NS a.\n", []string{"1 60 DNAME b.\n"}, "1 NS a."},
	} {
		var layers [][]RRset
		for _, text := range c.layers {
			layers = append(layers, layer(text))
		}
		z, err := Merge(static(t, c.static), true, layers...)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for r := range z.All() {
			if owner := strings.TrimSuffix(r.Owner.String(), "."+apex); owner != apex {
				got = append(got, owner+" "+r.Type.String()+" "+dname.Name(r.Data).String())
			}
		}
		slices.Sort(got)
		if got := strings.Join(got, ", "); got != c.want {
			t.Errorf("%q over %q: %s, want %s", c.static, c.layers, got, c.want)
		}
		if l := z.Layers(); l.Static == nil || l.Static.Digest() != static(t, c.static).Digest() || !l.Declared {
			t.Errorf("%q: layers %+v", c.static, l)
		}
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
