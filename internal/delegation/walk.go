package delegation

import (
	"context"
	"net/netip"
	"time"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Walk is the way to a name, with facts about every level.
type Walk struct {
	Name   dname.Name `json:"name"`   // that was asked for
	Target dname.Name `json:"target"` // where the aliases lead; Name if there are none

	// Levels are the zones on the way, each after the one that refers to it. The first is
	// that to start from, the root unless [Options] say otherwise. It has none if no zone
	// to start from was found.
	Levels []*Level `json:"levels"`

	// Aliases were followed, in this order. The zones on the way to their targets are in
	// Levels too.
	Aliases []Alias `json:"aliases,omitempty"`

	// Kind is how the way ended: Answer (Target is the apex of the last zone on the way),
	// NoData or NXDomain (it is a name in that zone, or not), and otherwise the way ended
	// early, as Reason says.
	Kind   Kind   `json:"end"`
	Reason string `json:"reason,omitempty"`

	// End is the level of the zone that Target is in, as far as it was found; nil: none.
	End *Level `json:"-"`

	// Start are the facts by which the zone to start from was found, if that is not the root
	// by definition.
	Start []*Fact `json:"-"`

	// Port53 is how the network treats questions to port 53 of other hosts.
	Port53 Port53 `json:"port_53"`

	Resolver netip.AddrPort `json:"resolver,omitzero"` // that was asked; not valid: the servers
	Started  time.Time      `json:"started"`
	Took     time.Duration  `json:"took"`     // nanoseconds
	Messages int            `json:"messages"` // sent by the Client so far
}

// Port53 describes how the network treats questions to port 53 of other hosts.
type Port53 struct {
	Intercepted bool    `json:"intercepted"`        // another server answers in place of the asked one
	Closed      bool    `json:"closed"`             // no root server answers
	Evidence    []*Fact `json:"evidence,omitempty"` // of Intercepted
}

// IsOpen reports whether the network lets questions and answers pass, as far as that is known.
func (p *Port53) IsOpen() bool { return !p.Closed && !p.Intercepted }

// Walk goes from the root, or where the Client starts, to the zone that name is in or the
// apex of, follows aliases, and asks all servers of each zone on the way; those of the last
// zone, and of each zone with an alias, more than the others ([Level.Surveyed]).
func (c *Client) Walk(ctx context.Context, name dname.Name) *Walk {
	r, ctx, end := c.begin(ctx)
	defer end()
	w := &Walk{Name: name, Target: name, Started: time.Now(), Resolver: c.o.Resolver}
	r.walk(ctx, w)
	r.surveyAll(ctx, w.Levels)
	if len(w.Levels) > 0 && w.Levels[0].Zone.IsRoot() {
		facts := w.Levels[0].Way
		for _, l := range w.Levels {
			if l.Parent == w.Levels[0] {
				facts = append(facts[:len(facts):len(facts)], l.Referrals...)
			}
		}
		w.Port53 = r.checkPort53(ctx, facts)
	}
	w.Took = time.Since(w.Started)
	c.mu.Lock()
	w.Messages = c.messages
	c.mu.Unlock()
	return w
}

// walk finds the levels.
func (r *run) walk(ctx context.Context, w *Walk) {
	z, facts := r.start(ctx, w.Name)
	w.Start = facts
	if z == nil {
		w.Reason = "the given servers answer for no zone above it"
		return
	}
	w.End = newLevel(z, nil)
	w.Levels = append(w.Levels, w.End)
	for {
		s := r.descend(ctx, w.End.cut, w.Target)
		w.End.Way = append(w.End.Way, s.facts...)
		w.Kind = s.Kind
		switch {
		case s.cut != nil:
			w.enter(s.cut)
		case w.End.Zone.Equal(w.Target):
			w.Kind = Answer
			w.End.Surveyed = true
			return
		case s.Kind == NoData, s.Kind == NXDomain:
			w.End.Surveyed = true
			return
		case s.Kind == AliasTo:
			w.End.Surveyed = true
			if !w.followAlias(s.Alias) {
				return
			}
		default:
			w.End.Surveyed = !s.foreign
			w.End.lost = w.End.Zone.IsRoot()
			w.Reason = r.noAnswer(w.End.Zone, w.End.Way, "shows the way")
			return
		}
	}
}

// enter makes a zone below the current one the current one.
func (w *Walk) enter(z *cut) {
	for _, l := range w.Levels {
		if l.Zone.Equal(z.zone) {
			w.End = l
			return
		}
	}
	w.End = newLevel(z, w.End)
	w.Levels = append(w.Levels, w.End)
}

// followAlias makes the target of an alias the name to find, from the closest zone that is
// known. It returns false if the aliases do not end.
func (w *Walk) followAlias(a Alias) bool {
	w.Aliases = append(w.Aliases, a)
	for _, b := range w.Aliases {
		if b.From.Equal(a.Target) {
			w.Reason = "its aliases lead in a circle"
			return false
		}
	}
	if len(w.Aliases) >= maxAliases {
		w.Reason = "it has too many aliases"
		return false
	}
	w.Target = a.Target
	closest := w.Closest(w.Target)
	if closest == nil {
		w.Reason = "it leads to a name outside the zone of the servers to start from"
		return false
	}
	w.End = closest
	return true
}

// Closest returns the level of the lowest zone that a name is in or the apex of; nil: none.
func (w *Walk) Closest(n dname.Name) (closest *Level) {
	for _, l := range w.Levels {
		if n.IsAtOrBelow(l.Zone) && (closest == nil || len(l.Zone) > len(closest.Zone)) {
			closest = l
		}
	}
	return closest
}

// darkAddresses are reserved for documentation (RFC 5737, RFC 3849): no server has them, so
// an answer from one is from something on the way.
var darkAddresses = []netip.Addr{netip.MustParseAddr("192.0.2.53"), netip.MustParseAddr("2001:db8::53")}

// checkPort53 looks for signs that the answers are not from the root servers that were asked.
// Root servers answer with AA and never offer recursion. If few seem to, addresses without any
// server are asked until one answers, which is proof.
func (r *run) checkPort53(ctx context.Context, facts []*Fact) (p Port53) {
	if r.o.Resolver.IsValid() {
		return p
	}
	answered, useful := false, false
	for _, f := range facts {
		answered = answered || f.Outcome == Answered
		useful = useful || usable(Read(f, dname.Root()))
		if f.Msg != nil && f.Msg.RecursionAvailable {
			p.Evidence = append(p.Evidence, f)
		}
	}
	if answered && (!useful || p.Evidence != nil) && len(p.Evidence) < maxForeign {
		for _, a := range darkAddresses {
			f := r.ask(ctx, Server{Addr: netip.AddrPortFrom(a, 0)}, Question{Name: dname.Root(), Type: rr.TypeSOA}, UDP)
			if f.Outcome == Answered {
				p.Evidence = append(p.Evidence, f)
				break
			}
		}
	}
	p.Closed, p.Intercepted = !answered, p.Evidence != nil
	return p
}
