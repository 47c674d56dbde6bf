package doctor

import (
	"fmt"

	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/zone/dname"
)

// way is what a walk to a name, or a lookup that failed, means.
type way struct {
	state  State
	seen   string
	zone   dname.Name // that the fault is in
	remedy string
}

// readWay reads a walk. It is wrong only if answers say so.
func readWay(w *delegation.Walk) way {
	if w.End != nil && w.Reason == "" && w.Port53.IsOpen() {
		return wayTo(w)
	}
	return readEnd(w.Port53, w.End, w.End != nil && w.End.Parent == nil, w.Aliases, w.Reason)
}

// readLookup reads a lookup that failed.
func readLookup(l *delegation.Lookup) way {
	return readEnd(l.Port53, l.End, l.Zone.IsRoot(), l.Aliases, l.Reason)
}

// readEnd reads where the way to a name ended, and whether that is where it started.
func readEnd(port53 delegation.Port53, end *delegation.Level, isStart bool, aliases []delegation.Alias, reason string) way {
	switch {
	case port53.Closed:
		return way{state: NotKnown, seen: "this network does not let questions to name servers pass; ask a resolver by --resolver"}
	case port53.Intercepted:
		return way{state: NotKnown, seen: "this network answers in place of name servers; ask a resolver by --resolver"}
	case end == nil:
		return way{state: NotKnown, seen: reason}
	case isCircle(aliases):
		a := aliases[len(aliases)-1]
		return way{Wrong, fmt.Sprintf("the aliases of %v lead in a circle: %v has a %v to %v", aliases[0].From, a.Owner, a.Type, a.Target),
			end.Zone, fmt.Sprintf("remove the %v at %v, or let it lead to the name with the records", a.Type, a.Owner)}
	case isStart:
		return way{state: NotKnown, seen: reason}
	}
	w := readServers(end)
	if w.state == OK { // the servers answered one question, and not this one
		w = way{state: NotKnown, seen: reason}
	}
	return w
}

// wayTo reads a walk that reached a zone.
func wayTo(w *delegation.Walk) way {
	if w.Resolver.IsValid() && w.End.Zone.IsRoot() {
		return way{state: NotKnown, seen: "the resolver answers that there are no reverse zones at all, so it does not look names up in the public DNS; ask another one by --resolver"}
	}
	if isRegistry(w.End.Zone) && w.Kind != delegation.Answer {
		return way{Wrong, fmt.Sprintf("%v delegates no zone with %v", w.End.Zone, w.Target), w.End.Zone,
			fmt.Sprintf("delegate the reverse zone of the addresses by NS records in %v, which `ptrd handover PREFIX` prints, or add a PTR record there", w.End.Zone)}
	}
	return way{state: OK, seen: w.End.Zone.String()}
}

// isRegistry reports whether a reverse zone is one of IANA or of a registry, which have
// delegations and no PTR records: they have IPv4 prefixes of /8, and IPv6 prefixes of /12 to
// /23.
func isRegistry(zone dname.Name) bool {
	if zone.Equal(dname.MustParse("in-addr.arpa")) || zone.Equal(dname.IP6Arpa()) || zone.Equal(dname.MustParse("arpa")) || zone.IsRoot() {
		return true
	}
	p, ok := dname.ToPrefix(zone)
	return ok && (p.Addr().Is4() && p.Bits() <= 8 || p.Addr().Is6() && p.Bits() < 24)
}

func isCircle(aliases []delegation.Alias) bool {
	if len(aliases) == 0 {
		return false
	}
	for _, a := range aliases {
		if a.From.Equal(aliases[len(aliases)-1].Target) {
			return true
		}
	}
	return false
}

// readServers reads why no server of a zone shows the way: wrong if each server answers that
// it does not have the zone, or cannot have an address.
func readServers(l *delegation.Level) way {
	w := way{state: Wrong, zone: l.Zone, remedy: fmt.Sprintf("configure the zone %v on its name servers, or correct its NS records in the zone above", l.Zone)}
	for _, s := range l.Servers {
		state, seen := readServer(l, s, delegation.UDP)
		if state != Wrong {
			return way{state: state, seen: seen}
		}
		if w.seen == "" {
			w.seen = seen
			if len(s.Hosts) == 0 {
				w.remedy = fmt.Sprintf("give the name server %v addresses (in its own zone: glue in the zone above), or correct the NS records of %v in the zone above", s.Name, l.Zone)
			}
		}
	}
	if len(l.Servers) == 0 {
		return way{state: NotKnown, seen: "no name server of " + l.Zone.String() + " is known"}
	}
	return w
}

// readServer reads whether a server answers for a zone. An address that was not asked, because
// this host does not have its family, says nothing if there is another one.
func readServer(l *delegation.Level, s *delegation.NameServer, t delegation.Transport) (state State, seen string) {
	if len(s.Hosts) == 0 {
		return readNoAddress(l, s)
	}
	state, seen = NotKnown, fmt.Sprintf("%v was not asked", s.Name)
	for _, h := range s.Hosts {
		f := h.Over(t).SOA.Full()
		switch {
		case f == nil || f.Outcome == delegation.NotAsked && !f.IsSilent():
		case f.Outcome != delegation.Answered:
			return NotKnown, f.String()
		case f.OK() && !f.Authoritative():
			state, seen = Wrong, fmt.Sprintf("%v without authority (AA), and it should have the zone", f)
		case delegation.Read(f, l.Zone).Kind != delegation.Answer:
			state, seen = Wrong, fmt.Sprintf("%v, and it should have the zone", f)
		case state != Wrong:
			state, seen = OK, s.Name.String()
		}
	}
	return state, seen
}

// readNoAddress reads why a server has no address.
func readNoAddress(l *delegation.Level, s *delegation.NameServer) (State, string) {
	if s.Name.IsAtOrBelow(l.Zone) && len(s.Glue) == 0 {
		return Wrong, fmt.Sprintf("the name server %v is in its own zone, and the zone above has no glue for it", s.Name)
	}
	for _, a := range []*delegation.Lookup{s.A, s.AAAA} {
		if a == nil || a.Kind != delegation.NoData && a.Kind != delegation.NXDomain {
			return NotKnown, fmt.Sprintf("the addresses of the name server %v are not known", s.Name)
		}
	}
	return Wrong, fmt.Sprintf("the name server %v has no address", s.Name)
}
