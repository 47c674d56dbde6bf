package daemon

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/history"
	"github.com/ptrd/ptrd/internal/registry"
	"github.com/ptrd/ptrd/internal/update"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/zonetest"
)

const emptyConfig = "listen: {dns: [\"127.0.0.1:0\"]}\nstate_dir: ./state\naccess: {allow: [127.0.0.1]}\nzones: []\n"

// keptZone makes a zone of its own content, and publishes two changes of it, by the
// way that everybody but the reload takes.
func keptZone(t *testing.T, l *lab) (o *zonetest.Oracle, contents []*zonetest.Oracle) {
	t.Helper()
	o = zonetest.MustParse("2.0.192.in-addr.arpa.", "@ 600 SOA ns.example.net. hostmaster.example.com. 4294967295 3600 600 86400 300\n@ 600 NS ns.example.net.\n1 600 PTR one.example.com.\n")
	b := zone.NewBuilder(o.Apex)
	for _, r := range o.Records() {
		b.Add(r)
	}
	z, findings := b.Build()
	if z == nil {
		t.Fatal(findings)
	}
	contents = append(contents, o)
	publish := func(f func(*zone.Set) (*zone.Batch, error)) {
		t.Helper()
		if _, err := l.zones.Commit(commit.Request{Propose: f}); err != nil {
			t.Fatal(err)
		}
	}
	publish(func(*zone.Set) (*zone.Batch, error) {
		return &zone.Batch{Source: "test", Changes: []zone.Change{{Zone: z, Apex: z.Apex(), Kept: true}}}, nil
	})
	for i, text := range []string{"1 600 PTR two.example.com.\n", "2 600 PTR three.example.com.\n"} {
		next := o.Clone()
		records, err := zonetest.ParseRecords("2.0.192.in-addr.arpa.", text)
		if err != nil {
			t.Fatal(err)
		}
		next.Add(records...)
		next.SetSerial(zone.Serial(i))
		c := zonetest.Diff(o, next)
		publish(func(set *zone.Set) (*zone.Batch, error) {
			base := set.Get(o.Apex)
			z, err := base.Apply(c)
			if err != nil {
				return nil, err
			}
			return &zone.Batch{Changes: []zone.Change{{Zone: z, Apex: o.Apex, Base: base, Kept: true, Steps: []zone.Step{{Changeset: c, Source: "test"}}}}}, nil
		})
		o = next
		contents = append(contents, o)
	}
	return o, contents
}

// A rollback brings the content of an earlier serial back under a new one, which is
// served, logged, and outlives the process; the policy stays.
func TestRollback(t *testing.T) {
	dir := shortDir(t)
	l := start(t, dir, emptyConfig)
	_, contents := keptZone(t, l)
	state := l.state.Load()
	policy := l.views.Load().Policy
	v, err := l.rollback(url.Values{"what": {"192.0.2.1"}, "serial": {"4294967295"}})
	if err != nil {
		t.Fatal(err)
	}
	out := v.(*update.Rollback)
	if out.From != 1 || out.To != 4294967295 || out.Removed != 2 || out.Added != 0 || !zone.Serial(1).Before(out.Serial) {
		t.Errorf("%+v", out)
	}
	apex := dname.MustParse("2.0.192.in-addr.arpa.")
	view := l.views.Load()
	z := view.Zones.Get(apex)
	want := contents[0].Clone()
	want.SetSerial(out.Serial)
	got := zonetest.New(apex)
	for r := range z.All() {
		got.Add(zone.Record{Owner: r.Owner.Clone(), Type: r.Type, TTL: r.TTL, Data: append([]byte(nil), r.Data...)})
	}
	if !zonetest.Equal(got, want) {
		t.Errorf("served is\n%s\nwant\n%s", got.Text(), want.Text())
	}
	if view.Policy != policy { // only a reload may change it; one may follow a start, whose files are new
		await(t, func() bool { return l.state.Load() != state })
	}
	if v, err = l.readLog(url.Values{"what": {"2.0.192.in-addr.arpa"}, "limit": {"1"}}); err != nil {
		t.Fatal(err)
	}
	if line := v.(*history.Log).Lines[0]; line.Serial != out.Serial || line.Source != "rollback to 4294967295" || line.Removed != out.Removed || line.Added != out.Added {
		t.Errorf("%+v", line)
	}
	if v, err = l.diff(url.Values{"what": {"192.0.2.1"}, "from": {"1"}}); err != nil {
		t.Fatal(err)
	}
	d := v.(*history.Diff)
	if removed, added := d.Content(); len(removed) != out.Removed || len(added) != out.Added {
		t.Errorf("%+v, the rollback counts %d and %d", d, out.Removed, out.Added)
	}
	if _, err := l.rollback(url.Values{"what": {"192.0.2.1"}, "serial": {"77"}}); err == nil || !strings.Contains(err.Error(), "are not all known") {
		t.Errorf("to a serial that never was: %v", err)
	}
	if _, err := l.rollback(url.Values{"what": {"192.0.2.1"}, "serial": {"1"}}); err != nil {
		t.Errorf("and forth again: %v", err)
	}
	served := l.views.Load().Zones.Get(apex)
	// A reload leaves a zone that is not its own.
	if o := l.reload(t); !o.OK() || l.views.Load().Zones.Get(apex) != served {
		t.Errorf("reload: %+v", o)
	}
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	l = start(t, dir, emptyConfig)
	z, ok, err := l.journal.Restore(apex)
	if !ok || err != nil || z.Digest() != served.Digest() || z.Serial() != served.Serial() {
		t.Errorf("after a restart: %v %v", ok, err)
	}
}

// Of a zone with sources a rollback changes what updates added, and nothing else; a
// reload does not bring it back.
func TestRollbackOfLayer(t *testing.T) {
	dir := shortDir(t)
	file := filepath.Join(dir, "file.zone")
	replace(t, file, "generation 60 TXT 1\n")
	l := start(t, dir, updating)
	apex := dname.MustParse("file.example.")
	back := func(to zone.Serial) (string, error) {
		v, err := l.rollback(url.Values{"what": {"file.example."}, "serial": {fmt.Sprint(uint32(to))}})
		if err != nil {
			return "", err
		}
		var b strings.Builder
		err = v.(*update.Rollback).Print(&b)
		return b.String(), err
	}
	want := func(what string, there ...string) {
		t.Helper()
		text := l.dumped(t, "file.example.")
		for _, s := range []string{"a.file.example.", "b.file.example.", `"1"`, `"2"`} {
			if strings.Contains(text, s) != slices.Contains(there, s) {
				t.Errorf("%s: %s\n%s", what, s, text)
			}
		}
	}
	first := l.zones.Set().Get(apex).Serial()
	l.update(t, "file.example.", "a")
	to := l.zones.Set().Get(apex).Serial()
	l.update(t, "file.example.", "b")
	replace(t, file, "generation 60 TXT 2\n")
	l.reload(t)
	want("before", "a.file.example.", "b.file.example.", `"2"`)
	if text, err := back(to); err != nil || !strings.Contains(text, "with the sources as they are and the updates of") {
		t.Errorf("%s %v", text, err)
	}
	want("after the rollback", "a.file.example.", `"2"`)
	replace(t, file, "generation 60 TXT 1\n")
	l.reload(t)
	want("after a reload", "a.file.example.", `"1"`)
	if text, err := back(first); err != nil {
		t.Errorf("%s %v", text, err)
	}
	want("at the start", `"1"`)
	if _, err := back(first); err == nil || !strings.Contains(err.Error(), "no update that can be undone changed it since") {
		t.Errorf("again: %v", err)
	}
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	l = start(t, dir, updating)
	want("after a restart", `"1"`)
}

// A copy of what a primary has is rolled back there.
func TestRollbackOfSecondary(t *testing.T) {
	l := start(t, shortDir(t), emptyConfig)
	c := config.Zone{Apexes: []dname.Name{dname.MustParse("3.0.192.in-addr.arpa")},
		ZoneOptions: &config.ZoneOptions{Secondary: &config.Secondary{Primaries: []config.Primary{{Remote: config.Remote{Address: netip.MustParseAddrPort("192.0.2.1:53")}}}}}}
	l.registry.Store(registry.New(registry.Options{Config: &config.Config{Zones: []config.Zone{c}}}))
	want := "zone 3.0.192.in-addr.arpa. is a copy of what 192.0.2.1:53 has; roll it back there"
	if err := l.mayChange(c.Apexes[0]); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// A change that loses is made again, for the zones that there are then.
func TestCommitAgain(t *testing.T) {
	l := start(t, shortDir(t), emptyConfig)
	o, _ := keptZone(t, l)
	change := func(set *zone.Set, serial zone.Serial) *zone.Batch {
		base := set.Get(o.Apex)
		next := base.WithSerial(serial)
		return &zone.Batch{Changes: []zone.Change{{Zone: next, Apex: o.Apex, Base: base, Kept: true, Steps: []zone.Step{{Changeset: zone.Diff(base, next, nil)}}}}}
	}
	calls := 0
	if _, err := l.zones.Commit(commit.Request{Propose: func(set *zone.Set) (*zone.Batch, error) {
		b := change(set, 100)
		if calls++; calls == 1 {
			if err := l.zones.Publish(change(set, 50)); err != nil {
				t.Fatal(err)
			}
		}
		return b, nil
	}}); err != nil || calls != 2 || l.views.Load().Zones.Get(o.Apex).Serial() != 100 {
		t.Errorf("%d calls: %v", calls, err)
	}
	fault := errors.New("no")
	if _, err := l.zones.Commit(commit.Request{Propose: func(*zone.Set) (*zone.Batch, error) { return nil, fault }}); !errors.Is(err, fault) {
		t.Errorf("got %v", err)
	}
}

// Zones are meant by name, address and prefix; classless ones as well.
func TestZoneOf(t *testing.T) {
	l := start(t, shortDir(t), `listen: {dns: ["127.0.0.1:0"]}
state_dir: ./state
defaults: {nameservers: [ns.example.net]}
zones:
  - {prefix: 10.0.0.0/8}
  - {prefix: 10.1.2.0/24}
  - {prefix: 10.1.2.64/26}
  - {prefix: 10.4.0.0/15}
  - {prefix: "2001:db8::/32"}
`)
	for what, want := range map[string]string{
		"10.9.9.9":                  "10.in-addr.arpa. 9.9.9.10.in-addr.arpa.",
		"10.1.2.3":                  "2.1.10.in-addr.arpa. 3.2.1.10.in-addr.arpa.",
		"10.1.2.70":                 "64-127.2.1.10.in-addr.arpa. 70.64-127.2.1.10.in-addr.arpa.",
		"10.1.2.64/26":              "64-127.2.1.10.in-addr.arpa.",
		"10.1.2.0/24":               "2.1.10.in-addr.arpa.",
		"10.1.2.0/28":               "2.1.10.in-addr.arpa. 5.2.1.10.in-addr.arpa.",
		"10.0.0.0/8":                "10.in-addr.arpa.",
		"10.1.0.0/16":               "10.in-addr.arpa. 9.9.1.10.in-addr.arpa.",
		"2001:db8::/36":             "8.b.d.0.1.0.0.2.ip6.arpa. 1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
		"8.b.d.0.1.0.0.2.ip6.arpa":  "8.b.d.0.1.0.0.2.ip6.arpa.",
		"www.2.1.10.in-addr.arpa":   "2.1.10.in-addr.arpa. www.2.1.10.in-addr.arpa.",
		"10.4.0.0/15":               "error",
		"192.0.2.1":                 "error",
		"10.1.2.3/24":               "error",
		"not a name":                "error",
		"sub.zone.of.nobody.at.all": "error",
	} {
		one, err := l.zoneOf(what)
		apex, about := one.Apex, one.About
		wantApex, owner, part := strings.Cut(want, " ")
		switch {
		case want == "error":
			if err == nil {
				t.Errorf("%s: is %v", what, apex)
			}
		case err != nil || apex.String() != wantApex || (about != nil) != part:
			t.Errorf("%s: %v, a part: %v, want %s: %v", what, apex, about != nil, want, err)
		case part && (!about(dname.MustParse(owner)) || about(dname.MustParse("200."+owner))):
			t.Errorf("%s: %s is not meant, or what is below it", what, owner)
		}
	}
}
