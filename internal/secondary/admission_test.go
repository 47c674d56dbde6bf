package secondary

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/ptrd/ptrd/zone"
)

// TestTransferLimits: transfers from one primary and from all primaries are limited. One that is
// canceled while it waits leaves nothing behind.
func TestTransferLimits(t *testing.T) {
	k := NewFollower(Options{})
	primary := func(i int) *Primary {
		return &Primary{Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 53)}
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	begin := func(i int) (end func()) {
		t.Helper()
		end, err := k.beginTransfer(t.Context(), primary(i))
		if err != nil {
			t.Fatal(err)
		}
		return end
	}
	var ends []func()
	for range maxTransferPer {
		ends = append(ends, begin(1))
	}
	refused := func(i int) {
		t.Helper()
		// A canceled context may still get what is free, so it is tried often.
		for range 100 {
			if _, err := k.beginTransfer(canceled, primary(i)); !errors.Is(err, context.Canceled) {
				t.Fatalf("a transfer beyond the limits: %v", err)
			}
		}
	}
	refused(1)
	for i := 2; len(ends) < maxTransfers; i++ {
		ends = append(ends, begin(i))
	}
	refused(100) // it waits for the others, and then not for its own limit
	if n := len(k.peer(primary(100)).transfers); n != 0 {
		t.Errorf("%d transfers of a primary without any", n)
	}
	ends[0]()
	ends[0] = begin(1)
	for _, end := range ends {
		end()
	}
	if n := len(k.transfers) + len(k.peer(primary(1)).transfers); n != 0 {
		t.Errorf("%d transfers after all have ended", n)
	}
}

// TestPeersOfRemovedZones: nothing is remembered of the primaries of zones that are removed.
func TestPeersOfRemovedZones(t *testing.T) {
	l := newLab(t)
	l.idle()
	count := func(field func() int) int {
		l.k.mu.Lock()
		defer l.k.mu.Unlock()
		return field()
	}
	peers := func() int { return len(l.k.peers) }
	l.await("the end of the job", func(State) bool { return count(func() int { return l.k.jobs }) == 0 })
	if n := count(peers); n != 1 {
		t.Errorf("%d primaries, want 1", n)
	}
	l.configure()
	if n := count(peers); n != 0 {
		t.Errorf("%d primaries of no zone", n)
	}
}

// TestReplaceOfRemovedZone: a zone that was removed is not served again, which is no error.
func TestReplaceOfRemovedZone(t *testing.T) {
	l := newLab(t)
	l.idle()
	l.k.mu.Lock()
	task := l.k.tasks[l.conf.Apex.Key()]
	l.k.mu.Unlock()
	l.configure()
	done, err := l.k.replace(task, "expiry", func() *zone.Zone { return zone.Expired(l.conf.Apex, expiredReason) })
	if done || err != nil {
		t.Errorf("replaced: %v, %v", done, err)
	}
	if z := l.served(); z != nil {
		t.Errorf("serial %d is served", z.Serial())
	}
}
