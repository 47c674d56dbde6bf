package config

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
)

// name reads an absolute name; its final dot may be missing.
func (v value) name() dname.Name {
	s, ok := v.scalar()
	if !ok {
		return nil
	}
	if !v.looksLikeName(s) {
		return nil
	}
	n, err := dname.Parse(s)
	if err != nil {
		v.syntax(s, err)
		return nil
	}
	return n
}

// looksLikeName notes what people write where a name is wanted and dname.Parse
// would take.
func (v value) looksLikeName(s string) bool {
	if _, ok := parsePrefix(s); ok {
		v.fail("%q is a prefix, a name is needed here", s)
		return false
	}
	if _, ok := parseAddr(s); ok {
		v.fail("%q is an address, a name is needed here", s)
		return false
	}
	return v.isOneWord(s)
}

// parsePrefix is netip.ParsePrefix for texts that are none as a rule: it makes no
// error of them.
func parsePrefix(s string) (netip.Prefix, bool) {
	if strings.IndexByte(s, '/') < 0 {
		return netip.Prefix{}, false
	}
	p, err := netip.ParsePrefix(s)
	return p, err == nil
}

// parseAddr is netip.ParseAddr likewise. Every address has a colon or no letter.
func parseAddr(s string) (netip.Addr, bool) {
	if strings.IndexByte(s, ':') < 0 && strings.Trim(s, "0123456789.") != "" {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(s)
	return a, err == nil
}

func (v value) isOneWord(s string) bool {
	if s == "" {
		v.fail("the name is empty; give one, or remove the key")
		return false
	}
	if i := strings.IndexAny(s, " \t\n,"); i >= 0 {
		v.fail("%q is not one name; several names are a list, such as [a.example.com, b.example.com]", s)
		return false
	}
	for _, c := range s {
		switch {
		case c >= 0x80:
			v.fail("%q has the character %q, which is not ASCII; write internationalized labels in their A-label form (xn--…)", s, c)
			return false
		case c < ' ' || c == 0x7f:
			v.fail(`%q has the control character %q; if that is meant, write it as \DDD, three decimal digits`, s, c)
			return false
		}
	}
	return true
}

func (v value) syntax(s string, err error) {
	var se *dname.SyntaxError
	if errors.As(err, &se) && se.Offset > 0 {
		v.fail("%q is not a name: %s at character %d; mend it", s, se.Reason, se.Offset+1)
		return
	}
	v.fail("%q is not a name: %v; mend it", s, err)
}

// hostName reads the absolute name of a host: what a PTR or NS record points to.
// A single label is nearly always one whose domain was forgotten, so that it
// needs its final dot.
func (v value) hostName() dname.Name {
	n := v.name()
	if n == nil {
		return nil
	}
	switch {
	case n.IsRoot():
		v.fail(`"." is the root, the name of a host is needed here`)
		return nil
	case n.Labels() == 1 && !strings.HasSuffix(v.node.Value, "."):
		v.fail("%q has no domain, names are written in full here; write it like %q, or %q if that is meant", v.node.Value, v.node.Value+".example.com", v.node.Value+".")
		return nil
	}
	return n
}

// contact reads a mail address, or the RNAME of an SOA, in which the first dot
// stands for the @ (RFC 1035 §8).
func (v value) contact() dname.Name {
	s, ok := v.text()
	if !ok {
		return nil
	}
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		n := v.name()
		if n != nil && n.Labels() < 2 {
			v.fail("%q is not a mail address; write it like %q", s, "hostmaster@example.com")
			return nil
		}
		return n
	}
	local, domain := s[:at], s[at+1:]
	if local == "" || domain == "" || strings.ContainsAny(s, " \t<>,") {
		v.fail("%q is not a mail address; write one address like %q", s, "hostmaster@example.com")
		return nil
	}
	if !v.looksLikeName(domain) || !v.isOneWord(local) {
		return nil
	}
	if strings.ContainsAny(local, `\@"`) {
		v.fail("%q has a \\, \" or @ in front of the @, which few programs can turn back into a mail address; use another address", s)
		return nil
	}
	n, err := dname.Parse(domain)
	if err != nil {
		v.syntax(s, err)
		return nil
	}
	if n, err = n.Prepend([]byte(local)); err != nil { // as one label, its dots included
		v.syntax(s, err)
		return nil
	}
	return n
}

// zoneName reads the name of a zone, any at all.
func (v value) zoneName() dname.Name {
	if s := v.node.Value; v.node.ShortTag() != "!!null" {
		if p, ok := parsePrefix(s); ok {
			v.fail("%q is a prefix; write `prefix: %v` instead of `name`", s, p)
			return nil
		}
		if a, ok := parseAddr(s); ok {
			v.fail("%q is an address; write `prefix: %v/%d` instead of `name`", s, a, a.BitLen())
			return nil
		}
	}
	return v.name()
}

// naming is how the name of a classless prefix was asked for: in a style, by a
// label of one's own, or in full.
type naming struct {
	style, label, name *value
}

func (w *naming) fields() []field {
	return []field{
		{"style", func(v value) { w.style = &v }},
		{"label", func(v value) { w.label = &v }},
		{"name", func(v value) { w.name = &v }},
	}
}

// onlyOne notes a name that was asked for in two ways.
func (w *naming) onlyOne() bool {
	var first *value
	for _, v := range []*value{w.name, w.label, w.style} {
		switch {
		case v == nil:
		case first == nil:
			first = v
		default:
			v.fail("%s has been given too; `name`, `label` and `style` each say the whole name: keep one", first.path)
			return false
		}
	}
	return true
}

// ownName is the message for a style or label where the prefix has a name of its own.
const ownName = "%v has a reverse name of its own, only IPv4 prefixes of length 25 to 31 are named freely (RFC 2317); remove the key"

// refuseLabels reports a style and a label, which have no effect.
func (w *naming) refuseLabels(format string, args ...any) {
	for _, v := range []*value{w.style, w.label} {
		if v != nil {
			v.fail(format, args...)
		}
	}
}

// classless returns the name of a classless prefix below base: its /24's name,
// or the apex of the classless zone that it is a part of. The name leaves room
// for the labels of addresses below it. What is wrong with it is noted at prefix
// if nothing but that was said.
func (w *naming) classless(prefix value, p netip.Prefix, base dname.Name) dname.Name {
	n, from := w.anyClassless(prefix, p, base)
	if n != nil && len(n)+len("\x03255") > dname.MaxWire {
		from.fail("%v leaves no room for the names of its addresses, at most 255 octets each; choose a shorter one", n)
		return nil
	}
	return n
}

// anyClassless returns a name of any length, and the value that it is from.
func (w *naming) anyClassless(prefix value, p netip.Prefix, base dname.Name) (dname.Name, *value) {
	if !w.onlyOne() {
		return nil, nil
	}
	label := dname.ClasslessLabel(p, dname.Range)
	at := &prefix
	switch {
	case w.name != nil:
		n := w.name.zoneName()
		if n == nil {
			return nil, nil
		}
		if len(n) == len(base) || !n.IsAtOrBelow(base) {
			w.name.fail("%v is not below %v, where the name of %v must be; mend the name, or remove it for %s.%v", n, base, p, label, base)
			return nil, nil
		}
		if n.Parent().Equal(base) && w.name.isOctet(n.Label(), p) {
			return nil, nil
		}
		return n, w.name
	case w.style != nil:
		s := w.style.oneOf("range", "slash", "rfc4183")
		style, ok := dname.ParseStyle(s)
		if !ok {
			return nil, nil
		}
		label = dname.ClasslessLabel(p, style)
		at = w.style
	case w.label != nil:
		s, ok := w.label.scalar()
		if !ok || !w.label.isOneWord(s) {
			return nil, nil
		}
		if strings.ContainsAny(s, `.\`) {
			w.label.fail("%q is not a single label; use `name` for a name of several", s)
			return nil, nil
		}
		if w.label.isOctet([]byte(s), p) {
			return nil, nil
		}
		label, at = s, w.label
	}
	n, err := base.Prepend([]byte(label))
	if err != nil {
		at.syntax(label, err)
		return nil, nil
	}
	return n, at
}

// isOctet notes a label that is the name of an address in the same /24.
func (v value) isOctet(label []byte, p netip.Prefix) bool {
	o, ok := dname.OctetLabel(label)
	if !ok {
		return false
	}
	a := p.Addr().As4()
	a[3] = o
	v.fail("label %q is the name of the address %v itself; choose another, such as %q", strconv.Itoa(int(o)), netip.AddrFrom4(a), dname.ClasslessLabel(p, dname.Range))
	return true
}
