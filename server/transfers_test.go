package server

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/wire"
)

// A client that asks for transfers without end leaves room for others to wait in, who
// get theirs.
func TestTransferQueueIsShared(t *testing.T) {
	block := make(chan struct{})
	s := frontServer(t, func(o *Options) {
		o.Limits.Transfers, o.Limits.TransfersPer = 2, 1
		o.Limits.TCPPipeline = 2 * transferQueue
		o.Transfer = handlerFunc(func(ctx context.Context, r *SlowRequest) {
			wait(ctx, block)
			r.Fail(wire.RCodeNoError, 0, "")
		})
	})
	b, err := servertest.Query("2.0.192.in-addr.arpa.", dns.TypeAXFR).Pack()
	if err != nil {
		t.Fatal(err)
	}
	dialFrom := func(address string) *tcpClient {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
		conn, err := d.Dial("tcp", s.addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		return &tcpClient{t, conn.(*net.TCPConn)}
	}
	waiting := func(want int) {
		t.Helper()
		await(t, "transfers", func() bool { return s.Totals().Slow.TransfersWaiting == want })
	}
	greedy := dialFrom("127.0.0.2")
	greedy.send(framed(b))
	await(t, "a transfer", func() bool { return s.Totals().Slow.Transfers == 1 })
	for n := range transferQueue / 2 {
		greedy.send(framed(b))
		waiting(n + 1) // one by one, or the queue before this one would be full
	}
	greedy.send(framed(b))
	if m := greedy.receive(); m[3]&15 != dns.RcodeServerFailure {
		t.Errorf("beyond half of the queue: % x", m)
	}
	other := dialFrom("127.0.0.3")
	other.send(framed(b))
	await(t, "another client's transfer", func() bool { return s.Totals().Slow.Transfers == 2 })
	other.send(framed(b))
	waiting(transferQueue/2 + 1)
	close(block)
	for range 2 {
		if m := other.receive(); m[3]&15 != dns.RcodeSuccess {
			t.Errorf("another client: % x", m)
		}
	}
	for range transferQueue/2 + 1 {
		greedy.receive()
	}
	await(t, "rest", func() bool { return s.Totals().Slow.Working == 0 })
	checkLaws(t, s.Server)
	s.slow.transfers.mu.Lock()
	defer s.slow.transfers.mu.Unlock()
	if n := len(s.slow.transfers.clients); n != 0 {
		t.Errorf("%d clients are counted at rest", n)
	}
}
