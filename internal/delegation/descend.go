package delegation

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// maxHedged is how many servers are asked at once to find the way.
const maxHedged = 4

// maxForeign is how many root servers seem to offer recursion before no other is asked: they do
// not, so something on the way answers in their place, and in that of the others too.
const maxForeign = 3

// cut is a zone with what is known of its servers.
type cut struct {
	zone    dname.Name
	names   []dname.Name
	glue    []Glue
	servers []Server // that are known to answer for the zone; of the start: those given
}

// run is one call of a method of Client. Its end ends all goroutines of the call.
type run struct {
	*Client
	group sync.WaitGroup
}

// begin returns a run, and the context of its questions. The caller calls end.
func (c *Client) begin(ctx context.Context) (r *run, inner context.Context, end func()) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Limits.Time)
	r = &run{Client: c}
	return r, ctx, func() {
		cancel()
		r.group.Wait()
	}
}

// mayStep counts one step on the way to a name, and reports whether it may be taken.
func (r *run) mayStep() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.steps++
	return r.steps <= maxSteps
}

// usable reports whether a reading shows the way on.
func usable(r Reading) bool {
	return r.Kind == Answer || r.Kind == NoData || r.Kind == NXDomain || r.Kind == Referral || r.Kind == AliasTo
}

// found is the first usable response of a server of a zone, or the kind of one that is not
// usable.
type found struct {
	Reading
	fact  *Fact   // nil if no response was usable
	facts []*Fact // all facts so far, fact included

	circular bool // no response, perhaps because of what is looked up already
	foreign  bool // something on the way answers in place of the root servers
}

// first asks the servers of a zone in turn, each when the one before failed or takes long,
// until a response is usable. Servers that answered before come first.
func (r *run) first(ctx context.Context, zone dname.Name, servers []Server, q Question) (f found) {
	servers = r.inOrder(servers)
	results := make(chan *Fact, len(servers))
	next, running, recursive := 0, 0, 0
	ask := func() {
		s := servers[next]
		next++
		running++
		r.group.Go(func() { results <- r.ask(ctx, s, q, UDP) })
	}
	slow := time.NewTicker(hedge)
	defer slow.Stop()
	for running > 0 || next < len(servers) {
		if running == 0 {
			ask()
		}
		select {
		case fact := <-results:
			running--
			f.facts = append(f.facts, fact)
			reading := read(fact, zone, q.Recurse)
			if usable(reading) {
				f.Reading, f.fact = reading, fact
				return f
			}
			f.Kind = max(f.Kind, reading.Kind)
			if zone.IsRoot() && !q.Recurse && fact.Msg != nil && fact.Msg.RecursionAvailable {
				if recursive++; recursive == maxForeign {
					f.foreign = true
					return f
				}
			}
		case <-slow.C:
			if next < len(servers) && running < maxHedged {
				ask()
			}
		}
	}
	return f
}

// inOrder returns the servers without duplicate addresses: first those that answered before,
// then those of a family of which any did, last those that did not.
func (r *run) inOrder(servers []Server) []Server {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := slices.Clone(servers)
	rank := func(s Server) int {
		switch state := r.contacts[contactKey{s.Addr, UDP}]; {
		case state != nil && state.answered > 0:
			return 0
		case state != nil:
			return 3
		case r.family[family(s.Addr.Addr())].answered > 0:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(out, func(a, b Server) int { return rank(a) - rank(b) })
	seen := map[string]bool{}
	return slices.DeleteFunc(out, func(s Server) bool {
		k := s.Addr.String()
		was := seen[k]
		seen[k] = true
		return was
	})
}

// askZone asks the servers of a zone until a response is usable. If no server with a known
// address gives one, it looks up addresses of the others. stack has the names that are
// looked up for this question.
func (r *run) askZone(ctx context.Context, z *cut, q Question, stack []dname.Name) (f found) {
	if r.o.Resolver.IsValid() {
		q.Recurse = true
		return r.first(ctx, dname.Root(), []Server{{Addr: r.o.Resolver}}, q)
	}
	servers := slices.Clone(z.servers)
	for _, g := range z.glue {
		if len(servers) < r.o.Limits.Addresses {
			servers = append(servers, g.server())
		}
	}
	if f = r.first(ctx, z.zone, servers, q); f.fact != nil {
		return f
	}
	looked := 0
	for _, n := range z.names {
		if slices.ContainsFunc(z.glue, func(g Glue) bool { return g.Name.Equal(n) }) {
			continue
		}
		if looked++; looked > maxNames || ctx.Err() != nil {
			break
		}
		servers, circular := r.serversOf(ctx, n, stack)
		more := r.first(ctx, z.zone, servers, q)
		more.facts = append(f.facts, more.facts...)
		more.circular = f.circular || circular
		if f = more; f.fact != nil {
			break
		}
	}
	return f
}

// serversOf looks up the addresses of a server name. circular reports that this failed, perhaps
// because of what is in stack.
func (r *run) serversOf(ctx context.Context, n dname.Name, stack []dname.Name) (out []Server, circular bool) {
	for _, t := range []rr.Type{rr.TypeA, rr.TypeAAAA} {
		l := r.resolve(ctx, n, t, stack)
		circular = circular || l.circular
		for _, a := range l.Addresses() {
			if len(out) < r.o.Limits.Addresses {
				out = append(out, Glue{n, a}.server())
			}
		}
	}
	return out, circular
}

// root returns the root zone.
func (r *run) root() *cut { return r.remember(&cut{zone: dname.Root(), servers: r.o.Hints}) }

// start returns the zone to start from: the root, or the highest zone above name that the
// given servers answer for. It is nil if they answer for none.
func (r *run) start(ctx context.Context, name dname.Name) (*cut, []*Fact) {
	if r.o.From == nil || r.o.Resolver.IsValid() {
		return r.root(), nil
	}
	r.mu.Lock()
	z := r.origin
	r.mu.Unlock()
	var facts []*Fact
	for n := 0; z == nil && n <= name.Labels(); n++ {
		zone := name.Suffix(n)
		f := r.first(ctx, zone, r.o.From, Question{Name: zone, Type: rr.TypeSOA})
		facts = append(facts, f.facts...)
		if f.Kind == Answer {
			z = r.remember(&cut{zone: zone.AppendLower(nil), servers: r.o.From})
			r.mu.Lock()
			r.origin = z
			r.mu.Unlock()
		}
	}
	if z == nil || !name.IsAtOrBelow(z.zone) {
		return nil, facts
	}
	return z, facts
}

// step is the way from a zone toward a name: to a zone below, along an alias, or nowhere.
type step struct {
	found
	cut *cut // the zone below; nil: the name is in this zone, or an alias, or no server answered
}

// descend looks for the next zone cut between a zone and a name, one label after another,
// because one server may answer for several zones on the way.
func (r *run) descend(ctx context.Context, z *cut, name dname.Name) (s step) {
	all := name.Labels()
	var facts []*Fact
	for n := z.zone.Labels() + 1; n <= all; n++ {
		if !r.mayStep() {
			break
		}
		q := Question{Name: name.Suffix(n), Type: rr.TypeNS}
		f := r.askZone(ctx, z, q, nil)
		facts = append(facts, f.facts...)
		f.facts = facts
		s = step{found: f}
		switch {
		case f.Kind == Referral, f.Kind == Answer:
			below := &cut{zone: f.Cut, names: f.NS, glue: f.Glue}
			if f.Kind == Answer && !r.o.Resolver.IsValid() { // it answers for the zone below too
				below.servers = []Server{f.fact.Server}
			}
			r.remember(below)
			s.cut = below
			return s
		case f.Kind == AliasTo && f.Alias.Type == rr.TypeDNAME:
			for _, record := range f.fact.Full().Msg.Answer {
				if a, ok := aliasOf(record, name); ok && a.Type == rr.TypeDNAME && a.Owner.Equal(f.Alias.Owner) {
					a.Fact = f.fact
					s.Alias = a
					return s
				}
			}
			s.Kind = Failure // the target is too long
			return s
		case f.Kind == NXDomain, f.fact == nil:
			n = max(n, all-1) // some servers deny names that exist only by those below them
		}
	}
	return s
}
