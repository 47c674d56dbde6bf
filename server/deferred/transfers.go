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
	// TransferQueue is how many transfers wait for their turn. A secondary that was just
	// started asks for all of its zones, on many connections.
	TransferQueue = 512

	// transferQueueUDP is the share of datagrams: the client repeats an IXFR over UDP soon,
	// and finally uses TCP.
	transferQueueUDP = TransferQueue / 8
)

// transferLane makes transfers, each in a goroutine, so that clients that read slowly do not delay
// updates and NOTIFY. A client has a limited number at a time; further ones wait.
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

// add adds to the counts of a client.
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

// enqueue makes a transfer, now or later. A client may have as many waiting transfers as there are
// free places: one that asks without end uses half of the queue, and the next one half of the
// rest.
func (t *transferLane) enqueue(ctx context.Context, r *Request) {
	limit := TransferQueue
	if r.Transport.IsDatagram() {
		limit = transferQueueUDP
	}
	client := ClientKey(r.Client.Addr())
	t.mu.Lock()
	if room := limit - len(t.waiting); room <= t.clients[client].waiting {
		t.mu.Unlock()
		t.lane.full.Add(1)
		if !r.Transport.IsDatagram() { // the client repeats a datagram
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

// next starts the waiting transfers that are within the limits. t.mu is held.
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

// work makes a transfer, and waits until the client has read all of it. Messages are made as the
// client reads them. If it does not, its connection ends (tcpSending of package stream).
func (t *transferLane) work(ctx context.Context, r *Request, client netip.Addr) {
	// Released in the opposite order, also after a panic: no request is a transfer that is not in work.
	defer r.End()
	defer t.leave(ctx, client)
	r.paced = true
	r.From.Transferring(1)
	defer r.From.Transferring(-1)
	t.lane.containRequest(r, func() {
		t.lane.handlers[answer.KindTransfer].Handle(ctx, r)
		_ = r.drain() // an error ends the connection
	})
}

// leave releases the place of a transfer.
func (t *transferLane) leave(ctx context.Context, client netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.working--
	t.add(client, -1, 0)
	t.next(ctx)
}

// wait waits for the end of all transfers. No new one may be requested.
func (t *transferLane) wait() { t.ended.Wait() }

func (t *transferLane) addTo(total *Totals) {
	t.mu.Lock()
	defer t.mu.Unlock()
	total.TransfersWaiting += len(t.waiting)
	total.Transfers += t.working
	total.TransferClients += len(t.clients)
}
