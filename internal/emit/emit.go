package emit

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
)

// Zone is a zone that ptrd serves.
type Zone struct {
	Apex   dname.Name
	Prefix netip.Prefix // of the addresses in it; invalid: none that anybody knows
	Key    *Key         // that the neighbour signs with; nil: ptrd knows it by its address
}

// Key is a TSIG key, without its secret.
type Key struct {
	Name      dname.Name
	Algorithm string // as in `hmac-sha256`
}

// Role is what a neighbour is to ptrd.
type Role int

// The roles.
const (
	Secondary Role = iota // transfers the zones and serves them too
	Resolver              // sends queries for names in the zones to ptrd
	Updater               // a DHCP server: writes PTR records by UPDATE
)

// Options say what is wanted of a Target.
type Options struct {
	Zones     []Zone           // at least one
	Servers   []netip.AddrPort // where the neighbour finds ptrd, at least one
	Role      Role             // one of the target's Roles
	KeyFile   string           // that holds the keys, on the neighbour; empty: the target's KeyFile
	Directory string           // of a secondary's zone files; empty: the target's Directory
	Unsigned  bool             // nobody vouches for the zones: a validating resolver takes all of them as insecure
	Link      string           // systemd-resolved: the interface that ptrd is reached by; empty: no .network file is wanted
}

// Target is a program that a ptrd may have for a neighbour.
type Target struct {
	Name      string // as in `ptrd emit NAME`
	Program   string // as its makers write it
	Roles     []Role // the usual one first
	KeyFile   string // where the keys are if nobody says otherwise; empty: no such file
	Directory string // of a secondary's zone files; empty: what the program itself has
	HasFiles  bool   // Directory may be chosen
	HasLink   bool   // Link may be chosen
	text      func(*printer) error
}

// Targets returns all of them, sorted by name.
func Targets() []Target {
	list := []Target{bind, dnsmasq, iscDHCPD, kea, knot, nsd, powerDNS, resolved, unbound}
	slices.SortFunc(list, func(a, b Target) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// Text returns the text for the neighbour. It is an error if the program has no way
// to write what is asked for.
func (t *Target) Text(o Options) ([]byte, error) {
	if len(o.Zones) == 0 {
		return nil, errors.New("there is no zone to write about")
	}
	if !slices.Contains(t.Roles, o.Role) {
		panic(fmt.Sprintf("emit: %s has no role %d", t.Name, o.Role))
	}
	if o.KeyFile == "" {
		o.KeyFile = t.KeyFile
	}
	if o.Directory == "" {
		o.Directory = t.Directory
	}
	for _, s := range []string{o.KeyFile, o.Directory, o.Link} {
		if i := strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune("\"'`\\;<>{}#?$", r) }); i >= 0 {
			return nil, fmt.Errorf("%q has %q, which does not mean the same in the configurations of all programs; take another", s, s[i])
		}
	}
	for _, s := range o.Servers {
		if s.Addr().Zone() != "" {
			return nil, fmt.Errorf("%v is an address of one interface, which other machines call by another name; give one without %%", s)
		}
	}
	p := &printer{Options: o, target: t}
	for _, z := range o.Zones {
		if !isPlain(z.Apex) {
			return nil, fmt.Errorf("zone %v: the configuration of %s has no sure way to write this name, only letters, digits, and `-`, `_`, `/`; name the other zones", z.Apex, t.Program)
		}
		if z.Key != nil && !isPlain(z.Key.Name) {
			return nil, fmt.Errorf("key %v: the configuration of %s has no sure way to write this name, only letters, digits, and `-`, `_`, `/`; rename the key", z.Key.Name, t.Program)
		}
	}
	if err := t.text(p); err != nil {
		return nil, err
	}
	return p.Bytes(), nil
}

// isPlain reports whether a name has no octet that any program would read as
// something else.
func isPlain(n dname.Name) bool {
	for ; !n.IsRoot(); n = n.Parent() {
		for _, c := range n.Label() {
			switch l := dname.Lower(c); {
			case 'a' <= l && l <= 'z', '0' <= c && c <= '9', c == '-', c == '_', c == '/':
			default:
				return false
			}
		}
	}
	return true
}

// printer writes one text.
type printer struct {
	bytes.Buffer
	Options
	target *Target
}

// line writes a line.
func (p *printer) line(format string, args ...any) {
	fmt.Fprintf(p, format+"\n", args...)
}

// columns is how long the lines of a comment get.
const columns = 88

// note writes a paragraph as comments that begin with mark.
func (p *printer) note(mark, format string, args ...any) {
	line := mark
	for _, word := range strings.Fields(fmt.Sprintf(format, args...)) {
		if len(line)+1+len(word) > columns {
			p.line("%s", line)
			line = mark
		}
		line += " " + word
	}
	p.line("%s", line)
}

// head writes what every text begins with: what it is, for which program, and where
// it goes.
func (p *printer) head(mark, program, where string) {
	what := [...]string{"secondary of", "resolver that asks", "DHCP server that updates"}[p.Role]
	p.note(mark, "%s as a %s ptrd: %s. %s", program, what, plural(len(p.Zones), "zone"), where)
	command := "ptrd emit " + p.target.Name
	if p.Role != p.target.Roles[0] {
		command += " --resolver"
	}
	p.note(mark, "Written by `%s`; write it anew when the zones change.", command)
}

// keys returns the keys of the zones, each once, in their order.
func (p *printer) keys() []*Key {
	var list []*Key
	for _, z := range p.Zones {
		if z.Key != nil && !slices.ContainsFunc(list, func(k *Key) bool { return k.Name.Equal(z.Key.Name) }) {
			list = append(list, z.Key)
		}
	}
	return list
}

// keyNote says what the file of the keys has to hold; between goes behind
// each key but the last.
func (p *printer) keyNote(mark, between string, form func(*Key) string) {
	keys := p.keys()
	if len(keys) == 0 {
		return
	}
	p.note(mark, "%s is readable for the program alone, and holds:", p.KeyFile)
	for i, k := range keys {
		text := form(k)
		if i < len(keys)-1 {
			text += between
		}
		for l := range strings.Lines(text) {
			p.line("%s\t%s", mark, strings.TrimSuffix(l, "\n"))
		}
	}
}

// zoneNote says in a comment which addresses a zone has.
func (p *printer) zoneNote(mark string, z Zone) {
	if z.Prefix.IsValid() {
		p.line("%s %v", mark, z.Prefix)
	}
}

// bare returns a name without its final dot, `.` for the root.
func bare(n dname.Name) string {
	if n.IsRoot() {
		return "."
	}
	return strings.TrimSuffix(n.String(), ".")
}

// fileName returns the name of a secondary's file for a zone. Octets that are no part
// of a file's name everywhere become `_` and two hexadecimal digits, so that no two zones
// share a file.
func (p *printer) fileName(apex dname.Name) string {
	var b strings.Builder
	if p.Directory != "" {
		b.WriteString(strings.TrimRight(p.Directory, "/") + "/")
	}
	if apex.IsRoot() {
		b.WriteByte('_') // no other name begins so
	}
	s := apex.AppendLower(nil).String()
	for i := range len(s) {
		if c := s[i]; c == '_' || c == '/' {
			fmt.Fprintf(&b, "_%02x", c)
		} else if i < len(s)-1 || c != '.' {
			b.WriteByte(c)
		}
	}
	return b.String() + ".zone"
}

// isLocal reports whether ptrd runs on the neighbour's own machine.
func (p *printer) isLocal() bool {
	return slices.ContainsFunc(p.Servers, func(s netip.AddrPort) bool { return s.Addr().IsLoopback() })
}

// at writes an address and its port with a sign between, as `@` or `#`; port 53 is
// what all programs take without one.
func at(s netip.AddrPort, sign string) string {
	if s.Port() == 53 {
		return s.Addr().String()
	}
	return fmt.Sprintf("%v%s%d", s.Addr(), sign, s.Port())
}

// withColon writes an address and its port as 192.0.2.1:5300 or [2001:db8::1]:5300;
// without the port if it is 53.
func withColon(s netip.AddrPort) string {
	if s.Port() == 53 {
		return s.Addr().String()
	}
	return s.String()
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
