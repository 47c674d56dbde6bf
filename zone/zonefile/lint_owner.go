package zonefile

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/spelling"
)

// place is where an origin lies in the reverse trees; see [dname.Tree].
type place struct {
	family        dname.Family
	address, rest int
	isForward     bool // all names below are in neither tree
}

// addressOf returns the address whose whole name n is.
func addressOf(n dname.Name) (a dname.AddressKey, ok bool) {
	ok = n.Address(&a)
	return a, ok
}

func placeOf(n dname.Name) place {
	f, address, rest := dname.Tree(n)
	return place{f, address, rest, f == dname.Forward && !dname.IP6Arpa().IsAtOrBelow(n)}
}

// ownerName looks at an owner name in or near the reverse trees.
func (l *linter) ownerName(p *parser, s subject, h head, given bool) {
	t := &l.owner
	if !given { // it was looked at already, though not for a PTR
		t = h.typeTok
		if bytes.Equal(l.lastBad, s.owner) {
			return
		}
	}
	relative := given && l.ownerForm.Relative
	isPTR := s.typ == rr.TypePTR
	if a, ok := addressOf(s.owner); ok {
		if isPTR {
			l.networks.add(a)
		}
		return
	}
	family, address, rest := dname.Tree(s.owner)
	switch {
	case family == dname.Forward:
		if given && !relative {
			l.wrongTree(p, s, t, s.owner, "owner")
		}
		return
	case isApex(p, s.owner):
		return
	}
	if code, text := judgeOwner(s, t, family, address, rest, relative); code != "" {
		l.lastBad = append(l.lastBad[:0], s.owner...)
		l.warn(p, s, t, 0, code, "%s", text)
		return
	}
	if isPTR && rest == 0 && isInZone(p, s.owner) {
		l.shallowPTR(s, t, family, address)
	}
}

func isApex(p *parser, n dname.Name) bool { return slices.ContainsFunc(p.o.Apexes, n.Equal) }

func isInZone(p *parser, n dname.Name) bool { return slices.ContainsFunc(p.o.Apexes, n.IsAtOrBelow) }

// shallowPTR keeps the warning for a PTR at fewer octets or nibbles than an
// address has, until it is known whether there are addresses below.
func (l *linter) shallowPTR(s subject, t *token, family dname.Family, address int) {
	prefix, _ := dname.ToPrefix(s.owner)
	unit, full := "octets", 4
	if family == dname.IP6 {
		unit, full = "nibbles", 32
	}
	l.wait(&l.shallow, l.finding(s, t, 0, "wrong-depth",
		"the owner has %d of the %d %s of an address and so names the network %v; write all of them", address, full, unit, prefix), s.owner)
}

// judgeOwner returns a warning for an owner below a reverse tree that is not an
// address; code is empty if it may well be meant as it is. What RFC 2317 zones,
// wildcards, networks' names and service names need is left alone.
func judgeOwner(s subject, t *token, family dname.Family, address, rest int, relative bool) (code, text string) {
	owner := s.owner
	var labels [][]byte // those in front of the octets or nibbles
	for n := owner; len(labels) < rest; n = n.Parent() {
		labels = append(labels, n.Label())
		if n.Label()[0] == '_' {
			return "", ""
		}
	}
	isWildcard := owner.IsWildcard()
	if isWildcard {
		labels = labels[1:]
	}
	if relative && endsInTree(t.text) {
		return "owner-without-dot", "owner " + string(t.text) + " has no final dot and so becomes " + owner.String() + "; add the dot"
	}
	if a, ok := writtenAddress(t.text); ok && rest > 0 {
		return addressOwner(s, t, a)
	}
	if len(labels) == 0 {
		return "", ""
	}
	first, last := labels[0], labels[len(labels)-1] // last: next to the octets or nibbles
	isPTR := s.typ == rr.TypePTR
	if family == dname.IP6 {
		switch {
		case address == 32:
			if isPTR {
				return "wrong-depth", "the owner has labels in front of the 32 nibbles of an address; remove them"
			}
		case len(last) == 1, isHex(last):
			if isPTR || s.typ == rr.TypeNS || s.typ == rr.TypeCNAME {
				return "not-a-nibble", "label " + quote(last) + " is not a nibble (one of 0-9 and a-f), so no address leads here; write one hexadecimal digit a label"
			}
		case isPTR && !isWildcard && !isNibble(first):
			return "not-a-nibble", "label " + quote(first) + " is not a nibble (one of 0-9 and a-f), so no address leads here; write the address, in reversed nibbles"
		}
		return "", ""
	}
	switch {
	case address == 4:
		if isPTR && rest+address >= 28 && len(first) == 1 && isNibble(first) {
			return "wrong-depth", "the owner has the nibbles of an IPv6 address, but lies in in-addr.arpa.; move the record to a zone in ip6.arpa"
		}
		if isPTR {
			return "wrong-depth", "the owner has labels in front of the four octets of an address; remove them"
		}
	case isNumber(last):
		return "not-an-octet", "label " + quote(last) + " is not an octet (0 to 255, without leading zeros), so no address leads here; correct it"
	case !isPTR:
		// a free label: a zone cut or an alias for RFC 2317
	case isOctet(first):
		if len(labels) == 2 && address == 3 {
			return outsideClassless(s, first)
		}
	case isNumber(first):
		return "not-an-octet", "label " + quote(first) + " is not an octet (0 to 255, without leading zeros), so no address leads here; correct it"
	case !isWildcard:
		if _, ok := dname.ToClassless(owner); !ok {
			return "not-an-octet", "label " + quote(first) + " is not an octet (0 to 255), so no address leads here; write the address, in reversed octets"
		}
	}
	return "", ""
}

// outsideClassless warns of an address in a classless zone that is not of its
// range (RFC 2317): no query leads there.
func outsideClassless(s subject, octet []byte) (code, text string) {
	zone := s.owner.Parent()
	p, ok := dname.ToClassless(zone)
	if !ok {
		return "", ""
	}
	v, _ := dname.OctetLabel(octet)
	a := p.Addr().As4()
	a[3] = v
	if p.Contains(netip.AddrFrom4(a)) {
		return "", ""
	}
	return "outside-classless-range", "address " + netip.AddrFrom4(a).String() + " is not in " + p.String() + ", the range of " + zone.String() + "; correct the octet or move the record"
}

// addressOwner words the warning for an owner written as an address.
func addressOwner(s subject, t *token, a netip.Addr) (code, text string) {
	right := dname.FromAddr(a)
	if a.Is4() {
		// All four octets under an origin that has some of them already: in
		// normal order, or reversed with in-addr.arpa. left out?
		if p, ok := dname.ToPrefix(s.f.origin); ok && p.Addr().Is4() && !p.Contains(a) {
			b := a.As4()
			b[0], b[1], b[2], b[3] = b[3], b[2], b[1], b[0]
			if r := netip.AddrFrom4(b); p.Contains(r) {
				return "address-owner", "owner " + string(t.text) + " repeats octets of the origin and so becomes " + s.owner.String() + "; write " + shortOwner(s, dname.FromAddr(r))
			}
		}
	}
	return "address-owner", "owner " + string(t.text) + " is an address in normal order; write " + shortOwner(s, right) + ", its reverse name"
}

// shortOwner returns how the name is best written at this place.
func shortOwner(s subject, n dname.Name) string {
	if k := n.Labels() - s.f.origin.Labels(); k > 0 && s.f.origin.Labels() > 2 && n.IsAtOrBelow(s.f.origin) {
		text := n.String()
		return text[:len(text)-len(s.f.origin.String())-1]
	}
	return n.String()
}

// writtenAddress reads text as an address in normal order, with or without a
// final dot or the length of a single address's prefix.
func writtenAddress(text []byte) (netip.Addr, bool) {
	if len(text) == 0 || !isDigit(text[0]) && bytes.IndexByte(text, ':') < 0 {
		return netip.Addr{}, false
	}
	s := strings.TrimSuffix(string(text), ".")
	if p, err := netip.ParsePrefix(s); err == nil && p.IsSingleIP() {
		return p.Addr().Unmap(), true
	}
	a, err := netip.ParseAddr(s)
	return a.Unmap(), err == nil && a.Zone() == ""
}

// endsInTree reports whether text, without a final dot, ends like a reverse name
// that was written in full.
func endsInTree(text []byte) bool {
	s := strings.ToLower(string(text))
	return strings.HasSuffix(s, ".arpa") || strings.HasSuffix(s, "in-addr") || strings.HasSuffix(s, ".ip6") || strings.HasSuffix(s, ".arp")
}

// wrongTree warns of an absolute name outside the reverse trees that looks as if
// it were meant to be inside one. It reports whether it did.
func (l *linter) wrongTree(p *parser, s subject, t *token, n dname.Name, what string) bool {
	if !n.IsForward() {
		return false
	}
	if a, ok := writtenAddress(t.text); ok && what == "owner" {
		code, text := addressOwner(s, t, a)
		l.warn(p, s, t, 0, code, "%s", text)
		return true
	}
	if n.Labels() < 2 {
		return false
	}
	end := n.Suffix(2)
	second, top := strings.ToLower(string(end.Label())), strings.ToLower(string(end.Parent().Label()))
	switch {
	case second == "ip6" && top == "int":
		l.warn(p, s, t, 0, "ip6-int", "%s %s is in ip6.int, which was abolished (RFC 4159); write ip6.arpa", what, t.text)
	case looksLike(second+"."+top, "in-addr.arpa"), looksLike(top, "in-addr"):
		l.warn(p, s, t, 0, "misspelt-tree", "%s %s does not end in in-addr.arpa.; correct it", what, t.text)
	case looksLike(second+"."+top, "ip6.arpa"), top == "ip6":
		l.warn(p, s, t, 0, "misspelt-tree", "%s %s does not end in ip6.arpa.; correct it", what, t.text)
	default:
		return false
	}
	return true
}

// looksLike reports whether s is want but for one or two slips.
func looksLike(s, want string) bool {
	const slips = 2
	isSimilarLength := len(s) <= len(want)+slips && len(s)+slips >= len(want)
	return isSimilarLength && spelling.Distance(s, want) <= slips
}

func isNumber(label []byte) bool {
	for _, c := range label {
		if !isDigit(c) {
			return false
		}
	}
	return len(label) > 0
}

func isHex(label []byte) bool {
	for i := range label {
		if _, ok := dname.NibbleLabel(label[i : i+1]); !ok {
			return false
		}
	}
	return true
}

func isOctet(label []byte) bool  { _, ok := dname.OctetLabel(label); return ok }
func isNibble(label []byte) bool { _, ok := dname.NibbleLabel(label); return ok }
