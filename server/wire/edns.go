package wire

import "encoding/binary"

// DO is the bit of [EDNS.Flags] that asks for DNSSEC records (RFC 3225 §3).
const DO = 1 << 15

// The EDNS options that ptrd uses.
const (
	OptionNSID        = 3  // RFC 5001
	OptionExpire      = 9  // RFC 7314
	OptionCookie      = 10 // RFC 7873
	OptionKeepalive   = 11 // RFC 7828
	OptionPadding     = 12 // RFC 7830
	OptionEDE         = 15 // RFC 8914
	OptionZoneVersion = 19 // RFC 9660
)

// Extended DNS errors (RFC 8914 §4 and the IANA registry).
const (
	EDENotReady         = 14
	EDEProhibited       = 18
	EDENotAuthoritative = 20
	EDENotSupported     = 21
	EDEInvalidData      = 24 // a zone that has expired
	EDEInvalidQueryType = 30 // RFC 9824 §4
)

// EDNS is the content of an OPT record (RFC 6891 §6.1.3).
type EDNS struct {
	UDPSize uint16 // octets of the requestor's largest UDP payload, as sent
	RCode   uint8  // the upper eight bits of the RCODE
	Version uint8
	Flags   uint16
	Options []byte // a view of the message
}

// EDNSOf returns the content of the OPT record r.
func EDNSOf(r Record) EDNS {
	return EDNS{
		UDPSize: uint16(r.Class),
		RCode:   uint8(r.TTL >> 24),
		Version: uint8(r.TTL >> 16),
		Flags:   uint16(r.TTL),
		Options: r.Data,
	}
}

// OptionIter walks the options of an OPT record:
//
//	it := wire.IterOptions(options)
//	for it.Next() {
//		// it.Code, it.Data
//	}
//	if it.Malformed() {
//		// the remaining octets are not an option
//	}
type OptionIter struct {
	Code uint16
	Data []byte // a view of the message
	rest []byte
}

// IterOptions returns an iterator over the options.
func IterOptions(options []byte) OptionIter { return OptionIter{rest: options} }

// Next steps to the next option and reports whether there is one.
func (it *OptionIter) Next() bool {
	if len(it.rest) < 4 {
		return false
	}
	n := int(binary.BigEndian.Uint16(it.rest[2:]))
	if n > len(it.rest)-4 {
		return false
	}
	it.Code = binary.BigEndian.Uint16(it.rest)
	it.Data = it.rest[4 : 4+n]
	it.rest = it.rest[4+n:]
	return true
}

// Malformed reports, after Next returned false, whether the options end in the
// middle of one.
func (it *OptionIter) Malformed() bool { return len(it.rest) != 0 }
