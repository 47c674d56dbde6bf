package server

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ptrd/ptrd/server/wire"
)

const (
	// transferQueue is how many transfers wait for their turn: a secondary that was
	// just started asks for all of its zones, as fast as it has connections.
	transferQueue = 512

	// transferQueueUDP is the share of it that datagrams may take: an IXFR over UDP
	// is asked again soon, by TCP in the end.
	transferQueueUDP = transferQueue / 8
)

// transferLane has the transfers, a goroutine each, so that those who take one
// slowly hold up neither updates nor NOTIFY. A client has no more than its share of
// them at a time; what it asks for beyond that waits.
type transferLane struct {
	lane    *slowLane
	handler SlowHandler // nil: there are none
	limits  *atomic.Pointer[Limits]
	ended   sync.WaitGroup

	mu      sync.Mutex
	waiting []*SlowRequest // in the order they came
	working int
	clients map[netip.Addr]int // working for each
}

// take has a transfer made, now or when it is its turn.
func (t *transferLane) take(ctx context.Context, r *SlowRequest) {
	limit := transferQueue
	if r.Transport == UDP {
		limit = transferQueueUDP
	}
	t.mu.Lock()
	if len(t.waiting) >= limit {
		t.mu.Unlock()
		t.lane.full.Add(1)
		if r.Transport == TCP { // a datagram comes again
			_ = r.Fail(wire.RCodeServFail, wire.EDENotReady, "too many transfers are waiting, try again") // the client may be gone
		}
		return
	}
	r.Hold()
	t.waiting = append(t.waiting, r)
	t.next(ctx)
	t.mu.Unlock()
}

// next starts whatever may start. t.mu is held.
func (t *transferLane) next(ctx context.Context) {
	limits := t.limits.Load()
	for i := 0; i < len(t.waiting) && t.working < limits.Transfers; {
		r := t.waiting[i]
		client := clientKey(r.Client.Addr())
		if t.clients[client] >= limits.TransfersPer {
			i++
			continue
		}
		t.waiting = slices.Delete(t.waiting, i, i+1)
		t.working++
		t.clients[client]++
		t.ended.Go(func() { t.work(ctx, r, client) })
	}
}

func (t *transferLane) work(ctx context.Context, r *SlowRequest, client netip.Addr) {
	t.lane.contain(r, func() { t.handler.HandleSlow(ctx, r) })
	r.End()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.working--
	if t.clients[client]--; t.clients[client] == 0 {
		delete(t.clients, client)
	}
	t.next(ctx)
}

// wait waits for the end of all transfers. Nobody may ask for one any more.
func (t *transferLane) wait() { t.ended.Wait() }

func (t *transferLane) addTo(total *SlowTotals) {
	t.mu.Lock()
	defer t.mu.Unlock()
	total.TransfersWaiting += len(t.waiting)
	total.Transfers += t.working
}
