package emit

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
)

// No two zones get the same file, whatever their names are.
func TestFileNames(t *testing.T) {
	seen := map[string]string{}
	for _, s := range []string{
		".", "root.", "64/26.2.0.192.in-addr.arpa.", "64-26.2.0.192.in-addr.arpa.", "64_26.2.0.192.in-addr.arpa.",
		"64_2f26.2.0.192.in-addr.arpa.", "64_5f2f26.2.0.192.in-addr.arpa.", "_root.", "root.zone.",
	} {
		p := printer{}
		name := p.fileName(dname.MustParse(s))
		if other, ok := seen[name]; ok {
			t.Errorf("%s and %s are both in %s", other, s, name)
		}
		seen[name] = s
		if strings.Contains(name, "/") || strings.HasPrefix(name, ".") {
			t.Errorf("%s is in %s", s, name)
		}
	}
	p := printer{Options: Options{Directory: "/srv/zones/"}}
	if got := p.fileName(dname.MustParse("Example.com.")); got != "/srv/zones/example.com.zone" {
		t.Errorf("in a directory: %s", got)
	}
}

// What is at or below a zone of ours is opened, and around a zone that is below a
// special one nothing is.
func TestSpecials(t *testing.T) {
	for _, c := range []struct{ zones, within, below, unsigned string }{
		{"10.in-addr.arpa.", "10.in-addr.arpa.", "", "10.in-addr.arpa."},
		{"5.10.in-addr.arpa. 6.5.10.in-addr.arpa.", "", "5.10.in-addr.arpa.", "5.10.in-addr.arpa."},
		{"10.in-addr.arpa. 5.10.in-addr.arpa.", "10.in-addr.arpa.", "", "10.in-addr.arpa."},
		{"192.in-addr.arpa.", "2.0.192.in-addr.arpa. 168.192.in-addr.arpa.", "", ""},
		{"5.in-addr.arpa. example.com.", "", "", ""},
		{"a.8.e.f.ip6.arpa. lab.test.", "", "a.8.e.f.ip6.arpa. lab.test.", "a.8.e.f.ip6.arpa. lab.test."},
		{"65.64.100.in-addr.arpa. 17.172.in-addr.arpa.", "17.172.in-addr.arpa.", "65.64.100.in-addr.arpa.", "65.64.100.in-addr.arpa. 17.172.in-addr.arpa."},
	} {
		var p printer
		for s := range strings.FieldsSeq(c.zones) {
			p.Zones = append(p.Zones, Zone{Apex: dname.MustParse(s)})
		}
		s := p.specials()
		for _, r := range []struct {
			what string
			got  []dname.Name
			want string
		}{{"within", s.Within, c.within}, {"below", s.Below, c.below}, {"unsigned", p.unsigned(), c.unsigned}} {
			var got []string
			for _, n := range r.got {
				got = append(got, n.String())
			}
			if strings.Join(got, " ") != r.want {
				t.Errorf("%s: %s %q, want %q", c.zones, r.what, got, r.want)
			}
		}
	}
	p := printer{Options: Options{Unsigned: true, Zones: []Zone{{Apex: dname.MustParse("example.com.")}, {Apex: dname.MustParse("a.example.com.")}}}}
	if got := p.unsigned(); len(got) != 1 || got[0].String() != "example.com." {
		t.Errorf("all unsigned: %v", got)
	}
}

// A name or a file that a program could read as something else is refused.
func TestRefused(t *testing.T) {
	server := netip.MustParseAddrPort("192.0.2.1:53")
	for what, o := range map[string]Options{
		"no zone":           {},
		"quote":             {Zones: []Zone{{Apex: dname.MustParse(`a\"b.example.`)}}},
		"space":             {Zones: []Zone{{Apex: dname.MustParse(`a\032b.example.`)}}},
		"dot in a label":    {Zones: []Zone{{Apex: dname.MustParse(`a\.b.example.`)}}},
		"semicolon":         {Zones: []Zone{{Apex: dname.MustParse(`a\;b.example.`)}}},
		"key":               {Zones: []Zone{{Apex: dname.MustParse("example."), Key: &Key{Name: dname.MustParse(`a$(x).`), Algorithm: "hmac-sha256"}}}},
		"newline in a file": {Zones: []Zone{{Apex: dname.MustParse("example.")}}, KeyFile: "a\nb"},
		"link":              {Zones: []Zone{{Apex: dname.MustParse("example.")}}, Link: "eth0 x"},
	} {
		for _, target := range Targets() {
			o.Role, o.Servers = target.Roles[0], []netip.AddrPort{server}
			if text, err := target.Text(o); err == nil {
				t.Errorf("%s, %s:\n%s", what, target.Name, text)
			}
		}
	}
}
