package zonefile

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// rdata turns the fields behind a type into RDATA in wire form. It is used again
// for one record after the other.
type rdata struct {
	out    []byte
	origin dname.Name
	toks   []token
	last   *token // that was taken; where something missing is reported
	names  []nameField
}

// nameField is a name that RDATA was made from.
type nameField struct {
	tok  token
	form nameForm
	off  int // in out
}

// ParseRData reads RDATA of type t in presentation form, as it follows the
// type in a master file; relative names start at origin. The error's text starts
// with the column, counted from 1 in octets of text.
func ParseRData(t rr.Type, text string, origin dname.Name) ([]byte, error) {
	if t.IsMeta() {
		return nil, fmt.Errorf("%v is not a type of stored data (RFC 6895 §3.1)", t)
	}
	var lex lexer
	lex.reset([]byte(strings.TrimRight(text, " \t\r\n")))
	lex.next()
	bad := lex.fault
	if bad == nil && lex.pos < lex.end {
		bad = &fault{line: lex.line, col: 1, text: "more than one line; write the data of one record, in parentheses if it needs more lines"}
	}
	var r rdata
	if bad == nil {
		bad = r.read(t, &token{line: 1, col: 1}, lex.toks, origin)
	}
	switch {
	case bad == nil:
		return r.out, nil
	case bad.line > 1:
		return nil, fmt.Errorf("line %d, column %d: %s", bad.line, bad.col, bad.text)
	}
	return nil, fmt.Errorf("column %d: %s", bad.col, bad.text)
}

// read makes out from toks. typ is the token of the type.
func (r *rdata) read(t rr.Type, typ *token, toks []token, origin dname.Name) *fault {
	r.out, r.names = r.out[:0], r.names[:0]
	r.origin, r.toks, r.last = origin, toks, typ
	if len(toks) > 0 && !toks[0].quoted && string(toks[0].text) == `\#` {
		return r.generic(t)
	}
	var bad *fault
	switch t {
	case rr.TypePTR, rr.TypeNS, rr.TypeCNAME, rr.TypeDNAME:
		bad = r.name(targetField(t))
	case rr.TypeA, rr.TypeAAAA:
		bad = r.address(t)
	case rr.TypeMX:
		if bad = r.number("preference", math.MaxUint16, 2); bad == nil {
			bad = r.name("exchange")
		}
	case rr.TypeTXT:
		bad = r.strings()
	case rr.TypeSOA:
		bad = r.soa()
	default:
		return r.any(t)
	}
	if bad != nil {
		return bad
	}
	if len(r.toks) > 0 {
		return extra(&r.toks[0])
	}
	if len(r.out) > math.MaxUint16 {
		return typ.at(0, "long-rdata", "the RDATA takes %d octets, at most 65535 are allowed", len(r.out))
	}
	return nil
}

func targetField(t rr.Type) string {
	if t == rr.TypeNS {
		return "name server"
	}
	return "target"
}

// extra is the fault of a field behind the last one.
func extra(t *token) *fault {
	hint := "remove it, or put ; before it if it is a comment"
	if strings.HasPrefix(string(t.text), "#") || strings.HasPrefix(string(t.text), "//") {
		hint = "a comment starts with ;"
	}
	return t.at(0, "extra-field", "%s follows the last field; %s", quote(t.text), hint)
}

// next takes the next field, called what in a message if there is none.
func (r *rdata) next(what string) (*token, *fault) {
	if len(r.toks) == 0 {
		return nil, r.last.behind("missing-field", "the %s is missing; write it", what)
	}
	r.last = &r.toks[0]
	r.toks = r.toks[1:]
	return r.last, nil
}

// name takes a field that is a domain name.
func (r *rdata) name(what string) *fault {
	t, missing := r.next(what)
	if missing != nil {
		return missing
	}
	if t.quoted {
		return t.at(-1, "quoted-name", "the %s %s is in quotes; write the name without them", what, quote(t.text))
	}
	off := len(r.out)
	out, form, bad := appendName(r.out, t.text, r.origin)
	if bad != nil {
		return t.at(bad.offset, "bad-name", "%s %s: %s", what, quote(t.text), bad.text)
	}
	r.out = out
	r.names = append(r.names, nameField{*t, form, off})
	return nil
}

// number takes a field that is a decimal number and appends it as width octets.
func (r *rdata) number(what string, limit uint64, width int) *fault {
	t, missing := r.next(what)
	if missing != nil {
		return missing
	}
	v, ok := parseUint(t.text, limit)
	if !ok || t.quoted {
		return t.at(0, "bad-number", "%s %s is not a whole number from 0 to %d", what, quote(t.text), limit)
	}
	for i := width - 1; i >= 0; i-- {
		r.out = append(r.out, byte(v>>(8*i)))
	}
	return nil
}

func (r *rdata) address(t rr.Type) *fault {
	tok, missing := r.next("address")
	if missing != nil {
		return missing
	}
	a, err := netip.ParseAddr(string(tok.text))
	switch {
	case err != nil || tok.quoted || a.Zone() != "":
		example := "192.0.2.1"
		if t == rr.TypeAAAA {
			example = "2001:db8::1"
		}
		return tok.at(0, "bad-address", "%s is not an address; write one like %s", quote(tok.text), example)
	case t == rr.TypeA && !a.Is4():
		return tok.at(0, "bad-address", "%s is an IPv6 address; use type AAAA for it", tok.text)
	case t == rr.TypeAAAA && a.Is4():
		return tok.at(0, "bad-address", "%s is an IPv4 address; use type A for it", tok.text)
	}
	r.out = append(r.out, a.AsSlice()...)
	return nil
}

// strings takes all the fields as character strings (RFC 1035 §3.3.14).
func (r *rdata) strings() *fault {
	for first := true; first || len(r.toks) > 0; first = false {
		t, missing := r.next("text")
		if missing != nil {
			return missing
		}
		length := len(r.out)
		r.out = append(r.out, 0)
		for i := 0; i < len(t.text); i++ {
			c := t.text[i]
			if c == '\\' {
				v, n, reason := unescape(t.text[i:])
				if reason != "" {
					return t.at(i, "bad-string", "%s", reason)
				}
				c = v
				i += n - 1
			}
			r.out = append(r.out, c)
		}
		n := len(r.out) - length - 1
		if n > math.MaxUint8 {
			return t.at(0, "long-string", `a string of %d octets, at most 255 are allowed; split it into several quoted strings`, n)
		}
		r.out[length] = byte(n)
	}
	return nil
}

// soa takes MNAME RNAME SERIAL REFRESH RETRY EXPIRE MINIMUM (RFC 1035 §3.3.13).
func (r *rdata) soa() *fault {
	if bad := r.name("primary name server (MNAME)"); bad != nil {
		return bad
	}
	if bad := r.name("contact (RNAME)"); bad != nil {
		return bad
	}
	t, missing := r.next("SERIAL")
	if missing != nil {
		return missing
	}
	serial, ok := parseUint(t.text, math.MaxUint32)
	if !ok || t.quoted {
		return t.at(0, "bad-serial", "SERIAL %s is not a whole number from 0 to 4294967295; write one%s", quote(t.text), serialHint(t.text))
	}
	r.out = binary.BigEndian.AppendUint32(r.out, uint32(serial))
	for _, what := range [...]string{"REFRESH", "RETRY", "EXPIRE", "MINIMUM"} {
		t, missing := r.next(what)
		if missing != nil {
			return missing
		}
		v, k := parsePeriod(t.text)
		if k != isPeriod || t.quoted {
			return t.at(0, "bad-number", "%s %s is not a time; write seconds up to 4294967295, or units as in 1h30m", what, quote(t.text))
		}
		r.out = binary.BigEndian.AppendUint32(r.out, v)
	}
	return nil
}

func serialHint(text []byte) string {
	s := string(text)
	switch {
	case strings.Count(s, ".") == 1:
		return " without a dot, higher than any that the zone has had, such as 2026010101"
	case len(s) > 10 && strings.Trim(s, "0123456789") == "":
		return " of at most ten digits, such as 2026010101 (year, month, day, and a counter)"
	}
	return ", such as 2026010101"
}
