package delegationtest

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"encoding/base64"
	"slices"

	"github.com/miekg/dns"
)

// NewKey returns a key of a zone, the same one for the same seed.
func NewKey(zone string, seed byte) (*dns.DNSKEY, crypto.Signer) {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	return &dns.DNSKEY{
		Hdr:   dns.RR_Header{Name: zone, Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: 3600},
		Flags: dns.ZONE | dns.SEP, Protocol: 3, Algorithm: dns.ED25519,
		PublicKey: base64.StdEncoding.EncodeToString(private.Public().(ed25519.PublicKey)),
	}, private
}

// Sign signs each RRset of a section by a key, and returns the section with the signatures. The
// caller sets the times of each, which is not added if the caller returns false.
func Sign(section []dns.RR, k *dns.DNSKEY, private crypto.Signer, set func(*dns.RRSIG) bool) []dns.RR {
	out := slices.Clone(section)
	for rest := section; len(rest) > 0; {
		is := func(r dns.RR) bool {
			return r.Header().Name == rest[0].Header().Name && r.Header().Rrtype == rest[0].Header().Rrtype
		}
		rrset := slices.DeleteFunc(slices.Clone(rest), func(r dns.RR) bool { return !is(r) })
		sig := &dns.RRSIG{Hdr: dns.RR_Header{Ttl: 3600}, Algorithm: k.Algorithm, KeyTag: k.KeyTag(), SignerName: k.Hdr.Name, TypeCovered: rrset[0].Header().Rrtype}
		if set(sig) {
			if err := sig.Sign(private, rrset); err != nil {
				panic(err)
			}
			out = append(out, sig)
		}
		rest = slices.DeleteFunc(slices.Clone(rest), is)
	}
	return out
}
