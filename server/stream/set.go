package stream

import (
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/sock"
	"github.com/ptrd/ptrd/server/worker"
)

// acceptPause is how long accepting rests when the process or the host is out of
// descriptors or memory, doubled up to acceptPauseMax while that lasts. New
// connections wait in the kernel's queue meanwhile.
const (
	acceptPause    = 5 * time.Millisecond
	acceptPauseMax = time.Second
)

// engine is how connections are accepted, read and written: by few workers with
// the connections as states (loop_linux.go), or by a goroutine for each
// (portable.go). What is done with what was read, and who may have a
// connection, is the same.
type engine interface {
	// start starts what all addresses share.
	start() error
	// prepare sets the options of a listening socket.
	prepare(ln *net.TCPListener) error
	// listen accepts connections from the sockets of l, which it owns from now on.
	listen(l *Listener) error
	// unlisten accepts what waits, closes the sockets and tells the connections of
	// l to end once what they were asked is answered. It does not wait for those.
	unlisten(l *Listener)
	// attend lets connections be served that have something to say and that the
	// scheduler has not looked at. UDP workers call it, each with its own turn.
	attend(turn int)
	// limitsChanged tells that other limits are in force.
	limitsChanged()
	// stop ends what start started. There are no connections any more, and nobody
	// in the deferred lane that would answer one.
	stop()
}

// Set are the connections of all addresses and the limits on them.
type Set struct {
	*worker.Group
	slow     *deferred.Lane
	identity atomic.Pointer[tlsIdentity] // nil: none yet
	engine   engine
	tls      *connEngine    // for TLS, on all systems alike
	wg       sync.WaitGroup // one a connection

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

func New(h *worker.Group, slow *deferred.Lane, seed uint64) *Set {
	t := &Set{
		Group:    h,
		slow:     slow,
		clients:  make(map[netip.Addr]*int),
		prefixes: make(map[netip.Addr]*int),
		random:   rand.New(rand.NewPCG(seed, 0)),
	}
	t.engine = newEngine(t)
	t.tls = newConnEngine(t, answer.TLS)
	return t
}

// Start starts what all addresses share.
func (t *Set) Start() error { return t.engine.start() }

// Wait waits for the end of all connections.
func (t *Set) Wait() { t.wg.Wait() }

// Stop ends what start started, after the deferred lane.
func (t *Set) Stop() {
	t.engine.stop()
	t.tls.stop()
}

// LimitsChanged reports that other limits apply.
func (t *Set) LimitsChanged() { t.engine.limitsChanged() }

// Attend serves connections that the scheduler has not looked at for long, see engine.
func (t *Set) Attend(turn int) { t.engine.attend(turn) }

// prefixKey is what counts as one neighbourhood when places are short: an IPv4
// /24, or an IPv6 /48, the least that somebody can have of the routing table.
func prefixKey(a netip.Addr) netip.Addr { return deferred.Masked(a, 24, 48) }

// add gives c a place, if need be that of the connection that deserves its own
// least; false where that cannot be: over the limit of its client, or over that of
// all while the deferred lane works for each.
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

// ended takes note of the end of a connection that add took.
func (t *Set) ended(c *tcpConn, reason answer.CloseReason) {
	t.mu.Lock()
	if t.drop(c) {
		t.closed[reason].Add(1)
	}
	t.mu.Unlock()
	t.wg.Done()
}

// drop takes c out of the table and reports whether it was there.
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

// acceptFailed takes note of an error of accept, after which accepting rests for a
// while. Where descriptors or memory are short, some connections end to make room.
func (t *Set) acceptFailed(err error) {
	t.acceptErrors.Add(1)
	worker.Warn(t.Log, "accepting a TCP connection", slog.Any("error", err))
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
