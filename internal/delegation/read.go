package delegation

import (
	"net/netip"
	"slices"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Kind is what a response says about its question.
type Kind uint8

// The kinds.
const (
	Nothing          Kind = iota // there is no response
	Answer                       // records of the name and type
	NoData                       // the name has no records of the type
	NXDomain                     // the name does not exist
	Referral                     // to the servers of a zone below
	AliasTo                      // a CNAME or DNAME
	Failure                      // a response code other than NOERROR and NXDOMAIN
	NotAuthoritative             // the server is not responsible for the zone: no AA, an upward referral, or nothing
)

func (k Kind) String() string {
	return [...]string{"no response", "answer", "NODATA", "NXDOMAIN", "referral", "alias", "error", "not authoritative"}[k]
}

// MarshalText returns the kind in words.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Glue is an address of a server in a referral.
type Glue struct {
	Name dname.Name `json:"name"`
	Addr netip.Addr `json:"address"`
}

// server returns the server with the port of all servers in records.
func (g Glue) server() Server { return Server{g.Name, netip.AddrPortFrom(g.Addr, 0)} }

// Alias is a CNAME or DNAME that was followed.
type Alias struct {
	Type   rr.Type    `json:"type"`  // CNAME or DNAME
	Owner  dname.Name `json:"owner"` // of the record
	From   dname.Name `json:"from"`  // the name in question
	Target dname.Name `json:"target"`
	Fact   *Fact      `json:"fact"` // the response with the record
}

// Reading is what a response says, as far as the asked zone is responsible for it.
type Reading struct {
	Kind Kind

	// Records are those of an Answer.
	Records []dns.RR

	// SOA is that of the zone that the server answers for, of NoData and NXDomain; nil if
	// the response has none.
	SOA *dns.SOA

	// Cut, NS and Glue are the zone, the server names and their addresses of a Referral.
	// An Answer to a question of type NS has NS and Cut too.
	Cut  dname.Name
	NS   []dname.Name
	Glue []Glue

	Alias Alias // of AliasTo

	// Untrusted are the records of other zones, which mean nothing here.
	Untrusted []dns.RR

	// Upward reports that a response that is NotAuthoritative refers to the zone itself, or
	// to one above it or elsewhere.
	Upward bool
}

// Read returns what a fact says, if the server was asked as one of zone. It reads the whole
// response, which may have come over TCP.
func Read(f *Fact, zone dname.Name) Reading { return read(f, zone, false) }

// read is Read; recursive accepts answers without AA, of a resolver.
func read(f *Fact, zone dname.Name, recursive bool) (r Reading) {
	f = f.Full()
	if f == nil || f.Msg == nil {
		return r
	}
	q, m := f.Question, f.Msg
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return Reading{Kind: Failure}
	}
	authoritative := m.Authoritative || recursive
	r.Kind = NotAuthoritative

	for _, record := range m.Answer {
		h := record.Header()
		owner := nameOf(h.Name)
		switch isAlias := h.Rrtype == dns.TypeCNAME || h.Rrtype == dns.TypeDNAME; {
		case h.Class != dns.ClassINET || !owner.IsAtOrBelow(zone):
			r.Untrusted = append(r.Untrusted, record)
		case !authoritative:
		case rr.Type(h.Rrtype) == q.Type && owner.Equal(q.Name):
			r.Kind = Answer
			r.Records = append(r.Records, record)
		case isAlias && r.Kind == NotAuthoritative:
			if a, ok := aliasOf(record, q.Name); ok {
				a.Fact = f
				r.Kind, r.Alias = AliasTo, a
			}
		}
	}
	if r.Kind == Answer {
		if q.Type == rr.TypeNS {
			r.Cut = q.Name.AppendLower(nil)
			r.addServers(r.Records, m, zone)
		}
		return r
	}
	if r.Kind == AliasTo {
		return r
	}

	var referral []dns.RR
	for _, record := range m.Ns {
		h := record.Header()
		owner := nameOf(h.Name)
		isAbove := q.Name.IsAtOrBelow(owner)
		switch {
		case h.Class != dns.ClassINET || !owner.IsAtOrBelow(zone) || !isAbove && (h.Rrtype == dns.TypeNS || h.Rrtype == dns.TypeSOA):
			r.Untrusted = append(r.Untrusted, record)
			r.Upward = r.Upward || h.Rrtype == dns.TypeNS
		case h.Rrtype == dns.TypeSOA:
			r.SOA, _ = record.(*dns.SOA)
		case h.Rrtype == dns.TypeNS && owner.Equal(zone):
			r.Upward = true // or the NS records of the zone next to an answer without records
		case h.Rrtype == dns.TypeNS && (r.Cut == nil || owner.Equal(r.Cut)):
			r.Cut = owner
			referral = append(referral, record)
		}
	}
	switch {
	case referral != nil && r.SOA == nil && m.Rcode == dns.RcodeSuccess:
		r.Kind, r.Upward = Referral, false
		r.addServers(referral, m, zone)
		return r
	case authoritative && m.Rcode == dns.RcodeNameError:
		r.Kind, r.Upward = NXDomain, false
	case authoritative:
		r.Kind, r.Upward = NoData, false
	}
	r.Cut = nil
	return r
}

// addServers adds the names of NS records, and the addresses of those names that are in the
// asked zone.
func (r *Reading) addServers(records []dns.RR, m *dns.Msg, zone dname.Name) {
	glue := map[string]map[netip.Addr]bool{} // what is known so far, by the key of the name
	for _, record := range records {
		if ns, ok := record.(*dns.NS); ok {
			if n := nameOf(ns.Ns); glue[n.Key()] == nil {
				glue[n.Key()] = map[netip.Addr]bool{}
				r.NS = append(r.NS, n)
			}
		}
	}
	for _, record := range m.Extra {
		a := AddressOf(record)
		if !a.IsValid() {
			continue
		}
		n := nameOf(record.Header().Name)
		switch known := glue[n.Key()]; {
		case known == nil || !n.IsAtOrBelow(zone):
			r.Untrusted = append(r.Untrusted, record)
		case !known[a]:
			known[a] = true
			r.Glue = append(r.Glue, Glue{n, a})
		}
	}
}

// contains reports whether a list has a name.
func contains(list []dname.Name, n dname.Name) bool {
	return slices.ContainsFunc(list, n.Equal)
}

// AddressOf returns the address of an A or AAAA record; invalid for others.
func AddressOf(r dns.RR) netip.Addr {
	var a netip.Addr
	switch v := r.(type) {
	case *dns.A:
		a, _ = netip.AddrFromSlice(v.A.To4())
	case *dns.AAAA:
		a, _ = netip.AddrFromSlice(v.AAAA)
	}
	return a
}

// aliasOf returns where a record leads from a name: a CNAME of the name, or a DNAME above
// it (RFC 6672 §2.2). A target that would be too long is no alias.
func aliasOf(record dns.RR, from dname.Name) (Alias, bool) {
	h := record.Header()
	a := Alias{Type: rr.Type(h.Rrtype), Owner: nameOf(h.Name), From: from}
	switch v := record.(type) {
	case *dns.CNAME:
		a.Target = nameOf(v.Target)
		return a, a.Owner.Equal(from)
	case *dns.DNAME:
		if !from.IsAtOrBelow(a.Owner) || from.Equal(a.Owner) {
			return a, false
		}
		target := nameOf(v.Target)
		front := from[:len(from)-len(a.Owner)]
		if len(front)+len(target) > dname.MaxWire {
			return a, false
		}
		a.Target = append(front.AppendLower(nil), target...)
		return a, true
	}
	return a, false
}
