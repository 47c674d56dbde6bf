package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/catalog"
	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// fleetLab is a primary whose catalogs are zone files, so that they can be anything,
// and a server that follows them. Nobody sends NOTIFY here: the test asks for checks.
type fleetLab struct {
	t                  *testing.T
	primary, secondary *lab
	zones              string // of the primary's config, beside the catalogs
	serial             int
	catalogs           []string
	follows            string // of the secondary's config
}

func (l *fleetLab) primaryConfig() string {
	zones := []string{l.zones}
	for _, c := range l.catalogs {
		zones = append(zones, fmt.Sprintf("{name: %s, file: %s}", c, c))
	}
	return fmt.Sprintf(`
listen: {dns: ["127.0.0.1:0"], admin: ""}
state_dir: state
rate_limit: {enabled: false}
defaults: {nameservers: ns1.example.com, transfer: {allow: 127.0.0.1}}
zones: [%s]
`, strings.Join(zones, ", "))
}

func (l *fleetLab) secondaryConfig() string {
	return fmt.Sprintf(`
listen: {dns: ["127.0.0.1:0"], admin: ""}
state_dir: state
rate_limit: {enabled: false}
defaults: {nameservers: ns1.example.com}
%s
`, strings.ReplaceAll(l.follows, "PRIMARY", fmt.Sprintf("{primaries: %q}", l.primary.dns)))
}

// list has a catalog of the primary list these lines, below a head.
func (l *fleetLab) list(catalog string, lines ...string) {
	l.t.Helper()
	l.serial++
	text := fmt.Sprintf("$TTL 0\n@ SOA invalid. invalid. %d 3600 600 2147483646 0\n@ NS invalid.\n%s\n", l.serial, strings.Join(lines, "\n"))
	replace(l.t, filepath.Join(l.primary.dir, catalog), text)
	if o := l.primary.reload(l.t); !o.OK() {
		l.t.Fatalf("%+v", o)
	}
}

const version2 = "version TXT 2"

// refresh has the secondary compare a zone with the primary, and follow what it lists.
func (l *fleetLab) refresh(zone string) string {
	l.t.Helper()
	s, err := l.secondary.follower.Refresh(l.t.Context(), dname.MustParse(zone+"."), false)
	if err != nil {
		l.t.Fatal(err)
	}
	return s.Error
}

// serves waits until the secondary serves these zones with data, and no others.
func (l *fleetLab) serves(apexes ...string) {
	l.t.Helper()
	slices.Sort(apexes)
	var got []string
	defer func() {
		if l.t.Failed() {
			l.t.Logf("serves %v, want %v\n%s", got, apexes, l.secondary.log)
		}
	}()
	await(l.t, func() bool {
		got = nil
		for z := range l.secondary.zones.Set().All() {
			if z.IsAvailable() {
				got = append(got, strings.TrimSuffix(z.Apex().String(), "."))
			} else {
				got = append(got, z.Apex().String()+"?")
			}
		}
		slices.Sort(got)
		return slices.Equal(got, apexes)
	})
}

// told waits until status tells this of a catalog, "" for nothing wrong.
func (l *fleetLab) told(catalog, want string) {
	l.t.Helper()
	await(l.t, func() bool {
		for _, c := range l.secondary.Status().Catalogs {
			if c.Zone == catalog+"." {
				all := c.Error + strings.Join(c.Findings, "\n")
				return (want == "") == (all == "") && strings.Contains(all, want)
			}
		}
		return false
	})
}

func (l *fleetLab) restart() {
	l.t.Helper()
	if err := l.secondary.stop(); err != nil {
		l.t.Fatal(err)
	}
	l.secondary = start(l.t, l.secondary.dir, l.secondaryConfig())
}

func (l *fleetLab) reload() {
	l.t.Helper()
	replace(l.t, filepath.Join(l.secondary.dir, "config.yaml"), l.secondaryConfig())
	if o := l.secondary.reload(l.t); !o.InForce {
		l.t.Fatalf("%+v", o)
	}
}

func newFleet(t *testing.T, zones, follows string, catalogs ...string) *fleetLab {
	l := &fleetLab{t: t, zones: zones, follows: follows, catalogs: catalogs}
	dir := shortDir(t)
	for _, c := range catalogs {
		replace(t, filepath.Join(dir, c), "$TTL 0\n@ SOA invalid. invalid. 1 3600 600 2147483646 0\n@ NS invalid.\n"+version2+"\n")
	}
	l.serial = 1
	l.primary = start(t, dir, l.primaryConfig())
	l.secondary = start(t, shortDir(t), l.secondaryConfig())
	return l
}

const testZones = `{prefix: 192.0.2.0/24, ptr: {192.0.2.1: a.example.com}}, {prefix: 198.51.100.0/24}, {name: one.example}, {name: two.example}`

func TestFollow(t *testing.T) {
	l := newFleet(t, testZones, `
zones: [{name: own.example}]
catalogs: [{name: cat.example, secondary: PRIMARY, members: {transfer: {allow: 127.0.0.1}}, groups: {closed: {transfer: {allow: []}}}, max_members: 3}]`, "cat.example")
	l.serves("cat.example", "own.example")

	l.list("cat.example", version2, "a.zones PTR 2.0.192.in-addr.arpa.", "b.zones PTR one.example.", "group.b.zones TXT other", "group.b.zones TXT closed")
	l.refresh("cat.example")
	l.serves("cat.example", "own.example", "2.0.192.in-addr.arpa", "one.example")
	if rrs, err := transferred(l.secondary.dns, "2.0.192.in-addr.arpa.", "", 0); err != nil || len(rrs) != 3 {
		t.Errorf("transfer of a member: %v %v", rrs, err)
	}
	if _, err := transferred(l.secondary.dns, "one.example.", "", 0); err == nil {
		t.Error("the settings of the group do not hold")
	}

	for name, lines := range map[string][]string{
		"no version":   {"b.zones PTR two.example."},
		"version 3":    {"version TXT 3", "b.zones PTR two.example."},
		"two zones":    {version2, "b.zones PTR two.example.", "b.zones PTR one.example."},
		"many":         {version2, "a.zones PTR a.", "b.zones PTR b.", "c.zones PTR c.", "d.zones PTR d."},
		"two labels":   {version2, "a.zones PTR two.example.", "b.zones PTR Two.Example.", "c.zones PTR one.example."},
		"no next zone": {version2, "a.zones PTR a.", "coo.a.zones PTR b.", "coo.a.zones PTR c."},
	} {
		l.list("cat.example", lines...)
		if err := l.refresh("cat.example"); !strings.Contains(err, "which is rejected: ") {
			t.Errorf("%s: %q", name, err)
		}
		l.told("cat.example", "the catalog goes on as it was: ")
		l.serves("cat.example", "own.example", "2.0.192.in-addr.arpa", "one.example")
	}
	l.restart() // with the last good one
	l.serves("cat.example", "own.example", "2.0.192.in-addr.arpa", "one.example")
	if z := l.secondary.zones.Set().Get(dname.MustParse("one.example.")); !z.IsAvailable() {
		t.Error("a member is not served at once after a restart")
	}

	// What the configuration has is nobody else's, nor what lies in it.
	l.list("cat.example", version2, "a.zones PTR own.example.", "b.zones PTR www.own.example.", "c.zones PTR cat.example.")
	l.refresh("cat.example")
	l.serves("cat.example", "own.example")
	l.told("cat.example", "zone own.example. is ignored: zones[0] has it")
	l.told("cat.example", "zone www.own.example. is ignored: it lies in zone own.example., which zones[0] has")
	l.told("cat.example", "zone cat.example. is ignored: catalogs[0] has it")
	if z := l.secondary.zones.Set().Get(dname.MustParse("own.example.")); z == nil || !z.IsAvailable() {
		t.Error("a catalog took a zone of the configuration away")
	}
	if files, err := filepath.Glob(filepath.Join(l.secondary.dir, "state", "*", "*one.example*")); err != nil || len(files) != 1 {
		t.Errorf("%v is kept of a zone that left (%v)", files, err)
	}

	// A zone goes from the catalog to the configuration and back.
	l.list("cat.example", version2, "a.zones PTR two.example.")
	l.refresh("cat.example")
	l.serves("cat.example", "own.example", "two.example")
	l.told("cat.example", "")
	before := l.follows
	l.follows = strings.Replace(before, "own.example}", "own.example}, {name: two.example}", 1)
	l.reload()
	l.serves("cat.example", "own.example", "two.example")
	l.told("cat.example", "zone two.example. is ignored: zones[1] has it")
	l.follows = before
	l.reload()
	l.told("cat.example", "")
	l.serves("cat.example", "own.example", "two.example")

	// And all go with the catalog.
	l.follows = "zones: [{name: own.example}]"
	l.reload()
	l.serves("own.example")
}

// TestFollowComesBack: a zone that a catalog lost for a time goes on from what was kept of
// it, also over a restart, and expires when it would have.
func TestFollowComesBack(t *testing.T) {
	l := newFleet(t, testZones, `
zones: []
catalogs: [{name: cat.example, secondary: PRIMARY}]`, "cat.example")
	one := dname.MustParse("one.example.")
	full, empty := []string{version2, "a.zones PTR one.example."}, []string{version2}
	l.list("cat.example", full...)
	l.refresh("cat.example")
	l.serves("cat.example", "one.example")
	expires := func() string {
		t.Helper()
		notes, err := l.secondary.journal.Notes(one, "secondary/times")
		if err != nil || len(notes) != 1 {
			t.Fatalf("notes are %v (%v)", notes, err)
		}
		return fmt.Sprint(notes[0].Value)
	}
	before := expires()
	served := l.secondary.zones.Set().Get(one)
	for _, restart := range []bool{false, true} {
		l.list("cat.example", empty...)
		l.refresh("cat.example")
		l.serves("cat.example")
		if restart {
			l.restart()
		}
		if got := expires(); got != before {
			t.Errorf("the zone expires at %v, want %v", got, before)
		}
		// No primary can bring it now.
		l.follows = strings.Replace(l.follows, "secondary: PRIMARY}", "secondary: PRIMARY, members: {secondary: {primaries: [\"127.0.0.1:1\"]}}}", 1)
		l.reload()
		l.list("cat.example", full...)
		l.refresh("cat.example")
		l.serves("cat.example", "one.example")
		z := l.secondary.zones.Set().Get(one)
		if !z.IsAvailable() || z.Serial() != served.Serial() || z.Digest() != served.Digest() {
			t.Errorf("restart %v: it is another zone", restart)
		}
	}
}

// TestFollowShrink: a catalog that lost most of its members is not taken until that is
// confirmed, also after a restart, and that does not keep it from expiring.
func TestFollowShrink(t *testing.T) {
	var zones, all, some []string
	for i := range 24 {
		zones = append(zones, fmt.Sprintf("{name: z%d.example}", i))
		all = append(all, fmt.Sprintf("z%d.example", i))
		some = append(some, fmt.Sprintf("l%d.zones PTR z%d.example.", i, i))
	}
	l := newFleet(t, strings.Join(zones, ", "), `
zones: []
catalogs: [{name: cat.example, secondary: PRIMARY}]`, "cat.example")
	list := func(n int) { l.list("cat.example", append([]string{version2}, some[:n]...)...) }
	serves := func(n int) { t.Helper(); l.serves(append([]string{"cat.example"}, all[:n]...)...) }
	held := func(want ...string) {
		t.Helper()
		await(t, func() bool { return fmt.Sprint(l.secondary.Status().Held) == fmt.Sprint(want) })
	}
	list(24)
	l.refresh("cat.example")
	serves(24)
	list(12) // half of them
	l.refresh("cat.example")
	serves(12)
	list(24)
	l.refresh("cat.example")
	serves(24)

	// So are settings by which most of them would go.
	follows := l.follows
	for _, less := range []string{"secondary: PRIMARY, accept: z1.example}]", ""} {
		if l.follows = strings.Replace(follows, "secondary: PRIMARY}]", less, 1); less == "" {
			l.follows = "zones: []"
		}
		replace(t, filepath.Join(l.secondary.dir, "config.yaml"), l.secondaryConfig())
		if o := l.secondary.reload(t); o.OK() || len(o.Held) != 1 || o.Held[0].Kind != "configuration" || o.Held[0].Before != 25 {
			t.Errorf("%q: %+v", less, o)
		}
		serves(24)
	}
	l.follows = follows
	l.reload()

	const text = "catalog cat.example. would keep 11 of 24 zones"
	list(11)
	before := l.secondary.follower.States()[0].Expires
	for range 2 {
		if err := l.refresh("cat.example"); !strings.Contains(err, "which is rejected: "+text+", and reload.max_shrink lets a change remove 50% at most") {
			t.Fatalf("%q", err)
		}
		held(text)
		serves(24)
		l.restart()
		serves(24)
	}
	for _, s := range l.secondary.follower.States() {
		if s.Apex.Equal(dname.MustParse("cat.example")) && s.Expires.After(before.Add(time.Minute)) {
			t.Errorf("the catalog expires at %v, before at %v", s.Expires, before)
		}
	}
	l.refresh("cat.example")
	held(text)
	if o, err := l.secondary.Reload(t.Context(), "z1.example"); err != nil || len(o.Unneeded) != 1 {
		t.Errorf("%+v %v", o, err)
	}
	held(text)
	if o, err := l.secondary.Reload(t.Context(), "cat.example"); err != nil || o.Unneeded != nil || !o.OK() {
		t.Errorf("%+v %v", o, err)
	}
	serves(11)
	held()
	list(4)
	l.refresh("cat.example") // of less than twenty
	serves(4)
}

// TestTransferShrink: transfers are held back where the zone has max_shrink.
func TestTransferShrink(t *testing.T) {
	l := newFleet(t, "{name: a.example, file: a.zone}, {name: b.example, file: a.zone}", `
zones: [{name: a.example, secondary: PRIMARY, max_shrink: 30%}, {name: b.example, secondary: PRIMARY}]`)
	write := func(n int) {
		t.Helper()
		replace(t, filepath.Join(l.primary.dir, "a.zone"), fmt.Sprintf("$GENERATE 1-%d a$ A 192.0.2.1\n", n))
		if o, err := l.primary.Reload(t.Context(), "all"); err != nil || !o.OK() {
			t.Fatalf("%+v %v", o, err)
		}
	}
	size := func(apex string) int {
		return l.secondary.zones.Set().Get(dname.MustParse(apex)).Stats().Records
	}
	write(1000)
	l.refresh("a.example")
	l.refresh("b.example")
	l.serves("a.example", "b.example")
	full := size("a.example")
	write(300)
	l.refresh("b.example")
	if err := l.refresh("a.example"); !strings.Contains(err, fmt.Sprintf("zone a.example. would go from %d records to %d, and max_shrink lets a change remove 30%% at most", full, full-700)) {
		t.Errorf("%q", err)
	}
	if size("a.example") != full || size("b.example") != full-700 {
		t.Errorf("%d and %d records", size("a.example"), size("b.example"))
	}
	if o, err := l.secondary.Reload(t.Context(), "all"); err != nil || !o.OK() {
		t.Errorf("%+v %v", o, err)
	}
	if size("a.example") != full-700 {
		t.Errorf("%d records after the confirmation", size("a.example"))
	}
}

// TestCatalogShrink: a catalog of ours goes on as it is when it would lose most of its
// members, whatever in the configuration makes it so.
func TestCatalogShrink(t *testing.T) {
	var zones []string
	for i := range 24 {
		zones = append(zones, fmt.Sprintf("{name: z%d.example}", i))
	}
	text := func(list string) string {
		return fmt.Sprintf(`
listen: {dns: ["127.0.0.1:0"], admin: ""}
state_dir: state
defaults: {nameservers: ns1.example.com, transfer: {allow: 127.0.0.1}}
zones: [%s]
catalogs: [{name: cat.example, zones: %s}]
`, strings.Join(zones, ", "), list)
	}
	dir := shortDir(t)
	l := start(t, dir, text("all"))
	members := func() int {
		list, err := catalog.Read(l.zones.Set().Get(dname.MustParse("cat.example")), 100)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	if members() != 24 {
		t.Fatalf("%d members", members())
	}
	replace(t, filepath.Join(dir, "config.yaml"), text("[z1.example, z2.example]"))
	o := l.reload(t)
	if members() != 24 || o.OK() || fmt.Sprint(o.Held) != "[catalog cat.example. would keep 2 of 24 zones]" {
		t.Errorf("%d members, %+v", members(), o)
	}
	// Over a restart the list is lost: nobody is given another one.
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	l = start(t, dir, text("[z1.example, z2.example]"))
	for range 2 {
		o := l.reload(t)
		if z := l.zones.Set().Get(dname.MustParse("cat.example")); z.IsAvailable() || o.OK() || fmt.Sprint(o.Held) != "[catalog cat.example. would keep 2 of 24 zones]" {
			t.Errorf("available %v, %+v", z.IsAvailable(), o)
		}
	}
	if o, err := l.Reload(t.Context(), "cat.example"); err != nil || !o.OK() || members() != 2 {
		t.Errorf("%d members, %+v %v", members(), o, err)
	}
}

// TestFollowLost: the members of a catalog are served after a restart although the copy
// of the catalog is of no use, until there is one again.
func TestFollowLost(t *testing.T) {
	l := newFleet(t, testZones, `
zones: []
catalogs: [{name: cat.example, secondary: PRIMARY, members: {transfer: {allow: 127.0.0.1}}, groups: {closed: {transfer: {allow: []}}}, max_members: 5}]`, "cat.example")
	l.list("cat.example", version2, "a.zones PTR one.example.", "b.zones PTR two.example.", "group.b.zones TXT other", "group.b.zones TXT closed")
	l.refresh("cat.example")
	l.serves("cat.example", "one.example", "two.example")

	l.follows = strings.Replace(l.follows, "max_members: 5", "max_members: 1", 1) // the copy is broken now
	l.restart()
	l.serves("cat.example", "one.example", "two.example")
	l.told("cat.example", "the catalog lists more than 1 zones")
	if _, err := transferred(l.secondary.dns, "one.example.", "", 0); err != nil {
		t.Error(err)
	}
	if _, err := transferred(l.secondary.dns, "two.example.", "", 0); err == nil {
		t.Error("the group of a member is forgotten")
	}

	l.list("cat.example", version2, "b.zones PTR two.example.")
	l.refresh("cat.example")
	l.serves("cat.example", "two.example")
	l.told("cat.example", "")
}

// TestFollowOwners: a zone goes from catalog to catalog as the old one says, and no
// other way; what another has is begun anew.
func TestFollowOwners(t *testing.T) {
	l := newFleet(t, testZones, `
zones: []
catalogs: [{name: a.cat, secondary: PRIMARY}, {name: b.cat, secondary: PRIMARY, accept: [example, 2.0.192.in-addr.arpa]}]`, "a.cat", "b.cat")
	l.serves("a.cat", "b.cat")
	served := func() *zone.Zone { return l.secondary.zones.Set().Get(dname.MustParse("one.example.")) }
	l.list("b.cat", version2, "n.zones PTR one.example.", "m.zones PTR 100.51.198.in-addr.arpa.")
	l.refresh("b.cat")
	l.serves("a.cat", "b.cat", "one.example")
	l.told("b.cat", "zone 100.51.198.in-addr.arpa. is ignored: `accept` has no such zone")
	l.list("b.cat", version2, "n.zones PTR one.example.")
	l.refresh("b.cat")

	l.list("a.cat", version2, "n.zones PTR one.example.")
	l.refresh("a.cat")
	l.told("a.cat", "it came by catalog b.cat., which lists it without `coo`")
	l.restart()
	l.told("a.cat", "it came by catalog b.cat., which lists it without `coo`")
	l.serves("a.cat", "b.cat", "one.example")

	first := served()
	l.list("b.cat", version2, "n.zones PTR one.example.", "coo.n.zones PTR a.cat.")
	l.refresh("b.cat")
	l.told("a.cat", "")
	if served() != first {
		t.Error("a zone that was handed over with its label did not stay as it was")
	}
	l.list("b.cat", version2)
	l.refresh("b.cat")
	l.serves("a.cat", "b.cat", "one.example")
	if served() != first {
		t.Error("the old owner took the zone away")
	}
	l.list("a.cat", version2, "o.zones PTR one.example.")
	l.refresh("a.cat")
	await(t, func() bool { z := served(); return z != nil && z != first && z.IsAvailable() })
}

// TestFollowOurs: a ptrd follows what a ptrd makes, over a key, and keeps for a time
// what it has of zones that leave.
func TestFollowOurs(t *testing.T) {
	dir := shortDir(t)
	text := func(zones string) string {
		return fmt.Sprintf(`
listen: {dns: ["127.0.0.1:0"], admin: ""}
state_dir: state
rate_limit: {enabled: false}
keys: [{name: k, secret: %s}]
defaults: {nameservers: ns1.example.com, transfer: {allow: {key: k}}}
zones: [%s]
catalogs: [{name: cat.example, zones: all}]
`, catalogSecret, zones)
	}
	l := &fleetLab{t: t, follows: `
keys: [{name: k, secret: ` + catalogSecret + `}]
zones: []
catalogs: [{name: cat.example, secondary: PRIMARY}]`}
	l.primary = start(t, dir, text(testZones))
	l.follows = strings.Replace(l.follows, "PRIMARY", fmt.Sprintf("{primaries: %q, key: k}", l.primary.dns), 1)
	l.secondary = start(t, shortDir(t), l.secondaryConfig())
	l.serves("cat.example", "2.0.192.in-addr.arpa", "100.51.198.in-addr.arpa", "one.example", "two.example")
	kept := func() int {
		files, err := os.ReadDir(filepath.Join(l.secondary.dir, "state", "zones"))
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	if kept() != 5 {
		t.Errorf("%d zones are kept, want 5", kept())
	}
	replace(t, filepath.Join(dir, "config.yaml"), text("{name: two.example}"))
	if o := l.primary.reload(t); !o.OK() {
		t.Fatalf("%+v", o)
	}
	l.refresh("cat.example")
	l.serves("cat.example", "two.example")
	if kept() != 5 {
		t.Errorf("%d zones are kept, want 5", kept())
	}
	for day := range 32 { // not at once: that would be a clock that was set
		want := 5
		if day >= 30 {
			want = 2
		}
		if err := l.secondary.journal.Trim(time.Now().Add(time.Duration(day) * 24 * time.Hour)); err != nil || kept() != want {
			t.Errorf("%d zones are kept after %d days, want %d (%v)", kept(), day, want, err)
		}
	}
}

// TestFollowNotDurable: members of which the journal does not take the notes are not served,
// and neither the registry nor the policy has them. They are served once it does.
func TestFollowNotDurable(t *testing.T) {
	l := newFleet(t, testZones, `
zones: []
catalogs: [{name: cat.example, secondary: PRIMARY}]`, "cat.example")
	l.serves("cat.example")
	s := l.secondary
	file := filepath.Join(s.dir, "state", journalName)
	if err := os.Rename(file, file+".away"); err != nil {
		t.Fatal(err)
	}
	replace(t, file, "a backup")
	one := dname.MustParse("one.example")
	claim := &catalog.Claim{Owner: catalog.Owner{Catalog: dname.MustParse("cat.example").Key(), Label: "a"}, Apex: one}
	if _, err := s.serveClaims([]*catalog.Claim{claim}, nil); !errors.Is(err, commit.ErrNotDurable) {
		t.Errorf("%v, want that it is not durable", err)
	}
	l.serves("cat.example")
	if s.registry.Load().Get(one) != nil || s.views.Load().Policy.Zones.Get(one) != nil || s.follower.Has(one.Key()) {
		t.Error("a part of the server has the zone")
	}
	if err := os.Rename(file+".away", file); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { ready, _ := s.isReady(); return ready })
	l.list("cat.example", version2, "a.zones PTR one.example.")
	l.refresh("cat.example")
	l.serves("cat.example", "one.example")
	if notes, err := s.journal.Notes(one, catalog.OwnerNote); err != nil || len(notes) != 1 {
		t.Errorf("notes %v %v", notes, err)
	}
}
