package handover

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Parent is what the servers of the zone above have about a zone.
type Parent struct {
	Zone    dname.Name          // nil: not found
	Records map[string][]string // of each server that answers, as [Zone.Records] and [Zone.CNAMEs] print them
	Servers []config.NameServer // to which it delegates, with glue
	Reason  string              // why the zone above was not found
	Warning string              // what is wrong with the way to it; empty: nothing
}

// Delegated compares the zone above with what it is to have.
type Delegated struct {
	Parent  dname.Name `json:"parent,omitempty"`
	Reason  string     `json:"reason,omitempty"` // why nothing is known
	Done    bool       `json:"done"`             // nothing is missing or different
	Records []string   `json:"records"`          // that one of the servers has
	Missing []string   `json:"missing,omitempty"`
	Extra   []string   `json:"extra,omitempty"`
}

// compare compares the zone above with the records that it is to have.
func (p *Parent) compare(want []string) *Delegated {
	d := &Delegated{Parent: p.Zone, Reason: p.Reason, Records: []string{}}
	count := map[string]int{} // servers that have a record, by its text in lower case
	for _, list := range p.Records {
		for _, r := range list {
			key := strings.ToLower(r)
			if count[key]++; count[key] == 1 {
				d.Records = append(d.Records, r)
			}
		}
	}
	for _, r := range d.Records {
		if !slices.ContainsFunc(want, func(w string) bool { return strings.EqualFold(w, r) }) {
			d.Extra = append(d.Extra, r)
		}
	}
	slices.Sort(d.Records)
	slices.Sort(d.Extra)
	if d.Reason != "" {
		return d
	}
	for _, w := range want {
		if n := count[strings.ToLower(w)]; n < len(p.Records) || n == 0 {
			d.Missing = append(d.Missing, w)
		}
	}
	d.Done = d.Missing == nil && d.Extra == nil
	return d
}

// report writes the comparison.
func (d *Delegated) report(w io.Writer, zone dname.Name) {
	switch {
	case d.Reason != "":
		fmt.Fprintf(w, "%s: the zone above is not known: %s\n", zone, d.Reason)
	case d.Done:
		fmt.Fprintf(w, "%s: delegated by %s, nothing is missing\n", zone, d.Parent)
	case len(d.Records) == 0:
		fmt.Fprintf(w, "%s: not delegated by %s yet\n", zone, d.Parent)
	default:
		fmt.Fprintf(w, "%s: delegated by %s, with differences\n", zone, d.Parent)
		for _, r := range d.Missing {
			fmt.Fprintf(w, "    missing: %s\n", r)
		}
		for _, r := range d.Extra {
			fmt.Fprintf(w, "    to be removed: %s\n", r)
		}
	}
}

// Parent walks to the zone.
func (s *source) Parent(ctx context.Context, z *Zone) *Parent {
	w := s.resolver.Walk(ctx, z.Apex)
	p := &Parent{Records: map[string][]string{}}
	switch {
	case w.Port53.Intercepted:
		p.Warning = "another server answers on port 53 in place of those that are asked, so that these tests say nothing; run them on a host with a free way out, or ask a resolver for names by --resolver"
	case w.Port53.Closed:
		p.Warning = "no root server answers: port 53 of other hosts may be closed here; run the tests on another host, or ask a resolver for names by --resolver"
	}
	var level *delegation.Level
	for _, l := range w.Levels {
		switch {
		case l.Zone.Equal(z.Apex):
			level = l
		case z.Apex.IsAtOrBelow(l.Zone):
			p.Zone = l.Zone
		}
	}
	if level == nil && w.Kind != delegation.NoData && w.Kind != delegation.NXDomain && w.Kind != delegation.AliasTo {
		p.Reason = w.Reason
		if p.Reason == "" {
			p.Reason = "no server of " + z.Apex.Parent().String() + " or above answers"
		}
		return p
	}
	if w.Resolver.IsValid() {
		p.Reason = "a resolver is asked for names, which does not show what the zone above has"
		return p
	}
	if level != nil {
		for _, f := range level.Referrals {
			if r := delegation.Read(f, p.Zone); r.Cut != nil && f.Transport == delegation.UDP {
				p.add(f, linesOf(z, &r))
				p.addServers(z, &r)
			}
		}
		for _, f := range level.DS {
			if f.Transport == delegation.UDP && f.OK() {
				p.add(f, dsLines(z, f.Records()))
			}
		}
	}
	if z.IsClassless() {
		p.addAliases(ctx, z, s.resolver)
	}
	return p
}

// add adds records of a server.
func (p *Parent) add(f *delegation.Fact, lines []string) {
	key := f.Server.Addr.String()
	p.Records[key] = append(p.Records[key], lines...)
}

// addServers adds the servers of a referral.
func (p *Parent) addServers(z *Zone, r *delegation.Reading) {
	for _, n := range r.NS {
		if slices.ContainsFunc(p.Servers, func(s config.NameServer) bool { return s.Name.Equal(n) }) {
			continue
		}
		s := config.NameServer{Name: n}
		for _, g := range r.Glue {
			if g.Name.Equal(n) && n.IsAtOrBelow(z.Apex) {
				s.Addresses = append(s.Addresses, g.Addr)
			}
		}
		p.Servers = append(p.Servers, s)
	}
}

// linesOf returns the NS and address records of a referral.
func linesOf(z *Zone, r *delegation.Reading) []string {
	var out []string
	for _, n := range r.NS {
		out = append(out, fmt.Sprintf("%v NS %v", z.Apex, n))
	}
	for _, g := range r.Glue {
		if g.Name.IsAtOrBelow(z.Apex) {
			out = append(out, fmt.Sprintf("%v %s %v", g.Name, rr.AddressType(g.Addr), g.Addr))
		}
	}
	return out
}

func dsLines(z *Zone, list []dns.RR) []string {
	var out []string
	for _, d := range records[*dns.DS](list) {
		out = append(out, dsLine(z.Apex, d))
	}
	return out
}

// addAliases adds the CNAMEs of the addresses of a classless zone, to all servers: only one of the
// servers is asked for each.
func (p *Parent) addAliases(ctx context.Context, z *Zone, c *delegation.Client) {
	var found []string
	for owner := range z.aliases {
		l := c.Resolve(ctx, owner, rr.TypeCNAME)
		for _, r := range records[*dns.CNAME](l.Records) {
			found = append(found, fmt.Sprintf("%v CNAME %v", owner, r.Target))
		}
	}
	if len(p.Records) == 0 && found != nil {
		p.Records["resolution"] = nil
	}
	for key := range p.Records {
		p.Records[key] = append(p.Records[key], found...)
	}
}
