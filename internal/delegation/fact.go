package delegation

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Transport is UDP or TCP.
type Transport uint8

// The transports.
const (
	UDP Transport = iota
	TCP
)

func (t Transport) String() string { return [...]string{"UDP", "TCP"}[t] }

// MarshalText returns "UDP" or "TCP".
func (t Transport) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// Server is one address of a name server.
type Server struct {
	Name dname.Name     `json:"name,omitempty"` // as in the NS record; nil: only the address is known
	Addr netip.AddrPort `json:"address"`
}

func (s Server) String() string {
	addr := s.Addr.Addr().String()
	if p := s.Addr.Port(); p != 0 && p != port {
		addr = s.Addr.String()
	}
	if s.Name == nil {
		return addr
	}
	return s.Name.String() + " (" + addr + ")"
}

// Question is what a server is asked, in class IN.
type Question struct {
	Name    dname.Name `json:"name"`
	Type    rr.Type    `json:"type"`
	Recurse bool       `json:"recurse,omitempty"` // RD is set
	DNSSEC  bool       `json:"dnssec,omitempty"`  // DO is set
	Version uint8      `json:"version,omitempty"` // of EDNS
	Exact   bool       `json:"exact,omitempty"`   // the letters of Name are sent in their case, not in a random one
}

func (q Question) String() string { return q.Name.String() + " " + q.Type.String() }

// Outcome is what became of a question.
type Outcome uint8

// The outcomes. Only Answered has a message.
const (
	NotAsked    Outcome = iota // nothing was sent; the reason is in the fact
	Answered                   // a response was accepted, whatever it says
	NoAnswer                   // no acceptable response in time
	Unreachable                // the network or the host refused, or closed the connection
	Malformed                  // the response of the server is not a DNS message
)

func (o Outcome) String() string {
	return [...]string{"not asked", "answered", "no answer", "unreachable", "malformed"}[o]
}

// MarshalText returns the outcome in words.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// Fact is what became of one question to one address over one transport. It does not change
// after it was returned.
type Fact struct {
	Server    Server        `json:"server"`
	Transport Transport     `json:"transport"`
	Question  Question      `json:"question"`
	Outcome   Outcome       `json:"outcome"`
	Reason    string        `json:"reason,omitempty"` // of an outcome other than Answered, in words
	At        time.Time     `json:"at,omitzero"`      // of the first attempt
	Took      time.Duration `json:"took,omitempty"`   // of the last attempt, in nanoseconds
	Tries     []Try         `json:"tries,omitempty"`  // in order; none if not asked
	Msg       *dns.Msg      `json:"-"`                // the response; nil unless Answered. Read only
	Size      int           `json:"size,omitempty"`   // octets of the response

	// Earlier is the fact because of which this question was not asked: the address did not
	// answer another one over this transport. Nil otherwise.
	Earlier *Fact `json:"-"`

	// OverTCP is the same question over TCP, if the response over UDP was truncated; nil
	// otherwise.
	OverTCP *Fact `json:"over_tcp,omitempty"`
}

// Try is one message to a server, and what became of it.
type Try struct {
	At      time.Time     `json:"at"`
	Took    time.Duration `json:"took"`
	EDNS    bool          `json:"edns"`          // the message had an OPT record
	Case    bool          `json:"case"`          // the case of the letters was random
	Rcode   int           `json:"rcode"`         // of the response, if Answered
	Outcome Outcome       `json:"outcome"`       // as of the Fact
	Why     string        `json:"why,omitempty"` // reason of an Outcome other than Answered

	// Ignored are responses that were not accepted, at most 8.
	Ignored []Ignored `json:"ignored,omitempty"`
}

// Ignored is a response that was not accepted.
type Ignored struct {
	From netip.AddrPort `json:"from"`
	Why  Fault          `json:"why"`
}

// Fault is a reason to ignore a response.
type Fault string

// The faults.
const (
	WrongAddress  Fault = "from another address"
	WrongID       Fault = "with another ID"
	WrongQuestion Fault = "with another question"
	WrongCase     Fault = "with the question in another case"
	NoQuestion    Fault = "without the question"
	NoResponse    Fault = "not a response"
	NoMessage     Fault = "not a DNS message"
)

// MarshalJSON adds what the response says, in words.
func (f *Fact) MarshalJSON() ([]byte, error) {
	type fields Fact // without this method
	if f.Msg == nil {
		return json.Marshal((*fields)(f))
	}
	m := f.Msg
	var flags []string
	for _, x := range []struct {
		is   bool
		name string
	}{{m.Authoritative, "AA"}, {m.Truncated, "TC"}, {m.RecursionAvailable, "RA"}, {m.AuthenticatedData, "AD"}} {
		if x.is {
			flags = append(flags, x.name)
		}
	}
	return json.Marshal(struct {
		*fields
		Rcode      string   `json:"rcode"`
		Flags      []string `json:"flags,omitempty"`
		Answer     []string `json:"answer,omitempty"`
		Authority  []string `json:"authority,omitempty"`
		Additional []string `json:"additional,omitempty"`
	}{(*fields)(f), rcodeText(m.Rcode), flags, texts(m.Answer), texts(m.Ns), texts(m.Extra)})
}

// texts returns records as text, each in one line. Owner names are in lower case, because
// they have the random case of the question.
func texts(records []dns.RR) (out []string) {
	line := strings.NewReplacer("\n", " ", "\t", " ")
	for _, r := range records {
		owner, rest, _ := strings.Cut(strings.TrimSpace(line.Replace(r.String())), " ")
		out = append(out, strings.ToLower(owner)+" "+rest)
	}
	return out
}

// IsSilent reports whether the address did not answer over the transport, neither this
// question nor, if this was not asked for that reason, an earlier one.
func (f *Fact) IsSilent() bool {
	if f == nil {
		return false
	}
	return f.Outcome == NoAnswer || f.Outcome == Unreachable || f.Earlier != nil
}

// OK reports whether the server answered without error: NOERROR.
func (f *Fact) OK() bool { return f.Rcode() == dns.RcodeSuccess }

// Rcode returns the response code, with its EDNS part, or -1 if there is no response.
func (f *Fact) Rcode() int {
	if f == nil || f.Msg == nil {
		return -1
	}
	return f.Msg.Rcode
}

// Authoritative reports whether the response has AA.
func (f *Fact) Authoritative() bool { return f != nil && f.Msg != nil && f.Msg.Authoritative }

// OPT returns the OPT record of the response, or nil.
func (f *Fact) OPT() *dns.OPT {
	if f == nil || f.Msg == nil {
		return nil
	}
	return f.Msg.IsEdns0()
}

// WithoutEDNS reports whether the server answered only a message without OPT record.
func (f *Fact) WithoutEDNS() bool {
	return f.Outcome == Answered && len(f.Tries) > 0 && !f.Tries[len(f.Tries)-1].EDNS
}

// Full returns the fact with the whole response: that over TCP if the one over UDP was
// truncated.
func (f *Fact) Full() *Fact {
	if f != nil && f.OverTCP != nil {
		return f.OverTCP
	}
	return f
}

// Records returns the records of the answer section with the name and type of the question,
// of the whole response.
func (f *Fact) Records() []dns.RR {
	if f = f.Full(); f == nil || f.Msg == nil {
		return nil
	}
	var out []dns.RR
	for _, r := range f.Msg.Answer {
		if h := r.Header(); rr.Type(h.Rrtype) == f.Question.Type && h.Class == dns.ClassINET && nameOf(h.Name).Equal(f.Question.Name) {
			out = append(out, r)
		}
	}
	return out
}

// SOA returns the SOA record that answers the question, or nil.
func (f *Fact) SOA() *dns.SOA {
	for _, r := range f.Records() {
		if soa, ok := r.(*dns.SOA); ok {
			return soa
		}
	}
	return nil
}

// NS returns the server names in the NS records that answer the question, in their order.
func (f *Fact) NS() []dname.Name {
	var out []dname.Name
	for _, r := range f.Records() {
		if ns, ok := r.(*dns.NS); ok {
			out = append(out, nameOf(ns.Ns))
		}
	}
	return out
}

// String describes the fact in one line.
func (f *Fact) String() string {
	if f == nil {
		return NotAsked.String()
	}
	s := fmt.Sprintf("%v over %v, %v: %v", f.Server, f.Transport, f.Question, f.Outcome)
	switch {
	case f.Outcome == Answered:
		s += " " + rcodeText(f.Rcode())
	case f.Reason != "":
		s += ", " + f.Reason
	}
	return s
}

// rcodeText returns the name of a response code.
func rcodeText(rcode int) string {
	if rcode == dns.RcodeBadVers { // miekg/dns prints BADSIG, which is the same number in TSIG
		return "BADVERS"
	}
	if s, ok := dns.RcodeToString[rcode]; ok {
		return s
	}
	return fmt.Sprintf("RCODE%d", rcode)
}

// nameOf converts a name of a message, which is always valid; the copy has lower case.
func nameOf(s string) dname.Name {
	n, err := dname.Parse(s)
	if err != nil {
		return dname.Root() // not reached: the message was decoded from wire format
	}
	return n.AppendLower(nil)
}
