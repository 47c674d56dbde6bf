package daemon

import (
	"testing"

	"github.com/miekg/dns"
)

// Members of a catalog have the names that their primary has, and no others: forward zones are sources
// of derived PTRs from when they come until they go, and no reverse zone of a catalog has any, nor
// names of ranges.
func TestDerivedFromCatalog(t *testing.T) {
	l := newFleet(t, `
  {name: member.example, records: {a: {A: 192.0.2.7, AAAA: "2001:db8::7"}, b: {A: 203.0.113.7}}},
  {name: sub.member.example, records: {c: {A: 192.0.2.8}}},
  {prefix: 203.0.113.0/24, ptr: {203.0.113.1: b.member.example}}`, `
zones:
  - {prefix: 192.0.2.0/24, derive: [192.0.2.0/24], synth: [{range: 192.0.2.0/28, name: "{dashed}.member.example"}]}
  - {prefix: 2001:db8::/32, derive: [member.example]}
catalogs: [{name: cat.example, secondary: PRIMARY}]`, "cat.example")
	check := func(when string, want map[string]string) {
		t.Helper()
		for name, answer := range want {
			typ := uint16(dns.TypePTR)
			if name == "192-0-2-9.member.example." {
				typ = dns.TypeA
			}
			if got := lookup(t, l.secondary.dns, name, typ); got != answer {
				t.Errorf("%s: %s is %s, want %s", when, name, got, answer)
			}
		}
	}
	const seven, eight, nine, six, static, other = "7.2.0.192.in-addr.arpa.", "8.2.0.192.in-addr.arpa.", "9.2.0.192.in-addr.arpa.", "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.", "1.113.0.203.in-addr.arpa.", "7.113.0.203.in-addr.arpa."
	none := map[string]string{seven: "NOERROR 192-0-2-7.member.example.", eight: "NOERROR 192-0-2-8.member.example.", six: "NXDOMAIN", static: "REFUSED"}
	all := map[string]string{seven: "NOERROR a.member.example.", eight: "NOERROR c.sub.member.example.", nine: "NOERROR 192-0-2-9.member.example.", six: "NOERROR a.member.example.",
		static: "NOERROR b.member.example.", other: "NXDOMAIN", "192-0-2-9.member.example.": "NXDOMAIN"}
	check("without members", none)
	l.list("cat.example", version2, "a.zones PTR member.example.", "b.zones PTR sub.member.example.", "c.zones PTR 113.0.203.in-addr.arpa.")
	l.refresh("cat.example")
	l.serves("cat.example", "2.0.192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa", "member.example", "sub.member.example", "113.0.203.in-addr.arpa")
	check("with members", all)
	l.restart()
	l.serves("cat.example", "2.0.192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa", "member.example", "sub.member.example", "113.0.203.in-addr.arpa")
	check("after a restart", all)
	l.reload()
	check("after a reload", all)
	l.list("cat.example", version2, "b.zones PTR sub.member.example.")
	l.refresh("cat.example")
	l.serves("cat.example", "2.0.192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa", "sub.member.example")
	check("without one", map[string]string{seven: none[seven], eight: all[eight], six: "NXDOMAIN", static: "REFUSED"})
	l.list("cat.example", version2)
	l.refresh("cat.example")
	l.serves("cat.example", "2.0.192.in-addr.arpa", "8.b.d.0.1.0.0.2.ip6.arpa")
	check("without members again", none)
}
