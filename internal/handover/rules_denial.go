package handover

import (
	"slices"
	"strconv"

	"github.com/miekg/dns"
)

// denial is how a server of a signed zone proves that names and types do not exist, from its
// replies to the questions for the NSEC and NSEC3PARAM records at the apex and for a missing name.
type denial struct {
	nsec  []*dns.NSEC  // of the apex: in the answer for NSEC, or in the denial of NSEC3PARAM
	nsec3 []*dns.NSEC3 // of the apex: in the denial of NSEC
	param []*dns.NSEC3PARAM

	missing  *dns.Msg // the reply for a missing name
	missing1 []*dns.NSEC
	missing3 []*dns.NSEC3
}

// denial returns how a server denies, or nil if it has no keys.
func (f *Facts) denial(s *Server) *denial {
	if len(f.keys(s)) == 0 {
		return nil
	}
	d := &denial{missing: s.Replies[Question{missing + f.Zone, dns.TypeA, DO}]}
	if r := f.authoritative(s, dns.TypeNSEC, DO); r != nil {
		d.nsec = records[*dns.NSEC](r.Answer)
		d.nsec3 = records[*dns.NSEC3](r.Ns)
	}
	if r := f.authoritative(s, dns.TypeNSEC3PARAM, DO); r != nil {
		d.param = records[*dns.NSEC3PARAM](r.Answer)
	}
	if d.missing != nil {
		d.missing1, d.missing3 = records[*dns.NSEC](d.missing.Ns), records[*dns.NSEC3](d.missing.Ns)
	}
	return d
}

// eachDenial returns the servers whose denial fulfils the test.
func eachDenial(test func(*Facts, *Server, *denial) bool) func(*Facts) []string {
	return each(func(f *Facts, s *Server) bool {
		d := f.denial(s)
		return d != nil && test(f, s, d)
	})
}

// isDenied reports whether the reply for a missing name is one that needs a proof.
func (d *denial) isDenied() bool {
	return d.missing != nil && d.missing.Authoritative &&
		(d.missing.Rcode == dns.RcodeNameError || d.missing.Rcode == dns.RcodeSuccess && len(d.missing.Answer) == 0)
}

// usesNSEC and usesNSEC3 report what the server uses at the apex.
func (d *denial) usesNSEC() bool  { return len(d.nsec) > 0 }
func (d *denial) usesNSEC3() bool { return len(d.nsec3) > 0 || len(d.param) > 0 }

// denialRules are about NSEC and NSEC3 records.
func denialRules() []rule {
	const update = "update the server"
	isNSEC := func(d *denial) bool { return d.usesNSEC() || len(d.missing1) > 0 }
	isNSEC3 := func(d *denial) bool { return d.usesNSEC3() || len(d.missing3) > 0 }
	return []rule{
		{"DS10_NON_EXISTENT_RESPONSE_ERROR", "", ripe, "does not answer, or fails, a query for a missing name", update, eachDenial(func(f *Facts, _ *Server, d *denial) bool {
			r := d.missing
			return r == nil || !r.Authoritative || r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError
		})},
		{"DS10_MISSING_NSEC_NSEC3", "", ripe, "denies a name without NSEC or NSEC3 records", resign, eachDenial(func(_ *Facts, _ *Server, d *denial) bool {
			return d.isDenied() && len(d.missing1) == 0 && len(d.missing3) == 0
		})},
		{"DS10_EXPECTED_NSEC_NSEC3_MISSING", "", ripe, "has neither NSEC nor NSEC3 records at the apex", resign, eachDenial(func(f *Facts, s *Server, d *denial) bool {
			return f.authoritative(s, dns.TypeNSEC, DO) != nil && !d.usesNSEC() && !d.usesNSEC3()
		})},
		{"DS10_UNSIGNED_ANSWER", "", ripe, "answers a name with records that are not signed", resign, eachDenial(func(f *Facts, s *Server, d *denial) bool {
			return f.unsignedAnswer(s, d) == unsigned
		})},
		{"DS10_ANSWER_VERIFY_ERROR", "", ripe, "answers a name with an invalid signature", resign, eachDenial(func(f *Facts, s *Server, d *denial) bool {
			return f.unsignedAnswer(s, d)&^unsigned != 0
		})},
		{"DS10_MIXED_NSEC_NSEC3", "", ripe, "has NSEC and NSEC3 records", resign, eachDenial(func(_ *Facts, _ *Server, d *denial) bool {
			return len(d.missing1) > 0 && len(d.missing3) > 0 || d.usesNSEC() && d.usesNSEC3()
		})},
		{"DS10_INCONSISTENT_NSEC_NSEC3", "", ripe, "some servers have NSEC records and others NSEC3", sameVersion, differs(func(f *Facts, s *Server) string {
			switch d := f.denial(s); {
			case d == nil:
			case isNSEC(d) && !isNSEC3(d):
				return "NSEC"
			case isNSEC3(d) && !isNSEC(d):
				return "NSEC3"
			}
			return ""
		})},
		{"DS10_INCONSISTENT_NSEC", "", ripe, "has no NSEC record at the apex, and other servers have", sameVersion,
			inconsistent((*denial).usesNSEC)},
		{"DS10_INCONSISTENT_NSEC3", "", ripe, "has no NSEC3 records, and other servers have", sameVersion,
			inconsistent((*denial).usesNSEC3)},
		{"DS10_NAME_NOT_COVERED_BY_NSEC", "", ripe, "denies a name with NSEC records that do not cover it", resign, eachDenial(func(f *Facts, _ *Server, d *denial) bool {
			return len(d.missing1) > 0 && len(d.missing3) == 0 && !slices.ContainsFunc(d.missing1, func(n *dns.NSEC) bool { return covers(n, missing+f.Zone) })
		})},
		{"DS10_NAME_NOT_COVERED_BY_NSEC3", "", ripe, "denies a name with NSEC3 records that do not cover it", resign, eachDenial(func(f *Facts, _ *Server, d *denial) bool {
			return len(d.missing3) > 0 && len(d.missing1) == 0 && !slices.ContainsFunc(d.missing3, func(n *dns.NSEC3) bool { return n.Cover(missing + f.Zone) })
		})},
		{"DS10_NSEC_MISSING_SIGNATURE", "", ripe, "has NSEC records without a signature", resign, eachDenied(dns.TypeNSEC, unsigned)},
		{"DS10_NSEC_RRSIG_VERIFY_ERROR", "", ripe, "has NSEC records with an invalid signature", resign, eachDenied(dns.TypeNSEC, anyFault&^unsigned)},
		{"DS10_NSEC_RRSIG_EXPIRED", "", ripe, "has NSEC records with an expired signature", resign, eachDenied(dns.TypeNSEC, expired)},
		{"DS10_NSEC_RRSIG_NOT_YET_VALID", "", ripe, "has NSEC records with a signature that is not valid yet", resign, eachDenied(dns.TypeNSEC, early)},
		{"DS10_NSEC_NO_VERIFIED_SIGNATURE", "", ripe, "has NSEC records without a valid signature", resign, eachDenied(dns.TypeNSEC, anyFault&^unsigned)},
		{"DS10_NSEC3_MISSING_SIGNATURE", "", ripe, "has NSEC3 records without a signature", resign, eachDenied(dns.TypeNSEC3, unsigned)},
		{"DS10_NSEC3_RRSIG_VERIFY_ERROR", "", ripe, "has NSEC3 records with an invalid signature", resign, eachDenied(dns.TypeNSEC3, anyFault&^unsigned)},
		{"DS10_NSEC3_RRSIG_EXPIRED", "", ripe, "has NSEC3 records with an expired signature", resign, eachDenied(dns.TypeNSEC3, expired)},
		{"DS10_NSEC3_RRSIG_NOT_YET_VALID", "", ripe, "has NSEC3 records with a signature that is not valid yet", resign, eachDenied(dns.TypeNSEC3, early)},
		{"DS10_NSEC3_NO_VERIFIED_SIGNATURE", "", ripe, "has NSEC3 records without a valid signature", resign, eachDenied(dns.TypeNSEC3, anyFault&^unsigned)},
		{"DS10_ERR_MULT_NSEC", "", ripe, "has several NSEC records at the apex", resign, eachDenial(func(_ *Facts, _ *Server, d *denial) bool { return len(d.nsec) > 1 })},
		{"DS10_ERR_MULT_NSEC3", "", ripe, "denies a type at the apex with several NSEC3 records", update, eachDenial(func(_ *Facts, _ *Server, d *denial) bool { return len(d.nsec3) > 1 })},
		{"DS10_ERR_MULT_NSEC3PARAM", "", ripe, "has several NSEC3PARAM records", resign, eachDenial(func(_ *Facts, _ *Server, d *denial) bool { return len(d.param) > 1 })},
		{"DS10_NSEC_MISMATCHES_APEX", "", ripe, "answers with an NSEC record of another name than the apex", update, eachDenial(func(f *Facts, _ *Server, d *denial) bool {
			return slices.ContainsFunc(d.nsec, func(n *dns.NSEC) bool { return !same(n.Hdr.Name, f.Zone) })
		})},
		{"DS10_NSEC3_MISMATCHES_APEX", "", ripe, "denies a type at the apex with an NSEC3 record of another name", update, eachDenial(func(f *Facts, _ *Server, d *denial) bool {
			return slices.ContainsFunc(d.nsec3, func(n *dns.NSEC3) bool { return !n.Match(f.Zone) })
		})},
		{"DS10_NSEC3PARAM_MISMATCHES_APEX", "", ripe, "answers with an NSEC3PARAM record of another name than the apex", update, eachDenial(func(f *Facts, _ *Server, d *denial) bool {
			return slices.ContainsFunc(d.param, func(n *dns.NSEC3PARAM) bool { return !same(n.Hdr.Name, f.Zone) })
		})},
		{"DS10_NSEC_ERR_TYPE_LIST", "", ripe, "has an NSEC record at the apex with a wrong list of types", resign, eachDenial(func(_ *Facts, _ *Server, d *denial) bool {
			return slices.ContainsFunc(d.nsec, func(n *dns.NSEC) bool { return isWrongList(n.TypeBitMap, dns.TypeNSEC, dns.TypeNSEC3PARAM) })
		})},
		{"DS10_NSEC3_ERR_TYPE_LIST", "", ripe, "has an NSEC3 record of the apex with a wrong list of types", resign, eachDenial(func(f *Facts, _ *Server, d *denial) bool {
			return slices.ContainsFunc(d.nsec3, func(n *dns.NSEC3) bool {
				return n.Match(f.Zone) && isWrongList(n.TypeBitMap, dns.TypeNSEC3PARAM, dns.TypeNSEC)
			})
		})},
		{"DS10_NSEC_QUERY_RESPONSE_ERR", "", ripe, "does not answer, or fails, a query for the NSEC record", update, eachDenial(func(f *Facts, s *Server, _ *denial) bool { return f.authoritative(s, dns.TypeNSEC, DO) == nil })},
		{"DS10_NSEC3PARAM_QUERY_RESPONSE_ERR", "", ripe, "does not answer, or fails, a query for the NSEC3PARAM record", update, eachDenial(func(f *Facts, s *Server, _ *denial) bool { return f.authoritative(s, dns.TypeNSEC3PARAM, DO) == nil })},
		{"DS10_NSEC_GIVES_ERR_ANSWER", "", ripe, "answers a query for the NSEC record with other records", update, eachDenial(func(f *Facts, s *Server, d *denial) bool {
			return isOther(f.authoritative(s, dns.TypeNSEC, DO), dns.TypeNSEC)
		})},
		{"DS10_NSEC3PARAM_GIVES_ERR_ANSWER", "", ripe, "answers a query for the NSEC3PARAM record with other records", update, eachDenial(func(f *Facts, s *Server, d *denial) bool {
			return isOther(f.authoritative(s, dns.TypeNSEC3PARAM, DO), dns.TypeNSEC3PARAM)
		})},
		{"DS10_NSEC_NODATA_MISSING_SOA", "", ripe, "denies a type without the SOA record", update, eachNodata(dns.TypeNSEC3PARAM, (*denial).usesNSEC, func(f *Facts, l []*dns.SOA) bool { return len(l) == 0 })},
		{"DS10_NSEC_NODATA_WRONG_SOA", "", ripe, "denies a type with the SOA record of another zone", update, eachNodata(dns.TypeNSEC3PARAM, (*denial).usesNSEC, isOtherSOA)},
		{"DS10_NSEC3_NODATA_MISSING_SOA", "", ripe, "denies a type without the SOA record", update, eachNodata(dns.TypeNSEC, (*denial).usesNSEC3, func(f *Facts, l []*dns.SOA) bool { return len(l) == 0 })},
		{"DS10_NSEC3_NODATA_WRONG_SOA", "", ripe, "denies a type with the SOA record of another zone", update, eachNodata(dns.TypeNSEC, (*denial).usesNSEC3, isOtherSOA)},
		{"DS10_SERVER_NO_DNSSEC", "", ripe, "has no DNSKEY records, and other servers have", sameVersion + noSigning, each(func(f *Facts, s *Server) bool {
			return f.hasKeys() && f.authoritative(s, dns.TypeDNSKEY, DO) != nil && len(f.keys(s)) == 0
		})},
		{"DS03_SERVER_NO_DNSSEC_SUPPORT", "", ripe, "has no DNSKEY records, and other servers have", sameVersion + noSigning, each(func(f *Facts, s *Server) bool {
			return f.hasKeys() && f.authoritative(s, dns.TypeDNSKEY, DO) != nil && len(f.keys(s)) == 0
		})},
		{"DS03_NO_RESPONSE_NSEC_QUERY", "", ripe, "does not answer queries for the NSEC record", update, eachDenial(func(f *Facts, s *Server, _ *denial) bool { return f.reply(s, dns.TypeNSEC, DO) == nil })},
		{"DS03_ERROR_RESPONSE_NSEC_QUERY", "", ripe, "fails queries for the NSEC record", update, eachDenial(func(f *Facts, s *Server, _ *denial) bool {
			return f.reply(s, dns.TypeNSEC, DO) != nil && f.authoritative(s, dns.TypeNSEC, DO) == nil
		})},
		{"DS03_ERR_MULT_NSEC3", "", ripe, "denies a type at the apex with several NSEC3 records", update, eachDenial(func(_ *Facts, _ *Server, d *denial) bool { return len(d.nsec3) > 1 })},
		{"DS03_SERVER_NO_NSEC3", "", ripe, "has no NSEC3 records, and other servers have", sameVersion, inconsistent(func(d *denial) bool { return len(d.nsec3) > 0 })},
		{"DS03_ILLEGAL_HASH_ALGO", "", ripe, "has NSEC3 records with another hash algorithm than 1", resign, eachNSEC3(func(n *dns.NSEC3) bool { return n.Hash != dns.SHA1 })},
		{"DS03_UNASSIGNED_FLAG_USED", "", ripe, "has NSEC3 records with unknown flags", resign, eachNSEC3(func(n *dns.NSEC3) bool { return n.Flags&^1 != 0 })},
		{"DS03_INCONSISTENT_HASH_ALGO", "", ripe, "not all servers have the same NSEC3 hash algorithm", sameVersion, differsNSEC3(func(n *dns.NSEC3) int { return int(n.Hash) })},
		{"DS03_INCONSISTENT_ITERATION", "", ripe, "not all servers have the same NSEC3 iterations", sameVersion, differsNSEC3(func(n *dns.NSEC3) int { return int(n.Iterations) })},
		{"DS03_INCONSISTENT_NSEC3_FLAGS", "", ripe, "not all servers have the same NSEC3 flags", sameVersion, differsNSEC3(func(n *dns.NSEC3) int { return int(n.Flags) })},
		{"DS03_INCONSISTENT_SALT_LENGTH", "", ripe, "not all servers have the same length of NSEC3 salt", sameVersion, differsNSEC3(func(n *dns.NSEC3) int { return int(n.SaltLength) })},
	}
}

const sameVersion = "let all servers have the same version of the zone"

// covers reports whether an NSEC record proves that a name does not exist, or is the one of the name
// itself in a zone that makes its denials on demand (RFC 9824).
func covers(n *dns.NSEC, name string) bool {
	owner, next := wireOrder(n.Hdr.Name), wireOrder(n.NextDomain)
	at := wireOrder(name)
	switch {
	case slices.Equal(owner, at):
		return true
	case slices.Compare(owner, next) < 0:
		return slices.Compare(owner, at) < 0 && slices.Compare(at, next) < 0
	}
	return slices.Compare(owner, at) < 0 // the last one, which leads to the apex
}

// wireOrder returns the labels of a name in the order of RFC 4034 §6.1.
func wireOrder(name string) []string {
	l := dns.SplitDomainName(dns.CanonicalName(name))
	slices.Reverse(l)
	return l
}

// isWrongList reports whether the types at an apex are without one that each signed zone has, or
// with one that excludes the other kind of denial.
func isWrongList(types []uint16, own, other uint16) bool {
	for _, t := range []uint16{dns.TypeSOA, dns.TypeNS, dns.TypeDNSKEY, dns.TypeRRSIG, own} {
		if !slices.Contains(types, t) {
			return true
		}
	}
	return slices.Contains(types, other)
}

// isOther reports whether an answer has records, but none of the type.
func isOther(r *dns.Msg, t uint16) bool {
	return r != nil && len(r.Answer) > 0 && !slices.ContainsFunc(r.Answer, func(rr dns.RR) bool { return rr.Header().Rrtype == t })
}

// eachNodata returns the servers, of those that use the kind of denial, whose denial of a type at the
// apex has SOA records that fulfil the test.
func eachNodata(t uint16, uses func(*denial) bool, test func(*Facts, []*dns.SOA) bool) func(*Facts) []string {
	return eachDenial(func(f *Facts, s *Server, d *denial) bool {
		r := f.authoritative(s, t, DO)
		return r != nil && uses(d) && len(r.Answer) == 0 && test(f, records[*dns.SOA](r.Ns))
	})
}

func isOtherSOA(f *Facts, l []*dns.SOA) bool {
	return slices.ContainsFunc(l, func(r *dns.SOA) bool { return !same(r.Hdr.Name, f.Zone) })
}

// eachDenied returns the servers with one of the faults in the signatures of the NSEC or NSEC3 records
// in their denials.
func eachDenied(t uint16, want fault) func(*Facts) []string {
	return eachDenial(func(f *Facts, s *Server, d *denial) bool {
		found := fault(0)
		if d.isDenied() {
			found |= f.signed(s, d.missing.Ns, t)
		}
		for _, q := range []uint16{dns.TypeNSEC, dns.TypeNSEC3PARAM} {
			if r := f.authoritative(s, q, DO); r != nil {
				found |= f.signed(s, slices.Concat(r.Answer, r.Ns), t)
			}
		}
		return found&want != 0
	})
}

// unsignedAnswer returns what is wrong with the signatures of the answer for a name that is missing
// as a rule; a wildcard answers it.
func (f *Facts) unsignedAnswer(s *Server, d *denial) fault {
	if d.missing == nil || !d.missing.Authoritative {
		return 0
	}
	return f.signed(s, d.missing.Answer, dns.TypeA) | f.signed(s, d.missing.Answer, dns.TypeCNAME)
}

// inconsistent returns the signed servers without something that other ones have.
func inconsistent(has func(*denial) bool) func(*Facts) []string {
	return func(f *Facts) []string {
		with := eachDenial(func(_ *Facts, _ *Server, d *denial) bool { return has(d) })(f)
		if len(with) == 0 {
			return nil
		}
		return eachDenial(func(f *Facts, s *Server, d *denial) bool {
			return f.authoritative(s, dns.TypeNSEC, DO) != nil && !has(d)
		})(f)
	}
}

func eachNSEC3(test func(*dns.NSEC3) bool) func(*Facts) []string {
	return eachDenial(func(_ *Facts, _ *Server, d *denial) bool { return slices.ContainsFunc(d.nsec3, test) })
}

func differsNSEC3(value func(*dns.NSEC3) int) func(*Facts) []string {
	return differs(func(f *Facts, s *Server) string {
		if d := f.denial(s); d != nil && len(d.nsec3) > 0 {
			return strconv.Itoa(value(d.nsec3[0]))
		}
		return ""
	})
}
