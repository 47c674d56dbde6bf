package zonetest

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Denial says how a signed zone denies (RFC 4035, RFC 5155).
type Denial struct {
	NSEC3      bool
	OptOut     bool   // RFC 5155 §6; with NSEC3 only
	Iterations int    // 0 to 3, more is not wanted (RFC 9276 §3.1)
	Salt       string // octets
}

// Validity of all signatures: from 2020 to 2100. Tests know no clock.
const (
	inception  = 1577836800
	expiration = 4102444800
)

// Sign returns the zone signed by a key that seed determines, with the chain of
// denial. What the zone held of DNSSEC before, apart from DS, is replaced; the
// serial stays.
func Sign(o *Oracle, seed byte, how Denial) (*Oracle, error) {
	s := newSigner(o, seed)
	s.o.put(s.o.Apex, rr.TypeDNSKEY, 3600, s.dnskey())
	soa := []byte(o.Get(o.Apex, rr.TypeSOA).Data[0])
	// RFC 9077 §3.1: the lesser of MINIMUM and of the SOA's TTL
	ttl := min(o.Get(o.Apex, rr.TypeSOA).TTL, be32(soa[len(soa)-4:]))
	if how.NSEC3 {
		s.addNSEC3(how, ttl)
	} else {
		s.addNSEC(ttl)
	}
	return s.o, s.signAll()
}

// MustSign is Sign for a zone known to be good; it panics on other.
func MustSign(o *Oracle, seed byte, how Denial) *Oracle {
	signed, err := Sign(o, seed, how)
	if err != nil {
		panic(fmt.Sprintf("zonetest: %v", err))
	}
	return signed
}

type signer struct {
	o       *Oracle // the zone that grows signatures
	private ed25519.PrivateKey
	key     *dns.DNSKEY
}

func newSigner(o *Oracle, seed byte) *signer {
	s := &signer{o: o.Clone()}
	for _, owner := range slices.Clone(s.o.Owners()) {
		for t, set := range maps.Clone(s.o.at(owner)) {
			if t == rr.TypeNSEC || t == rr.TypeNSEC3 || t == rr.TypeNSEC3PARAM || t == rr.TypeDNSKEY {
				s.o.Remove(owner, t)
			} else {
				set.Sigs, set.SigTTL = nil, 0
			}
		}
	}
	s.private = ed25519.NewKeyFromSeed([]byte(strings.Repeat(string(rune(seed&0x7f)), ed25519.SeedSize)))
	s.key = &dns.DNSKEY{
		Hdr:   dns.RR_Header{Name: o.Apex.String(), Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: 3600},
		Flags: 257, Protocol: 3, Algorithm: dns.ED25519,
		PublicKey: base64.StdEncoding.EncodeToString(s.private.Public().(ed25519.PublicKey)),
	}
	return s
}

func (s *signer) dnskey() string {
	r, err := fromRR(s.key)
	if err != nil {
		panic(fmt.Sprintf("zonetest: %v", err))
	}
	return string(r.Data)
}

func (o *Oracle) put(owner dname.Name, t rr.Type, ttl uint32, data string) {
	o.Add(zone.Record{Owner: owner, Type: t, TTL: ttl, Data: []byte(data)})
}

// isAuthoritative reports whether the zone speaks for the name: it is not below
// a cut or a DNAME. isCut is set at a cut itself, where only DS and NSEC are ours.
func (o *Oracle) isAuthoritative(n dname.Name) (ours, isCut bool) {
	belowCut, belowDNAME := o.occluded(n)
	switch {
	case belowDNAME:
		return false, false
	case belowCut:
		parentBelow, _ := o.occluded(n.Parent())
		isCut = !parentBelow && o.Get(n, rr.TypeNS) != nil
		return isCut, isCut
	}
	return true, false
}

// addNSEC makes the chain of RFC 4035 §2.3.
func (s *signer) addNSEC(ttl uint32) {
	var ours []dname.Name
	for _, owner := range s.o.Owners() {
		if ok, _ := s.o.isAuthoritative(owner); ok {
			ours = append(ours, owner)
		}
	}
	for i, owner := range ours {
		next := ours[(i+1)%len(ours)]
		types := append(s.typesAt(owner), rr.TypeRRSIG, rr.TypeNSEC)
		s.o.put(owner, rr.TypeNSEC, ttl, string(next)+bitmap(types))
	}
}

// typesAt returns the types that the bitmap of a denial names at owner, but for
// RRSIG and NSEC.
func (s *signer) typesAt(owner dname.Name) []rr.Type {
	_, isCut := s.o.isAuthoritative(owner)
	var types []rr.Type
	for t := range s.o.at(owner) {
		if !isCut || t == rr.TypeNS || t == rr.TypeDS {
			types = append(types, t)
		}
	}
	return types
}

// addNSEC3 makes the chain of RFC 5155 §7.1.
func (s *signer) addNSEC3(how Denial, ttl uint32) {
	param := string([]byte{1, 0, 0, byte(how.Iterations), byte(len(how.Salt))}) + how.Salt
	s.o.put(s.o.Apex, rr.TypeNSEC3PARAM, 0, param)
	types := map[string][]rr.Type{} // by hash
	for _, owner := range s.o.Owners() {
		ours, isCut := s.o.isAuthoritative(owner)
		if !ours || isCut && how.OptOut && s.o.Get(owner, rr.TypeDS) == nil {
			continue
		}
		at := s.typesAt(owner)
		if !isCut || s.o.Get(owner, rr.TypeDS) != nil {
			at = append(at, rr.TypeRRSIG)
		}
		types[Hash(owner, how.Salt, how.Iterations)] = at
		for n := owner; !n.Equal(s.o.Apex); n = n.Parent() { // the empty non-terminals
			if h := Hash(n.Parent(), how.Salt, how.Iterations); s.o.at(n.Parent()) == nil {
				types[h] = nil
			}
		}
	}
	hashes := slices.Sorted(maps.Keys(types))
	for i, h := range hashes {
		owner, err := s.o.Apex.Prepend([]byte(h))
		if err != nil {
			continue // an apex so long that no hash fits: Sign's caller chooses another
		}
		raw := append([]byte(param), 20)
		raw = append(raw, unhash(hashes[(i+1)%len(hashes)])...)
		raw[1] = byte(flag(how.OptOut))
		s.o.put(owner, rr.TypeNSEC3, ttl, string(raw)+bitmap(types[h]))
	}
}

// signAll adds a signature to every RRset that is ours (RFC 4035 §2.2), but for
// those at `*` in the root zone, which miekg/dns cannot sign.
func (s *signer) signAll() error {
	for _, owner := range s.o.Owners() {
		ours, isCut := s.o.isAuthoritative(owner)
		if owner.IsWildcard() && owner.Parent().IsRoot() {
			continue
		}
		for t, set := range s.o.at(owner) {
			if t != rr.TypeNSEC3 && (!ours || isCut && t != rr.TypeDS && t != rr.TypeNSEC) {
				continue
			}
			sig, err := s.sign(owner, t, set)
			if err != nil {
				return fmt.Errorf("sign %v at %v: %w", t, owner, err)
			}
			set.Sigs, set.SigTTL = []string{sig}, set.TTL
		}
	}
	return nil
}

func (s *signer) sign(owner dname.Name, t rr.Type, set *Set) (string, error) {
	var records []dns.RR
	for _, data := range set.Data {
		x, err := toRR(owner, t, set.TTL, data)
		if err != nil {
			return "", err
		}
		records = append(records, x)
	}
	sig := &dns.RRSIG{
		Hdr:       dns.RR_Header{Ttl: set.TTL},
		Inception: inception, Expiration: expiration,
		KeyTag: s.key.KeyTag(), SignerName: s.o.Apex.String(), Algorithm: s.key.Algorithm,
	}
	if err := sig.Sign(s.private, records); err != nil {
		return "", err
	}
	r, err := fromRR(sig)
	return string(r.Data), err
}

// bitmap encodes types (RFC 4034 §4.1.2).
func bitmap(types []rr.Type) string {
	var windows [256][]byte
	for _, t := range types {
		w, bit := t>>8, t&0xff
		for len(windows[w]) <= int(bit/8) {
			windows[w] = append(windows[w], 0)
		}
		windows[w][bit/8] |= 0x80 >> (bit % 8)
	}
	var out []byte
	for w, b := range windows {
		if len(b) > 0 {
			out = append(append(out, byte(w), byte(len(b))), b...)
		}
	}
	return string(out)
}
