package daemon

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/ptrd/ptrd/zone"
)

func TestEarlierIsToldOnce(t *testing.T) {
	at := time.Unix(1_000_000, 0)
	outcome := func(seconds int, inForce bool, changed ...ChangedZone) *Outcome {
		return &Outcome{At: at.Add(time.Duration(seconds) * time.Second), InForce: inForce, Changed: changed}
	}
	changed := func(from, to zone.Serial) ChangedZone {
		return ChangedZone{Zone: "a.", What: "changed", From: from, To: to}
	}
	var e earlier
	e.add(outcome(0, true, changed(1, 2)))
	e.add(outcome(8, true, changed(2, 3)))
	e.add(outcome(9, false))
	if got := e.merge(outcome(11, false)); len(got.Changed) != 0 {
		t.Errorf("a refused reload told of %v", got.Changed)
	}
	if got := e.merge(outcome(12, true)); !reflect.DeepEqual(got.Changed, []ChangedZone{changed(2, 3)}) {
		t.Errorf("told %v, want what changed in the last ten seconds", got.Changed)
	}
	if got := e.merge(outcome(13, true)); len(got.Changed) != 0 {
		t.Errorf("told twice: %v", got.Changed)
	}
}

func TestStepsTogether(t *testing.T) {
	one := func(what string, from, to zone.Serial) []ChangedZone {
		return []ChangedZone{{Zone: "a.", What: what, From: from, To: to}}
	}
	for _, c := range []struct{ first, second, want []ChangedZone }{
		{one("added", 0, 1), one("changed", 1, 2), one("added", 0, 2)},
		{one("added", 0, 1), one("removed", 1, 0), []ChangedZone{}},
		{one("changed", 1, 2), one("changed", 2, 3), one("changed", 1, 3)},
		{one("changed", 1, 2), one("removed", 2, 0), one("removed", 1, 0)},
		{one("removed", 1, 0), one("added", 0, 5), one("changed", 1, 5)},
		{nil, one("changed", 1, 2), one("changed", 1, 2)},
	} {
		if got := mergeZones(c.first, c.second); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%v, then %v: %v, want %v", c.first, c.second, got, c.want)
		}
	}
	a, b := netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:2")
	first, other := []netip.AddrPort{a}, []netip.AddrPort{b}
	if open, closed := mergeAddresses(first, other, other, first); len(open)+len(closed) != 0 {
		t.Errorf("opened and closed again: %v, %v", open, closed)
	}
	if open, closed := mergeAddresses(first, nil, nil, other); !reflect.DeepEqual(open, first) || !reflect.DeepEqual(closed, other) {
		t.Errorf("opened %v, closed %v", open, closed)
	}
}
