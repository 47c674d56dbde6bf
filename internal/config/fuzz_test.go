package config

import (
	"cmp"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzParse: no text makes Parse panic; what it refuses has positions inside the
// file, in order; the result has the invariants of the struct.
func FuzzParse(f *testing.F) {
	data, err := os.ReadFile(examplePath)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(commentedKey.ReplaceAllString(string(data), "$1$2")))
	for _, path := range []string{"yaml", "values", "server", "defaults", "zones", "ptr", "records", "delegate"} {
		ar, err := txtar.ParseFile("testdata/errors/" + path + ".txtar")
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range ar.Files {
			if strings.HasSuffix(file.Name, ".yaml") {
				f.Add(unescape(file.Data))
			}
		}
	}
	f.Add([]byte("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nzones: *c\n")) // grows by aliases
	f.Add([]byte("zones: &z [*z]\n"))                                          // holds itself
	f.Add([]byte(strings.Repeat("[", 2000)))                                   // deep
	f.Add([]byte("\xff\xfez\x00o\x00"))                                        // UTF-16
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := Parse("dir/ptrd.yaml", data)
		if err != nil {
			checkErrors(t, data, err)
			if cfg != nil {
				t.Error("a config together with an error")
			}
			return
		}
		apexes := map[string]bool{}
		for i := range cfg.Zones {
			checkZone(t, &cfg.Zones[i], apexes)
		}
		for _, ap := range cfg.Listen.DNS {
			if !ap.IsValid() {
				t.Error("an invalid socket address")
			}
		}
		for _, s := range cfg.Cookies.Secrets {
			if len(s) != secretOctets {
				t.Errorf("a secret of %d octets", len(s))
			}
		}
		l := cfg.Limits
		if min(l.UDPSize, l.TCPClients, l.TCPClientsPer, l.TCPPipeline, int(l.TCPIdle), int(l.TCPWrite)) <= 0 || l.UDPSize > 4096 {
			t.Errorf("limits %+v", l)
		}
	})
}

func checkErrors(t *testing.T, data []byte, err error) {
	var errs Errors
	if !errors.As(err, &errs) || len(errs) == 0 {
		t.Fatalf("the error is %T: %v", err, err)
	}
	// YAML ends lines at more characters than other programs do
	lines := 1
	for _, end := range []string{"\n", "\r", "\u0085", "\u2028", "\u2029"} {
		lines += strings.Count(string(data), end)
	}
	for i, p := range errs {
		if p.File != "dir/ptrd.yaml" || p.Line < 0 || p.Line > lines+1 || p.Col < 0 || p.Text == "" {
			t.Errorf("%d lines, error at %v: %s", lines, p.Position, p.Text)
		}
		if i > 0 && cmp.Or(cmp.Compare(errs[i-1].Line, p.Line), cmp.Compare(errs[i-1].Col, p.Col)) > 0 {
			t.Errorf("error %d at %v comes before %v", i, errs[i-1].Position, p.Position)
		}
	}
}

func checkZone(t *testing.T, z *Zone, apexes map[string]bool) {
	if len(z.Apexes) == 0 || z.Origin == nil || (len(z.Apexes) == 1) != (z.Name != nil) {
		t.Fatalf("%s: name %v, origin %v, apexes %v", z.Path, z.Name, z.Origin, z.Apexes)
	}
	for _, apex := range z.Apexes {
		if apexes[apex.Key()] {
			t.Errorf("%s: apex %v twice", z.Path, apex)
		}
		apexes[apex.Key()] = true
		if !apex.IsAtOrBelow(z.Origin) {
			t.Errorf("%s: apex %v is not below the origin %v", z.Path, apex, z.Origin)
		}
	}
	if (len(z.NameServers) > 0) != (z.Contact != nil) && !z.Explicit.Contact && z.Contact != nil {
		t.Errorf("%s: contact %v for %d name servers", z.Path, z.Contact, len(z.NameServers))
	}
	switch s := z.Secondary; {
	case s == nil && len(z.NameServers) == 0 && len(z.Files) == 0:
		t.Errorf("%s: neither name servers nor files", z.Path)
	case s != nil && (len(s.Primaries) == 0 || len(z.NameServers)+len(z.Files)+len(z.Hosts)+len(z.PTR)+len(z.Records)+len(z.Delegate) > 0):
		t.Errorf("%s: %d primaries, and content of its own", z.Path, len(s.Primaries))
	}
	for _, d := range []int64{int64(z.TTL), int64(z.NSTTL), int64(z.SOA.Refresh), int64(z.SOA.Retry), int64(z.SOA.Expire), int64(z.SOA.Minimum)} {
		if d < 0 || d > int64(maxSpan) || d%1e9 != 0 {
			t.Errorf("%s: a TTL or timer of %d ns", z.Path, d)
		}
	}
	seen := map[netip.Addr]bool{}
	for _, p := range z.PTR {
		owner, apex, ok := z.Owner(p.Addr)
		if !ok || dname.FromWire(owner) == nil || !owner.IsAtOrBelow(apex) || seen[p.Addr] || len(p.Targets) == 0 {
			t.Errorf("%s: PTR of %v at %v: %v", z.Path, p.Addr, owner, p.Targets)
		}
		seen[p.Addr] = true
		for _, d := range z.Delegate {
			if d.Prefix.IsValid() && d.Prefix.Contains(p.Addr) {
				t.Errorf("%s: PTR of %v in the delegated %v", z.Path, p.Addr, d.Prefix)
			}
		}
	}
	for _, r := range z.Records {
		if z.Apex(r.Owner) == nil || dname.FromWire(r.Owner) == nil || r.Data == "" {
			t.Errorf("%s: record %v", z.Path, r)
		}
	}
	for i, d := range z.Delegate {
		apex := z.Apex(d.Name)
		if apex == nil || apex.Equal(d.Name) || (len(d.NameServers) == 0) != (d.DName != nil) {
			t.Errorf("%s: delegation of %v to %d servers", z.Path, d.Name, len(d.NameServers))
		}
		if slices.ContainsFunc(z.Delegate[:i], func(o Delegation) bool {
			return o.Name.IsAtOrBelow(d.Name) || d.Name.IsAtOrBelow(o.Name) || o.Prefix.IsValid() && d.Prefix.IsValid() && o.Prefix.Overlaps(d.Prefix)
		}) {
			t.Errorf("%s: %v overlaps another delegation", z.Path, d.Name)
		}
	}
}
