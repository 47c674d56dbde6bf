// Package spf evaluates SPF (RFC 7208) over lookups that its caller makes.
//
//	spf.go     Check: check_host() of RFC 7208 §4, and the mechanisms
//	record.go  the text of a record → terms, or why it is malformed
//	macro.go   macros in domain-specs
//
// It sends nothing itself and keeps within the limits of RFC 7208 §4.6.4. What a lookup does
// not know makes the result temperror, and no other one.
package spf

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/internal/fcrdns"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Result is that of RFC 7208 §2.6.
type Result string

// The results.
const (
	None      Result = "none"
	Neutral   Result = "neutral"
	Pass      Result = "pass"
	Fail      Result = "fail"
	SoftFail  Result = "softfail"
	TempError Result = "temperror" // it is not known
	PermError Result = "permerror"
)

// The limits of RFC 7208 §4.6.4.
const (
	maxTerms = 10 // that cause lookups
	maxVoid  = 2  // lookups without an answer
	maxNames = 10 // of an MX or PTR RRset
)

// Report is the result for an address and a sender, and where it comes from.
type Report struct {
	Result Result
	Domain string   // whose record decided
	Record string   // that record; empty: there is none
	Term   string   // of that record, which matched; empty: none did
	Reason string   // of none and of the errors
	Terms  int      // that caused lookups
	Chain  []string // domains whose records were evaluated, by include and redirect, in their order

	// Explanation is what the domain says to the sender of a fail (RFC 7208 §6.2), printable
	// ASCII that anyone may have written; empty: nothing.
	Explanation string
}

// Check evaluates the SPF record of the sender's domain, or of helo without a sender, for mail
// from an address.
func Check(ctx context.Context, lookup fcrdns.Lookup, address netip.Addr, helo, sender string) *Report {
	c := &check{ctx: ctx, lookup: lookup, address: address.Unmap().WithZone(""), helo: helo}
	at := strings.LastIndexByte(sender, '@')
	if sender == "" {
		sender, at = helo, -1
	}
	c.local, c.domain = "postmaster", sender[at+1:] // RFC 7208 §4.3
	if at > 0 {
		c.local = sender[:at]
	}
	err := c.host(c.domain)
	var f *fault
	switch {
	case errors.As(err, &f):
		c.report.Result, c.report.Reason = f.result, f.text
	case err != nil:
		c.report.Result, c.report.Reason = TempError, err.Error()
	case c.report.Result == Fail && c.explain != "":
		c.report.Explanation = c.explanation()
	}
	return &c.report
}

// maxExplanation is the most characters of an explanation: of a reply of a mail server with all
// its lines, more than that is of no use.
const maxExplanation = 1000

// explanation returns the text that the modifier exp leads to. It counts for no limit, and
// errors in it mean that there is none (RFC 7208 §6.2).
func (c *check) explanation() string {
	target, err := c.expand(c.explain, c.report.Domain)
	if err != nil {
		return ""
	}
	records, err := c.find(nameOf(target), rr.TypeTXT)
	if err != nil || len(records) != 1 {
		return ""
	}
	txt, ok := records[0].(*dns.TXT)
	if !ok {
		return ""
	}
	s := unescape(strings.Join(txt.Txt, ""))
	if checkMacros("", s, explanationLetters) != nil {
		return ""
	}
	s, err = c.expandText(s, c.report.Domain)
	if err != nil || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ""
	}
	return s[:min(len(s), maxExplanation)]
}

// fault is a result that ends the evaluation as a whole.
type fault struct {
	result Result
	text   string
}

func (f *fault) Error() string { return f.text }

func permanent(format string, args ...any) error {
	return &fault{PermError, fmt.Sprintf(format, args...)}
}

// check is one evaluation.
type check struct {
	ctx     context.Context
	lookup  fcrdns.Lookup
	address netip.Addr
	helo    string
	local   string // part of the sender
	domain  string // of the sender
	report  Report
	explain string // domain-spec of exp in the record of report.Domain; empty: there is none
	void    int
	names   []dname.Name // of the client that lead back to it
	known   bool         // names were looked up
}

// find returns the records of a name; none for nil, which is a name that cannot be asked.
func (c *check) find(n dname.Name, t rr.Type) ([]dns.RR, error) {
	if n == nil {
		return nil, nil
	}
	if err := c.ctx.Err(); err != nil {
		return nil, fmt.Errorf("%v %v was not looked up: %w", n, t, err)
	}
	records, err := c.lookup(c.ctx, n, t)
	if err != nil {
		return nil, fmt.Errorf("%v %v: %w", n, t, err)
	}
	return records, nil
}

// findOrVoid is find for a term, which counts lookups without an answer.
func (c *check) findOrVoid(n dname.Name, t rr.Type) ([]dns.RR, error) {
	records, err := c.find(n, t)
	if err == nil && len(records) == 0 {
		if c.void++; c.void > maxVoid {
			return nil, permanent("more than %d lookups have no answer, the last is %v %v (RFC 7208 §4.6.4)", maxVoid, n, t)
		}
	}
	return records, err
}

// host is check_host() of RFC 7208 §4: it puts the result for a domain into the report.
func (c *check) host(domain string) error {
	r := &c.report
	r.Domain, r.Record, r.Term = domain, "", ""
	name := nameOf(domain)
	if name == nil || name.Labels() < 2 { // §4.3
		return &fault{None, fmt.Sprintf("%q is not a domain with two labels or more", domain)}
	}
	records, err := c.find(name, rr.TypeTXT)
	if err != nil {
		return err
	}
	var found []string
	for _, record := range records { // §4.5
		if txt, ok := record.(*dns.TXT); ok {
			if s := unescape(strings.Join(txt.Txt, "")); isRecord(s) { // §3.3
				found = append(found, s)
			}
		}
	}
	switch len(found) {
	case 0:
		return &fault{None, domain + " has no SPF record"}
	case 1:
	default:
		return permanent("%s has %d SPF records, must have one (RFC 7208 §4.5)", domain, len(found))
	}
	r.Record = found[0]
	r.Chain = append(r.Chain, domain)
	terms, err := parse(found[0]) // §4.6
	if err != nil {
		return permanent("the SPF record of %s is malformed: %v", domain, err)
	}
	redirect, explain := "", ""
	for i := range terms {
		if terms[i].name == "exp" {
			explain = terms[i].domain
		}
	}
	for i := range terms {
		t := &terms[i]
		switch {
		case t.name == "redirect":
			redirect = t.domain
		case t.isModifier:
		default:
			matches, err := c.matches(t, domain)
			if err != nil {
				return err
			}
			if matches {
				r.Domain, r.Record, r.Term, r.Result = domain, found[0], t.text, t.result
				c.explain = explain
				return nil
			}
		}
	}
	if redirect == "" {
		r.Result = Neutral // §4.7
		return nil
	}
	target, err := c.expand(redirect, domain)
	if err == nil {
		err = c.count()
	}
	if err != nil {
		return err
	}
	return noneIsPermanent(c.host(target)) // §6.1
}

func noneIsPermanent(err error) error {
	var f *fault
	if errors.As(err, &f) && f.result == None {
		return permanent("%s, which another record refers to", f.text)
	}
	return err
}

// count counts a term that causes lookups.
func (c *check) count() error {
	if c.report.Terms++; c.report.Terms > maxTerms {
		return permanent("more than %d mechanisms and modifiers cause lookups (RFC 7208 §4.6.4)", maxTerms)
	}
	return nil
}

// matches evaluates a mechanism (RFC 7208 §5).
func (c *check) matches(t *term, domain string) (bool, error) {
	switch t.name {
	case "all":
		return true, nil
	case "ip4", "ip6":
		return t.network.Contains(c.address), nil
	}
	if err := c.count(); err != nil {
		return false, err
	}
	target := domain
	if t.domain != "" {
		var err error
		if target, err = c.expand(t.domain, domain); err != nil {
			return false, err
		}
	}
	switch t.name {
	case "include":
		return c.include(target)
	case "a":
		list, err := c.addresses(nameOf(target), c.findOrVoid)
		return c.isIn(list, t), err
	case "mx":
		return c.mx(target, t)
	case "ptr":
		return slices.ContainsFunc(c.validated(c.findOrVoid), func(n dname.Name) bool { at := nameOf(target); return at != nil && n.IsAtOrBelow(at) }), nil
	}
	records, err := c.findOrVoid(nameOf(target), rr.TypeA) // exists
	return len(records) > 0, err
}

// include evaluates the record of another domain (§5.2).
func (c *check) include(target string) (bool, error) {
	outer := c.report
	err := noneIsPermanent(c.host(target))
	matches := c.report.Result == Pass
	if err == nil {
		outer.Terms, outer.Chain = c.report.Terms, c.report.Chain
		c.report = outer
	}
	return matches && err == nil, err
}

// addresses returns the addresses of a name that are of the family of the client's.
func (c *check) addresses(n dname.Name, find func(dname.Name, rr.Type) ([]dns.RR, error)) (out []netip.Addr, err error) {
	records, err := find(n, rr.AddressType(c.address))
	for _, record := range records {
		if a := delegation.AddressOf(record); a.IsValid() {
			out = append(out, a)
		}
	}
	return out, err
}

// isIn reports whether the client's address is in the network of one of a list (§5.3).
func (c *check) isIn(list []netip.Addr, t *term) bool {
	bits := t.bits4
	if c.address.Is6() {
		bits = t.bits6
	}
	return slices.ContainsFunc(list, func(a netip.Addr) bool {
		p, err := a.Prefix(bits)
		return err == nil && p.Contains(c.address)
	})
}

// mx compares the addresses of mail servers (§5.4).
func (c *check) mx(target string, t *term) (bool, error) {
	records, err := c.findOrVoid(nameOf(target), rr.TypeMX)
	if err != nil {
		return false, err
	}
	if len(records) > maxNames {
		return false, permanent("%s has %d MX records, must have at most %d (RFC 7208 §4.6.4)", target, len(records), maxNames)
	}
	for _, record := range records {
		mx, ok := record.(*dns.MX)
		if !ok {
			continue
		}
		host, err := dname.Parse(mx.Mx)
		if err != nil || host.IsRoot() { // RFC 7505
			continue
		}
		list, err := c.addresses(host, c.find)
		if err != nil || c.isIn(list, t) {
			return err == nil, err
		}
	}
	return false, nil
}

// validated returns the names of the client that lead back to it, of the first ten (§5.5). What
// is not known does not count. They are looked up once, however often a record refers to them.
func (c *check) validated(find func(dname.Name, rr.Type) ([]dns.RR, error)) (out []dname.Name) {
	if c.known {
		return c.names
	}
	c.known = true
	defer func() { c.names = out }()
	records, err := find(dname.FromAddr(c.address), rr.TypePTR)
	if err != nil {
		return nil
	}
	for _, record := range records[:min(len(records), maxNames)] {
		p, ok := record.(*dns.PTR)
		if !ok {
			continue
		}
		name, err := dname.Parse(p.Ptr)
		if err != nil {
			continue
		}
		if list, err := c.addresses(name, c.find); err == nil && slices.Contains(list, c.address) {
			out = append(out, name)
		}
	}
	return out
}

// nameOf returns the name of a domain, in which no character has a special meaning but the dot;
// nil: it is none.
func nameOf(domain string) dname.Name {
	n := dname.Root()
	labels := strings.Split(strings.TrimSuffix(domain, "."), ".")
	for _, label := range slices.Backward(labels) {
		var err error
		if label == "" {
			return nil
		}
		if n, err = n.Prepend([]byte(label)); err != nil {
			return nil
		}
	}
	return n
}

// unescape returns the octets of a character-string as package dns has it.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c, n := s[i], 1
		if c == '\\' {
			if octet, length, reason := dname.Unescape([]byte(s[i:])); reason == "" {
				c, n = octet, length
			}
		}
		b.WriteByte(c)
		i += n - 1
	}
	return b.String()
}
