package handover

import (
	"fmt"
	"hash/crc32"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/internal/delegation/delegationtest"
)

// faultCase is a zone with one fault, and the tags of all errors that follow from it.
type faultCase struct {
	name  string
	make  func() *model
	tags  string
	other string // +TAG: only Zonemaster 4.6 reports it; -TAG: only ptrd does, although that version knows the tag; the reason is in a comment
}

// alter makes a model whose replies are changed.
func alter(m *model, change func(*call)) func() *model {
	return func() *model {
		m.alter = change
		return m
	}
}

// atFirst changes the replies of the first server only.
func atFirst(change func(*call)) func() *model {
	return alter(newModel(), func(c *call) {
		if c.first {
			change(c)
		}
	})
}

func (c *call) is(t uint16) bool { return c.query.Question[0].Qtype == t }
func (c *call) isForeign() bool {
	return !dns.IsSubDomain(c.zone, dns.CanonicalName(c.query.Question[0].Name))
}
func (c *call) hasCapitals() bool {
	n := c.query.Question[0].Name
	return n != strings.ToLower(n)
}

// signedModel returns a signed zone, changed before it is served.
func signedModel(change func(*model)) func() *model {
	return func() *model {
		m := newModel().sign(0)
		change(m)
		return m
	}
}

// withoutRRSIG removes the signatures of a type.
func withoutRRSIG(r *dns.Msg, t uint16) {
	is := func(rr dns.RR) bool {
		sig, ok := rr.(*dns.RRSIG)
		return ok && sig.TypeCovered == t
	}
	r.Answer, r.Ns = slices.DeleteFunc(r.Answer, is), slices.DeleteFunc(r.Ns, is)
}

// eachRRSIG changes the signatures of a type.
func eachRRSIG(r *dns.Msg, t uint16, change func(*dns.RRSIG)) {
	for _, sig := range records[*dns.RRSIG](slices.Concat(r.Answer, r.Ns)) {
		if sig.TypeCovered == t {
			change(sig)
		}
	}
}

// signatureFault changes all signatures of a type in replies.
func signatureFault(t uint16, change func(*model, *dns.RRSIG)) func(*model) {
	return func(m *model) {
		m.alter = func(c *call) { eachRRSIG(c.reply, t, func(sig *dns.RRSIG) { change(m, sig) }) }
	}
}

// period makes a signature again for another period.
func period(start, end time.Duration) func(*model, *dns.RRSIG) {
	return func(m *model, sig *dns.RRSIG) {
		sig.Inception, sig.Expiration = uint32(m.now.Add(start).Unix()), uint32(m.now.Add(end).Unix())
	}
}

func corrupt(_ *model, sig *dns.RRSIG) {
	b := []byte(sig.Signature)
	if b[3] == 'A' {
		b[3] = 'B'
	} else {
		b[3] = 'A'
	}
	sig.Signature = string(b)
}

func otherTag(_ *model, sig *dns.RRSIG) { sig.KeyTag ^= 0x5555 }

// withDS gives the zone a DS record of its first key, changed.
func withDS(change func(*dns.DS)) func() *model {
	return signedModel(func(m *model) {
		d := m.keys[0].ToDS(dns.SHA256)
		change(d)
		m.ds = []*dns.DS{d}
	})
}

// withKey adds a key that does not sign.
func withKey(change func(*dns.DNSKEY)) func() *model {
	return signedModel(func(m *model) {
		m.sign(1)
		k := m.keys[1].DNSKEY
		m.keys[1].off = true
		change(k)
	})
}

func (c *call) isMissing() bool {
	return strings.HasPrefix(strings.ToLower(c.query.Question[0].Name), missing)
}

// eachRR changes the records of a type.
func eachRR[T dns.RR](section []dns.RR, change func(T)) {
	for _, rr := range records[T](section) {
		change(rr)
	}
}

func withoutSOA(c *call) {
	c.reply.Ns = slices.DeleteFunc(c.reply.Ns, func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeSOA })
}

func otherSOA(c *call) {
	eachRR(c.reply.Ns, func(r *dns.SOA) { r.Hdr.Name = "x." + c.zone })
}

// eachNSEC3Record changes all NSEC3 records.
func eachNSEC3Record(change func(first bool, n *dns.NSEC3)) func(*call) {
	return func(c *call) { eachRR(c.reply.Ns, func(n *dns.NSEC3) { change(c.first, n) }) }
}

const day = 24 * time.Hour

func faults() []faultCase {
	drop := func(c *call) { c.reply = nil }
	rcode := func(code int) func(*call) {
		return func(c *call) {
			c.reply = new(dns.Msg)
			c.reply.SetRcode(c.query, code)
			if c.query.IsEdns0() != nil {
				c.reply.SetEdns0(1232, false)
			}
		}
	}
	when := func(is func(*call) bool, change func(*call)) func(*call) {
		return func(c *call) {
			if is(c) {
				change(c)
			}
		}
	}
	isType := func(t uint16) func(*call) bool { return func(c *call) bool { return c.is(t) } }
	hasEDNS := func(c *call) bool { return c.query.IsEdns0() != nil }
	rename := func(old, name string) *model {
		m := newModel()
		m.addrs[name] = m.addrs[old]
		delete(m.addrs, old)
		m.names[slices.Index(m.names, old)] = name
		m.remove(m.zone, dns.TypeNS, old).put("@ NS " + name)
		return m
	}
	inZone := func() *model { // the second server is in the zone
		m := rename("ns2.customer.example.", "ns.7.4.11.in-addr.arpa.")
		return m.put("ns A 11.6.0.53").put("ns AAAA 2e00:6::53")
	}
	rezone := func(zone string) func() *model {
		return func() *model {
			m := newModel()
			m.zone, m.records = zone, map[string][]dns.RR{}
			m.put("@ SOA ns1.customer.example. hostmaster.customer.example. 2026010101 14400 3600 1209600 3600")
			return m.put("@ NS ns1.customer.example.").put("@ NS ns2.customer.example.")
		}
	}
	nsec3 := func(change func(*model)) func() *model {
		return signedModel(func(m *model) {
			m.put("@ NSEC3PARAM 1 0 0 -").nsec3 = true
			change(m)
		})
	}
	return []faultCase{
		{"ready", newModel, "", ""},
		{"ready, signed", signedModel(func(*model) {}), "", ""},
		{"ready, NSEC3 and CDS", nsec3(func(m *model) { m.cds() }), "", ""},
		{"ready, a name server in the zone", inZone, "", ""},

		// Servers.
		{"no UDP", atFirst(when(func(c *call) bool { return !c.tcp }, drop)), "NAMESERVER_NO_UDP_53", ""},
		{"no TCP", atFirst(when(func(c *call) bool { return c.tcp }, drop)), "NAMESERVER_NO_TCP_53", ""},
		{"silent", atFirst(drop), "NAMESERVER_NO_UDP_53 NAMESERVER_NO_TCP_53", ""},
		{"refused", atFirst(rcode(dns.RcodeRefused)), "B02_UNEXPECTED_RCODE NS_FAILED", ""},
		{"SERVFAIL", atFirst(rcode(dns.RcodeServerFailure)), "B02_UNEXPECTED_RCODE NS_FAILED", ""},
		{"no AA", atFirst(func(c *call) { c.reply.Authoritative = false }), "B02_NS_NOT_AUTH", ""},
		// Zonemaster says that it stops.
		{"no server works", alter(newModel(), rcode(dns.RcodeRefused)), "B02_NO_WORKING_NS B02_UNEXPECTED_RCODE NS_FAILED", "+CANNOT_CONTINUE"},
		{"no SOA", atFirst(when(isType(dns.TypeSOA), func(c *call) { c.reply.Answer = nil })), "B02_NS_BROKEN SOA_NOT_EXISTS", ""},
		// Zonemaster relies on the NS records of the first server.
		{"no NS", atFirst(when(isType(dns.TypeNS), func(c *call) { c.reply.Answer = nil })), "NS_FAILED", "+EXTRA_NAME_PARENT +NOT_ENOUGH_NS_CHILD +NO_RESPONSE_DNSKEY +TOTAL_NAME_MISMATCH"},
		{"two SOA", atFirst(when(isType(dns.TypeSOA), func(c *call) {
			if c.reply.Rcode == dns.RcodeSuccess {
				c.reply.Answer = append(c.reply.Answer, c.rr("@ SOA ns2.customer.example. a.b. 7 1 1 1 1"))
			}
		})), "MULTIPLE_SOA", ""},
		{"RA", atFirst(func(c *call) { c.reply.RecursionAvailable = true }), "IS_A_RECURSOR", ""},
		{"recursor", atFirst(when((*call).isForeign, rcode(dns.RcodeNameError))), "IS_A_RECURSOR", ""},
		{"EDNS dropped", atFirst(when(func(c *call) bool { return hasEDNS(c) && !c.tcp }, drop)), "BREAKS_ON_EDNS", ""},
		// Zonemaster 4.6 reports it only of replies without SOA record.
		{"EDNS ignored", atFirst(func(c *call) { c.reply.Extra = nil }), "EDNS_RESPONSE_WITHOUT_EDNS", "-EDNS_RESPONSE_WITHOUT_EDNS"},
		{"EDNS version", atFirst(when(hasEDNS, func(c *call) { c.reply.IsEdns0().SetVersion(1) })), "EDNS_VERSION_ERROR", ""},
		{"AAAA dropped", atFirst(when(isType(dns.TypeAAAA), drop)), "AAAA_QUERY_DROPPED", ""},
		{"AAAA refused", atFirst(when(isType(dns.TypeAAAA), rcode(dns.RcodeServerFailure))), "AAAA_UNEXPECTED_RCODE", ""},
		{"case", atFirst(when(func(c *call) bool { return c.hasCapitals() && c.is(dns.TypeSOA) }, func(c *call) {
			n := c.query.Question[0].Name
			c.reply.Answer = []dns.RR{c.rr(fmt.Sprintf("%s SOA . . %d 1 1 1 1", n, crc32.ChecksumIEEE([]byte(n))))}
		})), "CASE_QUERIES_RESULTS_DIFFER", ""},
		{"mail server is an alias", func() *model {
			m := newModel().put("@ MX 10 mx.customer.example.")
			m.aliases["mx.customer.example."] = "mail.customer.example."
			return m
		}, "MX_RECORD_IS_CNAME", ""},
		{"two SPF records", func() *model { return newModel().put(`@ TXT "v=spf1 -all"`).put(`@ TXT "v=spf1 mx -all"`) }, "Z11_SPF1_MULTIPLE_RECORDS", ""},
		{"SPF error", func() *model { return newModel().put(`@ TXT "v=spf1 mail -all"`) }, "Z11_SPF1_SYNTAX_ERROR", ""},
		{"no TXT", alter(newModel(), when(isType(dns.TypeTXT), drop)), "Z11_UNABLE_TO_CHECK_FOR_SPF", ""},

		// The set of servers.
		{"one server", func() *model {
			m := newModel()
			m.names = m.names[:1]
			delete(m.addrs, "ns2.customer.example.")
			return m.remove(m.zone, dns.TypeNS, "ns2.")
		}, "NOT_ENOUGH_NS_CHILD NOT_ENOUGH_NS_DEL NOT_ENOUGH_IPV4_NS_CHILD NOT_ENOUGH_IPV4_NS_DEL NOT_ENOUGH_IPV6_NS_CHILD NOT_ENOUGH_IPV6_NS_DEL", ""},
		{"one server in the zone", func() *model { m := newModel(); return m.remove(m.zone, dns.TypeNS, "ns2.") },
			"NOT_ENOUGH_NS_CHILD NOT_ENOUGH_IPV4_NS_CHILD NOT_ENOUGH_IPV6_NS_CHILD EXTRA_NAME_PARENT", ""},
		{"one with IPv4", func() *model {
			m := newModel()
			m.addrs["ns2.customer.example."] = addrs("2e00:6::53")
			return m
		}, "NOT_ENOUGH_IPV4_NS_CHILD NOT_ENOUGH_IPV4_NS_DEL", ""},
		{"one with IPv6", func() *model {
			m := newModel()
			m.addrs["ns2.customer.example."] = addrs("11.6.0.53")
			return m
		}, "NOT_ENOUGH_IPV6_NS_CHILD NOT_ENOUGH_IPV6_NS_DEL", ""},
		{"one address", func() *model {
			m := newModel()
			m.addrs["ns2.customer.example."] = m.addrs["ns1.customer.example."]
			return m
		}, "CHILD_NS_SAME_IP DEL_NS_SAME_IP SAME_IP_ADDRESS", ""},
		{"name not in the zone", func() *model {
			m := newModel()
			m.names = append(m.names, "ns3.customer.example.")
			m.addrs["ns3.customer.example."] = addrs("11.7.0.53", "2e00:7::53")
			return m
		}, "EXTRA_NAME_PARENT", ""},
		{"all names differ", func() *model {
			m := newModel()
			for i, n := range m.names {
				m.names[i] = "x" + n
				m.addrs["x"+n] = addrs([]string{"11.7.0.53", "11.8.0.53"}[i], []string{"2e00:7::53", "2e00:8::53"}[i])
			}
			return m
		}, "EXTRA_NAME_PARENT TOTAL_NAME_MISMATCH", ""},
		{"glue differs", func() *model {
			m := inZone()
			m.records["ns."+m.zone] = nil
			return m.put("ns A 11.8.0.53").put("ns AAAA 2e00:6::53")
		}, "IN_BAILIWICK_ADDR_MISMATCH", ""},
		{"no address in the zone", func() *model {
			m := inZone()
			delete(m.records, "ns."+m.zone)
			return m
		}, "IN_BAILIWICK_ADDR_MISMATCH NOT_ENOUGH_IPV4_NS_CHILD NOT_ENOUGH_IPV6_NS_CHILD", ""},
		// Zonemaster compares the addresses that the servers of the parent zone have, which are the right ones.
		{"address queries fail", func() *model {
			m := inZone()
			m.alter = when(func(c *call) bool { return dns.CanonicalName(c.query.Question[0].Name) == "ns."+m.zone }, rcode(dns.RcodeServerFailure))
			return m
		}, "CHILD_ZONE_LAME NOT_ENOUGH_IPV4_NS_CHILD NOT_ENOUGH_IPV6_NS_CHILD", ""},
		{"address differs", func() *model {
			m := newModel()
			m.given = true
			m.resolve = map[string][]netip.Addr{"ns2.customer.example.": addrs("11.8.0.53", "2e00:8::53")}
			return m
		}, "OUT_OF_BAILIWICK_ADDR_MISMATCH", "-OUT_OF_BAILIWICK_ADDR_MISMATCH"},

		// Names and addresses.
		{"underscore in the zone", rezone("a_b.4.11.in-addr.arpa."), "NON_ALLOWED_CHARS", ""},
		{"slash in the zone", rezone("0/25.7.4.11.in-addr.arpa."), "NON_ALLOWED_CHARS", ""},
		{"initial hyphen", rezone("7.-4.11.in-addr.arpa."), "INITIAL_HYPHEN", ""},
		{"terminal hyphen", rezone("7-.4.11.in-addr.arpa."), "TERMINAL_HYPHEN", ""},
		{"underscore in a server", func() *model { return rename("ns2.customer.example.", "ns_2.customer.example.") }, "NAMESERVER_NON_ALLOWED_CHARS", ""},
		{"numeric server", func() *model { return rename("ns2.customer.example.", "11.6.0.53.") }, "NAMESERVER_NUMERIC_TLD", ""},
		{"alias", func() *model {
			m := newModel()
			m.aliases["ns2.customer.example."] = "host.customer.example."
			m.addrs["host.customer.example."] = m.addrs["ns2.customer.example."]
			return m
		}, "NS_IS_CNAME", ""},
		{"no address", func() *model {
			m := newModel()
			m.names = append(m.names, "ns3.customer.example.")
			return m.put("@ NS ns3.customer.example.")
		}, "CAN_NOT_BE_RESOLVED B02_NS_NO_IP_ADDR", ""},
		{"private address", func() *model {
			m := newModel()
			m.addrs["ns2.customer.example."] = addrs("10.6.0.53", "2e00:6::53")
			return m
		}, "A01_LOCAL_USE_ADDR", ""},
		{"documentation address", func() *model {
			m := newModel()
			m.addrs["ns2.customer.example."] = addrs("11.6.0.53", "2001:db8:6::53")
			return m
		}, "A01_DOCUMENTATION_ADDR", ""},
		{"benchmark address", func() *model {
			m := newModel()
			m.addrs["ns2.customer.example."] = addrs("198.18.0.53", "2e00:6::53")
			return m
		}, "A01_ADDR_NOT_GLOBALLY_REACHABLE", ""},

		// Signatures.
		{"DNSKEY not signed", signedModel(func(m *model) {
			m.ds = []*dns.DS{m.keys[0].ToDS(dns.SHA256)}
			m.alter = func(c *call) { withoutRRSIG(c.reply, dns.TypeDNSKEY) }
		}),
			"DS02_DNSKEY_NOT_SIGNED_BY_ANY_DS DS08_MISSING_RRSIG_IN_RESPONSE EXTRA_PROCESSING_BROKEN", ""},
		{"DNSKEY signature expired", signedModel(signatureFault(dns.TypeDNSKEY, period(-2*day, -day))), "DS08_DNSKEY_RRSIG_EXPIRED RRSIG_EXPIRED", ""},
		{"DNSKEY signature early", signedModel(signatureFault(dns.TypeDNSKEY, period(day, 2*day))), "DS08_DNSKEY_RRSIG_NOT_YET_VALID", ""},
		{"DNSKEY signature invalid", signedModel(signatureFault(dns.TypeDNSKEY, corrupt)), "DS08_RRSIG_NOT_VALID_BY_DNSKEY", ""},
		{"DNSKEY signature by another key", signedModel(signatureFault(dns.TypeDNSKEY, otherTag)), "DS08_NO_MATCHING_DNSKEY", ""},
		{"SOA not signed", signedModel(func(m *model) { m.alter = func(c *call) { withoutRRSIG(c.reply, dns.TypeSOA) } }), "DS09_MISSING_RRSIG_IN_RESPONSE", ""},
		{"SOA signature expired", signedModel(signatureFault(dns.TypeSOA, period(-2*day, -day))), "DS09_SOA_RRSIG_EXPIRED RRSIG_EXPIRED", ""},
		{"SOA signature early", signedModel(signatureFault(dns.TypeSOA, period(day, 2*day))), "DS09_SOA_RRSIG_NOT_YET_VALID", ""},
		{"SOA signature invalid", signedModel(signatureFault(dns.TypeSOA, corrupt)), "DS09_RRSIG_NOT_VALID_BY_DNSKEY", ""},
		{"SOA signature by another key", signedModel(signatureFault(dns.TypeSOA, otherTag)), "DS09_NO_MATCHING_DNSKEY", ""},
		{"one server unsigned", signedModel(func(m *model) {
			m.alter = func(c *call) {
				if c.first {
					c.reply = newModel().answer(c.query, nil)
				}
			}
		}), "DS03_SERVER_NO_DNSSEC_SUPPORT DS10_SERVER_NO_DNSSEC DS11_INCONSISTENT_SIGNED_ZONE DS_BUT_NOT_DNSKEY NO_RESPONSE_DNSKEY", ""},
		{"deprecated algorithm", withKey(func(k *dns.DNSKEY) { k.Algorithm = 3 }), "ALGORITHM_DEPRECATED", ""},
		{"reserved algorithm", withKey(func(k *dns.DNSKEY) { k.Algorithm = 4 }), "ALGORITHM_RESERVED", ""},
		{"unassigned algorithm", withKey(func(k *dns.DNSKEY) { k.Algorithm = 100 }), "ALGORITHM_UNASSIGNED", ""},
		{"private algorithm", withKey(func(k *dns.DNSKEY) { k.Algorithm = 253 }), "ALGORITHM_PRIVATE", ""},
		{"algorithm not for zones", withKey(func(k *dns.DNSKEY) { k.Algorithm = 2 }), "ALGORITHM_NOT_ZONE_SIGN", ""},
		{"short RSA key", withKey(func(k *dns.DNSKEY) { k.Algorithm, k.PublicKey = 8, "AwEAAa"+strings.Repeat("d", 70) }), "DNSKEY_TOO_SMALL_FOR_ALGO", ""},
		{"long RSA key", withKey(func(k *dns.DNSKEY) { k.Algorithm, k.PublicKey = 8, "AwEAAa"+strings.Repeat("d", 770) }), "DNSKEY_TOO_LARGE_FOR_ALGO", ""},
		// Zonemaster asks a server no more with EDNS that does not answer with it.
		{"no DNSKEY reply", func() *model {
			m := signedModel(func(m *model) {
				m.ds = []*dns.DS{m.keys[0].ToDS(dns.SHA256)}
				m.alter = when(isType(dns.TypeDNSKEY), drop)
			})()
			return m
		}, "DS11_UNDETERMINED_SIGNED_ZONE", "+BREAKS_ON_EDNS"},

		// DS, CDS and CDNSKEY records.
		{"DS SHA-1", withDS(func(d *dns.DS) { *d = *newModel().sign(0).keys[0].ToDS(dns.SHA1) }), "DS01_DS_ALGO_DEPRECATED", ""},
		{"DS digest type 0", withDS(func(d *dns.DS) { d.DigestType = 0 }), "DS01_DS_ALGO_NOT_DS", ""},
		{"DS digest type 7", withDS(func(d *dns.DS) { d.DigestType = 7 }), "DS01_DS_ALGO_RESERVED", ""},
		{"DS digest", withDS(func(d *dns.DS) { d.Digest = strings.Repeat("ab", 32) }), "DS02_NO_MATCH_DS_DNSKEY", ""},
		{"DS of no key", withDS(func(d *dns.DS) { d.KeyTag ^= 1 }), "DS02_NO_VALID_DNSKEY_FOR_ANY_DS", ""},
		{"DS of an unsigned zone", func() *model {
			m := newModel()
			m.ds = []*dns.DS{newModel().sign(0).keys[0].ToDS(dns.SHA256)}
			return m
		}, "DS11_DS_BUT_UNSIGNED_ZONE DS_BUT_NOT_DNSKEY NO_RESPONSE_DNSKEY", ""},
		{"CDS of another key", signedModel(func(m *model) {
			m.cds()
			for _, rr := range m.records[m.zone] {
				if d, ok := rr.(*dns.CDS); ok {
					d.KeyTag ^= 1
				}
			}
			m.ds = []*dns.DS{m.keys[0].ToDS(dns.SHA256)}
		}), "DS15_MISMATCH_CDS_CDNSKEY", ""},
		{"CDS for deletion among others", signedModel(func(m *model) {
			m.cds().put("@ CDS 0 0 0 00").put("@ CDNSKEY 0 3 0 AA==")
		}), "DS16_MIXED_DELETE_CDS DS17_MIXED_DELETE_CDNSKEY", ""},
		{"CDS without keys", func() *model {
			signed := newModel().sign(0).cds()
			m := newModel()
			for _, rr := range signed.records[signed.zone] {
				if t := rr.Header().Rrtype; t == dns.TypeCDS || t == dns.TypeCDNSKEY {
					m.records[m.zone] = append(m.records[m.zone], rr)
				}
			}
			m.ds = []*dns.DS{signed.keys[0].ToDS(dns.SHA256)}
			return m
		}, "DS11_DS_BUT_UNSIGNED_ZONE DS16_CDS_WITHOUT_DNSKEY DS17_CDNSKEY_WITHOUT_DNSKEY DS_BUT_NOT_DNSKEY NO_RESPONSE_DNSKEY", ""},
		{"CDS not signed", signedModel(func(m *model) {
			m.cds().alter = func(c *call) {
				withoutRRSIG(c.reply, dns.TypeCDS)
				withoutRRSIG(c.reply, dns.TypeCDNSKEY)
			}
		}), "DS16_CDS_UNSIGNED DS17_CDNSKEY_UNSIGNED DS18_NO_MATCH_CDNSKEY_RRSIG_DS DS18_NO_MATCH_CDS_RRSIG_DS", ""},
		{"CDS signature invalid", signedModel(func(m *model) {
			m.cds().alter = func(c *call) {
				eachRRSIG(c.reply, dns.TypeCDS, func(sig *dns.RRSIG) { corrupt(m, sig) })
				eachRRSIG(c.reply, dns.TypeCDNSKEY, func(sig *dns.RRSIG) { corrupt(m, sig) })
			}
		}), "DS16_CDS_INVALID_RRSIG DS17_CDNSKEY_INVALID_RRSIG", ""},
		{"CDS signature by another key", signedModel(func(m *model) {
			m.cds().alter = func(c *call) {
				eachRRSIG(c.reply, dns.TypeCDS, func(sig *dns.RRSIG) { otherTag(m, sig) })
				eachRRSIG(c.reply, dns.TypeCDNSKEY, func(sig *dns.RRSIG) { otherTag(m, sig) })
			}
		}), "DS16_CDS_SIGNED_BY_UNKNOWN_DNSKEY DS17_CDNSKEY_SIGNED_BY_UNKNOWN_DNSKEY DS18_NO_MATCH_CDNSKEY_RRSIG_DS DS18_NO_MATCH_CDS_RRSIG_DS", ""},
		{"CDS on one server", signedModel(func(m *model) {
			m.cds().alter = func(c *call) {
				if c.first && (c.is(dns.TypeCDS) || c.is(dns.TypeCDNSKEY)) {
					c.reply = newModel().sign(0).answer(c.query, nil)
				}
			}
		}), "DS15_INCONSISTENT_CDNSKEY DS15_INCONSISTENT_CDS", ""},
		{"key that is not a zone key", func() *model {
			m := newModel().sign(0).sign(1)
			k := m.keys[1].DNSKEY
			k.Flags = dns.SEP
			m.keys[1].off = true
			d := k.ToDS(dns.SHA256)
			m.ds = []*dns.DS{m.keys[0].ToDS(dns.SHA256), d}
			cds := d.ToCDS()
			cds.Hdr.Rrtype, cds.Hdr.Class = dns.TypeCDS, dns.ClassINET
			m.records[m.zone] = append(m.records[m.zone], cds, k.ToCDNSKEY())
			return m
		}, "DS02_DNSKEY_NOT_FOR_ZONE_SIGNING DS16_CDS_MATCHES_NON_ZONE_DNSKEY DS17_CDNSKEY_IS_NON_ZONE", ""},

		// Denial.
		{"missing name fails", signedModel(func(m *model) {
			m.alter = when(func(c *call) bool { return strings.HasPrefix(strings.ToLower(c.query.Question[0].Name), "xx--") }, rcode(dns.RcodeServerFailure))
		}), "DS10_NON_EXISTENT_RESPONSE_ERROR", ""},
		{"no NSEC", signedModel(func(m *model) {
			m.alter = func(c *call) {
				is := func(rr dns.RR) bool {
					sig, ok := rr.(*dns.RRSIG)
					return rr.Header().Rrtype == dns.TypeNSEC || ok && sig.TypeCovered == dns.TypeNSEC
				}
				c.reply.Answer, c.reply.Ns = slices.DeleteFunc(c.reply.Answer, is), slices.DeleteFunc(c.reply.Ns, is)
			}
		}), "DS10_EXPECTED_NSEC_NSEC3_MISSING DS10_MISSING_NSEC_NSEC3", ""},
		{"NSEC not signed", signedModel(func(m *model) { m.alter = func(c *call) { withoutRRSIG(c.reply, dns.TypeNSEC) } }), "DS10_NSEC_MISSING_SIGNATURE", ""},
		{"NSEC signature invalid", signedModel(signatureFault(dns.TypeNSEC, corrupt)), "DS10_NSEC_NO_VERIFIED_SIGNATURE DS10_NSEC_RRSIG_VERIFY_ERROR", ""},
		{"NSEC signature expired", signedModel(signatureFault(dns.TypeNSEC, period(-2*day, -day))), "DS10_NSEC_NO_VERIFIED_SIGNATURE DS10_NSEC_RRSIG_EXPIRED DS10_NSEC_RRSIG_VERIFY_ERROR", ""},
		{"NSEC signature early", signedModel(signatureFault(dns.TypeNSEC, period(day, 2*day))), "DS10_NSEC_NO_VERIFIED_SIGNATURE DS10_NSEC_RRSIG_NOT_YET_VALID DS10_NSEC_RRSIG_VERIFY_ERROR", ""},
		{"NSEC3 not signed", nsec3(func(m *model) { m.alter = func(c *call) { withoutRRSIG(c.reply, dns.TypeNSEC3) } }), "DS10_NSEC3_MISSING_SIGNATURE", ""},
		{"NSEC3 signature invalid", nsec3(signatureFault(dns.TypeNSEC3, corrupt)), "DS10_NSEC3_NO_VERIFIED_SIGNATURE DS10_NSEC3_RRSIG_VERIFY_ERROR", ""},
		{"NSEC3 signature expired", nsec3(signatureFault(dns.TypeNSEC3, period(-2*day, -day))), "DS10_NSEC3_NO_VERIFIED_SIGNATURE DS10_NSEC3_RRSIG_EXPIRED DS10_NSEC3_RRSIG_VERIFY_ERROR", ""},
		{"NSEC3 signature early", nsec3(signatureFault(dns.TypeNSEC3, period(day, 2*day))), "DS10_NSEC3_NO_VERIFIED_SIGNATURE DS10_NSEC3_RRSIG_NOT_YET_VALID DS10_NSEC3_RRSIG_VERIFY_ERROR", ""},
		{"NSEC and NSEC3 on different servers", signedModel(func(m *model) {
			other := nsec3(func(*model) {})()
			m.alter = func(c *call) {
				if c.first {
					c.reply = other.answer(c.query, nil)
				}
			}
		}), "DS03_SERVER_NO_NSEC3 DS10_INCONSISTENT_NSEC DS10_INCONSISTENT_NSEC3 DS10_INCONSISTENT_NSEC_NSEC3", ""},
		{"missing name exists, unsigned", signedModel(func(m *model) {
			m.put("* A 11.1.1.1").alter = func(c *call) {
				if c.isMissing() {
					c.reply.Rcode, c.reply.Ns, c.reply.Answer = 0, nil, []dns.RR{c.rr(c.query.Question[0].Name + " A 11.1.1.1")}
				}
			}
		}), "DS10_UNSIGNED_ANSWER", ""},
		{"wildcard, wrong signature", signedModel(func(m *model) {
			m.before = func(c *call) {
				if c.isMissing() {
					c.reply.Rcode, c.reply.Ns, c.reply.Answer = 0, nil, []dns.RR{c.rr("* A 11.1.1.1")}
				}
			}
			m.alter = func(c *call) {
				if c.isMissing() {
					eachRRSIG(c.reply, dns.TypeA, func(sig *dns.RRSIG) { corrupt(m, sig) })
					for _, rr := range c.reply.Answer {
						rr.Header().Name = c.query.Question[0].Name
					}
				}
			}
		}), "DS10_ANSWER_VERIFY_ERROR", ""},
		{"NSEC and NSEC3 together", nsec3(func(m *model) {
			m.before = func(c *call) {
				if c.isMissing() {
					c.reply.Ns = append(c.reply.Ns, m.nsec(dns.CanonicalName(c.query.Question[0].Name)))
				}
			}
		}), "DS10_MIXED_NSEC_NSEC3", ""},
		{"NSEC does not cover", signedModel(func(m *model) {
			m.before = func(c *call) {
				if c.isMissing() {
					eachRR(c.reply.Ns, func(n *dns.NSEC) { n.Hdr.Name, n.NextDomain = "a."+c.zone, "b."+c.zone })
				}
			}
		}), "DS10_NAME_NOT_COVERED_BY_NSEC", ""},
		{"NSEC3 does not cover", nsec3(func(m *model) {
			m.before = func(c *call) {
				if c.isMissing() {
					eachRR(c.reply.Ns, func(n *dns.NSEC3) {
						n.Hdr.Name, n.NextDomain = strings.Repeat("0", 32)+"."+c.zone, strings.Repeat("0", 31)+"1"
					})
				}
			}
		}), "DS10_NAME_NOT_COVERED_BY_NSEC3", ""},
		{"two NSEC at the apex", signedModel(func(m *model) {
			m.before = when(isType(dns.TypeNSEC), func(c *call) {
				n := dns.Copy(c.reply.Answer[0]).(*dns.NSEC)
				n.NextDomain = "z." + c.zone
				c.reply.Answer = append(c.reply.Answer, n)
			})
		}), "DS10_ERR_MULT_NSEC", ""},
		{"two NSEC3 of the apex", nsec3(func(m *model) {
			m.before = when(isType(dns.TypeNSEC), func(c *call) {
				n := dns.Copy(c.reply.Ns[1]).(*dns.NSEC3)
				n.NextDomain = strings.Repeat("0", 32)
				c.reply.Ns = append(c.reply.Ns, n)
			})
		}), "DS03_ERR_MULT_NSEC3 DS10_ERR_MULT_NSEC3", ""},
		{"two NSEC3PARAM", nsec3(func(m *model) { m.put("@ NSEC3PARAM 1 0 1 -") }), "DS10_ERR_MULT_NSEC3PARAM", ""},
		{"NSEC of another name", signedModel(func(m *model) {
			m.before = when(isType(dns.TypeNSEC), func(c *call) { eachRR(c.reply.Answer, func(n *dns.NSEC) { n.Hdr.Name = "x." + c.zone }) })
		}), "DS10_NSEC_MISMATCHES_APEX", ""},
		{"NSEC3 of another name", nsec3(func(m *model) {
			m.before = when(isType(dns.TypeNSEC), func(c *call) {
				eachRR(c.reply.Ns, func(n *dns.NSEC3) { n.Hdr.Name = strings.Repeat("0", 32) + "." + c.zone })
			})
		}), "DS10_NSEC3_MISMATCHES_APEX", ""},
		{"NSEC3PARAM of another name", nsec3(func(m *model) {
			m.before = when(isType(dns.TypeNSEC3PARAM), func(c *call) { eachRR(c.reply.Answer, func(n *dns.NSEC3PARAM) { n.Hdr.Name = "x." + c.zone }) })
		}), "DS10_NSEC3PARAM_MISMATCHES_APEX", ""},
		{"NSEC types", signedModel(func(m *model) {
			m.before = when(isType(dns.TypeNSEC), func(c *call) {
				eachRR(c.reply.Answer, func(n *dns.NSEC) { n.TypeBitMap = []uint16{dns.TypeNS, dns.TypeRRSIG, dns.TypeNSEC} })
			})
		}), "DS10_NSEC_ERR_TYPE_LIST", ""},
		{"NSEC3 types", nsec3(func(m *model) {
			m.before = when(isType(dns.TypeNSEC), func(c *call) {
				eachRR(c.reply.Ns, func(n *dns.NSEC3) { n.TypeBitMap = append([]uint16{dns.TypeNSEC}, n.TypeBitMap...) })
				eachRR(c.reply.Ns, func(n *dns.NSEC3) { slices.Sort(n.TypeBitMap) })
			})
		}), "DS10_NSEC3_ERR_TYPE_LIST", ""},
		{"no NSEC reply", signedModel(func(m *model) { m.alter = when(isType(dns.TypeNSEC), drop) }), "DS03_NO_RESPONSE_NSEC_QUERY DS10_NSEC_QUERY_RESPONSE_ERR", ""},
		{"NSEC query fails", signedModel(func(m *model) { m.alter = when(isType(dns.TypeNSEC), rcode(dns.RcodeServerFailure)) }), "DS03_ERROR_RESPONSE_NSEC_QUERY DS10_NSEC_QUERY_RESPONSE_ERR", ""},
		{"NSEC3PARAM query fails", signedModel(func(m *model) { m.alter = when(isType(dns.TypeNSEC3PARAM), rcode(dns.RcodeServerFailure)) }), "DS10_NSEC3PARAM_QUERY_RESPONSE_ERR", ""},
		{"NSEC query has another answer", nsec3(func(m *model) {
			m.before = when(isType(dns.TypeNSEC), func(c *call) { c.reply.Answer = []dns.RR{c.rr("@ TXT x")} })
		}), "DS10_NSEC_GIVES_ERR_ANSWER", ""},
		{"NSEC3PARAM query has another answer", signedModel(func(m *model) {
			m.before = when(isType(dns.TypeNSEC3PARAM), func(c *call) { c.reply.Answer = []dns.RR{c.rr("@ TXT x")} })
		}), "DS10_NSEC3PARAM_GIVES_ERR_ANSWER", ""},
		{"NODATA without SOA", signedModel(func(m *model) { m.before = when(isType(dns.TypeNSEC3PARAM), withoutSOA) }), "DS10_NSEC_NODATA_MISSING_SOA", ""},
		{"NODATA with another SOA", signedModel(func(m *model) { m.before = when(isType(dns.TypeNSEC3PARAM), otherSOA) }), "DS10_NSEC_NODATA_WRONG_SOA", ""},
		{"NSEC3 NODATA without SOA", nsec3(func(m *model) { m.before = when(isType(dns.TypeNSEC), withoutSOA) }), "DS10_NSEC3_NODATA_MISSING_SOA", ""},
		{"NSEC3 NODATA with another SOA", nsec3(func(m *model) { m.before = when(isType(dns.TypeNSEC), otherSOA) }), "DS10_NSEC3_NODATA_WRONG_SOA", ""},
		// Zonemaster 4.6 ends with an assertion of ldns.
		{"NSEC3 hash", nsec3(func(m *model) { m.before = eachNSEC3Record(func(_ bool, n *dns.NSEC3) { n.Hash = 2 }) }),
			"DS03_ILLEGAL_HASH_ALGO DS10_NSEC3_MISMATCHES_APEX", "crash"},
		{"NSEC3 flag", nsec3(func(m *model) { m.before = eachNSEC3Record(func(_ bool, n *dns.NSEC3) { n.Flags = 4 }) }), "DS03_UNASSIGNED_FLAG_USED", ""},
		// As above.
		{"NSEC3 parameters of one server", nsec3(func(m *model) {
			m.before = eachNSEC3Record(func(first bool, n *dns.NSEC3) {
				if first {
					n.Hash, n.Flags, n.Iterations, n.SaltLength, n.Salt = 2, 1, 3, 1, "ab"
				}
			})
		}), "DS03_ILLEGAL_HASH_ALGO DS03_INCONSISTENT_HASH_ALGO DS03_INCONSISTENT_ITERATION DS03_INCONSISTENT_NSEC3_FLAGS DS03_INCONSISTENT_SALT_LENGTH DS10_NSEC3_MISMATCHES_APEX", "crash"},
		{"DS key does not sign well", signedModel(func(m *model) {
			m.ds = []*dns.DS{m.keys[0].ToDS(dns.SHA256)}
			signatureFault(dns.TypeDNSKEY, corrupt)(m)
		}), "DS02_DNSKEY_NOT_SIGNED_BY_ANY_DS DS02_RRSIG_NOT_VALID_BY_DNSKEY DS08_RRSIG_NOT_VALID_BY_DNSKEY", ""},

		// Aliases of servers.
		{"alias in a circle", func() *model {
			m := newModel()
			m.names = append(m.names, "ns3.customer.example.")
			m.aliases["ns3.customer.example."], m.aliases["a.customer.example."] = "a.customer.example.", "ns3.customer.example."
			return m.put("@ NS ns3.customer.example.")
		}, "B02_NS_NO_IP_ADDR CAN_NOT_BE_RESOLVED CNAME_LOOP_OUTER NS_IS_CNAME", ""},
		{"long alias", func() *model {
			m := newModel()
			m.names = append(m.names, "ns3.customer.example.")
			from := "ns3.customer.example."
			for i := range 12 {
				to := string(rune('a'+i)) + ".customer.example."
				m.aliases[from] = to
				from = to
			}
			return m.put("@ NS ns3.customer.example.")
		}, "B02_NS_NO_IP_ADDR CAN_NOT_BE_RESOLVED CNAME_CHAIN_TOO_LONG NS_IS_CNAME", ""},
		// Zonemaster stops before the test of resolution.
		{"no server has an address", func() *model {
			m := newModel()
			m.addrs = map[string][]netip.Addr{"other.example.": addrs("11.4.7.53")}
			return m
		}, "B02_NS_NO_IP_ADDR NO_RESOLUTION", "+CANNOT_CONTINUE -NO_RESOLUTION"},
	}
}

// tagsOf returns the tags of a text, sorted.
func tagsOf(text string) []string {
	out := strings.Fields(text)
	slices.Sort(out)
	return out
}

// TestFaults finds each fault, and nothing else, in a model without network.
func TestFaults(t *testing.T) {
	for _, c := range faults() {
		t.Run(c.name, func(t *testing.T) {
			if got, _ := c.make().check(t); !slices.Equal(got, tagsOf(c.tags)) {
				t.Errorf("errors %q, want %q", got, tagsOf(c.tags))
			}
		})
	}
}

// TestFaultsBySource finds the same over the protocol, in a network in memory: all faults of servers,
// and some of those of signatures, which are the same messages for the network.
func TestFaultsBySource(t *testing.T) {
	for i, c := range faults() {
		if len(c.make().keys) > 0 && i%8 != 0 {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := c.make()
				network := &delegationtest.Network{}
				for _, a := range m.servers() {
					network.Add(a.String(), &delegationtest.Host{Answer: func(query *dns.Msg, tr delegation.Transport) *dns.Msg {
						return m.serve(a, query, tr == delegation.TCP)
					}})
				}
				network.Add("11.0.0.53", &delegationtest.Host{Answer: func(query *dns.Msg, _ delegation.Transport) *dns.Msg { return m.root(query) }})
				src := NewSource(delegation.Options{Network: network, From: []delegation.Server{{Addr: netip.MustParseAddrPort("11.0.0.53:53")}}})
				f := Collect(t.Context(), m.handover(), src, m.now)
				var got []string
				for _, n := range f.Check(all) {
					if n.Refused != nil {
						got = append(got, n.Tag)
					}
				}
				slices.Sort(got)
				if !slices.Equal(got, tagsOf(c.tags)) {
					t.Errorf("errors %q, want %q", got, tagsOf(c.tags))
				}
			})
		})
	}
}
