package delegation

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Lookup is the result of the lookup of a name and type.
type Lookup struct {
	Name dname.Name `json:"name"`
	Type rr.Type    `json:"type"`

	// Kind is Answer, NoData or NXDomain, of the name that the aliases lead to. With any
	// other, the lookup failed, and Reason says why.
	Kind   Kind   `json:"result"`
	Reason string `json:"reason,omitempty"`

	Records []dns.RR   `json:"-"`                 // of an Answer
	Zone    dname.Name `json:"zone,omitempty"`    // whose servers were asked last; that of NoData and NXDomain
	SOA     *dns.SOA   `json:"-"`                 // of Zone, with NoData and NXDomain; nil: the response has none
	Aliases []Alias    `json:"aliases,omitempty"` // in the order of following
	Facts   []*Fact    `json:"facts"`             // in the order of answers

	// End is Zone, if the lookup failed: its servers were asked the first question of
	// [Answers]. Nil if no zone was asked, as with a resolver, or the network intercepts questions.
	End *Level `json:"-"`

	// Port53 is how the network treats questions to port 53, if the lookup failed at the root.
	Port53 Port53 `json:"-"`

	circular bool // failed because of what it was looked up for
}

// Addresses returns those of an Answer of type A or AAAA.
func (l *Lookup) Addresses() (out []netip.Addr) {
	for _, r := range l.Records {
		if a := AddressOf(r); a.IsValid() {
			out = append(out, a)
		}
	}
	return out
}

// HasFailed reports whether it is not known what the name has.
func (l *Lookup) HasFailed() bool {
	return l.Kind != Answer && l.Kind != NoData && l.Kind != NXDomain
}

// Target returns the name that the aliases lead to.
func (l *Lookup) Target() dname.Name {
	if n := len(l.Aliases); n > 0 {
		return l.Aliases[n-1].Target
	}
	return l.Name
}

// Resolve looks up a name and type from the root, or where the Client starts, and follows
// aliases. If it fails, it asks all servers of the zone where it does.
func (c *Client) Resolve(ctx context.Context, name dname.Name, t rr.Type) *Lookup {
	r, ctx, end := c.begin(ctx)
	defer end()
	l := r.resolve(ctx, name, t, nil)
	if !l.HasFailed() || l.Zone == nil {
		return l
	}
	failed := *l // others have l too
	if l.Zone.IsRoot() {
		failed.Port53 = r.checkPort53(ctx, l.Facts)
	}
	if failed.Port53.Intercepted {
		return &failed
	}
	failed.End = newLevel(r.remember(&cut{zone: l.Zone}), nil)
	failed.End.Surveyed, failed.End.lost = true, true
	r.survey(ctx, failed.End)
	return &failed
}

// resolve is Resolve; stack has the names that are being looked up, each for the one before.
func (r *run) resolve(ctx context.Context, name dname.Name, t rr.Type, stack []dname.Name) *Lookup {
	key := t.String() + " " + name.Key()
	r.mu.Lock()
	known := r.lookups[key]
	r.mu.Unlock()
	if known != nil {
		return known
	}
	l := &Lookup{Name: name, Type: t}
	if contains(stack, name) {
		l.Reason, l.circular = "its servers are found only by itself", true
		return l
	}
	if len(stack) >= maxDepth || len(stack) > 0 && !r.mayNest() {
		l.Reason, l.circular = "it needs too many lookups of server names", true
		return l
	}
	r.follow(ctx, l, append(stack[:len(stack):len(stack)], name))
	if ctx.Err() == nil && !l.circular {
		r.mu.Lock()
		r.lookups[key] = l
		r.mu.Unlock()
	}
	return l
}

// mayNest counts a lookup that another one needs, and reports whether it may be made.
func (r *run) mayNest() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.nested++
	return r.nested <= maxNested
}

// follow looks up the name of l, and then the targets of aliases.
func (r *run) follow(ctx context.Context, l *Lookup, stack []dname.Name) {
	name := l.Name
	for {
		s := r.lookup(ctx, l, Question{Name: name, Type: l.Type}, stack)
		l.Kind = s.Kind
		switch {
		case s.Kind == Answer:
			l.Records = s.Records
			return
		case s.Kind == NoData, s.Kind == NXDomain:
			if s.SOA != nil {
				l.Zone, l.SOA = nameOf(s.SOA.Hdr.Name), s.SOA
			}
			return
		case s.Kind != AliasTo:
			l.circular = s.circular
			if l.Reason == "" {
				l.Reason = r.noAnswer(l.Zone, l.Facts, "has an answer")
			}
			return
		}
		l.Aliases = append(l.Aliases, s.Alias)
		if len(l.Aliases) >= maxAliases {
			l.Reason = "it has too many aliases"
			return
		}
		name = s.Alias.Target
		for _, a := range l.Aliases {
			if a.From.Equal(name) {
				l.Reason = "its aliases lead in a circle"
				return
			}
		}
	}
}

// noAnswer returns why the servers of a zone, or the resolver, do not answer what they should.
func (r *run) noAnswer(zone dname.Name, facts []*Fact, what string) string {
	switch n := len(facts); {
	case r.o.Resolver.IsValid() && n > 0:
		return fmt.Sprintf("no answer by the resolver: %v", cmp.Or(facts[n-1].Earlier, facts[n-1]))
	case zone == nil:
		return "no usable answer"
	}
	return "no server of " + zone.String() + " " + what
}

// lookup goes from the closest known zone to the one that answers.
func (r *run) lookup(ctx context.Context, l *Lookup, q Question, stack []dname.Name) (f found) {
	z := r.closest(q)
	if z == nil {
		var facts []*Fact
		z, facts = r.start(ctx, q.Name)
		l.Facts = append(l.Facts, facts...)
	}
	if z == nil { // the servers to start from have another part of the DNS
		z = r.root()
	}
	for {
		if l.Zone = z.zone; r.o.Resolver.IsValid() {
			l.Zone = nil
		}
		if !r.mayStep() {
			l.Reason = "the limit of lookups is reached"
			return f
		}
		f = r.askZone(ctx, z, q, stack)
		l.Facts = append(l.Facts, f.facts...)
		if f.Kind != Referral {
			return f
		}
		z = r.remember(&cut{zone: f.Cut, names: f.NS, glue: f.Glue})
	}
}

// remember keeps the servers of a zone for later lookups, and returns them. What is known
// of a zone stays.
func (r *run) remember(z *cut) *cut {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := z.zone.Key()
	if known := r.cuts[k]; known != nil {
		return known
	}
	r.cuts[k] = z
	return z
}

// closest returns the lowest known zone that can answer a question. DS records are in the
// zone above (RFC 4035 §3.1.4.1).
func (r *run) closest(q Question) *cut {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := q.Name
	if q.Type == rr.TypeDS {
		n = n.Parent()
	}
	for ; ; n = n.Parent() {
		if z := r.cuts[n.Key()]; z != nil {
			return z
		}
		if n.IsRoot() {
			return nil
		}
	}
}
