package zonefile

import (
	"bytes"
	"encoding/binary"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/spelling"
)

// Nearly all lines of a reverse zone are PTRs of one shape, and a file may have
// millions of them. Those are read here, straight from the lexer's window into wire
// form. A line is simple if it is empty, or if it is
//
//	[owner] [TTL] [class] PTR|NS|CNAME target [; comment]
//
// with names of letters, digits, hyphens, slashes and dots, and nothing to report. What is
// not is left, untouched, to the parser of all lines, so that there is one place
// that reports what is wrong, and everything here means the same as there.

// nameText marks the octets of a name that need no special handling.
// It is read only.
var nameText = func() (t [256]bool) {
	for c := range t {
		t[c] = c == '-' || isDigit(byte(c)) || isLetter(byte(c))
	}
	return t
}()

// simple reads the simple lines at the start of the unread text, up to the first
// that is not.
func (p *parser) simple(f *frame) {
	l := f.lex
	text := l.buf[:l.lines+slack]
	pos, line := l.pos, l.line
	for pos < l.lines {
		n := p.simpleLine(f, text[pos:], line)
		if n == 0 {
			break
		}
		pos += n
		line++
	}
	l.pos, l.line = pos, line
}

// simpleLine reads the line of that number at the start of text, where whole lines
// and slack are. It returns its length with the line's end, or 0 and has done
// nothing if the line is not simple.
func (p *parser) simpleLine(f *frame, text []byte, line int) int {
	o := f.owner
	i, given := 0, nameText[text[0]]
	if given {
		o = f.spare
		if i = f.simpleOwner(text); i == 0 || classes[text[i]] != blank {
			return 0
		}
	}
	for classes[text[i]] == blank {
		i++
	}
	if !given {
		if n := lineEnd(text[i:]); n > 0 {
			return i + n
		}
		if i == 0 || o.name == nil || f.ownerIsBad || f.afterOrigin {
			return 0
		}
	}
	start := i
	if given {
		start = 0
	}
	h, n := readSimpleHead(text[i:])
	if n == 0 {
		return 0
	}
	i += n
	ttl, ok := h.ttl, h.hasTTL
	if !ok {
		if ttl, ok = p.quietTTL(h.typ); !ok {
			return 0
		}
	}
	n, absolute := scanName(&p.target, text[i:])
	if n == 0 {
		return 0
	}
	wire := f.complete(&p.target, n, absolute)
	if wire > dname.MaxWire {
		return 0
	}
	target := text[i : i+n]
	i += n
	for classes[text[i]] == blank {
		i++
	}
	n = lineEnd(text[i:])
	if n == 0 {
		return 0
	}
	if h.typ == rr.TypeNS && (!given && o.name.IsWildcard() || spelling.HostFault(dname.Name(p.target[:wire]), "") != "") {
		return 0
	}
	if p.lint.reverse {
		if o.address.Family == dname.Forward && (given || h.typ == rr.TypePTR) || !f.isQuietTarget(target, absolute, h.typ) {
			return 0
		}
		if h.typ == rr.TypePTR {
			p.lint.networks.add(o.address)
		}
	}

	if given {
		f.swapOwner()
		f.ownerIsBad, f.afterOrigin = false, false
	}
	if h.hasTTL {
		p.lastTTL, p.hasLastTTL = ttl, true
	}
	p.res.Records++
	p.emit(zone.Record{Owner: o.name, Type: h.typ, TTL: ttl, Data: p.target[:wire:wire], Tag: f.id.Tag(line, start+1)})
	return i + n
}

// simpleOwner reads the owner name at the start of text into the frame's spare one
// and returns the length of the text; 0 if it is not simple.
func (f *frame) simpleOwner(text []byte) int {
	o := f.spare
	n, absolute := f.scanNibbles(&o.room, text)
	isNibbles := n > 0
	if !isNibbles {
		if n, absolute = scanName(&o.room, text); n == 0 || isMnemonic(text[:n]) {
			return 0
		}
	}
	wire := f.complete(&o.room, n, absolute)
	if wire > dname.MaxWire {
		return 0
	}
	o.name, o.address.Family = o.room[:wire:wire], dname.Forward
	if !o.name.Address(&o.address) && isNibbles {
		return 0
	}
	return n
}

// complete appends the origin to the name that was made from n octets of text, if
// it is relative, and returns how long it then is: perhaps too long.
func (f *frame) complete(room *nameRoom, n int, absolute bool) int {
	if absolute {
		return n + 1
	}
	copy(room[n+1:], f.origin)
	return n + 1 + len(f.origin)
}

// scanNibbles is scanName for what is likely the name of an IPv6 address. It is
// faster, as the length is known beforehand.
func (f *frame) scanNibbles(room *nameRoom, text []byte) (n int, absolute bool) {
	if f.place.family == dname.IP6 && f.place.address < 32 {
		nibbles := 32 - f.place.address
		if n = 2*nibbles - 1; n+slack < len(text) && classes[text[n]] == blank && scanNibbles(room, text, nibbles) {
			return n, false
		}
	}
	n = scanIP6(room, text)
	return n, true
}

// simpleHead is head for simple lines.
type simpleHead struct {
	typ    rr.Type
	ttl    uint32
	hasTTL bool
}

// readSimpleHead reads what is between owner and RDATA and the white space
// behind it. It returns its length; 0 if it is not simple.
func readSimpleHead(text []byte) (h simpleHead, n int) {
	hasClass := false
	for {
		i := n
		w := binary.LittleEndian.Uint64(text[i:])
		switch letters := w | 0x202020202020; {
		case letters&0xffffff == 'p'|'t'<<8|'r'<<16:
			h.typ = rr.TypePTR
			i += 3
		case letters&0xffff == 'i'|'n'<<8 && !hasClass:
			hasClass = true
			i += 2
		case letters&0xffff == 'n'|'s'<<8:
			h.typ = rr.TypeNS
			i += 2
		case letters&0xffffffffff == 'c'|'n'<<8|'a'<<16|'m'<<24|'e'<<32:
			h.typ = rr.TypeCNAME
			i += 5
		case isDigit(text[i]) && !h.hasTTL:
			for nameText[text[i]] {
				i++
			}
			v, k := rr.ParsePeriod(text[n:i])
			if k != rr.IsPeriod || v > maxTTL {
				return h, 0
			}
			h.ttl, h.hasTTL = v, true
		default:
			return h, 0
		}
		if classes[text[i]] != blank {
			return h, 0
		}
		for classes[text[i]] == blank {
			i++
		}
		n = i
		if h.typ != 0 {
			return h, n
		}
	}
}

// lineEnd returns the length of the end of the line that text starts with, a
// comment included; 0 if the line goes on or ends in an odd way.
func lineEnd(text []byte) int {
	switch text[0] {
	case '\n':
		return 1
	case '\r':
		if text[1] == '\n' {
			return 2
		}
	case ';':
		n := bytes.IndexByte(text, '\n')
		if r := bytes.IndexByte(text[:n], '\r'); r < 0 || r == n-1 {
			return n + 1
		}
	}
	return 0
}

// isQuietTarget reports whether the linter certainly has no finding about a
// target, which has letters, digits, hyphens, slashes and dots only.
func (f *frame) isQuietTarget(text []byte, absolute bool, t rr.Type) bool {
	last := len(text) - 1
	if absolute {
		last--
	}
	if !isLetter(text[0]) && !isLetter(text[last]) {
		return false // perhaps an address
	}
	if !absolute {
		return f.place.isForward
	}
	return t == rr.TypeCNAME || !endsInArpa(text)
}

func isLetter(c byte) bool { return (c|0x20)-'a' < 26 }

// endsInArpa reports whether an absolute name lies below arpa.
func endsInArpa(text []byte) bool {
	const arpa = ".arpa."
	n := len(text) - len(arpa)
	return n > 0 && bytes.EqualFold(text[n:], []byte(arpa))
}
