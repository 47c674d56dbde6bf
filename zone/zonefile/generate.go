package zonefile

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

// generate takes `$GENERATE start-stop[/step] lhs [ttl] [class] type rhs`, BIND's
// way to write many records in one line: for each value of the range the
// templates lhs and rhs make owner name and RDATA.
//
// All records count as standing at the line of the $GENERATE, and the last owner
// name stays what it was before. As in BIND an rhs
// in quotes is read without them, which is how one writes RDATA of several
// fields; unlike BIND, several fields may be there unquoted as well.
func (p *parser) generate(f *frame, directive *token, args []token) *fault {
	const form = "$GENERATE start-stop[/step] owner [TTL] [class] type data"
	if bad := arguments(directive, args, 4, math.MaxInt, form); bad != nil {
		return bad
	}
	start, stop, step, bad := parseRange(&args[0])
	if bad != nil {
		return bad
	}
	lhs, bad := parseTemplate(args[1:2])
	if bad != nil {
		return bad
	}
	h, rest, bad := readHead(args[2:], nil)
	if bad != nil {
		return bad
	}
	if len(rest) == 0 {
		return h.typeTok.behind("missing-argument", "$GENERATE lacks the data; write %s", form)
	}
	rhs, bad := parseTemplate(rest)
	if bad != nil {
		return bad
	}
	if n := (uint64(stop)-uint64(start))/uint64(step) + 1; n > uint64(p.o.GenerateLimit-p.generated) {
		return args[0].at(0, "generate-limit", "range %s makes %d records, but $GENERATE may make only %d in all; make it smaller, or raise limits.generate_steps in the configuration", args[0].text, n, p.o.GenerateLimit)
	}

	// Each step is a line of text, owner in column 1, that is read like any other.
	var text []byte
	lex := &lexer{}
	line := args[2 : len(args)-len(rest)] // TTL, class and type as they are
	before := p.fs.Count(finding.Error)
	last, lastIsBad := f.owner.name.Clone(), f.ownerIsBad
	defer func() {
		f.copyOwner(last)
		f.ownerIsBad, p.step = lastIsBad, nil
	}()
	for v := int64(start); v <= int64(stop); v += int64(step) {
		p.generated++
		p.step = &v
		text = lhs.append(text[:0], v)
		ownerEnd := len(text)
		text = append(rhs.append(text, v), '\n')
		lex.reset(text[ownerEnd:])
		lex.next()
		if lex.fault == nil && lex.pos != lex.end {
			lex.setFault(1, 1, "generate", "the data is more than one line")
		}
		owner := token{text: text[:ownerEnd:ownerEnd], line: args[1].line, col: args[1].col}
		if lex.fault != nil {
			return rest[0].at(0, "generate", "at step %d: %s", v, lex.fault.text)
		}
		toks := append([]token{owner}, line...)
		for _, t := range lex.toks {
			t.line, t.col = rest[0].line, rest[0].col
			toks = append(toks, t)
		}
		if p.setOwner(f, &toks[0]) {
			p.record(f, toks, toks[1:], true)
		}
		if p.fs.Count(finding.Error) > before {
			return nil // the other steps have the same finding
		}
	}
	return nil
}

func parseRange(t *token) (start, stop, step uint32, bad *fault) {
	fail := func() (uint32, uint32, uint32, *fault) {
		return 0, 0, 0, t.at(0, "bad-range", "%s is not a range; write start-stop or start-stop/step, start not above stop, step at least 1", quote(t.text))
	}
	bounds, stepText, hasStep := strings.Cut(string(t.text), "/")
	from, to, ok := strings.Cut(bounds, "-")
	a, ok1 := rr.ParseUint([]byte(from), math.MaxUint32)
	b, ok2 := rr.ParseUint([]byte(to), math.MaxUint32)
	s, ok3 := uint64(1), true
	if hasStep {
		s, ok3 = rr.ParseUint([]byte(stepText), math.MaxUint32)
	}
	if !ok || !ok1 || !ok2 || !ok3 || a > b || s == 0 || t.quoted {
		return fail()
	}
	return uint32(a), uint32(b), uint32(s), nil
}

// template is a text with places for the value of a step.
type template []part

// part is literal text, or a value if base is not zero.
type part struct {
	text   string
	base   byte // d o x X n N
	offset int64
	width  int
}

// maxWidth bounds ${offset,width,base} to more than any name can use.
const maxWidth = 255

// parseTemplate reads the templates of one or more fields. `$` and
// `${offset[,width[,base]]}` are values, `\$` and `$$` stand for a $ of the text;
// other escapes stay for the reader of the result.
func parseTemplate(toks []token) (template, *fault) {
	var tpl template
	var text strings.Builder
	flush := func() {
		if text.Len() > 0 {
			tpl = append(tpl, part{text: text.String()})
			text.Reset()
		}
	}
	for n := range toks {
		t := &toks[n]
		keepQuotes := t.quoted && len(toks) > 1
		if n > 0 {
			text.WriteByte(' ')
		}
		if keepQuotes {
			text.WriteByte('"')
		}
		for i := 0; i < len(t.text); i++ {
			c := t.text[i]
			next := byte(0)
			if i+1 < len(t.text) {
				next = t.text[i+1]
			}
			switch {
			case c == '\\' && t.quoted && !keepQuotes && next == '"':
				text.WriteByte('"')
				i++
			case c == '\\' && next != 0:
				text.WriteByte(c)
				text.WriteByte(next)
				i++
			case c == '$' && next == '$':
				text.WriteString(`\$`)
				i++
			case c == '$':
				flush()
				v := part{base: 'd'}
				if next == '{' {
					end := strings.IndexByte(string(t.text[i:]), '}')
					ok := end > 0
					if ok {
						v, ok = parseModifier(string(t.text[i+2 : i+end]))
					}
					if !ok {
						return nil, t.at(i, "bad-template", "%s is not ${offset[,width[,base]]} with a base of d, o, x, X, n or N and a width of at most %d", quote(t.text[i:]), maxWidth)
					}
					i += end
				}
				tpl = append(tpl, v)
			default:
				text.WriteByte(c)
			}
		}
		if keepQuotes {
			text.WriteByte('"')
		}
	}
	flush()
	return tpl, nil
}

func parseModifier(s string) (v part, ok bool) {
	fields := strings.Split(s, ",")
	v.base = 'd'
	offset, err := strconv.ParseInt(fields[0], 10, 32)
	if err != nil || len(fields) > 3 {
		return v, false
	}
	v.offset = offset
	if len(fields) > 1 {
		width, ok := rr.ParseUint([]byte(fields[1]), maxWidth)
		if !ok {
			return v, false
		}
		v.width = int(width)
	}
	if len(fields) > 2 {
		if len(fields[2]) != 1 || !strings.Contains("doxXnN", fields[2]) {
			return v, false
		}
		v.base = fields[2][0]
	}
	return v, true
}

// append appends the template's text for one value.
func (tpl template) append(dst []byte, value int64) []byte {
	for _, part := range tpl {
		if part.base == 0 {
			dst = append(dst, part.text...)
			continue
		}
		v := value + part.offset
		switch part.base {
		case 'n', 'N':
			dst = appendNibbles(dst, uint32(v), part.width, part.base == 'N')
		case 'd':
			dst = fmt.Appendf(dst, "%0*d", part.width, v)
		case 'o':
			dst = fmt.Appendf(dst, "%0*o", part.width, uint32(v))
		case 'x':
			dst = fmt.Appendf(dst, "%0*x", part.width, uint32(v))
		case 'X':
			dst = fmt.Appendf(dst, "%0*X", part.width, uint32(v))
		}
	}
	return dst
}

// appendNibbles appends v in hexadecimal digits from the lowest on, dots between
// them: labels of an IPv6 reverse name. As in BIND width counts the dots as well.
func appendNibbles(dst []byte, v uint32, width int, upper bool) []byte {
	digits := "0123456789abcdef"
	if upper {
		digits = "0123456789ABCDEF"
	}
	for {
		dst = append(dst, digits[v&15])
		v >>= 4
		width--
		if v == 0 && width <= 0 {
			return dst
		}
		dst = append(dst, '.')
		width--
		if v == 0 && width <= 0 {
			// BIND leaves the dot that fills an even width.
			return dst
		}
	}
}
