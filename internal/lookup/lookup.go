package lookup

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Lookup looks names up in the zones that are served here, without a message, and asks resolvers
// for the others. Its methods may be called concurrently.
type Lookup struct {
	Set     func() *zone.Set // the current snapshot
	Servers []netip.AddrPort // resolvers
	Ask     Resolver
	Wait    func(context.Context) error // is called before resolvers are asked; nil: nothing
}

// Records returns the records of a type at the end of the aliases of a name. It is an
// fcrdns.Lookup.
func (l *Lookup) Records(ctx context.Context, name dname.Name, t rr.Type) (out []dns.RR, err error) {
	f := NewFinder(l.Set()).Find(name, t)
	if f.Rest != nil {
		if len(l.Servers) == 0 {
			return nil, fmt.Errorf("%v is not in a zone that is served here, and there is no resolver to ask", f.Rest)
		}
		if l.Wait != nil {
			if err := l.Wait(ctx); err != nil {
				return nil, err
			}
		}
		return Resolve(ctx, l.Ask, l.Servers, f.Rest, t)
	}
	for _, data := range f.Data {
		h := dns.RR_Header{Name: f.Name.String(), Rrtype: uint16(t), Class: dns.ClassINET, Rdlength: uint16(len(data))}
		record, _, err := dns.UnpackRRWithHeader(h, data, 0)
		if err != nil {
			return nil, fmt.Errorf("%v %v: %w", f.Name, t, err)
		}
		out = append(out, record)
	}
	return out, nil
}
