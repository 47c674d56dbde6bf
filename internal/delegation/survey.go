package delegation

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sync"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Level is a zone on the way, with what its servers and those of its parent say.
type Level struct {
	Zone   dname.Name `json:"zone"`
	Parent *Level     `json:"-"` // nil for the first level

	// Surveyed reports that the servers were asked all that [Answers] has, or only the first
	// of the root, if it shows no way, and of the End of a Lookup. The others were asked only
	// about the zone below, as those of the root if the network intercepts questions.
	Surveyed bool `json:"surveyed"`

	// Servers are all that a server of the parent or of the zone lists, those of the parent
	// first.
	Servers []*NameServer `json:"servers"`

	// Skipped are server names above the limit, which are not in Servers.
	Skipped []dname.Name `json:"skipped,omitempty"`

	// Referrals are what each address of the parent's servers says over each transport about
	// the NS records of Zone: a referral, unless it answers for Zone too. DS are what they
	// say about its DS records, if Surveyed. [Read] them as of the zone of Parent.
	Referrals []*Fact `json:"referrals,omitempty"`
	DS        []*Fact `json:"ds,omitempty"`

	// Resolver are the answers of the resolver, if it is asked instead of the servers.
	Resolver *Answers `json:"resolver,omitempty"`

	// Way are the questions about lower names by which the way was found.
	Way []*Fact `json:"-"`

	cut         *cut
	lost        bool          // its servers show no way: they are asked only the first question
	ready, done chan struct{} // closed when the servers are known at first, and finally

	mu      sync.Mutex // guards the lists until done
	hosts   int        // in all Servers
	skipped map[string]bool
}

// NameServer is a server name of a zone.
type NameServer struct {
	Name     dname.Name   `json:"name,omitempty"` // nil: only the address is known
	InParent bool         `json:"in_parent"`      // listed by a server of the parent
	InZone   bool         `json:"in_zone"`        // listed by a server of the zone
	Glue     []netip.Addr `json:"glue,omitempty"` // as servers of the parent say

	// A and AAAA are the addresses by the zone that the name is in; an Alias in them is an
	// error in the NS record (RFC 2181 §10.3). Nil: not looked up.
	A    *Lookup `json:"a,omitempty"`
	AAAA *Lookup `json:"aaaa,omitempty"`

	Hosts []*Host `json:"hosts"` // one for each address, glue first
}

// Host is an address of a server, and its answers.
type Host struct {
	Server Server  `json:"server"`
	UDP    Answers `json:"udp,omitzero"`
	TCP    Answers `json:"tcp,omitzero"`
}

// Over returns the answers over a transport.
func (h *Host) Over(t Transport) *Answers {
	if t == TCP {
		return &h.TCP
	}
	return &h.UDP
}

// Answers are what an address was asked about its zone, over one transport; nil: it was not
// considered. The questions have no RD, except for Recursion.
type Answers struct {
	SOA       *Fact `json:"soa,omitempty"`
	NS        *Fact `json:"ns,omitempty"`
	DNSKEY    *Fact `json:"dnskey,omitempty"`
	AAAA      *Fact `json:"aaaa,omitempty"`      // of the apex: some servers drop it
	Version   *Fact `json:"version,omitempty"`   // SOA with EDNS version 1: BADVERS is right
	Recursion *Fact `json:"recursion,omitempty"` // SOA of the root with RD: an answer without AA shows an open resolver
}

// questions lists the fields of Answers with their questions.
func questions(zone dname.Name) []struct {
	of func(*Answers) **Fact
	q  Question
} {
	return []struct {
		of func(*Answers) **Fact
		q  Question
	}{
		{func(a *Answers) **Fact { return &a.SOA }, Question{Name: zone, Type: rr.TypeSOA}},
		{func(a *Answers) **Fact { return &a.NS }, Question{Name: zone, Type: rr.TypeNS}},
		{func(a *Answers) **Fact { return &a.DNSKEY }, Question{Name: zone, Type: rr.TypeDNSKEY, DNSSEC: true}},
		{func(a *Answers) **Fact { return &a.AAAA }, Question{Name: zone, Type: rr.TypeAAAA}},
		{func(a *Answers) **Fact { return &a.Version }, Question{Name: zone, Type: rr.TypeSOA, Version: 1}},
		{func(a *Answers) **Fact { return &a.Recursion }, Question{Name: dname.Root(), Type: rr.TypeSOA, Recurse: true}},
	}
}

var transports = []Transport{UDP, TCP}

func newLevel(z *cut, parent *Level) *Level {
	return &Level{Zone: z.zone, Parent: parent, cut: z, ready: make(chan struct{}), done: make(chan struct{})}
}

// Hosts returns the addresses of all servers. An address of two server names is there twice,
// with the same facts.
func (l *Level) Hosts() (out []*Host) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.Servers {
		out = append(out, s.Hosts...)
	}
	return out
}

// IsReferred reports whether a server of the parent refers to the zone. If none does, these
// servers answer for the zone too, or are silent, and the names that the parent has are not known.
func (l *Level) IsReferred() bool {
	return slices.ContainsFunc(l.Referrals, func(f *Fact) bool { return Read(f, l.Parent.Zone).Kind == Referral })
}

// Survey asks all given servers about a zone, whether it is delegated to them or not. The
// servers have a name, and addresses as Glue; without Glue, their addresses are looked up.
func (c *Client) Survey(ctx context.Context, zone dname.Name, servers []NameServer) *Level {
	r, ctx, end := c.begin(ctx)
	defer end()
	z := &cut{zone: zone}
	for _, s := range servers {
		z.names = append(z.names, s.Name)
		for _, a := range s.Glue {
			z.glue = append(z.glue, Glue{s.Name, a})
		}
	}
	l := newLevel(r.remember(z), nil)
	l.Surveyed = true
	r.surveyAll(ctx, []*Level{l})
	return l
}

// surveyAll asks the servers of all levels.
func (r *run) surveyAll(ctx context.Context, levels []*Level) {
	var all sync.WaitGroup
	for _, l := range levels {
		all.Go(func() { r.survey(ctx, l) })
	}
	all.Wait()
}

// survey asks the servers of a level, and those of its parent about it. It starts with the
// servers by which the way was found. Those that only other servers list follow.
func (r *run) survey(ctx context.Context, l *Level) {
	defer close(l.done)
	if l.Parent == nil {
		for _, s := range l.cut.servers {
			if n := r.addServer(l, s.Name); n != nil {
				n.InParent = true
				r.addHost(l, n, s)
			}
		}
	}
	r.addReferral(l, l.cut.names, l.cut.glue, l.Parent == nil)
	r.askServers(ctx, l, true) // before a lookup asks them, so that silence is an answer to this question
	if !l.lost || !l.Zone.IsRoot() {
		r.findAddresses(ctx, l)
	}
	close(l.ready)
	if l.lost || r.o.Brief && !l.Surveyed {
		r.askServers(ctx, l, true)
		return
	}

	var own sync.WaitGroup
	own.Go(func() { r.askServers(ctx, l, false) })
	if l.Parent != nil {
		<-l.Parent.ready
		r.askParent(ctx, l)
		<-l.Parent.done
		r.askParent(ctx, l)
		for _, f := range l.Referrals {
			if reading := Read(f, l.Parent.Zone); reading.Kind == Referral && reading.Cut.Equal(l.Zone) {
				r.addReferral(l, reading.NS, reading.Glue, true)
			}
		}
	}
	own.Wait()
	if l.Surveyed {
		for _, h := range l.Hosts() {
			for _, t := range transports {
				r.addOwn(l, h.Over(t))
			}
		}
		if l.Resolver != nil {
			r.addOwn(l, l.Resolver)
		}
	}
	r.findAddresses(ctx, l)
	r.askServers(ctx, l, false)
}

// addReferral adds servers with their glue.
func (r *run) addReferral(l *Level, names []dname.Name, glue []Glue, inParent bool) {
	for _, n := range names {
		if s := r.addServer(l, n); s != nil {
			s.InParent = s.InParent || inParent
		}
	}
	for _, g := range glue {
		if s := l.find(g.Name); s != nil && !slices.Contains(s.Glue, g.Addr) && len(s.Glue) < r.o.Limits.Addresses {
			s.Glue = append(s.Glue, g.Addr)
			r.addHost(l, s, g.server())
		}
	}
}

// addOwn adds the servers that an address of the zone lists.
func (r *run) addOwn(l *Level, a *Answers) {
	for _, n := range a.NS.NS() {
		if s := r.addServer(l, n); s != nil {
			s.InZone = true
		}
	}
}

// find returns the server of a name, or nil.
func (l *Level) find(n dname.Name) *NameServer {
	for _, s := range l.Servers {
		if s.Name != nil && s.Name.Equal(n) {
			return s
		}
	}
	return nil
}

// addServer returns the server of a name, which it adds if the limit allows that; otherwise
// nil. A server without name is always a new one.
func (r *run) addServer(l *Level, n dname.Name) *NameServer {
	if n != nil {
		if s := l.find(n); s != nil {
			return s
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n != nil && len(l.Servers) >= r.o.Limits.Servers {
		if k := n.Key(); !l.skipped[k] {
			if l.skipped == nil {
				l.skipped = map[string]bool{}
			}
			l.skipped[k] = true
			l.Skipped = append(l.Skipped, n)
		}
		return nil
	}
	s := &NameServer{Name: n}
	l.Servers = append(l.Servers, s)
	return s
}

// addHost adds an address to a server, unless it has it or the zone has too many.
func (r *run) addHost(l *Level, s *NameServer, at Server) {
	at = r.withPort(at)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hosts >= r.o.Limits.Addresses || slices.ContainsFunc(s.Hosts, func(h *Host) bool { return h.Server.Addr == at.Addr }) {
		return
	}
	l.hosts++
	s.Hosts = append(s.Hosts, &Host{Server: at})
}

// findAddresses looks up the addresses of the servers: of all on a level that is asked all
// questions, and otherwise of those without glue.
func (r *run) findAddresses(ctx context.Context, l *Level) {
	var all sync.WaitGroup
	for _, s := range l.Servers {
		if s.Name != nil && s.A == nil && (l.Surveyed && !l.lost || len(s.Glue) == 0) {
			all.Go(func() { s.A = r.resolve(ctx, s.Name, rr.TypeA, nil) })
			all.Go(func() { s.AAAA = r.resolve(ctx, s.Name, rr.TypeAAAA, nil) })
		}
	}
	all.Wait()
	for _, s := range l.Servers {
		if s.A != nil {
			for _, a := range append(s.A.Addresses(), s.AAAA.Addresses()...) {
				r.addHost(l, s, Glue{s.Name, a}.server())
			}
		}
	}
}

// askParent asks the addresses of the parent's servers about a level, those that were not
// asked before.
func (r *run) askParent(ctx context.Context, l *Level) {
	if at := r.o.Resolver; at.IsValid() {
		if l.Surveyed && l.DS == nil {
			l.DS = []*Fact{r.ask(ctx, Server{Addr: at}, Question{Name: l.Zone, Type: rr.TypeDS, DNSSEC: true, Recurse: true}, UDP)}
		}
		return
	}
	asked := map[netip.AddrPort]bool{}
	for _, f := range l.Referrals {
		asked[f.Server.Addr] = true
	}
	var all sync.WaitGroup
	for _, h := range l.Parent.Hosts() {
		if asked[h.Server.Addr] {
			continue
		}
		asked[h.Server.Addr] = true
		for _, t := range transports {
			all.Go(func() {
				f := r.ask(ctx, h.Server, Question{Name: l.Zone, Type: rr.TypeNS}, t)
				l.mu.Lock()
				l.Referrals = append(l.Referrals, f)
				l.mu.Unlock()
				if l.Surveyed {
					f := r.ask(ctx, h.Server, Question{Name: l.Zone, Type: rr.TypeDS, DNSSEC: true}, t)
					l.mu.Lock()
					l.DS = append(l.DS, f)
					l.mu.Unlock()
				}
			})
		}
	}
	all.Wait()
	slices.SortFunc(l.Referrals, compareFacts)
	slices.SortFunc(l.DS, compareFacts)
}

// compareFacts orders facts by address and transport.
func compareFacts(a, b *Fact) int {
	return cmp.Or(a.Server.Addr.Compare(b.Server.Addr), cmp.Compare(a.Transport, b.Transport))
}

// askServers asks all addresses of a surveyed level what [Answers] has, or only the first
// question. In place of servers, it asks the resolver.
func (r *run) askServers(ctx context.Context, l *Level, onlyFirst bool) {
	if !l.Surveyed {
		return
	}
	var all sync.WaitGroup
	if at := r.o.Resolver; at.IsValid() {
		if l.Resolver == nil {
			l.Resolver = &Answers{}
		}
		all.Go(func() { r.fill(ctx, l.Resolver, Server{Addr: at}, l.Zone, UDP, onlyFirst) })
	}
	for _, h := range l.Hosts() {
		for _, t := range transports {
			all.Go(func() { r.fill(ctx, h.Over(t), h.Server, l.Zone, t, onlyFirst) })
		}
	}
	all.Wait()
}

// fill asks an address what it was not asked before, the others after the first.
func (r *run) fill(ctx context.Context, a *Answers, s Server, zone dname.Name, t Transport, onlyFirst bool) {
	var all sync.WaitGroup
	list := questions(zone)
	if r.o.Brief {
		list = list[:3]
	}
	for i, x := range list {
		field, q := x.of(a), x.q
		if *field != nil || i > 0 && onlyFirst {
			continue
		}
		q.Recurse = q.Recurse || r.o.Resolver.IsValid()
		all.Go(func() { *field = r.ask(ctx, s, q, t) })
		if i == 0 {
			all.Wait()
		}
	}
	all.Wait()
}
