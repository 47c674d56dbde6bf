package interop

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// reply is a response in a form that two servers' can be compared in: names in lower
// case, the records of an RRset sorted, signatures with what they cover.
type reply struct {
	silent     bool // there was none
	rcode      int
	aa, tc     bool
	size       int    // octets
	fault      string // a header or question that no response may have
	answer     []rrset
	authority  []rrset
	additional []rrset
}

// rrset is an RRset with its RRSIGs, or the RRSIGs alone.
type rrset struct {
	owner string
	rtype uint16
	data  []string // TTL and RDATA each, sorted
	sigs  []string
}

func (s rrset) String() string {
	var b strings.Builder
	for _, d := range s.data {
		fmt.Fprintf(&b, "%s %s %s\n", s.owner, typeString(s.rtype), d)
	}
	for _, d := range s.sigs {
		fmt.Fprintf(&b, "%s RRSIG(%s) %s\n", s.owner, typeString(s.rtype), d)
	}
	return b.String()
}

// readReply decodes a response to query.
func readReply(query, b []byte) (*reply, error) {
	m := new(dns.Msg)
	if err := m.Unpack(b); err != nil {
		return nil, fmt.Errorf("response %x: %w", b, err)
	}
	r := &reply{
		rcode: m.Rcode, aa: m.Authoritative, tc: m.Truncated, size: len(b),
		answer: collect(m.Answer, false), authority: collect(m.Ns, true), additional: collect(m.Extra, true),
	}
	asked := 12
	for query[asked] != 0 {
		asked += 1 + int(query[asked])
	}
	switch {
	case m.RecursionAvailable:
		r.fault = "RA is set"
	case !m.Response:
		r.fault = "QR is not set"
	case len(m.Question) != 1 || len(b) < asked:
		r.fault = fmt.Sprintf("%d questions", len(m.Question))
	case !bytes.Equal(b[12:asked], query[12:asked]):
		r.fault = "QNAME is not echoed as it came"
	case (m.IsEdns0() != nil) != (query[11] == 1):
		r.fault = fmt.Sprintf("OPT present: %v, in the query: %v", m.IsEdns0() != nil, query[11] == 1)
	case m.IsEdns0() != nil && m.IsEdns0().Do() != queryDo(query):
		r.fault = "DO is not copied"
	}
	return r, nil
}

func queryDo(query []byte) bool { return query[11] == 1 && query[len(query)-4]&0x80 != 0 }

// collect groups records into RRsets, in order of appearance or sorted.
func collect(rrs []dns.RR, sorted bool) []rrset {
	var sets []rrset
	for _, r := range rrs {
		h := r.Header()
		if h.Rrtype == dns.TypeOPT {
			continue
		}
		t := h.Rrtype
		sig, isSig := r.(*dns.RRSIG)
		if isSig {
			t = sig.TypeCovered
		}
		owner := strings.ToLower(h.Name)
		i := slices.IndexFunc(sets, func(s rrset) bool { return s.owner == owner && s.rtype == t })
		if i < 0 {
			i = len(sets)
			sets = append(sets, rrset{owner: owner, rtype: t})
		}
		text := fmt.Sprintf("%d %s", h.Ttl, rdata(r))
		if isSig {
			sets[i].sigs = append(sets[i].sigs, text)
		} else {
			sets[i].data = append(sets[i].data, text)
		}
	}
	for i := range sets {
		slices.Sort(sets[i].data)
		slices.Sort(sets[i].sigs)
	}
	if sorted {
		slices.SortFunc(sets, bySetOwner)
	}
	return sets
}

func bySetOwner(a, b rrset) int {
	return strings.Compare(a.owner+" "+typeString(a.rtype), b.owner+" "+typeString(b.rtype))
}

// rdata returns the RDATA of r in presentation form, names in lower case. Character
// strings that differ in case alone would compare equal; no set has such.
func rdata(r dns.RR) string {
	return strings.ToLower(strings.TrimPrefix(r.String(), r.Header().String()))
}

// kind of reply.
type kind string

const (
	kindData     kind = "data"     // an answer, its alias followed or not
	kindReferral kind = "referral" // no authority, NS below ours
	kindNegative kind = "negative" // SOA in the authority section, or nothing at all
	kindError    kind = "error"    // any RCODE but NOERROR, NXDOMAIN and YXDOMAIN
)

func (r *reply) kind() kind {
	switch {
	case r.silent || r.rcode != dns.RcodeSuccess && r.rcode != dns.RcodeNameError && r.rcode != dns.RcodeYXDomain:
		return kindError
	case r.hasAuthority(dns.TypeSOA):
		return kindNegative
	case len(r.answer) == 0 && r.hasAuthority(dns.TypeNS), !r.aa && r.hasAuthority(dns.TypeNS):
		return kindReferral
	case len(r.answer) > 0:
		return kindData
	}
	return kindNegative
}

func (r *reply) hasAuthority(t uint16) bool {
	return slices.ContainsFunc(r.authority, func(s rrset) bool { return s.rtype == t && len(s.data) > 0 })
}

// part is a section of a reply that is compared separately.
type part string

const (
	partFault     part = "fault"     // of header or question
	partCode      part = "code"      // RCODE and AA
	partTC        part = "TC"        //
	partAnswer    part = "answer"    //
	partAuthority part = "authority" //
	partGlue      part = "glue"      //
)

var parts = []part{partFault, partCode, partTC, partAnswer, partAuthority, partGlue}

// isSection reports whether p is of records, which a truncated reply has not got.
func (p part) isSection() bool { return p == partAnswer || p == partAuthority || p == partGlue }

// text returns a part of the reply. Of a truncated one only the header counts: what
// else is in it is of no use to the client (RFC 2181 §9).
func (r *reply) text(p part) string {
	switch {
	case r.silent:
		return "silence"
	case p == partFault:
		return r.fault
	case p == partCode && r.aa:
		return dns.RcodeToString[r.rcode] + " aa"
	case p == partCode:
		return dns.RcodeToString[r.rcode]
	case p == partTC && r.tc:
		return "tc"
	case p == partTC:
		return ""
	case r.tc:
		return "truncated"
	case p == partAnswer:
		return join(r.answer)
	case p == partAuthority:
		return join(r.comparableAuthority())
	default:
		return join(r.glue())
	}
}

func join(sets []rrset) string {
	var b strings.Builder
	for _, s := range sets {
		b.WriteString(s.String())
	}
	return b.String()
}

// comparableAuthority is the authority section, without the apex NS that servers may
// add to an answer (RFC 1034 §3.7).
func (r *reply) comparableAuthority() []rrset {
	if r.kind() != kindData {
		return r.authority
	}
	var out []rrset
	for _, s := range r.authority {
		if s.rtype != dns.TypeNS {
			out = append(out, s)
		}
	}
	return out
}

// glue returns the addresses of the name servers below the cut of a referral: what
// RFC 9471 §3.1 makes required. A name of a sibling's is not (§3.2).
func (r *reply) glue() []rrset {
	if r.kind() != kindReferral {
		return nil
	}
	var cut string
	for _, s := range r.authority {
		if s.rtype == dns.TypeNS {
			cut = s.owner
		}
	}
	var out []rrset
	for _, s := range r.additional {
		if (s.rtype == dns.TypeA || s.rtype == dns.TypeAAAA) && dns.IsSubDomain(cut, s.owner) {
			out = append(out, s)
		}
	}
	return out
}

func (r *reply) String() string {
	if r.silent {
		return "silence\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s (%d octets) %s\n", r.text(partCode), r.text(partTC), r.size, r.fault)
	for _, s := range []struct {
		name string
		sets []rrset
	}{{"answer", r.answer}, {"authority", r.authority}, {"additional", r.additional}} {
		for l := range strings.Lines(join(s.sets)) {
			fmt.Fprintf(&b, "  %s: %s", s.name, l)
		}
	}
	return b.String()
}
