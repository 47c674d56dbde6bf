package server

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/server/workertest"
)

// A client that asks for transfers without end leaves room for others to wait in, who
// get theirs.
func TestTransferQueueIsShared(t *testing.T) {
	block := make(chan struct{})
	s := frontServer(t, func(o *Options) {
		o.Limits.Transfers, o.Limits.TransfersPer = 2, 1
		o.Limits.TCPPipeline = 2 * deferred.TransferQueue
		o.Transfer = workertest.HandlerFunc(func(ctx context.Context, r *deferred.Request) {
			workertest.Wait(ctx, block)
			r.Fail(wire.RCodeNoError, 0, "")
		})
	})
	b, err := servertest.Query("2.0.192.in-addr.arpa.", dns.TypeAXFR).Pack()
	if err != nil {
		t.Fatal(err)
	}
	dialFrom := func(address string) *workertest.StreamClient {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
		conn, err := d.Dial("tcp", s.addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(await.Patience))
		return &workertest.StreamClient{T: t, TCPConn: conn.(*net.TCPConn)}
	}
	waiting := func(want int) {
		t.Helper()
		await.That(t, "transfers", func() bool { return s.Totals().Deferred.TransfersWaiting == want })
	}
	greedy := dialFrom("127.0.0.2")
	greedy.Send(workertest.Framed(b))
	await.That(t, "a transfer", func() bool { return s.Totals().Deferred.Transfers == 1 })
	for n := range deferred.TransferQueue / 2 {
		greedy.Send(workertest.Framed(b))
		waiting(n + 1) // one by one, or the queue before this one would be full
	}
	greedy.Send(workertest.Framed(b))
	if m := greedy.Receive(); m[3]&15 != dns.RcodeServerFailure {
		t.Errorf("beyond half of the queue: % x", m)
	}
	other := dialFrom("127.0.0.3")
	other.Send(workertest.Framed(b))
	await.That(t, "another client's transfer", func() bool { return s.Totals().Deferred.Transfers == 2 })
	other.Send(workertest.Framed(b))
	waiting(deferred.TransferQueue/2 + 1)
	close(block)
	for range 2 {
		if m := other.Receive(); m[3]&15 != dns.RcodeSuccess {
			t.Errorf("another client: % x", m)
		}
	}
	for range deferred.TransferQueue/2 + 1 {
		greedy.Receive()
	}
	await.That(t, "rest, and no client that is counted", func() bool {
		total := s.Totals().Deferred
		return total.Working == 0 && total.TransferClients == 0
	})
	checkLaws(t, s.Server)
}
