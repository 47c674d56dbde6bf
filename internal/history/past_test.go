package history

import (
	"strings"
	"testing"
	"time"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
	"github.com/ptrd/ptrd/zone/rr"
)

const reverse = "2.0.192.in-addr.arpa."

var noon = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

func minutes(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }

// targetAt returns the target of the first PTR of 192.0.2.1 at a time; gone: there was no zone.
func (p *past) targetAt(at time.Time) string {
	p.Helper()
	apex := dname.MustParse(reverse)
	z, err := Rewind(p.journal, apex, p.store.Set().Get(apex), at)
	switch {
	case err != nil:
		return err.Error()
	case z == nil:
		return "gone"
	}
	set, ok := z.Get(dname.MustParse("1."+reverse), rr.TypePTR)
	if !ok {
		return "none"
	}
	return rr.Text(rr.TypePTR, set.First(nil))
}

// A zone is rewound to what it was at each time, whatever it went through, and what the history does
// not have is an error.
func TestRewind(t *testing.T) {
	p := newPast(t)
	p.set(reverse, minutes(0), "a", 1, "")
	p.set(reverse, minutes(10), "b", 2, "1 60 PTR one.example.net.\n")
	p.set(reverse, minutes(20), "c", 3, "1 60 PTR two.example.net.\n")
	p.set(reverse, minutes(30), "d", 4, "2 60 PTR one.example.net.\n")
	check := func(when time.Time, want string) {
		t.Helper()
		if got := p.targetAt(when); got != want {
			t.Errorf("at %v: %q, want %q", when, got, want)
		}
	}
	check(minutes(40), "none")
	check(minutes(30), "none")
	check(minutes(30).Add(-time.Second), "two.example.net.")
	check(minutes(19), "one.example.net.")
	check(minutes(5), "none")
	begins := "zone 2.0.192.in-addr.arpa.: its history begins at 2026-11-29 12:00:00 UTC; what was served before is not stored"
	check(minutes(-1), begins)

	p.remove(reverse, minutes(50))
	check(minutes(55), "gone")
	check(minutes(45), "zone 2.0.192.in-addr.arpa. has no data now that its changes could be undone in; `ptrd log 2.0.192.in-addr.arpa.` lists them")
	p.set(reverse, minutes(60), "e", 9, "1 60 PTR three.example.net.\n")
	p.set(reverse, minutes(70), "f", 10, "1 60 PTR four.example.net.\n")
	check(minutes(65), "three.example.net.")
	check(minutes(55), "gone")
	check(minutes(45), strings.Replace(begins, "12:00:00", "13:00:00", 1))

	p.journal.SetLimits(journal.Limits{MaxSize: 1 << 20, MaxAge: time.Minute}, nil)
	if err := p.journal.Trim(minutes(120)); err != nil {
		t.Fatal(err)
	}
	if got := p.targetAt(minutes(65)); got == "three.example.net." || !strings.Contains(got, "its history begins at ") && got != "gone" {
		t.Errorf("of a trimmed history: %q", got)
	}
}

func TestOrigins(t *testing.T) {
	p := newPast(t)
	p.set(reverse, minutes(0), "transfer", 1, "3 60 PTR three.example.net.\n")
	p.set(reverse, minutes(10), "update by a", 2, "1 60 PTR one.example.net.\n3 60 PTR three.example.net.\n")
	p.set(reverse, minutes(20), "update by b", 3, "1 60 PTR one.example.net.\n2 60 PTR two.example.net.\n3 60 PTR three.example.net.\n")
	p.set(reverse, minutes(30), "update by c", 4, "1 90 PTR ONE.example.net.\n2 60 PTR two.example.net.\n3 60 PTR three.example.net.\n")
	p.set(reverse, minutes(40), "update by d", 5, "1 90 PTR ONE.example.net.\n")
	p.set(reverse, minutes(50), "update by e", 6, "1 90 PTR ONE.example.net.\n2 60 PTR two.example.net.\n")
	record := func(owner string, ttl uint32, target string) zone.Record {
		return zone.Record{Owner: dname.MustParse(owner + "." + reverse), Type: rr.TypePTR, TTL: ttl, Data: dname.MustParse(target)}
	}
	for _, c := range []struct {
		upTo zone.Serial
		r    zone.Record
		want string
	}{
		{4, record("1", 90, "one.example.net."), "update by c, serial 4, 2026-11-29 12:30:00 UTC"},
		{3, record("1", 60, "one.example.net."), "update by a, serial 2, 2026-11-29 12:10:00 UTC"},
		{4, record("2", 60, "TWO.example.net."), "update by b, serial 3, 2026-11-29 12:20:00 UTC"},
		{6, record("2", 60, "two.example.net."), "update by e, serial 6, 2026-11-29 12:50:00 UTC"},
		{4, record("3", 60, "three.example.net."), "transfer, serial 1, 2026-11-29 12:00:00 UTC"},
	} {
		lines, err := Origins(p.journal, dname.MustParse(reverse), c.upTo, []zone.Record{c.r})
		if err != nil || len(lines) != 1 || lines[0].By() != c.want {
			t.Errorf("%v up to %d: %+v %v, want %q", c.r.Owner, c.upTo, lines, err, c.want)
		}
	}
}
