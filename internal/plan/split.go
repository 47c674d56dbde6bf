package plan

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/naming"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/spelling"
)

// Part is a prefix that is delegated to its own servers.
type Part struct {
	Prefix  netip.Prefix
	Servers []config.NameServer
	Way
	DS   []string // RDATA in presentation form
	Note string   // who has the part, in the operator's words

	where string // for messages: the argument or the line of a file
	n     int    // counts the parts from 1
}

// Way is how a part of a /24 is delegated. At most one of the fields is set; the zero value is a
// zone named in the style range. In Label and DName, {n} stands for the number of the part, counted
// from 1, {first} and {last} for its last octets, and {length} for its prefix length.
type Way struct {
	Style string // range, slash, rfc4183; address: a zone for each address
	Label string // of the zone
	DName string // zone that a DNAME redirects to; for prefixes of any length
}

// Styles are the values of Way.Style.
var Styles = []string{"range", "slash", "rfc4183", "address"}

// Check reports fields that exclude each other, and values that do not exist.
func (w Way) Check() error {
	set := 0
	for _, s := range []string{w.Style, w.Label, w.DName} {
		if s != "" {
			set++
		}
	}
	switch {
	case set > 1:
		return fmt.Errorf("style, label and dname exclude each other; give one of them")
	case w.Style != "" && !slices.Contains(Styles, w.Style):
		return fmt.Errorf("style %q does not exist; give one of %s, or a label, or a dname", w.Style, strings.Join(Styles, ", "))
	}
	return nil
}

// expand replaces what stands for something in a label or a dname.
func (p *Part) expand(template string) string {
	first := p.Prefix.Addr().AsSlice()
	last := int(first[len(first)-1])
	if bits := p.Prefix.Addr().BitLen() - p.Prefix.Bits(); bits <= 8 {
		last += 1<<bits - 1
	}
	return strings.NewReplacer("{n}", strconv.Itoa(p.n), "{first}", strconv.Itoa(int(first[len(first)-1])),
		"{last}", strconv.Itoa(last), "{length}", strconv.Itoa(p.Prefix.Bits())).Replace(template)
}

// maxParts bounds the parts of one plan: a /24 in single addresses for each of 256 /24.
const maxParts = 1 << 16

// ReadParts returns the parts that the values of --split name: a length such as /28, which divides
// the whole prefix; `PREFIX=SERVER,SERVER`; or a file with a part in each line.
func ReadParts(prefix netip.Prefix, specs []string) (parts []Part, err error) {
	for _, spec := range specs {
		where := fmt.Sprintf("--split %q", spec)
		if digits, ok := strings.CutPrefix(spec, "/"); ok && strings.Trim(digits, "0123456789") == "" {
			list, err := divide(prefix, digits)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", where, err)
			}
			parts = append(parts, list...)
			continue
		}
		if _, _, err := cutPrefix(spec); err == nil || !isFile(spec) {
			p, err := readPart(spec)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", where, err)
			}
			p.where = where
			parts = append(parts, p)
			continue
		}
		list, err := readFile(spec)
		if err != nil {
			return nil, err
		}
		parts = append(parts, list...)
	}
	return parts, nil
}

func isFile(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func divide(prefix netip.Prefix, digits string) (parts []Part, err error) {
	bits, err := strconv.Atoi(digits)
	switch width := prefix.Addr().BitLen(); {
	case err != nil || bits > width:
		return nil, fmt.Errorf("the length of a part of %v is at most %d", prefix, width)
	case bits <= prefix.Bits():
		return nil, fmt.Errorf("the length of a part of %v is at least %d", prefix, prefix.Bits()+1)
	case bits-prefix.Bits() > 16:
		return nil, fmt.Errorf("%v in parts of length %d are more than %d parts; give a shorter length, or plan parts of the prefix one after the other", prefix, bits, maxParts)
	}
	at := prefix
	for range 1 << (bits - prefix.Bits()) {
		part := netip.PrefixFrom(at.Addr(), bits)
		parts = append(parts, Part{Prefix: part, where: part.String()})
		at = netip.PrefixFrom(next(part), bits)
	}
	return parts, nil
}

// next returns the address after the last one of p.
func next(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	i := (p.Bits() - 1) / 8
	for carry := 1 << (7 - (p.Bits()-1)%8); carry > 0 && i >= 0; i-- {
		carry += int(b[i])
		b[i], carry = byte(carry), carry>>8
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// cutPrefix reads the prefix that a line starts with.
func cutPrefix(line string) (p netip.Prefix, rest string, err error) {
	text := line
	if i := strings.IndexAny(line, "=,; \t"); i >= 0 {
		text, rest = line[:i], line[i:]
	}
	p, err = netip.ParsePrefix(text)
	if err != nil {
		return p, rest, fmt.Errorf("%q is not a prefix such as 203.0.113.64/26; begin with the prefix of the part, and comments with #", text)
	}
	if fault := spelling.HostBits(p); fault != "" {
		return p, rest, errors.New(fault)
	}
	return p, rest, nil
}

func readFile(path string) (parts []Part, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("--split: %w", err)
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		p, err := readPart(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		p.where = fmt.Sprintf("%s:%d", path, n)
		parts = append(parts, p)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(parts) == 0 {
		return nil, fmt.Errorf("%s: the file has no parts; write one a line, such as `203.0.113.64/26 ns1.example.com ns2.example.net # owner`", path)
	}
	return parts, nil
}

// readPart reads a part: its prefix, name servers, and key=value, separated by commas or blanks.
func readPart(line string) (p Part, err error) {
	line, note, _ := strings.Cut(line, "#")
	p.Note = strings.Join(strings.Fields(note), " ")
	var rest string
	if p.Prefix, rest, err = cutPrefix(strings.TrimSpace(line)); err != nil {
		return p, err
	}
	words, err := fields(rest)
	if err != nil {
		return p, err
	}
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "style":
			p.Style = value
		case "label":
			p.Label = value
		case "dname":
			p.DName = value
		case "ds":
			p.DS = append(p.DS, value)
		default:
			if a, err := netip.ParseAddr(word); err == nil && len(p.Servers) > 0 && len(p.Servers[len(p.Servers)-1].Addresses) > 0 {
				last := &p.Servers[len(p.Servers)-1]
				last.Addresses = append(last.Addresses, a) // NAME=ADDRESS,ADDRESS
				continue
			}
			if p.Servers, err = addServer(p.Servers, word); err != nil {
				return p, err
			}
		}
	}
	return p, p.Check()
}

// fields splits a line at commas, semicolons, blanks and leading equals signs. Double quotes hold
// a value together.
func fields(s string) (words []string, err error) {
	quoted := false
	split := strings.FieldsFunc(strings.TrimLeft(s, "= \t"), func(c rune) bool {
		if c == '"' {
			quoted = !quoted
		}
		return !quoted && strings.ContainsRune(",; \t", c)
	})
	if quoted {
		return nil, fmt.Errorf(`a " has no second one; add it`)
	}
	for _, w := range split {
		words = append(words, strings.ReplaceAll(w, `"`, ""))
	}
	return words, nil
}

// addServer adds a name server to a list, from NAME or NAME=ADDRESS.
func addServer(list []config.NameServer, text string) ([]config.NameServer, error) {
	if _, err := netip.ParsePrefix(text); err == nil {
		return nil, fmt.Errorf("%q is a second prefix; write each part on its own", text)
	}
	host, err := naming.ParseHost(text, naming.ServerNames)
	switch {
	case err != nil:
		return nil, err
	case host.Name.Labels() < 2:
		return nil, fmt.Errorf("%q is a lone label; write the full name of the server, such as ns1.example.com", text)
	}
	i := slices.IndexFunc(list, func(s config.NameServer) bool { return s.Name.Equal(host.Name) })
	if i < 0 {
		return append(list, host), nil
	}
	list[i].Addresses = append(list[i].Addresses, host.Addresses...)
	return list, nil
}

// complete checks the parts against the prefix and each other, and adds what they have in common.
func (o *Options) complete() (parts []Part, err error) {
	parts = slices.Clone(o.Parts)
	if len(parts) == 0 {
		parts = []Part{{Prefix: o.Prefix, where: o.Prefix.String()}}
	}
	slices.SortStableFunc(parts, func(a, b Part) int {
		return cmp.Or(a.Prefix.Addr().Compare(b.Prefix.Addr()), cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()))
	})
	targets := map[string]*Part{}
	for i := range parts {
		p := &parts[i]
		p.n = i + 1
		if p.Prefix.Bits() < o.Prefix.Bits() || !o.Prefix.Contains(p.Prefix.Addr()) {
			return nil, fmt.Errorf("%s: %v is not a part of %v; correct one of the two", p.where, p.Prefix, o.Prefix)
		}
		if i > 0 && parts[i-1].Prefix.Overlaps(p.Prefix) {
			return nil, fmt.Errorf("%s: %v overlaps %v (%s); an address has one zone, so remove one of the two", p.where, p.Prefix, parts[i-1].Prefix, parts[i-1].where)
		}
		if p.Servers == nil {
			p.Servers = o.Servers
		}
		if p.Way == (Way{}) && (dname.IsClassless(p.Prefix) || o.Way.DName != "") {
			p.Way = o.Way
		}
		p.Label, p.DName = p.expand(p.Label), p.expand(p.DName)
		if p.DName != "" {
			n, err := dname.Parse(p.DName)
			if err != nil {
				return nil, fmt.Errorf("%s: dname %q is not a name: %w", p.where, p.DName, err)
			}
			if other := targets[n.Key()]; other != nil {
				return nil, fmt.Errorf("%s: %v and %v (%s) are redirected to one name, %v, where their names would mix; give each its own, such as {n}.%v", p.where, p.Prefix, other.Prefix, other.where, n, n)
			}
			targets[n.Key()] = p
		}
	}
	return parts, nil
}
