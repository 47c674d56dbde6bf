package explain

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/source"
	"github.com/ptrd/ptrd/zone/zonefile"
)

// load makes a zone out of the text of a master file.
func load(t *testing.T, apex, text string) *zone.Zone {
	t.Helper()
	var table source.Table
	b := zone.NewBuilder(dname.MustParse(apex))
	head := "$TTL 60\n@ SOA ns.example. h.example. 9 1 1 1 1\n@ NS ns.example.\n"
	res := zonefile.ReadBytes(apex, []byte(head+text), zonefile.Options{Origin: b.Apex(), Table: &table}, b.Add)
	z, findings := b.Build()
	if z == nil {
		t.Fatalf("%v %v", res.Findings, findings)
	}
	return z
}

func view(t *testing.T) *answer.View {
	closed := answer.NewACL([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, nil)
	apex := dname.MustParse("closed.example.")
	return &answer.View{
		Zones: zone.NewSet().With([]*zone.Zone{
			load(t, "2.0.192.in-addr.arpa.", `
1 PTR one.example.
1 PTR uno.example.
2 CNAME 2.0-127
0-127 NS ns.other.example.
3 CNAME 3.b.example.
4 CNAME loop.b.example.
5 CNAME x.closed.example.
6 CNAME www.elsewhere.
deep.under TXT t
* TXT any
`),
			load(t, "b.example.", "3 PTR three.example.\nloop CNAME 4.2.0.192.in-addr.arpa.\nd DNAME target.example.\nlong DNAME "+strings.Repeat("x", 60)+"."+strings.Repeat("y", 60)+"."+strings.Repeat("z", 60)+".example.\n"),
			load(t, "closed.example.", "x PTR secret.example.\n"),
			zone.Unavailable(dname.MustParse("broken.example."), "a test"),
		}, nil),
		Policy: &answer.Policy{HasZoneAccess: true, Zones: new(zone.Map[answer.ZonePolicy]).With([]zone.MapChange[answer.ZonePolicy]{{Apex: apex, Value: &answer.ZonePolicy{Access: &closed}}})},
	}
}

func TestExplain(t *testing.T) {
	v := view(t)
	for _, tt := range []struct {
		name   string
		typ    rr.Type
		client string
		rcode  string
		steps  []string // Zone, What; each the beginning
		owner  string   // of the last step
	}{
		{"1.2.0.192.in-addr.arpa.", rr.TypePTR, "", "NOERROR", []string{"has 2 records of type PTR"}, ""},
		{"2.2.0.192.in-addr.arpa.", rr.TypePTR, "", "NOERROR", []string{"an alias (CNAME) to 2.0-127.2.0.192.in-addr.arpa.", "the zone delegates 0-127.2.0.192.in-addr.arpa.: referral"}, "0-127.2.0.192.in-addr.arpa."},
		{"3.2.0.192.in-addr.arpa.", rr.TypePTR, "", "NOERROR", []string{"an alias (CNAME) to 3.b.example.", "has one PTR record"}, ""},
		{"4.2.0.192.in-addr.arpa.", rr.TypePTR, "", "NOERROR", []string{"an alias (CNAME) to loop.b.example.", "an alias (CNAME) to 4.2.0.192.in-addr.arpa.", "the chain of aliases is a loop"}, ""},
		{"5.2.0.192.in-addr.arpa.", rr.TypePTR, "", "NOERROR", []string{"an alias (CNAME) to x.closed.example.", "has one PTR record"}, ""},
		{"5.2.0.192.in-addr.arpa.", rr.TypePTR, "198.51.100.1", "NOERROR", []string{"an alias (CNAME) to x.closed.example.", "the zone's access list does not allow 198.51.100.1"}, ""},
		{"x.closed.example.", rr.TypePTR, "198.51.100.1", "REFUSED", []string{"the zone's access list does not allow 198.51.100.1: REFUSED"}, ""},
		{"x.closed.example.", rr.TypePTR, "192.0.2.1", "NOERROR", []string{"has one PTR record"}, ""},
		{"6.2.0.192.in-addr.arpa.", rr.TypePTR, "", "NOERROR", []string{"an alias (CNAME) to www.elsewhere.", "no zone here is at or above it, so the client must ask elsewhere"}, ""},
		{"under.2.0.192.in-addr.arpa.", rr.TypePTR, "", "NOERROR", []string{"only names below it exist, it has no records itself: NODATA"}, ""},
		{"1.2.0.192.in-addr.arpa.", rr.TypeTXT, "", "NOERROR", []string{"the name exists and has no TXT: NODATA"}, ""},
		{"99.2.0.192.in-addr.arpa.", rr.TypeTXT, "", "NOERROR", []string{"the name does not exist, and the wildcard *.2.0.192.in-addr.arpa. applies (RFC 4592): has one TXT record"}, "*.2.0.192.in-addr.arpa."},
		{"99.2.0.192.in-addr.arpa.", rr.TypePTR, "", "NOERROR", []string{"the name does not exist, and the wildcard *.2.0.192.in-addr.arpa. applies (RFC 4592): the name exists and has no PTR: NODATA"}, "*.2.0.192.in-addr.arpa."},
		{"9.under.2.0.192.in-addr.arpa.", rr.TypePTR, "", "NXDOMAIN", []string{"the name does not exist: NXDOMAIN"}, ""},
		{"x.d.b.example.", rr.TypePTR, "", "NOERROR", []string{"the DNAME at d.b.example. turns it into x.target.example.", "no zone here is at or above it, so"}, ""},
		{strings.Repeat("q", 60) + "." + strings.Repeat("q", 60) + ".long.b.example.", rr.TypePTR, "", "YXDOMAIN", []string{"a DNAME would make the name longer than 255 octets: YXDOMAIN"}, ""},
		{"x.broken.example.", rr.TypePTR, "", "SERVFAIL", []string{"the zone has no data until its sources are fixed: SERVFAIL"}, ""},
		{"www.elsewhere.", rr.TypePTR, "", "REFUSED", []string{"no zone here is at or above it: REFUSED"}, ""},
	} {
		q := Question{Name: dname.MustParse(tt.name), Type: tt.typ}
		if tt.client != "" {
			q.Client = netip.MustParseAddr(tt.client)
		}
		e, err := Explain(v, q)
		if err != nil {
			t.Errorf("%s %v: %v", tt.name, tt.typ, err)
			continue
		}
		ok := e.RCode == tt.rcode && len(e.Steps) == len(tt.steps)
		for i := range tt.steps {
			ok = ok && strings.HasPrefix(e.Steps[i].What, tt.steps[i])
		}
		if !ok || e.Steps[len(e.Steps)-1].Owner != tt.owner {
			t.Errorf("%s %v from %q: %s %+v, want %s %q at %q", tt.name, tt.typ, tt.client, e.RCode, e.Steps, tt.rcode, tt.steps, tt.owner)
		}
	}
}

// TestNotCounted: an explanation is no query of a client.
func TestNotCounted(t *testing.T) {
	v := view(t)
	if _, err := Explain(v, Question{Name: dname.MustParse("x.closed.example."), Type: rr.TypePTR}); err != nil {
		t.Fatal(err)
	}
	if v.Policy.Zones.Len() != 1 || !v.Policy.HasZoneAccess {
		t.Error("the policy in force was changed")
	}
	if _, err := Explain(v, Question{Name: dname.MustParse("x.closed.example."), Type: rr.TypeAXFR}); err == nil {
		t.Error("a transfer was explained as a query")
	}
}
