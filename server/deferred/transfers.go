package deferred

import (
	"context"
	"net/netip"
	"slices"
	"sync"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/wire"
)

const (
	// TransferQueue is how many transfers wait for their turn: a secondary that was
	// just started asks for all of its zones, as fast as it has connections.
	TransferQueue = 512

	// transferQueueUDP is the share of it that datagrams may take: an IXFR over UDP
	// is asked again soon, by TCP in the end.
	transferQueueUDP = TransferQueue / 8
)

// transferLane has the transfers, a goroutine each, so that those who take one
// slowly hold up neither updates nor NOTIFY. A client has no more than its share of
// them at a time; what it asks for beyond that waits.
type transferLane struct {
	lane  *Lane
	ended sync.WaitGroup

	mu      sync.Mutex
	waiting []*Request // in the order they came
	working int
	clients map[netip.Addr]transferShare
}

// transferShare counts the transfers of a client.
type transferShare struct{ working, waiting int }

// add counts what comes and goes.
func (t *transferLane) add(client netip.Addr, working, waiting int) {
	s := t.clients[client]
	s.working += working
	s.waiting += waiting
	if s == (transferShare{}) {
		delete(t.clients, client)
		return
	}
	t.clients[client] = s
}

// take has a transfer made, now or when it is its turn. No more may wait of a client
// than there is room for others beside: one that asks without end takes half of the
// queue, and the next one half of the rest.
func (t *transferLane) take(ctx context.Context, r *Request) {
	limit := TransferQueue
	if r.Transport.IsDatagram() {
		limit = transferQueueUDP
	}
	client := ClientKey(r.Client.Addr())
	t.mu.Lock()
	if room := limit - len(t.waiting); room <= t.clients[client].waiting {
		t.mu.Unlock()
		t.lane.full.Add(1)
		if !r.Transport.IsDatagram() { // a datagram comes again
			_ = r.Fail(wire.RCodeServFail, wire.EDENotReady, "too many transfers are waiting, try again") // the client may be gone
		}
		return
	}
	r.Hold()
	t.waiting = append(t.waiting, r)
	t.add(client, 0, 1)
	t.next(ctx)
	t.mu.Unlock()
}

// next starts whatever may start. t.mu is held.
func (t *transferLane) next(ctx context.Context) {
	limits := t.lane.Limits.Load()
	for i := 0; i < len(t.waiting) && t.working < limits.Transfers; {
		r := t.waiting[i]
		client := ClientKey(r.Client.Addr())
		if t.clients[client].working >= limits.TransfersPer {
			i++
			continue
		}
		t.waiting = slices.Delete(t.waiting, i, i+1)
		t.working++
		t.add(client, 1, -1)
		t.ended.Go(func() { t.lane.Contain("transfer", func() { t.work(ctx, r, client) }) })
	}
}

// work has a transfer made, and waits until the client took all of it. The messages
// are made as the client takes them; what ends one that does not is its connection
// (tcpSending).
func (t *transferLane) work(ctx context.Context, r *Request, client netip.Addr) {
	// What it has is given back in the opposite order, whatever panics.
	defer t.leave(ctx, client)
	defer r.End()
	r.paced = true
	r.From.Transferring(1)
	defer r.From.Transferring(-1)
	t.lane.containRequest(r, func() {
		t.lane.handlers[answer.KindTransfer].Handle(ctx, r)
		_ = r.drain() // an error is the connection's, which ends for it
	})
}

// leave gives back the place of a transfer.
func (t *transferLane) leave(ctx context.Context, client netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.working--
	t.add(client, -1, 0)
	t.next(ctx)
}

// wait waits for the end of all transfers. Nobody may ask for one any more.
func (t *transferLane) wait() { t.ended.Wait() }

func (t *transferLane) addTo(total *Totals) {
	t.mu.Lock()
	defer t.mu.Unlock()
	total.TransfersWaiting += len(t.waiting)
	total.Transfers += t.working
	total.TransferClients += len(t.clients)
}
