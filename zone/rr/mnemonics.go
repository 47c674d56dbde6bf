package rr

// mnemonic returns the registered mnemonic of t; byMnemonic is its inverse for
// upper-case text. Both are switches, so that no table can be changed.
func mnemonic(t Type) (string, bool) {
	switch t {
	case 1:
		return "A", true
	case 2:
		return "NS", true
	case 3:
		return "MD", true
	case 4:
		return "MF", true
	case 5:
		return "CNAME", true
	case 6:
		return "SOA", true
	case 7:
		return "MB", true
	case 8:
		return "MG", true
	case 9:
		return "MR", true
	case 10:
		return "NULL", true
	case 11:
		return "WKS", true
	case 12:
		return "PTR", true
	case 13:
		return "HINFO", true
	case 14:
		return "MINFO", true
	case 15:
		return "MX", true
	case 16:
		return "TXT", true
	case 17:
		return "RP", true
	case 18:
		return "AFSDB", true
	case 19:
		return "X25", true
	case 20:
		return "ISDN", true
	case 21:
		return "RT", true
	case 22:
		return "NSAP", true
	case 23:
		return "NSAP-PTR", true
	case 24:
		return "SIG", true
	case 25:
		return "KEY", true
	case 26:
		return "PX", true
	case 27:
		return "GPOS", true
	case 28:
		return "AAAA", true
	case 29:
		return "LOC", true
	case 30:
		return "NXT", true
	case 31:
		return "EID", true
	case 32:
		return "NIMLOC", true
	case 33:
		return "SRV", true
	case 34:
		return "ATMA", true
	case 35:
		return "NAPTR", true
	case 36:
		return "KX", true
	case 37:
		return "CERT", true
	case 38:
		return "A6", true
	case 39:
		return "DNAME", true
	case 40:
		return "SINK", true
	case 41:
		return "OPT", true
	case 42:
		return "APL", true
	case 43:
		return "DS", true
	case 44:
		return "SSHFP", true
	case 45:
		return "IPSECKEY", true
	case 46:
		return "RRSIG", true
	case 47:
		return "NSEC", true
	case 48:
		return "DNSKEY", true
	case 49:
		return "DHCID", true
	case 50:
		return "NSEC3", true
	case 51:
		return "NSEC3PARAM", true
	case 52:
		return "TLSA", true
	case 53:
		return "SMIMEA", true
	case 55:
		return "HIP", true
	case 56:
		return "NINFO", true
	case 57:
		return "RKEY", true
	case 58:
		return "TALINK", true
	case 59:
		return "CDS", true
	case 60:
		return "CDNSKEY", true
	case 61:
		return "OPENPGPKEY", true
	case 62:
		return "CSYNC", true
	case 63:
		return "ZONEMD", true
	case 64:
		return "SVCB", true
	case 65:
		return "HTTPS", true
	case 66:
		return "DSYNC", true
	case 67:
		return "HHIT", true
	case 68:
		return "BRID", true
	case 99:
		return "SPF", true
	case 100:
		return "UINFO", true
	case 101:
		return "UID", true
	case 102:
		return "GID", true
	case 103:
		return "UNSPEC", true
	case 104:
		return "NID", true
	case 105:
		return "L32", true
	case 106:
		return "L64", true
	case 107:
		return "LP", true
	case 108:
		return "EUI48", true
	case 109:
		return "EUI64", true
	case 128:
		return "NXNAME", true
	case 249:
		return "TKEY", true
	case 250:
		return "TSIG", true
	case 251:
		return "IXFR", true
	case 252:
		return "AXFR", true
	case 253:
		return "MAILB", true
	case 254:
		return "MAILA", true
	case 255:
		return "ANY", true
	case 256:
		return "URI", true
	case 257:
		return "CAA", true
	case 258:
		return "AVC", true
	case 259:
		return "DOA", true
	case 260:
		return "AMTRELAY", true
	case 261:
		return "RESINFO", true
	case 262:
		return "WALLET", true
	case 32768:
		return "TA", true
	case 32769:
		return "DLV", true
	}
	return "", false
}

func byMnemonic(s string) (Type, bool) {
	switch s {
	case "A":
		return 1, true
	case "NS":
		return 2, true
	case "MD":
		return 3, true
	case "MF":
		return 4, true
	case "CNAME":
		return 5, true
	case "SOA":
		return 6, true
	case "MB":
		return 7, true
	case "MG":
		return 8, true
	case "MR":
		return 9, true
	case "NULL":
		return 10, true
	case "WKS":
		return 11, true
	case "PTR":
		return 12, true
	case "HINFO":
		return 13, true
	case "MINFO":
		return 14, true
	case "MX":
		return 15, true
	case "TXT":
		return 16, true
	case "RP":
		return 17, true
	case "AFSDB":
		return 18, true
	case "X25":
		return 19, true
	case "ISDN":
		return 20, true
	case "RT":
		return 21, true
	case "NSAP":
		return 22, true
	case "NSAP-PTR":
		return 23, true
	case "SIG":
		return 24, true
	case "KEY":
		return 25, true
	case "PX":
		return 26, true
	case "GPOS":
		return 27, true
	case "AAAA":
		return 28, true
	case "LOC":
		return 29, true
	case "NXT":
		return 30, true
	case "EID":
		return 31, true
	case "NIMLOC":
		return 32, true
	case "SRV":
		return 33, true
	case "ATMA":
		return 34, true
	case "NAPTR":
		return 35, true
	case "KX":
		return 36, true
	case "CERT":
		return 37, true
	case "A6":
		return 38, true
	case "DNAME":
		return 39, true
	case "SINK":
		return 40, true
	case "OPT":
		return 41, true
	case "APL":
		return 42, true
	case "DS":
		return 43, true
	case "SSHFP":
		return 44, true
	case "IPSECKEY":
		return 45, true
	case "RRSIG":
		return 46, true
	case "NSEC":
		return 47, true
	case "DNSKEY":
		return 48, true
	case "DHCID":
		return 49, true
	case "NSEC3":
		return 50, true
	case "NSEC3PARAM":
		return 51, true
	case "TLSA":
		return 52, true
	case "SMIMEA":
		return 53, true
	case "HIP":
		return 55, true
	case "NINFO":
		return 56, true
	case "RKEY":
		return 57, true
	case "TALINK":
		return 58, true
	case "CDS":
		return 59, true
	case "CDNSKEY":
		return 60, true
	case "OPENPGPKEY":
		return 61, true
	case "CSYNC":
		return 62, true
	case "ZONEMD":
		return 63, true
	case "SVCB":
		return 64, true
	case "HTTPS":
		return 65, true
	case "DSYNC":
		return 66, true
	case "HHIT":
		return 67, true
	case "BRID":
		return 68, true
	case "SPF":
		return 99, true
	case "UINFO":
		return 100, true
	case "UID":
		return 101, true
	case "GID":
		return 102, true
	case "UNSPEC":
		return 103, true
	case "NID":
		return 104, true
	case "L32":
		return 105, true
	case "L64":
		return 106, true
	case "LP":
		return 107, true
	case "EUI48":
		return 108, true
	case "EUI64":
		return 109, true
	case "NXNAME":
		return 128, true
	case "TKEY":
		return 249, true
	case "TSIG":
		return 250, true
	case "IXFR":
		return 251, true
	case "AXFR":
		return 252, true
	case "MAILB":
		return 253, true
	case "MAILA":
		return 254, true
	case "ANY":
		return 255, true
	case "URI":
		return 256, true
	case "CAA":
		return 257, true
	case "AVC":
		return 258, true
	case "DOA":
		return 259, true
	case "AMTRELAY":
		return 260, true
	case "RESINFO":
		return 261, true
	case "WALLET":
		return 262, true
	case "TA":
		return 32768, true
	case "DLV":
		return 32769, true
	}
	return 0, false
}
