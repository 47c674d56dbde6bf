package config

import (
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rule"
	"github.com/ptrd/ptrd/zone/spelling"
)

// name reads an absolute name, with or without the final dot.
func (v value) name() dname.Name {
	s, ok := v.scalar()
	if !ok {
		return nil
	}
	if !v.mayBeName(s) {
		return nil
	}
	n, err := dname.Parse(s)
	if err != nil {
		v.syntax(s, err)
		return nil
	}
	return n
}

// mayBeName reports addresses, prefixes and other strings that dname.Parse would accept,
// but that are not meant as names.
func (v value) mayBeName(s string) bool {
	if _, ok := parsePrefix(s); ok {
		v.fail("%q is a prefix, must be a name", s)
		return false
	}
	if _, ok := parseAddr(s); ok {
		v.fail("%q is an address, must be a name", s)
		return false
	}
	return v.isOneWord(s)
}

// parsePrefix is netip.ParsePrefix for strings that are rarely prefixes: it does not
// allocate an error for them.
func parsePrefix(s string) (netip.Prefix, bool) {
	if strings.IndexByte(s, '/') < 0 {
		return netip.Prefix{}, false
	}
	p, err := netip.ParsePrefix(s)
	return p, err == nil
}

// parseAddr is netip.ParseAddr in the same way. Every address has a colon or no letter.
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
		v.fail("%q is not one name; write several names as a list, such as [a.example.com, b.example.com]", s)
		return false
	}
	for _, c := range s {
		switch {
		case c >= 0x80:
			v.fail("%q has the character %q, which is not ASCII; %s", s, c, spelling.WriteALabels(s))
			return false
		case c < ' ' || c == 0x7f:
			v.fail(`%q has the control character %q; remove it, or write it as \DDD, three decimal digits`, s, c)
			return false
		}
	}
	return true
}

func (v value) syntax(s string, err error) {
	var se *dname.SyntaxError
	if errors.As(err, &se) && se.Offset > 0 {
		v.fail("%q is not a name: %s at character %d; correct it", s, se.Reason, se.Offset+1)
		return
	}
	v.fail("%q is not a name: %v; correct it", s, err)
}

// hostName reads the absolute name of a host, as in a PTR or NS record. A single label
// needs a final dot, because its domain was probably forgotten.
func (v value) hostName() dname.Name {
	n := v.name()
	if n == nil {
		return nil
	}
	switch {
	case n.IsRoot():
		v.fail(`"." is the root, must be the name of a host`)
		return nil
	case n.Labels() == 1 && !strings.HasSuffix(v.node.Value, "."):
		v.fail("%q has no domain, must be a full name; write it like %q, or %q for the single label", v.node.Value, v.node.Value+".example.com", v.node.Value+".")
		return nil
	}
	return n
}

// hostValue is a value that is the name of a host.
type hostValue struct {
	value
	name dname.Name
	what string
}

// checkedHost returns a name that [reading.checkHosts] will look at; what says whose it is. The names
// of PTRs are looked at where the zone is built.
func (v value) checkedHost(what string, n dname.Name) dname.Name {
	if n != nil {
		v.doc.hosts = append(v.doc.hosts, hostValue{v, n, what})
	}
	return n
}

// checkHosts warns about the names of hosts in an item that are none (RFC 1123 §2.1), as it is done for
// those in files.
func (d *reading) checkHosts(c *rule.Checks) {
	for _, h := range d.hosts {
		if fault := spelling.HostFault(h.name, "many servers"); fault != "" {
			h.warn(c, "host-name", "%s %q is not the name of a host: %s", h.what, h.node.Value, fault)
		}
	}
	d.hosts = d.hosts[:0]
}

// contact reads a mail address, or the RNAME of an SOA, whose first dot stands for the @
// (RFC 1035 §8).
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
	if strings.ContainsFunc(local, func(c rune) bool { return c >= 0x80 }) {
		v.fail("%q has a character before the @ that is not ASCII, which an SOA cannot have; use another address", s)
		return nil
	}
	if !v.mayBeName(domain) || !v.isOneWord(local) {
		return nil
	}
	if strings.ContainsAny(local, `\@"`) {
		v.fail("%q has a \\, \" or @ before the last @, which few programs can convert back into a mail address; use another address", s)
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

// zoneName reads the name of a zone.
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

// naming has the keys for the name of a classless prefix: a style, a label, or the full
// name.
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

// isUnambiguous reports whether at most one of the keys is present; otherwise it reports
// the second one.
func (w *naming) isUnambiguous() bool {
	var first *value
	for _, v := range []*value{w.name, w.label, w.style} {
		switch {
		case v == nil:
		case first == nil:
			first = v
		default:
			v.fail("%s is present too; `name`, `label` and `style` exclude each other: remove all but one", first.path)
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

// classless returns the name of a classless prefix below base, which is the name of its
// /24 or the apex of the classless zone that contains it. The names of its addresses, one
// label longer, fit into 255 octets. An error without style, label and name is reported
// at prefix.
func (w *naming) classless(prefix value, p netip.Prefix, base dname.Name) dname.Name {
	n, from := w.anyClassless(prefix, p, base)
	if n != nil && n.IsWildcard() {
		from.fail("%v is a wildcard, which cannot be a zone (RFC 4592 §4.2); choose another label, such as %q", n, dname.ClasslessLabel(p, dname.Range))
		return nil
	}
	if n != nil && len(n)+len("\x03255") > dname.MaxWire {
		from.fail("%v is too long: the names of its addresses would have more than 255 octets; choose a shorter name", n)
		return nil
	}
	return n
}

// anyClassless returns a name of any length and the value that it comes from.
func (w *naming) anyClassless(prefix value, p netip.Prefix, base dname.Name) (dname.Name, *value) {
	if !w.isUnambiguous() {
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
			w.name.fail("%v is not below %v, where the name of %v must be; correct the name, or remove it to use %s.%v", n, base, p, label, base)
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
			w.label.fail("%q is not a single label; use `name` for several labels", s)
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

// isOctet reports a label that is the name of an address in the same /24.
func (v value) isOctet(label []byte, p netip.Prefix) bool {
	o, ok := dname.OctetLabel(label)
	if !ok {
		return false
	}
	a := p.Addr().As4()
	a[3] = o
	v.fail("label %q is the name of the address %v; choose another label, such as %q", strconv.Itoa(int(o)), netip.AddrFrom4(a), dname.ClasslessLabel(p, dname.Range))
	return true
}
