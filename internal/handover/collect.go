package handover

import (
	"cmp"
	"context"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Source asks servers, and resolves names. Its methods are called concurrently.
type Source interface {
	// Ask returns the reply of a server, or nil if it has no usable one. If the server was not asked,
	// for a reason that is not its own, such as a missing route, it returns why.
	Ask(ctx context.Context, server netip.Addr, q Question) (reply *dns.Msg, why string)

	// Resolve returns the addresses of a name as the Internet has them.
	Resolve(ctx context.Context, name string) *Lookup

	// Parent returns what the zone above has about a zone.
	Parent(ctx context.Context, z *Zone) *Parent
}

// Collect asks the servers of a zone all questions of the rules. The zone need not be delegated: the
// addresses of its servers are the given ones, those that the zone has for names in it, and those that
// other names resolve to. Servers that answer no question about the SOA and NS records are not asked
// the others. The DS records are those that the zone is to have, as one of its servers has the keys.
func Collect(ctx context.Context, z *Zone, src Source, now time.Time) *Facts {
	c := find(ctx, z, src, now)
	f := c.f
	inside := slices.DeleteFunc(f.allNames(), func(n string) bool { return !f.inZone(n) })
	c.ask(questions(f.Zone, inside))
	var targets []string
	for _, s := range f.Servers {
		for _, mx := range answer[*dns.MX](f, s, dns.TypeMX, 0) {
			targets = append(targets, dns.CanonicalName(mx.Mx))
		}
		if f.DS == nil {
			f.DS = f.signedBy(s)
		}
	}
	c.resolve(f.Targets, targets)
	return f
}

// find finds the servers of a zone, and asks them the first questions.
func find(ctx context.Context, z *Zone, src Source, now time.Time) *collector {
	c := &collector{ctx: ctx, src: src, f: &Facts{
		Zone:    canonical(z.Apex),
		Now:     now,
		Glue:    map[string][]netip.Addr{},
		Names:   map[string]*Lookup{},
		Targets: map[string]*Lookup{},
		DS:      z.DS,
	}}
	f := c.f
	for _, s := range z.Servers {
		n := canonical(s.Name)
		f.Listed = append(f.Listed, n)
		f.Glue[n] = append(f.Glue[n], s.Addresses...)
	}
	slices.Sort(f.Listed)
	f.Listed = slices.Compact(f.Listed)
	c.resolve(f.Names, f.Listed)
	for _, n := range f.Listed {
		c.add(n, f.Glue[n])
		if len(f.Glue[n]) == 0 {
			c.add(n, f.Names[n].Addrs)
		}
	}
	c.askFirst()

	// Names in the zone have their addresses there.
	c.resolve(f.Names, f.children())
	inside := slices.DeleteFunc(f.allNames(), func(n string) bool { return !f.inZone(n) })
	var addresses []Question
	for _, n := range inside {
		addresses = append(addresses, Question{n, dns.TypeA, 0}, Question{n, dns.TypeAAAA, 0})
	}
	c.ask(addresses)
	for _, n := range f.children() {
		if f.inZone(n) {
			f.Names[n].Addrs, _ = f.zoneAddresses(n)
		}
		c.add(n, f.Names[n].Addrs)
	}
	c.askFirst()
	return c
}

type collector struct {
	ctx context.Context
	src Source
	f   *Facts
}

// add adds the addresses of a name as servers.
func (c *collector) add(name string, addrs []netip.Addr) {
	for _, a := range addrs {
		if !slices.ContainsFunc(slices.Concat(c.f.Servers, c.f.Untested), func(s *Server) bool { return s.Name == name && s.Addr == a }) {
			c.f.Servers = append(c.f.Servers, &Server{Name: name, Addr: a, Replies: map[Question]*dns.Msg{}})
		}
	}
}

// isSilent reports whether a server has been asked and answered nothing.
func (s *Server) isSilent() bool {
	for _, r := range s.Replies {
		if r != nil {
			return false
		}
	}
	return len(s.Replies) > 0
}

// ask asks all servers the questions that they were not asked yet, all at once: the Source limits what
// is under way.
func (c *collector) ask(list []Question) {
	var wg sync.WaitGroup
	for _, s := range c.f.Servers {
		if s.isSilent() {
			continue
		}
		replies, why := make([]*dns.Msg, len(list)), make([]string, len(list))
		known := maps.Clone(s.Replies)
		done := sync.WaitGroup{}
		for i, q := range list {
			if _, asked := known[q]; asked {
				continue
			}
			done.Go(func() { replies[i], why[i] = c.src.Ask(c.ctx, s.Addr, q) })
		}
		wg.Go(func() {
			done.Wait()
			for i, q := range list {
				if _, asked := known[q]; !asked {
					s.Replies[q] = replies[i]
					s.Why = cmp.Or(s.Why, why[i])
				}
			}
		})
	}
	wg.Wait()
}

// askFirst asks the first questions, and sets the servers apart that this host does not reach.
func (c *collector) askFirst() {
	c.ask(first(c.f.Zone))
	reached := c.f.Servers[:0:0]
	for _, s := range c.f.Servers {
		if s.Why != "" && s.isSilent() {
			c.f.Untested = append(c.f.Untested, s)
		} else {
			reached = append(reached, s)
		}
	}
	c.f.Servers = reached
}

// resolve looks up the names that are not in the map yet. A name in the zone itself is not looked up:
// the zone may not be delegated.
func (c *collector) resolve(to map[string]*Lookup, names []string) {
	var wg sync.WaitGroup
	found := make([]*Lookup, len(names))
	for i, n := range names {
		if to[n] != nil {
			continue
		}
		found[i] = &Lookup{}
		if !c.f.inZone(n) {
			wg.Go(func() { found[i] = c.src.Resolve(c.ctx, n) })
		}
	}
	wg.Wait()
	for i, n := range names {
		if found[i] != nil {
			to[n] = found[i]
		}
	}
}
