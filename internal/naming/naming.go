// Package naming converts addresses and prefixes into reverse names and zones, and back. For a
// prefix it has the records that the owner of the addresses needs in the parent zone: NS, glue,
// and the CNAMEs of classless zones (RFC 2317).
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

// Options have the input for the records of the parent zone.
type Options struct {
	Servers []config.NameServer // of the zones; nil: those of the configuration
	Config  *config.Config      // nil: none. It may also have the name of a zone
}

// of returns the name servers of a prefix, and the name of its zone in the configuration, if
// it has that zone.
func (o *Options) of(p netip.Prefix) (servers []config.NameServer, apex dname.Name) {
	if o.Config != nil {
		servers = o.Config.Defaults.NameServers
		for i := range o.Config.Zones {
			if z := &o.Config.Zones[i]; z.Prefix.IsValid() && z.Prefix.Masked() == p {
				servers, apex = z.NameServers, z.Name
			}
		}
	}
	if o.Servers != nil {
		servers = o.Servers
	}
	return servers, apex
}

// Naming is an address or a prefix with its reverse names.
type Naming struct {
	Input   string       `json:"input"`
	Kind    string       `json:"kind"` // address, prefix
	Address *netip.Addr  `json:"address,omitempty"`
	Prefix  netip.Prefix `json:"prefix"`
	Name    string       `json:"name,omitempty"`  // the reverse name; none for a prefix of several zones
	Zones   []string     `json:"zones,omitempty"` // of the prefix, or possible ones of the address, the longest first
	Styles  []styled     `json:"styles,omitempty"`
	Parent  string       `json:"parent,omitempty"` // the parent zone
	Records []string     `json:"records,omitempty"`
	Short   string       `json:"short,omitempty"` // the CNAMEs as a $GENERATE line
	Notes   []string     `json:"notes,omitempty"`

	decided string // where the name of a classless zone comes from; empty: not decided
}

// styled is the name of a classless prefix in one style.
type styled struct {
	Style string `json:"style"`
	Name  string `json:"name"`
}

// Describe reads an address, a prefix or a reverse name.
func Describe(input string, o *Options) (*Naming, error) {
	if p, err := netip.ParsePrefix(input); err == nil {
		r := &Naming{Input: input}
		if m := p.Masked(); m != p {
			r.Notes = append(r.Notes, fmt.Sprintf("%v is in %v, which is shown", p.Addr(), m))
			p = m
		}
		if p.Addr().Is4In6() {
			return nil, fmt.Errorf("prefix %s: IPv4-mapped addresses have no reverse zones; write the IPv4 prefix", input)
		}
		return r.prefix(p, nil, o), nil
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
		return (&Naming{Input: input}).prefix(p, nil, o), nil
	}
	if p, ok := dname.ToClassless(n); ok {
		return (&Naming{Input: input}).prefix(p, n, o), nil
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
	r.Name = dname.FromAddr(a).String()
	lengths := []int{32, 24, 16}
	if a.Is6() {
		lengths = []int{64, 56, 48, 32}
	}
	for _, bits := range lengths {
		n, _ := dname.FromPrefix(netip.PrefixFrom(a, bits).Masked()) // all on a boundary
		r.Zones = append(r.Zones, n.String())
	}
	return r
}

// placeholders returns names to use if no name servers are known.
func placeholders() []config.NameServer {
	return []config.NameServer{{Name: dname.MustParse("ns1.example.")}, {Name: dname.MustParse("ns2.example.")}}
}

// delegate adds the records that delegate the zone n to the servers: NS, and glue for the
// servers with names in the zone itself (RFC 9471).
func (r *Naming) delegate(n dname.Name, servers []config.NameServer) {
	for _, s := range servers {
		r.Records = append(r.Records, fmt.Sprintf("%v NS %v", n, s.Name))
	}
	for _, s := range servers {
		if !s.Name.IsAtOrBelow(n) {
			continue
		}
		for _, a := range s.Addresses {
			typ := "A"
			if a.Is6() {
				typ = "AAAA"
			}
			r.Records = append(r.Records, fmt.Sprintf("%v %s %v", s.Name, typ, a))
		}
		if len(s.Addresses) == 0 {
			r.Notes = append(r.Notes, fmt.Sprintf("%v is in the zone itself, so that the parent zone needs its addresses; give them under `nameservers` in the configuration", s.Name))
		}
	}
}

// prefix fills in the result for a prefix; given is the name of a classless one, or nil.
func (r *Naming) prefix(p netip.Prefix, given dname.Name, o *Options) *Naming {
	r.Kind, r.Prefix = "prefix", p
	ns, apex := o.of(p)
	switch {
	case given != nil:
		apex, r.decided = given, "as given"
	case apex != nil:
		r.decided = "by the configuration"
	}
	if len(ns) == 0 {
		ns = placeholders()
		r.Notes = append(r.Notes, "ns1.example. and ns2.example. are placeholders; give your name servers by --ns")
	}
	if dname.IsClassless(p) {
		return r.classless(p, ns, apex)
	}
	for _, part := range dname.Split(p) {
		n, _ := dname.FromPrefix(part) // Split gives boundaries only
		r.Zones = append(r.Zones, n.String())
		r.delegate(n, ns)
	}
	if len(r.Zones) == 1 {
		r.Name = r.Zones[0]
	}
	if above := dname.Boundary(p); above.Bits() > 0 || above != p {
		if above == p {
			above = dname.Boundary(netip.PrefixFrom(p.Addr(), p.Bits()-1))
		}
		n, _ := dname.FromPrefix(above)
		r.Parent = n.String()
	} else {
		r.Records = nil // in-addr.arpa and ip6.arpa are not delegated to operators
	}
	return r
}

// classless fills in the result for a part of a /24; apex is the name of its zone, or nil
// for the default.
func (r *Naming) classless(p netip.Prefix, ns []config.NameServer, apex dname.Name) *Naming {
	for _, s := range []dname.Style{dname.Range, dname.Slash, dname.RFC4183} {
		r.Styles = append(r.Styles, styled{s.String(), dname.FromClassless(p, s).String()})
	}
	if apex == nil {
		apex = dname.FromClassless(p, dname.Range)
	}
	r.Name = apex.String()
	r.Zones = []string{r.Name}
	parent, _ := dname.FromPrefix(dname.Boundary(p)) // a boundary has a name
	r.Parent = parent.String()
	r.delegate(apex, ns)
	for a := p.Addr(); a.IsValid() && p.Contains(a); a = a.Next() {
		n := dname.FromAddr(a)
		target, _ := apex.Prepend(n.Label()) // there is always room for an octet
		r.Records = append(r.Records, fmt.Sprintf("%v CNAME %v", n, target))
	}
	first := int(p.Addr().As4()[3])
	r.Short = fmt.Sprintf("$GENERATE %d-%d $.%v CNAME $.%v", first, first+1<<(32-p.Bits())-1, parent, apex)
	return r
}

// Print writes the result as text.
func (r *Naming) Print(out io.Writer) error {
	w := bufio.NewWriter(out)
	if r.Kind == "address" {
		fmt.Fprintf(w, "address  %v\nname     %s\n", r.Address, r.Name)
		fmt.Fprintf(w, "in zone  %s\n", strings.Join(r.Zones, "\n      or "))
		r.printNotes(w)
		return w.Flush()
	}
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
		fmt.Fprintf(w, "zones    %s\n", strings.Join(r.Zones, "\n         "))
	}
	if len(r.Records) > 0 {
		fmt.Fprintf(w, "\nFor the zone above, %s, at the owner of the addresses:\n\n", r.Parent)
		for _, rec := range r.Records {
			fmt.Fprintf(w, "    %s\n", rec)
		}
	}
	if r.Short != "" {
		fmt.Fprintf(w, "\nThe CNAMEs in one line, for a master file:\n\n    %s\n", r.Short)
	}
	r.printNotes(w)
	return w.Flush()
}

func (r *Naming) printNotes(w io.Writer) {
	for _, n := range r.Notes {
		fmt.Fprintf(w, "\nnote: %s\n", n)
	}
}
