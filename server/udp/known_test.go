package udp

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/server/workertest"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// A flood of strangers' datagrams leaves room in the deferred lane for known clients, by
// address, signature or cookie, and these leave room for TCP.
func TestStrangersLeaveRoomForKnownClients(t *testing.T) {
	block := make(chan struct{})
	p := new(answer.Policy)
	v := &answer.View{Zones: zone.NewSet().With([]*zone.Zone{servertest.Zone(t, servertest.Zones[0])}, nil), Policy: p}
	var err error
	if p.Cookies, err = answer.NewCookies([][]byte{make([]byte, 16)}); err != nil {
		t.Fatal(err)
	}
	p.Known = answer.NewKnown(answer.KnownOptions{Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}, Keys: []dname.Name{dname.MustParse("key.")}, Now: servertest.Now - 10, Seed: [32]byte([]byte("a seed of thirty-two octets is it")[:32])}, nil)
	proven, holder := netip.MustParseAddrPort("192.0.2.2:53"), netip.MustParseAddrPort("192.0.2.3:53")
	p.Keys = tsig.NewKeys([]*tsig.Key{servertest.Key(t, "key.")})
	ask := func(client netip.AddrPort, deferred bool, request []byte) *dns.Msg {
		d := &answer.Deferred{Request: answer.Request{Client: client, Now: servertest.Now}, View: v, Message: request}
		if deferred {
			d.Request.Deferred = d
		}
		buf := make([]byte, 4096)
		n, _ := answer.NewResponder(answer.ResponderOptions{}).Respond(v, &d.Request, buf, copy(buf, request))
		m := new(dns.Msg)
		if err := m.Unpack(buf[:n]); err != nil {
			t.Fatal(err)
		}
		return m
	}
	request, _ := servertest.Signed(t, servertest.Key(t, "key."), servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR), servertest.Now)
	ask(proven, true, request)
	cookie := servertest.EDNS(&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "636c69656e74636b"})
	cookie = servertest.EDNS(ask(holder, false, servertest.Packed(t, servertest.Query("10.2.0.192.in-addr.arpa.", dns.TypePTR, cookie))).IsEdns0().Option...)
	r := newMemRun(t, func(o *Options) {
		o.NewAnswerer = nil
		o.Views.Swap(v)
		o.Now = func() time.Time { return time.Unix(servertest.Now, 0) }
		o.HandleAll = workertest.HandlerFunc(func(_ context.Context, r *deferred.Request) { <-block })
	})
	update := func(edits ...func(*dns.Msg)) []byte {
		return servertest.Packed(t, servertest.Query("2.0.192.in-addr.arpa.", dns.TypeSOA, append(edits, func(m *dns.Msg) { m.Opcode = dns.OpcodeUpdate })...))
	}
	r.start()
	for i := range deferred.Workers { // which all workers are at
		r.socket.in <- memDatagram{client: netip.MustParseAddrPort(fmt.Sprintf("203.0.113.%d:4242", i)), local: workertest.MemLocal, data: update()}
	}
	await.That(t, "work", func() bool { return r.server.Totals().Deferred.Working == deferred.Workers })
	for i := range deferred.QueueDatagrams + 20 {
		r.socket.in <- memDatagram{client: netip.MustParseAddrPort(fmt.Sprintf("198.51.100.%d:4242", i)), local: workertest.MemLocal, data: update()}
	}
	await.That(t, "the flood", func() bool {
		return r.server.Totals().Transports[answer.UDP].Received == deferred.Workers+deferred.QueueDatagrams+20
	})
	flood := r.server.Totals().Transports[answer.UDP].Deferred
	if flood != deferred.Workers+deferred.QueueStrangers {
		t.Errorf("%d of the flood are in the queue, want %d", flood-deferred.Workers, deferred.QueueStrangers)
	}
	r.socket.in <- memDatagram{client: netip.MustParseAddrPort("192.0.2.1:53"), local: workertest.MemLocal, data: update()}
	r.socket.in <- memDatagram{client: proven, local: workertest.MemLocal, data: update()}
	r.socket.in <- memDatagram{client: holder, local: workertest.MemLocal, data: update(cookie)}
	await.That(t, "the known clients", func() bool {
		return r.server.Totals().Transports[answer.UDP].Received == deferred.Workers+deferred.QueueDatagrams+23
	})
	if n := r.server.Totals().Transports[answer.UDP].Deferred - flood; n != 3 {
		t.Errorf("%d of 3 known clients found room", n)
	}
	if r.server.lane.HasRoom(answer.UDP, false) || !r.server.lane.HasRoom(answer.TCP, false) {
		t.Error("the shares of the queue do not hold")
	}
	close(block)
	if err := r.finish(); err != nil {
		t.Fatal(err)
	}
	checkLaws(t, r.server)
}
