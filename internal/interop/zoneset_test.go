package interop

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/txtar"
)

// zoneSet is one file of testdata.
type zoneSet struct {
	name    string
	path    string
	archive *txtar.Archive
	zones   []setZone
	signs   []setSign
	asks    []string
}

// setZone is a zone of a set.
type setZone struct {
	apex string // as the file has it
	file string
	text []byte

	server netip.AddrPort // of a resolver's stub, if not that of the other zones
}

// setSign says how a zone is signed.
type setSign struct {
	apex, file, denial, algorithm string
	iterations, salt              string
}

// loadSets reads all zone sets, in order of their names.
func loadSets(t testing.TB) []*zoneSet {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("testdata: no zone sets (%v)", err)
	}
	var sets []*zoneSet
	for _, p := range paths {
		sets = append(sets, loadSet(t, p))
	}
	return sets
}

func loadSet(t testing.TB, path string) *zoneSet {
	t.Helper()
	s, err := readSet(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func readSet(path string) (*zoneSet, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := &zoneSet{
		name:    strings.TrimSuffix(filepath.Base(path), ".txtar"),
		path:    path,
		archive: txtar.Parse(b),
	}
	for i, line := range strings.Split(string(s.archive.Comment), "\n") {
		f := strings.Fields(line)
		bad := func() error { return fmt.Errorf("%s:%d: line %q is malformed", path, i+1, line) }
		if len(f) == 0 {
			continue
		}
		switch f[0] {
		case "zone":
			if len(f) != 3 {
				return nil, bad()
			}
			s.zones = append(s.zones, setZone{apex: f[1], file: f[2]})
		case "sign":
			g := setSign{algorithm: "ecdsa", iterations: "0", salt: "-"}
			switch len(f) {
			case 7:
				g.iterations, g.salt = f[5], f[6]
				fallthrough
			case 5:
				g.algorithm = f[4]
				fallthrough
			case 4:
				g.apex, g.file, g.denial = f[1], f[2], f[3]
			default:
				return nil, bad()
			}
			s.signs = append(s.signs, g)
		case "ask":
			if len(f) != 2 {
				return nil, bad()
			}
			s.asks = append(s.asks, f[1])
		}
	}
	for i := range s.zones {
		s.zones[i].text = s.file(s.zones[i].file)
	}
	return s, nil
}

// file returns a file of the set, nil if it has none of that name.
func (s *zoneSet) file(name string) []byte {
	for _, f := range s.archive.Files {
		if f.Name == name {
			return f.Data
		}
	}
	return nil
}

// isSigned reports whether any zone of the set is signed.
func (s *zoneSet) isSigned() bool { return len(s.signs) > 0 }

// write puts the zone files into dir.
func (s *zoneSet) write(t testing.TB, dir string) {
	t.Helper()
	for _, z := range s.zones {
		if z.text == nil {
			t.Fatalf("%s: no file %s; go test ./internal/interop -run TestSign -sign makes signed ones", s.path, z.file)
		}
		if err := os.WriteFile(filepath.Join(dir, z.file), z.text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// records parses one zone with miekg/dns.
func (z setZone) records(t testing.TB) []dns.RR {
	t.Helper()
	p := dns.NewZoneParser(bytes.NewReader(z.text), dns.Fqdn(z.apex), z.file)
	var out []dns.RR
	for r, ok := p.Next(); ok; r, ok = p.Next() {
		out = append(out, r)
	}
	if err := p.Err(); err != nil {
		t.Fatalf("zone %s: %v", z.apex, err)
	}
	return out
}

// covers returns the apex of the set's zone that name belongs to, "" if none.
func (s *zoneSet) covers(name string) string {
	best, found := "", false
	for _, z := range s.zones {
		if dns.IsSubDomain(z.apex, name) && (!found || dns.CountLabel(z.apex) > dns.CountLabel(best)) {
			best, found = z.apex, true
		}
	}
	return best
}

// names returns every name that the set is asked for: the owners (also occluded ones,
// and the targets of aliases that lie in the set), the names between them and the
// apex, the one above the apex, children, neighbours, a spelling in the other case and
// names that do not exist.
func (s *zoneSet) names(t testing.TB) []string {
	t.Helper()
	seen := map[string]bool{}
	var out []string
	add := func(n string) {
		if _, ok := dns.IsDomainName(n); !ok || seen[n] || !fits(n) {
			return
		}
		seen[n] = true
		out = append(out, n)
	}
	for _, z := range s.zones {
		owners := map[string]bool{}
		for _, r := range z.records(t) {
			h := r.Header()
			if h.Rrtype == dns.TypeRRSIG || h.Rrtype == dns.TypeNSEC3 {
				continue
			}
			owners[h.Name] = true
			if c, ok := r.(*dns.CNAME); ok && s.covers(c.Target) != "" {
				owners[c.Target] = true
			}
		}
		var list []string
		for o := range owners {
			list = append(list, o)
		}
		sort.Strings(list)
		for _, o := range list {
			for n := o; ; n = parent(n) {
				add(n)
				if n == "." || strings.EqualFold(n, z.apex) {
					break
				}
			}
			add(child("nx", o))
			add(child("5.5", o))
			if o != z.apex {
				for _, n := range neighbours(o) {
					add(n)
				}
			}
			add(flipCase(o))
		}
		apex := dns.Fqdn(z.apex)
		add(parent(apex))
		for _, l := range []string{"missing", "*", "0", "99", "zz.zz", "-", "\\000", "\\255"} {
			add(child(l, apex))
		}
	}
	for _, a := range s.asks {
		add(dns.Fqdn(a))
	}
	return out
}

func fits(n string) bool {
	buf := make([]byte, 256)
	off, err := dns.PackDomainName(n, buf, 0, nil, false)
	return err == nil && off <= 255
}

func child(label, n string) string {
	if n == "." {
		return label + "."
	}
	return label + "." + n
}

func parent(n string) string {
	i, end := dns.NextLabel(n, 0)
	if end || n == "." {
		return "."
	}
	return n[i:]
}

// neighbours returns neighbours of n: its first label followed by one more octet, which
// is the canonical successor of its kind, and for a number or a nibble the next one.
func neighbours(n string) []string {
	i, _ := dns.NextLabel(n, 0)
	label, rest := n[:i-1], n[i:]
	out := []string{child(label+"0", rest)}
	if len(label) == 1 && label[0] != '*' {
		out = append(out, child(string(label[0]+1), rest))
	}
	return slices.DeleteFunc(out, func(n string) bool { return strings.ContainsAny(n, "@;\"()") })
}

// flipCase swaps upper and lower case.
func flipCase(n string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z':
			return r - 'A' + 'a'
		}
		return r
	}, n)
}

// hasOptOut reports whether a zone of the set is signed with opt-out.
func (s *zoneSet) hasOptOut() bool {
	return slices.ContainsFunc(s.signs, func(g setSign) bool { return g.denial == "optout" })
}
