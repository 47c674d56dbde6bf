package zone_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/rule"
)

// targetZone builds a zone with PTRs, each owner followed by its target, and returns the findings
// about these.
func targetZone(t *testing.T, apex string, choose func(*rule.Checks), pairs ...string) (z *zone.Zone, list []string) {
	t.Helper()
	b := zone.NewBuilder(dname.MustParse(apex))
	var c rule.Checks
	if choose != nil {
		choose(&c)
	}
	b.SetChecks(c)
	b.Add(zone.Record{Owner: b.Apex(), Type: rr.TypeSOA, Data: append([]byte("\x02ns\x00\x02ns\x00"), make([]byte, 20)...)})
	b.Add(zone.Record{Owner: b.Apex(), Type: rr.TypeNS, Data: dname.MustParse("ns.example.")})
	for i := 0; i < len(pairs); i += 2 {
		owner, err := dname.ParseIn(pairs[i], b.Apex())
		if err != nil {
			t.Fatal(err)
		}
		b.Add(zone.Record{Owner: owner, Type: rr.TypePTR, Data: dname.MustParse(pairs[i+1]), Tag: zone.Tag(i + 1)})
	}
	z, findings := b.Build()
	for _, f := range findings {
		if f.Rule == "ptr-target" {
			list = append(list, fmt.Sprintf("%v: %s", f.Severity, f.Text))
		} else if f.Severity == finding.Error {
			t.Fatal(f)
		}
	}
	return z, list
}

// TestTargets: what is reported of the target of a PTR at an address.
func TestTargets(t *testing.T) {
	const notHost = "warning: target %s is not the name of a host: "
	for _, c := range []struct{ target, want string }{
		{"mail.example.com", ""},
		{"A-1.example.com", ""},
		{"1.2.example", ""},
		{"xn--mnchen-3ya.example", ""},
		{"localhost", ""},
		{"LOCALHOST.", ""},
		{".", `warning: target "." is the root; write the name that the address has, or remove the record`},
		{"mail", "warning: target mail. has one label, and mail servers reject names without a domain; write the full name of the host"},
		{"mail_1.example.com", notHost + `label "mail_1" has an underscore, and mail servers reject such names (RFC 1123 §2.1); use a hyphen`},
		{"a.b_c.example", notHost + `label "b_c" has an underscore, and mail servers reject such names (RFC 1123 §2.1); use a hyphen`},
		{"-mail.example.com", notHost + `label "-mail" begins with a hyphen (RFC 1123 §2.1); rename the host`},
		{"mail.example-.com", notHost + `label "example-" ends with a hyphen (RFC 1123 §2.1); rename the host`},
		{"https://mail.example.com", notHost + "it is a URL; write the name in it, mail.example.com."},
		{"https://mail.example.com/inbox.html", notHost + "it is a URL; write the name in it, mail.example.com."},
		{"mail.example.com:25", notHost + "it has the port 25; write mail.example.com."},
		{"postmaster@mail.example.com", notHost + "it has an @, as a mail address; write the name of the mail server"},
		{`m\252nchen.example`, notHost + "it is not ASCII; write xn--mnchen-3ya.example."},
		{`b\195\188cher_1.example`, notHost + "it is not ASCII; write internationalized labels as A-labels (xn--…)"},
		{"*.example.com", notHost + `label "*" has the octet "*", where only letters, digits and hyphens are allowed (RFC 1123 §2.1); correct it`},
		{`two\032words.example`, notHost + `label "two words" has the octet " ", where only letters, digits and hyphens are allowed (RFC 1123 §2.1); correct it`},
	} {
		for _, place := range []struct{ apex, owner string }{
			{"113.0.203.in-addr.arpa", "25"},
			{"64-127.113.0.203.in-addr.arpa", "65"},
			{"lab.113.0.203.in-addr.arpa", "65"},
			{"0.203.in-addr.arpa", "65.lab.113"},
			{"7.7.0.0.8.b.d.0.1.0.0.2.ip6.arpa", strings.Repeat("1.", 19) + "2"},
		} {
			_, list := targetZone(t, place.apex, nil, place.owner, "good.example", place.owner, c.target)
			got := strings.Join(list, "\n")
			want := c.want
			if strings.Contains(want, "%s") {
				shown := c.target + "."
				want = fmt.Sprintf(want, shown)
			}
			if got != want {
				t.Errorf("%s in %s:\n got %s\nwant %s", c.target, place.apex, got, want)
			}
			// Alone, the record takes the short way.
			if _, list = targetZone(t, place.apex, nil, place.owner, c.target); strings.Join(list, "\n") != want {
				t.Errorf("%s alone in %s:\n got %s\nwant %s", c.target, place.apex, list, want)
			}
		}
		for _, place := range []struct{ apex, owner string }{
			{"example.com", "25"},                        // not an address
			{"113.0.203.in-addr.arpa", "b._dns-sd._udp"}, // RFC 6763 §11
			{"113.0.203.in-addr.arpa", "@"},
			{"0.203.in-addr.arpa", "113"},
			{"113.0.203.in-addr.arpa", "*"},
		} {
			if place.owner == "@" {
				place.owner = place.apex + "."
			}
			if _, list := targetZone(t, place.apex, nil, place.owner, c.target); list != nil {
				t.Errorf("%s at %s in %s: %s", c.target, place.owner, place.apex, list)
			}
		}
	}
}

// TestTargetChoice: the rule can be off or an error, and many findings are counted.
func TestTargetChoice(t *testing.T) {
	var pairs []string
	for i := range 120 {
		pairs = append(pairs, fmt.Sprint(i), fmt.Sprintf("a_%d.example", i), fmt.Sprint(i+120), fmt.Sprintf("a%d.example", i))
	}
	const apex = "113.0.203.in-addr.arpa"
	z, list := targetZone(t, apex, nil, pairs...)
	if len(list) != 101 || !strings.HasPrefix(list[100], "warning: 20 more warnings of this kind from here on") || z == nil {
		t.Errorf("%d findings, zone %v: %s", len(list), z != nil, list)
	}
	z, list = targetZone(t, apex, func(c *rule.Checks) { c.Set("ptr-target", rule.Off) }, pairs...)
	if len(list) > 0 || z == nil {
		t.Errorf("off, there are findings, zone %v: %s", z != nil, list)
	}
	z, list = targetZone(t, apex, func(c *rule.Checks) { c.Set("ptr-target", rule.Error) }, pairs...)
	if len(list) != 101 || !strings.HasPrefix(list[1], "error: ") || z != nil {
		t.Errorf("as errors, %d findings, zone %v: %s", len(list), z != nil, list)
	}
}
