package doctor

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/internal/fcrdns"
	"github.com/ptrd/ptrd/internal/spf"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// facts are what the DNS says about an address, and about the names that its mail has.
type facts struct {
	ctx     context.Context
	q       *Request
	address netip.Addr
	walk    *delegation.Walk // to the reverse name
	way     way
	signed  []signedZone // on the way
	reverse *fcrdns.Report
	helo    *host // nil: not asked for

	mx       []*host // of the domain, without those of a null MX
	mxNull   bool    // RFC 7505
	mxErr    error
	domain   *host // the domain itself, which receives mail if it has no MX (RFC 5321 §5.1)
	mailMX   []dns.RR
	mailErr  error
	mailFrom *host // the MAIL FROM domain itself
	spf      *spf.Report
	lists    []listing
}

// host is a name with its addresses.
type host struct {
	name      dname.Name
	addresses []netip.Addr // of both families
	own       bool         // the examined address is one of them
	err       error        // of a family whose addresses are not known, if the name may have no other
}

// lookupError is why a lookup has no result.
type lookupError struct{ way }

func (e *lookupError) Error() string { return e.seen }

// wayOf returns why something is not known.
func wayOf(err error) way {
	var e *lookupError
	if errors.As(err, &e) {
		return e.way
	}
	return way{state: NotKnown, seen: err.Error()}
}

// collect asks all questions about an address. The client asks each only once, also for
// several addresses.
func collect(ctx context.Context, q *Request, address netip.Addr) *facts {
	f := &facts{ctx: ctx, q: q, address: address}
	var wg sync.WaitGroup
	wg.Go(func() {
		f.walk = q.Client.Walk(ctx, dname.FromAddr(address))
		f.way = readWay(f.walk)
		f.collectSigned()
	})
	wg.Go(func() { f.reverse = fcrdns.Confirm(ctx, f.lookup, address, fcrdns.DefaultLimits()) })
	if q.HELO != nil {
		wg.Go(func() { f.helo = f.host(q.HELO) })
	}
	if q.Domain != nil {
		wg.Go(f.collectMX)
	}
	if q.MailFrom != nil {
		wg.Go(func() {
			f.mailMX, f.mailErr = f.lookup(ctx, q.MailFrom, rr.TypeMX)
			f.mailFrom = f.host(q.MailFrom)
		})
	}
	f.lists = make([]listing, len(q.Lists))
	wg.Go(func() {
		inParallel(len(q.Lists), func(i int) { f.lists[i] = f.collectListing(q.Lists[i]) })
	})
	if s := q.sender(); s != nil {
		wg.Go(func() { f.spf = spf.Check(ctx, f.lookup, address, text(q.HELO), "postmaster@"+text(s)) })
	}
	wg.Wait()
	return f
}

// inParallel calls do with 0 to n-1 at once, and waits for all calls.
func inParallel(n int, do func(int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { do(i) })
	}
	wg.Wait()
}

// collectMX looks up who receives mail for the domain.
func (f *facts) collectMX() {
	var records []dns.RR
	records, f.mxErr = f.lookup(f.ctx, f.q.Domain, rr.TypeMX)
	var names []dname.Name
	for _, mx := range recordsOf[*dns.MX](records) {
		if mx.Mx == "." {
			f.mxNull = true
			continue
		}
		if n, err := dname.Parse(strings.ToLower(mx.Mx)); err == nil && len(names) < fcrdns.DefaultLimits().Names {
			names = append(names, n)
		}
	}
	f.mx = make([]*host, len(names))
	inParallel(len(names)+1, func(i int) {
		if i == len(names) {
			f.domain = f.host(f.q.Domain)
			return
		}
		f.mx[i] = f.host(names[i])
	})
}

// host looks up the addresses of a name.
func (f *facts) host(n dname.Name) *host {
	h := &host{name: n}
	types := []rr.Type{rr.TypeA, rr.TypeAAAA}
	records, errs := make([][]dns.RR, len(types)), make([]error, len(types))
	inParallel(len(types), func(i int) { records[i], errs[i] = f.lookup(f.ctx, n, types[i]) })
	for i := range types {
		if errs[i] != nil {
			h.err = errs[i]
		}
		for _, r := range records[i] {
			h.addresses = append(h.addresses, delegation.AddressOf(r))
		}
	}
	h.own = slices.Contains(h.addresses, f.address)
	return h
}

// lookup is a fcrdns.Lookup. The error of a lookup without result is a lookupError.
func (f *facts) lookup(ctx context.Context, name dname.Name, t rr.Type) ([]dns.RR, error) {
	l := f.q.Client.Resolve(ctx, name, t)
	switch l.Kind {
	case delegation.Answer:
		return l.Records, nil
	case delegation.NoData, delegation.NXDomain:
		return nil, nil
	}
	return nil, &lookupError{readLookup(l)}
}

// ownerOf returns who can change the records of a name, and the name that its aliases lead to,
// which has the records.
func (f *facts) ownerOf(n dname.Name, t rr.Type) (Owner, dname.Name) {
	l := f.q.Client.Resolve(f.ctx, n, rr.TypeSOA)
	zone, name := l.Zone, l.Target()
	if l.Kind == delegation.Answer || zone == nil {
		zone = name
	}
	return f.owner(zone, name, t), name
}

// owner returns who can change the records of a name in a zone.
func (f *facts) owner(zone, name dname.Name, t rr.Type) Owner {
	var o Owner
	isOurs := false
	if f.q.Ours != nil {
		o, isOurs = f.q.Ours(zone, name, t)
	}
	o.Zone = zone
	switch _, address, _ := dname.Tree(zone); {
	case isOurs:
		return o
	case o.Who != "":
	case address > 0 || zone.IsAtOrBelow(dname.MustParse("arpa")):
		o.Who = "the provider of the addresses, who operates the zone " + zone.String()
	default:
		o.Who = "the operator of the zone " + zone.String()
	}
	for _, r := range f.q.Client.Resolve(f.ctx, zone, rr.TypeSOA).Records {
		if soa, ok := r.(*dns.SOA); ok {
			o.Contact = mailbox(soa.Mbox)
		}
	}
	return o
}

// mailbox returns the mail address that a name stands for (RFC 1035 §8), or nothing.
func mailbox(name string) string {
	n, err := dname.Parse(name)
	if err != nil || n.Labels() < 3 {
		return ""
	}
	return string(n.Label()) + "@" + text(n.Parent().AppendLower(nil)) // servers answer in the case of the question
}
