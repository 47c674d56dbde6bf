package zonefile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

// parser is the state of one Load: what files share.
type parser struct {
	o    Options
	emit func(zone.Record)
	res  *Result
	fs   finding.List

	// TTLs are of the whole Load: BIND lets a $TTL in an included file hold
	// behind the $INCLUDE.
	defaultTTL    uint32 // of $TTL
	hasDefaultTTL bool
	lastTTL       uint32 // that a record gave itself
	hasLastTTL    bool

	cutShort  int    // 1 + the number of records before one whose data end too early; 0: the last error was another
	findsApex bool   // see FindApex
	stop      bool   // nothing more is to be read
	includes  int    // files included so far
	octets    int64  // of the files so far, as far as their sizes are known
	generated int    // records made by $GENERATE so far
	step      *int64 // of the running $GENERATE; nil: none runs
	rdata     rdata
	target    nameRoom // RDATA of simple lines
	lint      linter
}

func newParser(o Options, emit func(zone.Record)) *parser {
	if o.Origin == nil || o.Table == nil {
		panic("zonefile: Options without Origin or Table")
	}
	if o.GenerateLimit == 0 {
		o.GenerateLimit = DefaultGenerateLimit
	}
	if o.window == 0 {
		o.window = windowSize
	}
	if o.Apexes == nil {
		o.Apexes = []dname.Name{o.Origin}
	}
	if o.Room == nil {
		o.Room = new(Room)
	}
	p := &o.Room.parser
	*p = parser{o: o, emit: emit, res: &Result{}, defaultTTL: o.DefaultTTL, hasDefaultTTL: o.HasDefaultTTL, rdata: p.rdata}
	p.rdata.Checks, p.fs.Checks = o.Checks, o.Checks
	p.lint.init(p)
	return p
}

// file reads the file that the caller named.
func (p *parser) file(name string, r io.Reader, origin dname.Name) {
	p.octets = p.o.Size
	p.run(p.newFrame(&p.o.Room.first, name, r, p.o.Size, origin))
}

// window returns how many octets the lexer of a text of that size (0: unknown)
// starts with: no more than there are, so that ten thousand small files make no
// garbage to speak of.
func (p *parser) window(size int64) int {
	if size > 0 && p.o.window == windowSize {
		return int(min(size+1, windowSize)) // one more, to see the end at once
	}
	return p.o.window
}

// tap returns the reader to use in place of r.
func (p *parser) tap(name string, r io.Reader) io.Reader {
	if p.o.Tap == nil {
		return r
	}
	return p.o.Tap(name, r)
}

func (p *parser) run(f *frame) {
	records, errs := p.res.Records, p.fs.Count(finding.Error)
	var head [headSize]byte
	n := 0
	for !p.stop && f.lex.next() {
		if n == 0 {
			n = copy(head[:], f.lex.buf[:f.lex.end])
		}
		p.line(f)
		if !p.o.oneRoad {
			p.simple(f)
		}
	}
	if f.lex.err != nil {
		p.fs.Add(f.id.Unreadable(f.lex.err))
	}
	switch {
	case p.res.Records > records:
	case p.fs.Count(finding.Error) == errs:
		p.empty(f)
	default:
		p.replaceForeign(f, head[:n])
	}
}

// empty reports a file without a record. It is nearly always one that lost its
// content or is still to be written, and would remove every name that it had.
func (p *parser) empty(f *frame) {
	remedy := "remove it from the zone"
	if f.parent != nil {
		remedy = "remove the $INCLUDE of it"
	}
	p.fs.Add(finding.Finding{
		Severity: finding.Error, Rule: "empty-file", Tag: f.id.Tag(1, 1),
		Text: "the file has no record; write what it should have, or " + remedy + " if it is empty on purpose",
	})
}

// finish completes the Result.
func (p *parser) finish() *Result {
	p.lint.finish(p)
	p.res.Findings, p.res.Errors, p.res.Warnings = p.fs.Sorted(), p.fs.Count(finding.Error), p.fs.Count(finding.Warning)
	return p.res
}

// subject is what a finding is about.
type subject struct {
	f     *frame
	owner dname.Name // nil: none in particular
	typ   rr.Type
}

func (p *parser) fail(s subject, e *fault) {
	if p.isRest(s.f, e) {
		return
	}
	p.cutShort = 0
	if e.code == "missing-field" {
		p.cutShort = 1 + p.res.Records
	}
	if p.step != nil {
		e.text += fmt.Sprintf(" ($GENERATE at step %d)", *p.step)
	}
	p.fs.Add(finding.Finding{
		Severity: finding.Error, Rule: e.code, Tag: s.f.id.Tag(e.line, e.col),
		Owner: s.owner, Type: s.typ, Text: e.text,
	})
}

// isRest reports whether an error is about the rest of a record whose data end too early, because
// its ( is missing: the line begins with a blank and has no type, or a ).
func (p *parser) isRest(f *frame, e *fault) bool {
	if p.cutShort != 1+p.res.Records || !f.lex.blank {
		return false
	}
	switch e.code {
	case "missing-type", "unknown-type", "unopened-parenthesis":
		return true
	}
	return false
}

// at returns a fault at the octet offset in t.
func (t *token) at(offset int, code, format string, args ...any) *fault {
	if t.quoted {
		offset++
	}
	return &fault{t.line, t.col + offset, code, fmt.Sprintf(format, args...)}
}

// behind returns a fault just after t.
func (t *token) behind(code, format string, args ...any) *fault {
	n := len(t.text)
	if t.quoted {
		n++
	}
	return t.at(n, code, format, args...)
}

func (t *token) is(s string) bool { return !t.quoted && strings.EqualFold(string(t.text), s) }

// line reads one logical line.
func (p *parser) line(f *frame) {
	lex := f.lex
	if lex.fault != nil {
		p.fail(subject{f: f}, lex.fault)
		if !lex.blank || f.owner.name == nil {
			f.loseOwner()
		}
		return
	}
	toks := lex.toks
	if first := &toks[0]; len(first.text) > 0 && first.text[0] == '$' && !first.quoted {
		if !lex.blank {
			p.directive(f, toks)
			return
		}
		if isDirective(first) {
			p.loseTTL()
			p.fail(subject{f: f}, first.at(0, "indented-directive", "%s must start in column 1; remove the white space before it", first.text))
			return
		}
	}
	given := !lex.blank
	if given {
		if !p.setOwner(f, &toks[0]) {
			return
		}
		toks = toks[1:]
		if len(toks) == 0 {
			t := &lex.toks[0]
			p.fail(subject{f, f.owner.name, 0}, t.behind("missing-type", "the line ends after the owner name; a record needs a type and its data%s", ownerHint(t)).hinted(lex.toks))
			return
		}
	} else if f.owner.name == nil {
		p.fail(subject{f: f}, toks[0].at(0, "no-owner", "the line starts with white space, which means the last owner name, but there is none yet; write the owner name in column 1 (@ for %v)", f.origin))
		return
	}
	p.record(f, lex.toks, toks, given)
}

// setOwner reads the owner name in the first column.
func (p *parser) setOwner(f *frame, t *token) bool {
	owner, form, bad := dname.AppendText(f.spare.room[:0], t.text, f.origin)
	if bad != nil {
		f.loseOwner()
		p.fail(subject{f: f}, t.at(bad.Offset, "bad-name", "owner %s: %s%s", quote(t.text), bad.Reason, ownerHint(t)).hinted(f.lex.toks))
		return false
	}
	f.spare.name, f.spare.address = owner, dname.AddressKey{}
	f.swapOwner()
	f.ownerIsBad, f.afterOrigin = false, false
	p.lint.owner, p.lint.ownerForm = *t, form
	return true
}

// head is what is between owner and RDATA.
type head struct {
	typ     rr.Type
	typeTok *token
	ttlTok  *token // nil: no TTL is given
	ttl     uint32
	data    []token // of the RDATA
}

// readHead reads [TTL] [class] type in the orders that RFC 1035 §5.1 allows and
// returns the rest. Class and TTL of what is no record at all are not looked at.
func readHead(toks []token, owner *token) (h head, rest []token, bad *fault) {
	var class *token
	for i := range toks {
		t := &toks[i]
		if !t.quoted {
			if class == nil && isClass(t.text) {
				class = t
				continue
			}
			if h.ttlTok == nil {
				switch v, k := rr.ParsePeriod(t.text); k {
				case rr.IsPeriod:
					h.ttlTok, h.ttl = t, v
					continue
				case rr.TooLong:
					return h, nil, t.at(0, "ttl-too-long", "TTL %s is out of range; at most %d (seconds) is allowed", t.text, maxTTL)
				}
			}
			if typ, ok := rr.ParseType(t.text); ok {
				h.typ, h.typeTok = typ, t
				if class != nil && !isIN(class.text) {
					return h, nil, class.at(0, "wrong-class", "class %s, but the zone is of class IN; write IN or nothing", class.text)
				}
				return h, toks[i+1:], nil
			}
		}
		return h, nil, unknownType(t, owner)
	}
	last := &toks[len(toks)-1]
	return h, nil, last.behind("missing-type", "the record has no type; write one (PTR, NS, …) and its data%s", ownerHint(owner))
}

func isIN(text []byte) bool {
	return len(text) == 2 && text[0]|0x20 == 'i' && text[1]|0x20 == 'n' || len(text) == 6 && strings.EqualFold(string(text), "CLASS1")
}

func isClass(text []byte) bool {
	switch {
	case isIN(text):
		return true
	case len(text) == 2:
		return strings.EqualFold(string(text), "CH") || strings.EqualFold(string(text), "HS")
	case len(text) < len("CLASS1") || !strings.EqualFold(string(text[:5]), "CLASS"):
		return false
	}
	_, ok := rr.ParseClass(string(text))
	return ok
}

// unknownType words the fault of a token that is no type, by what it may be
// instead.
func unknownType(t, owner *token) *fault {
	hint := "; check the spelling, or write TYPEn for a type that has no mnemonic"
	switch text := string(t.text); {
	case t.quoted:
		hint = "; a type is not quoted"
	case ownerHint(owner) != "":
		hint = ownerHint(owner)
	case isDigit(text[0]):
		hint = "; as a TTL it would be seconds or units as in 1h30m"
	case isComment(t.text):
		hint = commentHint
	case strings.Contains(text, "."):
		hint = "; the type is missing before it"
	}
	return t.at(0, "unknown-type", "%s is not a type%s", quote(t.text), hint)
}

// ownerHint warns of an owner name that is likely not meant as one: a mnemonic
// in column 1, where the white space for "the last owner" was forgotten.
func ownerHint(owner *token) string {
	switch {
	case owner == nil || owner.quoted:
		return ""
	case isComment(owner.text):
		return commentHint
	case !isMnemonic(owner.text):
		return ""
	}
	return fmt.Sprintf("; %s in column 1 was taken for the owner name: put a blank before it to mean the last owner", owner.text)
}

// isMnemonic reports whether text is a class or one of the types that are seldom
// names.
func isMnemonic(text []byte) bool {
	if len(text) == 0 || len(text) > len("CNAME") || text[0] < 64 { // not a letter, as in nearly all owners
		return false
	}
	for _, m := range [...]string{"IN", "SOA", "NS", "PTR", "CNAME", "MX", "TXT", "AAAA", "DS"} {
		if strings.EqualFold(string(text), m) {
			return true
		}
	}
	return false
}

// record reads a record of the last owner from toks, which are what is left
// of line, and emits it.
func (p *parser) record(f *frame, line, toks []token, ownerGiven bool) {
	var ownerTok *token
	if ownerGiven {
		ownerTok = &line[0]
	}
	h, rest, bad := readHead(toks, ownerTok)
	s := subject{f, f.owner.name, h.typ}
	if f.ownerIsBad {
		s.owner = nil
	}
	if bad == nil {
		bad = checkType(h, f.owner.name)
	}
	if bad != nil {
		p.fail(s, bad.hinted(line))
		return
	}
	if h.ttlTok != nil {
		h.ttl = p.limitTTL(s, h.ttlTok, h.ttl)
		p.lastTTL, p.hasLastTTL = h.ttl, true
	}
	h.data = rest
	r := &p.rdata
	if !r.read(h.typ, h.typeTok, rest, f.origin) {
		for i := range r.Faults {
			if !r.Faults[i].Warning {
				e := r.place(&r.Faults[i])
				if e.code == "missing-field" && h.typ == rr.TypeSOA {
					e.text = strings.Replace(e.text, "write it", "write it, with a ( before it if it is in the next line", 1)
				}
				p.fail(s, e.hinted(line))
			}
		}
		if h.typ == rr.TypeSOA {
			p.loseTTL() // its MINIMUM
		}
		return
	}
	ttl, ok := p.ttl(f, s, h)
	if !ok || f.ownerIsBad {
		return
	}
	for i := range r.Faults {
		e := &r.Faults[i]
		p.lint.warn(p, s, r.tokenOf(e), e.Offset, e.Rule, "%s", e.Text)
	}
	if !p.lint.record(p, f, h, ownerGiven) {
		return
	}
	if h.typ == rr.TypeSOA {
		p.res.HasSOA = true
	}
	p.res.Records++
	p.emit(zone.Record{Owner: f.owner.name, Type: h.typ, TTL: ttl, Data: r.out, Tag: f.id.Tag(line[0].line, line[0].col)})
}

// hinted adds to the fault what in the line may be its reason.
func (e *fault) hinted(line []token) *fault {
	for _, t := range line {
		if mark := templateMark(t.text); mark != "" && !t.quoted {
			e.text += "; the line has " + quote([]byte(mark)) + " in it, which a template should have replaced"
			break
		}
	}
	if len(line) > 0 && isComment(line[0].text) && !strings.HasSuffix(e.text, commentHint) {
		e.text += commentHint
	}
	e.text += invisible(line)
	return e
}

const commentHint = "; a comment starts with ;"

// isComment reports whether a token is likely the start of a comment, as in other languages.
func isComment(text []byte) bool {
	return bytes.HasPrefix(text, []byte("#")) || bytes.HasPrefix(text, []byte("//"))
}

// checkType returns why no zone can have a record of the type, or not at owner.
func checkType(h head, owner dname.Name) *fault {
	switch {
	case h.typ.IsMeta():
		return h.typeTok.at(0, "meta-type", "%v is not a type of stored data (RFC 6895 §3.1); remove the record", h.typ)
	case h.typ == 3 || h.typ == 4:
		return h.typeTok.at(0, "obsolete-type", "%v is obsolete since RFC 973; write MX instead", h.typ)
	case h.typ == rr.TypeNS && owner.IsWildcard():
		return h.typeTok.at(0, "wildcard-cut", "a wildcard cannot be a zone cut (RFC 4592 §4.2); write an NS for each name")
	}
	return nil
}

// limitTTL returns the TTL to use for the one given: RFC 2181 §8 has what is
// above 2^31-1 count as zero, and so has BIND.
func (p *parser) limitTTL(s subject, t *token, ttl uint32) uint32 {
	if ttl <= maxTTL {
		return ttl
	}
	p.lint.warn(p, s, t, 0, "ttl-too-long", "TTL %s is more than %d seconds and counts as 0 (RFC 2181 §8); write a smaller one", t.text, maxTTL)
	return 0
}

// ttl decides the TTL of the record just read. Without one of its own that is
// $TTL's (RFC 2308 §4), or as in BIND what the SOA has as MINIMUM, or the TTL of
// the last record that had one (RFC 1035 §5.1).
func (p *parser) ttl(f *frame, s subject, h head) (ttl uint32, ok bool) {
	if h.ttlTok != nil {
		return h.ttl, true
	}
	if ttl, ok = p.quietTTL(h.typ); ok {
		return ttl, true
	}
	switch {
	case p.hasLastTTL:
		p.lint.missingTTL(p, f, h, fmt.Sprintf("no $TTL: records without a TTL take that of the last record that has one (%d, RFC 1035 §5.1); write a $TTL line at the top of the file", p.lastTTL))
		return p.lastTTL, true
	case h.typ == rr.TypeSOA:
		minimum := binary.BigEndian.Uint32(p.rdata.out[len(p.rdata.out)-4:])
		if minimum > maxTTL {
			minimum = 0
		}
		p.defaultTTL, p.hasDefaultTTL = minimum, true
		p.lint.missingTTL(p, f, h, fmt.Sprintf("no $TTL: the SOA's MINIMUM, %d, serves for all records without a TTL; write $TTL %d at the top of the file", minimum, minimum))
		return minimum, true
	}
	p.fail(s, h.typeTok.at(0, "no-ttl", "the record has no TTL, and no $TTL and no SOA came before it; write a $TTL line at the top of the file"))
	return 0, false
}

// loseTTL notes that a default TTL is in a line with an error, so that there is no finding about each
// record without a TTL as well.
func (p *parser) loseTTL() { p.hasDefaultTTL = true }

// quietTTL is ttl for a record without one, where there is nothing (more) to report.
func (p *parser) quietTTL(t rr.Type) (ttl uint32, ok bool) {
	switch {
	case p.hasDefaultTTL:
		return p.defaultTTL, true
	case p.o.HasFallbackTTL && !p.res.HasSOA && t != rr.TypeSOA:
		return p.o.FallbackTTL, true
	}
	return p.lastTTL, p.hasLastTTL && p.lint.ttlDone
}

func quote(text []byte) string { return rr.Quote(text) }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// extra is the fault of a field behind the last one.
func extra(t *token) *fault {
	hint := "remove it, or put ; before it if it is a comment"
	if strings.HasPrefix(string(t.text), "#") || strings.HasPrefix(string(t.text), "//") {
		hint = "a comment starts with ;"
	}
	return t.at(0, "extra-field", "%s follows the last field; %s", quote(t.text), hint)
}

// maxTTL is the largest TTL (RFC 2181 §8).
const maxTTL = 1<<31 - 1
