package zone_test

import (
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// Letters and hex digits compare without case (RFC 4343); owners made from QNAME
// come back as they were asked, RDATA as it was written.
func TestCase(t *testing.T) {
	answers(t, "8.B.D.0.1.0.0.2.IP6.arpa.", `
A.b PTR Mixed.Example.
Customer-A TXT x
c NS NS.Elsewhere.
d DNAME Target.Example.
e.e CNAME Upper.Example.
`, []literal{
		{"a.B", "PTR", "success | a.b PTR"},
		{"A.B", "PTR", "success | a.b PTR"},
		{"CUSTOMER-a", "TXT", "success | customer-a TXT"},
		{"C", "DS", "nodata |  | @ SOA"},
		{"X.C", "PTR", "referral |  | c NS"},
		{"Q.D", "PTR", "success | d DNAME, q.d CNAME > Q.Target.Example."},
		{"E.E", "PTR", "success | e.e CNAME > Upper.Example."},
	})
	o := zonetest.MustParse("8.b.d.0.1.0.0.2.ip6.arpa.", soaNS+"a.b PTR Mixed.Example.\nc NS ns.example.\n")
	z := build(t, o, o.Records())
	var a zone.Answer
	for _, name := range []string{"A.b.8.B.d.0.1.0.0.2.iP6.ARPA.", "x.C.8.B.d.0.1.0.0.2.iP6.ARPA."} {
		a.Reset()
		qname := dname.MustParse(name)
		z.Lookup(qname, rr.TypePTR, false, &a)
		want := qname
		if a.Kind == zone.Referral {
			want = qname.Parent()
		}
		if got := a.Items[0].Owner.String(); got != want.String() {
			t.Errorf("%s: owner %s, want %v", name, got, want)
		}
	}
	// `[` and `{`, `@` and "`" differ by the bit that tells the case of letters.
	answers(t, "example.", "[ TXT a\n\\@ TXT b\n", []literal{
		{"[", "TXT", "success | [ TXT"},
		{"{", "TXT", "nxdomain |  | @ SOA"},
		{"`", "TXT", "nxdomain |  | @ SOA"},
		{`\219`, "TXT", "nxdomain |  | @ SOA"},
	})
}
