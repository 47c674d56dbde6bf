package zonefile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/spelling"
)

// linter collects warnings. What can be judged by the record alone is reported
// at once; what the rest of the files may explain waits in a list for finish:
//
//	a shallow PTR        is a network's name (RFC 1035 §3.5) if there are
//	                     addresses below it
//	A, AAAA              are glue if an NS record leads to them
//	NS without a dot     is meant so if its name has an address here
//
// The lists are bounded, for a file with thousands of these is beyond warnings.
type linter struct {
	reverse bool // a zone that the file feeds is a reverse zone

	// The last record's owner as it is written, where it is.
	owner     token
	ownerForm dname.Form
	lastBad   []byte // owner reported last; records below each other share it

	ttlDone  bool
	lastTag  zone.Tag // of the last warning, to report each step of a $GENERATE once
	lastCode string

	shallow   []waiting
	addresses []waiting
	servers   []waiting // NS targets without final dot
	glue      map[string]bool
	hasAddr   map[string]bool

	networks networks // that have PTRs at full addresses
}

// waiting is a warning that is given at the end if nothing speaks against it.
type waiting struct {
	f   finding.Finding
	key string
}

const maxWaiting = 1000

func (l *linter) init(p *parser) {
	l.reverse = slices.ContainsFunc(p.o.Apexes, func(n dname.Name) bool { return !n.IsForward() })
}

func (l *linter) finding(s subject, t *token, offset int, code, format string, args ...any) finding.Finding {
	e := t.at(offset, code, format, args...)
	return finding.Finding{
		Severity: finding.Warning, Rule: code, Tag: s.f.id.Tag(e.line, e.col),
		Owner: s.owner.Clone(), Type: s.typ, Text: e.text,
	}
}

// warn reports a warning at an offset in t, but no second one of the same kind
// for the same place.
func (l *linter) warn(p *parser, s subject, t *token, offset int, code, format string, args ...any) {
	tag := s.f.id.Tag(t.line, t.col)
	if tag == l.lastTag && code == l.lastCode {
		return
	}
	l.lastTag, l.lastCode = tag, code
	p.fs.Add(l.finding(s, t, offset, code, format, args...))
}

func (l *linter) wait(list *[]waiting, f finding.Finding, key dname.Name) {
	if len(*list) < maxWaiting {
		*list = append(*list, waiting{f, key.Key()})
	}
}

// addKey adds a name to a set, which is made with its first name.
func addKey(set *map[string]bool, name dname.Name) {
	if *set == nil {
		*set = map[string]bool{}
	}
	(*set)[name.Key()] = true
}

// missingTTL warns, once, that a record's TTL is a guess.
func (l *linter) missingTTL(p *parser, f *frame, h head, text string) {
	if !l.ttlDone {
		l.ttlDone = true
		l.warn(p, subject{f: f}, h.typeTok, 0, "missing-ttl", "%s", text)
	}
}

// record looks at a record that was read without a fault. It returns false for one that must not be
// emitted.
func (l *linter) record(p *parser, f *frame, h head, ownerGiven bool) (ok bool) {
	if h.typ == rr.TypeSOA && !l.soa(p, f, h, ownerGiven) {
		return false
	}
	s := subject{f, f.owner.name, h.typ}
	isMnemonicHere := false
	switch {
	case ownerGiven:
		if l.ownerForm.Odd {
			l.marks(p, s, &l.owner, "owner")
		}
		if isMnemonic(l.owner.text) && !l.owner.quoted && l.isMistaken(h.typ) {
			isMnemonicHere = true // one finding is enough
			l.warn(p, s, &l.owner, 0, "mnemonic-owner", "%s in column 1 is taken for the owner name; put a blank before it to mean the last owner", l.owner.text)
		}
	case f.afterOrigin && !f.ownerIsBad:
		f.afterOrigin = false
		l.warn(p, s, h.typeTok, 0, "owner-before-origin", "the line inherits its owner from before the $ORIGIN of line %d; write the owner name out", f.originLine)
	}
	if h.typ == rr.TypeTXT {
		l.bareText(p, s, h)
	}
	isJudged := isMnemonicHere || ownerGiven && (l.ascii(p, s, &l.owner, "owner") || l.hostOwner(p, s))
	l.targets(p, s, h)
	if !l.reverse {
		return true
	}
	if (ownerGiven || h.typ == rr.TypePTR) && !isJudged {
		l.ownerName(p, s, h, ownerGiven)
	}
	if h.typ == rr.TypeA || h.typ == rr.TypeAAAA {
		l.address(p, s, h)
	}
	return true
}

// isMistaken reports whether an owner that reads like a class or type is one that
// lost the blank before it. Hosts named ns or mx, with addresses of their own, are
// common; IN is not.
func (l *linter) isMistaken(t rr.Type) bool {
	return bytes.EqualFold(l.owner.text, []byte("IN")) || l.reverse && t != rr.TypeA && t != rr.TypeAAAA
}

// soa checks the place of an SOA. It returns false if that is not the apex, which is an error. Where
// a final dot is missing, what follows is read as if it were there, and it returns true.
func (l *linter) soa(p *parser, f *frame, h head, ownerGiven bool) bool {
	s := subject{f, f.owner.name, h.typ}
	if isApex(p, s.owner) || p.res.HasSOA || p.findsApex {
		return true // a second one is judged where the zone is built
	}
	const rule = "soa-not-at-apex"
	if n := len(p.o.Apexes); n > 1 {
		p.fail(s, h.typeTok.at(0, rule, "the file is loaded as %d zones, %s, whose SOAs are generated; remove the SOA, or load a file of its own for each zone", n, spelling.Some(p.o.Apexes, maxApexes)))
		return true
	}
	apex := p.o.Apexes[0]
	owner := ""
	if ownerGiven && l.ownerForm.Relative {
		owner = string(l.owner.text)
	}
	switch {
	case isName(owner+".", apex):
		p.fail(subject{f: f}, l.owner.at(0, rule, "owner %s of the SOA has no final dot and so becomes %v; add the dot", owner, s.owner))
		f.copyOwner(apex)
		return true
	case f.undotted != nil && isName(strings.TrimPrefix(owner+"."+string(f.undotted.text)+".", "."), apex):
		p.fail(subject{f: f}, f.undotted.at(0, rule, "$ORIGIN %s has no final dot and so becomes %v; add the dot", f.undotted.text, f.origin))
		origin, _ := dname.Parse(string(f.undotted.text))
		f.setOrigin(origin, f.originLine)
		f.copyOwner(apex)
		return true
	}
	remedy := fmt.Sprintf("write %v as its owner", apex)
	if s.owner.Equal(f.origin) && f.originLine > 0 {
		remedy = fmt.Sprintf("write $ORIGIN %v in line %d", apex, f.originLine)
	}
	p.fail(s, h.typeTok.at(0, rule, "the SOA makes this a file of the zone %v, but it is loaded as %v; load the file as the zone %v, or %s", s.owner, apex, s.owner, remedy))
	return false
}

// isName reports whether text is the name n.
func isName(text string, n dname.Name) bool {
	m, err := dname.Parse(text)
	return err == nil && m.Equal(n)
}

// bareText looks for texts that are meant to be one string, those of SPF, DKIM,
// DMARC and their like, and are written without quotes.
func (l *linter) bareText(p *parser, s subject, h head) {
	if len(h.data) == 0 {
		return
	}
	if t := &h.data[0]; !t.quoted && len(t.text) > 2 && t.text[0]|0x20 == 'v' && t.text[1] == '=' {
		l.warn(p, s, t, 0, "bare-text", "the text %s… has no quotes, so that a blank parts it into strings, which are joined without it, and a ; starts a comment; put all of it in double quotes", t.text)
	}
}

// maxApexes is how many zones of one file a finding lists.
const maxApexes = 4

// origin looks at the name of an $ORIGIN, or that of an $INCLUDE.
func (l *linter) origin(p *parser, f *frame, t *token, origin dname.Name, form dname.Form) {
	s := subject{f: f}
	switch {
	case form.Odd && l.marks(p, s, t, "$ORIGIN"):
	case form.Relative && (endsInTree(t.text) || lacksDot(p, t.text)):
		l.warn(p, s, t, 0, "relative-origin", "$ORIGIN %s has no final dot and so becomes %v; add the dot", t.text, origin)
	case form.Relative:
		l.warn(p, s, t, 0, "relative-origin", "$ORIGIN %s is relative and becomes %v, which moves if a line above it changes; write it out with its final dot", t.text, origin)
	case l.reverse && l.wrongTree(p, s, t, origin, "$ORIGIN"):
	default:
		if isInZone(p, origin) || slices.ContainsFunc(p.o.Apexes, func(a dname.Name) bool { return a.IsAtOrBelow(origin) }) {
			return
		}
		l.warn(p, s, t, 0, "origin-outside-zone", "$ORIGIN %v lies outside %s, and so do all names relative to it; correct it, or load the file as another zone", origin, spelling.Some(p.o.Apexes, maxApexes))
	}
}

// lacksDot reports whether a relative name would be in a zone of the file with a final dot.
func lacksDot(p *parser, text []byte) bool {
	n, err := dname.Parse(string(text))
	return err == nil && isInZone(p, n)
}

// marks warns of marks of a template that were not replaced. It reports whether
// there were any.
func (l *linter) marks(p *parser, s subject, t *token, what string) bool {
	if mark := templateMark(t.text); mark != "" {
		l.warn(p, s, t, bytes.Index(t.text, []byte(mark)), "template-mark", "%s %s has %s in it, which a template should have replaced; generate the file again", what, quote(t.text), quote([]byte(mark)))
		return true
	}
	return false
}

// templateMark returns what in text looks like a mark of a template: {{x}},
// ${x}, $x, <%x%>, %s, %(x)s, __X__, @X@; empty if nothing does.
func templateMark(text []byte) string {
	s := string(text)
	for _, m := range [...]string{"{{", "}}", "{%", "%}", "${", "$(", "<%", "%>", "[%", "%]", "%(", "@@", "%s", "%d"} {
		if strings.Contains(s, m) {
			return m
		}
	}
	for i := 0; i+1 < len(s); i++ {
		if s[i] == '$' && (i == 0 || s[i-1] != '\\') {
			return "$"
		}
	}
	if i := strings.Index(s, "__"); i >= 0 {
		rest := s[i+2:]
		if j := strings.Index(rest, "__"); j > 0 && strings.ToUpper(rest[:j]) == rest[:j] && strings.ContainsAny(rest[:j], "ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
			return s[i : i+2+j+2]
		}
	}
	return ""
}

// finish gives those warnings that wait and that nothing explained.
func (l *linter) finish(p *parser) {
	l.networks.sort()
	for _, w := range l.shallow {
		if !l.networks.mayLieBelow(w.f.Owner) {
			p.fs.Add(w.f)
		}
	}
	for _, w := range l.addresses {
		if !l.glue[w.key] {
			p.fs.Add(w.f)
		}
	}
	for _, w := range l.servers {
		if !l.hasAddr[w.key] {
			p.fs.Add(w.f)
		}
	}
}
