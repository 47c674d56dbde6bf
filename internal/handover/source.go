package handover

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// NewSource returns a Source for one run, which keeps each answer. A resolver in the options is asked
// for names and for the zone above; the servers of the zone are always asked themselves.
func NewSource(o delegation.Options) Source {
	s := &source{resolver: delegation.New(o)}
	s.client = s.resolver
	if o.Resolver.IsValid() {
		o.Resolver = netip.AddrPort{}
		s.client = delegation.New(o)
	}
	return s
}

type source struct{ client, resolver *delegation.Client }

// Ask sends a question. The client sends EDNS first, and again without it if there is no answer, so
// that the two modes are read from one fact.
func (s *source) Ask(ctx context.Context, server netip.Addr, q Question) (*dns.Msg, string) {
	name, err := dname.Parse(q.Name)
	if err != nil {
		return nil, err.Error()
	}
	transport := delegation.UDP
	if q.Mode&TCP != 0 {
		transport = delegation.TCP
	}
	f := s.client.Ask(ctx, delegation.Server{Addr: netip.AddrPortFrom(server, 0)}, delegation.Question{
		Name: name, Type: rr.Type(q.Type), DNSSEC: q.Mode&DO != 0, Exact: string(name.AppendLower(nil)) != string(name),
	}, transport)
	switch {
	case f.Outcome == delegation.NotAsked && f.Earlier == nil:
		return nil, f.Reason
	case q.Mode&EDNS != 0 && f.WithoutEDNS():
		// What the server said to the query with EDNS, such as FORMERR.
		if first := f.Tries[0]; first.Outcome == delegation.Answered {
			return &dns.Msg{MsgHdr: dns.MsgHdr{Response: true, Rcode: first.Rcode}}, ""
		}
		return nil, ""
	}
	return f.Full().Msg, ""
}

// addAliases adds the CNAME records of a reply, each once.
func (l *Lookup) addAliases(f *delegation.Fact) {
	if !f.OK() {
		return
	}
	for _, r := range records[*dns.CNAME](f.Full().Msg.Answer) {
		if !slices.ContainsFunc(l.Chain, func(o *dns.CNAME) bool { return same(o.Hdr.Name, r.Hdr.Name) && same(o.Target, r.Target) }) {
			l.Chain = append(l.Chain, r)
		}
	}
}

// Resolve looks up the addresses of a name. A failure of one type counts if there is no address of
// the other.
func (s *source) Resolve(ctx context.Context, name string) *Lookup {
	n, err := dname.Parse(name)
	if err != nil {
		return &Lookup{Err: err}
	}
	out := &Lookup{}
	for _, t := range []rr.Type{rr.TypeA, rr.TypeAAAA} {
		l := s.resolver.Resolve(ctx, n, t)
		out.Addrs = append(out.Addrs, l.Addresses()...)
		for _, f := range l.Facts {
			out.addAliases(f)
		}
		if l.Reason != "" {
			out.Err = errors.New(l.Reason)
		}
	}
	if len(out.Addrs) > 0 {
		out.Err = nil
	}
	return out
}
