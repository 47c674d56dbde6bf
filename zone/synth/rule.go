package synth

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Type is the type of the records of a zone that have the rules of its ranges, so that
// secondaries receive them with the zone. It is one for private use (RFC 6895 §3.1).
const Type rr.Type = 65353

// Label is the first label of the name below which the records are, see [Rule.Owner].
const Label = "_ranges"

// MaxRules is how many rules a zone has at most. A change of one of so many, which divides the
// addresses anew among them, takes a server a tenth of a second.
const MaxRules = 1 << 16

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
//	key tag        4 octets, [Keys.Tag] of the key, 0 without one
//	template       the rest
type Rule struct {
	Prefix   netip.Prefix
	TTL      uint32 // seconds
	Key      string // the name of the key; empty: none
	KeyTag   uint32
	Template string
}

// Owner returns the owner of the record of the rule in a zone, such as
// 2001-db8-4000---36._ranges below the apex. Since each prefix has an owner, no RRset is large:
// some servers accept a hundred records only. Readers need not look at the first label. Where
// the name would be too long, the owner is the apex.
func (r *Rule) Owner(apex dname.Name) dname.Name {
	label := strings.NewReplacer(".", "-", ":", "-", "/", "-").Replace(r.Prefix.String())
	owner, err := apex.Prepend([]byte(Label))
	if err == nil {
		owner, err = owner.Prepend([]byte(label))
	}
	if err != nil {
		return apex
	}
	return owner
}

// Append appends the RDATA of the rule.
func (r *Rule) Append(b []byte) []byte {
	family := byte(4)
	if r.Prefix.Addr().Is6() {
		family = 6
	}
	b = append(b, version, family, byte(r.Prefix.Bits()))
	b = append(b, r.Prefix.Addr().AsSlice()...)
	b = binary.BigEndian.AppendUint32(b, r.TTL)
	b = append(append(b, byte(len(r.Key))), r.Key...)
	b = binary.BigEndian.AppendUint32(b, r.KeyTag)
	return append(b, r.Template...)
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
	if len(b) < size+9 || len(b) < size+9+int(b[size+4]) {
		return r, fmt.Errorf("a rule that is cut off")
	}
	a, _ := netip.AddrFromSlice(b[:size])
	if r.Prefix = netip.PrefixFrom(a, bits); !r.Prefix.IsValid() || r.Prefix != r.Prefix.Masked() {
		return r, fmt.Errorf("a rule for %v/%d, which is not a prefix", a, bits)
	}
	b = b[size:]
	r.TTL = binary.BigEndian.Uint32(b)
	if r.TTL > math.MaxInt32 {
		return r, fmt.Errorf("a rule for %v with the TTL %d, which is larger than 2147483647 (RFC 2181 §8)", r.Prefix, r.TTL)
	}
	n := 5 + int(b[4])
	r.Key, r.KeyTag, r.Template = string(b[5:n]), binary.BigEndian.Uint32(b[n:]), string(b[n+4:])
	return r, nil
}

// Keys are the keys of permutations, by name. They are part of no zone: a server has them from
// its configuration.
type Keys map[string][]byte

// Tag returns a number that distinguishes a key from others of the same name without saying
// anything else about it; 0 if there is no such key.
func (k Keys) Tag(name string) uint32 {
	if k[name] == nil {
		return 0
	}
	sum := sha256.Sum256(append([]byte("tag\x00"), k[name]...))
	return binary.BigEndian.Uint32(sum[:]) | 1
}

// Compile returns the template of a rule.
func (r *Rule) Compile(keys Keys) (*Template, error) {
	switch tag := keys.Tag(r.Key); {
	case r.Key != "" && tag == 0:
		return nil, fmt.Errorf("the names in %v need the key %q, which is not in the configuration; add it under `keys`, with the secret that the primary has", r.Prefix, strings.TrimSuffix(r.Key, "."))
	case tag != r.KeyTag:
		return nil, fmt.Errorf("the names in %v need another secret of the key %q than that of the configuration; write the one that the primary has", r.Prefix, strings.TrimSuffix(r.Key, "."))
	}
	return New(r.Template, r.Prefix, keys[r.Key])
}

// Describe returns in words what the RDATA of a rule make in a reverse or a forward zone. The text has
// no control characters.
func Describe(data []byte, isForward bool) string {
	r, err := ParseRule(data)
	if err != nil {
		return fmt.Sprintf("a rule that is not used: %v", err)
	}
	what := "PTR"
	switch {
	case isForward && r.Prefix.Addr().Is4():
		what = "A"
	case isForward:
		what = "AAAA"
	}
	text := fmt.Sprintf("makes %s of %v: %q", what, r.Prefix, r.Template)
	if r.Key != "" {
		return text + fmt.Sprintf(" with the key %q", r.Key)
	}
	t, err := r.Compile(nil)
	if err != nil {
		return text + fmt.Sprintf(", which is not used: %v", err)
	}
	return text + fmt.Sprintf(", as %v of %v", dname.Name(t.Append(nil, r.Prefix.Addr())), r.Prefix.Addr())
}
