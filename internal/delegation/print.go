package delegation

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/spelling"
)

// IsWrong reports whether the walk did not come to its end.
func (w *Walk) IsWrong() bool { return w.Reason != "" }

// Print writes the way as text: each zone with its servers, what is not as it should be at its
// parent, and for a surveyed zone a line for each address.
func (w *Walk) Print(to io.Writer) error {
	b := bufio.NewWriter(to)
	for _, l := range w.Levels {
		if w.Port53.IsOpen() { // nothing is known of the servers
			l.print(b)
		}
	}
	for _, a := range w.Aliases {
		fmt.Fprintf(b, "%v has a %v to %v\n", a.From, a.Type, a.Target)
	}
	switch {
	case w.Port53.Closed:
		fmt.Fprintln(b, "No root server answers: this network seems to be closed for questions to port 53. Ask a resolver by --resolver.")
	case w.Port53.Intercepted:
		fmt.Fprintf(b, "This network intercepts questions to port 53: %v, but not by that server. Ask a resolver by --resolver, or run this elsewhere.\n", w.Port53.Evidence[0])
	case w.Reason != "":
		fmt.Fprintf(b, "The way to %v ends: %s.\n", w.Target, w.Reason)
	case w.Kind == Answer:
		fmt.Fprintf(b, "%v is a zone.\n", w.Target)
	case w.Kind == NXDomain:
		fmt.Fprintf(b, "%v does not exist in the zone %v\n", w.Target, w.End.Zone)
	default:
		fmt.Fprintf(b, "%v is in the zone %v\n", w.Target, w.End.Zone)
	}
	return b.Flush()
}

// print writes a level.
func (l *Level) print(b *bufio.Writer) {
	fmt.Fprintf(b, "%v: %s, %s\n", l.Zone, spelling.Number(len(l.Servers)+len(l.Skipped), "server"), spelling.Number(len(l.Hosts()), "address"))
	for _, f := range l.Referrals {
		if r := Read(f, l.Parent.Zone); r.Kind != Referral && r.Kind != Answer && f.Outcome != NotAsked {
			fmt.Fprintf(b, "  %v of %v over %v: %s\n", f.Server, l.Parent.Zone, f.Transport, inWords(f, l.Parent.Zone))
		}
	}
	if !l.Surveyed {
		return
	}
	if a := l.Resolver; a != nil {
		fmt.Fprintf(b, "  by the resolver: %s\n", inWords(a.SOA, nil))
		return
	}
	isListed := slices.ContainsFunc(l.Servers, func(s *NameServer) bool { return s.InZone })
	for _, s := range l.Servers {
		switch {
		case len(s.Hosts) == 0:
			fmt.Fprintf(b, "  %v: no address\n", s.Name)
		case !l.IsReferred() || !isListed: // not known
		case !s.InParent:
			fmt.Fprintf(b, "  %v: only the zone lists it\n", s.Name)
		case !s.InZone:
			fmt.Fprintf(b, "  %v: only the parent lists it\n", s.Name)
		}
		for _, h := range s.Hosts {
			fmt.Fprintf(b, "  %v:", h.Server)
			udp, tcp := inWords(h.UDP.SOA, l.Zone), inWords(h.TCP.SOA, l.Zone)
			if udp == tcp {
				fmt.Fprintf(b, " %s\n", udp)
			} else {
				fmt.Fprintf(b, " over UDP %s, over TCP %s\n", udp, tcp)
			}
		}
	}
}

// inWords returns what a fact says to a server of a zone; nil: the fact is from a resolver.
func inWords(f *Fact, zone dname.Name) string {
	if f.Earlier != nil {
		return inWords(f.Earlier, zone)
	}
	if f.Outcome != Answered {
		return strings.TrimSuffix(fmt.Sprintf("%v, %s", f.Outcome, f.Reason), ", ")
	}
	r := Read(f, zone)
	if zone == nil {
		r = read(f, dname.Root(), true)
	}
	switch soa := f.SOA(); {
	case r.Kind == Failure:
		return rcodeText(f.Rcode())
	case r.Kind == NotAuthoritative && r.Upward:
		return "not authoritative, refers upward"
	case soa != nil && r.Kind == Answer:
		return fmt.Sprintf("serial %d", soa.Serial)
	}
	return r.Kind.String()
}
