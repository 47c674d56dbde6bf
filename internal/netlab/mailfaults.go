package netlab

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/zone/dname"
)

// A MailFault is a customer with a mail host whose mail is rejected, or may be, because of one
// fault. Without the fault, the host mail.DOMAIN has the addresses that it sends from, each with
// a PTR record, and DOMAIN has an MX record and an SPF record that allows them.
//
// In texts, {n} is the number of the customer, {domain} its domain.
type MailFault struct {
	Name  string
	About string

	// Reverse and Forward are records of the reverse zones and of the domain, in place of those
	// with the same owner and type. A line without RDATA only removes these.
	Reverse, Forward string
	// ReverseServer and ForwardServer are the behaviour of the servers of a zone.
	ReverseServer, ForwardServer string
	// Parent and ForwardParent have the delegation in place of the generated one.
	Parent, ForwardParent string

	// From are the addresses that mail is sent from: the end of one in the customer's prefix, as
	// 25 or ::25, or a whole one.
	From     []string
	HELO     string // empty: mail.{domain}
	Domain   string // of mail addresses; empty: {domain}
	MailFrom string // empty: not given to ptrd doctor, the domain

	// Check is that of ptrd doctor which finds the fault, before all others. Empty: none does.
	Check    string
	NotKnown bool   // its result is not known, because servers do not answer
	Should   bool   // what it finds is recommended, not required
	Remedy   string // contained in that of ptrd doctor: what undoes the fault
	// Resolver is in place of Check if ptrd doctor asks a resolver, which hides the fault: another
	// check, or "none".
	Resolver string

	// Replies are those of mail servers which differ from what judgements have, by their names,
	// and Why is the reason.
	Replies map[string]string
	Why     string

	N int // set by MailFaults
}

// MailFaults returns the table of faults.
func MailFaults() []MailFault {
	faults := []MailFault{
		{Name: "none", About: "nothing is wrong"},
		{Name: "two-uplinks", About: "nothing is wrong with two uplinks", From: []string{"25", "26"}},
		{Name: "ipv6-uplink", About: "nothing is wrong with an uplink of each family", From: []string{"25", "::25"}},
		{Name: "classless", About: "the address has its name by an alias, as in a classless zone", Reverse: "25 PTR\n25 CNAME 25.0-63\n25.0-63 PTR mail.{domain}."},
		{Name: "ses", About: "a mail service sends bounces to a subdomain", MailFrom: "bounce.{domain}", Forward: "bounce MX 10 mail\nbounce TXT \"v=spf1 ip4:11.4.{n}.25 -all\""},

		{Name: "delegation-missing", About: "the provider delegates no zone", Parent: "; not delegated", Check: "ptr", Remedy: "25.{n}.4.11.in-addr.arpa. PTR mail.{domain}."},
		{Name: "delegation-registry", About: "the registry delegates no zone", Parent: "; not delegated", From: []string{"11.99.0.25"}, Check: "delegation", Remedy: "delegate the reverse zone of the addresses by NS records in 11.in-addr.arpa.", Replies: map[string]string{"exim": eximReverse}, Why: "there is no name, which is not temporary"},
		{Name: "delegation-refused", About: "the servers of the reverse zone do not have it", ReverseServer: "refused", Check: "delegation", Remedy: "configure the zone {n}.4.11.in-addr.arpa. on its name servers"},
		{Name: "delegation-servfail", About: "the servers of the reverse zone fail", ReverseServer: "servfail", Check: "delegation", Remedy: "configure the zone {n}.4.11.in-addr.arpa. on its name servers"},
		{Name: "delegation-nxdomain", About: "the servers of the reverse zone do not know its name", ReverseServer: "nxdomain", Check: "delegation", Remedy: "configure the zone {n}.4.11.in-addr.arpa. on its name servers", Replies: map[string]string{"exim": eximReverse}, Why: "NXDOMAIN is not temporary", Resolver: "ptr"},
		{Name: "delegation-cached", About: "the servers of the reverse zone answer without authority", ReverseServer: "no-aa", Check: "delegation", Remedy: "configure the zone {n}.4.11.in-addr.arpa. on its name servers", Replies: map[string]string{"postfix": "", "exim": "", "opensmtpd": ""}, Why: "unbound uses answers without authority; other resolvers do not", Resolver: "none"},
		{Name: "delegation-silent", About: "the servers of the reverse zone do not answer", ReverseServer: "silent", Check: "delegation", NotKnown: true},
		{Name: "delegation-garbage", About: "the servers of the reverse zone send what is no message", ReverseServer: "garbage", Check: "delegation", NotKnown: true},
		{Name: "delegation-no-tcp", About: "the servers of the reverse zone ask for TCP, and do not answer it", ReverseServer: "truncated-no-tcp", Check: "delegation", NotKnown: true},
		{Name: "delegation-elsewhere", About: "the zone is delegated to a server that does not have it", Parent: "{n} NS ns1.hoster.example.", Check: "delegation", Remedy: "configure the zone {n}.4.11.in-addr.arpa. on its name servers"},
		{Name: "delegation-no-name", About: "the zone is delegated to a name that does not exist", Parent: "{n} NS missing.faulty.example.", Check: "delegation", Remedy: "give the name server missing.faulty.example. addresses"},
		{Name: "delegation-no-glue", About: "the zone is delegated to a name in it, without glue", Parent: "{n} NS ns.{n}", Check: "delegation", Remedy: "give the name server ns.{n}.4.11.in-addr.arpa. addresses"},
		{Name: "delegation-one-refused", About: "one of two servers of the reverse zone does not have it", Parent: "{n} NS ns1.customer.example.\n{n} NS ns1.hoster.example.", Check: "servers", Should: true, Remedy: "correct the server ns1.hoster.example."},
		{Name: "delegation-one-silent", About: "one of two servers of the reverse zone does not answer", Parent: "{n} NS ns1.customer.example.\n{n} NS silent.faulty.example.", Check: "servers", NotKnown: true, Should: true, Replies: map[string]string{"postfix": "", "exim": "", "opensmtpd": ""}},
		{Name: "dnssec-ds", About: "the zone above has a DS record of a key that the zone does not have", Parent: "{n} NS ns1.customer.example.\n{n} DS " + bogusDS, Check: "dnssec", Should: true, Remedy: "remove the DS records of {n}.4.11.in-addr.arpa.", Replies: map[string]string{"postfix": postfixReverse, "exim": eximTemporary, "opensmtpd": opensmtpdReverse}, Why: "the zones above are not signed; the resolver of the lab trusts the DS record, as if they were"},
		{Name: "classless-no-ptr", About: "an alias of the classless kind leads to a name without PTR record", Reverse: "25 PTR\n25 CNAME 25.0-63", Check: "ptr", Remedy: "add the record `25.0-63.{n}.4.11.in-addr.arpa. PTR mail.{domain}.`"},
		{Name: "classless-loop", About: "the aliases of the address lead in a circle", Reverse: "25 PTR\n25 CNAME 25.0-63\n25.0-63 CNAME 25", Check: "delegation", Remedy: "remove the CNAME at 25.0-63.{n}.4.11.in-addr.arpa."},
		{Name: "classless-refused", About: "the alias leads to a zone that its servers do not have", Reverse: "25 PTR\n25 CNAME 25.0-63\n0-63 NS ns1.hoster.example.", Check: "delegation", Remedy: "configure the zone 0-63.{n}.4.11.in-addr.arpa."},

		{Name: "ptr-missing", About: "the address has no PTR record", Reverse: "25 PTR", Check: "ptr", Remedy: "add the record `25.{n}.4.11.in-addr.arpa. PTR mail.{domain}.`"},
		{Name: "ptr-no-name", About: "the PTR record has a name that does not exist", Reverse: "25 PTR missing.{domain}.", Check: "forward", Remedy: "change the record to `25.{n}.4.11.in-addr.arpa. PTR mail.{domain}.`"},
		{Name: "ptr-other-host", About: "the PTR record has the name of another host", Reverse: "25 PTR www.{domain}.", Forward: "www A 11.4.{n}.80", Check: "confirmed", Remedy: "change the record to `25.{n}.4.11.in-addr.arpa. PTR mail.{domain}.`"},
		{Name: "ptr-no-dot", About: "the name in the PTR record has no final dot", Reverse: "25 PTR mail.{domain}", Check: "name", Remedy: "change the record to `25.{n}.4.11.in-addr.arpa. PTR mail.{domain}.`"},
		{Name: "ptr-one-label", About: "the PTR record has a name of one label", Reverse: "25 PTR mail.", Check: "name", Remedy: "change the record to `25.{n}.4.11.in-addr.arpa. PTR mail.{domain}.`"},
		{Name: "ptr-address", About: "the PTR record has the address as a name", Reverse: "25 PTR 11.4.{n}.25.", Check: "name", Remedy: "change the record to `25.{n}.4.11.in-addr.arpa. PTR mail.{domain}.`", Replies: map[string]string{"postfix": postfixReverse, "opensmtpd": opensmtpdReverse}, Why: "the resolver library does not pass it on"},
		{Name: "ptr-two", About: "one of two PTR records has a name of another host", ReverseServer: "healthy", Reverse: "25 PTR mail.{domain}.\n25 PTR a.{domain}.", Forward: "a A 11.4.{n}.80", Check: "all names", Should: true, Remedy: "remove the record `25.{n}.4.11.in-addr.arpa. PTR a.{domain}.`"},
		{Name: "ptr-pool", About: "the name of the address looks like that of a dynamic one", Reverse: "25 PTR 25-{n}-4-11.dsl.{domain}.", Forward: "25-{n}-4-11.dsl A 11.4.{n}.25", Check: "pool", Should: true, Remedy: "change the record to `25.{n}.4.11.in-addr.arpa. PTR mail.{domain}.`"},
		{Name: "ptr-alias", About: "the name of the address is an alias of that of the host", Reverse: "25 PTR smtp.{domain}.", Forward: "smtp CNAME mail"},

		{Name: "forward-missing", About: "the name of the address has no address", Forward: "mail A", Check: "helo", Remedy: "add the record `mail.{domain}. A 11.4.{n}.25`", Replies: map[string]string{"postfix": postfixHostname, "exim": eximReverse, "opensmtpd": opensmtpdForward}, Why: "servers look at the client before HELO"},
		{Name: "forward-other", About: "the name of the address has another address", Forward: "mail A 11.4.{n}.26", Check: "confirmed", Remedy: "add the record `mail.{domain}. A 11.4.{n}.25`"},
		{Name: "forward-family", About: "the name of the address has an address of the other family only", Forward: "mail A\nmail AAAA 2e00:{n}::25", Check: "forward", Remedy: "add the record `mail.{domain}. A 11.4.{n}.25`"},
		{Name: "forward-private", About: "the name of the address has a private address", Forward: "mail A 10.0.0.25", Check: "confirmed", Remedy: "add the record `mail.{domain}. A 11.4.{n}.25`"},
		{Name: "forward-not-delegated", About: "the domain is not delegated", ForwardParent: "; not delegated", Check: "helo", Remedy: "let the registrar of the domain delegate it", Replies: map[string]string{"postfix": postfixHostname, "exim": eximReverse, "opensmtpd": opensmtpdForward}, Why: "servers look at the client before HELO"},
		{Name: "forward-refused", About: "the servers of the domain do not have it", ForwardServer: "refused", Check: "helo", Remedy: "configure the zone {domain}. on its name servers", Replies: map[string]string{"postfix": postfixHostname, "exim": eximTemporary, "opensmtpd": opensmtpdForward}, Why: "servers look at the client before HELO, and SERVFAIL of a resolver is temporary"},
		{Name: "forward-silent", About: "the servers of the domain do not answer", ForwardServer: "silent", Check: "forward", NotKnown: true},

		{Name: "helo-one-label", About: "the name in HELO has one label", HELO: "mail", Check: "helo name", Remedy: "set the name in HELO to mail.{domain}"},
		{Name: "helo-localdomain", About: "the name in HELO is the default of a host without name", HELO: "localhost.localdomain", Check: "helo name", Remedy: "set the name in HELO to mail.{domain}", Replies: map[string]string{"postfix": "450 4.7.1 <", "opensmtpd": ""}, Why: "it has two labels"},
		{Name: "helo-local", About: "the name in HELO is one of the local network", HELO: "mail.local", Check: "helo name", Remedy: "set the name in HELO to mail.{domain}", Replies: map[string]string{"postfix": "450 4.7.1 <", "opensmtpd": ""}, Why: "it has two labels"},
		{Name: "helo-no-name", About: "the name in HELO does not exist", HELO: "missing.{domain}", Check: "helo", Remedy: "set the name in HELO to mail.{domain}"},
		{Name: "helo-no-address", About: "the name in HELO has no address", HELO: "text.{domain}", Forward: "text TXT x", Check: "helo", Remedy: "set the name in HELO to mail.{domain}"},
		{Name: "helo-other-host", About: "the name in HELO is that of another host", HELO: "www.{domain}", Forward: "www A 11.4.{n}.80", Check: "helo address", Should: true, Remedy: "set the name in HELO to mail.{domain}"},
		{Name: "helo-literal", About: "the name in HELO is an address", HELO: "[11.4.{n}.25]", Check: "helo name", Should: true, Remedy: "set the name in HELO to mail.{domain}", Replies: map[string]string{"postfix": "", "exim": "", "opensmtpd": ""}, Why: "they accept the address of the host"},
		{Name: "helo-address", About: "the name in HELO is an address without brackets", HELO: "11.4.{n}.25", Check: "helo name", Remedy: "set the name in HELO to mail.{domain}", Replies: map[string]string{"opensmtpd": ""}, Why: "it has dots"},

		{Name: "mx-missing", About: "the domain has neither an MX record nor an address", Forward: "@ MX", Check: "mx", Remedy: "add the record `{domain}. MX 10 mail.{domain}.`"},
		{Name: "mx-none-needed", About: "the domain has an address and no MX record", Forward: "@ MX\n@ A 11.4.{n}.25"},
		{Name: "mx-null", About: "the domain receives no mail", Forward: "@ MX 0 .", Check: "mx", Remedy: "replace the MX record of {domain}.", Replies: map[string]string{"postfix": "550 5.7.27 <"}, Why: "a reply of its own"},
		{Name: "mx-no-address", About: "the host in the MX record has no address", Forward: "@ MX 10 missing", Check: "mx", Remedy: "add an address of missing.{domain}.", Replies: map[string]string{"postfix": ""}, Why: "it looks up the MX records of the sender, and not their hosts"},
		{Name: "mx-one-no-address", About: "one of two hosts in the MX records has no address", Forward: "@ MX 10 missing\n@ MX 20 mail", Check: "mx", Should: true, Remedy: "add an address of missing.{domain}.", Replies: map[string]string{"postfix": "", "exim": ""}, Why: "the other host has an address"},
		{Name: "mx-no-domain", About: "the domain of the sender does not exist", Domain: "no.{domain}", Check: "mx", Remedy: "add the record `no.{domain}. MX 10 mail.{domain}.`"},

		{Name: "spf-missing", About: "the domain has no SPF record", Forward: "@ TXT", Check: "spf", Should: true, Remedy: "add the record `{domain}. TXT", Replies: map[string]string{"exim": ""}, Why: "only fail and errors are refused"},
		{Name: "spf-two", About: "the domain has two SPF records", Forward: "@ TXT \"v=spf1 ip4:11.4.{n}.25 -all\"\n@ TXT \"v=spf1 mx -all\"", Check: "spf", Remedy: "unite the SPF records into one"},
		{Name: "spf-syntax", About: "the SPF record has a syntax error", Forward: "@ TXT \"v=spf1 ip4:11.4.{n}.256 -all\"", Check: "spf", Remedy: "correct the SPF record", Replies: map[string]string{"exim": ""}, Why: "libspf2 does not see the error"},
		{Name: "spf-fail", About: "the SPF record does not have the address", Forward: "@ TXT \"v=spf1 ip4:11.4.{n}.26 -all\"", Check: "spf", Remedy: "add `ip4:11.4.{n}.25` to the SPF record of {domain}."},
		{Name: "spf-softfail", About: "the SPF record does not have the address, and ends in ~all", Forward: "@ TXT \"v=spf1 ip4:11.4.{n}.26 ~all\"", Check: "spf", Should: true, Remedy: "add `ip4:11.4.{n}.25` to the SPF record of {domain}.", Replies: map[string]string{"exim": ""}, Why: "only fail and errors are refused"},
		{Name: "spf-neutral", About: "the SPF record does not have the address, and no all", Forward: "@ TXT \"v=spf1 ip4:11.4.{n}.26\"", Check: "spf", Should: true, Remedy: "add `ip4:11.4.{n}.25` to the SPF record of {domain}.", Replies: map[string]string{"exim": ""}, Why: "only fail and errors are refused"},
		{Name: "spf-lookups", About: "the SPF record needs eleven lookups", Forward: "@ A 11.4.{n}.80\n@ TXT \"v=spf1 a a a a a a a a a a a ip4:11.4.{n}.25 -all\"", Check: "spf", Remedy: "correct the SPF record"},
		{Name: "spf-include-missing", About: "the SPF record includes a domain without one", Forward: "@ TXT \"v=spf1 include:_spf.{domain} ip4:11.4.{n}.25 -all\"", Check: "spf", Remedy: "correct the SPF record"},
		{Name: "spf-include", About: "the SPF record includes one with the address", Forward: "@ TXT \"v=spf1 include:_spf.{domain} -all\"\n_spf TXT \"v=spf1 ip4:11.4.{n}.25 ?all\""},
		{Name: "spf-void", About: "the SPF record has three names that do not exist", Forward: "@ TXT \"v=spf1 a:x.{domain} a:y.{domain} a:z.{domain} ip4:11.4.{n}.25 -all\"", Check: "spf", Remedy: "correct the SPF record", Replies: map[string]string{"exim": ""}, Why: "libspf2 does not count lookups without answer"},

		{Name: "mail-from-no-mx", About: "the subdomain for bounces has an address and no MX record", MailFrom: "bounce.{domain}", Forward: "bounce A 11.4.{n}.25\nbounce TXT \"v=spf1 a -all\"", Check: "mail from", Remedy: "let bounce.{domain}. have only the MX record"},
		{Name: "mail-from-two-mx", About: "the subdomain for bounces has two MX records", MailFrom: "bounce.{domain}", Forward: "bounce MX 10 mail\nbounce MX 10 mail2\nmail2 A 11.4.{n}.25\nbounce TXT \"v=spf1 mx -all\"", Check: "mail from", Remedy: "let bounce.{domain}. have only the MX record"},
		{Name: "mail-from-none", About: "the subdomain for bounces does not exist", MailFrom: "bounce.{domain}", Check: "mail from", Remedy: "let bounce.{domain}. have only the MX record", Replies: map[string]string{"postfix": "450 4.1.8 <", "exim": "550 "}, Why: "the domain does not exist"},
		{Name: "mail-from-spf", About: "the SPF record of the subdomain for bounces does not have the address", MailFrom: "bounce.{domain}", Forward: "bounce MX 10 mail\nbounce TXT \"v=spf1 ip4:11.9.0.0/16 -all\"", Check: "spf", Remedy: "add `ip4:11.4.{n}.25` to the SPF record of bounce.{domain}."},
		{Name: "mail-from-no-spf", About: "the subdomain for bounces has no SPF record", MailFrom: "bounce.{domain}", Forward: "bounce MX 10 mail", Check: "spf", Should: true, Remedy: "add the record `bounce.{domain}. TXT", Replies: map[string]string{"exim": ""}, Why: "only fail and errors are refused"},

		{Name: "uplink-ptr", About: "the second uplink has no PTR record", From: []string{"25", "26"}, Reverse: "26 PTR", Check: "ptr", Remedy: "add the record `26.{n}.4.11.in-addr.arpa. PTR mail.{domain}.`"},
		{Name: "uplink-forward", About: "the name does not have the address of the second uplink", From: []string{"25", "26"}, Forward: "mail A 11.4.{n}.25", Check: "confirmed", Remedy: "add the record `mail.{domain}. A 11.4.{n}.26`"},
		{Name: "uplink-spf", About: "the SPF record does not have the second uplink", From: []string{"25", "26"}, Forward: "@ TXT \"v=spf1 ip4:11.4.{n}.25 -all\"", Check: "spf", Remedy: "add `ip4:11.4.{n}.26` to the SPF record of {domain}."},
		{Name: "uplink6-ptr", About: "the IPv6 uplink has no PTR record", From: []string{"25", "::25"}, Reverse: "5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 PTR", Check: "ptr", Remedy: "e.2.ip6.arpa. PTR mail.{domain}.`"},
		{Name: "uplink6-forward", About: "the name does not have the address of the IPv6 uplink", From: []string{"25", "::25"}, Forward: "mail AAAA", Check: "forward", Remedy: "add the record `mail.{domain}. AAAA 2e00:{n}::25`"},
		{Name: "uplink6-spf", About: "the SPF record does not have the IPv6 uplink", From: []string{"25", "::25"}, Forward: "@ TXT \"v=spf1 ip4:11.4.{n}.25 -all\"", Check: "spf", Remedy: "add `ip6:2e00:{n}::25` to the SPF record of {domain}."},
	}
	for i := range faults {
		f := &faults[i]
		f.N = 100 + i
		if f.From == nil {
			f.From = []string{"25"}
		}
		if f.HELO == "" {
			f.HELO = "mail.{domain}"
		}
		if f.Domain == "" {
			f.Domain = "{domain}"
		}
		for _, text := range []*string{&f.Reverse, &f.Forward, &f.Parent, &f.ForwardParent, &f.HELO, &f.Domain, &f.MailFrom, &f.Remedy} {
			*text = strings.NewReplacer("{n}", fmt.Sprint(f.N), "{domain}", f.Name+".example").Replace(*text)
		}
	}
	return faults
}

// Addrs returns the addresses that mail is sent from.
func (f *MailFault) Addrs() (all []netip.Addr) {
	for _, a := range f.From {
		switch {
		case strings.HasPrefix(a, "::"):
			a = fmt.Sprintf("2e00:%d%s", f.N, a)
		case !strings.Contains(a, "."):
			a = fmt.Sprintf("11.4.%d.%s", f.N, a)
		}
		all = append(all, netip.MustParseAddr(a))
	}
	return all
}

// A Mail is what a receiving server sees of a mail before its content.
type Mail struct {
	From     netip.Addr // of the host that sends
	HELO     string
	MailFrom string // domain of the sender
}

// Mail returns the mail that the host sends from an address.
func (f *MailFault) Mail(from netip.Addr) Mail {
	m := Mail{From: from, HELO: f.HELO, MailFrom: f.MailFrom}
	if m.MailFrom == "" {
		m.MailFrom = f.Domain
	}
	return m
}

// zones returns the zones of the customer.
func (f *MailFault) zones(faulty *Host) []Zone {
	forward := Zone{Apex: f.Name + ".example.", Parent: f.ForwardParent}
	spf := ""
	for _, a := range f.Addrs() {
		forward.Records += addressRecords("mail", []netip.Addr{a})
		spf += fmt.Sprintf(" ip%d:%s", 4+a.BitLen()/128*2, a)
	}
	forward.Records = replaceRecords(forward.Records+fmt.Sprintf("@ MX 10 mail\n@ TXT \"v=spf1%s -all\"\n", spf), f.Forward)
	forward.serve(f.Name+"-forward", f.ForwardServer, faulty)
	zones := []Zone{forward}
	for _, a := range f.Addrs() {
		bits := 24
		if a.Is6() {
			bits = 32
		}
		apex, _ := dname.FromPrefix(netip.PrefixFrom(a, bits).Masked())
		z := Zone{Apex: apex.String(), Parent: f.Parent}
		name, _ := dns.ReverseAddr(a.String())
		name = strings.TrimSuffix(name, "."+z.Apex)
		i := slices.IndexFunc(zones, func(other Zone) bool { return other.Apex == z.Apex })
		if i < 0 {
			i = len(zones)
			z.serve(f.Name+"-reverse", f.ReverseServer, faulty)
			zones = append(zones, z)
		}
		zones[i].Records += name + " PTR mail." + f.Name + ".example.\n"
	}
	for i := range zones[1:] {
		zones[i+1].Records = replaceRecords(zones[i+1].Records, f.Reverse)
	}
	return zones
}

// serve sets the servers of a zone. With a behaviour, they are a server of that behaviour alone.
func (z *Zone) serve(name, behaviour string, faulty *Host) {
	z.Hosts, z.NS = []string{"ns1", "ns2"}, []string{"ns1.customer.example.", "ns2.customer.example."}
	if behaviour == "" {
		return
	}
	n := len(faulty.Names) + 1
	server := Name{Name: name + "." + domain, Fault: behaviour, Addrs: addrs(66, n)}
	faulty.Names = append(faulty.Names, server)
	z.NS = []string{server.Name}
}

// replaceRecords puts records in the place of those with the same owner and type.
func replaceRecords(records, replacement string) string {
	var b strings.Builder
	key := func(line string) [2]string { return [2]string(strings.Fields(line)[:2]) }
	replaced := make(map[[2]string]bool)
	for line := range strings.Lines(replacement) {
		replaced[key(line)] = true
	}
	for line := range strings.Lines(records) {
		if !replaced[key(line)] {
			b.WriteString(line)
		}
	}
	for line := range strings.Lines(replacement) {
		if len(strings.Fields(line)) > 2 {
			b.WriteString(strings.TrimSuffix(line, "\n") + "\n")
		}
	}
	return b.String()
}

// bogusDS is of no key. The resolver of the lab has it as a trust anchor too, as if all zones
// above were signed.
const bogusDS = "12345 13 2 00000000000000000000000000000000000000000000000000000000000000ff"

// Receivers are the hosts of the mail servers, which are the names of their software.
var Receivers = []string{"postfix", "exim", "opensmtpd"}

// Replies of several checks.
const (
	postfixReverse   = "450 4.7.1 Client host rejected: cannot find your reverse hostname, ["
	postfixHostname  = "450 4.7.25 Client host rejected: cannot find your hostname, ["
	eximReverse      = "550 reverse DNS lookup failed"
	eximHELO         = "550 HELO name is not that of the host"
	eximTemporary    = "451 Temporary local problem"
	opensmtpdReverse = "550 5.7.25 no reverse DNS"
	opensmtpdForward = "550 5.7.25 reverse DNS does not lead back"
)

// judgements are how replies of the mail servers begin to mail of a host that a check of ptrd
// doctor finds a fault in. A server that is not listed does not look at it, and accepts the mail.
// After "?" is what they reply if the result of the check is not known.
var judgements = map[string]map[string]string{
	"delegation":   {"postfix": postfixReverse, "exim": eximTemporary, "opensmtpd": opensmtpdReverse},
	"delegation?":  {"postfix": postfixReverse, "exim": eximTemporary, "opensmtpd": opensmtpdReverse},
	"ptr":          {"postfix": postfixReverse, "exim": eximReverse, "opensmtpd": opensmtpdReverse},
	"name":         {"postfix": postfixHostname, "exim": eximReverse, "opensmtpd": opensmtpdForward},
	"forward":      {"postfix": postfixHostname, "exim": eximReverse, "opensmtpd": opensmtpdForward},
	"forward?":     {"postfix": postfixHostname, "exim": eximTemporary, "opensmtpd": opensmtpdForward},
	"confirmed":    {"postfix": postfixHostname, "exim": eximReverse, "opensmtpd": opensmtpdForward},
	"all names":    {"postfix": postfixHostname, "opensmtpd": opensmtpdForward},
	"helo name":    {"postfix": "504 5.5.2 <", "exim": eximHELO, "opensmtpd": "504 5.5.2 HELO name"},
	"helo":         {"postfix": "450 4.7.1 <", "exim": eximHELO},
	"helo address": {"exim": eximHELO},
	"mx":           {"postfix": "450 4.1.8 <", "exim": "550 "},
	"mail from":    {}, // a rule of the mail service
	"spf":          {"exim": "550 SPF: "},
}

// WithMail returns the base scenario with the customers of the faults, the host "sender" that
// sends their mail, and the mail servers.
func WithMail(provider string, faults []MailFault, receivers ...string) *Scenario {
	s := Base(provider)
	sender := Host{Name: "sender", About: "sends mail, from an address for each fault"}
	faulty := Host{Name: "faulty", About: "name servers with a fault each", Software: "faulty"}
	for i := range faults {
		f := &faults[i]
		// Without a name, the addresses have the records of the fault only.
		sender.Names = append(sender.Names, Name{Addrs: f.Addrs(), About: f.Name + ": " + f.About})
		s.Zones = append(s.Zones, f.zones(&faulty)...)
		if strings.Contains(f.Parent, bogusDS) {
			s.Anchors = append(s.Anchors, fmt.Sprintf("%d.4.11.in-addr.arpa. DS %s", f.N, bogusDS))
		}
	}
	for i, behaviour := range []string{"silent"} { // that some delegations lead to
		faulty.Names = append(faulty.Names, Name{Name: behaviour + "." + domain, Fault: behaviour, Addrs: addrs(67, 1+i)})
	}
	s.Hosts = append(s.Hosts, faulty, sender)
	s.addReceivers(receivers)
	hoster := s.enclosing("customer.example.", false)
	s.Zones = append(s.Zones, Zone{Apex: domain, Hosts: hoster.Hosts, NS: hoster.NS})
	if h, err := s.host("ns1"); err == nil {
		h.Config = "" // the zones are files
	}
	return s
}

// addReceivers adds mail servers and their domain.
func (s *Scenario) addReceivers(receivers []string) {
	for i, name := range receivers {
		s.Hosts = append(s.Hosts, Host{Name: name, About: "a mail server, which accepts mail for receiver.example", Software: name,
			Names: []Name{{Name: name + ".receiver.example.", Addrs: addrs(20, 25+i)}}})
	}
	hoster := s.enclosing("customer.example.", false)
	s.Zones = append(s.Zones, Zone{Apex: "receiver.example.", Hosts: hoster.Hosts, NS: hoster.NS, Records: "@ MX 10 postfix\n"})
}
