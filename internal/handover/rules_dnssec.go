package handover

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/delegation"
)

// fault is what is wrong with the signature of an RRset.
type fault = delegation.Flaws

const (
	unsigned   = delegation.Unsigned
	unknownKey = delegation.UnknownKey
	expired    = delegation.Expired
	early      = delegation.Early
	invalid    = delegation.Invalid

	anyFault = unsigned | unknownKey | expired | early | invalid
)

// signed returns what is wrong with the signatures of the RRsets of a type in a response.
func (f *Facts) signed(s *Server, section []dns.RR, t uint16) (out fault) {
	for _, set := range delegation.SignedSets(section, t) {
		if len(set.Signatures) == 0 {
			out |= unsigned
		}
		for _, sig := range set.Signatures {
			out |= f.verify(s, sig, set.Records)
		}
	}
	return out
}

// verify checks one signature, once: several rules are about each. An algorithm that the library
// does not know is not an error of the zone.
func (f *Facts) verify(s *Server, sig *dns.RRSIG, set []dns.RR) fault {
	out, known := f.verified[sig]
	if !known {
		if f.verified == nil {
			f.verified = map[*dns.RRSIG]fault{}
		}
		out = delegation.Verify(sig, set, f.keys(s), f.Now) & anyFault
		f.verified[sig] = out
	}
	return out
}

// eachSigned returns the servers with one of the faults in the signatures of the records of a type at
// the apex. Servers without keys are not asked for signatures.
func eachSigned(t uint16, want fault) func(*Facts) []string {
	return each(func(f *Facts, s *Server) bool {
		r := f.authoritative(s, t, DO)
		return r != nil && len(f.keys(s)) > 0 && f.signed(s, r.Answer, t)&want != 0
	})
}

const (
	resign    = "sign the zone again, and check the clock of the signer"
	noSigning = "; or, without DNSSEC, remove the keys and the DS record"
)

// signedRules are about the signatures of the records at the apex, and about the keys.
func signedRules() []rule {
	return []rule{
		{"DS08_MISSING_RRSIG_IN_RESPONSE", "", ripe, "has DNSKEY records without a signature", resign, eachSigned(dns.TypeDNSKEY, unsigned)},
		{"EXTRA_PROCESSING_BROKEN", "", ripe, "has DNSKEY records without a signature", resign, eachSigned(dns.TypeDNSKEY, unsigned)},
		{"DS08_NO_MATCHING_DNSKEY", "", ripe, "has a signature of the DNSKEY records by a key that is not among them", resign, eachSigned(dns.TypeDNSKEY, unknownKey)},
		{"DS08_DNSKEY_RRSIG_EXPIRED", "", ripe, "has an expired signature of the DNSKEY records", resign, eachSigned(dns.TypeDNSKEY, expired)},
		{"DS08_DNSKEY_RRSIG_NOT_YET_VALID", "", ripe, "has a signature of the DNSKEY records that is not valid yet", resign, eachSigned(dns.TypeDNSKEY, early)},
		{"DS08_RRSIG_NOT_VALID_BY_DNSKEY", "", ripe, "has an invalid signature of the DNSKEY records", resign, eachSigned(dns.TypeDNSKEY, invalid)},
		{"DS09_MISSING_RRSIG_IN_RESPONSE", "", ripe, "has an SOA record without a signature", resign, eachSigned(dns.TypeSOA, unsigned)},
		{"DS09_NO_MATCHING_DNSKEY", "", ripe, "has a signature of the SOA record by a key that is not in the zone", resign, eachSigned(dns.TypeSOA, unknownKey)},
		{"DS09_SOA_RRSIG_EXPIRED", "", ripe, "has an expired signature of the SOA record", resign, eachSigned(dns.TypeSOA, expired)},
		{"DS09_SOA_RRSIG_NOT_YET_VALID", "", ripe, "has a signature of the SOA record that is not valid yet", resign, eachSigned(dns.TypeSOA, early)},
		{"DS09_RRSIG_NOT_VALID_BY_DNSKEY", "", ripe, "has an invalid signature of the SOA record", resign, eachSigned(dns.TypeSOA, invalid)},
		{"RRSIG_EXPIRED", "", ripe, "has an expired signature of the SOA or DNSKEY records", resign, each(func(f *Facts, s *Server) bool {
			for _, t := range []uint16{dns.TypeSOA, dns.TypeDNSKEY} {
				for _, sig := range answer[*dns.RRSIG](f, s, t, DO) {
					if int32(sig.Expiration-uint32(f.Now.Unix())) < 0 {
						return true
					}
				}
			}
			return false
		})},
		{"DS11_INCONSISTENT_SIGNED_ZONE", "", ripe, "has no DNSKEY records, and other servers have", sameVersion + noSigning, each(func(f *Facts, s *Server) bool {
			return len(f.DS) > 0 && f.soa(s) != nil && len(f.keys(s)) == 0 && f.hasKeys()
		})},
		{"DS11_DS_BUT_UNSIGNED_ZONE", "", ripe, "no server has DNSKEY records, and there are DS records", "sign the zone, or enter no DS record", eachDS(func(f *Facts, _ *dns.DS) bool { return !f.hasKeys() && f.answersKeys() })},
		{"DS_BUT_NOT_DNSKEY", "", ripe, "has no DNSKEY records, and there are DS records", "sign the zone, or enter no DS record", each(func(f *Facts, s *Server) bool {
			return len(f.DS) > 0 && f.authoritative(s, dns.TypeDNSKEY, DO) != nil && len(f.keys(s)) == 0
		})},
		{"DS11_UNDETERMINED_SIGNED_ZONE", "", ripe, "no server answers queries for DNSKEY records, and there are DS records", "update the servers", eachDS(func(f *Facts, _ *dns.DS) bool { return !f.answersKeys() })},
		{"NO_RESPONSE_DNSKEY", "", ripe, "answers without the DNSKEY records of a signed zone", sameVersion + noSigning, each(func(f *Facts, s *Server) bool {
			return f.isSigned() && f.reply(s, dns.TypeDNSKEY, DO) != nil && len(f.keys(s)) == 0
		})},
		{"ALGORITHM_DEPRECATED", "", ripe, "has a key of a deprecated algorithm", newKey, eachKey(isAlgorithm(1, 3, 6, 12))},
		{"ALGORITHM_RESERVED", "", ripe, "has a key of a reserved algorithm", newKey, eachKey(func(k *dns.DNSKEY) bool {
			a := k.Algorithm
			return a == 4 || a == 9 || a == 11 || a >= 123 && a <= 251 || a == 255
		})},
		{"ALGORITHM_UNASSIGNED", "", ripe, "has a key of an algorithm that does not exist", newKey, eachKey(func(k *dns.DNSKEY) bool { return k.Algorithm >= 18 && k.Algorithm <= 122 })},
		{"ALGORITHM_PRIVATE", "", ripe, "has a key of a private algorithm", newKey, eachKey(isAlgorithm(253, 254))},
		{"ALGORITHM_NOT_ZONE_SIGN", "", ripe, "has a key of an algorithm that does not sign zones", newKey, eachKey(isAlgorithm(0, 2, 252))},
		{"DNSKEY_TOO_SMALL_FOR_ALGO", "", ripe, "has an RSA key that is too short", newKey, eachKey(func(k *dns.DNSKEY) bool {
			least, _ := rsaBits(k.Algorithm)
			return least > 0 && keyBits(k) < least
		})},
		{"DNSKEY_TOO_LARGE_FOR_ALGO", "", ripe, "has an RSA key that is too long", newKey, eachKey(func(k *dns.DNSKEY) bool {
			_, most := rsaBits(k.Algorithm)
			return most > 0 && keyBits(k) > most
		})},
	}
}

const newKey = "sign the zone with a key of algorithm 13 (ECDSAP256SHA256, RFC 8624)"

// hasKeys reports whether a server has DNSKEY records.
func (f *Facts) hasKeys() bool {
	return slices.ContainsFunc(f.Servers, func(s *Server) bool { return len(f.keys(s)) > 0 })
}

// answersKeys reports whether a server answers the question for them.
func (f *Facts) answersKeys() bool {
	return slices.ContainsFunc(f.Servers, func(s *Server) bool { return f.authoritative(s, dns.TypeDNSKEY, DO) != nil })
}

// eachDS returns the DS records for which the test is true.
func eachDS(test func(*Facts, *dns.DS) bool) func(*Facts) []string {
	return func(f *Facts) []string {
		var out []string
		for _, d := range f.DS {
			if len(f.Servers) > 0 && test(f, d) {
				out = append(out, fmt.Sprintf("DS %d %d %d", d.KeyTag, d.Algorithm, d.DigestType))
			}
		}
		return out
	}
}

// eachKey returns the servers with a key for which the test is true.
func eachKey(test func(*dns.DNSKEY) bool) func(*Facts) []string {
	return each(func(f *Facts, s *Server) bool { return slices.ContainsFunc(f.keys(s), test) })
}

func isAlgorithm(list ...uint8) func(*dns.DNSKEY) bool {
	return func(k *dns.DNSKEY) bool { return slices.Contains(list, k.Algorithm) }
}

// rsaBits returns the limits of an RSA key (RFC 3110, 5702), or 0.
func rsaBits(algorithm uint8) (least, most int) {
	switch algorithm {
	case dns.RSAMD5, dns.RSASHA1, dns.RSASHA1NSEC3SHA1, dns.RSASHA256:
		return 512, 4096
	case dns.RSASHA512:
		return 1024, 4096
	}
	return 0, 0
}

// keyBits returns the length of the modulus of an RSA key (RFC 3110 §2), or 0.
func keyBits(k *dns.DNSKEY) int {
	b, err := base64.StdEncoding.DecodeString(k.PublicKey)
	if err != nil || len(b) < 3 {
		return 0
	}
	head := 1 + int(b[0]) // the exponent with its length
	if b[0] == 0 {
		head = 3 + int(binary.BigEndian.Uint16(b[1:]))
	}
	return 8 * max(0, len(b)-head)
}

// keyRules are about DS, CDS and CDNSKEY records.
func keyRules() []rule {
	const take = "enter the DS records of `ptrd handover`"
	const republish = "make the CDS and CDNSKEY records anew from the keys of the zone"
	return []rule{
		{"DS01_DS_ALGO_NOT_DS", "", ripe, "digest type 0 means deletion", take, eachDS(isDigest(func(t uint8) bool { return t == 0 }))},
		{"DS01_DS_ALGO_DEPRECATED", "", ripe, "the digest type is deprecated", "use digest type 2 (SHA-256)", eachDS(isDigest(func(t uint8) bool { return t == 1 || t == 3 }))},
		{"DS01_DS_ALGO_RESERVED", "", ripe, "the digest type does not exist", "use digest type 2 (SHA-256)", eachDS(isDigest(func(t uint8) bool { return t >= 5 }))},
		{"DS02_NO_MATCH_DS_DNSKEY", "", ripe, "the digest is not that of the key with this tag", take, eachDS(func(f *Facts, d *dns.DS) bool {
			return f.keyCount(d, func(_ *Server, k *dns.DNSKEY) bool { return !matches(k, d) }) > 0
		})},
		{"DS02_DNSKEY_NOT_FOR_ZONE_SIGNING", "", ripe, "the key is not a zone key", take, eachDS(func(f *Facts, d *dns.DS) bool {
			return f.keyCount(d, func(_ *Server, k *dns.DNSKEY) bool { return k.Flags&dns.ZONE == 0 }) > 0
		})},
		{"DS02_RRSIG_NOT_VALID_BY_DNSKEY", "", ripe, "the signature of the DNSKEY records by this key is not valid", resign, eachDS(func(f *Facts, d *dns.DS) bool {
			return f.keyCount(d, func(s *Server, k *dns.DNSKEY) bool { return f.keySigned(s, k)&^unsigned != 0 }) > 0
		})},
		{"DS02_NO_VALID_DNSKEY_FOR_ANY_DS", "", ripe, "no DS record has a key in the zone", take, func(f *Facts) []string {
			return f.withoutDS(func(_ *Server, k *dns.DNSKEY, d *dns.DS) bool { return k.KeyTag() == d.KeyTag })
		}},
		{"DS02_DNSKEY_NOT_SIGNED_BY_ANY_DS", "", ripe, "no key with a DS record signs the DNSKEY records", take + ", or let the key sign", func(f *Facts) []string {
			none := f.withoutDS(func(_ *Server, k *dns.DNSKEY, d *dns.DS) bool { return k.KeyTag() == d.KeyTag })
			if none != nil {
				return nil // DS02_NO_VALID_DNSKEY_FOR_ANY_DS says so
			}
			return f.withoutDS(func(s *Server, k *dns.DNSKEY, d *dns.DS) bool {
				return k.KeyTag() == d.KeyTag && f.keySigned(s, k) == 0
			})
		}},
		{"DS15_INCONSISTENT_CDS", "", ripe, "not all servers have the same CDS records", "wait until the secondaries have transferred the zone", differs(text(dns.TypeCDS))},
		{"DS15_INCONSISTENT_CDNSKEY", "", ripe, "not all servers have the same CDNSKEY records", "wait until the secondaries have transferred the zone", differs(text(dns.TypeCDNSKEY))},
		{"DS15_MISMATCH_CDS_CDNSKEY", "", ripe, "has CDS and CDNSKEY records of different keys", republish, each(func(f *Facts, s *Server) bool {
			cds, keys := f.cds(s), f.cdnskey(s)
			if len(cds) == 0 || len(keys) == 0 {
				return false
			}
			pairs := func(d *dns.DS, k *dns.DNSKEY) bool {
				return d.KeyTag == k.KeyTag() || d.Algorithm == 0 && k.Algorithm == 0
			}
			return slices.ContainsFunc(cds, func(d *dns.DS) bool {
				return !slices.ContainsFunc(keys, func(k *dns.DNSKEY) bool { return pairs(d, k) })
			}) || slices.ContainsFunc(keys, func(k *dns.DNSKEY) bool {
				return !slices.ContainsFunc(cds, func(d *dns.DS) bool { return pairs(d, k) })
			})
		})},
		{"DS16_CDS_WITHOUT_DNSKEY", "", ripe, "has CDS records, and no DNSKEY records", "remove the CDS records, or sign the zone", each(func(f *Facts, s *Server) bool {
			return f.isSigned() && len(f.cds(s)) > 0 && !isDelete(f.cds(s)) && len(f.keys(s)) == 0
		})},
		{"DS16_MIXED_DELETE_CDS", "", ripe, "has a CDS record for deletion among others", "leave one kind (RFC 8078 §4)", each(func(f *Facts, s *Server) bool { return isMixed(f.cds(s)) })},
		{"DS16_CDS_MATCHES_NON_ZONE_DNSKEY", "", ripe, "has a CDS record of a key that is not a zone key", republish, each(func(f *Facts, s *Server) bool {
			return slices.ContainsFunc(f.cds(s), func(d *dns.DS) bool { return f.isNoZoneKey(s, d.KeyTag) })
		})},
		{"DS16_CDS_UNSIGNED", "", ripe, "has CDS records without a signature", resign, eachSigned(dns.TypeCDS, unsigned)},
		{"DS16_CDS_SIGNED_BY_UNKNOWN_DNSKEY", "", ripe, "has a signature of the CDS records by a key that is not in the zone", resign, eachSigned(dns.TypeCDS, unknownKey)},
		{"DS16_CDS_INVALID_RRSIG", "", ripe, "has an invalid signature of the CDS records", resign, eachSigned(dns.TypeCDS, expired|early|invalid)},
		{"DS17_CDNSKEY_WITHOUT_DNSKEY", "", ripe, "has CDNSKEY records, and no DNSKEY records", "remove the CDNSKEY records, or sign the zone", each(func(f *Facts, s *Server) bool {
			return f.isSigned() && len(f.cdnskey(s)) > 0 && !isDeleteKey(f.cdnskey(s)) && len(f.keys(s)) == 0
		})},
		{"DS17_MIXED_DELETE_CDNSKEY", "", ripe, "has a CDNSKEY record for deletion among others", "leave one kind (RFC 8078 §4)", each(func(f *Facts, s *Server) bool {
			return isDeleteKey(f.cdnskey(s)) && slices.ContainsFunc(f.cdnskey(s), func(k *dns.DNSKEY) bool { return k.Algorithm != 0 })
		})},
		{"DS17_CDNSKEY_IS_NON_ZONE", "", ripe, "has a CDNSKEY record that is not a zone key", republish, each(func(f *Facts, s *Server) bool {
			return slices.ContainsFunc(f.cdnskey(s), func(k *dns.DNSKEY) bool { return k.Algorithm != 0 && k.Flags&dns.ZONE == 0 })
		})},
		{"DS17_CDNSKEY_UNSIGNED", "", ripe, "has CDNSKEY records without a signature", resign, eachSigned(dns.TypeCDNSKEY, unsigned)},
		{"DS17_CDNSKEY_SIGNED_BY_UNKNOWN_DNSKEY", "", ripe, "has a signature of the CDNSKEY records by a key that is not in the zone", resign, eachSigned(dns.TypeCDNSKEY, unknownKey)},
		{"DS17_CDNSKEY_INVALID_RRSIG", "", ripe, "has an invalid signature of the CDNSKEY records", resign, eachSigned(dns.TypeCDNSKEY, expired|early|invalid)},
		{"DS18_NO_MATCH_CDS_RRSIG_DS", "", ripe, "has CDS records that no key with a DS record signs", "let the key of the DS record sign the CDS records (RFC 7344 §4.1)", eachUnbound(dns.TypeCDS)},
		{"DS18_NO_MATCH_CDNSKEY_RRSIG_DS", "", ripe, "has CDNSKEY records that no key with a DS record signs", "let the key of the DS record sign the CDNSKEY records (RFC 7344 §4.1)", eachUnbound(dns.TypeCDNSKEY)},
	}
}

func isDigest(test func(uint8) bool) func(*Facts, *dns.DS) bool {
	return func(_ *Facts, d *dns.DS) bool { return test(d.DigestType) }
}

// matches reports whether a DS record has the digest of a key. An unknown digest type is not compared.
func matches(k *dns.DNSKEY, d *dns.DS) bool {
	is, isKnown := delegation.IsDigest(d, k)
	return is || !isKnown
}

// keyCount counts the servers' keys with the tag of a DS record for which the test is true.
func (f *Facts) keyCount(d *dns.DS, test func(*Server, *dns.DNSKEY) bool) int {
	n := 0
	for _, s := range f.Servers {
		for _, k := range f.keys(s) {
			if k.KeyTag() == d.KeyTag && test(s, k) {
				n++
			}
		}
	}
	return n
}

// keySigned returns what is wrong with the signature of the DNSKEY records by one of them.
func (f *Facts) keySigned(s *Server, k *dns.DNSKEY) fault {
	out := unsigned
	for _, sig := range answer[*dns.RRSIG](f, s, dns.TypeDNSKEY, DO) {
		if sig.TypeCovered == dns.TypeDNSKEY && sig.KeyTag == k.KeyTag() {
			out = f.verify(s, sig, rrs(f.keys(s)))
		}
	}
	return out
}

func rrs[T dns.RR](list []T) []dns.RR {
	var out []dns.RR
	for _, r := range list {
		out = append(out, r)
	}
	return out
}

// withoutDS returns the servers with keys of which none passes the test with a DS record.
func (f *Facts) withoutDS(test func(*Server, *dns.DNSKEY, *dns.DS) bool) []string {
	return each(func(f *Facts, s *Server) bool {
		return len(f.DS) > 0 && len(f.keys(s)) > 0 && !slices.ContainsFunc(f.DS, func(d *dns.DS) bool {
			return slices.ContainsFunc(f.keys(s), func(k *dns.DNSKEY) bool { return test(s, k, d) })
		})
	})(f)
}

// eachUnbound returns the servers with CDS or CDNSKEY records that no key of a DS record signs.
func eachUnbound(t uint16) func(*Facts) []string {
	return each(func(f *Facts, s *Server) bool {
		r := f.authoritative(s, t, DO)
		if r == nil || len(f.DS) == 0 || len(f.keys(s)) == 0 || !slices.ContainsFunc(r.Answer, func(rr dns.RR) bool { return rr.Header().Rrtype == t }) {
			return false
		}
		return !slices.ContainsFunc(records[*dns.RRSIG](r.Answer), func(sig *dns.RRSIG) bool {
			return slices.ContainsFunc(f.DS, func(d *dns.DS) bool { return d.KeyTag == sig.KeyTag })
		})
	})
}

// cds returns the CDS records of a server as DS records, and cdnskey its CDNSKEY records as keys.
func (f *Facts) cds(s *Server) []*dns.DS {
	var out []*dns.DS
	for _, c := range answer[*dns.CDS](f, s, dns.TypeCDS, DO) {
		out = append(out, &c.DS)
	}
	return out
}

func (f *Facts) cdnskey(s *Server) []*dns.DNSKEY {
	var out []*dns.DNSKEY
	for _, c := range answer[*dns.CDNSKEY](f, s, dns.TypeCDNSKEY, DO) {
		out = append(out, &c.DNSKEY)
	}
	return out
}

func isDelete(l []*dns.DS) bool {
	return slices.ContainsFunc(l, func(d *dns.DS) bool { return d.Algorithm == 0 })
}

func isMixed(l []*dns.DS) bool {
	return isDelete(l) && slices.ContainsFunc(l, func(d *dns.DS) bool { return d.Algorithm != 0 })
}

func isDeleteKey(l []*dns.DNSKEY) bool {
	return slices.ContainsFunc(l, func(k *dns.DNSKEY) bool { return k.Algorithm == 0 })
}

func (f *Facts) isNoZoneKey(s *Server, tag uint16) bool {
	return slices.ContainsFunc(f.keys(s), func(k *dns.DNSKEY) bool { return k.KeyTag() == tag && k.Flags&dns.ZONE == 0 })
}

// text returns the records of a type that a server has, for comparison. A server of the zone without
// any differs from the others.
func text(t uint16) func(*Facts, *Server) string {
	return func(f *Facts, s *Server) string {
		r := f.authoritative(s, t, DO)
		if r == nil {
			return ""
		}
		var out []string
		for _, rr := range r.Answer {
			if rr.Header().Rrtype == t {
				out = append(out, strings.TrimPrefix(rr.String(), rr.Header().String()))
			}
		}
		if len(out) == 0 {
			return "none"
		}
		slices.Sort(out)
		return strings.Join(out, ", ")
	}
}

// signedBy returns the DS records for the parent zone from what a server has: its CDS records if
// there are any (RFC 7344), otherwise SHA-256 digests of the keys that sign the DNSKEY records and
// have the SEP bit, or of all keys that sign them.
func (f *Facts) signedBy(s *Server) []*dns.DS {
	if l := f.cds(s); len(l) > 0 {
		if isDelete(l) {
			return nil
		}
		return l
	}
	for _, flag := range []uint16{dns.ZONE | dns.SEP, dns.ZONE} {
		var out []*dns.DS
		for _, k := range f.keys(s) {
			if k.Flags&flag == flag && k.Flags&dns.REVOKE == 0 && f.keySigned(s, k) == 0 {
				out = append(out, k.ToDS(dns.SHA256))
			}
		}
		if len(out) > 0 {
			return out
		}
	}
	return nil
}
