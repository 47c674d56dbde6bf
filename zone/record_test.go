package zone_test

import (
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

// Serial number arithmetic (RFC 1982 §3.2, §5.2).
func TestSerialBefore(t *testing.T) {
	for _, c := range []struct {
		s, t           zone.Serial
		before, behind bool
	}{
		{0, 1, true, false},
		{1, 1, false, false},
		{0, 44, true, false},
		{44, 100, true, false},
		{100, 200, true, false},
		{1<<32 - 1, 0, true, false},
		{1<<32 - 1, 1<<31 - 2, true, false},
		{0, 1<<31 - 1, true, false},
		{0, 1 << 31, false, false}, // not comparable
		{5, 1<<31 + 5, false, false},
		{0, 1<<31 + 1, false, true},
		{2024010100, 4294967295, false, true}, // more than 2^31 ahead is behind
	} {
		if got := c.s.Before(c.t); got != c.before {
			t.Errorf("%d before %d: %v", c.s, c.t, got)
		}
		if got := c.t.Before(c.s); got != c.behind {
			t.Errorf("%d before %d: %v", c.t, c.s, got)
		}
	}
}

// A generated serial is the time where that is later, else one more; it always
// comes after the one before.
func TestSerialNext(t *testing.T) {
	const now = 1_800_000_000
	for _, c := range []struct {
		s    zone.Serial
		unix int64
		want zone.Serial
	}{
		{1, now, now},
		{now - 1, now, now},
		{now, now, now + 1},
		{now + 1, now, now + 2}, // several changes in a second
		{2024010100, now, 2024010101},
		{1<<32 - 1, now, now},               // wrapped: the time is ahead
		{1<<32 - 1, 1<<32 + 5, 5},           // after 2106
		{now + 1<<31, now, now + 1<<31 + 1}, // not comparable
		{0, 0, 1},
		{0, -1, 1},
		{3_000_000_000, 100, 3_000_000_001},           // a clock that starts in 1970
		{100, now, now},                               // and was set since
		{now, now + 14*365*86400, now + 14*365*86400}, // one that is ahead
		{now + 14*365*86400, now, now + 14*365*86400 + 1},
	} {
		got := c.s.Next(c.unix)
		if got != c.want {
			t.Errorf("serial after %d at %d: %d, want %d", c.s, c.unix, got, c.want)
		}
		if !c.s.Before(got) {
			t.Errorf("serial after %d at %d: %d is not after it", c.s, c.unix, got)
		}
	}
}

func TestFindingString(t *testing.T) {
	owner := dname.MustParse("1.2.0.192.in-addr.arpa.")
	for want, f := range map[string]finding.Finding{
		"a rule":                                 {Text: "a rule"},
		"1.2.0.192.in-addr.arpa.: a rule":        {Owner: owner, Text: "a rule"},
		"PTR at 1.2.0.192.in-addr.arpa.: a rule": {Owner: owner, Type: rr.TypePTR, Text: "a rule"},
	} {
		if got := f.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A zone without data knows its apex and takes no change.
func TestUnavailable(t *testing.T) {
	apex := dname.MustParse("2.0.192.in-addr.arpa.")
	z := zone.Unavailable(apex, "no file")
	if z.IsAvailable() || !z.Apex().Equal(apex) {
		t.Errorf("available: %v, apex %v", z.IsAvailable(), z.Apex())
	}
	for r := range z.All() {
		t.Errorf("holds %v", r)
	}
	if _, ok := z.Get(apex, rr.TypeSOA); ok {
		t.Error("holds an SOA")
	}
	if next, err := z.Apply(&zone.Changeset{Apex: apex}); err == nil || next != nil {
		t.Error("takes a change")
	}
	check(t, z)
}
