// Package synth makes names for all addresses of a range from a template, such as
// 2001-db8-0-0-0-0-0-1.pool.example.net for {dashed}.pool.example.net, and finds the address
// of such a name. It has no state: what it makes depends on the template, the range and, for a
// permutation, a key.
package synth

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/spelling"
)

// Template is the form of the names of a range. Every address of the range has one name, and
// no two addresses have the same. It is immutable.
type Template struct {
	steps       []step  // to write a name
	pieces      []piece // of them
	prefix      netip.Prefix
	text        string
	fixed, mask number // the bits of the prefix, and which these are
	shown       number // the bits of an address that the fields show
	labels      []label
	base        dname.Name // the labels behind the last field
	permutation *permutation
}

// label is a label with fields, or one in front of such a label.
type label []piece

// piece is either text or a number.
type piece struct {
	text         string // in lower case
	shift, width int    // the bits of the address that are the number: (address >> shift) % 2^width
	radix        uint64 // 0: text
	digits       int    // with leading zeros; 0: without
	permuted     bool   // of the permuted host part, not of the address
	short        bool   // the short form of an IPv6 address
}

// digits of all radices
const digits = "0123456789abcdefghijklmnopqrstuvwxyz"

// mostDigits returns the number of characters of the longest number.
func (p *piece) mostDigits() int {
	if p.short {
		return 5*groups - 1
	}
	n := 0
	for v := ones(p.width); n == 0 || !v.isZero(); n++ {
		v, _ = v.divide(p.radix)
	}
	return n
}

// maxText bounds the text of a template: that of the longest name, with two fields in place of what they
// make. Messages show it.
const maxText = 2 * dname.MaxWire

// New returns the template of the text for the addresses of a prefix. key, of [KeySize]
// octets, is for a template with a field {permuted}; else it is not used. A template is
// refused if a name could be that of two addresses, or could be too long.
func New(text string, p netip.Prefix, key []byte) (*Template, error) {
	if !p.IsValid() || p != p.Masked() {
		return nil, fmt.Errorf("%v is not a prefix; write it without host bits, as %v", p, p.Masked())
	}
	if len(text) > maxText {
		return nil, fmt.Errorf("the template for %v has %d octets, at most %d are possible", p, len(text), maxText)
	}
	size := p.Addr().BitLen()
	t, err := compile(text, p, numberOf(p.Addr()), ones(size).and(ones(size-p.Bits()).not()))
	if err != nil {
		return nil, err
	}
	for _, l := range t.labels {
		for i := range l {
			if !l[i].permuted {
				continue
			}
			if len(key) != KeySize {
				return nil, fmt.Errorf("the field {permuted} needs a key of %d octets, this one has %d", KeySize, len(key))
			}
			t.permutation = newPermutation(key, p)
		}
	}
	steps, pieces := t.program()
	t.steps, t.pieces = slices.Clone(steps), pieces
	return t, nil
}

// compile returns the template of the text for the addresses whose bits in mask are those of
// fixed.
func compile(text string, p netip.Prefix, fixed, mask number) (*Template, error) {
	t := &Template{prefix: p, text: text, fixed: fixed, mask: mask}
	pieces, err := t.parse(text)
	if err != nil {
		return nil, err
	}
	if err := t.divide(pieces); err != nil {
		return nil, err
	}
	return t, t.prove()
}

// Prefix returns the range.
func (t *Template) Prefix() netip.Prefix { return t.prefix }

// Start returns where what [Template.Put] reads begins, apart from the template itself, to be
// prefetched.
func (t *Template) Start() unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(t.steps)) }

// String returns the text of the template.
func (t *Template) String() string { return t.text }

// NeedsKey reports whether the template has a field {permuted}.
func (t *Template) NeedsKey() bool { return t.permutation != nil }

// Base returns the part of all names behind the last field: the names are in the zone that
// holds it. The caller must not change it.
func (t *Template) Base() dname.Name { return t.base }

// Labels returns how many labels the names have, the root not counted.
func (t *Template) Labels() int { return len(t.labels) + t.base.Labels() }

// parse divides the text into literal text and numbers.
func (t *Template) parse(text string) (pieces []piece, err error) {
	fields := 0
	for rest := strings.TrimSuffix(text, "."); rest != ""; {
		open := strings.IndexByte(rest, '{')
		if open < 0 {
			open = len(rest)
		}
		for i := range open {
			switch c := dname.Lower(rest[i]); {
			case c >= 0x80:
				return nil, fmt.Errorf("the template %q is not ASCII; %s", text, spelling.WriteALabels(strings.Trim(rest[:open], ".")))
			case strings.IndexByte(digits+"-._", c) < 0:
				return nil, fmt.Errorf("%q in the template %q: names of hosts have letters, digits and hyphens; a field such as {dashed} stands for the address", rest[i], text)
			}
		}
		pieces = append(pieces, piece{text: strings.ToLower(rest[:open])})
		if rest = rest[open:]; rest == "" {
			break
		}
		end := strings.IndexByte(rest, '}')
		if end < 0 {
			return nil, fmt.Errorf("the template %q has a { without a }", text)
		}
		p, err := t.field(rest[1:end])
		if err != nil {
			return nil, err
		}
		pieces, rest = append(pieces, p...), rest[end+1:]
		fields++
	}
	switch {
	case fields == 0:
		return nil, fmt.Errorf("the template %q has no field, so that all addresses would have the same name; write for example {dashed}", text)
	case fields > 2:
		return nil, fmt.Errorf("the template %q has %d fields, at most 2 are possible", text, fields)
	}
	return pieces, nil
}

// notations are the ways to write an address, or a part of it.
var notations = []string{"dashed", "dotted", "padded", "compressed", "reversed", "hex", "decimal", "base36", "permuted"}

// field returns the pieces of a field: a notation, and after a colon the part of the address
// that it shows.
func (t *Template) field(field string) ([]piece, error) {
	notation, part, _ := strings.Cut(field, ":")
	if part == "" {
		part = "all"
		if notation == "decimal" || notation == "base36" || notation == "permuted" {
			part = "host"
		}
	}
	size := t.prefix.Addr().BitLen()
	unit, radix, full := 8, uint64(10), 3
	if size == 128 {
		unit, radix, full = 16, 16, 4
	}
	// In bits from the left: [from, to).
	from, to, err := t.part(part, unit)
	if err != nil {
		return nil, err
	}
	step, separator, width := unit, "-", 0
	switch notation {
	case "dashed":
	case "padded":
		width = full
	case "dotted":
		separator = "."
	case "reversed":
		separator = "."
		if size == 128 {
			step = 4
		}
	case "hex":
		from -= from % 4
		return []piece{{shift: size - to, width: to - from, radix: 16, digits: (to - from) / 4}}, nil
	case "decimal", "base36":
		if part == "host" && t.prefix.IsSingleIP() {
			return []piece{{text: "0"}}, nil // nothing is left open: the address is the first and only one
		}
		if radix = 10; notation == "base36" {
			radix = 36
		}
		return []piece{{shift: size - to, width: to - from, radix: radix}}, nil
	case "compressed":
		if size == 32 || part != "all" {
			return nil, fmt.Errorf("{%s}: only whole IPv6 addresses have a compressed form; write {dashed}", field)
		}
		return []piece{{width: size, radix: 16, short: true}}, nil
	case "permuted":
		if part != "host" {
			return nil, fmt.Errorf("{%s}: what is permuted is the part of the address after the prefix; write {permuted}", field)
		}
		p := piece{width: size - t.prefix.Bits(), radix: 36, permuted: true}
		p.digits = p.mostDigits()
		return []piece{p}, nil
	default:
		return nil, fmt.Errorf("{%s}: %q is not a notation; write {dashed}, as in %s, or one of %s", field, notation, map[bool]string{true: "203-0-113-7", false: "2001-db8-0-0-0-0-0-7"}[size == 32], strings.Join(notations, ", "))
	}
	var list []piece
	for at := from - from%step; at < to; at += step {
		list = append(list, piece{shift: size - at - step, width: step, radix: radix, digits: width}, piece{text: separator})
	}
	list = list[:len(list)-1]
	if notation == "reversed" {
		for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
			list[i], list[j] = list[j], list[i]
		}
	}
	return list, nil
}

// part returns the bits of an address that a part of it means: all, host (what the prefix
// leaves open), lastN, N or N-M, counted in octets for IPv4, in groups of 16 bits for IPv6.
func (t *Template) part(part string, unit int) (from, to int, err error) {
	size := t.prefix.Addr().BitLen()
	bad := fmt.Errorf("%q is not a part of an address: write all, host, last2, 3 or 2-4, where octets of an IPv4 address count from 1 to 4, groups of an IPv6 address from 1 to 8", part)
	count := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || n > size/unit {
			return 0
		}
		return n
	}
	first, last, isRange := strings.Cut(part, "-")
	n := count(first)
	switch {
	case part == "all":
		return 0, size, nil
	case part == "host":
		return min(t.prefix.Bits(), size-1), size, nil
	case strings.HasPrefix(part, "last"):
		if n = count(part[len("last"):]); n == 0 {
			return 0, 0, bad
		}
		return size - n*unit, size, nil
	case n == 0:
		return 0, 0, bad
	case !isRange:
		return (n - 1) * unit, n * unit, nil
	}
	m := count(last)
	if m < n {
		return 0, 0, bad
	}
	return (n - 1) * unit, m * unit, nil
}

// divide makes labels of the pieces. A number that the prefix determines becomes text.
func (t *Template) divide(pieces []piece) error {
	var all []label
	var l label
	open := false // a field of this label is not text
	last := 0     // labels up to the last with a field
	text := func(s string) {
		if n := len(l); s != "" && n > 0 && l[n-1].radix == 0 {
			l[n-1].text += s
		} else if s != "" {
			l = append(l, piece{text: s})
		}
	}
	end := func() {
		all = append(all, slices.Clone(l)) // without room: a zone may have many templates
		if open {
			last = len(all)
		}
		l, open = nil, false
	}
	for i := range pieces {
		p := &pieces[i]
		if p.radix > 0 && !p.permuted {
			t.shown = t.shown.or(ones(p.width).left(p.shift))
		}
		switch {
		case p.radix == 0:
			for k, part := range strings.Split(p.text, ".") {
				if k > 0 {
					end()
				}
				text(part)
			}
		case !p.permuted && ones(p.width).left(p.shift).and(t.mask.not()).isZero():
			text(string(p.append(nil, t.fixed)))
		default:
			l, open = append(l, *p), true
		}
	}
	end()
	t.labels = all[:last]
	var base strings.Builder
	for _, l := range all[last:] {
		if len(l) > 0 {
			base.WriteString(l[0].text)
		}
		base.WriteByte('.')
	}
	if last == len(all) {
		return fmt.Errorf("the template %q has no domain behind its last field; write for example {dashed}.pool.example.net", t.text)
	}
	var err error
	if t.base, err = dname.Parse(base.String()); err != nil {
		return fmt.Errorf("the template %q: %w", t.text, err)
	}
	return nil
}

// prove shows that each name is that of one address only, and that none is too long.
func (t *Template) prove() error {
	size := t.prefix.Addr().BitLen()
	known, length := t.mask, len(t.base)
	permuted, numbers := false, 0
	for _, l := range t.labels {
		n := 0
		if len(l) == 0 {
			return fmt.Errorf("the template %q has an empty label: two dots follow each other, or it begins with one", t.text)
		}
		for i := range l {
			p := &l[i]
			if p.radix == 0 {
				n += len(p.text)
				continue
			}
			numbers++
			n += max(p.digits, p.mostDigits())
			if p.permuted {
				permuted = true
				known = ones(size)
			} else {
				known = known.or(ones(p.width).left(p.shift))
			}
			if p.digits > 0 || i+1 == len(l) {
				continue
			}
			if p.short {
				return fmt.Errorf("the template %q: {compressed} must be the end of its label; write a dot behind it", t.text)
			}
			next := &l[i+1]
			if c := next.first(); next.radix > 0 || strings.IndexByte(digits[:p.radix], c) >= 0 {
				return fmt.Errorf("the template %q: a number without leading zeros is followed by what can be a digit, so that two addresses could have the same name; write a hyphen between them, or {padded} or {hex}", t.text)
			}
		}
		if n > dname.MaxLabel {
			return fmt.Errorf("the template %q makes labels of up to %d octets, at most %d are possible (RFC 1035 §2.3.4); divide it by a dot", t.text, n, dname.MaxLabel)
		}
		length += 1 + n
	}
	switch {
	case permuted && numbers > 1:
		return fmt.Errorf("the template %q: {permuted} stands for the whole address, and no other field may tell parts of it", t.text)
	case known != ones(size):
		return fmt.Errorf("the template %q does not show all bits of the address that the prefix %v leaves open, so that several addresses would have the same name; write for example {dashed} or {dashed:host}", t.text, t.prefix)
	case length > dname.MaxWire:
		return fmt.Errorf("the template %q makes names of up to %d octets, at most %d are possible (RFC 1035 §2.3.4)", t.text, length, dname.MaxWire)
	}
	return nil
}

// first returns the first octet of text.
func (p *piece) first() byte {
	if p.text == "" {
		return 0
	}
	return p.text[0]
}

// append appends the piece of the name of an address; of a permuted piece, n is the permuted
// host part.
func (p *piece) append(dst []byte, n number) []byte {
	if p.radix == 0 {
		return append(dst, p.text...)
	}
	if p.short {
		return appendShort(dst, n)
	}
	return appendDigits(dst, n.right(p.shift).and(ones(p.width)), p.radix, p.digits)
}

// appendDigits appends a number with at least some digits.
func appendDigits(dst []byte, v number, radix uint64, digitCount int) []byte {
	var b [dname.MaxLabel]byte
	at, least := len(b), len(b)-max(digitCount, 1)
	for v.hi > 0 {
		var d uint64
		v, d = v.divide(radix)
		at--
		b[at] = digits[d]
	}
	for u := v.lo; at > least || u > 0; u /= radix {
		at--
		b[at] = digits[u%radix]
	}
	return append(dst, b[at:]...)
}

// Append appends the name of an address of the prefix in wire format.
func (t *Template) Append(dst []byte, a netip.Addr) []byte {
	n := numberOf(a).left(128 - a.BitLen())
	var b [Room]byte
	return append(dst, b[:t.Put(&b, n.hi, n.lo)]...)
}

// Match is what a name is to a template.
type Match uint8

const (
	None  Match = iota // no name of the template is at or below it
	Above              // names of the template are below it
	Exact              // it is the name of an address
)

// Find returns what a name is to the template, and if it is the name of an address, which.
func (t *Template) Find(name dname.Name) (netip.Addr, Match) {
	value, _, m := t.find(name)
	return value.address(t.prefix.Addr().BitLen()), m
}

// find is Find that returns the bits of the address that the labels of the name show, and how
// many labels in front are missing to a whole name.
func (t *Template) find(name dname.Name) (value number, skip int, m Match) {
	size := t.prefix.Addr().BitLen()
	if skip = len(t.labels) + t.base.Labels() - name.Labels(); skip < 0 {
		return value, skip, None
	}
	known, value := t.mask, t.fixed
	for _, l := range t.labels[min(skip, len(t.labels)):] {
		rest := name.Label()
		for i := range l {
			var n number
			var ok bool
			p := &l[i]
			if n, rest, ok = p.read(rest); !ok {
				return value, skip, None
			}
			if p.radix == 0 {
				continue
			}
			mask := ones(p.width).left(p.shift)
			if p.permuted {
				n = t.permutation.invert(n)
				mask = t.mask.not().and(ones(size))
			}
			n = n.left(p.shift)
			if !n.xor(value).and(mask).and(known).isZero() {
				return value, skip, None
			}
			known, value = known.or(mask), value.or(n)
		}
		if len(rest) > 0 {
			return value, skip, None
		}
		name = name.Parent()
	}
	switch {
	case skip > len(t.labels):
		if t.base.IsAtOrBelow(name) {
			return value, skip, Above
		}
		return value, skip, None
	case !name.Equal(t.base):
		return value, skip, None
	case skip > 0:
		return value, skip, Above
	}
	return value, 0, Exact
}

// read reads the piece at the start of b.
func (p *piece) read(b []byte) (n number, rest []byte, ok bool) {
	if p.radix == 0 {
		if len(b) < len(p.text) {
			return n, b, false
		}
		for i := range len(p.text) {
			if dname.Lower(b[i]) != p.text[i] {
				return n, b, false
			}
		}
		return n, b[len(p.text):], true
	}
	if p.short {
		n, ok = readShort(b)
		return n, nil, ok
	}
	at := 0
	for at < len(b) && (p.digits == 0 || at < p.digits) {
		d := digitOf(b[at])
		if d >= p.radix {
			break
		}
		if n, ok = n.timesPlus(p.radix, d); !ok {
			return n, b, false
		}
		at++
	}
	if at == 0 || at < p.digits || p.digits == 0 && at > 1 && b[0] == '0' {
		return n, b, false
	}
	return n, b[at:], n.right(p.width).isZero()
}

// digitOf returns the value of a digit, 255 if it is none.
func digitOf(c byte) uint64 {
	switch c = dname.Lower(c); {
	case c >= '0' && c <= '9':
		return uint64(c - '0')
	case c >= 'a' && c <= 'z':
		return uint64(c-'a') + 10
	}
	return 255
}
