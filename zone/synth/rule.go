package synth

import (
	"fmt"
	"net/netip"

	"github.com/ptrd/ptrd/zone/rr"
)

// Type is the type of the records at the apex of a zone that have the rules of its ranges, so
// that secondaries receive them with the zone. It is one for private use (RFC 6895 §3.1).
const Type rr.Type = 65353

// version of the RDATA
const version = 1

// Rule says which names the addresses of a range have. It is the data of a record of [Type],
// in this order:
//
//	version        1 octet, 1
//	family         1 octet, 4 or 6
//	prefix length  1 octet
//	prefix         4 or 16 octets
//	TTL            4 octets, of the records made, in seconds
//	key            1 octet of length, the name of the key of {permuted}
//	template       the rest
type Rule struct {
	Prefix   netip.Prefix
	TTL      uint32 // seconds
	Key      string // the name of the key; empty: none
	Template string
}

// Append appends the RDATA of the rule.
func (r *Rule) Append(b []byte) []byte {
	family := byte(4)
	if r.Prefix.Addr().Is6() {
		family = 6
	}
	b = append(b, version, family, byte(r.Prefix.Bits()))
	b = append(b, r.Prefix.Addr().AsSlice()...)
	b = append(b, byte(r.TTL>>24), byte(r.TTL>>16), byte(r.TTL>>8), byte(r.TTL))
	b = append(b, byte(len(r.Key)))
	return append(append(b, r.Key...), r.Template...)
}

// ParseRule reads the RDATA of a rule.
func ParseRule(b []byte) (r Rule, err error) {
	if len(b) < 3 {
		return r, fmt.Errorf("a rule of %d octets is cut off", len(b))
	}
	size := map[byte]int{4: 4, 6: 16}[b[1]]
	bits := int(b[2])
	switch {
	case b[0] != version:
		return r, fmt.Errorf("a rule of version %d; this server knows version %d", b[0], version)
	case size == 0:
		return r, fmt.Errorf("a rule for address family %d, there are 4 and 6", b[1])
	}
	b = b[3:]
	if len(b) < size+5 || len(b) < size+5+int(b[size+4]) {
		return r, fmt.Errorf("a rule that is cut off")
	}
	a, _ := netip.AddrFromSlice(b[:size])
	if r.Prefix = netip.PrefixFrom(a, bits); !r.Prefix.IsValid() || r.Prefix != r.Prefix.Masked() {
		return r, fmt.Errorf("a rule for %v/%d, which is not a prefix", a, bits)
	}
	b = b[size:]
	r.TTL = uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	n := 5 + int(b[4])
	r.Key, r.Template = string(b[5:n]), string(b[n:])
	return r, nil
}
