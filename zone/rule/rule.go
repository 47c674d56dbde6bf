// Package rule lists the rules about zones whose severity is the operator's choice (`checks` in the
// configuration): what they are called, what they demand, and how a breach counts. The packages that
// find a breach name the rule in the finding. To add a rule, add a row to the table, its line in
// config.example.yaml, and rewrite docs/checks.md: go test ./zone/rule -update.
package rule

import "slices"

// Severity is how a breach of a rule counts.
type Severity uint8

// The severities. Default is that of the rule.
const (
	Default Severity = iota
	Warn
	Error
	Off
)

func (s Severity) String() string { return [...]string{"default", "warn", "error", "off"}[s] }

// Rule is a rule whose severity is a choice.
type Rule struct {
	Name     string
	Severity Severity // unless Checks has another
	Text     string   // what the rule demands, with its RFC
}

// The rules about RDATA, which package rr checks.
const (
	Digest       = "digest-length"
	KeyProtocol  = "dnskey-protocol"
	Digits       = "x25-digits"
	Degrees      = "gpos-range"
	URI          = "uri-target"
	Tag          = "caa-tag"
	NAPTRFlags   = "naptr-flags"
	NAPTRRegexp  = "naptr-regexp"
	SVCBAlias    = "svcb-alias"
	Mandatory    = "svcb-mandatory"
	DefaultALPN  = "svcb-alpn"
	DoHPath      = "svcb-dohpath"
	SVCBKey      = "svcb-key"
	UnknownFlags = "flags"
)

// table has the rules: about the data of records, about names and addresses, about the records of a
// zone together, about master files, and about zones together. Read only.
var table = [...]Rule{
	{Digest, Error, "a digest has the length that its algorithm makes (RFC 4509 §2.1, RFC 5155 §3.1.7, RFC 6594 §4, RFC 6698 §2.1.3, RFC 8976 §2.2.3)"},
	{KeyProtocol, Warn, "the protocol of DNSKEY and CDNSKEY is 3 (RFC 4034 §2.1.2)"},
	{Digits, Error, "an X25 address is decimal digits, at least 4 (RFC 1183 §3.1)"},
	{Degrees, Error, "longitude, latitude and altitude of GPOS are decimal numbers in range (RFC 1712 §3)"},
	{URI, Warn, "the target of URI is not empty (RFC 7553 §4.4)"},
	{Tag, Error, "the tag of CAA is letters and digits (RFC 8659 §4.1)"},
	{NAPTRFlags, Warn, "the flags of NAPTR are letters and digits (RFC 3403 §4.1)"},
	{NAPTRRegexp, Warn, "the regexp of NAPTR is a substitution expression (RFC 3402 §3.2)"},
	{SVCBAlias, Warn, "SVCB and HTTPS of priority 0 have no parameters (RFC 9460 §2.4.2)"},
	{Mandatory, Error, "a key that mandatory lists is there (RFC 9460 §8)"},
	{DefaultALPN, Error, "no-default-alpn comes with alpn (RFC 9460 §7.1.1)"},
	{DoHPath, Warn, "dohpath is a relative template with the variable dns (RFC 9461 §5)"},
	{SVCBKey, Warn, "key 65535 is reserved (RFC 9460 §14.3.2)"},
	{UnknownFlags, Warn, "flags without a meaning are 0 (RFC 4034 §2.1.1, RFC 7477 §2.1.1.2, RFC 8659 §4.1)"},

	{"ptr-target", Warn, "the PTR of an address has the name of a host: letters, digits and hyphens, two labels or more (RFC 952, RFC 1123 §2.1)"},
	{"host-name", Warn, "owners of A, AAAA and MX, the servers that NS, MX, SRV and SOA name, and hosts in the configuration have names of hosts, as BIND's check-names has it (RFC 952, RFC 1123 §2.1)"},
	{"not-ascii", Warn, "internationalized labels are in their A-label form, xn--… (RFC 5890 §2.3.2.1)"},
	{"ptr-unconfirmed", Warn, "the target of a PTR has the address, if its zone is served here too (RFC 1912 §2.1, RFC 8601 §2.7.3)"},
	{"ptr-alias", Warn, "the target of a PTR is not an alias, if its zone is served here too (RFC 2181 §10.2)"},
	{"several-ptrs", Warn, "an address has one PTR"},
	{"reverse-name", Warn, "the name of a zone that looks like a reverse name is one (RFC 1035 §3.5, RFC 3596 §2.5)"},
	{"misspelt-tree", Warn, "an owner or $ORIGIN that looks like a reverse name ends in in-addr.arpa or ip6.arpa"},
	{"ip6-int", Warn, "reverse names of IPv6 are in ip6.arpa (RFC 4159)"},
	{"wrong-depth", Warn, "a PTR has as many octets or nibbles as an address, or names a network that has addresses with PTRs"},
	{"not-an-octet", Warn, "the labels of a reverse name are octets, 0 to 255 without leading zeros (RFC 1035 §3.5)"},
	{"not-a-nibble", Warn, "the labels of a reverse name are nibbles, one hexadecimal digit each (RFC 3596 §2.5)"},
	{"address-owner", Warn, "an owner is a reverse name and not an address"},
	{"outside-classless-range", Warn, "an address in a classless zone is in its range (RFC 2317 §4)"},
	{"reverse-target", Warn, "the target of a PTR is not itself a reverse name"},
	{"address-as-target", Warn, "a target is a name and not an address"},
	{"address-in-reverse-zone", Warn, "a reverse zone has no A and AAAA, except glue and network masks (RFC 1101 §4.1)"},

	{"range-forward", Warn, "the names of ranges are below a zone here, if one has almost that name"},
	{"range-transfer", Warn, "secondaries of a zone have its names of ranges of addresses"},

	{"derive-source", Warn, "the zones that `derive` names are served here"},
	{"derived-choice", Warn, "where `derive` finds several names of an address, `prefer` decides which is its own"},
	{"derived-drift", Warn, "the static PTR of an address is one of the names that `derive` finds for it, if it finds any"},

	{"ttl-differs", Warn, "the records of an RRset have one TTL (RFC 2181 §5.2)"},
	{"out-of-zone", Warn, "the records of a file are in its zones"},
	{"occluded", Warn, "no records are below a zone cut or a DNAME (RFC 5936 §3.5)"},
	{"ds-without-ns", Warn, "DS is at a zone cut (RFC 4035 §2.4)"},
	{"ns-is-alias", Warn, "a name server is not an alias (RFC 2181 §10.3)"},
	{"ns-without-address", Warn, "a name server with a name in the zone has an address there"},
	{"signature-without-rrset", Warn, "the RRset that a signature covers is there"},
	{"nsec3-iterations", Warn, "NSEC3 has 0 iterations (RFC 9276 §3.1)"},

	{"missing-dot", Warn, "a target that is a complete name ends with a dot"},
	{"owner-without-dot", Warn, "an owner that is a complete name ends with a dot"},
	{"relative-origin", Warn, "an $ORIGIN is a complete name with its final dot"},
	{"origin-outside-zone", Warn, "an $ORIGIN is in the zones of the file"},
	{"owner-before-origin", Warn, "the first record after $ORIGIN has an owner"},
	{"mnemonic-owner", Warn, "an owner is not the name of a class or type"},
	{"at-sign-in-rname", Warn, "the contact of an SOA has a dot in place of the @ (RFC 1035 §8)"},
	{"bare-text", Warn, "texts such as those of SPF are in double quotes"},
	{"template-mark", Warn, "no mark of a template is left in a name"},
	{"missing-ttl", Warn, "records have a TTL, or a $TTL before them (RFC 2308 §4)"},
	{"ttl-too-long", Warn, "a TTL is at most 2147483647 (RFC 2181 §8)"},

	{"setting-not-used", Warn, "a zone whose file has an SOA has no settings for a generated one"},
	{"overruled", Warn, "generated records are not replaced by records of a file"},
	{"alias-hidden", Warn, "addresses of a classless zone have no records of their own in the zone above (RFC 2317 §4)"},
	{"child-not-delegated", Warn, "a zone of the configuration is delegated by the zone above it"},
	{"other-servers", Warn, "a zone of the configuration has the name servers that it is delegated to (RFC 1034 §4.2.2)"},
	{"addresses-unreachable", Warn, "the zone above a classless zone has a CNAME for each of its addresses (RFC 2317 §4)"},
}

// All returns the rules.
func All() []Rule { return slices.Clone(table[:]) }

func index(name string) int {
	return slices.IndexFunc(table[:], func(r Rule) bool { return r.Name == name })
}

// Get returns the rule of that name; ok is false if there is none.
func Get(name string) (r Rule, ok bool) {
	i := index(name)
	if i < 0 {
		return r, false
	}
	return table[i], true
}

// Checks are the severities that were chosen. The zero value has those of the rules. Checks with
// the same severities are equal.
type Checks [len(table)]Severity

// Set chooses the severity of a rule. It returns false if there is no rule of that name.
func (c *Checks) Set(name string, s Severity) bool {
	i := index(name)
	if i < 0 {
		return false
	}
	if s == table[i].Severity {
		s = Default
	}
	c[i] = s
	return true
}

// Severity returns the severity of the rule of that name; ok is false if there is none.
func (c *Checks) Severity(name string) (s Severity, ok bool) {
	i := index(name)
	if i < 0 {
		return Default, false
	}
	if s = c[i]; s == Default {
		s = table[i].Severity
	}
	return s, true
}
