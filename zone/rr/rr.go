// Package rr has the numbers and mnemonics of types and classes (IANA registry "Domain Name
// System (DNS) Parameters"), and RDATA: how its text is read and printed, which octets are valid,
// and where the domain names in it are. It is independent of zones, files and messages.
//
//	table.go      a row per type: its mnemonic, its RFC and its fields
//	kind.go       the kinds of fields: numbers, names, addresses; strings.go, dnssec.go,
//	              gateway.go, svcb.go and old.go have more
//	parse.go      text to RDATA
//	print.go      RDATA to text
//	check.go      is RDATA valid; the rules whose severity is a choice
//	names.go      compression, canonical form and comparison, targets
//	key.go        keys of RRsets
//
// To add a type, add a row to table.go and a line to testdata/golden.txt.
package rr

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
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

// AddressType returns the type of the records that have a as their RDATA: A or AAAA.
func AddressType(a netip.Addr) Type {
	if a.Is4() {
		return TypeA
	}
	return TypeAAAA
}

// IsMeta reports whether t is a pseudo-type or a QTYPE, which no zone can hold
// (RFC 6895 §3.1: OPT and 128 to 255).
func (t Type) IsMeta() bool { return t == TypeOPT || t >= 128 && t <= 255 || t == TypeNone }

// MarshalText returns what String does.
func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (t *Type) UnmarshalText(b []byte) (err error) {
	var ok bool
	if *t, ok = ParseType(string(b)); !ok {
		err = fmt.Errorf("%q is not a record type", b)
	}
	return err
}

// String returns the mnemonic, or TYPEn for a type without one (RFC 3597 §5).
func (t Type) String() string {
	if r := rowOf(t); r != nil {
		return r.mnemonic
	}
	return "TYPE" + strconv.Itoa(int(t))
}

// append appends the text of a type within RDATA: the mnemonic if Knot 3.2 reads it too,
// otherwise TYPEn.
func (t Type) append(dst []byte) []byte {
	switch {
	case t >= 64 && t <= 65, t >= 104 && t <= 109, t >= 42 && t <= 53, t >= 59 && t <= 63, t >= 12 && t <= 18:
	case slices.Contains([]Type{1, 2, 5, 6, 21, 25, 28, 29, 33, 35, 36, 37, 39, 99, 256, 257}, t):
	default:
		return strconv.AppendInt(append(dst, "TYPE"...), int64(t), 10)
	}
	return append(dst, t.String()...)
}

// ParseType reads a mnemonic in either case, or TYPEn.
func ParseType[T string | []byte](s T) (Type, bool) {
	if len(s) > maxMnemonic {
		return 0, false
	}
	var upper [maxMnemonic]byte
	for i := range len(s) {
		upper[i] = upperOf(s[i])
	}
	if t, ok := byMnemonic[string(upper[:len(s)])]; ok {
		return t, true
	}
	if len(s) > 4 && isFold("TYPE", s[:4]) {
		v, ok := ParseUint([]byte(s[4:]), math.MaxUint16)
		return Type(v), ok
	}
	return 0, false
}

// isFold reports whether s, with ASCII letters in upper case, is upper.
func isFold[T string | []byte](upper string, s T) bool {
	if len(upper) != len(s) {
		return false
	}
	for i := range len(s) {
		if upperOf(s[i]) != upper[i] {
			return false
		}
	}
	return true
}

// upperOf returns the ASCII upper case of c. Other ways to fold would make an S of a long s.
func upperOf(c byte) byte {
	if c-'a' < 26 {
		return c - 'a' + 'A'
	}
	return c
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
func ParseClass[T string | []byte](s T) (Class, bool) {
	for _, c := range [...]Class{ClassIN, ClassCH, ClassHS} {
		if isFold(c.String(), s) {
			return c, true
		}
	}
	if len(s) < 6 || len(s) > maxMnemonic || !isFold("CLASS", s[:5]) {
		return 0, false
	}
	v, ok := ParseUint([]byte(s[5:]), math.MaxUint16)
	return Class(v), ok
}
