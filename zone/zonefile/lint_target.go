package zonefile

import (
	"bytes"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// targets looks at the names in the RDATA of a record near a reverse zone.
func (l *linter) targets(p *parser, s subject, h head) {
	switch s.typ {
	case rr.TypePTR, rr.TypeNS, rr.TypeCNAME, rr.TypeDNAME, rr.TypeMX, rr.TypeSOA:
	default:
		return
	}
	for i := range p.rdata.Names {
		n := &p.rdata.Names[i]
		if n.Form.Relative || n.Form.Odd || !isHostLike(p.rdata.toks[n.Word].text) {
			l.target(p, s, h, i)
		}
		if s.typ == rr.TypePTR && !n.Form.Relative {
			l.reverseTarget(p, s, n)
		}
	}
	if s.typ == rr.TypeNS && len(l.glue) < maxWaiting {
		target := dname.Name(p.rdata.out)
		if isReverse(target) {
			addKey(&l.glue, target)
		}
	}
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

func (l *linter) target(p *parser, s subject, h head, i int) {
	n := &p.rdata.Names[i]
	t := &p.rdata.toks[n.Word]
	what := field(s.typ, i)
	if n.Form.Odd && l.marks(p, s, t, what) {
		return
	}
	isContact := s.typ == rr.TypeSOA && i == 1
	if isContact && bytes.IndexByte(t.text, '@') > 0 {
		l.warn(p, s, t, bytes.IndexByte(t.text, '@'), "at-sign-in-rname", "contact (RNAME) %s has an @ in it; a mailbox is written with a dot in its place (RFC 1035 §8), so write %s", t.text, mailboxName(t.text))
		return
	}
	if a, ok := writtenAddress(t.text); ok && !isContact {
		remedy := "write the name of the server"
		switch s.typ {
		case rr.TypePTR:
			remedy = "write the name that the address has"
		case rr.TypeCNAME, rr.TypeDNAME:
			remedy = "write a name, or " + dname.FromAddr(a).String() + " if the reverse name is meant"
		}
		l.warn(p, s, t, 0, "address-as-target", "%s %s is an address, where only a name is allowed; %s", what, t.text, remedy)
		return
	}
	if !n.Form.Relative {
		return
	}
	target := dname.FromWire(p.rdata.out[n.Offset:])
	if !isReverse(target) {
		return
	}
	if (s.typ == rr.TypeCNAME || s.typ == rr.TypeDNAME) && isInside(s, target) {
		return // the classless way of RFC 2317: 1 CNAME 1.0/25
	}
	f := l.finding(s, t, 0, "missing-dot", "%s %s has no final dot and so becomes %v; add the dot", what, quote(t.text), target)
	if s.typ == rr.TypeNS || s.typ == rr.TypeSOA && i == 0 {
		l.wait(&l.servers, f, target)
		return
	}
	l.warn(p, s, t, 0, f.Rule, "%s", f.Text)
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

// mailboxName returns user@host as a name: the dots of the user part escaped,
// with its final dot.
func mailboxName(text []byte) string {
	user, host, _ := bytes.Cut(bytes.TrimSuffix(text, []byte{'.'}), []byte{'@'})
	user = bytes.ReplaceAll(bytes.ReplaceAll(user, []byte(`\.`), []byte{'.'}), []byte{'.'}, []byte(`\.`))
	return string(user) + "." + string(host) + "."
}

// reverseTarget warns of a PTR that leads back into the reverse trees.
func (l *linter) reverseTarget(p *parser, s subject, n *rr.Name) {
	target := dname.FromWire(p.rdata.out[n.Offset:])
	if f, address, _ := dname.Tree(target); f == dname.Forward || address == 0 {
		return
	}
	for o := s.owner; !o.IsRoot(); o = o.Parent() {
		if o.Label()[0] == '_' { // RFC 6763 §11: browsing domains of a network
			return
		}
	}
	t := &p.rdata.toks[n.Word]
	l.warn(p, s, t, 0, "reverse-target", "target %s is itself a reverse name; write the name of the host", t.text)
}

// address keeps the warning for an A or AAAA in a reverse tree until it is known
// whether it is glue. An A of 255.… at a network's name is a mask (RFC 1101
// §4.1).
func (l *linter) address(p *parser, s subject, h head) {
	if !isReverse(s.owner) || p.rdata.out[0] == 255 {
		return
	}
	if len(l.hasAddr) < maxWaiting {
		addKey(&l.hasAddr, s.owner)
	}
	l.wait(&l.addresses, l.finding(s, h.typeTok, 0, "address-in-reverse-zone", "an address record in a reverse zone does not help a client that looks up a host; move it to the zone of the host's name, or write PTR if the name of an address is meant"), s.owner)
}
