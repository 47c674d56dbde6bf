package hosted

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonefile"
)

// Types are the types of records that a hosted zone can have, in the order of the API's
// messages.
var Types = []string{"SOA", "A", "TXT", "NS", "CNAME", "MX", "NAPTR", "PTR", "SRV", "SPF", "AAAA", "CAA", "DS", "TLSA", "SSHFP", "SVCB", "HTTPS"}

// MaxValue is the largest number of characters of a value.
const MaxValue = 4000

// Value is the text of a record and the RDATA that it stands for.
type Value struct {
	Text string
	Data []byte
}

// ParseValue reads the text of a record as the API has it: names are absolute with or without
// their final dot, and \ooo is an octet in octal. The error is worded as that of the API.
func ParseValue(t rr.Type, text string) (Value, error) {
	v := Value{Text: text}
	if strings.HasPrefix(strings.TrimSpace(text), `\#`) {
		return v, illegal(text, "UnparseableResourceRecord (the form \\# of RFC 3597 is not accepted; write the value in the form of its type)")
	}
	if (t == rr.TypeTXT || t == typeSPF) && !isQuoted(text) {
		return v, illegal(text, "InvalidCharacterString (Value should be enclosed in quotation marks)")
	}
	data, err := zonefile.ParseRData(t, toDecimal(text), dname.Root())
	if err != nil {
		return v, illegal(text, "%s", reason(t, text, err))
	}
	v.Data = data
	return v, nil
}

func illegal(text, format string, args ...any) error {
	//lint:ignore ST1005 the text of Amazon's API
	return fmt.Errorf("Invalid Resource Record: 'FATAL problem: %s encountered with '%s''", fmt.Sprintf(format, args...), text)
}

// reason returns the API's name for what is wrong with a value, as far as it is known, and
// ours in any case.
func reason(t rr.Type, text string, err error) string {
	switch t {
	case rr.TypeA:
		if _, bad := netip.ParseAddr(strings.TrimSpace(text)); bad != nil || strings.Contains(text, ":") {
			return "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"
		}
	case rr.TypeAAAA:
		if a, bad := netip.ParseAddr(strings.TrimSpace(text)); bad != nil || a.Is4() {
			return "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)"
		}
	case rr.TypeTXT, typeSPF:
		if strings.Contains(err.Error(), "255") {
			return "CharacterStringTooLong (Value is too long)"
		}
	}
	return fmt.Sprintf("UnparseableResourceRecord (%v)", err)
}

const typeSPF rr.Type = 99

// isQuoted reports whether a text is quoted strings alone.
func isQuoted(text string) bool {
	rest := strings.TrimSpace(text)
	for ok := rest != ""; ok; rest = strings.TrimLeft(rest, " \t") {
		if rest == "" {
			return true
		}
		if rest[0] != '"' {
			return false
		}
		end := 1
		for end < len(rest) && rest[end] != '"' {
			if rest[end] == '\\' {
				end++
			}
			end++
		}
		if end >= len(rest) {
			return false
		}
		rest = rest[end+1:]
	}
	return false
}

// toDecimal returns text with its octal escapes as the decimal ones of master files.
func toDecimal(text string) string {
	return eachEscape(text, func(b []byte, digits string) []byte {
		if v, ok := octal(digits); ok {
			return fmt.Appendf(b, `\%03d`, v)
		}
		return append(append(b, '\\'), digits...)
	})
}

// toOctal returns text with the decimal escapes of master files as octal ones.
func toOctal(text string) string {
	return eachEscape(text, func(b []byte, digits string) []byte {
		v := (int(digits[0]-'0')*10+int(digits[1]-'0'))*10 + int(digits[2]-'0')
		return fmt.Appendf(b, `\%03o`, v)
	})
}

// eachEscape returns text with what replace appends in place of a backslash and three digits.
func eachEscape(text string, replace func(b []byte, digits string) []byte) string {
	if strings.IndexByte(text, '\\') < 0 {
		return text
	}
	var b []byte
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] != '\\' || i+1 == len(text):
			b = append(b, text[i])
		case i+3 < len(text) && isDigit(text[i+1]) && isDigit(text[i+2]) && isDigit(text[i+3]):
			b = replace(b, text[i+1:i+4])
			i += 3
		default:
			b = append(b, text[i], text[i+1])
			i++
		}
	}
	return string(b)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// textOf returns the text of RDATA.
func textOf(t rr.Type, data []byte) string { return toOctal(rr.Text(t, data)) }

// rrset is an RRset of a hosted zone. Without values there is none.
type rrset struct {
	ttl    uint32
	values []Value
	alias  *Alias // that has these values from another RRset; nil: they are its own
}

// submitted is the text of an RRset as a client submitted it, where that differs from ours.
type submitted struct {
	sum   [8]byte // of the RDATA that it stands for; it is ignored where the zone has others
	texts []string
}

// facts are what is known of RRsets besides their data, by rr.Key.
type facts interface {
	text(key string) (submitted, bool)
	alias(key string) *Alias
	aliasesOf(target string) []string
}

// sumOf returns the sum of RDATA, whatever the serial of an SOA.
func sumOf(t rr.Type, values []Value) (sum [8]byte) {
	h := sha256.New()
	list := make([][]byte, len(values))
	for i, v := range values {
		list[i] = v.Data
		if t == rr.TypeSOA {
			list[i] = zone.SOAWithSerial(v.Data, 0)
		}
	}
	slices.SortFunc(list, bytes.Compare)
	for _, d := range list {
		h.Write(binary.BigEndian.AppendUint16(nil, uint16(len(d))))
		h.Write(d)
	}
	copy(sum[:], h.Sum(nil))
	return sum
}

// readSet returns the RRset of a zone, with the texts that were submitted. The serial of an
// SOA is the submitted one.
func readSet(z *zone.Zone, owner dname.Name, t rr.Type, known facts) (s rrset, ok bool) {
	set, ok := z.Get(owner, t)
	if !ok {
		return rrset{alias: known.alias(rr.Key(owner, t))}, false
	}
	return asSet(owner, &set, known), true
}

// asSet is readSet of an RRset that was found already.
func asSet(owner dname.Name, set *zone.RRset, known facts) rrset {
	t := set.Type
	s := rrset{ttl: set.TTL}
	for data := range set.Values() {
		s.values = append(s.values, Value{Data: data})
	}
	key := rr.Key(owner, t)
	if s.alias = known.alias(key); s.alias != nil {
		return s
	}
	if sub, has := known.text(key); has && sub.sum == sumOf(t, s.values) {
		list := make([]Value, 0, len(sub.texts))
		for _, text := range sub.texts {
			v, err := ParseValue(t, text)
			if err != nil { // a later version reads it in another way
				break
			}
			list = append(list, v)
		}
		if len(list) == len(s.values) {
			s.values = list
			return s
		}
	}
	for i := range s.values {
		s.values[i].Text = textOf(t, s.values[i].Data)
	}
	return s
}

// equal reports whether both have the same TTL and RDATA.
func (s *rrset) equal(t rr.Type, b *rrset) bool {
	if s.alias != nil || b.alias != nil {
		return s.alias.equal(b.alias)
	}
	if s.ttl != b.ttl || len(s.values) != len(b.values) {
		return false
	}
	order := func(list []Value) []Value {
		return slices.SortedFunc(slices.Values(list), func(x, y Value) int { return bytes.Compare(x.Data, y.Data) })
	}
	return slices.EqualFunc(order(s.values), order(b.values), func(x, y Value) bool { return rr.EqualData(t, x.Data, y.Data) })
}

// records returns the records of an RRset.
func (s *rrset) records(owner dname.Name, t rr.Type) (list []zone.Record) {
	for _, v := range s.values {
		list = append(list, zone.Record{Owner: owner, Type: t, TTL: s.ttl, Data: v.Data})
	}
	return list
}

// note returns the note of an RRset's text: without a value if the text is ours.
func (s *rrset) note(owner dname.Name, t rr.Type) (zone.Note, submitted) {
	n := zone.Note{Key: noteText + rr.Key(owner, t)}
	if s.alias != nil {
		return n, submitted{}
	}
	own := t != rr.TypeSOA // its serial is ours
	for _, v := range s.values {
		own = own && v.Text == textOf(t, v.Data)
	}
	if own || len(s.values) == 0 {
		return n, submitted{}
	}
	sub := submitted{sum: sumOf(t, s.values)}
	n.Value = append(n.Value, sub.sum[:]...)
	for _, v := range s.values {
		sub.texts = append(sub.texts, v.Text)
		n.Value = append(binary.AppendUvarint(n.Value, uint64(len(v.Text))), v.Text...)
	}
	return n, sub
}

// readNote reads the value of a note.
func readNote(b []byte) (s submitted, ok bool) {
	if len(b) < len(s.sum) {
		return s, false
	}
	b = b[copy(s.sum[:], b):]
	for len(b) > 0 {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return s, false
		}
		b = b[size:]
		s.texts = append(s.texts, string(b[:n]))
		b = b[n:]
	}
	return s, true
}
