package server

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/workertest"
	"github.com/ptrd/ptrd/zone"
)

// from returns a client with an address of 127.0.0.0/8, all of which is this host on
// Linux alone.
func from(t *testing.T, addr string) *net.UDPConn {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("other addresses of 127.0.0.0/8 than 127.0.0.1 are this host's on Linux only")
	}
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(addr), 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// A flood of random names from one prefix is held off; the same prefix still gets
// answers with a cookie and over TCP, and others all of theirs.
func TestFloodFromOnePrefix(t *testing.T) {
	rng := servertest.Random(t)
	var log workertest.TestLog
	v := &answer.View{Zones: zone.NewSet(), Policy: &answer.Policy{RequireCookies: answer.RequireLimited}}
	for _, text := range servertest.Zones {
		v.Zones = v.Zones.With([]*zone.Zone{servertest.Zone(t, text)}, nil)
	}
	var err error
	if v.Policy.Cookies, err = answer.NewCookies([][]byte{make([]byte, 16)}); err != nil {
		t.Fatal(err)
	}
	v.Policy.RateLimit = floodLimits(t)
	r := serve(t, func(o *Options) {
		o.newAnswerer, o.Logger = nil, log.Logger()
		o.Now = func() time.Time { return time.Unix(servertest.Now, 0) } // no bucket fills, however slow the machine
		o.Views.Swap(v)
	}, "127.0.0.1")
	server := r.addr().String()
	attacker, other := from(t, "127.0.1.5"), from(t, "127.0.2.5")
	exchange := func(from net.Addr, m *dns.Msg) *dns.Msg {
		t.Helper()
		client := dns.Client{Dialer: &net.Dialer{LocalAddr: from, Timeout: await.Patience}, Timeout: await.Patience}
		if _, ok := from.(*net.TCPAddr); ok {
			client.Net = "tcp"
		}
		got, _, err := client.ExchangeContext(context.Background(), m, server)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	const rounds, each = 100, 50
	for round := range rounds {
		for range each {
			q := servertest.Packed(t, servertest.Query(fmt.Sprintf("%x.2.0.192.in-addr.arpa.", rng.Uint64()), dns.TypePTR))
			if _, err := attacker.WriteToUDPAddrPort(q, r.addr()); err != nil {
				t.Fatal(err)
			}
		}
		// Whoever is elsewhere gets each answer at the first try.
		if _, err := other.WriteToUDPAddrPort(servertest.Packed(t, servertest.Query("nope.2.0.192.in-addr.arpa.", dns.TypePTR)), r.addr()); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 512)
		other.SetReadDeadline(time.Now().Add(await.Patience))
		if n, err := other.Read(buf); err != nil || buf[3]&15 != dns.RcodeNameError || buf[2]&2 != 0 {
			t.Fatalf("round %d: % x, %v", round, buf[:n], err)
		}
		// Two workers have them: the other one may be far behind, and its socket has limited room.
		await.Equal(t, "requests received", uint64(round+1)*(each+1), func() uint64 { return r.Totals().Transports[answer.UDP].Received })
	}

	neighbour := net.IPv4(127, 0, 1, 200)
	nope := func(edits ...func(*dns.Msg)) *dns.Msg {
		return servertest.Query("nope.2.0.192.in-addr.arpa.", dns.TypePTR, edits...)
	}
	if got := exchange(&net.TCPAddr{IP: neighbour}, nope()); got.Rcode != dns.RcodeNameError {
		t.Errorf("over TCP: %v", got)
	}
	got := exchange(&net.UDPAddr{IP: neighbour}, nope(servertest.EDNS(servertest.Option(10, "0102030405060708"))))
	if got.Rcode != dns.RcodeBadCookie {
		t.Fatalf("with a client cookie: %v", got)
	}
	_, good, _ := strings.Cut(servertest.Options(got), "000a:")
	for range 20 {
		if got := exchange(&net.UDPAddr{IP: neighbour}, nope(servertest.EDNS(servertest.Option(10, good[:48])))); got.Rcode != dns.RcodeNameError || got.Truncated {
			t.Fatalf("with the cookie: %v", got)
		}
	}

	r.end()
	total := r.Totals()
	limited := total.Respond[answer.CountLimitedNXDomain]
	if over := uint64(rounds * each * 8 / 10); limited < over || total.Respond[answer.CountLimitDropped] < limited*4/10 {
		t.Errorf("%d of the flood's %d answers were limited, %d dropped", limited, rounds*each, total.Respond[answer.CountLimitDropped])
	}
	if all, used := r.RateBuckets(); all != 1<<17 || used < 2 {
		t.Errorf("%d of %d buckets used", used, all)
	}
	if text := log.String(); !strings.Contains(text, "answers are over a rate limit") || !strings.Contains(text, "prefix=127.0.1.0/24 kind=nxdomain log_only=false") || strings.Contains(text, "127.0.2.0") {
		t.Errorf("the log is\n%s", text)
	}
}

func floodLimits(t testing.TB) *answer.RateLimit {
	l, err := answer.NewRateLimit(answer.RateLimitOptions{
		Answers: 10, NoData: 200, NXDomains: 10, Referrals: 200, Errors: 50, All: 1000, Window: time.Minute, Slip: 2,
		IPv4Prefix: 24, IPv6Prefix: 56, Buckets: 1 << 17, Seed: [32]byte([]byte("a seed of thirty-two octets is it")[:32]),
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
