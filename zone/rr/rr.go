// Package rr has the numbers and mnemonics of types and classes (IANA registry "Domain Name
// System (DNS) Parameters"), and the positions of domain names in RDATA. It is independent of
// zones and messages. A new type is added to its tables.
package rr

import (
	"strconv"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
)

// Type is an RR type (TYPE or QTYPE, RFC 1035 §3.2.2).
type Type uint16

// Class is an RR class (CLASS or QCLASS, RFC 1035 §3.2.4).
type Class uint16

// The types that ptrd's code speaks of.
const (
	TypeNone       Type = 0
	TypeA          Type = 1
	TypeNS         Type = 2
	TypeCNAME      Type = 5
	TypeSOA        Type = 6
	TypePTR        Type = 12
	TypeHINFO      Type = 13
	TypeMX         Type = 15
	TypeTXT        Type = 16
	TypeSIG        Type = 24
	TypeKEY        Type = 25
	TypeAAAA       Type = 28
	TypeSRV        Type = 33
	TypeNAPTR      Type = 35
	TypeDNAME      Type = 39
	TypeOPT        Type = 41
	TypeDS         Type = 43
	TypeRRSIG      Type = 46
	TypeNSEC       Type = 47
	TypeDNSKEY     Type = 48
	TypeDHCID      Type = 49
	TypeNSEC3      Type = 50
	TypeNSEC3PARAM Type = 51
	TypeCDS        Type = 59
	TypeCDNSKEY    Type = 60
	TypeCSYNC      Type = 62
	TypeZONEMD     Type = 63
	TypeSVCB       Type = 64
	TypeHTTPS      Type = 65
	TypeNXNAME     Type = 128
	TypeTKEY       Type = 249
	TypeTSIG       Type = 250
	TypeIXFR       Type = 251
	TypeAXFR       Type = 252
	TypeMAILB      Type = 253
	TypeMAILA      Type = 254
	TypeANY        Type = 255
)

// The classes.
const (
	ClassIN   Class = 1
	ClassCH   Class = 3
	ClassHS   Class = 4
	ClassNONE Class = 254
	ClassANY  Class = 255
)

// IsMeta reports whether t is a pseudo-type or a QTYPE, which no zone can hold
// (RFC 6895 §3.1: OPT and 128 to 255).
func (t Type) IsMeta() bool { return t == TypeOPT || t >= 128 && t <= 255 || t == TypeNone }

// String returns the mnemonic, or TYPEn for a type without one (RFC 3597 §5).
func (t Type) String() string {
	if s, ok := mnemonic(t); ok {
		return s
	}
	return "TYPE" + strconv.Itoa(int(t))
}

// ParseType reads a mnemonic in either case, or TYPEn.
func ParseType(s string) (Type, bool) {
	if len(s) > 10 {
		return 0, false
	}
	u := upper(s)
	if n, ok := strings.CutPrefix(u, "TYPE"); ok {
		if v, err := strconv.ParseUint(n, 10, 16); err == nil {
			return Type(v), true
		}
	}
	return byMnemonic(u)
}

// upper returns s with ASCII letters in upper case. strings.ToUpper would make an
// S of a long s.
func upper(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'a' && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}

// String returns the mnemonic, or CLASSn (RFC 3597 §5).
func (c Class) String() string {
	switch c {
	case ClassIN:
		return "IN"
	case ClassCH:
		return "CH"
	case ClassHS:
		return "HS"
	case ClassNONE:
		return "NONE"
	case ClassANY:
		return "ANY"
	}
	return "CLASS" + strconv.Itoa(int(c))
}

// ParseClass reads a mnemonic in either case, or CLASSn.
func ParseClass(s string) (Class, bool) {
	if len(s) < 2 || len(s) > 10 {
		return 0, false
	}
	switch u := upper(s); u {
	case "IN":
		return ClassIN, true
	case "CH":
		return ClassCH, true
	case "HS":
		return ClassHS, true
	default:
		if n, ok := strings.CutPrefix(u, "CLASS"); ok {
			if v, err := strconv.ParseUint(n, 10, 16); err == nil {
				return Class(v), true
			}
		}
	}
	return 0, false
}

// Names describes the domain names in the RDATA of a type: Skip octets, then
// Count names, then whatever follows.
type Names struct {
	Skip, Count int
	Compress    bool // may be compressed in a message (RFC 3597 §4: types of RFC 1035 only)
}

// NamesIn returns where the names in RDATA of type t lie; the zero Names for a
// type without names, or whose names are neither compressed nor followed.
func NamesIn(t Type) Names {
	switch t {
	case TypeNS, TypeCNAME, TypePTR:
		return Names{0, 1, true}
	case TypeSOA:
		return Names{0, 2, true}
	case TypeMX:
		return Names{2, 1, true}
	case 3, 4, 7, 8, 9: // MD MF MB MG MR
		return Names{0, 1, true}
	case 14: // MINFO
		return Names{0, 2, true}
	case TypeDNAME: // RFC 6672 §2.5: not compressed
		return Names{0, 1, false}
	case TypeSRV: // RFC 2782: not compressed
		return Names{6, 1, false}
	}
	return Names{}
}

// Target returns the name that an RDATA of type t points to, for which servers
// add addresses (RFC 1034 §4.3.2 step 6; NS, MX, SRV) or which continues a
// chain (CNAME, DNAME, PTR), as a view of rdata; nil if t has none or rdata is
// malformed.
func Target(t Type, rdata []byte) dname.Name {
	switch t {
	case TypeNS, TypeMX, TypeSRV, TypeCNAME, TypeDNAME, TypePTR:
		if skip := NamesIn(t).Skip; skip < len(rdata) {
			return dname.FromWire(rdata[skip:])
		}
	}
	return nil
}
