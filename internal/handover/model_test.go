package handover

import (
	"cmp"
	"context"
	"crypto"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/delegation/delegationtest"
	"github.com/ptrd/ptrd/zone/dname"
)

// model is a zone and its servers, made up: the replies of the servers are computed, for tests without
// network as well as for servers that Zonemaster queries. A fault changes the data or the replies.
type model struct {
	zone    string
	names   []string // of the servers that would be delegated to
	given   bool     // the addresses of the servers are given with the names
	addrs   map[string][]netip.Addr
	aliases map[string]string       // of names outside of the zone
	resolve map[string][]netip.Addr // addresses of names as they resolve, if not those of addrs
	records map[string][]dns.RR
	keys    []modelKey
	nsec3   bool
	now     time.Time
	before  func(*call) // changes a reply before it is signed; nil: none
	alter   func(*call) // changes a reply; nil: none
	ds      []*dns.DS   // in place of those that the servers have; nil: these
}

// call is a query to a server of the model with its reply.
type call struct {
	*model
	server netip.Addr
	first  bool // the server is the first one
	tcp    bool
	query  *dns.Msg
	reply  *dns.Msg // nil: no reply
}

// modelKey is a key that signs all.
type modelKey struct {
	*dns.DNSKEY
	signer     crypto.Signer
	off        bool // it does not sign
	start, end time.Duration
}

func addrs(list ...string) []netip.Addr {
	var out []netip.Addr
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

// newModel returns a zone without faults.
func newModel() *model {
	m := &model{
		zone:  "7.4.11.in-addr.arpa.",
		names: []string{"ns1.customer.example.", "ns2.customer.example."},
		addrs: map[string][]netip.Addr{
			"ns1.customer.example.": addrs("11.4.7.53", "2e00:4:7::53"),
			"ns2.customer.example.": addrs("11.6.0.53", "2e00:6::53"),
		},
		aliases: map[string]string{},
		records: map[string][]dns.RR{},
		now:     time.Now().Truncate(time.Second),
	}
	m.put("@ SOA ns1.customer.example. hostmaster.customer.example. 2026010101 14400 3600 1209600 3600")
	m.put("@ NS ns1.customer.example.")
	m.put("@ NS ns2.customer.example.")
	m.put("25 PTR mail.customer.example.")
	return m
}

// sign adds a key to the model.
func (m *model) sign(seed byte) *model {
	k, private := delegationtest.NewKey(m.zone, 'a'+seed)
	m.keys = append(m.keys, modelKey{DNSKEY: k, signer: private, start: -time.Hour, end: 30 * 24 * time.Hour})
	m.records[m.zone] = append(m.records[m.zone], k)
	return m
}

// cds adds CDS and CDNSKEY records for the first key.
func (m *model) cds() *model {
	k := m.keys[0].DNSKEY
	d := k.ToDS(dns.SHA256).ToCDS()
	d.Hdr.Rrtype, d.Hdr.Class, d.Hdr.Ttl = dns.TypeCDS, dns.ClassINET, 3600
	m.records[m.zone] = append(m.records[m.zone], d, k.ToCDNSKEY())
	return m
}

// rr reads a record, in which @ is the zone, and relative names are relative to it.
func (m *model) rr(text string) dns.RR {
	z := dns.NewZoneParser(strings.NewReader("$TTL 3600\n"+text+"\n"), m.zone, "")
	rr, ok := z.Next()
	if !ok {
		panic(z.Err())
	}
	return rr
}

// put adds a record to the zone.
func (m *model) put(text string) *model {
	rr := m.rr(text)
	n := dns.CanonicalName(rr.Header().Name)
	m.records[n] = append(m.records[n], rr)
	return m
}

// remove removes the records of a name that are of the type, or have the text in them.
func (m *model) remove(name string, t uint16, with string) *model {
	m.records[name] = slices.DeleteFunc(m.records[name], func(rr dns.RR) bool {
		return rr.Header().Rrtype == t && strings.Contains(rr.String(), with)
	})
	return m
}

// servers returns all addresses.
func (m *model) servers() []netip.Addr {
	var out []netip.Addr
	add := func(list []netip.Addr) {
		for _, a := range list {
			if !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
	}
	for _, of := range []map[string][]netip.Addr{m.addrs, m.resolve} {
		for _, n := range slices.Sorted(maps.Keys(of)) {
			add(of[n])
		}
	}
	for _, n := range m.owners() {
		add(addressesOf(m.records[n]))
	}
	return out
}

// serve returns the reply to a query, or nil.
func (m *model) serve(server netip.Addr, query *dns.Msg, tcp bool) *dns.Msg {
	c := &call{model: m, server: server, first: server == m.servers()[0], tcp: tcp, query: query}
	c.reply = m.answer(query, c)
	if m.alter != nil {
		m.alter(c)
	}
	return c.reply
}

// answer returns the correct reply, apart from what m.before changes in it for the call, which may be nil.
func (m *model) answer(query *dns.Msg, c *call) *dns.Msg {
	q := query.Question[0]
	r := new(dns.Msg)
	r.SetReply(query)
	opt := query.IsEdns0()
	if opt != nil {
		r.SetEdns0(1232, opt.Do())
		if opt.Version() > 0 {
			r.Rcode = dns.RcodeBadVers
			return r
		}
	}
	name := dns.CanonicalName(q.Name)
	if !dns.IsSubDomain(m.zone, name) || q.Qtype == dns.TypeAXFR {
		r.Rcode = dns.RcodeRefused
		return r
	}
	r.Authoritative = true
	all, exists := m.records[name]
	for _, rr := range all {
		if t := rr.Header().Rrtype; t == q.Qtype || t == dns.TypeCNAME {
			r.Answer = append(r.Answer, dns.Copy(rr))
		}
	}
	if q.Qtype == dns.TypeNSEC && !m.nsec3 && len(m.keys) > 0 && exists {
		r.Answer = append(r.Answer, m.nsec(name))
	}
	if len(r.Answer) == 0 {
		if !exists {
			r.Rcode = dns.RcodeNameError
		}
		r.Ns = append(r.Ns, m.soa())
		if len(m.keys) > 0 && opt != nil && opt.Do() {
			r.Ns = append(r.Ns, m.denial(name, exists)...)
		}
	}
	if m.before != nil && c != nil {
		c.reply = r
		m.before(c)
	}
	if opt != nil && opt.Do() {
		r.Answer = m.withSignatures(r.Answer)
		r.Ns = m.withSignatures(r.Ns)
	}
	return r
}

func (m *model) soa() dns.RR {
	for _, rr := range m.records[m.zone] {
		if rr.Header().Rrtype == dns.TypeSOA {
			return dns.Copy(rr)
		}
	}
	return m.rr("@ SOA . . 1 1 1 1 1")
}

// owners returns the names of the zone in canonical order.
func (m *model) owners() []string {
	return slices.SortedFunc(maps.Keys(m.records), func(a, b string) int { return slices.Compare(wireOrder(a), wireOrder(b)) })
}

func (m *model) types(name string, more ...uint16) []uint16 {
	out := append(more, dns.TypeRRSIG)
	for _, rr := range m.records[name] {
		out = append(out, rr.Header().Rrtype)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// nsec returns the NSEC record at a name, or the one before it.
func (m *model) nsec(name string) dns.RR {
	list := m.owners()
	at := len(list) - 1
	for at > 0 && slices.Compare(wireOrder(list[at]), wireOrder(name)) > 0 {
		at--
	}
	return &dns.NSEC{
		Hdr:        dns.RR_Header{Name: list[at], Rrtype: dns.TypeNSEC, Class: dns.ClassINET, Ttl: 3600},
		NextDomain: list[(at+1)%len(list)],
		TypeBitMap: m.types(list[at], dns.TypeNSEC),
	}
}

// denial returns the proof that a name, or a type at it, does not exist. All names are one label below
// the apex.
func (m *model) denial(name string, exists bool) []dns.RR {
	if !m.nsec3 {
		out := []dns.RR{m.nsec(name)}
		if apex := m.nsec(m.zone); !exists && apex.Header().Name != out[0].Header().Name {
			out = append(out, apex)
		}
		return out
	}
	hash := func(n string) string { return strings.ToLower(dns.HashName(n, dns.SHA1, 0, "")) }
	of := map[string]string{}
	for n := range m.records {
		of[hash(n)] = n
	}
	list := slices.Sorted(maps.Keys(of))
	record := func(h string) dns.RR {
		at := len(list) - 1
		for i, l := range list {
			if l <= h {
				at = i
			}
		}
		more := []uint16{}
		if of[list[at]] == m.zone {
			more = []uint16{dns.TypeNSEC3PARAM}
		}
		return &dns.NSEC3{
			Hdr:  dns.RR_Header{Name: list[at] + "." + m.zone, Rrtype: dns.TypeNSEC3, Class: dns.ClassINET, Ttl: 3600},
			Hash: dns.SHA1, HashLength: 20, NextDomain: strings.ToUpper(list[(at+1)%len(list)]), TypeBitMap: m.types(of[list[at]], more...),
		}
	}
	if exists {
		return []dns.RR{record(hash(name))}
	}
	var out []dns.RR
	for _, n := range []string{m.zone, name, "*." + m.zone} {
		if r := record(hash(n)); !slices.ContainsFunc(out, func(o dns.RR) bool { return o.Header().Name == r.Header().Name }) {
			out = append(out, r)
		}
	}
	return out
}

// withSignatures adds an RRSIG of each key to each RRset.
func (m *model) withSignatures(section []dns.RR) []dns.RR {
	out := section
	for _, k := range m.keys {
		signed := delegationtest.Sign(section, k.DNSKEY, k.signer, func(sig *dns.RRSIG) bool {
			sig.Inception, sig.Expiration = uint32(m.now.Add(k.start).Unix()), uint32(m.now.Add(k.end).Unix())
			return !k.off
		})
		out = append(out, signed[len(section):]...)
	}
	return out
}

// Ask and Resolve make the model a Source.
func (m *model) Ask(_ context.Context, server netip.Addr, q Question) (*dns.Msg, string) {
	query := new(dns.Msg)
	query.SetQuestion(q.Name, q.Type)
	query.RecursionDesired = false
	if q.Mode&(EDNS|DO) != 0 {
		query.SetEdns0(512, q.Mode&DO != 0)
	}
	return m.serve(server, query, q.Mode&TCP != 0), ""
}

func (m *model) Parent(context.Context, *Zone) *Parent { return &Parent{Reason: "a model has none"} }

func (m *model) Resolve(_ context.Context, name string) *Lookup {
	l := &Lookup{}
	for target := m.aliases[name]; target != "" && !reaches(l.Chain, target, name) && len(l.Chain) < maxChain; name, target = target, m.aliases[target] {
		l.Chain = append(l.Chain, &dns.CNAME{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: 3600}, Target: target})
	}
	l.Addrs = m.addressesOf(name)
	return l
}

// addressesOf returns the addresses that a name outside of the zone resolves to.
func (m *model) addressesOf(name string) []netip.Addr {
	if list, ok := m.resolve[name]; ok {
		return list
	}
	return m.addrs[name]
}

// root returns the reply of the server of the root zone, which has all names outside of the zone.
func (m *model) root(query *dns.Msg) *dns.Msg {
	q := query.Question[0]
	r := new(dns.Msg)
	r.SetReply(query)
	r.Authoritative = true
	if opt := query.IsEdns0(); opt != nil {
		r.SetEdns0(1232, opt.Do())
	}
	header := func(name string, t uint16) dns.RR_Header {
		return dns.RR_Header{Name: name, Rrtype: t, Class: dns.ClassINET, Ttl: 3600}
	}
	soa := &dns.SOA{Hdr: header(".", dns.TypeSOA), Ns: "root.example.", Mbox: "a.b.", Serial: 1, Refresh: 14400, Retry: 3600, Expire: 1209600, Minttl: 3600}
	name := dns.CanonicalName(q.Name)
	exists := false
	for hops := 0; hops < 12; hops++ {
		target, ok := m.aliases[name]
		if !ok {
			break
		}
		exists = true
		r.Answer = append(r.Answer, &dns.CNAME{Hdr: header(name, dns.TypeCNAME), Target: target})
		name = target
	}
	list := m.addressesOf(name)
	if name == "root.example." {
		list = addrs("11.0.0.53")
	}
	for _, a := range list {
		exists = true
		switch {
		case a.Is4() && q.Qtype == dns.TypeA:
			r.Answer = append(r.Answer, &dns.A{Hdr: header(name, dns.TypeA), A: a.AsSlice()})
		case a.Is6() && q.Qtype == dns.TypeAAAA:
			r.Answer = append(r.Answer, &dns.AAAA{Hdr: header(name, dns.TypeAAAA), AAAA: a.AsSlice()})
		}
	}
	if name == "." {
		switch q.Qtype {
		case dns.TypeSOA:
			r.Answer = append(r.Answer, soa)
		case dns.TypeNS:
			r.Answer = append(r.Answer, &dns.NS{Hdr: header(".", dns.TypeNS), Ns: "root.example."})
			r.Extra = append(r.Extra, &dns.A{Hdr: header("root.example.", dns.TypeA), A: addrs("11.0.0.53")[0].AsSlice()})
		}
		exists = true
	}
	if len(r.Answer) == 0 {
		if !exists {
			r.Rcode = dns.RcodeNameError
		}
		r.Ns = append(r.Ns, soa)
	}
	return r
}

// handover returns the zone as it would be handed over.
func (m *model) handover() *Zone {
	z := &Zone{Apex: dname.MustParse(m.zone), Prefix: netip.MustParsePrefix("11.4.7.0/24"), DS: m.ds}
	for _, n := range m.names {
		s := config.NameServer{Name: dname.MustParse(n)}
		if m.given || dns.IsSubDomain(m.zone, n) {
			s.Addresses = m.addrs[n]
		}
		z.Servers = append(z.Servers, s)
	}
	return z
}

// check returns the tags of the findings, those of errors first.
func (m *model) check(t *testing.T) (errs, warnings []string) {
	f := Collect(t.Context(), m.handover(), m, m.now)
	for _, n := range f.Check(all) {
		if len(n.Refused) > 0 {
			errs = append(errs, n.Tag)
		} else {
			warnings = append(warnings, n.Tag)
		}
	}
	slices.SortFunc(errs, cmp.Compare)
	slices.SortFunc(warnings, cmp.Compare)
	return errs, warnings
}
