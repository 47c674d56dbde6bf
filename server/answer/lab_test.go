package answer

import (
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/server/servertest"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// lab is a Responder with something to serve and somebody who asks.
type lab struct {
	t testing.TB
	*Responder
	view    *View
	request Request
	room    int // octets of the buffer that responses are written to
}

// newLab returns a lab that serves the zones given as master files, each with an
// $ORIGIN, under the zero policy.
func newLab(t testing.TB, zones ...string) *lab {
	t.Helper()
	set := zone.NewSet()
	for _, text := range zones {
		set = set.With([]*zone.Zone{servertest.Zone(t, text)}, nil)
	}
	return &lab{
		t:         t,
		Responder: NewResponder(ResponderOptions{}),
		view:      &View{Zones: set, Policy: &Policy{}},
		request:   Request{Client: netip.MustParseAddrPort("198.51.100.7:53535"), Local: netip.MustParseAddrPort("203.0.113.1:53"), Now: servertest.Now},
		room:      65535,
	}
}

// dnssec adds an OPT record with DO.
func dnssec(m *dns.Msg) { m.SetEdns0(4096, true) }

// ask has the packed request answered and returns the response as another
// decoder reads it; nil without one.
func (l *lab) ask(m *dns.Msg) (*dns.Msg, Verdict) {
	l.t.Helper()
	b, err := m.Pack()
	if err != nil {
		l.t.Fatal(err)
	}
	return l.send(b)
}

func (l *lab) send(request []byte) (*dns.Msg, Verdict) {
	l.t.Helper()
	b, v := l.raw(request)
	if v != Answered {
		return nil, v
	}
	m := new(dns.Msg)
	if err := m.Unpack(b); err != nil {
		l.t.Fatalf("%v\n% x", err, b)
	}
	return m, v
}

func (l *lab) raw(request []byte) ([]byte, Verdict) {
	l.t.Helper()
	buf := make([]byte, max(l.room, len(request)))
	n, v := l.Respond(l.view, &l.request, buf, copy(buf, request))
	l.settle()
	return buf[:n], v
}

// must is ask for requests that are answered.
func (l *lab) must(m *dns.Msg) *dns.Msg {
	l.t.Helper()
	got, v := l.ask(m)
	if v != Answered {
		l.t.Fatalf("verdict %v for %v", v, m)
	}
	return got
}

// records returns records as text, one a line.
func records(list []dns.RR) string {
	var b strings.Builder
	for _, r := range list {
		if r.Header().Rrtype != dns.TypeOPT {
			b.WriteString(strings.ReplaceAll(r.String(), "\t", " ") + "\n")
		}
	}
	return b.String()
}

// summary returns what a response says: RCODE, flags and records by section.
func summary(m *dns.Msg) string {
	s := dns.RcodeToString[m.Rcode]
	if m.Rcode == dns.RcodeBadVers {
		s = "BADVERS"
	}
	for _, f := range []struct {
		set  bool
		name string
	}{{m.Authoritative, "aa"}, {m.Truncated, "tc"}, {m.RecursionDesired, "rd"}, {m.RecursionAvailable, "ra"}, {m.Zero, "z"}, {m.AuthenticatedData, "ad"}, {m.CheckingDisabled, "cd"}} {
		if f.set {
			s += " " + f.name
		}
	}
	s += "\n"
	for _, sec := range []struct {
		name string
		rrs  []dns.RR
	}{{"answer", m.Answer}, {"authority", m.Ns}, {"additional", m.Extra}} {
		if r := records(sec.rrs); r != "" {
			s += sec.name + ":\n" + r
		}
	}
	return s
}

// countZone has the queries for a zone counted.
func (l *lab) countZone(apex string) {
	l.view.Policy.CountsZones = true
	l.view.Policy.setZone(apex, ZonePolicy{Queries: new(atomic.Uint64)})
}

// setZone sets the policy of a zone.
func (p *Policy) setZone(apex string, own ZonePolicy) {
	p.HasZoneAccess = p.HasZoneAccess || own.Access != nil
	p.Zones = p.Zones.With([]zone.MapChange[ZonePolicy]{{Apex: dname.MustParse(apex), Value: &own}})
}
