package history

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// past is a journal and the zones that it is the history of.
type past struct {
	*testing.T
	journal *journal.Journal
	store   *commit.Writer
	keeper  *Keeper
}

func newPast(t *testing.T) *past {
	t.Helper()
	j, err := journal.Open(filepath.Join(t.TempDir(), "journal.db"), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	k := NewKeeper(Options{Journal: j})
	return &past{t, j, commit.New(commit.Options{Journal: j, Published: k.Published}), k}
}

// set publishes a zone with these records beside its SOA and NS, as a change of the zone of before if
// there is one.
func (p *past) set(apex string, at time.Time, source string, serial zone.Serial, text string) {
	p.Helper()
	o := zonetest.MustParse(apex, fmt.Sprintf("@ 600 SOA ns.example.net. hostmaster.example.net. %d 3600 600 86400 300\n@ 600 NS ns.example.net.\n%s", serial, text))
	_, err := p.store.Commit(commit.Request{Propose: func(set *zone.Set) (*zone.Batch, error) {
		c := zone.Change{Apex: o.Apex, Kept: true, Base: set.Get(o.Apex)}
		if c.Base == nil {
			b := zone.NewBuilder(o.Apex)
			for _, r := range o.Records() {
				b.Add(r)
			}
			c.Zone, _ = b.Build()
		} else {
			was := zonetest.New(o.Apex)
			for r := range c.Base.All() {
				was.Add(zone.Record{Owner: r.Owner.Clone(), Type: r.Type, TTL: r.TTL, Data: slices.Clone(r.Data)})
			}
			steps := []zone.Step{{Changeset: zonetest.Diff(was, o), Source: source, At: at.UnixMilli()}}
			var err error
			if c.Zone, err = c.Base.Apply(steps[0].Changeset); err != nil {
				return nil, err
			}
			c.Steps = steps
		}
		return &zone.Batch{Source: source, At: at.UnixMilli(), Changes: []zone.Change{c}}, nil
	}})
	if err != nil {
		p.Fatal(err)
	}
}

// remove ends a zone.
func (p *past) remove(apex string, at time.Time) {
	p.Helper()
	name := dname.MustParse(apex)
	_, err := p.store.Commit(commit.Request{Propose: func(set *zone.Set) (*zone.Batch, error) {
		return &zone.Batch{Source: "removed", At: at.UnixMilli(), Changes: []zone.Change{{Apex: name, Base: set.Get(name)}}}, nil
	}})
	if err != nil {
		p.Fatal(err)
	}
}

// parts returns all zones, as `ptrd log` asks for them.
func (p *past) parts() (list []Part) {
	p.Helper()
	all, err := p.journal.Latest()
	if err != nil {
		p.Fatal(err)
	}
	for _, l := range all {
		list = append(list, Part{Zone: l.Apex, Latest: time.UnixMilli(l.At)})
	}
	return list
}

// The histories of several zones are one, by time, and zones whose lines are not asked for are not
// read.
func TestLogOfZones(t *testing.T) {
	p := newPast(t)
	const seed = 1
	random := rand.New(rand.NewPCG(seed, seed))
	start := time.Date(2026, 11, 29, 14, 0, 0, 0, time.UTC)
	serials := map[string]zone.Serial{}
	var want []string
	for i := range 40 {
		apex := fmt.Sprintf("%d.0.192.in-addr.arpa.", random.IntN(8))
		at := start.Add(time.Duration(i) * time.Minute)
		p.set(apex, at, "test", serials[apex]+1, fmt.Sprintf("%d 60 PTR a.example.net.\n", i))
		what, removed := "changed", 1
		if serials[apex] == 0 {
			what, removed = "began", 0
		}
		serials[apex]++
		want = append(want, fmt.Sprintf("%s %s %v %d %d", at.Format(time.TimeOnly), apex, what, serials[apex], removed))
	}
	slices.Reverse(want)
	for _, c := range []struct {
		limit int
		since time.Time
		lines int
	}{
		{0, time.Time{}, 40},
		{7, time.Time{}, 7},
		{0, start.Add(30 * time.Minute), 10},
		{3, start.Add(39 * time.Minute), 1},
		{0, start.Add(40 * time.Minute), 0},
	} {
		q := Query{Zones: p.parts(), Limit: c.limit, Since: c.since}
		log, err := Read(p.journal, q)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, l := range log.Lines {
			got = append(got, fmt.Sprintf("%s %s %v %d %d", l.At.Format(time.TimeOnly), l.Zone, l.What, l.Serial, l.Removed))
		}
		if !slices.Equal(got, want[:c.lines]) || log.More != (c.limit == 7) || log.Zone != "" {
			t.Errorf("limit %d, since %v: %q, more %v\nwant %q", c.limit, c.since, got, log.More, want[:c.lines])
		}
	}

	m := merge{journal: p.journal}
	defer m.stop()
	for _, part := range p.parts() {
		m.cursors = append(m.cursors, &cursor{part: part, at: part.Latest})
	}
	cursors, read := slices.Clone(m.cursors), 0
	for range m.lines() {
		break
	}
	for _, c := range cursors {
		if c.next != nil {
			read++
		}
	}
	if read != 1 {
		t.Errorf("%d zones were read for one line", read)
	}
}

// What only has another serial is no change of the content.
func TestLogCountsWithoutSerial(t *testing.T) {
	p := newPast(t)
	at := time.Date(2026, 11, 29, 14, 0, 0, 0, time.UTC)
	apex := "2.0.192.in-addr.arpa."
	p.set(apex, at, "a", 1, "")
	p.set(apex, at.Add(1), "b", 2, "1 60 PTR a.example.net.\n")
	p.set(apex, at.Add(2), "c", 3, "1 60 PTR b.example.net.\n2 60 PTR a.example.net.\n")
	p.set(apex, at.Add(3), "d", 4, "1 60 PTR b.example.net.\n2 60 PTR a.example.net.\n")
	log, err := Read(p.journal, Query{Zones: p.parts()})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range log.Lines {
		got = append(got, fmt.Sprintf("%s -%d +%d", l.Source, l.Removed, l.Added))
	}
	if want := []string{"d -0 +0", "c -1 +2", "b -0 +1", "a -0 +2"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
