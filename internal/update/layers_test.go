package update

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// derive gives a zone another derived layer, of which the PTRs are in text. proposed is called before
// the batch is published.
func (b *bed) derive(text string, proposed func()) {
	b.t.Helper()
	layer, err := commit.NewLayer(dname.MustParse(parent), slices.Values(zonetest.MustParse(parent, text).Records()), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	_, err = b.store.Commit(commit.Request{Propose: func(set *zone.Set) (*zone.Batch, error) {
		batch := &zone.Batch{}
		r := commit.Refresh{Apex: dname.MustParse(parent), Source: "derive", Layers: func(l *zone.Layers) { l.Derived = layer }}
		for _, owner := range []string{"1.", "2."} {
			r.Owners = append(r.Owners, dname.MustParse(owner+parent))
		}
		err := r.AddTo(batch, set, b.m)
		if proposed != nil {
			proposed()
			proposed = nil
		}
		return batch, err
	}})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) send(updates ...Record) *Fault {
	j := &job{Request: &Request{}, m: &Message{Zone: dname.MustParse(parent), Updates: updates}}
	b.commit([]*job{j}, func() {})
	return j.fault
}

// An update of a derived RRset is refused with what it follows from.
func TestDerivedIsRefused(t *testing.T) {
	b := newBed(t, parent, soaNS)
	b.adopt(map[string]*ZonePolicy{parent: anybody(false)}, parent)
	b.o.Origin = func(_ *zone.Set, apex, owner dname.Name) string {
		if apex.String() != parent {
			t.Errorf("zone %v", apex)
		}
		return "A of host.example in zone example (" + owner.String() + ")"
	}
	b.derive("1 60 PTR host.example.\n", nil)
	const want = "PTR at 1.2.0.192.in-addr.arpa. is derived from A of host.example in zone example (1.2.0.192.in-addr.arpa.), which no update of this zone changes; change it there"
	for _, r := range []Record{add("1."+parent, "other."), drop("1."+parent, rr.TypePTR), drop("1."+parent, rr.TypeANY), {Owner: dname.MustParse("1." + parent), Type: rr.TypePTR, Class: rr.ClassNONE, Data: dname.MustParse("host.example.")}} {
		if f := b.send(r); f == nil || f.RCode != wire.RCodeRefused || f.Text != want {
			t.Errorf("%v: %v", r, f)
		}
	}
	if f := b.send(add("2."+parent, "mine.")); f != nil {
		t.Error(f)
	}
	b.wantZone(parent, "1."+parent+" host.example.", "2."+parent+" mine.")
	b.derive("2 60 PTR host.example.\n", nil)
	b.wantZone(parent, "2."+parent+" host.example.")
	b.derive("", nil)
	b.wantZone(parent, "2."+parent+" mine.")
}

// A DHCP server updates the PTR of a lease that it is derived from, before or after ptrd has read of the lease:
// that is no conflict, and what it added is there until it removes it.
func TestUpdateAgreesWithDerived(t *testing.T) {
	b := newBed(t, parent, soaNS)
	p := anybody(false)
	p.Lifetime = time.Hour
	b.adopt(map[string]*ZonePolicy{parent: p}, parent)
	owner := "1." + parent
	dhcid := Record{Owner: dname.MustParse(owner), Type: rr.TypeDHCID, Class: rr.ClassIN, TTL: 600, Data: []byte{0, 1, 1, 2}}
	add := add(owner, "pc.example.")
	add.TTL = 600
	send := func(what string, updates ...Record) {
		t.Helper()
		if f := b.send(updates...); f != nil {
			t.Fatalf("%s: %v", what, f)
		}
	}
	lease := func() { send("lease", drop(owner, rr.TypePTR), drop(owner, rr.TypeDHCID), add, dhcid) }
	release := func() { send("release", drop(owner, rr.TypeANY)) }
	has := func(what string, types ...rr.Type) {
		t.Helper()
		var got []rr.Type
		for s := range b.zone(parent).RRsets(dname.MustParse(owner)) {
			got = append(got, s.Type)
		}
		if !slices.Equal(got, types) {
			t.Errorf("%s: %v, want %v", what, got, types)
		}
	}
	derive := func() { b.derive("1 3600 PTR pc.example.\n", nil) }
	for _, early := range []bool{false, true} { // whether the file comes before the update
		for range 2 {
			if early {
				derive()
			}
			lease()
			has("leased", rr.TypePTR, rr.TypeDHCID)
			derive()
			lease()
			has("renewed", rr.TypePTR, rr.TypeDHCID)
			if early {
				b.derive("", nil)
				has("the lease has ended", rr.TypePTR, rr.TypeDHCID)
			}
			release()
			b.derive("", nil)
			has("released")
		}
	}
	derive()
	if f := b.send(drop(owner, rr.TypePTR)); f == nil || !f.isDerived {
		t.Errorf("what no update added was removed: %v", f)
	}
	lease()
	more := add
	more.Data = dname.MustParse("other.example.")
	if f := b.send(more); f == nil || !f.isDerived {
		t.Errorf("another name was added to a derived one: %v", f)
	}
	b.now = b.now.Add(2 * time.Hour)
	b.expire()
	b.derive("", nil)
	has("its life has ended")
}

// unreadable has notes that cannot be read.
type unreadable struct{ *memory }

func (unreadable) Notes(dname.Name, string) ([]zone.Note, error) {
	return nil, errors.New("disk on fire")
}

// What an update adds below a derived PTR changes nothing of what is served until that is gone; then it shows with the
// TTL and the case of letters that it was added with (RFC 2136 §3.4.2.2).
func TestUpdateBelowDerived(t *testing.T) {
	b := newBed(t, parent, soaNS)
	b.adopt(map[string]*ZonePolicy{parent: anybody(false)}, parent)
	owner := dname.MustParse("1." + parent)
	derive := func() { t.Helper(); b.derive("1 3600 PTR pc.example.\n", nil) }
	ptr := add("1."+parent, "PC.example.")
	ptr.TTL = 600
	want := func(what string, sets ...commit.RRset) {
		t.Helper()
		var got []commit.RRset
		for s := range b.zone(parent).RRsets(owner) {
			got = append(got, commit.NewRRset(owner, &s))
		}
		if !slices.EqualFunc(got, sets, func(x, y commit.RRset) bool { return x.Type == y.Type && x.Equal(y) }) {
			t.Errorf("%s: %v, want %v", what, got, sets)
		}
	}
	derived := commit.RRset{Owner: owner, Type: rr.TypePTR, TTL: 3600, Data: [][]byte{dname.MustParse("pc.example.")}}
	own := commit.RRset{Owner: owner, Type: rr.TypePTR, TTL: 600, Data: [][]byte{ptr.Data}}
	send := func(what string, code wire.RCode, updates ...Record) {
		t.Helper()
		serial := b.zone(parent).Serial()
		f := b.send(updates...)
		if got := wire.RCodeNoError; f != nil && f.RCode != code || f == nil && code != got {
			t.Errorf("%s: %v, want %v", what, f, code)
		}
		want(what, derived)
		if b.zone(parent).Serial() != serial {
			t.Errorf("%s: the zone has changed", what)
		}
	}
	derive()
	send("added", 0, ptr)
	alias := Record{Owner: owner, Type: rr.TypeCNAME, Class: rr.ClassIN, TTL: 60, Data: dname.MustParse("x.")}
	send("an alias in its place", wire.RCodeRefused, drop("1."+parent, rr.TypePTR), alias)
	notes := b.o.Notes
	b.o.Notes = unreadable{b.m}
	send("unreadable", wire.RCodeServFail, drop("1."+parent, rr.TypePTR))
	b.o.Notes = notes
	b.derive("", nil)
	want("no longer derived", own)
	derive()
	ptr.TTL = 900
	send("added with another TTL", 0, ptr)
	b.derive("", nil)
	own.TTL = 900
	want("again no longer derived", own)
	derive()
	send("removed", 0, drop("1."+parent, rr.TypePTR))
	send("removed again", wire.RCodeRefused, drop("1."+parent, rr.TypePTR))
	b.derive("", nil)
	want("gone")
}

// A CNAME that a derived PTR hid shows again when what was added meanwhile goes.
func TestHiddenAliasShowsAgain(t *testing.T) {
	b := newBed(t, parent, soaNS)
	b.adopt(map[string]*ZonePolicy{parent: anybody(false)}, parent)
	owner := dname.MustParse("1." + parent)
	types := func() (list []rr.Type) {
		for s := range b.zone(parent).RRsets(owner) {
			list = append(list, s.Type)
		}
		return list
	}
	expect := func(what string, want ...rr.Type) {
		t.Helper()
		if got := types(); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	send := func(r Record) {
		t.Helper()
		if f := b.send(r); f != nil {
			t.Fatal(f)
		}
	}
	send(Record{Owner: owner, Type: rr.TypeCNAME, Class: rr.ClassIN, Data: dname.MustParse("a.")})
	b.derive("1 60 PTR host.\n", nil)
	expect("derived", rr.TypePTR)
	send(Record{Owner: owner, Type: rr.TypeTXT, Class: rr.ClassIN, Data: []byte("\x01a")})
	b.derive("", nil)
	expect("not derived", rr.TypeTXT)
	send(drop("1."+parent, rr.TypeTXT))
	expect("alone again", rr.TypeCNAME)
}

// The lifetime of a hidden record ends while a change that would show it is on its way.
func TestLifetimeEndsBeforeItShows(t *testing.T) {
	b := newBed(t, parent, soaNS)
	p := anybody(false)
	p.Lifetime = time.Hour
	b.adopt(map[string]*ZonePolicy{parent: p}, parent)
	if f := b.send(add("1."+parent, "mine.")); f != nil {
		t.Fatal(f)
	}
	b.now = b.now.Add(30 * time.Minute)
	if f := b.send(add("1."+parent, "later.")); f != nil {
		t.Fatal(f)
	}
	b.derive("1 60 PTR host.example.\n", nil)
	b.now = b.now.Add(31 * time.Minute)
	b.derive("", b.expire)
	b.wantZone(parent, "1."+parent+" later.")
	b.derive("1 60 PTR host.example.\n", nil)
	b.now = b.now.Add(time.Hour)
	b.derive("", b.expire)
	b.wantZone(parent)
}

// What an update adds is in the layer of updates although the derived PTR has its TTL too; what it does not add
// is not.
func TestUpdateAddsDerived(t *testing.T) {
	b := newBed(t, parent, soaNS)
	b.adopt(map[string]*ZonePolicy{parent: anybody(false)}, parent)
	send := func(want wire.RCode, updates ...Record) {
		t.Helper()
		got := wire.RCodeNoError
		if f := b.send(updates...); f != nil {
			got = f.RCode
		}
		if got != want {
			t.Errorf("%v: %v, want %v", updates, got, want)
		}
	}
	owner := "1." + parent
	b.derive("1 60 PTR a.example.\n", nil)
	send(wire.RCodeRefused, drop(owner, rr.TypePTR))
	send(wire.RCodeNoError, add(owner, "a.example."))
	b.derive("", nil)
	b.wantZone(parent, owner+" a.example.")
	b.derive("1 60 PTR a.example.\n", nil)
	send(wire.RCodeNoError, drop(owner, rr.TypePTR))
	b.derive("", nil)
	b.wantZone(parent)

	other := add(owner, "a.example.")
	other.TTL = 61
	for _, one := range []Record{add(owner, "a.example."), other} {
		b.derive("1 60 PTR a.example.\n1 60 PTR b.example.\n", nil)
		send(wire.RCodeNoError, one)
		b.derive("", nil)
		b.wantZone(parent)
		b.derive("1 60 PTR a.example.\n1 60 PTR b.example.\n", nil)
		send(wire.RCodeNoError, one, add(owner, "b.example."))
		b.derive("", nil)
		b.wantZone(parent, owner+" a.example.", owner+" b.example.")
		send(wire.RCodeNoError, drop(owner, rr.TypePTR))
	}
}
