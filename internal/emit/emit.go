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
	"github.com/ptrd/ptrd/zone/spelling"
)

// Zone is a zone that ptrd serves.
type Zone struct {
	Apex   dname.Name
	Prefix netip.Prefix // of the addresses in it; invalid: unknown
	Key    *Key         // that the other program signs with; nil: ptrd identifies it by its address
}

// Key is a TSIG key, without its secret.
type Key struct {
	Name      dname.Name
	Algorithm string // as in `hmac-sha256`
}

// Role is what the other program does with ptrd.
type Role int

// The roles.
const (
	Secondary Role = iota // transfers the zones and serves them too
	Resolver              // sends queries for names in the zones to ptrd
	Updater               // a DHCP server: writes PTR records by UPDATE
)

// Options are what the text depends on.
type Options struct {
	Zones     []Zone           // at least one
	RangeKeys []*Key           // of the names of ranges in the zones, which a secondary with ptrd needs to make them
	Servers   []netip.AddrPort // addresses of ptrd for the other program, at least one
	Role      Role             // one of the target's Roles
	KeyFile   string           // with the keys, on the host of the other program; empty: the target's KeyFile
	Directory string           // of a secondary's zone files; empty: the target's Directory
	Unsigned  bool             // no parent has a DS record of the zones: a validating resolver is configured to treat all of them as insecure
	Link      string           // systemd-resolved: the interface towards ptrd; empty: no .network file is made
}

// Target is a program whose configuration this package writes.
type Target struct {
	Name      string               // as in `ptrd emit NAME`
	Program   string               // its proper name
	Roles     []Role               // the default first
	Key       string               // form of a TSIG key, with the verbs of KeyText; empty: the program has none
	Mark      string               // begins a comment; needed with Key
	KeyFile   string               // default file of the keys; empty: the program has none
	Directory string               // default directory of zone files; empty: the program's own default
	HasFiles  bool                 // Options.Directory applies
	HasLink   bool                 // Options.Link applies
	check     func(*printer) error // returns an error for what the program cannot do; nil: no check
}

//go:embed templates
var templates embed.FS

// Text returns the configuration of the other program, or an error if that program cannot
// express it.
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
			return nil, fmt.Errorf("%q has %q, which has a special meaning in some configuration files; choose another", s, s[i])
		}
	}
	for _, s := range o.Servers {
		if s.Addr().Zone() != "" {
			return nil, fmt.Errorf("%v has the name of an interface, which means nothing on other hosts; give an address without %%", s)
		}
	}
	p := &printer{Options: o, target: t}
	for _, z := range o.Zones {
		if !isPlain(z.Apex) {
			return nil, fmt.Errorf("zone %v: only letters, digits, `-`, `_` and `/` are safe in names in the configuration of %s; name the other zones", z.Apex, t.Program)
		}
		if z.Key != nil && !isPlain(z.Key.Name) {
			return nil, fmt.Errorf("key %v: only letters, digits, `-`, `_` and `/` are safe in names in the configuration of %s; rename the key", z.Key.Name, t.Program)
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

// isPlain reports whether all octets of a name mean themselves in the configuration of every
// program.
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

// printer has the functions for templates. They return lines without a final newline. A
// function that may return no line begins its result with a newline instead.
type printer struct {
	Options
	target  *Target
	skipped []string // zones that a DHCP server cannot update
}

func (p *printer) funcs() template.FuncMap {
	return template.FuncMap{
		"apexes": p.apexes, "at": at, "bare": bare, "families": p.families, "fileName": p.fileName,
		"firstIPv4": func() string { return p.first(netip.Addr.Is4) },
		"firstIPv6": func() string { return p.first(netip.Addr.Is6) },
		"head":      p.head, "hostPort": hostPort, "isLocal": p.isLocal, "isPort53": p.isPort53,
		"keyText": func(k *Key) string { return p.target.keyText(k, "…") },
		"keyNote": p.keyNote, "keys": p.keys, "keysWithRanges": p.keysWithRanges, "note": note, "omitted": p.omitted, "plural": spelling.Number,
		"remoteID": remoteID, "remotes": p.remotes, "specials": p.specials, "unsigned": p.unsigned,
		"zoneNote": zoneNote,
	}
}

// columns is the maximum length of a line of a comment.
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

// head returns the comment at the start of a text: the purpose, the program, and the file.
func (p *printer) head(mark, program, where string) string {
	what := [...]string{"secondary of", "resolver that asks", "DHCP server that updates"}[p.Role]
	command := "ptrd emit " + p.target.Name
	if p.Role != p.target.Roles[0] {
		command += " --resolver"
	}
	return note(mark, "%s as a %s ptrd: %s. %s", program, what, spelling.Number(len(p.Zones), "zone"), where) + "\n" +
		note(mark, "Written by `%s`; run it again when the zones change.", command)
}

// keys returns the keys of the zones without duplicates, in the order of the zones.
func (p *printer) keys() []*Key {
	var list []*Key
	for _, z := range p.Zones {
		list = appendKey(list, z.Key)
	}
	return list
}

// keysWithRanges returns these keys, followed by RangeKeys.
func (p *printer) keysWithRanges() []*Key {
	list := p.keys()
	for _, k := range p.RangeKeys {
		list = appendKey(list, k)
	}
	return list
}

// appendKey appends a key that is not nil and not in the list.
func appendKey(list []*Key, key *Key) []*Key {
	if key == nil || slices.ContainsFunc(list, func(k *Key) bool { return k.Name.Equal(key.Name) }) {
		return list
	}
	return append(list, key)
}

// KeyText returns a key in the syntax of the program, or an error if that cannot express it. In
// Target.Key, %[1]s stands for the name of the key, %[2]s for its algorithm, %[3]s for the
// algorithm in capitals, and %[4]s for the secret.
func (t *Target) KeyText(k Key, secret string) (string, error) {
	if !isPlain(k.Name) && t.Name != ptrd.Name {
		return "", fmt.Errorf("key %v: only letters, digits, `-`, `_` and `/` are safe in names in the configuration of %s; choose another name", k.Name, t.Program)
	}
	return t.keyText(&k, secret), nil
}

func (t *Target) keyText(k *Key, secret string) string {
	name := strings.ReplaceAll(strings.ReplaceAll(bare(k.Name), `\`, `\\`), `"`, `\"`) // for YAML; others have plain names
	text := strings.NewReplacer("%[1]s", name, "%[2]s", k.Algorithm, "%[3]s", strings.ToUpper(k.Algorithm), "%[4]s", secret)
	return text.Replace(t.Key)
}

// Comment returns text as comments of the program, indented below a first line.
func (t *Target) Comment(first, text string) string {
	lines := strings.ReplaceAll("\n"+text, "\n", "\n"+t.Mark+"   ")
	return t.Mark + " " + first + lines
}

// keyNote returns a comment with the content of the key file; between separates keys.
func (p *printer) keyNote(mark, between string) string {
	keys := p.keys()
	if len(keys) == 0 {
		return ""
	}
	list := make([]string, len(keys))
	for i, k := range keys {
		list[i] = p.target.keyText(k, "…")
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

// omitClassless removes classless zones (RFC 2317), which a DHCP server cannot update: it
// makes the owner name of an address from octets or nibbles, and that name is in the zone of
// the /24.
func (p *printer) omitClassless() error {
	all := p.Zones
	p.Zones = nil
	for _, z := range all {
		if z.Prefix.IsValid() && dname.IsClassless(z.Prefix) || z.Apex.IsRoot() {
			p.skipped = append(p.skipped, bare(z.Apex))
		} else {
			p.Zones = append(p.Zones, z)
		}
	}
	if len(p.Zones) == 0 {
		return errors.New("a DHCP server can update none of the zones: it makes names of whole octets or nibbles, such as 65.113.0.203.in-addr.arpa., and the names in classless zones are different; name the zone of the /24 too")
	}
	return nil
}

func (p *printer) omitted(mark string) string {
	if len(p.skipped) == 0 {
		return ""
	}
	return "\n" + note(mark, "Omitted: %s. A DHCP server makes names of whole octets, which are in the zone above.", strings.Join(p.skipped, ", "))
}

// families returns the forward and the reverse zones.
func (p *printer) families() (list [2][]Zone) {
	for _, z := range p.Zones {
		i := 1
		if z.Apex.IsForward() {
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

// remotes returns the keys of requests to ptrd; nil is among them if a zone has no key.
func (p *printer) remotes() []*Key {
	if slices.ContainsFunc(p.Zones, func(z Zone) bool { return z.Key == nil }) {
		return append([]*Key{nil}, p.keys()...)
	}
	return p.keys()
}

// remoteID returns the ID of ptrd in the configuration of Knot DNS, for requests with the key.
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

// fileName returns the name of a secondary's file for a zone. Octets that file names cannot
// have become `_` and two hexadecimal digits, so that names of different zones differ.
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

// isLocal reports whether ptrd and the other program are on one host.
func (p *printer) isLocal() bool {
	return slices.ContainsFunc(p.Servers, func(s netip.AddrPort) bool { return s.Addr().IsLoopback() })
}

// isPort53 reports whether all servers listen on port 53.
func (p *printer) isPort53() bool {
	return !slices.ContainsFunc(p.Servers, func(s netip.AddrPort) bool { return s.Port() != 53 })
}

// at returns an address and its port, separated by sign, such as `@` or `#`. Port 53, the
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
