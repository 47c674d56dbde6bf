package journal

import (
	"encoding/binary"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// updates makes batches of changes of one PTR each, as a DHCP server has them.
type updates struct {
	zone *zone.Zone
	n    int
}

func newUpdates(tb testing.TB) *updates {
	apex := dname.MustParse("2.10.in-addr.arpa")
	b := zone.NewBuilder(apex)
	ns, mailbox := dname.MustParse("ns1.example.net"), dname.MustParse("hostmaster.example.net")
	soa := append(append([]byte(nil), ns...), mailbox...)
	soa = append(soa, 0, 0, 0, 1, 0, 0, 14, 16, 0, 0, 2, 88, 0, 1, 81, 128, 0, 0, 1, 44)
	b.Add(zone.Record{Owner: apex, Type: rr.TypeSOA, TTL: 3600, Data: soa})
	b.Add(zone.Record{Owner: apex, Type: rr.TypeNS, TTL: 3600, Data: ns})
	z, findings := b.Build()
	if z == nil {
		tb.Fatal(findings)
	}
	return &updates{zone: z}
}

// soa returns the SOA with a serial.
func (u *updates) soa(serial zone.Serial) zone.Record {
	set, _ := u.zone.Get(u.zone.Apex(), rr.TypeSOA)
	data := append([]byte(nil), set.First(nil)...)
	binary.BigEndian.PutUint32(data[len(data)-20:], uint32(serial))
	return zone.Record{Owner: u.zone.Apex(), Type: rr.TypeSOA, TTL: 3600, Data: data}
}

// next returns a batch of so many steps. The zone itself gets their serials only:
// what it costs to change it is measured elsewhere.
func (u *updates) next(steps int) *zone.Batch {
	c := zone.Change{Apex: u.zone.Apex(), Base: u.zone}
	serial := u.zone.Serial()
	for range steps {
		u.n++
		k := uint32(u.n) * 2654435761 >> 16
		owner := dname.MustParse(fmt.Sprintf("%d.%d.2.10.in-addr.arpa", k&255, k>>8&255))
		record := func(host uint32) zone.Record {
			return zone.Record{Owner: owner, Type: rr.TypePTR, TTL: 3600, Data: dname.MustParse(fmt.Sprintf("dhcp-%d.lab%d.example.net", host%10000, host%5))}
		}
		c.Steps = append(c.Steps, zone.Step{Source: "update key dhcp-lab from 192.0.2.5", At: 1_760_000_000_000 + int64(u.n)/10, Changeset: &zone.Changeset{
			Apex: c.Apex, From: serial, To: serial + 1,
			Removed: []zone.Record{u.soa(serial), record(k)},
			Added:   []zone.Record{u.soa(serial + 1), record(k + 1)},
		}})
		serial++
	}
	u.zone = u.zone.WithSerial(serial)
	c.Zone = u.zone
	return &zone.Batch{Changes: []zone.Change{c}}
}

func begun(tb testing.TB, path string, limits Limits) (*Journal, *updates) {
	tb.Helper()
	j, err := Open(path, Options{})
	if err != nil {
		tb.Fatal(err)
	}
	j.SetLimits(limits, nil)
	u := newUpdates(tb)
	if err := j.Append(&zone.Batch{Changes: []zone.Change{{Zone: u.zone, Apex: u.zone.Apex()}}}); err != nil {
		tb.Fatal(err)
	}
	return j, u
}

func fileSize(tb testing.TB, path string) int64 {
	fi, err := os.Stat(path)
	if err != nil {
		tb.Fatal(err)
	}
	return fi.Size()
}

// Under constant change the file grows to a bound and no further: what is trimmed is
// used again. The history keeps to its limit, and a change of a PTR is as small as
// package doc says.
func TestFileIsBounded(t *testing.T) {
	const limit = 256 << 10
	path := newPath(t)
	j, u := begun(t, path, Limits{MaxSize: limit, MaxAge: time.Hour})
	defer j.Close()
	j.db.Load().NoSync = true
	var most int64
	for round := range 400 {
		if err := j.Append(u.next(1 + round*7%200)); err != nil {
			t.Fatal(err)
		}
		s, err := j.state(u.zone.Apex())
		if err != nil {
			t.Fatal(err)
		}
		if s.octets > limit+64<<10 {
			t.Fatalf("round %d: %d octets of history, the limit is %d", round, s.octets, limit)
		}
		switch size := fileSize(t, path); {
		case round == 150:
			if changes := s.Sequence + 1 - s.first; s.octets < limit*9/10 || s.octets/changes > 60 {
				t.Errorf("%d octets of history for %d changes, want 60 for each at most and the limit nearly reached", s.octets, changes)
			}
			most = size
		case round > 150 && size > most+growBy:
			t.Fatalf("round %d: the file has %d octets, %d in round 150", round, size, most)
		}
	}
	if most > 4*limit+2*growBy {
		t.Errorf("the file has %d octets for a history of %d", most, limit)
	}
	count := 0
	for l, err := range j.Log(u.zone.Apex(), false) {
		if err != nil || l.Kind != Changed {
			t.Fatal(l, err)
		}
		count++
	}
	if s, _ := j.state(u.zone.Apex()); count != int(s.Sequence+1-s.first) {
		t.Errorf("%d lines, want %d", count, s.Sequence+1-s.first)
	}
}

// Changes that come alone are as small as those that come together: they join a
// block.
func TestLoneChangesJoin(t *testing.T) {
	j, u := begun(t, newPath(t), defaultLimits)
	defer j.Close()
	j.db.Load().NoSync = true
	const changes = 300
	for range changes {
		if err := j.Append(u.next(1)); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := j.state(u.zone.Apex()); err != nil || s.octets/changes > 60 {
		t.Errorf("%d octets of history for %d changes, want 60 for each at most: %v", s.octets, changes, err)
	}
}

// A change that is larger than the limit begins the history anew, unless the zone is
// kept: then nothing goes that it needs.
func TestLargeChange(t *testing.T) {
	for _, kept := range []bool{false, true} {
		j, u := begun(t, newPath(t), Limits{MaxSize: 64 << 10, MaxAge: time.Hour})
		j.db.Load().NoSync = true
		first := u.zone
		apex := first.Apex()
		c := &zone.Changeset{Apex: apex, From: 1, To: 2, Removed: []zone.Record{u.soa(1)}, Added: []zone.Record{u.soa(2)}}
		for i := range 20_000 {
			c.Added = append(c.Added, zone.Record{Owner: dname.MustParse(fmt.Sprintf("%d.%d.2.10.in-addr.arpa", i&255, i>>8)), Type: rr.TypePTR, TTL: 300, Data: dname.MustParse(fmt.Sprintf("h%d.example.net", i))})
		}
		z, err := first.Apply(c)
		if err != nil {
			t.Fatal(err)
		}
		change := zone.Change{Zone: z, Apex: apex, Base: first, Kept: kept, Steps: []zone.Step{{Changeset: c, Source: "large"}}}
		if kept {
			if err := j.Append(&zone.Batch{Changes: []zone.Change{{Zone: first, Apex: apex, Kept: true, Steps: nil}}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Append(&zone.Batch{Changes: []zone.Change{change}}); err != nil {
			t.Fatal(err)
		}
		if list, ok, err := j.Chain(apex, 1, 2, 0); ok != kept || err != nil || ok && len(list[0].Added) != 20_001 {
			t.Errorf("kept %v: a chain %v %v", kept, ok, err)
		}
		for l, err := range j.Log(apex, false) {
			if want := map[bool]Kind{false: Began, true: Changed}[kept]; err != nil || l.Kind != want || l.Source != "large" || l.To != 2 {
				t.Errorf("kept %v: %+v %v", kept, l, err)
			}
			break
		}
		if kept {
			due, err := j.IsContentDue(apex)
			if !due || err != nil {
				t.Errorf("the content is not due to be written: %v", err)
			}
			if err := j.UpdateContent(z); err != nil {
				t.Fatal(err)
			}
			if due, err := j.IsContentDue(apex); due || err != nil {
				t.Errorf("the content is due again: %v", err)
			}
			if err := j.UpdateContent(first); err == nil {
				t.Error("an old content was taken")
			}
			if err := j.Trim(time.UnixMilli(1)); err != nil {
				t.Fatal(err)
			}
			if s, err := j.state(apex); err != nil || s.octets > 64<<10 {
				t.Errorf("after the content was written %d octets stay: %v", s.octets, err)
			}
			back, ok, err := j.Restore(apex)
			if !ok || err != nil || back.Digest() != z.Digest() || back.Serial() != 2 {
				t.Errorf("restored: %v %v", ok, err)
			}
		}
		j.Close()
	}
}
