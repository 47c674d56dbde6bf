package answer

import (
	"testing"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/server/tsig"
)

// Answers over TLS are padded where the query is, signed or not, and on no other
// transport.
func TestTLSPadding(t *testing.T) {
	k := servertest.Key(t, "a.long.name.of.a.key.")
	l := newLab(t, servertest.Zones...)
	l.view.Policy.Keys = tsig.NewKeys([]*tsig.Key{k})
	pad := &dns.EDNS0_PADDING{Padding: make([]byte, 7)}
	for _, c := range []struct {
		name      string
		transport Transport
		options   []dns.EDNS0
		want      bool
	}{
		{"asked", TLS, []dns.EDNS0{pad}, true},
		{"with others", TLS, []dns.EDNS0{pad, &dns.EDNS0_TCP_KEEPALIVE{Code: dns.EDNS0TCPKEEPALIVE}, &dns.EDNS0_NSID{Code: dns.EDNS0NSID}}, true},
		{"not asked", TLS, nil, false},
		{"TCP", TCP, []dns.EDNS0{pad}, false},
		{"UDP", UDP, []dns.EDNS0{pad}, false},
	} {
		for _, name := range []string{"1.2.0.192.in-addr.arpa.", "2.0.192.in-addr.arpa.", "elsewhere.example."} {
			l.request.Transport = c.transport
			b, err := servertest.Query(name, dns.TypePTR, servertest.EDNS(c.options...)).Pack()
			if err != nil {
				t.Fatal(err)
			}
			got, v := l.raw(b)
			var m dns.Msg
			if err := m.Unpack(got); err != nil || v != Answered {
				t.Fatalf("%s: %v, %v", c.name, v, err)
			}
			padded := false
			for _, o := range m.IsEdns0().Option {
				padded = padded || o.Option() == dns.EDNS0PADDING
			}
			if padded != c.want || padded && len(got)%padBlock != 0 {
				t.Errorf("%s, %s: padded %v, %d octets", c.name, name, padded, len(got))
			}
			if c.transport != TLS {
				continue
			}
			b, verifier := k.Request(b, servertest.Now)
			buf, verdict := l.deferred(b)
			n := len(buf)
			if verdict != Answered {
				t.Fatalf("%s, signed: %v", c.name, verdict)
			}
			if _, err := verifier.Verify(buf, servertest.Now); err != nil {
				t.Errorf("%s, signed: %v", c.name, err)
			}
			if (n%padBlock == 0) != c.want {
				t.Errorf("%s, signed, %s: %d octets", c.name, name, n)
			}
		}
	}
}
