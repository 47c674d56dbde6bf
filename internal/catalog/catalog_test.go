package catalog

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/journal"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/source"
	"github.com/ptrd/ptrd/zone/zonefile"
)

func name(s string) dname.Name { return dname.MustParse(s) }

const head = `$ORIGIN catalog.example.
$TTL 0
@ SOA invalid. invalid. 1 3600 600 2147483646 0
@ NS invalid.
`

// zoneOf builds the catalog zone that a text in the format of zone files has, below head.
func zoneOf(t testing.TB, text string) *zone.Zone {
	t.Helper()
	apex := name("catalog.example.")
	b := zone.NewBuilder(apex)
	res := zonefile.ReadBytes("catalog", []byte(head+text), zonefile.Options{Origin: apex, Table: new(source.Table)}, b.Add)
	z, findings := b.Build()
	if z == nil {
		t.Fatalf("%v %v", res.Findings, findings)
	}
	return z
}

func TestRead(t *testing.T) {
	const version = "version TXT 2\n"
	for _, c := range []struct{ name, text, want string }{
		{"empty", version, ""},
		{"members", version + "A.zones PTR 2.0.192.in-addr.arpa.\nb.ZONES PTR Example.com.\n", "a=2.0.192.in-addr.arpa. b=Example.com."},
		{"properties", version + "a.zones PTR x.\ngroup.a.zones TXT one\ngroup.a.zones TXT t wo\ncoo.a.zones PTR other.\n", "a=x.[two,one]>other."},
		{"unknown", version + `a.zones PTR x.
a.zones A 192.0.2.1
new.a.zones TXT "what"
group.a.zones PTR no.
coo.a.zones TXT no
q.ext.a.zones TXT ext
p.ext TXT ext
new TXT new
group.b.zones TXT "of a node without zone"
deep.c.zones PTR y.
`, "a=x."},
		{"two labels", version + "a.zones PTR x.y.\nb.zones PTR X.Y.\n", `! zone X.Y. is listed under the labels "a" and "b", a catalog lists a zone once (RFC 9432 §4.1); remove one of them from the catalog`},
		{"labels of one node", version + "a.zones PTR x.\nA.zones PTR x.\n", "a=x."},
		{"nested", version + "a.zones PTR x.\nb.a.zones PTR y.\nzones PTR z.\n", "a=x."},
		{"no version", "a.zones PTR x.\n", "! there is no TXT record at version.catalog.example., as every catalog zone has one (RFC 9432 §4.2.1)"},
		{"version of a member", "a.zones PTR x.\nversion.zones TXT 2\n", "! there is no TXT record at version.catalog.example., as every catalog zone has one (RFC 9432 §4.2.1)"},
		{"version 1", "version TXT 1\n", `! the TXT record at version.catalog.example. is "1", must be "2" (RFC 9432 §4.2.1)`},
		{"version in pieces", "version TXT \"\" 2\n", `! the TXT record at version.catalog.example. is "2", must be "2" (RFC 9432 §4.2.1)`},
		{"two versions", version + "version TXT 3\n", "! there are 2 TXT records at version.catalog.example., a catalog zone has one (RFC 9432 §4.2.1)"},
		{"two zones", version + "a.zones PTR x.\na.zones PTR y.\n", "! a.zones.catalog.example. has more than one PTR record, a member node has one (RFC 9432 §4.1)"},
		{"two owners", version + "a.zones PTR x.\ncoo.a.zones PTR y.\ncoo.a.zones PTR z.\n", "! coo.a.zones.catalog.example. has more than one PTR record, a zone has one next owner (RFC 9432 §4.3.1)"},
		{"many", version + "a.zones PTR x.\nb.zones PTR y.\nc.zones PTR z.\n", "! the catalog lists more than 2 zones; raise `max_members` if that is meant"},
	} {
		t.Run(c.name, func(t *testing.T) {
			members, err := Read(zoneOf(t, c.text), 2)
			if got := print(members, err); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	if _, err := Read(zone.Unavailable(name("x."), "test"), 1); err == nil {
		t.Error("a zone without data was read")
	}
}

// TestReadMalformed: a catalog that was transferred may have TXT records that are none.
func TestReadMalformed(t *testing.T) {
	for data, wantVersion := range map[string]string{"": `""`, "\x052": `"2"`, "\x012\x01": `"2"`} {
		for _, at := range []string{"version", "group.a.zones"} {
			b := zone.NewBuilder(name("catalog.example."))
			b.SetVerbatim()
			text := head + "a.zones PTR x.\n"
			want := "! the TXT record at " + at + ".catalog.example. is "
			if at == "version" {
				want += wantVersion + `, must be "2" (RFC 9432 §4.2.1)`
			} else {
				text += "version TXT 2\n"
				want += "malformed"
			}
			zonefile.ReadBytes("catalog", []byte(text), zonefile.Options{Origin: b.Apex(), Table: new(source.Table)}, b.Add)
			b.Add(zone.Record{Owner: name(at + ".catalog.example."), Type: rr.TypeTXT, Data: []byte(data)})
			z, findings := b.Build()
			if z == nil {
				t.Fatal(findings)
			}
			if got := print(Read(z, 10)); got != want {
				t.Errorf("%q at %s: %s, want %s", data, at, got, want)
			}
		}
	}
}

// print writes members in the order they came: label=apex[groups]>owner.
func print(members []Member, err error) string {
	if err != nil {
		return "! " + err.Error()
	}
	var out []string
	for _, m := range members {
		s := m.Label + "=" + m.Apex.String()
		if m.Groups != nil {
			s += "[" + strings.Join(m.Groups, ",") + "]"
		}
		if m.Owner != nil {
			s += ">" + m.Owner.String()
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

// TestBuild: what is made reads back, with the labels that every run makes.
func TestBuild(t *testing.T) {
	members := []Member{
		{Apex: name("2.0.192.in-addr.arpa."), Groups: []string{"a", "b"}},
		{Apex: name("Example.COM."), Owner: name("other.example.")},
		{Apex: name("*.odd\\046label.")},
	}
	z := build(name("catalog.example."), members, 7, nil)
	if z.Serial() != 7 {
		t.Errorf("serial %d", z.Serial())
	}
	got, err := Read(z, 3)
	if err != nil {
		t.Fatal(err)
	}
	byApex := map[string]Member{}
	for _, m := range got {
		byApex[m.Apex.String()] = m
	}
	for _, m := range members {
		m.Label = Label(m.Apex)
		if got := byApex[m.Apex.String()]; !reflect.DeepEqual(got, m) {
			t.Errorf("got %+v, want %+v", got, m)
		}
	}
	// Secondaries keep their copies by it: it may never change. RFC 4648's base32hex of
	// the first 16 octets of SHA-256 over 0132 0130 03313932 07696e2d61646472 0461727061 00.
	if got := Label(name("2.0.192.IN-addr.arpa.")); got != wantLabel {
		t.Errorf("label %q, want %q", got, wantLabel)
	}
}

// TestChange: a catalog that is changed by some members is the one that is built of all.
func TestChange(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	apex := name("catalog.example.")
	there := map[string]Member{}
	z := build(apex, nil, 7, nil)
	for n := range 200 {
		var add []Member
		var gone []dname.Name
		for _, i := range rng.Perm(20)[:1+rng.IntN(4)] {
			m := Member{Apex: name(fmt.Sprintf("%d.example.", i))}
			key := m.Apex.Key()
			old, has := there[key]
			switch {
			case has && rng.IntN(2) == 0:
				gone = append(gone, m.Apex)
				delete(there, key)
				continue
			case has:
				m = old // it is listed already
			case rng.IntN(2) == 0:
				m.Groups, m.Owner = []string{"a", "b"}, name("other.example.")
			}
			add = append(add, m)
			there[key] = m
		}
		c, err := Change(z, add, gone, time.Unix(8, 0))
		if err != nil {
			t.Fatal(err)
		}
		if c != nil {
			next, err := z.Apply(c.Steps[0].Changeset)
			if err != nil || next.Digest() != c.Zone.Digest() || !z.Serial().Before(c.Zone.Serial()) {
				t.Fatalf("%d: %v, serial %d after %d", n, err, c.Zone.Serial(), z.Serial())
			}
			z = c.Zone
		}
		if want := build(apex, slices.Collect(maps.Values(there)), z.Serial(), nil); want.Digest() != z.Digest() {
			t.Fatalf("%d: not what is built", n)
		}
	}
}

const wantLabel = "otbaa0o3ta9702m2bfj1n745tc"

func TestFits(t *testing.T) {
	long := func(octets int) dname.Name {
		n := dname.Root()
		for octets > 1 {
			l := min(64, octets-1)
			if octets-1-l == 1 {
				l--
			}
			var err error
			if n, err = n.Prepend([]byte(strings.Repeat("a", l-1))); err != nil {
				t.Fatal(err)
			}
			octets -= l
		}
		return n
	}
	most := long(dname.MaxWire - maxPrefix)
	if !Fits(most) || Fits(long(dname.MaxWire-maxPrefix+1)) {
		t.Fatal("a name of the longest size must fit, and no longer one")
	}
	build(most, []Member{{Apex: name("x."), Groups: []string{"g"}, Owner: name("y.")}}, 1, nil)
}

func TestProducer(t *testing.T) {
	j, err := journal.Open(t.TempDir()+"/journal.db", journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	at := time.Unix(1_700_000_000, 0)
	var store *commit.Writer
	var p *Producer
	restart := func() { store, p = commit.New(commit.Options{Journal: j}), &Producer{Journal: j} }
	publish := func(apexes ...string) []zone.Change {
		t.Helper()
		var list []Produced
		if apexes != nil {
			list = []Produced{{Name: name("catalog.example.")}}
		}
		for _, a := range apexes {
			list[0].Members = append(list[0].Members, Member{Apex: name(a)})
		}
		changes, _, err := p.Plan(list, store.Set(), at)
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Publish(&zone.Batch{Changes: changes, Source: "test", At: at.UnixMilli()}); err != nil {
			t.Fatal(err)
		}
		return changes
	}
	serial := func() zone.Serial { return store.Set().Get(name("catalog.example.")).Serial() }

	restart()
	publish("a.", "b.")
	if serial() != 1_700_000_000 {
		t.Errorf("first serial %d, want the time", serial())
	}
	if c := publish("b.", "a."); len(c) != 0 {
		t.Errorf("the same members: %d changes", len(c))
	}
	c := publish("b.", "c.")
	if serial() != 1_700_000_001 || len(c) != 1 || len(c[0].Steps) != 1 {
		t.Fatalf("serial %d, changes %+v; want one step", serial(), c)
	}
	if s := c[0].Steps[0].Changeset; len(s.Removed) != 2 || len(s.Added) != 2 {
		t.Errorf("removed %d and added %d records, want the SOA and a PTR each", len(s.Removed), len(s.Added))
	}
	restart()
	publish("b.", "c.")
	if serial() != 1_700_000_001 {
		t.Errorf("serial %d after a restart, want the one before", serial())
	}
	restart()
	publish("b.")
	if serial() != 1_700_000_002 {
		t.Errorf("serial %d for other content after a restart", serial())
	}
	publish()
	if store.Set().Len() != 0 {
		t.Error("a catalog that nobody asks for stays")
	}
	publish("b.")
	if serial() != 1_700_000_002 {
		t.Errorf("serial %d of the same content once more", serial())
	}
}

// catalogList is what a catalog lists.
type catalogList struct {
	Name    dname.Name
	Members []Member
	Known   bool
}

// resolveAll resolves all zones that catalogs list or that have a claim.
func resolveAll(list []catalogList, claims map[string]*Claim, taken func(dname.Name) string, before func(dname.Name) (Owner, bool)) (map[string]*Claim, []finding.Finding) {
	r := resolver{taken: taken, before: before}
	keys := map[string]bool{}
	for i := range list {
		c := &followed{name: list[i].Name, key: list[i].Name.Key(), err: errNotTransferred}
		if list[i].Known {
			c.zone, c.err = zone.Unavailable(c.name, "test"), nil
		}
		c.set(list[i].Members)
		for key := range c.members {
			keys[key] = true
		}
		r.catalogs = append(r.catalogs, c)
	}
	for key := range claims {
		keys[key] = true
	}
	next, findings := map[string]*Claim{}, []finding.Finding(nil)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		c, f := r.resolve(key, claims[key])
		if findings = append(findings, f...); c != nil {
			next[key] = c
		}
	}
	return next, findings
}

// TestResolve follows catalogs through rounds: these as print writes them, the outcome as
// apex=catalog/label, with ! where it begins anew.
func TestResolve(t *testing.T) {
	for _, c := range []struct {
		name     string
		before   string // apex=catalog/label, as of the last run
		rounds   []string
		want     []string // after each round
		findings []string // likewise; substring of the only one, or "" for none
	}{
		{"one", "", []string{"A: 1=x 2=y", "A: 2=y", "A:"}, []string{"x=A/1 y=A/2", "y=A/2", ""}, nil},
		{"first wins", "", []string{"A: 1=x | B: 2=x"}, []string{"x=A/1"}, []string{"came by catalog A., which lists it without"}},
		{"owner stays", "", []string{"A: | B: 2=x", "A: 1=x | B: 2=x"}, []string{"x=B/2", "x=B/2"}, []string{"", "came by catalog B."}},
		{"owner stays over a restart", "x=B/2", []string{"A: 1=x | B: 2=x"}, []string{"x=B/2"}, []string{"came by catalog B."}},
		{"given up", "", []string{"A: 1=x | B: 1=x", "A: | B: 1=x"}, []string{"x=A/1", "x=B/1!"}, []string{"came by", ""}},
		{"another label", "", []string{"A: 1=x", "A: 2=x", "A: 2=x"}, []string{"x=A/1", "x=A/2!", "x=A/2"}, nil},
		{"another label over a restart", "x=A/1", []string{"A: 2=x"}, []string{"x=A/2!"}, nil},
		{"handed over", "", []string{"A: 1=x>B | B:", "A: 1=x>B | B: 1=x", "A: | B: 1=x"}, []string{"x=A/1", "x=B/1", "x=B/1"}, nil},
		{"handed over anew", "", []string{"A: 1=x>B | B:", "A: 1=x>B | B: 2=x"}, []string{"x=A/1", "x=B/2!"}, nil},
		{"handed to another", "", []string{"A: 1=x>C | B: 1=x | C:"}, []string{"x=A/1"}, []string{"came by"}},
		{"taken back", "", []string{"A: 1=x>B | B: 1=x", "A: 1=x | B: 1=x>A"}, []string{"x=B/1", "x=A/1"}, nil},
		{"circle", "", []string{"A: 1=x>B | B: 1=x>A"}, []string{"x=A/1"}, nil},
		{"handed on", "", []string{"A: 1=x>B | B: 1=x>C | C: 1=x"}, []string{"x=C/1"}, nil},
		{"config", "", []string{"A: 1=x 2=config"}, []string{"x=A/1"}, []string{"zone config. is ignored: zones[0] has it"}},
		{"no data", "", []string{"A: 1=x | B: 2=y", "A? | B: 2=y", "A? | B: 2=y 3=x", "A: | B: 2=y 3=x"},
			[]string{"x=A/1 y=B/2", "x=A/1 y=B/2", "x=A/1 y=B/2", "x=B/3! y=B/2"}, []string{"", "", "came by catalog A.", ""}},
		{"catalog goes", "", []string{"A: 1=x | B: 2=y", "B: 2=y"}, []string{"x=A/1 y=B/2", "y=B/2"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			owners := map[string]Owner{}
			for _, f := range strings.Fields(c.before) {
				apex, o, _ := strings.Cut(f, "=")
				cat, label, _ := strings.Cut(o, "/")
				owners[name(apex+".").Key()] = Owner{name(cat + ".").Key(), label}
			}
			var claims map[string]*Claim
			for i, round := range c.rounds {
				var findings []finding.Finding
				claims, findings = resolveAll(parse(round), claims, func(apex dname.Name) string {
					if apex.Equal(name("config.")) {
						return "zones[0]"
					}
					return ""
				}, func(apex dname.Name) (Owner, bool) { o, ok := owners[apex.Key()]; return o, ok })
				if got := printClaims(claims); got != c.want[i] {
					t.Errorf("round %d: %s, want %s", i, got, c.want[i])
				}
				var want []string
				if i < len(c.findings) && c.findings[i] != "" {
					want = strings.Split(c.findings[i], "; ")
				}
				if len(findings) != len(want) {
					t.Errorf("round %d: findings %v, want %d", i, findings, len(want))
					continue
				}
				for j, w := range want {
					if !strings.Contains(findings[j].Text, w) {
						t.Errorf("round %d: finding %q, want %q", i, findings[j].Text, w)
					}
				}
			}
		})
	}
}

// parse reads catalogs: "A: label=apex>owner … | B? | …"; with ? it has no data.
func parse(s string) (list []catalogList) {
	for _, part := range strings.Split(s, "|") {
		part = strings.TrimSpace(part)
		i := strings.IndexAny(part, ":?")
		f := catalogList{Name: name(part[:i] + "."), Known: part[i] == ':'}
		for _, entry := range strings.Fields(part[i+1:]) {
			label, apex, _ := strings.Cut(entry, "=")
			m := Member{Label: label}
			apex, owner, handed := strings.Cut(apex, ">")
			if m.Apex = name(apex + "."); handed {
				m.Owner = name(owner + ".")
			}
			f.Members = append(f.Members, m)
		}
		list = append(list, f)
	}
	return list
}

func printClaims(claims map[string]*Claim) string {
	var out []string
	for _, c := range claims {
		s := strings.TrimSuffix(c.Apex.String(), ".") + "=" + strings.TrimSuffix(strings.ToUpper(dname.Name(c.Catalog).String()), ".") + "/" + c.Label
		if c.Reset {
			s += "!"
		}
		out = append(out, s)
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// TestResolveRandom: whatever catalogs list and hand over, each zone has one owner
// that lists it, an owner that goes on listing it and hands it to nobody stays, and
// the order of time is all that matters: the same lists once more change nothing.
func TestResolveRandom(t *testing.T) {
	seed := rand.Uint64()
	if s := os.Getenv("CATALOG_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = n
	}
	t.Logf("seed %d; repeat with CATALOG_SEED=%d", seed, seed)
	g := rand.New(rand.NewPCG(seed, 9432))
	nobody := func(dname.Name) string { return "" }
	unknown := func(dname.Name) (Owner, bool) { return Owner{}, false }
	var claims map[string]*Claim
	for round := range 2000 {
		var list []catalogList
		lists := map[Owner]map[string]*Member{}
		for i := range 3 {
			f := catalogList{Name: name(fmt.Sprintf("c%d.", i)), Known: g.IntN(8) > 0}
			for j := 0; f.Known && j < g.IntN(6); j++ {
				m := Member{Apex: name(fmt.Sprintf("z%d.", g.IntN(4))), Label: strconv.Itoa(j)}
				if slices.ContainsFunc(f.Members, func(o Member) bool { return o.Apex.Equal(m.Apex) }) {
					continue // Read refuses such a catalog
				}
				if g.IntN(3) == 0 {
					m.Owner = name(fmt.Sprintf("c%d.", g.IntN(4)))
				}
				f.Members = append(f.Members, m)
			}
			for j := range f.Members {
				o := Owner{f.Name.Key(), f.Members[j].Label}
				lists[o] = map[string]*Member{f.Members[j].Apex.Key(): &f.Members[j]}
			}
			list = append(list, f)
		}
		next, _ := resolveAll(list, claims, nobody, unknown)
		known := func(catalog string) bool {
			return slices.ContainsFunc(list, func(f catalogList) bool { return f.Known && f.Name.Key() == catalog })
		}
		for key, c := range next {
			if lists[c.Owner][key] == nil && known(c.Catalog) {
				t.Fatalf("round %d: %v is %+v, which does not list it", round, c.Apex, c.Owner)
			}
			if old := claims[key]; old != nil && old.Owner != c.Owner {
				if m := lists[old.Owner][key]; m != nil && m.Owner == nil || !known(old.Catalog) {
					t.Fatalf("round %d: %v went from %+v to %+v without being handed over", round, c.Apex, old.Owner, c.Owner)
				}
			}
		}
		for _, f := range list {
			for _, m := range f.Members {
				if next[m.Apex.Key()] == nil {
					t.Fatalf("round %d: %v is listed and has no owner", round, m.Apex)
				}
			}
		}
		claims = next
	}
}
