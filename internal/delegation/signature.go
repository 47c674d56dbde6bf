package delegation

import (
	"errors"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// Flaws are what is wrong with a signature, or with all signatures of an RRset.
type Flaws uint8

// The flaws.
const (
	Unsigned    Flaws = 1 << iota // there is no RRSIG
	UnknownKey                    // the RRSIG is by a key that is not in the zone
	Expired                       // the time of the RRSIG is over
	Early                         // the time of the RRSIG has not begun
	Invalid                       // the RRSIG is not that of the records
	Unsupported                   // the algorithm is not implemented here: not known
)

// SignedSet is an RRset with its signatures.
type SignedSet struct {
	Records    []dns.RR
	Signatures []*dns.RRSIG
}

// SignedSets returns the RRsets of a type in a section of a message.
func SignedSets(section []dns.RR, t uint16) (out []*SignedSet) {
	sets := map[string]*SignedSet{}
	for _, r := range section {
		name := dns.CanonicalName(r.Header().Name)
		s := sets[name]
		switch {
		case r.Header().Rrtype != t:
			continue
		case s == nil:
			s = &SignedSet{}
			sets[name] = s
			out = append(out, s)
		}
		s.Records = append(s.Records, r)
	}
	for _, r := range section {
		if sig, ok := r.(*dns.RRSIG); ok && sig.TypeCovered == t {
			if s := sets[dns.CanonicalName(sig.Hdr.Name)]; s != nil {
				s.Signatures = append(s.Signatures, sig)
			}
		}
	}
	return out
}

// Flaws returns what is wrong with all signatures; nothing if one of them is valid, as a resolver
// needs (RFC 4035 §5.3.3).
func (s *SignedSet) Flaws(keys []*dns.DNSKEY, at time.Time) Flaws {
	if len(s.Signatures) == 0 {
		return Unsigned
	}
	var all Flaws
	for _, sig := range s.Signatures {
		flaws := Verify(sig, s.Records, keys, at)
		if flaws == 0 {
			return 0
		}
		all |= flaws
	}
	return all
}

// Verify returns what is wrong with a signature of an RRset, by the keys of its zone.
func Verify(sig *dns.RRSIG, set []dns.RR, keys []*dns.DNSKEY, at time.Time) Flaws {
	out := UnknownKey
	for _, k := range keys {
		switch now := uint32(at.Unix()); { // serial number arithmetic (RFC 4034 §3.1.5)
		case k.KeyTag() != sig.KeyTag:
			continue
		case int32(sig.Expiration-now) < 0:
			return Expired
		case int32(now-sig.Inception) < 0:
			return Early
		}
		switch err := sig.Verify(k, set); {
		case err == nil:
			return 0
		case errors.Is(err, dns.ErrAlg):
			out = Unsupported
		case out != Unsupported:
			out = Invalid
		}
	}
	return out
}

// IsDigest reports whether a DS record has the digest of a key; isKnown is false if the type of
// the digest is not implemented here.
func IsDigest(d *dns.DS, k *dns.DNSKEY) (is, isKnown bool) {
	made := k.ToDS(d.DigestType)
	return made != nil && strings.EqualFold(made.Digest, d.Digest), made != nil
}
