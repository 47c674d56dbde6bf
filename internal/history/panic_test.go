package history

import (
	"log/slog"
	"testing"

	"github.com/ptrd/ptrd/server/supervise"
	"github.com/ptrd/ptrd/zone/dname"
)

// TestPanicCostsOneZone: a panic over one zone does not keep the others from their turn.
func TestPanicCostsOneZone(t *testing.T) {
	guard := supervise.New(slog.New(slog.DiscardHandler))
	k := NewKeeper(Options{Guard: guard, Log: slog.New(slog.DiscardHandler)}) // without a journal, each look at it panics
	for _, apex := range []string{"2.0.192.in-addr.arpa.", "8.b.d.0.1.0.0.2.ip6.arpa."} {
		k.kept.zones[dname.MustParse(apex).Key()] = dname.MustParse(apex)
	}
	if !k.write(t.Context()) || guard.Counts()["history"] != 2 {
		t.Errorf("counts %v, want one for each zone", guard.Counts())
	}
}
