// Package wire reads and writes DNS messages (RFC 1035 §4) in the buffer of the caller. It
// depends on names, types and positions, but not on zones, policies or sockets.
//
// Reading never allocates and never reads beyond the slice: every reader
// returns the next offset, or a negative one if the message is malformed. The results refer to
// the message.
//
// A [Writer] compresses names (RFC 1035 §4.1.4) and stays within its limit: it writes a record
// completely or not at all.
package wire

import (
	"encoding/binary"
	"strconv"
)

// Sizes of RFC 1035 and RFC 6891.
const (
	HeaderLen  = 12    // octets of a header
	MinUDP     = 512   // octets that every client accepts over UDP (RFC 1035 §2.3.4)
	MaxMessage = 65535 // octets of the longest message (RFC 1035 §4.2.2)
	OPTLen     = 11    // octets of an OPT record without options (RFC 6891 §6.1.2)
)

// Flags are the second word of a header: QR, OPCODE, AA, TC, RD, RA, Z, AD, CD
// and RCODE (RFC 1035 §4.1.1, RFC 4035 §3.1.6 and §3.2).
type Flags uint16

// The bits of Flags.
const (
	QR Flags = 1 << 15
	AA Flags = 1 << 10
	TC Flags = 1 << 9
	RD Flags = 1 << 8
	RA Flags = 1 << 7
	Z  Flags = 1 << 6
	AD Flags = 1 << 5
	CD Flags = 1 << 4
)

// Opcode is the kind of a request.
type Opcode uint8

// The opcodes that ptrd uses (RFC 6895 §2.2).
const (
	OpcodeQuery  Opcode = 0
	OpcodeNotify Opcode = 4
	OpcodeUpdate Opcode = 5
)

// Opcode returns the OPCODE field.
func (f Flags) Opcode() Opcode { return Opcode(f >> 11 & 15) }

// WithOpcode returns f with the OPCODE field set.
func (f Flags) WithOpcode(o Opcode) Flags { return f&^(15<<11) | Flags(o&15)<<11 }

// RCode returns the RCODE field, the low four bits of an extended RCODE.
func (f Flags) RCode() RCode { return RCode(f & 15) }

// WithRCode returns f with the RCODE field set to the low four bits of c.
func (f Flags) WithRCode(c RCode) Flags { return f&^15 | Flags(c&15) }

// RCode is a response code of twelve bits: four in the header, eight in the OPT
// record (RFC 6891 §6.1.3).
type RCode uint16

// The response codes that ptrd uses (RFC 6895 §2.3).
const (
	RCodeNoError   RCode = 0
	RCodeFormErr   RCode = 1
	RCodeServFail  RCode = 2
	RCodeNXDomain  RCode = 3
	RCodeNotImp    RCode = 4
	RCodeRefused   RCode = 5
	RCodeYXDomain  RCode = 6
	RCodeYXRRSet   RCode = 7
	RCodeNXRRSet   RCode = 8
	RCodeNotAuth   RCode = 9
	RCodeNotZone   RCode = 10
	RCodeBadVers   RCode = 16
	RCodeBadCookie RCode = 23
)

// String returns the mnemonic, or RCODEn for a code not named here.
func (c RCode) String() string {
	switch c {
	case RCodeNoError:
		return "NOERROR"
	case RCodeFormErr:
		return "FORMERR"
	case RCodeServFail:
		return "SERVFAIL"
	case RCodeNXDomain:
		return "NXDOMAIN"
	case RCodeNotImp:
		return "NOTIMP"
	case RCodeRefused:
		return "REFUSED"
	case RCodeYXDomain:
		return "YXDOMAIN"
	case RCodeYXRRSet:
		return "YXRRSET"
	case RCodeNXRRSet:
		return "NXRRSET"
	case RCodeNotZone:
		return "NOTZONE"
	case RCodeNotAuth:
		return "NOTAUTH"
	case RCodeBadVers:
		return "BADVERS"
	case RCodeBadCookie:
		return "BADCOOKIE"
	}
	return "RCODE" + strconv.Itoa(int(c))
}

// Header is the header of a message (RFC 1035 §4.1.1).
type Header struct {
	ID    uint16
	Flags Flags
	// The counts of questions and of records by section.
	Questions, Answers, Authorities, Additionals uint16
}

// ReadHeader reads the header; ok is false if msg is shorter than one.
func ReadHeader(msg []byte) (h Header, ok bool) {
	if len(msg) < HeaderLen {
		return h, false
	}
	msg = msg[:HeaderLen]
	return Header{
		ID:          binary.BigEndian.Uint16(msg),
		Flags:       Flags(binary.BigEndian.Uint16(msg[2:])),
		Questions:   binary.BigEndian.Uint16(msg[4:]),
		Answers:     binary.BigEndian.Uint16(msg[6:]),
		Authorities: binary.BigEndian.Uint16(msg[8:]),
		Additionals: binary.BigEndian.Uint16(msg[10:]),
	}, true
}

// Put writes the header to the first octets of msg, which must be long enough.
func (h Header) Put(msg []byte) {
	msg = msg[:HeaderLen]
	binary.BigEndian.PutUint16(msg, h.ID)
	binary.BigEndian.PutUint16(msg[2:], uint16(h.Flags))
	binary.BigEndian.PutUint16(msg[4:], h.Questions)
	binary.BigEndian.PutUint16(msg[6:], h.Answers)
	binary.BigEndian.PutUint16(msg[8:], h.Authorities)
	binary.BigEndian.PutUint16(msg[10:], h.Additionals)
}
