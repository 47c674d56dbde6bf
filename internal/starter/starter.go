// Package starter writes a first configuration: from prefixes, the name of a mail server and name
// servers comes the text of a configuration file, with comments, and the steps that follow. What the
// keys mean, and whether the values are valid, package config decides, which reads the text back.
package starter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/ptrd/ptrd/internal/assemble"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
)

// Request is what the operator knows.
type Request struct {
	Prefixes      []Prefix
	Mail          dname.Name          // nil: none
	MailAddresses []netip.Addr        // of Mail; nil: see Prefix
	Servers       []config.NameServer // at least one; the first is the server that gets the configuration
	Listen        []string            // nil: the default
	StateDir      string              // "": the default
}

// Prefix is a prefix, or an address in it: 203.0.113.25/24 is 203.0.113.0/24, and the address is that
// of the mail server.
type Prefix struct {
	netip.Prefix
	Address netip.Addr // of the mail server; invalid: unknown
}

// ParsePrefix reads a prefix or an address.
func ParsePrefix(s string) (p Prefix, err error) {
	if p.Prefix, err = netip.ParsePrefix(s); err != nil {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return p, fmt.Errorf("%q is not a prefix or an address; write it like 203.0.113.0/24 or 2001:db8:77::/48", s)
		}
		p.Prefix = netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen())
	}
	if p.Addr().Is4In6() {
		return p, fmt.Errorf("%q: IPv4-mapped addresses have no reverse zones; write the IPv4 prefix", s)
	}
	if masked := p.Masked(); p.IsSingleIP() || masked.Addr() != p.Addr() {
		p.Address = p.Addr()
		p.Prefix = masked
	}
	return p, nil
}

// first returns the first address of a prefix that a host usually has.
func first(p netip.Prefix) netip.Addr {
	if p.Addr().BitLen()-p.Bits() < 2 {
		return p.Addr()
	}
	return p.Addr().Next()
}

// Start is a first configuration.
type Start struct {
	Text string
	Path string // that it is written to; "": to be shown only

	request *Request
	names   []entry // of addresses
	guessed bool    // an address of the mail server is not known
}

// entry is the PTR of an address.
type entry struct {
	prefix netip.Prefix
	addr   netip.Addr
	name   dname.Name
}

// Make writes the configuration. It returns an error if `ptrd check` would find anything in it. path
// is the name of the file that it is to be written to.
func Make(ctx context.Context, q *Request, path string) (*Start, error) {
	s := &Start{request: q, Path: path}
	for _, ns := range q.Servers {
		if ns.Name.Labels() < 2 {
			return nil, fmt.Errorf("name server %q has no domain; write its full name, such as ns1.example.com", bare(ns.Name))
		}
	}
	for _, p := range q.Prefixes {
		s.names = append(s.names, s.namesIn(p)...)
	}
	s.Text = s.text()
	var findings []finding.Finding
	if cfg, err := config.Parse(path, []byte(s.Text)); err != nil {
		findings = config.FindingsOf(err)
	} else if findings, err = assemble.Check(ctx, cfg); err != nil {
		return nil, err
	} else {
		findings = append(findings, cfg.Warnings...)
	}
	var texts []string
	for _, f := range findings {
		f.Position = finding.Position{} // in a text that the operator has not seen
		texts = append(texts, f.String())
	}
	if texts != nil {
		return nil, errors.New(strings.Join(texts, "\n"))
	}
	return s, nil
}

// namesIn returns the names of the addresses of a prefix: of the mail server, and of name servers.
func (s *Start) namesIn(p Prefix) (list []entry) {
	add := func(a netip.Addr, name dname.Name) {
		isNarrower := func(q Prefix) bool { return q.Bits() > p.Bits() && q.Contains(a) }
		if p.Contains(a) && !slices.ContainsFunc(s.request.Prefixes, isNarrower) &&
			!slices.ContainsFunc(list, func(e entry) bool { return e.addr == a }) {
			list = append(list, entry{p.Prefix, a, name})
		}
	}
	if mail := s.request.Mail; mail != nil {
		for _, a := range s.request.MailAddresses {
			add(a, mail)
		}
		if p.Address.IsValid() {
			add(p.Address, mail)
		}
		isKnown := func(q Prefix) bool { return q.Address.IsValid() && q.Address.Is4() == p.Addr().Is4() }
		if len(list) == 0 && s.request.MailAddresses == nil && !slices.ContainsFunc(s.request.Prefixes, isKnown) {
			add(first(p.Prefix), mail)
			s.guessed = s.guessed || len(list) > 0
		}
	}
	for _, ns := range s.request.Servers {
		for _, a := range ns.Addresses {
			add(a, ns.Name)
		}
	}
	slices.SortStableFunc(list, func(a, b entry) int { return a.addr.Compare(b.addr) })
	return list
}

// text returns the configuration.
func (s *Start) text() string {
	q := s.request
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	p("# A first configuration of ptrd. config.example.yaml has all keys, with their defaults.")
	p("# After a change, `ptrd check` finds mistakes; a running server reloads the file.\n")
	if q.Listen == nil && q.StateDir == "" {
		p("# Queries are answered on port 53 of all addresses, and serials and history of the zones are in")
		p("# /var/lib/ptrd. This needs root, or systemd (docs/operation.md). To try it as another user,")
		p("# remove the # of these lines:")
		p(`#listen: {dns: ["127.0.0.1:5300"]}`)
		p("#state_dir: state\n")
	} else {
		if q.Listen != nil {
			p("listen: {dns: [%s]}", quoted(q.Listen))
		}
		if q.StateDir != "" {
			p("# Serials and history of the zones are in this directory, which must outlast restarts.")
			p("state_dir: %q", q.StateDir)
		}
		p("")
	}
	p("defaults:")
	p("  # The name servers, as the owner of the addresses delegates the zones to them. The first is")
	p("  # this server.")
	p("  nameservers:")
	var others []string
	var unknown []string
	for i, ns := range q.Servers {
		if len(ns.Addresses) == 0 {
			p("    - %s", bare(ns.Name))
		} else {
			p("    - {name: %s, addresses: [%s]}", bare(ns.Name), quoted(ns.Addresses))
		}
		switch {
		case i == 0:
		case len(ns.Addresses) == 0:
			unknown = append(unknown, bare(ns.Name))
		default:
			for _, a := range ns.Addresses {
				others = append(others, a.String())
			}
		}
	}
	p("  # The mail address in the SOA, for others who see a fault in the zones.")
	p("  contact: hostmaster@%s", bare(q.domain()))
	p("  # The other name servers may copy the zones, and are notified of changes. A key is safer than")
	p("  # an address: `ptrd key generate`.")
	if others != nil {
		p("  transfer: {allow: [%s]}", quoted(others))
	} else {
		p("  #transfer: {allow: [192.0.2.53]}")
	}
	if unknown != nil {
		p("  # The addresses of %s are missing.", strings.Join(unknown, " and "))
	}
	explained := false
	p("\nzones:")
	for _, prefix := range q.Prefixes {
		p("  - prefix: %v", prefix.Prefix)
		if dname.IsClassless(prefix.Prefix) {
			p("    # The owner of the addresses chooses how the zone is named, see docs/delegation.md: range,")
			p("    # slash or rfc4183, or a `label` of its own.")
			p("    style: range")
		}
		var names []entry
		for _, e := range s.names {
			if e.prefix == prefix.Prefix {
				names = append(names, e)
			}
		}
		if len(names) == 0 {
			p("    # Names of addresses.")
			p("    #ptr:")
			p("    #  %s: host.example.com", key(first(prefix.Prefix)))
			continue
		}
		if !explained {
			explained = true
			p("    # Names of addresses. Each name should have its address too (A or AAAA), in the zone of the")
			p("    # name, or mail servers reject mail from the address.")
		}
		p("    ptr:")
		for _, e := range names {
			guess := ""
			if s.isGuess(e) {
				guess = " # correct the address: it is only the first one of the prefix"
			}
			p("      %s: %s%s", key(e.addr), bare(e.name), guess)
		}
	}
	return b.String()
}

// isGuess reports whether an address was chosen because nothing else is known.
func (s *Start) isGuess(e entry) bool {
	q := s.request
	if q.MailAddresses != nil || !e.name.Equal(q.Mail) || e.addr != first(e.prefix) {
		return false
	}
	return !slices.ContainsFunc(q.Prefixes, func(p Prefix) bool { return p.Address == e.addr })
}

// domain returns the domain of the mail server, or of the first name server.
func (q *Request) domain() dname.Name {
	n := q.Servers[0].Name
	if q.Mail != nil {
		n = q.Mail
	}
	if up := n.Parent(); up.Labels() > 1 {
		return up
	}
	return n
}

// bare returns a name without its final dot.
func bare(n dname.Name) string { return strings.TrimSuffix(n.String(), ".") }

// key returns an address as a YAML key. A plain one must not end with a colon.
func key(a netip.Addr) string {
	if s := a.String(); strings.HasSuffix(s, ":") {
		return strconv.Quote(s)
	}
	return a.String()
}

// quoted returns the values of a YAML list in brackets.
func quoted[T any](list []T) string {
	var out []string
	for _, v := range list {
		out = append(out, strconv.Quote(fmt.Sprint(v)))
	}
	return strings.Join(out, ", ")
}

// Print writes the steps that follow.
func (s *Start) Print(w io.Writer) error {
	q := s.request
	var b strings.Builder
	n := 0
	step := func(format string, args ...any) {
		n++
		fmt.Fprintf(&b, "\n%d. "+format+"\n", append([]any{n}, args...)...)
	}
	line := func(format string, args ...any) { fmt.Fprintf(&b, "       "+format+"\n", args...) }
	flag := ""
	if s.Path == "" {
		fmt.Fprint(&b, "Write the text into config.yaml. Then:\n")
	} else {
		fmt.Fprintf(&b, "%s is written. Then:\n", s.Path)
		if s.Path != "config.yaml" && s.Path != "./config.yaml" {
			flag = " --config " + s.Path
		}
	}
	if s.guessed {
		step("Correct the address of %v in it.", q.Mail)
	}
	if len(s.names) > 0 {
		step("Where the zones of these names are served, see that they lead back:")
		for _, e := range s.names {
			typ := "A"
			if e.addr.Is6() {
				typ = "AAAA"
			}
			line("%v %s %v", e.name, typ, e.addr)
		}
	}
	step("Check the configuration, serve it, and ask it from another terminal:")
	line("ptrd check%s", flag)
	line("ptrd serve%s", flag)
	for i, a := range s.tests() {
		line("dig %s %s +short", q.at(), question(q.Prefixes[i].Prefix, a))
	}
	switch others := q.Servers[1:]; {
	case len(others) == 0:
		step("Find a second name server, in another network: registries reject a delegation to one alone.\n   Add its name under `nameservers`, and its address under `transfer`. It needs:")
		line("ptrd emit nsd%s%s        (or ptrd, bind, knot, powerdns)", q.server(), flag)
	default:
		var names []string
		for _, ns := range others {
			names = append(names, ns.Name.String())
		}
		step("Make %s serve the zones too. The configuration for it:", strings.Join(names, " and "))
		line("ptrd emit nsd%s%s        (or ptrd, bind, knot, powerdns)", q.server(), flag)
	}
	step("Test all name servers, and print what the owner of the addresses needs:")
	for _, p := range q.Prefixes {
		line("ptrd handover %v%s", p.Prefix, flag)
	}
	step("When the owner has delegated the zones, ask any resolver:")
	for _, a := range s.tests() {
		line("dig -x %v +short", a)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// tests returns one address of each prefix, that of the mail server if there is one.
func (s *Start) tests() (list []netip.Addr) {
	for _, p := range s.request.Prefixes {
		isIn := func(e entry) bool { return e.prefix == p.Prefix }
		i := slices.IndexFunc(s.names, func(e entry) bool { return isIn(e) && e.name.Equal(s.request.Mail) })
		if i < 0 {
			i = slices.IndexFunc(s.names, isIn)
		}
		if i < 0 {
			list = append(list, first(p.Prefix))
		} else {
			list = append(list, s.names[i].addr)
		}
	}
	return list
}

// question returns what dig asks the server of the zone of a prefix for an address. In a classless
// zone, which only the CNAMEs of its parent lead to, the address has another name.
func question(p netip.Prefix, a netip.Addr) string {
	if !dname.IsClassless(p) {
		return fmt.Sprintf("-x %v", a)
	}
	return fmt.Sprintf("%s.%v PTR", dname.FromAddr(a).Label(), dname.FromClassless(p, dname.Range))
}

// at returns the server and port for dig on this host.
func (q *Request) at() string {
	if len(q.Listen) > 0 {
		if a, err := netip.ParseAddrPort(q.Listen[0]); err == nil {
			return fmt.Sprintf("-p %d @%v", a.Port(), a.Addr())
		}
	}
	return "@127.0.0.1"
}

// server returns the flag of `ptrd emit` with the address of this server.
func (q *Request) server() string {
	if a := q.Servers[0].Addresses; len(a) > 0 {
		return fmt.Sprintf(" --server %v", a[0])
	}
	return " --server ADDRESS"
}
