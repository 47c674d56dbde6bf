// Package naming converts addresses and prefixes into reverse names and zones, and back.
// Package handover makes the records of the parent zone from the result.
package naming

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone/dname"
)

// apexOf returns the name that the configuration has for the zone of a prefix, or nil. Without a
// configuration there is none.
func apexOf(p netip.Prefix, c *config.Config) dname.Name {
	if c == nil {
		return nil
	}
	for i := range c.Zones {
		if z := &c.Zones[i]; z.Prefix.IsValid() && z.Prefix.Masked() == p {
			return z.Name
		}
	}
	return nil
}

// Naming is an address or a prefix with its reverse names.
type Naming struct {
	Input   string       `json:"input"`
	Kind    string       `json:"kind"` // address, prefix
	Address *netip.Addr  `json:"address,omitempty"`
	Prefix  netip.Prefix `json:"prefix"`
	Name    dname.Name   `json:"name,omitempty"`  // the reverse name; none for a prefix of several zones
	Zones   []dname.Name `json:"zones,omitempty"` // of the prefix, or possible ones of the address, the longest first
	Styles  []styled     `json:"styles,omitempty"`
	Parent  dname.Name   `json:"parent,omitempty"` // the zone of the next shorter boundary; none for the trees themselves
	Notes   []string     `json:"notes,omitempty"`

	decided string // where the name of a classless zone comes from; empty: not decided
}

// styled is the name of a classless prefix in one style.
type styled struct {
	Style string     `json:"style"`
	Name  dname.Name `json:"name"`
}

// Describe reads an address, a prefix or a reverse name. The configuration, which may be nil, can
// have a name for the zone of a prefix.
func Describe(input string, c *config.Config) (*Naming, error) {
	if p, err := netip.ParsePrefix(input); err == nil {
		r := &Naming{Input: input}
		if m := p.Masked(); m != p {
			r.Notes = append(r.Notes, fmt.Sprintf("%v is in %v, which is shown", p.Addr(), m))
			p = m
		}
		if p.Addr().Is4In6() {
			return nil, fmt.Errorf("prefix %s: IPv4-mapped addresses have no reverse zones; write the IPv4 prefix", input)
		}
		return r.prefix(p, nil, c), nil
	}
	if a, err := netip.ParseAddr(input); err == nil {
		if a.Zone() != "" {
			return nil, fmt.Errorf("address %s: reverse names have no interface; remove %%%s", input, a.Zone())
		}
		return (&Naming{Input: input}).address(a.Unmap()), nil
	}
	n, err := dname.Parse(input)
	if err != nil {
		return nil, fmt.Errorf("%q is not an address, a prefix or a name: %w", input, err)
	}
	if a, ok := dname.ToAddr(n); ok {
		return (&Naming{Input: input}).address(a), nil
	}
	if p, ok := dname.ToPrefix(n); ok {
		return (&Naming{Input: input}).prefix(p, nil, c), nil
	}
	if p, ok := dname.ToClassless(n); ok {
		return (&Naming{Input: input}).prefix(p, n, c), nil
	}
	if a, ok := addressBelow(n); ok {
		r := (&Naming{Input: input}).address(a)
		r.Notes = append(r.Notes, fmt.Sprintf("%v stands for the address in the classless zone %v", n, n.Parent()))
		return r, nil
	}
	return nil, notReverse(input, n)
}

// addressBelow returns the address that a name in a classless zone stands for,
// as 65.64-127.113.0.203.in-addr.arpa for 203.0.113.65 (RFC 2317 §4).
func addressBelow(n dname.Name) (netip.Addr, bool) {
	p, ok := dname.ToClassless(n.Parent())
	if !ok {
		return netip.Addr{}, false
	}
	octet, ok := dname.OctetLabel(n.Label())
	b := p.Addr().As4()
	b[3] = octet
	a := netip.AddrFrom4(b)
	return a, ok && p.Contains(a)
}

// notReverse returns the error for a name that is not the reverse name of a prefix.
func notReverse(input string, n dname.Name) error {
	f, address, rest := dname.Tree(n)
	switch {
	case f == dname.Forward && looksNumeric(input):
		return fmt.Errorf("%q is not an address or a prefix: an IPv4 address has four octets; write a prefix with its length, such as 203.0.113.0/24", input)
	case f == dname.Forward:
		return fmt.Errorf("%v is not under in-addr.arpa. or ip6.arpa.; give an address, a prefix or a reverse name", n)
	}
	if p, ok := dname.ToClassless(n.Parent()); ok {
		first := p.Addr().As4()[3]
		return fmt.Errorf("%s: label %q is not an address of %v; use %d to %d", input, n.Label(), p, first, int(first)+1<<(32-p.Bits())-1)
	}
	for range rest - 1 {
		n = n.Parent()
	}
	label := string(n.Label())
	tree, full, what := "in-addr.arpa.", 4, "an octet (0 to 255, without leading zeros) nor a part of a /24 (such as 64-127, 64/26, 64-26)"
	if f == dname.IP6 {
		tree, full, what = "ip6.arpa.", 32, "a nibble (0 to 9, a to f)"
	}
	if address == full {
		return fmt.Errorf("%s: label %q is below a complete address, which has %[4]d labels under %[3]s; remove it", input, label, tree, full)
	}
	neither := "not"
	if f == dname.InAddr {
		neither = "neither"
	}
	return fmt.Errorf("%s: label %q is %s %s, so that the name has no prefix; give the address or prefix instead", input, label, neither, what)
}

func looksNumeric(s string) bool { return strings.Trim(s, "0123456789./:") == "" }

func (r *Naming) address(a netip.Addr) *Naming {
	r.Kind, r.Address = "address", &a
	r.Prefix = netip.PrefixFrom(a, a.BitLen())
	r.Name = dname.FromAddr(a)
	lengths := []int{32, 24, 16}
	if a.Is6() {
		lengths = []int{64, 56, 48, 32}
	}
	for _, bits := range lengths {
		n, _ := dname.FromPrefix(netip.PrefixFrom(a, bits).Masked()) // all on a boundary
		r.Zones = append(r.Zones, n)
	}
	return r
}

// prefix fills in the result for a prefix; given is the name of a classless one, or nil.
func (r *Naming) prefix(p netip.Prefix, given dname.Name, c *config.Config) *Naming {
	r.Kind, r.Prefix = "prefix", p
	apex := apexOf(p, c)
	switch {
	case given != nil:
		apex, r.decided = given, "as given"
	case apex != nil:
		r.decided = "by the configuration"
	}
	if dname.IsClassless(p) {
		return r.classless(p, apex)
	}
	for _, part := range dname.Split(p) {
		n, _ := dname.FromPrefix(part) // Split gives boundaries only
		r.Zones = append(r.Zones, n)
	}
	if len(r.Zones) == 1 {
		r.Name = r.Zones[0]
	}
	if above := dname.Boundary(p); above.Bits() > 0 || above != p { // nothing delegates in-addr.arpa and ip6.arpa to operators
		if above == p {
			above = dname.Boundary(netip.PrefixFrom(p.Addr(), p.Bits()-1))
		}
		r.Parent, _ = dname.FromPrefix(above)
	}
	return r
}

// classless fills in the result for a part of a /24; apex is the name of its zone, or nil
// for the default.
func (r *Naming) classless(p netip.Prefix, apex dname.Name) *Naming {
	for _, s := range []dname.Style{dname.Range, dname.Slash, dname.RFC4183} {
		r.Styles = append(r.Styles, styled{s.String(), dname.FromClassless(p, s)})
	}
	if apex == nil {
		apex = dname.FromClassless(p, dname.Range)
	}
	r.Name = apex
	r.Zones = []dname.Name{apex}
	r.Parent, _ = dname.FromPrefix(dname.Boundary(p)) // a boundary has a name
	return r
}

// Print writes the result as text.
func (r *Naming) Print(out io.Writer) error {
	w := bufio.NewWriter(out)
	if r.Kind == "address" {
		fmt.Fprintf(w, "address  %v\nname     %s\n", r.Address, r.Name)
		printList(w, "in zone  ", "      or ", r.Zones)
		r.printNotes(w)
		return w.Flush()
	}
	r.PrintZones(w)
	r.printNotes(w)
	return w.Flush()
}

// PrintZones writes a prefix with its zones.
func (r *Naming) PrintZones(w io.Writer) {
	fmt.Fprintf(w, "prefix   %v\n", r.Prefix)
	switch {
	case len(r.Styles) > 0:
		if r.decided != "" {
			fmt.Fprintf(w, "zone     %s  (%s)\n", r.Name, r.decided)
			break
		}
		for i, s := range r.Styles {
			head := "      or"
			if i == 0 {
				head = "zone    "
			}
			fmt.Fprintf(w, "%s %s  (style %s)\n", head, s.Name, s.Style)
		}
	case len(r.Zones) == 1:
		fmt.Fprintf(w, "zone     %s\n", r.Zones[0])
	default:
		printList(w, "zones    ", "         ", r.Zones)
	}
}

// printList prints names under each other, after the first and the other heads.
func printList(w io.Writer, head, other string, names []dname.Name) {
	for _, n := range names {
		fmt.Fprintf(w, "%s%s\n", head, n)
		head = other
	}
}

func (r *Naming) printNotes(w io.Writer) {
	for _, n := range r.Notes {
		fmt.Fprintf(w, "\nnote: %s\n", n)
	}
}
