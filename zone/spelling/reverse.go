package spelling

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
)

// Slip is what is wrong with a name that is almost the name of a reverse zone.
type Slip struct {
	Text  string     // what is wrong; empty: nothing
	Meant dname.Name // what was likely meant; nil: unknown
	Sure  bool       // the name cannot be meant as it is; otherwise it is only unlikely to be
}

// String returns the text with the question.
func (s Slip) String() string {
	if s.Meant == nil {
		return s.Text
	}
	return fmt.Sprintf("%s; did you mean %v?", s.Text, s.Meant)
}

// ReverseName looks for slips in the name of a zone: a reverse tree that is spelled wrong, octets
// above 255 or in normal order, IPv6 groups or nibbles in normal order. Names of forward zones, of
// reverse zones and of classless ones (RFC 2317), whose labels are free, have none.
func ReverseName(n dname.Name) Slip {
	labels := labelsOf(n)
	switch family, _, _ := dname.Tree(n); family {
	case dname.InAddr:
		return octets(labels[:len(labels)-2])
	case dname.IP6:
		return nibbles(labels[:len(labels)-2])
	}
	return wrongTree(labels)
}

// labelsOf returns the labels of n in lower case.
func labelsOf(n dname.Name) (labels []string) {
	for ; !n.IsRoot(); n = n.Parent() {
		labels = append(labels, strings.ToLower(string(n.Label())))
	}
	return labels
}

const (
	inAddr = "in-addr.arpa"
	ip6    = "ip6.arpa"
)

// nameOf returns the name of labels below a tree; nil if it is too long.
func nameOf(labels []string, tree string) dname.Name {
	n := dname.MustParse(tree)
	for _, l := range slices.Backward(labels) {
		var err error
		if n, err = n.Prepend([]byte(l)); err != nil {
			return nil
		}
	}
	return n
}

// wrongTree looks for a tree that is spelled wrong at the end of a name in neither tree.
func wrongTree(labels []string) Slip {
	for k := min(3, len(labels)); k > 0; k-- {
		below, end := labels[:len(labels)-k], strings.Join(labels[len(labels)-k:], ".")
		if end == "ip6.int" { // was right once
			return Slip{}
		}
		if i := len(end) - len(strings.TrimLeft(end, "0123456789")); i > 0 && end[i:] == inAddr {
			below, end = append(slices.Clone(below), end[:i]), "in-addr" // 203in-addr.arpa
		}
		for _, tree := range []string{inAddr, ip6} {
			if !isAlmost(end, tree) || !mayBeBelow(below, labels[len(labels)-1], tree) {
				continue
			}
			meant := nameOf(below, tree)
			if meant == nil {
				return Slip{}
			}
			if more := ReverseName(meant); more.Meant != nil {
				meant = more.Meant
			}
			return Slip{Text: fmt.Sprintf("there is no reverse tree %s", end), Meant: meant, Sure: true}
		}
	}
	return Slip{}
}

// isAlmost reports whether the end of a name is a tree but for two octets, or without arpa.
func isAlmost(end, tree string) bool {
	const slips = 2
	return end == strings.TrimSuffix(tree, ".arpa") || Distance(end, tree) <= slips
}

// mayBeBelow reports whether the labels may be below a tree. Where the last label of the name, top,
// may be that of a domain, all are octets or nibbles.
func mayBeBelow(labels []string, top, tree string) bool {
	if top == "arpa" || top == "arp" || tree == inAddr && top == "in-addr" {
		return true
	}
	for _, l := range labels {
		if tree == inAddr && !isNumber(l) || tree == ip6 && !isHex(l) {
			return false
		}
	}
	return len(labels) > 0
}

// octets looks at the labels below in-addr.arpa.
func octets(labels []string) Slip {
	if p, err := netip.ParsePrefix(strings.Join(labels, ".")); err == nil && p.Bits()%8 == 0 {
		n, _ := dname.FromPrefix(p)
		return Slip{Text: "a prefix is not the name of its zone", Meant: n, Sure: true}
	}
	if len(labels) > 4 && !slices.ContainsFunc(labels, func(l string) bool { return len(l) > 1 || !isHex(l) }) {
		return Slip{Text: "IPv6 addresses are not in in-addr.arpa", Meant: nameOf(labels, ip6), Sure: true}
	}
	if !slices.ContainsFunc(labels, func(l string) bool { return !isNumber(l) }) {
		if len(labels) > 4 {
			return Slip{Text: fmt.Sprintf("it has %d octets, and an IPv4 address has 4", len(labels)), Sure: true}
		}
		right := make([]string, len(labels))
		for i, l := range labels {
			v, err := strconv.ParseUint(l, 10, 8)
			if err != nil {
				return Slip{Text: fmt.Sprintf("label %q is not an octet (0 to 255)", l), Sure: true}
			}
			right[i] = strconv.Itoa(int(v))
		}
		if !slices.Equal(labels, right) {
			return Slip{Text: "octets have no leading zeros", Meant: nameOf(right, inAddr), Sure: true}
		}
		return turned(labels, inAddr)
	}
	return Slip{}
}

// ranges are prefixes of addresses.
type ranges []netip.Prefix

func (r ranges) has(p netip.Prefix) bool {
	return slices.ContainsFunc(r, func(q netip.Prefix) bool { return q.Bits() <= p.Bits() && q.Contains(p.Addr()) })
}

func prefixes(list ...string) (r ranges) {
	for _, s := range list {
		r = append(r, netip.MustParsePrefix(s))
	}
	return r
}

// Ranges of addresses. Read only.
var (
	used6   = prefixes("2000::/3", "fc00::/7", "fe80::/10", "ff00::/8", "::/16", "64::/16", "100::/16", "5f00::/16")
	unused4 = prefixes("0.0.0.0/8", "240.0.0.0/4")
	// anybody4 are those that anybody may use.
	anybody4 = prefixes("192.168.0.0/16", "172.16.0.0/12", "100.64.0.0/10", "169.254.0.0/16", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")
)

// unlikely reports whether p is unlikely the prefix of a zone, while q, the same with its labels in
// the other order, may well be.
func unlikely(p, q netip.Prefix) bool {
	if p.Addr().Is6() {
		const ofHosts = 3
		return !used6.has(p) && used6[:ofHosts].has(q)
	}
	return !unused4.has(q) && !anybody4.has(p) && (unused4.has(p) || anybody4.has(q))
}

// turned looks for octets or nibbles in normal order. Of many names it cannot be known. It is likely
// of addresses that are not in use, and of those that would be, the other way around, in a range that
// anybody may use.
func turned(labels []string, tree string) Slip {
	other := nameOf(reversed(labels), tree)
	p, _ := dname.ToPrefix(nameOf(labels, tree))
	if q, _ := dname.ToPrefix(other); !unlikely(p, q) {
		return Slip{}
	}
	return Slip{Text: fmt.Sprintf("this is the name of %v, and the labels are likely in normal order", p), Meant: other}
}

// nibbles looks at the labels below ip6.arpa.
func nibbles(labels []string) Slip {
	text := strings.Join(labels, ".")
	if a, _, _ := strings.Cut(text, "/"); strings.Contains(a, ":") {
		if _, err := netip.ParseAddr(a); err == nil {
			s := Slip{Text: fmt.Sprintf("%s is an address, and a zone is named by nibbles", a), Sure: true}
			if p, err := netip.ParsePrefix(text); err == nil && p.Bits()%4 == 0 {
				s.Meant, _ = dname.FromPrefix(p)
			}
			return s
		}
	}
	if slices.ContainsFunc(labels, func(l string) bool { return !isHex(l) || len(l) > 4 }) {
		return Slip{}
	}
	if i := slices.IndexFunc(labels, func(l string) bool { return len(l) > 1 }); i >= 0 {
		return Slip{Text: fmt.Sprintf("label %q is not a nibble, one hexadecimal digit", labels[i]), Meant: groups(labels), Sure: true}
	}
	switch {
	case len(labels) > 32:
		return Slip{Text: fmt.Sprintf("it has %d nibbles, and an IPv6 address has 32", len(labels)), Sure: true}
	case strings.HasSuffix(text, "8.b.d.1.0.0.2"):
		return Slip{Text: "a nibble is missing: 2001:db8 is 2001:0db8", Meant: nameOf(append(slices.Clone(labels[:len(labels)-4]), "0", "1", "0", "0", "2"), ip6)}
	case len(labels) > 1:
		return turned(labels, ip6)
	}
	return Slip{}
}

// groups reads labels as the 16-bit groups of an address, in the order of a reverse name or in normal
// order, and returns the name that they should have made; nil if they are not such groups.
func groups(labels []string) dname.Name {
	if len(labels) > 8 {
		return nil
	}
	read := func(labels []string) (dname.Name, netip.Prefix) {
		var right []string
		for _, l := range labels {
			l = strings.Repeat("0", 4-len(l)) + l
			right = append(right, l[3:], l[2:3], l[1:2], l[:1])
		}
		n := nameOf(right, ip6)
		p, _ := dname.ToPrefix(n)
		return n, p
	}
	n, p := read(labels)
	if other, q := read(reversed(labels)); unlikely(p, q) {
		return other
	}
	return n
}

// reversed returns the labels in the other order.
func reversed(labels []string) []string {
	labels = slices.Clone(labels)
	slices.Reverse(labels)
	return labels
}

func isNumber(label string) bool { return label != "" && strings.Trim(label, "0123456789") == "" }

func isHex(label string) bool { return label != "" && strings.Trim(label, "0123456789abcdef") == "" }
