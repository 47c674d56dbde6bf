package netlab

import (
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// An exchange is one query to a server with a fault.
type exchange struct {
	query *dns.Msg
	tcp   bool
	// backend asks the server that has the data.
	backend func(*dns.Msg) (*dns.Msg, error)
	// send sends a message, which need not be one, as the reply to the client; from sends it
	// from another port than the one that was asked, over UDP; slowly an octet a second.
	send, from, slowly func([]byte)
}

// answer returns the response of the server that has the data, or nil.
func (x *exchange) answer() *dns.Msg {
	r, err := x.backend(x.query)
	if err != nil {
		return nil
	}
	r.Id = x.query.Id
	return r
}

// reply sends a message; nil: nothing.
func (x *exchange) reply(r *dns.Msg) {
	if r == nil {
		return
	}
	if r.IsEdns0() == nil {
		r.Rcode &= 15 // as a server that knows no other codes
	}
	if b, err := r.Pack(); err == nil {
		x.send(b)
	}
}

// rcode makes a response without records.
func (x *exchange) rcode(code int) *dns.Msg {
	r := new(dns.Msg)
	r.SetRcode(x.query, code)
	if o := x.query.IsEdns0(); o != nil {
		r.SetEdns0(1232, o.Do())
	}
	return r
}

func (x *exchange) isFor(rrtype uint16) bool {
	return len(x.query.Question) == 1 && x.query.Question[0].Qtype == rrtype
}

// A behaviour is a way to answer wrongly. A behaviour that sends nothing drops the query.
type behaviour func(x *exchange)

// changed makes a behaviour from a change of the correct response.
func changed(change func(x *exchange, r *dns.Msg)) behaviour {
	return func(x *exchange) {
		if r := x.answer(); r != nil {
			change(x, r)
			x.reply(r)
		}
	}
}

// only makes a behaviour that has another for some queries and answers the rest correctly.
func only(applies func(x *exchange) bool, b behaviour) behaviour {
	return func(x *exchange) {
		if applies(x) {
			b(x)
			return
		}
		x.reply(x.answer())
	}
}

// slow sends what b sends over TCP an octet a second.
func (b behaviour) slow() behaviour {
	return func(x *exchange) {
		if x.tcp {
			x.send = x.slowly
		}
		b(x)
	}
}

func drop(*exchange) {}

// code answers everything with a response code.
func code(rcode int) behaviour {
	return func(x *exchange) { x.reply(x.rcode(rcode)) }
}

func isTCP(x *exchange) bool     { return x.tcp }
func isUDP(x *exchange) bool     { return !x.tcp }
func hasEDNS(x *exchange) bool   { return x.query.IsEdns0() != nil }
func isAAAA(x *exchange) bool    { return x.isFor(dns.TypeAAAA) }
func isSOA(x *exchange) bool     { return x.isFor(dns.TypeSOA) }
func isNS(x *exchange) bool      { return x.isFor(dns.TypeNS) }
func isEDNS1(x *exchange) bool   { return hasEDNS(x) && x.query.IsEdns0().Version() > 0 }
func isForeign(x *exchange) bool { return x.answer() == nil || x.answer().Rcode == dns.RcodeRefused }

// hasCapital reports whether the client varies the case of letters.
func hasCapital(x *exchange) bool {
	return len(x.query.Question) == 1 && strings.ToLower(x.query.Question[0].Name) != x.query.Question[0].Name
}

// record adds a record of the question's name to an answer.
func record(r *dns.Msg, text string) {
	name := r.Question[0].Name
	if rr, err := dns.NewRR(strings.ReplaceAll(text, "@", name)); err == nil {
		r.Answer = append(r.Answer, rr)
	}
}

// behaviours are the faults of behaviour by the name that Name.Fault has.
var behaviours = map[string]behaviour{
	"":          func(x *exchange) { x.reply(x.answer()) },
	"healthy":   func(x *exchange) { x.reply(x.answer()) },
	"silent":    drop,
	"no-udp":    only(isUDP, drop),
	"no-tcp":    only(isTCP, drop),
	"refused":   code(dns.RcodeRefused),
	"servfail":  code(dns.RcodeServerFailure),
	"nxdomain":  code(dns.RcodeNameError),
	"formerr":   code(dns.RcodeFormatError),
	"no-aa":     changed(func(_ *exchange, r *dns.Msg) { r.Authoritative = false }),
	"no-aa-tcp": only(isTCP, changed(func(_ *exchange, r *dns.Msg) { r.Authoritative = false })),
	"recursor": only(isForeign, func(x *exchange) {
		r := x.rcode(dns.RcodeNameError)
		r.RecursionAvailable = true
		x.reply(r)
	}),
	"recursion-available": changed(func(_ *exchange, r *dns.Msg) { r.RecursionAvailable = true }),
	"upward-referral": only(isForeign, changed(func(_ *exchange, r *dns.Msg) {
		r.Rcode = dns.RcodeSuccess
		ns, _ := dns.NewRR(". 3600 NS ns1.root.example.")
		r.Ns = []dns.RR{ns}
	})),
	"drop-edns":    only(func(x *exchange) bool { return isUDP(x) && hasEDNS(x) }, drop),
	"formerr-edns": only(hasEDNS, func(x *exchange) { r := x.rcode(dns.RcodeFormatError); r.Extra = nil; x.reply(r) }),
	"strip-edns": changed(func(_ *exchange, r *dns.Msg) {
		r.Extra = slices.DeleteFunc(r.Extra, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeOPT })
	}),
	"any-edns-version": only(isEDNS1, func(x *exchange) {
		x.query.IsEdns0().SetVersion(0)
		r := x.answer()
		if r != nil && r.IsEdns0() != nil {
			r.IsEdns0().SetVersion(1)
		}
		x.reply(r)
	}),
	"edns-version-1": changed(func(_ *exchange, r *dns.Msg) {
		if o := r.IsEdns0(); o != nil {
			o.SetVersion(1)
		}
	}),
	"drop-aaaa":     only(isAAAA, drop),
	"servfail-aaaa": only(isAAAA, code(dns.RcodeServerFailure)),
	"nxdomain-case": only(hasCapital, code(dns.RcodeNameError)),
	"drop-ns":       only(isNS, drop),
	"drop-soa":      only(isSOA, drop),
	"no-soa": only(isSOA, changed(func(_ *exchange, r *dns.Msg) {
		r.Ns = r.Answer
		r.Answer = nil
	})),
	"two-soa": only(isSOA, changed(func(_ *exchange, r *dns.Msg) {
		record(r, "@ 3600 SOA ns1.other.example. hostmaster.other.example. 7 14400 3600 1209600 3600")
	})),
	"other-serial": changed(func(_ *exchange, r *dns.Msg) {
		for _, rr := range r.Answer {
			if soa, ok := rr.(*dns.SOA); ok {
				soa.Serial += 100
			}
		}
	}),
	"other-mname": changed(func(_ *exchange, r *dns.Msg) {
		for _, rr := range r.Answer {
			if soa, ok := rr.(*dns.SOA); ok {
				soa.Ns = "ns1.root.example."
			}
		}
	}),
	"more-ns": only(isNS, changed(func(_ *exchange, r *dns.Msg) { record(r, "@ 3600 NS ns2.customer.example.") })),
	"fewer-ns": only(isNS, changed(func(_ *exchange, r *dns.Msg) {
		if len(r.Answer) > 1 {
			r.Answer = r.Answer[:1]
		}
	})),
	"truncated": only(isUDP, changed(func(_ *exchange, r *dns.Msg) {
		r.Truncated = true
		r.Answer, r.Ns = nil, nil
	})),
	"truncated-no-tcp": func(x *exchange) {
		if !x.tcp {
			r := x.rcode(dns.RcodeSuccess)
			r.Truncated = true
			x.reply(r)
		}
	},
	"other-id": func(x *exchange) {
		if r := x.answer(); r != nil {
			r.Id++
			x.reply(r)
		}
	},
	"other-question": changed(func(_ *exchange, r *dns.Msg) { r.Question[0].Name = "other.example." }),
	"other-source": func(x *exchange) {
		if r := x.answer(); r != nil {
			if b, err := r.Pack(); err == nil {
				x.from(b)
			}
		}
	},
	"garbage": func(x *exchange) { x.send([]byte("this is not a message")) },
	// A client whose time limit begins again with each octet waits for minutes.
	"trickle": changed(func(x *exchange, r *dns.Msg) { r.Truncated = !x.tcp }).slow(),
	"poison": changed(func(_ *exchange, r *dns.Msg) {
		rr, _ := dns.NewRR("ns1.customer.example. 3600 A 11.9.9.9")
		r.Extra = append([]dns.RR{rr}, r.Extra...)
	}),
	"cname-loop": changed(func(_ *exchange, r *dns.Msg) {
		r.Answer = nil
		record(r, "@ 60 CNAME loop."+r.Question[0].Name)
		rr, _ := dns.NewRR("loop." + r.Question[0].Name + " 60 CNAME " + r.Question[0].Name)
		r.Answer = append(r.Answer, rr)
	}),
}
