package zonefile

import (
	"encoding/hex"
	"fmt"
	"math"
	"strings"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// any reads the RDATA of a type that has no code here, through miekg/dns: the
// fields are put together as one line of text again and read by its parser.
func (r *rdata) any(t rr.Type) *fault {
	if len(r.toks) == 0 && t != typeAPL { // an APL may be empty (RFC 3123 §4)
		return r.last.behind("missing-field", "the data is missing; write it%s", formOf(t))
	}
	mnemonic, known := dns.TypeToString[uint16(t)]
	if known {
		_, known = dns.TypeToRR[uint16(t)]
	}
	if !known {
		return r.last.behind("unknown-form", `the data of %v cannot be read as text; write it as \# LENGTH HEX (RFC 3597 §5)`, t)
	}
	text, starts := joinFields(". 0 IN "+mnemonic, r.toks)
	out, err := viaLibrary(text, r.origin)
	if err != nil {
		reason, column := libraryError(err)
		at := 0
		for i, start := range starts {
			if start < column {
				at = i
			}
		}
		where := r.last
		if len(r.toks) > 0 {
			where = &r.toks[at]
		}
		return where.at(0, "bad-rdata", "%s%s", reason, formOf(t))
	}
	r.out = append(r.out, out...)
	return nil
}

const (
	typeNULL rr.Type = 10
	typeISDN rr.Type = 20
	typeAPL  rr.Type = 42
)

// joinFields writes fields as text on one line and returns where each starts.
func joinFields(head string, toks []token) (text string, starts []int) {
	var b strings.Builder
	b.WriteString(head)
	for _, t := range toks {
		b.WriteByte(' ')
		starts = append(starts, b.Len())
		if !t.quoted {
			b.Write(t.text)
			continue
		}
		b.WriteByte('"')
		b.WriteString(strings.ReplaceAll(string(t.text), "\\\n", `\010`))
		b.WriteByte('"')
	}
	b.WriteByte('\n')
	return b.String(), starts
}

// viaLibrary returns the RDATA of the one record that text is.
func viaLibrary(text string, origin dname.Name) ([]byte, error) {
	zp := dns.NewZoneParser(strings.NewReader(text), origin.String(), "")
	record, ok := zp.Next()
	if err := zp.Err(); err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("nothing can be read from it")
	}
	if _, more := zp.Next(); more {
		return nil, fmt.Errorf("it reads as more than one record")
	}
	return packRData(record)
}

// packRData returns the RDATA of a record in wire form, names uncompressed.
func packRData(record dns.RR) ([]byte, error) {
	record.Header().Name = "."
	buf := make([]byte, dns.Len(record)+64)
	for {
		n, err := dns.PackRR(record, buf, 0, nil, false)
		if err == nil {
			const head = 1 + 10 // root name, type, class, TTL, length
			if n-head > math.MaxUint16 {
				return nil, fmt.Errorf("the RDATA takes %d octets, at most 65535 are allowed", n-head)
			}
			return buf[head:n], nil
		}
		if len(buf) > 2*math.MaxUint16 {
			return nil, err
		}
		buf = make([]byte, 4*len(buf)) // Len may fall short of what packing needs
	}
}

// libraryError takes reason and column out of a library error, whose text is
// `dns: REASON: "TOKEN" at line: LINE:COLUMN`.
func libraryError(err error) (reason string, column int) {
	reason = strings.TrimPrefix(err.Error(), "dns: ")
	if i := strings.LastIndex(reason, " at line: "); i >= 0 {
		var line int
		fmt.Sscanf(reason[i:], " at line: %d:%d", &line, &column)
		reason = reason[:i]
	}
	for _, nothing := range [...]string{`: ""`, `: " "`, `: "\n"`} {
		if cut, ok := strings.CutSuffix(reason, nothing); ok {
			return cut + ": nothing is there", column
		}
	}
	return strings.ReplaceAll(reason, "\n", " "), column
}

// formOf describes the data of a type, for the end of a message.
func formOf(t rr.Type) string {
	form := ""
	switch t {
	case rr.TypeSRV:
		form = "priority weight port target (RFC 2782)"
	case rr.TypeNAPTR:
		form = `order preference "flags" "service" "regexp" replacement (RFC 3403)`
	case rr.TypeDS, rr.TypeCDS:
		form = "key-tag algorithm digest-type digest (RFC 4034 §5.3)"
	case rr.TypeDNSKEY, rr.TypeCDNSKEY, rr.TypeKEY:
		form = "flags protocol algorithm base64-key (RFC 4034 §2.2)"
	case rr.TypeRRSIG, rr.TypeSIG:
		form = "type-covered algorithm labels original-TTL expiration inception key-tag signer base64-signature (RFC 4034 §3.2)"
	case rr.TypeNSEC:
		form = "next-name types… (RFC 4034 §4.2)"
	case rr.TypeNSEC3:
		form = "hash-algorithm flags iterations salt next-hash types… (RFC 5155 §3.3)"
	case rr.TypeNSEC3PARAM:
		form = "hash-algorithm flags iterations salt (RFC 5155 §4.3)"
	case rr.TypeHINFO:
		form = `"CPU" "OS" (RFC 1035 §3.3.2)`
	case 17: // RP
		form = "mailbox-name text-name (RFC 1183 §2.2)"
	case 29: // LOC
		form = "latitude longitude altitude, as in 52 22 23 N 4 53 32 E -2m (RFC 1876 §3)"
	case 44: // SSHFP
		form = "algorithm fingerprint-type fingerprint (RFC 4255 §3.2)"
	case 52, 53: // TLSA, SMIMEA
		form = "usage selector matching-type data (RFC 6698 §2.2)"
	case 257: // CAA
		form = `flags tag "value" (RFC 8659 §4.1)`
	case 256: // URI
		form = `priority weight "target" (RFC 7553 §4.5)`
	case rr.TypeSVCB, rr.TypeHTTPS:
		form = "priority target key=value… (RFC 9460 §2.1)"
	case rr.TypeZONEMD:
		form = "serial scheme hash-algorithm digest (RFC 8976 §2.3)"
	default:
		return ""
	}
	return fmt.Sprintf("; the data of %v is: %s", t, form)
}

// generic takes `\# length hex…`, which serves for every type (RFC 3597 §5). What
// it gives for a type with a known form must be of that form.
func (r *rdata) generic(t rr.Type) *fault {
	sign, _ := r.next("")
	length, missing := r.next("length")
	if missing != nil {
		return missing
	}
	n, ok := parseUint(length.text, math.MaxUint16)
	if !ok || length.quoted {
		return length.at(0, "bad-number", "length %s is not a whole number from 0 to 65535", quote(length.text))
	}
	var digits []byte
	for len(r.toks) > 0 {
		tok, _ := r.next("")
		if tok.quoted {
			return tok.at(-1, "bad-hex", "write hexadecimal digits without quotes")
		}
		for i, c := range tok.text {
			if _, ok := dname.NibbleLabel([]byte{c}); !ok {
				return tok.at(i, "bad-hex", "%q is not a hexadecimal digit", c)
			}
		}
		digits = append(digits, tok.text...)
	}
	if uint64(len(digits)) != 2*n {
		return length.at(0, "bad-length", `\# states %d octets, but %d hexadecimal digits follow; two make an octet`, n, len(digits))
	}
	r.out = append(r.out, make([]byte, n)...)
	hex.Decode(r.out, digits)
	if reason := CheckRData(t, r.out); reason != "" {
		return sign.at(0, "bad-rdata", "the octets are no RDATA of type %v: %s", t, reason)
	}
	return nil
}

// CheckRData returns why data cannot be uncompressed RDATA of type t; empty if
// it can, or nothing is known of the type.
func CheckRData(t rr.Type, data []byte) (reason string) {
	known := false
	if _, ok := dns.TypeToRR[uint16(t)]; ok && t != typeNULL {
		known = true
	}
	switch {
	case !known:
		return ""
	case len(data) == 0 && t != typeAPL:
		return "there are none"
	case t == typeISDN && len(data) == 1+int(data[0]):
		return "" // RFC 1183 §3.2: the subaddress is optional, which the library does not know
	}
	if n := rr.NamesIn(t); n.Count > 0 {
		rest := data[min(n.Skip, len(data)):]
		for range n.Count {
			name := dname.FromWire(rest)
			if name == nil {
				return "a name is expected, uncompressed"
			}
			rest = rest[len(name):]
		}
	}
	record, _, err := dns.UnpackRRWithHeader(dns.RR_Header{
		Name: ".", Rrtype: uint16(t), Class: dns.ClassINET, Rdlength: uint16(len(data)),
	}, data, 0)
	if err != nil {
		return strings.TrimPrefix(err.Error(), "dns: ")
	}
	if packed, err := packRData(record); err != nil {
		return strings.TrimPrefix(err.Error(), "dns: ")
	} else if len(packed) > len(data) {
		return "they are too few, or a name in them is compressed"
	}
	return ""
}
