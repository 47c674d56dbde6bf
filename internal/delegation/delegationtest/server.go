package delegationtest

import (
	"context"
	"strings"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Server is an authoritative server for some zones. It knows referrals, glue, CNAME and DNAME,
// but no wildcards.
type Server struct {
	zones map[string][]dns.RR
}

// NewServer returns a server for zones, each a master file that begins with its SOA record.
// It panics on one that is not valid.
func NewServer(zones ...string) *Server {
	s := &Server{zones: map[string][]dns.RR{}}
	for _, text := range zones {
		p := dns.NewZoneParser(strings.NewReader(text), ".", "")
		p.SetDefaultTTL(3600)
		var records []dns.RR
		for r, ok := p.Next(); ok; r, ok = p.Next() {
			r.Header().Name = strings.ToLower(r.Header().Name)
			records = append(records, r)
		}
		if p.Err() != nil || len(records) == 0 || records[0].Header().Rrtype != dns.TypeSOA {
			panic("not a zone that begins with a SOA record: " + text)
		}
		s.zones[records[0].Header().Name] = records
	}
	return s
}

// Host returns a host on which the server runs.
func (s *Server) Host() *Host { return &Host{Answer: s.Answer} }

// Answer answers a request as RFC 1034 §4.3.2 describes.
func (s *Server) Answer(request *dns.Msg, _ delegation.Transport) *dns.Msg {
	m := new(dns.Msg).SetReply(request)
	if opt := request.IsEdns0(); opt != nil {
		m.SetEdns0(1232, opt.Do())
		if opt.Version() != 0 {
			m.Rcode = dns.RcodeBadVers
			return m
		}
	}
	q := request.Question[0]
	name := strings.ToLower(q.Name)
	apex := s.zoneOf(name, q.Qtype)
	if apex == "" {
		m.Rcode = dns.RcodeRefused
		return m
	}
	s.resolve(m, name, q.Qtype, apex)
	return m
}

// zoneOf returns the apex of the zone that answers, or empty.
func (s *Server) zoneOf(name string, qtype uint16) (apex string) {
	for zone := range s.zones {
		if dns.IsSubDomain(zone, name) && len(zone) > len(apex) && !(qtype == dns.TypeDS && zone == name && name != "." && s.zoneOf(name, 0) != "" && s.hasAbove(name)) {
			apex = zone
		}
	}
	return apex
}

// hasAbove reports whether the server has a zone above name.
func (s *Server) hasAbove(name string) bool {
	for zone := range s.zones {
		if zone != name && dns.IsSubDomain(zone, name) {
			return true
		}
	}
	return false
}

// resolve adds what the zone has for a name and type.
func (s *Server) resolve(m *dns.Msg, name string, qtype uint16, apex string) {
	records := s.zones[apex]
	for _, r := range records { // zone cuts
		if h := r.Header(); h.Rrtype == dns.TypeNS && h.Name != apex && dns.IsSubDomain(h.Name, name) && !(qtype == dns.TypeDS && h.Name == name) {
			m.Ns = append(m.Ns, r)
			for _, g := range records {
				if t := g.Header().Rrtype; (t == dns.TypeA || t == dns.TypeAAAA) && g.Header().Name == strings.ToLower(r.(*dns.NS).Ns) {
					m.Extra = append([]dns.RR{g}, m.Extra...)
				}
			}
		}
	}
	if m.Ns != nil {
		return
	}
	m.Authoritative = true
	exists := false
	for _, r := range records {
		h := r.Header()
		exists = exists || dns.IsSubDomain(name, h.Name)
		switch {
		case h.Rrtype == dns.TypeDNAME && h.Name != name && dns.IsSubDomain(h.Name, name):
			target := strings.TrimSuffix(name, h.Name) + r.(*dns.DNAME).Target
			m.Answer = append(m.Answer, r, &dns.CNAME{Hdr: dns.RR_Header{Name: m.Question[0].Name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: h.Ttl}, Target: target})
			return
		case h.Name == name && (h.Rrtype == qtype || h.Rrtype == dns.TypeCNAME):
			m.Answer = append(m.Answer, r)
		}
	}
	if m.Answer == nil {
		m.Ns = records[:1]
		if !exists {
			m.Rcode = dns.RcodeNameError
		}
	}
}

// Resolver returns a host that answers as a resolver does, from what a client finds.
func Resolver(c *delegation.Client) *Host {
	return &Host{Answer: func(request *dns.Msg, _ delegation.Transport) *dns.Msg {
		m := new(dns.Msg).SetReply(request)
		m.RecursionAvailable = true
		if opt := request.IsEdns0(); opt != nil {
			m.SetEdns0(1232, opt.Do())
		}
		q := request.Question[0]
		name, err := dname.Parse(q.Name)
		if err != nil {
			m.Rcode = dns.RcodeServerFailure
			return m
		}
		l := c.Resolve(context.Background(), name, rr.Type(q.Qtype))
		for _, a := range l.Aliases {
			m.Answer = append(m.Answer, &dns.CNAME{Hdr: dns.RR_Header{Name: a.From.String(), Rrtype: dns.TypeCNAME, Class: dns.ClassINET}, Target: a.Target.String()})
		}
		m.Answer = append(m.Answer, l.Records...)
		if l.SOA != nil {
			m.Ns = append(m.Ns, l.SOA)
		}
		switch l.Kind {
		case delegation.Answer, delegation.NoData:
		case delegation.NXDomain:
			m.Rcode = dns.RcodeNameError
		default:
			m.Rcode = dns.RcodeServerFailure
		}
		return m
	}}
}
