package lookup

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Resolver answers a question.
type Resolver func(ctx context.Context, server netip.AddrPort, question *dns.Msg) (*dns.Msg, error)

// Times that a client waits for resolvers: a resolver that walks from the root answers most
// questions within two seconds.
const (
	askTimeout    = 3 * time.Second
	askAllTimeout = 10 * time.Second
)

// Ask asks by UDP, and by TCP if the answer is truncated. It is a [Resolver].
func Ask(ctx context.Context, server netip.AddrPort, question *dns.Msg) (*dns.Msg, error) {
	q := question.Question[0]
	name, err := dname.Parse(q.Name)
	if err != nil {
		return nil, err
	}
	c := delegation.New(delegation.Options{Hints: []delegation.Server{}, Limits: delegation.Limits{Timeout: askTimeout / 3, Time: askTimeout}})
	f := c.Ask(ctx, delegation.Server{Addr: server}, delegation.Question{Name: name, Type: rr.Type(q.Qtype), Recurse: true}, delegation.UDP).Full()
	if f.Msg == nil {
		return nil, errors.New(f.Reason)
	}
	return f.Msg, nil
}

// Resolve asks the resolvers, one after the other until one knows, for the records of a name, or
// of the name at the end of its aliases. An error means that none of them knows.
func Resolve(ctx context.Context, ask Resolver, servers []netip.AddrPort, name dname.Name, t rr.Type) ([]dns.RR, error) {
	ctx, cancel := context.WithTimeout(ctx, askAllTimeout)
	defer cancel()
	var errs []error
	for _, server := range servers {
		m := new(dns.Msg)
		m.SetQuestion(name.String(), uint16(t))
		r, err := ask(ctx, server, m)
		if err == nil && r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError {
			err = fmt.Errorf("the answer is %s", dns.RcodeToString[r.Rcode])
		}
		if err == nil && r.Rcode == dns.RcodeSuccess && len(r.Answer) > 0 && len(r.Ns) == 0 && !slices.ContainsFunc(r.Answer, isType(t)) {
			// That there are no records at the end of the aliases comes with an SOA (RFC 2308 §2.2).
			err = errors.New("the answer ends at an alias")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%v: %w", server, err))
			continue
		}
		is := isType(t)
		return slices.DeleteFunc(r.Answer, func(record dns.RR) bool { return !is(record) }), nil
	}
	return nil, errors.Join(errs...)
}

func isType(t rr.Type) func(dns.RR) bool {
	return func(record dns.RR) bool { return record.Header().Rrtype == uint16(t) }
}
