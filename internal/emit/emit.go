package emit

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"text/template"

	"github.com/ptrd/ptrd/zone/dname"
)

// Zone is a zone that ptrd serves.
type Zone struct {
	Apex   dname.Name
	Prefix netip.Prefix // of the addresses in it; invalid: unknown
	Key    *Key         // that the neighbour signs with; nil: ptrd identifies it by its address
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
	Unsigned  bool             // no parent has a DS record of the zones: a validating resolver must treat all of them as insecure
	Link      string           // systemd-resolved: the interface that ptrd is reached by; empty: no .network file is wanted
}

// Target is a program that a ptrd may have for a neighbour.
type Target struct {
	Name      string               // as in `ptrd emit NAME`
	Program   string               // as its makers write it
	Roles     []Role               // the usual one first
	KeyFile   string               // where the keys are by default; empty: no such file
	Directory string               // of a secondary's zone files; empty: what the program itself has
	HasFiles  bool                 // Directory may be chosen
	HasLink   bool                 // Link may be chosen
	check     func(*printer) error // what the program cannot express; nil: nothing
}

//go:embed templates
var templates embed.FS

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
	if o.Role == Updater {
		if err := p.omitClassless(); err != nil {
			return nil, err
		}
	}
	if t.check != nil {
		if err := t.check(p); err != nil {
			return nil, err
		}
	}
	name := t.Name
	if o.Role != t.Roles[0] {
		name += "-resolver"
	}
	name += ".tmpl"
	text, err := template.New(name).Funcs(p.funcs()).ParseFS(templates, "templates/"+name)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := text.Execute(&b, p); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
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

// printer holds what a template needs. Its functions return lines without the last
// newline; where they may return none, they begin with one.
type printer struct {
	Options
	target *Target
	left   []string // zones that a DHCP server cannot update
}

func (p *printer) funcs() template.FuncMap {
	return template.FuncMap{
		"apexes": p.apexes, "at": at, "bare": bare, "families": p.families, "fileName": p.fileName,
		"firstIPv4": func() string { return p.first(netip.Addr.Is4) },
		"firstIPv6": func() string { return p.first(netip.Addr.Is6) },
		"head":      p.head, "hostPort": hostPort, "isLocal": p.isLocal, "isPort53": p.isPort53,
		"keyNote": p.keyNote, "keys": p.keys, "note": note, "omitted": p.omitted, "plural": plural,
		"remoteID": remoteID, "remotes": p.remotes, "specials": p.specials, "unsigned": p.unsigned,
		"zoneNote": zoneNote,
	}
}

// columns is how long the lines of a comment get.
const columns = 88

// note returns a paragraph as comments that begin with mark.
func note(mark, format string, args ...any) string {
	var lines []string
	line := mark
	for _, word := range strings.Fields(fmt.Sprintf(format, args...)) {
		if len(line)+1+len(word) > columns {
			lines = append(lines, line)
			line = mark
		}
		line += " " + word
	}
	return strings.Join(append(lines, line), "\n")
}

// head returns what every text begins with: what it is, for which program, and where
// it goes.
func (p *printer) head(mark, program, where string) string {
	what := [...]string{"secondary of", "resolver that asks", "DHCP server that updates"}[p.Role]
	command := "ptrd emit " + p.target.Name
	if p.Role != p.target.Roles[0] {
		command += " --resolver"
	}
	return note(mark, "%s as a %s ptrd: %s. %s", program, what, plural(len(p.Zones), "zone"), where) + "\n" +
		note(mark, "Written by `%s`; run it again when the zones change.", command)
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

// keyNote describes the file of the keys. form has the verbs %[1]s for the name of a key,
// %[2]s for its algorithm, and %[3]s for that in capitals; between follows each key but
// the last.
func (p *printer) keyNote(mark, between, form string) string {
	keys := p.keys()
	if len(keys) == 0 {
		return ""
	}
	list := make([]string, len(keys))
	for i, k := range keys {
		list[i] = fmt.Sprintf(form, bare(k.Name), k.Algorithm, strings.ToUpper(k.Algorithm))
	}
	lines := strings.ReplaceAll("\n"+strings.Join(list, between+"\n"), "\n", "\n"+mark+"\t")
	return "\n" + note(mark, "%s must be readable only by the program, and holds:", p.KeyFile) + lines
}

// zoneNote returns a comment with the addresses of a zone.
func zoneNote(mark string, z Zone) string {
	if !z.Prefix.IsValid() {
		return ""
	}
	return fmt.Sprintf("\n%s %v", mark, z.Prefix)
}

// omitClassless removes the zones that a DHCP server cannot update. It makes the owner
// name of an address from its octets or nibbles and finds the zone above it, which for
// the parts of a /24 is the zone of the /24 (RFC 2317).
func (p *printer) omitClassless() error {
	all := p.Zones
	p.Zones = nil
	for _, z := range all {
		if z.Prefix.IsValid() && dname.IsClassless(z.Prefix) || z.Apex.IsRoot() {
			p.left = append(p.left, bare(z.Apex))
		} else {
			p.Zones = append(p.Zones, z)
		}
	}
	if len(p.Zones) == 0 {
		return errors.New("none of the zones can be updated by a DHCP server: it makes names of whole octets or nibbles, such as 65.113.0.203.in-addr.arpa., and classless zones have others; name the zone of the /24 too")
	}
	return nil
}

func (p *printer) omitted(mark string) string {
	if len(p.left) == 0 {
		return ""
	}
	return "\n" + note(mark, "Left out: %s. The names that a DHCP server makes are of whole octets, and lie in the zone above.", strings.Join(p.left, ", "))
}

// families returns the forward and the reverse zones.
func (p *printer) families() (list [2][]Zone) {
	for _, z := range p.Zones {
		i := 1
		if f, _, _ := dname.Tree(z.Apex); f == dname.Forward {
			i = 0
		}
		list[i] = append(list[i], z)
	}
	return list
}

// apexes returns the names of all zones.
func (p *printer) apexes() string {
	var list []string
	for _, z := range p.Zones {
		list = append(list, bare(z.Apex))
	}
	return strings.Join(list, " ")
}

// first returns the first server whose address is of a family; empty: none.
func (p *printer) first(isOf func(netip.Addr) bool) string {
	for _, s := range p.Servers {
		if isOf(s.Addr()) {
			return s.Addr().String()
		}
	}
	return ""
}

// remotes returns the keys that ptrd is asked with, nil among them where a zone has none.
func (p *printer) remotes() []*Key {
	if slices.ContainsFunc(p.Zones, func(z Zone) bool { return z.Key == nil }) {
		return append([]*Key{nil}, p.keys()...)
	}
	return p.keys()
}

// remoteID is Knot's name for ptrd where it is asked with the key.
func remoteID(k *Key) string {
	if k == nil {
		return "ptrd"
	}
	return "ptrd-" + bare(k.Name)
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

// isPort53 reports whether all servers listen on port 53.
func (p *printer) isPort53() bool {
	return !slices.ContainsFunc(p.Servers, func(s netip.AddrPort) bool { return s.Port() != 53 })
}

// at returns an address and its port with a sign between, as `@` or `#`; port 53, the
// default of all programs, is omitted.
func at(s netip.AddrPort, sign string) string {
	if s.Port() == 53 {
		return s.Addr().String()
	}
	return fmt.Sprintf("%v%s%d", s.Addr(), sign, s.Port())
}

// hostPort returns an address and its port as 192.0.2.1:5300 or [2001:db8::1]:5300;
// port 53 is omitted.
func hostPort(s netip.AddrPort) string {
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
