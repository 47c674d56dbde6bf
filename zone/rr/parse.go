package rr

import (
	"encoding/hex"
	"fmt"
	"math"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rule"
)

// Word is one field of text, as a master file has it: escapes are not decoded.
type Word struct {
	Text   []byte // without the quotes of a quoted string
	Quoted bool
	Joined bool // nothing is between the word before it and this one
}

// Fault is what is wrong with the text or the octets of RDATA.
type Fault struct {
	Rule    string // the name of the rule that is broken
	Warning bool   // the RDATA can be used all the same

	// Of text, the word with the fault: its index and an offset in it, -1 for its opening quote. An
	// index of -1 is that of the type. Behind: the place is the end of the word.
	Word, Offset int
	Behind       bool

	Text string // the field, the value, the rule and the remedy
}

func (f *Fault) Error() string { return f.Text }

// Name is a domain name in RDATA that was read from text.
type Name struct {
	Word   int // its index
	Form   dname.Form
	Offset int // in the RDATA
}

// Parser reads the text of RDATA. The zero value is ready, and one Parser reads many RDATA without
// allocating.
type Parser struct {
	Checks rule.Checks

	Names  []Name  // in the RDATA read last
	Faults []Fault // in the text read last; with other ones than warnings it gives no RDATA

	t      Type
	words  []Word
	word   int // index of the next
	origin dname.Name
	out    []byte
	start  int // of the RDATA in out
	bad    *Fault

	joined []byte // buffers of single kinds
	types  []Type
	params []svcParam
}

// maxFields is how many fields RDATA has at most.
const maxFields = 9

// Parse appends to dst the RDATA of type t that words are; relative names start at origin. It
// returns false if Faults has an error.
func (p *Parser) Parse(dst []byte, t Type, words []Word, origin dname.Name) ([]byte, bool) {
	p.Names, p.Faults = p.Names[:0], p.Faults[:0]
	p.t, p.words, p.word, p.origin = t, words, 0, origin
	p.out, p.start = dst, len(dst)
	p.bad = nil
	p.parse()
	out := p.out
	p.out = nil
	if p.bad != nil {
		p.Faults = append(p.Faults[:0], *p.bad)
		return dst, false
	}
	for i := range p.Faults {
		if !p.Faults[i].Warning {
			return dst, false
		}
	}
	return out, true
}

func (p *Parser) parse() {
	r := rowOf(p.t)
	hasText := r != nil && r.fields != nil
	if len(p.words) > 0 && !p.words[0].Quoted && string(p.words[0].Text) == `\#` {
		if p.generic(); p.bad == nil && hasText {
			p.check(r, nil)
		}
		return
	}
	if !hasText {
		p.failBehind("unknown-form", `the data of %v cannot be read as text; write it as \# LENGTH HEX (RFC 3597 §5)`, p.t)
		return
	}
	var first [maxFields]int // word of each field
	for i := range r.fields {
		first[i] = p.word
		if r.fields[i].parse(p, r.fields[i].name); p.bad != nil {
			p.bad.Text += r.form()
			return
		}
	}
	if p.word < len(p.words) {
		w := &p.words[p.word]
		hint := "remove it, or put ; before it if it is a comment" + r.form()
		if strings.HasPrefix(string(w.Text), "#") || strings.HasPrefix(string(w.Text), "//") {
			hint = "a comment starts with ;"
		}
		p.failAt(p.word, 0, "extra-field", "%s follows the last field; %s", Quote(w.Text), hint)
	} else if n := len(p.out) - p.start; n > math.MaxUint16 {
		p.failAt(-1, 0, "long-rdata", "the RDATA takes %d octets, at most 65535 are allowed", n)
	} else if r.hasJudge {
		p.check(r, &first)
	}
}

// check looks for broken rules in the RDATA that was read. first has the word of each field, if
// fields were read.
func (p *Parser) check(r *row, first *[maxFields]int) {
	p.Faults = r.appendFaults(p.Faults, &p.Checks, p.out[p.start:])
	for i := range p.Faults {
		f := &p.Faults[i]
		switch {
		case first != nil:
			f.Word = min(first[f.Word], len(p.words)-1)
		case f.Rule == ruleForm:
			f.Text = fmt.Sprintf("the octets are no RDATA of type %v: %s", p.t, f.Text)
			fallthrough
		default:
			f.Word = 0
		}
	}
}

// generic reads `\# length hex…`, which serves for every type (RFC 3597 §5). What it gives for a
// type with a known form must be of that form.
func (p *Parser) generic() {
	p.word = 1
	w := p.next("length")
	n, ok := ParseUint(w.Text, math.MaxUint16)
	if !ok || w.Quoted {
		p.fail(0, "bad-number", "length %s is not a whole number from 0 to 65535", Quote(w.Text))
	}
	var digits []byte
	if p.word < len(p.words) {
		digits = p.encoded("", hexDigits, "bad-hex", "hexadecimal")
	}
	if uint64(len(digits)) != 2*n {
		p.failAt(1, 0, "bad-length", `\# states %d octets, but %d hexadecimal digits follow; two make an octet`, n, len(digits))
	}
	p.out, _ = hex.AppendDecode(p.out, digits)
}

// next takes the next word, called what in a message if there is none. Then it returns an empty
// word.
func (p *Parser) next(what string) *Word {
	if p.word == len(p.words) {
		p.failBehind("missing-field", "the %s is missing; write it", what)
		return &Word{}
	}
	p.word++
	return &p.words[p.word-1]
}

// failAt makes a fault at an offset of a word that of the text, unless there was one before. What
// is parsed further does not matter, so that kinds need not look for faults, except before they
// rely on what they have parsed.
func (p *Parser) failAt(word, offset int, rule, format string, args ...any) {
	if p.bad == nil {
		p.bad = &Fault{Rule: rule, Word: word, Offset: offset, Text: fmt.Sprintf(format, args...)}
	}
}

// fail is failAt for the word that was taken last.
func (p *Parser) fail(offset int, rule, format string, args ...any) {
	p.failAt(p.word-1, offset, rule, format, args...)
}

// failBehind is fail for what lacks behind the word.
func (p *Parser) failBehind(rule, format string, args ...any) {
	if p.bad == nil {
		p.fail(0, rule, format, args...)
		p.bad.Behind = true
	}
}

// Quote shows text from a file in a message as it is there: in quotes, control octets escaped, and
// not too much of it.
func Quote(text []byte) string {
	const most = 80
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range text[:min(most, len(text))] {
		if c < ' ' || c == 0x7f {
			fmt.Fprintf(&b, `\%03d`, c)
		} else {
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	if len(text) > most {
		b.WriteString("…")
	}
	return strings.ToValidUTF8(b.String(), "\ufffd")
}
