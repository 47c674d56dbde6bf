package zone_test

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

// TestHeld: what a Builder says that it holds is what it holds, whatever comes.
func TestHeld(t *testing.T) {
	long := strings.Repeat("x", 63)
	for what, c := range map[string]struct {
		apex   string
		record func(i int) zone.Record
	}{
		"short names": {"e.", func(i int) zone.Record {
			return zone.Record{Owner: dname.MustParse(fmt.Sprintf("%x.e.", i)), Type: rr.TypeA, Data: []byte{1, 2, 3, 4}}
		}},
		"long names": {"e.", func(i int) zone.Record {
			return zone.Record{Owner: dname.MustParse(fmt.Sprintf("%x.%s.%s.e.", i, long, long)), Type: rr.TypeA, Data: []byte{1, 2, 3, 4}}
		}},
		"the same again": {"e.", func(int) zone.Record {
			return zone.Record{Owner: dname.MustParse("e."), Type: 65280}
		}},
		"PTRs": {"10.in-addr.arpa.", func(i int) zone.Record {
			return zone.Record{Owner: dname.MustParse(fmt.Sprintf("%d.%d.%d.10.in-addr.arpa.", i&255, i>>8&255, i>>16)), Type: rr.TypePTR, Data: dname.MustParse(fmt.Sprintf("h%d.example.", i))}
		}},
		"PTRs with names of their own": {"10.in-addr.arpa.", func(i int) zone.Record {
			return zone.Record{Owner: dname.MustParse(fmt.Sprintf("%d.%d.%d.10.in-addr.arpa.", i&255, i>>8&255, i>>16)), Type: rr.TypePTR, Data: dname.MustParse(fmt.Sprintf("h.x%d.%s.", i, long))}
		}},
	} {
		heap := func() int64 {
			runtime.GC()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return int64(m.HeapAlloc)
		}
		before := heap()
		b := zone.NewBuilder(dname.MustParse(c.apex))
		for i := range 100_000 {
			b.Add(c.record(i))
		}
		held, really := b.Held(), heap()-before
		const slack = 1 << 20 // the last chunks
		if really > held*5/4+slack || held > really*5/4+slack {
			t.Errorf("%s: %d octets are said to be held, %d are", what, held, really)
		}
		runtime.KeepAlive(b)
	}
}

// TestMaxBytes: a zone that takes more memory than it may is not built to the end.
func TestMaxBytes(t *testing.T) {
	build := func(most int64) (*zone.Zone, []finding.Finding) {
		b := zone.NewBuilder(dname.MustParse("example."))
		b.SetVerbatim()
		b.SetMaxBytes(most)
		for _, r := range parseRecords(t, verbatimHead) {
			b.Add(r)
		}
		for i := range 10_000 {
			b.Add(zone.Record{Owner: dname.MustParse(fmt.Sprintf("%x.example.", i)), Type: rr.TypeA, TTL: 60, Data: []byte{1, 2, 3, 4}})
		}
		if b.Held() > 1_000_000 {
			t.Errorf("%d octets are held", b.Held())
		}
		return b.Build()
	}
	if z, findings := build(1_500_000); z == nil {
		t.Errorf("%v", findings)
	}
	for _, most := range []int64{1000, 1_000_000} { // before it begins, and in between
		z, findings := build(most)
		if z != nil || len(findings) != 1 || findings[0].Rule != "zone-too-large" || !strings.Contains(findings[0].Text, fmt.Sprint(most)) {
			t.Errorf("at most %d: %v %v", most, z != nil, findings)
		}
	}
}

// TestAtName: records of one name that would take a time which grows with their square
// are refused, whether they come as a whole or by a change.
func TestAtName(t *testing.T) {
	signature := func(i int) []byte {
		return append(binary.BigEndian.AppendUint32([]byte{0, 1}, uint32(i)), make([]byte, 20)...)
	}
	address := zone.Record{Owner: dname.MustParse("1.2.0.192.in-addr.arpa."), Type: rr.TypePTR, TTL: 60, Data: dname.MustParse("a.")}
	for what, c := range map[string]struct {
		n      int
		record func(i int) zone.Record
		code   string
		change string
	}{
		"the same": {70_000, func(int) zone.Record { return zone.Record{Type: 65280} }, "", "is there already"}, // a Builder drops repeats,
		"types":    {70_000, func(i int) zone.Record { return zone.Record{Type: rr.Type(1000 + i%60000)} }, "name-too-large", "more than 1000 types"},
		"an RRset": {60_000, func(i int) zone.Record {
			return zone.Record{Type: 65280, Data: binary.BigEndian.AppendUint32(nil, uint32(i))}
		}, "rrset-too-large", ""},
		"signatures": {60_000, func(i int) zone.Record { return zone.Record{Type: rr.TypeRRSIG, Data: signature(i)} }, "name-too-large", ""},
		"slots": {140_000, func(i int) zone.Record {
			r := address
			r.Owner = dname.MustParse(fmt.Sprintf("%d.2.0.192.in-addr.arpa.", i%2))
			r.Data = dname.MustParse(fmt.Sprintf("h%d.", i))
			return r
		}, "name-too-large", ""},
	} {
		apex := dname.MustParse("example.")
		head := parseRecords(t, verbatimHead)
		if what == "slots" {
			apex = dname.MustParse("2.0.192.in-addr.arpa.")
			for i := range head {
				head[i].Owner = apex
			}
		}
		bare := zone.NewBuilder(apex)
		b := zone.NewBuilder(apex)
		bare.SetVerbatim()
		b.SetVerbatim()
		for _, r := range head {
			b.Add(r)
			bare.Add(r)
		}
		var change zone.Changeset
		for i := range c.n {
			r := c.record(i)
			if r.TTL = 60; r.Owner == nil {
				r.Owner = dname.MustParse("a.example.")
			}
			b.Add(r)
			change.Added = append(change.Added, r)
		}
		z, findings := b.Build()
		switch {
		case c.code == "":
			if z == nil {
				t.Errorf("%s: %v", what, findings)
			}
		case z != nil || findings[len(findings)-1].Rule != c.code && findings[0].Rule != c.code:
			t.Errorf("%s: %v %.300v", what, z != nil, findings)
		}
		if c.change == "" {
			continue
		}
		base, findings := bare.Build()
		if base == nil {
			t.Fatal(findings)
		}
		if _, err := base.Apply(&change); err == nil || !strings.Contains(err.Error(), c.change) {
			t.Errorf("%s, as a change: %v", what, err)
		}
	}
}
