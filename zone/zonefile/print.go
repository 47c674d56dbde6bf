package zonefile

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net/netip"
	"strconv"
	"strings"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Write writes a zone as a canonical master file: one record a line, all names
// absolute, `owner TTL IN type data`, in the order of [zone.Zone.All].
func Write(w io.Writer, z *zone.Zone) error {
	b := bufio.NewWriterSize(w, 64<<10)
	var line []byte
	for r := range z.All() {
		line = AppendRecord(line[:0], r)
		line = append(line, '\n')
		if _, err := b.Write(line); err != nil {
			return err
		}
	}
	return b.Flush()
}

// AppendRecord appends the text of a record, without an end of line.
func AppendRecord(dst []byte, r zone.Record) []byte {
	dst = appendNameText(dst, r.Owner)
	dst = append(dst, ' ')
	dst = strconv.AppendUint(dst, uint64(r.TTL), 10)
	dst = append(dst, " IN "...)
	dst = append(dst, r.Type.String()...)
	dst = append(dst, ' ')
	return AppendRData(dst, r.Type, r.Data)
}

// RData returns the presentation form of RDATA in wire form; what is no RDATA of
// type t, or of no known type, comes in the generic form of RFC 3597 §5. What it
// returns is read back as the same octets.
func RData(t rr.Type, data []byte) string { return string(AppendRData(nil, t, data)) }

// AppendRData appends what RData returns.
func AppendRData(dst []byte, t rr.Type, data []byte) []byte {
	before := len(dst)
	ok := false
	switch t {
	case rr.TypePTR, rr.TypeNS, rr.TypeCNAME, rr.TypeDNAME:
		dst, ok = appendNames(dst, data, 1, 0)
	case rr.TypeA:
		if ok = len(data) == 4; ok {
			dst = netip.AddrFrom4([4]byte(data)).AppendTo(dst)
		}
	case rr.TypeAAAA:
		if ok = len(data) == 16; ok {
			dst = netip.AddrFrom16([16]byte(data)).AppendTo(dst)
		}
	case rr.TypeMX:
		if len(data) > 2 {
			dst = strconv.AppendUint(dst, uint64(binary.BigEndian.Uint16(data)), 10)
			dst = append(dst, ' ')
			dst, ok = appendNames(dst, data[2:], 1, 0)
		}
	case rr.TypeTXT:
		dst, ok = appendStrings(dst, data)
	case rr.TypeSOA:
		if len(data) > 20 {
			if dst, ok = appendNames(dst, data, 2, 20); ok {
				for n := data[len(data)-20:]; len(n) > 0; n = n[4:] {
					dst = append(dst, ' ')
					dst = strconv.AppendUint(dst, uint64(binary.BigEndian.Uint32(n)), 10)
				}
			}
		}
	default:
		dst, ok = appendByLibrary(dst, t, data)
	}
	if ok {
		return dst
	}
	dst = append(dst[:before], `\# `...)
	dst = strconv.AppendInt(dst, int64(len(data)), 10)
	if len(data) > 0 {
		dst = append(dst, ' ')
		dst = hex.AppendEncode(dst, data)
	}
	return dst
}

// appendNames appends the count names that data consists of, but for rest octets
// behind them.
func appendNames(dst, data []byte, count, rest int) ([]byte, bool) {
	for i := range count {
		n := dname.FromWire(data)
		if n == nil {
			return dst, false
		}
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = appendNameText(dst, n)
		data = data[len(n):]
	}
	return dst, len(data) == rest
}

// appendNameText appends what n.String() returns, without the string where the
// name is of letters, digits and hyphens.
func appendNameText(dst []byte, n dname.Name) []byte {
	before := len(dst)
	for i := 0; i < len(n) && n[i] != 0; i += 1 + int(n[i]) {
		label := n[i+1 : i+1+int(n[i])]
		for _, c := range label {
			if !nameText[c] {
				return append(dst[:before], n.String()...)
			}
		}
		dst = append(append(dst, label...), '.')
	}
	if len(dst) == before {
		dst = append(dst, '.')
	}
	return dst
}

func appendStrings(dst, data []byte) ([]byte, bool) {
	for first := true; first || len(data) > 0; first = false {
		if len(data) == 0 || len(data) < 1+int(data[0]) {
			return dst, false
		}
		if !first {
			dst = append(dst, ' ')
		}
		dst = append(dst, '"')
		for _, c := range data[1 : 1+int(data[0])] {
			switch {
			case c == '"' || c == '\\':
				dst = append(dst, '\\', c)
			case c < ' ' || c >= 0x7f:
				dst = append(dst, '\\', '0'+c/100, '0'+c/10%10, '0'+c%10)
			default:
				dst = append(dst, c)
			}
		}
		dst = append(dst, '"')
		data = data[1+int(data[0]):]
	}
	return dst, true
}

// appendByLibrary appends the text that miekg/dns has for the RDATA, if reading
// that text gives the same octets again.
func appendByLibrary(dst []byte, t rr.Type, data []byte) ([]byte, bool) {
	if _, known := dns.TypeToRR[uint16(t)]; !known || t.IsMeta() || len(data) == 0 && t != typeAPL || len(data) > 0xffff {
		return dst, false
	}
	record, _, err := dns.UnpackRRWithHeader(dns.RR_Header{
		Name: ".", Rrtype: uint16(t), Class: dns.ClassINET, Rdlength: uint16(len(data)),
	}, data, 0)
	if err != nil {
		return dst, false
	}
	text := strings.TrimPrefix(record.String(), record.Header().String())
	if again, err := ParseRData(t, text, dname.Root()); err != nil || string(again) != string(data) {
		return dst, false
	}
	return append(dst, text...), true
}
