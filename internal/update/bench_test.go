package update

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// BenchmarkUpdate sends updates of one PTR each to a zone of a million, with the
// journal on disk, from clients that wait for the answer: how many there are decides
// how many updates share a flush.
func BenchmarkUpdate(b *testing.B) {
	const apex, names = "10.in-addr.arpa.", 1_000_000
	owner := func(i int) string { return fmt.Sprintf("%d.%d.%d.%s", i&255, i>>8&255, i>>16&255, apex) }
	bld := zone.NewBuilder(dname.MustParse(apex))
	for _, r := range zonetest.MustParse(apex, soaNS).Records() {
		bld.Add(r)
	}
	for i := range names {
		bld.Add(zone.Record{Owner: dname.MustParse(owner(i)), Type: rr.TypePTR, TTL: 60, Data: dname.MustParse(fmt.Sprintf("host-%d.pool.example.net.", i))})
	}
	z, _ := bld.Build()
	for _, dynamic := range []bool{true, false} {
		for _, clients := range []int{1, 16, 64, 256} {
			b.Run(fmt.Sprintf("dynamic=%v/clients=%d", dynamic, clients), func(b *testing.B) {
				j, err := journal.Open(filepath.Join(b.TempDir(), "journal.db"), journal.Options{})
				if err != nil {
					b.Fatal(err)
				}
				defer j.Close()
				store := commit.New(commit.Options{Journal: j})
				if !dynamic {
					z = z.WithLayers(zone.Layers{Static: z})
				}
				if err := store.Publish(&zone.Batch{Changes: []zone.Change{{Zone: z, Apex: z.Apex(), Kept: dynamic}}}); err != nil {
					b.Fatal(err)
				}
				u := New(Options{Store: store, Notes: j, Log: slog.New(slog.DiscardHandler)})
				if err := u.Adopt(&Policy{Zones: map[string]*ZonePolicy{z.Key(): anybody(dynamic)}}); err != nil {
					b.Fatal(err)
				}
				ctx, cancel := context.WithCancel(context.Background())
				var wg sync.WaitGroup
				wg.Go(func() { _ = u.Run(ctx) })
				free := make(chan int, clients)
				for i := range clients {
					free <- i
				}
				n := names
				for b.Loop() {
					i := <-free
					n++
					msg := encode(b, z.Apex(), nil, []Record{add(owner(n), "new.pool.example.net.")}, true)
					u.Submit(&Request{Message: msg, Client: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(i)), Answer: func(c wire.RCode, _ uint16, text string) {
						if c != wire.RCodeNoError {
							b.Error(c, text)
						}
						free <- i
					}})
				}
				for range clients {
					<-free
				}
				cancel()
				wg.Wait()
			})
		}
	}
}
