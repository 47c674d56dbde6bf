package zonefile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/spelling"
)

// targets looks at the names in the RDATA of a record.
func (l *linter) targets(p *parser, s subject, h head) {
	switch s.typ {
	case rr.TypePTR, rr.TypeNS, rr.TypeCNAME, rr.TypeDNAME, rr.TypeMX, rr.TypeSRV, rr.TypeSOA:
	default:
		return
	}
	for i := range p.rdata.Names {
		n := &p.rdata.Names[i]
		switch t := &p.rdata.toks[n.Word]; {
		case n.Form.Odd && l.marks(p, s, t, field(s.typ, i)):
			continue
		case s.typ == rr.TypeSOA && i == 1 && l.contact(p, s, t):
			continue
		case n.Form.Odd && l.ascii(p, s, t, field(s.typ, i)):
			continue
		case l.reverse && (n.Form.Relative || n.Form.Odd || !isHostLike(t.text)) && l.target(p, s, h, i):
			continue
		}
		l.hostTarget(p, s, i)
		if l.reverse && s.typ == rr.TypePTR && !n.Form.Relative {
			l.reverseTarget(p, s, n)
		}
	}
	if l.reverse && s.typ == rr.TypeNS && len(l.glue) < maxWaiting {
		target := dname.Name(p.rdata.out)
		if !target.IsForward() {
			addKey(&l.glue, target)
		}
	}
}

// contact looks for an @ in the contact of an SOA. It reports whether there is one.
func (l *linter) contact(p *parser, s subject, t *token) bool {
	at := bytes.IndexByte(t.text, '@')
	if at <= 0 {
		return false
	}
	l.warn(p, s, t, at, "at-sign-in-rname", "contact (RNAME) %s has an @ in it; a mailbox is written with a dot in its place (RFC 1035 §8), so write %s", t.text, mailboxName(t.text))
	return true
}

// ascii looks for characters beyond ASCII in a name, which no resolver asks for. Names of services
// may have them (RFC 6763 §4.1). It reports whether there are any.
func (l *linter) ascii(p *parser, s subject, t *token, what string) bool {
	at := slices.IndexFunc(t.text, func(c byte) bool { return c >= 0x80 })
	if at < 0 || isOfService(s.owner) {
		return false
	}
	l.warn(p, s, t, at, "not-ascii", "%s %s is not ASCII, and resolvers ask for internationalized names in another form; %s%s",
		what, quote(t.text), spelling.WriteALabels(string(t.text)), invisible([]token{*t}))
	return true
}

// isOfService reports whether a label of n starts with an underscore (RFC 8552).
func isOfService(n dname.Name) bool {
	for ; !n.IsRoot(); n = n.Parent() {
		if n.Label()[0] == '_' {
			return true
		}
	}
	return false
}

// hostOwner looks at an owner that is to be the name of a host, as BIND does. It reports whether it
// is not one.
func (l *linter) hostOwner(p *parser, s subject) bool {
	if s.typ != rr.TypeA && s.typ != rr.TypeAAAA && s.typ != rr.TypeMX {
		return false
	}
	n := s.owner
	if n.IsWildcard() {
		n = n.Parent()
	}
	return l.hostName(p, s, &l.owner, n, "owner")
}

// hostTarget looks at a name in RDATA that is to be that of a host, as BIND does. The targets of PTRs
// are looked at where the zone is built.
func (l *linter) hostTarget(p *parser, s subject, i int) {
	n := dname.FromWire(p.rdata.out[p.rdata.Names[i].Offset:])
	switch {
	case s.typ == rr.TypePTR || s.typ == rr.TypeCNAME || s.typ == rr.TypeDNAME:
		return
	case s.typ == rr.TypeSOA && i == 1 && !n.IsRoot():
		n = n.Parent() // the first label is the user
	}
	l.hostName(p, s, &p.rdata.toks[p.rdata.Names[i].Word], n, field(s.typ, i))
}

func (l *linter) hostName(p *parser, s subject, t *token, n dname.Name, what string) bool {
	fault := spelling.HostFault(n, "many servers")
	if fault != "" {
		l.warn(p, s, t, 0, "host-name", "%s %s is not the name of a host: %s", what, quote(t.text), fault)
	}
	return fault != ""
}

// isHostLike is a quick look for what cannot be an address: a letter at the
// start.
func isHostLike(text []byte) bool {
	c := text[0] | 0x20
	return c >= 'a' && c <= 'z'
}

// field names the i-th name of a record's data for a message.
func field(t rr.Type, i int) string {
	switch {
	case t == rr.TypeSOA && i == 0:
		return "primary name server (MNAME)"
	case t == rr.TypeSOA:
		return "contact (RNAME)"
	}
	if t == rr.TypeNS {
		return "name server"
	}
	return "target"
}

// target looks at a name in the RDATA of a record near a reverse zone. It reports whether there is a
// finding, or may be one at the end.
func (l *linter) target(p *parser, s subject, h head, i int) bool {
	n := &p.rdata.Names[i]
	t := &p.rdata.toks[n.Word]
	what := field(s.typ, i)
	isContact := s.typ == rr.TypeSOA && i == 1
	if a, ok := writtenAddress(t.text); ok && !isContact {
		remedy := "write the name of the server"
		switch s.typ {
		case rr.TypePTR:
			remedy = "write the name that the address has"
		case rr.TypeCNAME, rr.TypeDNAME:
			remedy = "write a name, or " + dname.FromAddr(a).String() + " if the reverse name is meant"
		}
		l.warn(p, s, t, 0, "address-as-target", "%s %s is an address, where only a name is allowed; %s", what, t.text, remedy)
		return true
	}
	if !n.Form.Relative {
		return false
	}
	target := dname.FromWire(p.rdata.out[n.Offset:])
	if target.IsForward() {
		return false
	}
	if (s.typ == rr.TypeCNAME || s.typ == rr.TypeDNAME) && isInside(s, target) {
		return false // the classless way of RFC 2317: 1 CNAME 1.0/25
	}
	f := l.finding(s, t, 0, "missing-dot", "%s %s has no final dot and so becomes %v; %s", what, quote(t.text), target, dotRemedy(t.text))
	if s.typ == rr.TypeNS || s.typ == rr.TypeSOA && i == 0 {
		l.wait(&l.servers, f, target)
		return true
	}
	l.warn(p, s, t, 0, f.Rule, "%s", f.Text)
	return true
}

// dotRemedy returns what to do about a target without a final dot. A single label is not the whole
// name of a host with it either (RFC 6761 §6.3 apart).
func dotRemedy(text []byte) string {
	if bytes.IndexByte(text, ':') >= 0 { // a port, or a URL
		if n, err := dname.Parse(string(text)); err == nil {
			return spelling.HostFault(n, "many servers")
		}
	}
	if bytes.IndexByte(text, '.') < 0 && !bytes.EqualFold(text, []byte("localhost")) {
		return fmt.Sprintf("write its full name with the dot, such as %s.example.com.", text)
	}
	return "add the dot"
}

// isInside reports whether a relative target of an alias may be meant to stay in
// the zone: it starts with an octet or nibble, or is one label that has one of
// the forms of a classless part.
func isInside(s subject, target dname.Name) bool {
	if isOctet(target.Label()) || isNibble(target.Label()) {
		return true
	}
	_, ok := dname.ToClassless(target)
	return ok || s.typ == rr.TypeDNAME && target.Labels() == s.f.origin.Labels()+1
}

// mailboxName returns user@host, or user\@host, as a name: the dots of the user part escaped, with its
// final dot.
func mailboxName(text []byte) string {
	user, host, _ := strings.Cut(strings.TrimSuffix(string(text), "."), "@")
	user = strings.ReplaceAll(strings.TrimSuffix(user, `\`), `\.`, ".")
	return strings.ReplaceAll(user, ".", `\.`) + "." + host + "."
}

// reverseTarget warns of a PTR that leads back into the reverse trees.
func (l *linter) reverseTarget(p *parser, s subject, n *rr.Name) {
	target := dname.FromWire(p.rdata.out[n.Offset:])
	if f, address, _ := dname.Tree(target); f == dname.Forward || address == 0 {
		return
	}
	if isOfService(s.owner) { // RFC 6763 §11: browsing domains of a network
		return
	}
	t := &p.rdata.toks[n.Word]
	l.warn(p, s, t, 0, "reverse-target", "target %s is itself a reverse name; write the name of the host", t.text)
}

// address keeps the warning for an A or AAAA in a reverse tree until it is known
// whether it is glue. An A of 255.… at a network's name is a mask (RFC 1101
// §4.1).
func (l *linter) address(p *parser, s subject, h head) {
	if s.owner.IsForward() || p.rdata.out[0] == 255 {
		return
	}
	if len(l.hasAddr) < maxWaiting {
		addKey(&l.hasAddr, s.owner)
	}
	l.wait(&l.addresses, l.finding(s, h.typeTok, 0, "address-in-reverse-zone", "an address record in a reverse zone does not help a client that looks up a host; move it to the zone of the host's name, or write PTR if the name of an address is meant"), s.owner)
}
