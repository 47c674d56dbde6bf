package delegation_test

import (
	"fmt"
	"testing"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// TestRead reads responses of a server of example to a question for x.sub.example.
func TestRead(t *testing.T) {
	rrs := func(text ...string) (out []dns.RR) {
		for _, s := range text {
			out = append(out, record(s))
		}
		return out
	}
	for _, tt := range []struct {
		name          string
		authoritative bool
		rcode         int
		answer        []dns.RR
		authority     []dns.RR
		additional    []dns.RR
		want          string
	}{
		{"an answer", true, 0, rrs("x.sub.example. PTR a.example."), nil, nil, "answer, 1 records"},
		{"an answer without AA", false, 0, rrs("x.sub.example. PTR a.example."), nil, nil, "not authoritative"},
		{"an answer next to records of other names", true, 0, rrs("x.sub.example. PTR a.example.", "y.sub.example. PTR b.example.", "z.other. PTR c.example."), nil, nil, "answer, 1 records, 1 untrusted"},
		{"another class", true, 0, rrs("x.sub.example. CH PTR a.example."), nil, nil, "NODATA, 1 untrusted"},
		{"a CNAME", true, 0, rrs("x.sub.example. CNAME y.other.", "y.other. PTR a.example."), nil, nil, "alias to y.other., 1 untrusted"},
		{"a CNAME without AA", false, 0, rrs("x.sub.example. CNAME y.other."), nil, nil, "not authoritative"},
		{"a CNAME of another name", true, 0, rrs("y.sub.example. CNAME y.other."), nil, nil, "NODATA"},
		{"a DNAME", true, 0, rrs("sub.example. DNAME other.", "x.sub.example. CNAME x.other."), nil, nil, "alias to x.other."},
		{"a DNAME of the name itself", true, 0, rrs("x.sub.example. DNAME other."), nil, nil, "NODATA"},
		{"a DNAME above the zone", true, 0, rrs(". DNAME other."), nil, nil, "NODATA, 1 untrusted"},
		{"NODATA", true, 0, nil, rrs("example. SOA a. b. 1 2 3 4 5"), nil, "NODATA of example."},
		{"NODATA without SOA", true, 0, nil, nil, nil, "NODATA"},
		{"NODATA with the NS records of the zone", true, 0, nil, rrs("example. NS ns.example."), nil, "NODATA"},
		{"NXDOMAIN", true, dns.RcodeNameError, nil, rrs("example. SOA a. b. 1 2 3 4 5"), nil, "NXDOMAIN of example."},
		{"NXDOMAIN without AA", false, dns.RcodeNameError, nil, rrs("example. SOA a. b. 1 2 3 4 5"), nil, "not authoritative of example."},
		{"a referral", false, 0, nil, rrs("sub.example. NS ns.sub.example.", "sub.example. NS ns.other."), rrs("ns.sub.example. A 100.0.0.1", "ns.other. A 100.0.0.2", "y.example. A 100.0.0.3"),
			"referral to sub.example., 2 names, 1 glue, 2 untrusted"},
		{"a referral with the same server twice", false, 0, nil, rrs("sub.example. NS ns.example.", "sub.example. NS NS.example."), rrs("ns.example. A 100.0.0.1", "ns.example. A 100.0.0.1"),
			"referral to sub.example., 1 names, 1 glue"},
		{"a referral to two zones", false, 0, nil, rrs("sub.example. NS ns.example.", "x.sub.example. NS ns.other."), nil, "referral to sub.example., 1 names, 0 glue"},
		{"a referral to a zone elsewhere", false, 0, nil, rrs("other.example. NS ns.example."), nil, "not authoritative, 1 untrusted, upward"},
		{"a referral to the zone itself", false, 0, nil, rrs("example. NS ns.example."), nil, "not authoritative, upward"},
		{"a referral to the root", false, 0, nil, rrs(". NS a.root."), nil, "not authoritative, 1 untrusted, upward"},
		{"nothing", false, 0, nil, nil, nil, "not authoritative"},
		{"SERVFAIL", true, dns.RcodeServerFailure, nil, nil, nil, "error"},
	} {
		m := &dns.Msg{MsgHdr: dns.MsgHdr{Authoritative: tt.authoritative, Rcode: tt.rcode}, Answer: tt.answer, Ns: tt.authority, Extra: tt.additional}
		f := &delegation.Fact{Question: delegation.Question{Name: dname.MustParse("x.sub.example"), Type: rr.TypePTR}, Outcome: delegation.Answered, Msg: m}
		r := delegation.Read(f, dname.MustParse("example"))
		got := r.Kind.String()
		if r.SOA != nil {
			got += " of " + r.SOA.Hdr.Name
		}
		if r.Kind == delegation.AliasTo {
			got += " to " + r.Alias.Target.String()
		}
		if r.Cut != nil {
			got += fmt.Sprintf(" to %v, %d names, %d glue", r.Cut, len(r.NS), len(r.Glue))
		}
		if n := len(r.Records); n > 0 {
			got += fmt.Sprintf(", %d records", n)
		}
		if n := len(r.Untrusted); n > 0 {
			got += fmt.Sprintf(", %d untrusted", n)
		}
		if r.Upward {
			got += ", upward"
		}
		if got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	if r := delegation.Read(nil, dname.Root()); r.Kind != delegation.Nothing {
		t.Errorf("no fact: %v", r.Kind)
	}
}
