package secondary

import (
	"context"
	"net/netip"
)

// MaxConns is how many sockets to primaries are open at a time.
const MaxConns = maxJobs

// Limits of concurrent work. Those of a single primary keep one that does not answer from delaying
// the zones of others.
const (
	maxJobs        = 64 // zones being checked or transferred; each needs some goroutines and, over TCP, 128 KiB
	maxJobsPer     = 24 // of one first primary
	maxTransfers   = 16 // each is a zone being built, in memory
	maxTransferPer = 8  // of one primary, which has a limit of its own and refuses transfers beyond it
)

// peer is the work with one primary, identified by its address. The mutex of the Follower guards its
// fields, except transfers.
type peer struct {
	jobs      int           // whose first primary it is
	queue     []*task       // that wait for one of these jobs to end, in the order of their arrival
	transfers chan struct{} // has an element for each transfer; it limits them
}

// peer returns the peer of a primary. It is called with mu held.
func (k *Follower) peer(p *Primary) *peer {
	addr := p.Address.Addr()
	if k.peers[addr] == nil {
		k.peers[addr] = &peer{transfers: make(chan struct{}, maxTransferPer)}
	}
	return k.peers[addr]
}

// removePeers forgets the primaries without jobs that no zone has any more. It is called with mu
// held. A transfer from one that returns soon after may be beyond its limit.
func (k *Follower) removePeers() {
	used := map[netip.Addr]bool{}
	for _, t := range k.tasks {
		for i := range t.conf.Primaries {
			used[t.conf.Primaries[i].Address.Addr()] = true
		}
	}
	for addr, p := range k.peers {
		if !used[addr] && p.jobs == 0 && len(p.queue) == 0 {
			delete(k.peers, addr)
		}
	}
}

// enqueue starts the job of a task that is due as soon as the limits allow. It is called with mu
// held.
func (k *Follower) enqueue(t *task) {
	p := k.peer(&t.conf.Primaries[0])
	t.phase = queued
	p.queue = append(p.queue, t)
	k.queued++
	k.startJobs(p)
}

// startJobs starts the jobs of a primary that the limits allow. It is called with mu held.
func (k *Follower) startJobs(p *peer) {
	for len(p.queue) > 0 && p.jobs < maxJobsPer && k.jobs < maxJobs {
		t := p.queue[0]
		p.queue = p.queue[1:]
		k.queued--
		if !k.isCurrent(t) {
			continue // removed meanwhile
		}
		p.jobs++
		k.jobs++
		t.phase = checking
		k.start(func(ctx context.Context) {
			defer k.endJob(p)
			k.job(ctx, t)
		})
	}
}

// endJob ends a job of a primary and starts the next, of this primary or of others.
func (k *Follower) endJob(p *peer) {
	k.mu.Lock()
	defer k.mu.Unlock()
	p.jobs--
	k.jobs--
	k.startJobs(p)
	for _, other := range k.peers {
		if k.queued == 0 || k.jobs >= maxJobs {
			break
		}
		k.startJobs(other)
	}
}

// beginTransfer waits until another transfer from a primary may begin. end is to be called after it.
// The error is that of ctx.
func (k *Follower) beginTransfer(ctx context.Context, from *Primary) (end func(), err error) {
	k.mu.Lock()
	p := k.peer(from)
	k.mu.Unlock()
	for _, limit := range []chan struct{}{p.transfers, k.transfers} {
		select {
		case limit <- struct{}{}:
			defer func() {
				if err != nil {
					<-limit
				}
			}()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return func() { <-k.transfers; <-p.transfers }, nil
}
