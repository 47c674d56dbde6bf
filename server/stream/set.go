package stream

import (
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/sock"
	"github.com/ptrd/ptrd/server/worker"
)

// acceptPause is how long accepting pauses when the process or the host is out of
// descriptors or memory, doubled up to acceptPauseMax while that lasts. New connections wait
// in the kernel's queue meanwhile.
const (
	acceptPause    = 5 * time.Millisecond
	acceptPauseMax = time.Second
)

// engine accepts, reads and writes connections: with few workers and the connections as
// states (loop_linux.go), or with a goroutine for each (portable.go). What both share, the
// states of a connection and its limits, is in conn.go and queue.go.
type engine interface {
	// start starts what all addresses share.
	start() error
	// listen accepts connections from the sockets of l, which it owns from now on.
	listen(l *Listener) error
	// unlisten accepts the connections that wait, closes the sockets and makes the
	// connections of l end once their queries are answered. It does not wait for that.
	unlisten(l *Listener)
	// attend lets the scheduler serve connections that have something to read. UDP
	// workers call it, each with its own turn.
	attend(turn int)
	// limitsChanged reports that other limits apply.
	limitsChanged()
	// stop ends what start started. There are no connections any more, and the deferred
	// lane sends nothing.
	stop()
}

// Set are the connections of all addresses and the limits on them.
type Set struct {
	*worker.Group
	lane     *deferred.Lane
	identity atomic.Pointer[tlsIdentity] // nil: none yet
	engines  map[answer.Transport]engine // by transport
	wg       sync.WaitGroup              // of the connections

	mu       sync.Mutex
	all      []*tcpConn // in no order
	clients  map[netip.Addr]*int
	prefixes map[netip.Addr]*int // connections of each
	random   *rand.Rand

	open         atomic.Int64 // len(all)
	accepted     atomic.Uint64
	closed       [answer.NumCloseReasons]atomic.Uint64
	acceptErrors atomic.Uint64
	unsent       [answer.NumTransports][answer.NumSendFailures]atomic.Uint64
}

func New(h *worker.Group, lane *deferred.Lane, seed uint64) *Set {
	t := &Set{
		Group:    h,
		lane:     lane,
		clients:  make(map[netip.Addr]*int),
		prefixes: make(map[netip.Addr]*int),
		random:   rand.New(rand.NewPCG(seed, 0)),
	}
	t.engines = map[answer.Transport]engine{answer.TCP: newEngine(t), answer.TLS: newConnEngine(t, answer.TLS)}
	return t
}

// Start starts what all addresses share.
func (t *Set) Start() error {
	for _, e := range t.engines {
		if err := e.start(); err != nil {
			return err
		}
	}
	return nil
}

// Wait waits for the end of all connections.
func (t *Set) Wait() { t.wg.Wait() }

// Stop ends what Start started, after the deferred lane.
func (t *Set) Stop() {
	for _, e := range t.engines {
		e.stop()
	}
}

// LimitsChanged reports that other limits apply.
func (t *Set) LimitsChanged() {
	for _, e := range t.engines {
		e.limitsChanged()
	}
}

// Attend serves connections that the scheduler has not looked at for long, see engine.
func (t *Set) Attend(turn int) { t.engines[answer.TCP].attend(turn) }

// prefixKey is the prefix that an address belongs to when places are short: an IPv4 /24, or
// an IPv6 /48, the longest prefixes in the global routing table.
func prefixKey(a netip.Addr) netip.Addr { return deferred.Masked(a, 24, 48) }

// add gives c a place, if necessary that of the connection with the highest eviction score.
// It returns false if the client has too many connections, or if there are too many in all
// and the deferred lane works for each.
func (t *Set) add(c *tcpConn) bool {
	t.accepted.Add(1)
	limits := t.Limits.Load()
	client, prefix := deferred.ClientKey(c.client.Addr()), prefixKey(c.client.Addr())
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.clients[client]; n != nil && *n >= limits.TCPClientsPer {
		return t.refuse(answer.CloseClientLimit)
	}
	if len(t.all) >= limits.TCPClients && !t.evict() {
		return t.refuse(answer.CloseTotalLimit)
	}
	c.ofClient, c.ofPrefix = counterOf(t.clients, client), counterOf(t.prefixes, prefix)
	*c.ofClient++
	*c.ofPrefix++
	c.place = len(t.all)
	t.all = append(t.all, c)
	t.open.Store(int64(len(t.all)))
	t.wg.Add(1)
	return true
}

func (t *Set) refuse(reason answer.CloseReason) bool {
	t.closed[reason].Add(1)
	return false
}

func counterOf(m map[netip.Addr]*int, key netip.Addr) *int {
	n := m[key]
	if n == nil {
		n = new(int)
		m[key] = n
	}
	return n
}

// ended records the end of a connection that add added.
func (t *Set) ended(c *tcpConn, reason answer.CloseReason) {
	t.mu.Lock()
	if t.drop(c) {
		t.closed[reason].Add(1)
	}
	t.mu.Unlock()
	t.wg.Done()
}

// drop removes c from the table and reports whether it was there.
func (t *Set) drop(c *tcpConn) bool {
	if c.place < 0 {
		return false
	}
	last := len(t.all) - 1
	t.all[c.place] = t.all[last]
	t.all[c.place].place = c.place
	t.all[last] = nil
	t.all = t.all[:last]
	c.place = -1
	t.open.Store(int64(len(t.all)))
	a := c.client.Addr()
	if *c.ofClient--; *c.ofClient == 0 {
		delete(t.clients, deferred.ClientKey(a))
	}
	if *c.ofPrefix--; *c.ofPrefix == 0 {
		delete(t.prefixes, prefixKey(a))
	}
	return true
}

// acceptFailed records an error of accept, after which the caller pauses. If descriptors or
// memory are short, some connections are closed.
func (t *Set) acceptFailed(err error) {
	t.acceptErrors.Add(1)
	worker.Warn(t.Log, "a TCP connection cannot be accepted", slog.Any("err", err))
	if !sock.IsScarcity(err) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for range max(len(t.all)/evictPart, 1) {
		if !t.evict() {
			break
		}
	}
}

func (t *Set) AddTo(total *ConnTotals, transports *[answer.NumTransports]answer.TransportTotals) {
	for i := range t.closed {
		total.Closed[i] += t.closed[i].Load()
	}
	for k := range t.unsent {
		for i := range t.unsent[k] {
			transports[k].Unsent[i] += t.unsent[k][i].Load()
		}
	}
	total.Open = int(t.open.Load())
	total.Accepted += t.accepted.Load()
	total.AcceptErrors += t.acceptErrors.Load()
}
