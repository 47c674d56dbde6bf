package handover

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/zone/dname"
)

// Facts are what is known of a zone and its servers before, or after, it is delegated. Names are in
// lower case, with the final dot.
type Facts struct {
	Zone     string
	Now      time.Time
	Listed   []string                // names of the servers that the owner of the addresses is to enter
	Glue     map[string][]netip.Addr // addresses that are entered, or were given, with the names
	Names    map[string]*Lookup      // of all names of servers, those in the zone too
	Servers  []*Server               // each name and address once
	Untested []*Server               // that were not asked, because this host does not reach their addresses
	DS       []*dns.DS               // that the owner of the addresses is to enter
	verified map[*dns.RRSIG]fault    // what is wrong with signatures, as far as it is known
	Targets  map[string]*Lookup      // of the names in MX records of the zone
}

// Lookup is what the resolution of a name gave.
type Lookup struct {
	Addrs []netip.Addr
	Chain []*dns.CNAME // of the answers on the way
	Err   error        // nil: resolved, possibly without addresses
}

// Server is one address of a name server, with its replies.
type Server struct {
	Name    string
	Addr    netip.Addr
	Replies map[Question]*dns.Msg // nil or missing: no usable reply
	Why     string                // why it was not asked a question, not by its own fault; empty: it was asked all
}

// String returns name and address as Zonemaster writes them.
func (s *Server) String() string {
	return fmt.Sprintf("%s/%v", strings.TrimSuffix(s.Name, "."), s.Addr)
}

// Question is a query to one server.
type Question struct {
	Name string
	Type uint16
	Mode Mode
}

// Mode is how a question is sent.
type Mode uint8

// The modes, which can be combined. None: over UDP, again over TCP if the reply is truncated, and
// without EDNS.
const (
	TCP  Mode = 1 << iota // over TCP
	EDNS                  // with EDNS, 512 octets
	DO                    // with EDNS and the DO bit
)

// missing is the name that proves how a server denies names, an address without a PTR record as a
// rule. Zonemaster asks for the same.
const missing = "xx--oplk4f3fgh9lksdfhu7h--xx."

// foreign are names outside of the zone that no authoritative server answers for.
func foreign() []string {
	return []string{"xn--nameservertest.iis.se.", "xn--nameservertest.icann.org.", "xn--nameservertest.ripe.net."}
}

// first are the questions that show whether a server answers at all.
func first(zone string) []Question {
	return []Question{{zone, dns.TypeSOA, 0}, {zone, dns.TypeSOA, TCP}, {zone, dns.TypeNS, 0}}
}

// questions are those to a server that answers one of the first ones; names are those of the servers
// with names in the zone.
func questions(zone string, names []string) []Question {
	var out []Question
	for _, t := range []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeMX, dns.TypeTXT} {
		out = append(out, Question{zone, t, 0})
	}
	out = append(out, Question{zone, dns.TypeSOA, EDNS}, Question{missing + zone, dns.TypeA, DO})
	for _, t := range []uint16{dns.TypeSOA, dns.TypeDNSKEY, dns.TypeCDS, dns.TypeCDNSKEY, dns.TypeNSEC, dns.TypeNSEC3PARAM} {
		out = append(out, Question{zone, t, DO})
	}
	for _, n := range foreign() {
		out = append(out, Question{n, dns.TypeA, 0})
	}
	upper, lower := mixedCase(zone)
	out = append(out, Question{upper, dns.TypeSOA, 0}, Question{lower, dns.TypeSOA, 0})
	for _, n := range names {
		out = append(out, Question{n, dns.TypeA, 0}, Question{n, dns.TypeAAAA, 0})
	}
	return out
}

// mixedCase returns a name below the zone in two mixtures of upper and lower case.
func mixedCase(zone string) (a, b string) {
	name := []byte("www." + zone)
	mix := func(upper int) string {
		out := slices.Clone(name)
		for i, c := range out {
			if i%2 == upper && 'a' <= c && c <= 'z' {
				out[i] = c - 'a' + 'A'
			}
		}
		return string(out)
	}
	return mix(0), mix(1)
}

// reply returns the reply to a question about the zone itself, or nil.
func (f *Facts) reply(s *Server, t uint16, m Mode) *dns.Msg { return s.Replies[Question{f.Zone, t, m}] }

// authoritative returns the reply if it is one of a server that serves the zone, or nil.
func (f *Facts) authoritative(s *Server, t uint16, m Mode) *dns.Msg {
	r := f.reply(s, t, m)
	if r == nil || r.Rcode != dns.RcodeSuccess || !r.Authoritative {
		return nil
	}
	return r
}

// records returns the records of a type in a section.
func records[T dns.RR](section []dns.RR) []T {
	var out []T
	for _, rr := range section {
		if r, ok := rr.(T); ok {
			out = append(out, r)
		}
	}
	return out
}

// answer returns the records of a type in the authoritative answer of a server.
func answer[T dns.RR](f *Facts, s *Server, t uint16, m Mode) []T {
	r := f.authoritative(s, t, m)
	if r == nil {
		return nil
	}
	return records[T](r.Answer)
}

// soa returns the SOA record that a server has, or nil.
func (f *Facts) soa(s *Server) *dns.SOA {
	if l := answer[*dns.SOA](f, s, dns.TypeSOA, 0); len(l) > 0 {
		return l[0]
	}
	return nil
}

// keys returns the DNSKEY records that a server has.
func (f *Facts) keys(s *Server) []*dns.DNSKEY {
	return answer[*dns.DNSKEY](f, s, dns.TypeDNSKEY, DO)
}

// isSigned reports whether a server has keys, or a DS record is to be entered.
func (f *Facts) isSigned() bool {
	return len(f.DS) > 0 || slices.ContainsFunc(f.Servers, func(s *Server) bool { return len(f.keys(s)) > 0 })
}

// nsSet returns the names of the NS records that a server has, sorted; none if it does not serve
// the zone.
func (f *Facts) nsSet(s *Server) []string {
	var out []string
	for _, ns := range answer[*dns.NS](f, s, dns.TypeNS, 0) {
		out = append(out, dns.CanonicalName(ns.Ns))
	}
	slices.Sort(out)
	return out
}

// children returns the names of the NS records in the zone, as all servers together have them.
func (f *Facts) children() []string {
	names := map[string]bool{}
	for _, s := range f.Servers {
		for _, n := range f.nsSet(s) {
			names[n] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// allNames returns the names of the servers in the delegation and in the zone.
func (f *Facts) allNames() []string {
	out := slices.Concat(f.Listed, f.children())
	slices.Sort(out)
	return slices.Compact(out)
}

// inZone reports whether a name is in the zone itself.
func (f *Facts) inZone(name string) bool { return dns.IsSubDomain(f.Zone, name) }

// delegated returns the addresses of the servers that would be delegated to: the given ones, or those
// that the names resolve to.
func (f *Facts) delegated() map[string][]netip.Addr {
	out := map[string][]netip.Addr{}
	for _, n := range f.Listed {
		if out[n] = f.Glue[n]; len(out[n]) == 0 && f.Names[n] != nil {
			out[n] = f.Names[n].Addrs
		}
	}
	return out
}

// served returns the addresses of the servers in the zone: as names resolve, those in the zone by what
// it has.
func (f *Facts) served() map[string][]netip.Addr {
	out := map[string][]netip.Addr{}
	for _, n := range f.children() {
		if f.inZone(n) {
			out[n], _ = f.zoneAddresses(n)
		} else if f.Names[n] != nil {
			out[n] = f.Names[n].Addrs
		}
	}
	return out
}

// known returns the addresses of all names.
func (f *Facts) known() map[string][]netip.Addr {
	out := f.delegated()
	for n, list := range f.served() {
		out[n] = append(slices.Clone(out[n]), list...)
		slices.SortFunc(out[n], netip.Addr.Compare)
		out[n] = slices.Compact(out[n])
	}
	return out
}

// zoneAddresses returns the addresses that the servers have in the zone for a name in it. It is served
// if one of them answers the question, also by NXDOMAIN.
func (f *Facts) zoneAddresses(name string) (list []netip.Addr, isServed bool) {
	for _, s := range f.Servers {
		for _, t := range []uint16{dns.TypeA, dns.TypeAAAA} {
			r := s.Replies[Question{name, t, 0}]
			if r == nil || r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError || !r.Authoritative {
				continue
			}
			isServed = true
			list = append(list, addressesOf(r.Answer)...)
		}
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list), isServed
}

// addressesOf returns the addresses in A and AAAA records.
func addressesOf(section []dns.RR) []netip.Addr {
	var out []netip.Addr
	for _, r := range section {
		if a := delegation.AddressOf(r); a.IsValid() {
			out = append(out, a)
		}
	}
	return out
}

// canonical returns a name as Facts has it.
func canonical(n dname.Name) string { return dns.CanonicalName(n.String()) }
