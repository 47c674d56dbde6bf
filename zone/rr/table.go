package rr

// row describes a type. A type without fields has RDATA that only the generic form of RFC 3597
// §5 can write.
type row struct {
	t        Type
	mnemonic string
	ref      string // where its RDATA is defined
	fields   []field
	facts
}

// facts are what compile finds out about a row.
type facts struct {
	hasJudge bool // a field may break a rule
	names    int  // the number of fields up to the last name, 0 if there is none
	hasLower bool // a name compares without case
}

// field is a part of RDATA, in the order of both text and wire format.
type field struct {
	kind
	name string // in messages and in the documentation
}

// rows are the types of the IANA registry, ascending. To add a type, add a row here and a line
// to testdata/golden.txt. Read only.
var rows = compile([]row{
	{t: 1, mnemonic: "A", ref: "RFC 1035 §3.4.1", fields: fields{{ip4, "address"}}},
	{t: 2, mnemonic: "NS", ref: "RFC 1035 §3.3.11", fields: fields{{rfc1035Name | target, "name server"}}},
	{t: 3, mnemonic: "MD", ref: "RFC 1035 §3.3.4", fields: fields{{rfc1035Name, "host"}}},
	{t: 4, mnemonic: "MF", ref: "RFC 1035 §3.3.5", fields: fields{{rfc1035Name, "host"}}},
	{t: 5, mnemonic: "CNAME", ref: "RFC 1035 §3.3.1", fields: fields{{rfc1035Name | target, "target"}}},
	{t: 6, mnemonic: "SOA", ref: "RFC 1035 §3.3.13", fields: fields{
		{rfc1035Name, "primary name server (MNAME)"}, {rfc1035Name, "contact (RNAME)"}, {serial{4}, "SERIAL"},
		{period{4}, "REFRESH"}, {period{4}, "RETRY"}, {period{4}, "EXPIRE"}, {period{4}, "MINIMUM"}}},
	{t: 7, mnemonic: "MB", ref: "RFC 1035 §3.3.3", fields: fields{{rfc1035Name, "host"}}},
	{t: 8, mnemonic: "MG", ref: "RFC 1035 §3.3.6", fields: fields{{rfc1035Name, "mailbox"}}},
	{t: 9, mnemonic: "MR", ref: "RFC 1035 §3.3.8", fields: fields{{rfc1035Name, "mailbox"}}},
	{t: 10, mnemonic: "NULL", ref: "RFC 1035 §3.3.10"},
	{t: 11, mnemonic: "WKS", ref: "RFC 1035 §3.4.2", fields: fields{{ip4, "address"}, {enum{1, protocols, false}, "protocol"}, {services{}, "services"}}},
	{t: 12, mnemonic: "PTR", ref: "RFC 1035 §3.3.12", fields: fields{{rfc1035Name | target, "target"}}},
	{t: 13, mnemonic: "HINFO", ref: "RFC 1035 §3.3.2", fields: fields{{str{}, "CPU"}, {str{}, "OS"}}},
	{t: 14, mnemonic: "MINFO", ref: "RFC 1035 §3.3.7", fields: fields{{rfc1035Name, "responsible mailbox"}, {rfc1035Name, "error mailbox"}}},
	{t: 15, mnemonic: "MX", ref: "RFC 1035 §3.3.9", fields: fields{{number(2), "preference"}, {rfc1035Name | target, "exchange"}}},
	{t: 16, mnemonic: "TXT", ref: "RFC 1035 §3.3.14", fields: fields{{strs{}, "text"}}},
	{t: 17, mnemonic: "RP", ref: "RFC 1183 §2.2", fields: fields{{lowerName, "mailbox"}, {lowerName, "text name"}}},
	{t: 18, mnemonic: "AFSDB", ref: "RFC 1183 §1", fields: fields{{number(2), "subtype"}, {lowerName, "host"}}},
	{t: 19, mnemonic: "X25", ref: "RFC 1183 §3.1", fields: fields{{digits(4), "PSDN address"}}},
	{t: 20, mnemonic: "ISDN", ref: "RFC 1183 §3.2", fields: fields{{str{}, "ISDN address"}, {optionalStr{}, "subaddress"}}},
	{t: 21, mnemonic: "RT", ref: "RFC 1183 §3.3", fields: fields{{number(2), "preference"}, {lowerName, "intermediate host"}}},
	{t: 22, mnemonic: "NSAP", ref: "RFC 1706 §5", fields: fields{{nsap{}, "NSAP address"}}},
	{t: 23, mnemonic: "NSAP-PTR", ref: "RFC 1348", fields: fields{{plainName, "owner"}}},
	{t: 24, mnemonic: "SIG", ref: "RFC 2535 §4.1", fields: append(fields{{typeCode(true), "type covered"}}, signature[1:]...)},
	{t: 25, mnemonic: "KEY", ref: "RFC 2535 §3.1", fields: fields{{number(2), "flags"}, {number(1), "protocol"}, {algorithm, "algorithm"}, {optionalKey{0, 0xc0, 0xc0}, "key"}}},
	{t: 26, mnemonic: "PX", ref: "RFC 2163 §4", fields: fields{{number(2), "preference"}, {lowerName, "RFC 822 name"}, {lowerName, "X.400 name"}}},
	{t: 27, mnemonic: "GPOS", ref: "RFC 1712 §3", fields: fields{{degrees(90), "longitude"}, {degrees(180), "latitude"}, {degrees(0), "altitude"}}},
	{t: 28, mnemonic: "AAAA", ref: "RFC 3596 §2.2", fields: fields{{ip6, "address"}}},
	{t: 29, mnemonic: "LOC", ref: "RFC 1876 §3", fields: fields{{location{}, "latitude longitude altitude-[size [horizontal-precision [vertical-precision]]]"}}},
	{t: 30, mnemonic: "NXT", ref: "RFC 2535 §5.2", fields: fields{{lowerName, "next name"}, {nxtBitmap{}, "type"}}},
	{t: 31, mnemonic: "EID", ref: "draft-ietf-nimrod-dns", fields: fields{{hexadecimal(1), "endpoint identifier"}}},
	{t: 32, mnemonic: "NIMLOC", ref: "draft-ietf-nimrod-dns", fields: fields{{hexadecimal(1), "locator"}}},
	{t: 33, mnemonic: "SRV", ref: "RFC 2782", fields: fields{{number(2), "priority"}, {number(2), "weight"}, {number(2), "port"}, {lowerName | target, "target"}}},
	{t: 34, mnemonic: "ATMA", ref: "af-saa-0069", fields: fields{{atmAddress{}, "ATM address"}}},
	{t: 35, mnemonic: "NAPTR", ref: "RFC 3403 §4.1", fields: fields{{number(2), "order"}, {number(2), "preference"}, {naptrFlags{}, "flags"}, {str{}, "services"},
		{naptrRegexp{}, "regexp"}, {lowerName, "replacement"}}},
	{t: 36, mnemonic: "KX", ref: "RFC 2230 §3.1", fields: fields{{number(2), "preference"}, {lowerName, "exchanger"}}},
	{t: 37, mnemonic: "CERT", ref: "RFC 4398 §2", fields: fields{{enum{2, certTypes, true}, "type"}, {number(2), "key tag"}, {algorithm, "algorithm"}, {base64Data(1), "certificate"}}},
	{t: 38, mnemonic: "A6", ref: "RFC 2874 §3.1", fields: fields{{a6Suffix{}, "prefix-length [address-suffix]"}, {a6Name{}, "prefix name"}}},
	{t: 39, mnemonic: "DNAME", ref: "RFC 6672 §2.1", fields: fields{{lowerName | target, "target"}}},
	{t: 40, mnemonic: "SINK", ref: "draft-eastlake-kitchen-sink", fields: fields{{number(1), "meaning"}, {number(1), "coding"}, {number(1), "subcoding"}, {base64Data(0), "data"}}},
	{t: 41, mnemonic: "OPT", ref: "RFC 6891 §6.1.2"},
	{t: 42, mnemonic: "APL", ref: "RFC 3123 §4", fields: fields{{prefixes{}, "prefixes"}}},
	{t: 43, mnemonic: "DS", ref: "RFC 4034 §5.3", fields: delegationSigner},
	{t: 44, mnemonic: "SSHFP", ref: "RFC 4255 §3.2", fields: fields{{number(1), "algorithm"}, {number(1), "fingerprint type"}, {digest{1, "SSHFP"}, "fingerprint"}}},
	{t: 45, mnemonic: "IPSECKEY", ref: "RFC 4025 §3.1", fields: fields{{number(1), "precedence"}, {number(1), "gateway type"}, {number(1), "algorithm"}, {gateway(0xff), "gateway"}, {optionalKey{2, 0xff, 0}, "key"}}},
	{t: 46, mnemonic: "RRSIG", ref: "RFC 4034 §3.2", fields: signature},
	{t: 47, mnemonic: "NSEC", ref: "RFC 4034 §4.2", fields: fields{{plainName, "next name"}, {bitmap{}, "type"}}},
	{t: 48, mnemonic: "DNSKEY", ref: "RFC 4034 §2.2", fields: publicKey},
	{t: 49, mnemonic: "DHCID", ref: "RFC 4701 §3.1", fields: fields{{base64Data(3), "digest"}}},
	{t: 50, mnemonic: "NSEC3", ref: "RFC 5155 §3.3", fields: fields{{number(1), "hash algorithm"}, {number(1), "flags"}, {number(2), "iterations"}, {salt{}, "salt"},
		{hashedName{}, "next hash"}, {bitmap{empty: true}, "type"}}},
	{t: 51, mnemonic: "NSEC3PARAM", ref: "RFC 5155 §4.3", fields: fields{{number(1), "hash algorithm"}, {number(1), "flags"}, {number(2), "iterations"}, {salt{}, "salt"}}},
	{t: 52, mnemonic: "TLSA", ref: "RFC 6698 §2.2", fields: association},
	{t: 53, mnemonic: "SMIMEA", ref: "RFC 8162 §2", fields: association},
	{t: 55, mnemonic: "HIP", ref: "RFC 8005 §5", fields: fields{{hostIdentity{}, "algorithm identity-tag public-key"}, {nameList{}, "rendezvous servers"}}},
	{t: 56, mnemonic: "NINFO", ref: "draft-reid-dnsext-zs", fields: fields{{strs{}, "text"}}},
	{t: 57, mnemonic: "RKEY", ref: "draft-reid-dnsext-rkey", fields: fields{{number(2), "flags"}, {number(1), "protocol"}, {algorithm, "algorithm"}, {base64Data(1), "key"}}},
	{t: 58, mnemonic: "TALINK", ref: "draft-wijngaards-dnsop-trust-history", fields: fields{{plainName, "previous name"}, {plainName, "next name"}}},
	{t: 59, mnemonic: "CDS", ref: "RFC 7344 §3.1", fields: delegationSigner},
	{t: 60, mnemonic: "CDNSKEY", ref: "RFC 7344 §3.2", fields: publicKey},
	{t: 61, mnemonic: "OPENPGPKEY", ref: "RFC 7929 §2.3", fields: fields{{base64Data(1), "key"}}},
	{t: 62, mnemonic: "CSYNC", ref: "RFC 7477 §2.1", fields: fields{{number(4), "SOA serial"}, {flags{2, 0x3}, "flags"}, {bitmap{empty: true}, "type"}}},
	{t: 63, mnemonic: "ZONEMD", ref: "RFC 8976 §2.3", fields: fields{{number(4), "serial"}, {number(1), "scheme"}, {number(1), "hash algorithm"}, {digest{5, "ZONEMD"}, "digest"}}},
	{t: 64, mnemonic: "SVCB", ref: "RFC 9460 §2.1", fields: service},
	{t: 65, mnemonic: "HTTPS", ref: "RFC 9460 §2.1", fields: service},
	{t: 66, mnemonic: "DSYNC", ref: "RFC 9859 §2.1", fields: fields{{typeCode(false), "type"}, {enum{1, schemes, true}, "scheme"}, {number(2), "port"}, {plainName, "target"}}},
	{t: 67, mnemonic: "HHIT", ref: "RFC 9886 §5.1", fields: fields{{base64Data(1), "data"}}},
	{t: 68, mnemonic: "BRID", ref: "RFC 9886 §5.2", fields: fields{{base64Data(1), "data"}}},
	{t: 99, mnemonic: "SPF", ref: "RFC 7208 §14.1", fields: fields{{strs{}, "text"}}},
	{t: 100, mnemonic: "UINFO", ref: "IANA"},
	{t: 101, mnemonic: "UID", ref: "IANA"},
	{t: 102, mnemonic: "GID", ref: "IANA"},
	{t: 103, mnemonic: "UNSPEC", ref: "IANA"},
	{t: 104, mnemonic: "NID", ref: "RFC 6742 §2.1", fields: fields{{number(2), "preference"}, {nodeID{}, "node ID"}}},
	{t: 105, mnemonic: "L32", ref: "RFC 6742 §2.2", fields: fields{{number(2), "preference"}, {ip4, "locator"}}},
	{t: 106, mnemonic: "L64", ref: "RFC 6742 §2.3", fields: fields{{number(2), "preference"}, {nodeID{}, "locator"}}},
	{t: 107, mnemonic: "LP", ref: "RFC 6742 §2.4", fields: fields{{number(2), "preference"}, {plainName, "name"}}},
	{t: 108, mnemonic: "EUI48", ref: "RFC 7043 §3.2", fields: fields{{hardwareAddress(6), "address"}}},
	{t: 109, mnemonic: "EUI64", ref: "RFC 7043 §4.2", fields: fields{{hardwareAddress(8), "address"}}},
	{t: 128, mnemonic: "NXNAME", ref: "RFC 9824 §2"},
	{t: 249, mnemonic: "TKEY", ref: "RFC 2930 §2"},
	{t: 250, mnemonic: "TSIG", ref: "RFC 8945 §4.2"},
	{t: 251, mnemonic: "IXFR", ref: "RFC 1995"},
	{t: 252, mnemonic: "AXFR", ref: "RFC 5936"},
	{t: 253, mnemonic: "MAILB", ref: "RFC 1035 §3.2.3"},
	{t: 254, mnemonic: "MAILA", ref: "RFC 1035 §3.2.3"},
	{t: 255, mnemonic: "ANY", ref: "RFC 1035 §3.2.3"},
	{t: 256, mnemonic: "URI", ref: "RFC 7553 §4.5", fields: fields{{number(2), "priority"}, {number(2), "weight"}, {uri{}, "target"}}},
	{t: 257, mnemonic: "CAA", ref: "RFC 8659 §4.1", fields: fields{{flags{1, 0x80}, "flags"}, {tag{}, "tag"}, {text{}, "value"}}},
	{t: 258, mnemonic: "AVC", ref: "IANA", fields: fields{{strs{}, "text"}}},
	{t: 259, mnemonic: "DOA", ref: "draft-durand-doa-over-dns", fields: fields{{number(4), "enterprise"}, {number(4), "type"}, {number(1), "location"}, {str{}, "media type"}, {base64OrDash{}, "data"}}},
	{t: 260, mnemonic: "AMTRELAY", ref: "RFC 8777 §4.3", fields: fields{{number(1), "precedence"}, {relayType{}, "discovery-bit relay-type"}, {gateway(0x7f), "relay"}}},
	{t: 261, mnemonic: "RESINFO", ref: "RFC 9606 §5", fields: fields{{strs{}, "text"}}},
	{t: 262, mnemonic: "WALLET", ref: "IANA", fields: fields{{strs{}, "text"}}},
	{t: 263, mnemonic: "CLA", ref: "draft-johnson-dns-ipn-cla", fields: fields{{strs{}, "text"}}},
	{t: 264, mnemonic: "IPN", ref: "draft-johnson-dns-ipn-cla", fields: fields{{number(8), "number"}}},
	{t: 32768, mnemonic: "TA", ref: "IANA", fields: delegationSigner},
	{t: 32769, mnemonic: "DLV", ref: "RFC 4431", fields: delegationSigner},
})

func compile(rows []row) []row {
	for i := range rows {
		r := &rows[i]
		for j := range r.fields {
			k := r.fields[j].kind
			if _, ok := k.(judge); ok {
				r.hasJudge = true
			}
			if _, ok := k.(nameKind); ok {
				r.names = j + 1
			}
			r.hasLower = r.hasLower || isLower(k)
		}
	}
	return rows
}

type fields = []field

// The RDATA that several types share.
var (
	signature = fields{{typeCode(false), "type covered"}, {algorithm, "algorithm"}, {number(1), "labels"}, {number(4), "original TTL"},
		{moment{}, "expiration"}, {moment{}, "inception"}, {number(2), "key tag"}, {lowerName, "signer"}, {base64Data(1), "signature"}}
	delegationSigner = fields{{number(2), "key tag"}, {algorithm, "algorithm"}, {enum{1, digestTypes, false}, "digest type"}, {digest{3, "DS"}, "digest"}}
	publicKey        = fields{{flags{2, 0x181}, "flags"}, {keyProtocol{1}, "protocol"}, {algorithm, "algorithm"}, {base64Data(1), "key"}}
	association      = fields{{number(1), "usage"}, {number(1), "selector"}, {number(1), "matching type"}, {digest{2, "TLSA"}, "data"}}
	service          = fields{{number(2), "priority"}, {plainName, "target"}, {svcParams{}, "parameters"}}

	algorithm = enum{1, algorithms, false}
)

// mnemonics are words for numbers, by number.
type mnemonics []struct {
	number uint16
	word   string
}

// The IANA registries of numbers that have words. Read only.
var (
	// RFC 4034 §A.1 and the registry "DNS Security Algorithm Numbers".
	algorithms = mnemonics{{1, "RSAMD5"}, {2, "DH"}, {3, "DSA"}, {4, "ECC"}, {5, "RSASHA1"}, {6, "DSA-NSEC3-SHA1"}, {7, "RSASHA1-NSEC3-SHA1"}, {6, "NSEC3DSA"},
		{7, "NSEC3RSASHA1"}, {8, "RSASHA256"}, {10, "RSASHA512"}, {12, "ECC-GOST"}, {12, "ECCGOST"}, {13, "ECDSAP256SHA256"}, {13, "ECDSA256"}, {14, "ECDSAP384SHA384"},
		{14, "ECDSA384"}, {15, "ED25519"}, {16, "ED448"}, {17, "SM2SM3"}, {23, "ECC-GOST12"}, {252, "INDIRECT"}, {253, "PRIVATEDNS"}, {254, "PRIVATEOID"}}
	digestTypes = mnemonics{{1, "SHA-1"}, {1, "SHA1"}, {2, "SHA-256"}, {2, "SHA256"}, {3, "GOST"}, {4, "SHA-384"}, {4, "SHA384"}}
	// RFC 4398 §2.1.
	certTypes = mnemonics{{1, "PKIX"}, {2, "SPKI"}, {3, "PGP"}, {4, "IPKIX"}, {5, "ISPKI"}, {6, "IPGP"}, {7, "ACPKIX"}, {8, "IACPKIX"}, {253, "URI"}, {254, "OID"}}
	schemes   = mnemonics{{1, "NOTIFY"}} // RFC 9859 §2.1
	protocols = mnemonics{{1, "ICMP"}, {6, "TCP"}, {17, "UDP"}}
	// Services as RFC 1010 and its time had them.
	ports = mnemonics{{7, "ECHO"}, {9, "DISCARD"}, {11, "SYSTAT"}, {13, "DAYTIME"}, {15, "NETSTAT"}, {17, "QOTD"}, {19, "CHARGEN"}, {20, "FTP-DATA"}, {21, "FTP"}, {22, "SSH"},
		{23, "TELNET"}, {25, "SMTP"}, {37, "TIME"}, {42, "NAMESERVER"}, {43, "WHOIS"}, {53, "DOMAIN"}, {67, "BOOTPS"}, {68, "BOOTPC"}, {69, "TFTP"}, {70, "GOPHER"}, {79, "FINGER"},
		{80, "HTTP"}, {88, "KERBEROS"}, {102, "ISO-TSAP"}, {109, "POP2"}, {110, "POP3"}, {111, "SUNRPC"}, {113, "AUTH"}, {119, "NNTP"}, {123, "NTP"}, {137, "NETBIOS-NS"}, {138, "NETBIOS-DGM"},
		{139, "NETBIOS-SSN"}, {143, "IMAP2"}, {161, "SNMP"}, {162, "SNMP-TRAP"}, {179, "BGP"}, {194, "IRC"}, {389, "LDAP"}, {443, "HTTPS"}, {512, "EXEC"}, {513, "LOGIN"}, {514, "SHELL"}, {515, "PRINTER"}}
)
