package zonefile

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/peertest"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/source"
)

// bindCases are master files that BIND and we must read alike, or both refuse. An
// SOA and an NS are put in front unless the text has an SOA.
var bindCases = []struct {
	name, text string
	differ     string // why the two may differ; empty: they must not
}{
	{"class and TTL in every order", "1 IN 5 PTR a.\n2 5 IN PTR a.\n3 IN PTR a.\n4 5 PTR a.\n5 PTR a.\n6 5m IN PTR a.\n", ""},
	{"class twice", "1 IN IN PTR a.\n", ""},
	{"TTL twice", "1 5 5 PTR a.\n", ""},
	{"other class", "1 CH PTR a.\n", ""},
	{"CLASS1 and TYPE12", "1 CLASS1 TYPE12 a.\n", ""},
	{"lower case", "1 in ptr A.b.\n$ttl 7\n2 ptr a.\n", ""},
	{"units", "1 1w2d3h4m5s PTR a.\n2 1W1W PTR a.\n3 0h30 PTR a.\n", ""},
	{"unit and number", "1 1h30 PTR a.\n", ""},
	{"bad unit", "1 1y PTR a.\n", ""},
	{"TTL of 2^31", "1 2147483648 PTR a.\n", ""},
	{"TTL of 2^32", "1 4294967296 PTR a.\n", ""},
	{"$TTL of 2^31", "$TTL 2147483648\n1 PTR a.\n", ""},
	{"no TTL, minimum", "@ SOA a. b. 1 2 3 4 5\n NS n.\n1 PTR a.\n2 9 PTR b.\n3 PTR c.\n", ""},
	{"no TTL, minimum beyond 2^31", "@ SOA a. b. 1 2 3 4 4294967295\n NS n.\n", ""},
	{"no TTL, SOA's own", "@ 8 SOA a. b. 1 2 3 4 5\n NS n.\n1 PTR a.\n2 9 PTR b.\n3 PTR c.\n", ""},
	{"no TTL, another's before the SOA", "1 9 PTR b.\n@ SOA a. b. 1 2 3 4 5\n NS n.\n2 PTR a.\n", ""},
	{"no TTL at all", "1 PTR b.\n@ SOA a. b. 1 2 3 4 5\n NS n.\n", ""},
	{"$TTL behind", "@ 8 SOA a. b. 1 2 3 4 5\n NS n.\n$TTL 3\n1 PTR a.\n2 9 PTR b.\n3 PTR c.\n", ""},
	{"no owner", " PTR a.\n@ SOA a. b. 1 2 3 4 5\n", ""},
	{"serial in hexadecimal", "@ 8 SOA a. b. 0x10 2 3 4 5\n NS n.\n", ""},
	{"serial with a dot", "@ 8 SOA a. b. 1.4 2 3 4 5\n NS n.\n", ""},
	{"serial of 2^32", "@ 8 SOA a. b. 4294967296 2 3 4 5\n NS n.\n", ""},
	{"SOA short", "@ 8 SOA a. b. 1 2 3 4\n NS n.\n", ""},
	{"SOA long", "@ 8 SOA a. b. 1 2 3 4 5 6\n NS n.\n", ""},
	{"SOA with units and glued parentheses", "@ 8 SOA a. b.(1 2h 3M(4w)\n5d)\n NS n.\n", ""},
	{"quoted owner", "\"1\" PTR a.\n", ""},
	{"quoted target", "1 PTR \"a.\"\n", ""},
	{"escapes in names", "a\\.b PTR c\\.d.\n\\097 PTR \\065.\n\\@ PTR \\@.\n1 PTR a\\;b\\(\\)\\\".\n\\$x PTR a.\n", ""},
	{"empty label", "1 PTR a..b.\n", ""},
	{"leading dot", "1 PTR .a.\n", ""},
	{"escape too short", "1 PTR \\12\n", ""},
	{"escape too large", "1 PTR \\256.\n", ""},
	{"backslash at the end", "1 PTR a\\\n", ""},
	{"label of 64", "1 PTR " + strings.Repeat("a", 64) + ".\n", ""},
	{"name of 255", "1 PTR " + strings.Repeat("abcdefg.", 31) + "abcdef.\n", ""},
	{"name of 256", "1 PTR " + strings.Repeat("abcdefg.", 31) + "abcdefg.\n", ""},
	{"name of 256 with its origin", "1 PTR " + strings.Repeat("abcdefg.", 29) + "a\n", ""},
	{"strings", "1 TXT \"a\"\"b\" c\"d\"\n2 TXT a\\;b \\\"c \"d;e\" \\065\n3 TXT \"\"\n4 TXT \"a\\\"b\" \"\\\\\"\n5 TXT \xe4\xff\n", ""},
	{"string over lines", "1 TXT \"a\\\nb\"\n2 PTR c.\n", ""},
	{"string unclosed", "1 TXT \"a\n", ""},
	{"string of 255", "1 TXT " + strings.Repeat("a", 255) + "\n", ""},
	{"string of 256", "1 TXT " + strings.Repeat("a", 256) + "\n", ""},
	{"TXT without data", "1 TXT\n", ""},
	{"comment glued", "1 PTR a.;b\n2 PTR b.\n", ""},
	{"parentheses anywhere", "( 1 ) PTR (\n\n;x\n a. ) ;y\n2 ( PTR\nb.\n)\n3 (PTR) (c.)\n", ""},
	{"nested parentheses", "1 PTR ( ( a. ) )\n", ""},
	{"parenthesis unclosed", "1 PTR ( a.\n", ""},
	{"parenthesis unopened", "1 PTR a. )\n", ""},
	{"CRLF", "1 PTR a.\r\n2 PTR (\r\nb. )\r\n", ""},
	{"CR", "1 PTR a.\r2 PTR b.\r", ""},
	{"no final newline", "1 PTR a.\n2 PTR b.", ""},
	{"blanks only", "1 PTR a.\n   \n\t;x\n PTR b.\n", ""},
	{"byte order mark", "\xef\xbb\xbf$TTL 1\n@ SOA a. b. 1 2 3 4 5\n NS n.\n", "BIND takes the mark for a name"},
	{"extra field", "1 PTR a. b.\n", ""},
	{"no data", "1 PTR\n", ""},
	{"no type", "1\n2 PTR a.\n", ""},
	{"unknown type", "1 FOO a.\n", ""},
	{"meta type", "1 ANY a.\n", ""},
	{"type 0", "1 TYPE0 \\# 0\n", ""},
	{"OPT", "1 OPT \\# 0\n", ""},
	{"obsolete type", "1 MD a.\n", ""},
	{"generic", "1 PTR \\# 3 016100\n2 TYPE12 \\# 3 01 61\n00\n", ""},
	{"generic of known and unknown types", "2 TYPE12 \\# 3 01 61 00\n3 TYPE65534 \\# 0\n4 TYPE65280 \\# 2 abCD\n5 A \\# 4 c0000201\n", ""},
	{"generic too short", "1 PTR \\# 4 016100\n", ""},
	{"generic too long", "1 PTR \\# 2 016100\n", ""},
	{"generic of an odd length", "1 TYPE65534 \\# 2 0161 0\n", ""},
	{"generic that is no name", "1 PTR \\# 2 0161\n", ""},
	{"generic compressed", "1 PTR \\# 2 c00c\n", ""},
	{"generic A of five", "1 A \\# 5 0102030405\n", ""},
	{"unknown type as text", "1 TYPE65534 abc\n", ""},
	{"addresses", "1 A 192.0.2.1\n2 AAAA 2001:DB8::1\n3 AAAA ::ffff:192.0.2.1\n4 AAAA ::\n", ""},
	{"address with leading zero", "1 A 192.0.2.01\n", ""},
	{"address short", "1 A 192.0.2\n", ""},
	{"address scoped", "1 AAAA fe80::1%eth0\n", ""},
	{"MX", "1 MX 0 a.\n2 MX 65535 a\n", ""},
	{"MX beyond", "1 MX 65536 a.\n", ""},
	{"MX negative", "1 MX -1 a.\n", ""},
	{"origin", "$ORIGIN 1\n@ PTR a\n$ORIGIN .\n5.2.0.192.in-addr.arpa PTR b\n PTR c\n$ORIGIN 2.0.192.in-addr.arpa.\n PTR d\n", ""},
	{"origin twice given", "$ORIGIN a. b.\n", ""},
	{"unknown directive", "$FOO 1\n", ""},
	{"indented directive", "1 PTR a.\n $TTL 5\n", ""},
	{"include", "1 PTR a.\n$INCLUDE one 5\n TXT d.\n2 PTR e\n", ""},
	{"include without origin", "1 PTR a.\n$INCLUDE \"one\"\n TXT d.\n2 PTR e\n", ""},
	{"include of nothing", "$INCLUDE none\n", ""},
	{"include of itself", "$INCLUDE f\n", ""},
	{"generate", "7 PTR a.\n$GENERATE 1-10/3 $ PTR h${-1,3,d}.\n PTR b.\n$GENERATE 1-2 a$.$ 9 IN CNAME c$\n", ""},
	{"generate bases", "$GENERATE 17-18 ${0,3,d} PTR ${-20,3,d}-${1,4,x}-${1,4,X}-${0,4,o}-${170,3,N}-${2}-$$-\\$.\n", ""},
	{"generate nibbles", "$GENERATE 17-18 $ PTR ${0,1,n}.\n$GENERATE 255-256 x$ PTR ${0,7,n}.\n$GENERATE 0-0 y$ PTR ${0,0,n}.\n$GENERATE 10-10 z$ PTR ${0,2,N}x.\n", ""},
	{"generate below zero", "$GENERATE 1-1 $ PTR ${-2}x.${-2,4,x}.${-2,0,o}.${-2,9,n}.\n", ""},
	{"generate quoted", "$GENERATE 1-2 $ MX \"10 m$.\"\n$GENERATE 3-4 $ TXT \"a $ b\"\n", ""},
	{"generate several fields", "$GENERATE 1-2 $ MX 10 m$.\n", "BIND takes one field, in quotes"},
	{"generate with a bad base", "$GENERATE 1-1 $ PTR ${0,4,q}x.\n", ""},
	{"generate unclosed", "$GENERATE 1-1 $ PTR ${0,4x.\n", ""},
	{"generate empty", "$GENERATE 1-1 $ PTR ${}x.\n", ""},
	{"generate backwards", "$GENERATE 2-1 $ PTR x.\n", ""},
	{"generate without a stop", "$GENERATE 1 $ PTR x.\n", ""},
	{"generate by steps of zero", "$GENERATE 1-2/0 $ PTR x.\n", ""},
	{"generate without data", "$GENERATE 1-2 $ PTR\n", ""},
	{"generate of a bad type", "$GENERATE 1-2 $ FOO a.\n", ""},
	{"generate of bad data", "$GENERATE 255-256 $ A 192.0.2.$\n", ""},
	{"library types", `1 SRV 1 2 3 a
2 NAPTR 1 2 "u" "E2U+sip" "!^.*$!sip:a!" .
3 HINFO "a b" c
4 RP a b.
5 SSHFP 1 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
6 TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
7 CAA 0 issue "ca.example; x=y"
8 LOC 52 22 23 N 4 53 32 E -2m 1m 10000m 10m
9 APL 1:192.0.2.0/24 !2:2001:db8::/32
10 DS 1 13 2 0123456789abcdef0123456789abcdef 0123456789abcdef0123456789abcdef
11 URI 1 2 "https://example/"
12 DNAME a
13 SVCB 1 a alpn=h2,h3 port=53
14 CERT PKIX 1 2 AAAA
15 NSEC a A PTR RRSIG NSEC TYPE65534
16 OPENPGPKEY AAAA
17 EUI48 00-00-5e-00-53-2a
18 DNSKEY 257 3 13 6jq4rtiCoidpLD3dSXJVnsoPw4Lkn7PmbC5rK1TvdACz1lQWYlMh8xcM zJq2phK76I0KgnoykIPWO8B4W3SF6A==
19 CSYNC 1 3 A NS
20 KX 10 a
21 AFSDB 1 a
`, ""},
	{"NS at a wildcard", "*.1 NS a.\n", ""},
	{"other types at a wildcard", "*.1 PTR a.\n*.2 CNAME a.\n*.3 DNAME a.\n", ""},
}

// TestAgainstBIND compares with what named-compilezone makes of the same files.
func TestAgainstBIND(t *testing.T) {
	program := peertest.Require(t, "named-compilezone")
	for _, c := range bindCases {
		t.Run(c.name, func(t *testing.T) {
			text := c.text
			if !strings.Contains(text, "SOA") {
				text = "$TTL 300\n@ SOA ns. host. 1 2 3 4 5\n NS ns.\n" + text
			}
			dir := tree(t, "f", text, "one", " HINFO b c\n$TTL 77\n$ORIGIN 9\n@ PTR c\n")
			theirs, err := byBIND(program, dir)
			ours, res, findings := byUs(filepath.Join(dir, "f"))
			if c.differ != "" {
				if (err == nil) == res.OK() && slices.Equal(ours, theirs) {
					t.Errorf("they do not differ, though %q", c.differ)
				}
				return
			}
			switch {
			case err != nil && res.OK():
				t.Errorf("BIND refuses it: %v\nwe read:\n%s", err, strings.Join(ours, "\n"))
			case err == nil && !res.OK():
				t.Errorf("BIND reads:\n%s\nwe refuse it:\n%s", strings.Join(theirs, "\n"), findings)
			case err == nil && !slices.Equal(ours, theirs):
				t.Errorf("BIND reads:\n%s\nwe read:\n%s", strings.Join(theirs, "\n"), strings.Join(ours, "\n"))
			}
		})
	}
}

// TestSeedsAgainstBIND: what testdata holds for warnings alone is read as BIND does.
func TestSeedsAgainstBIND(t *testing.T) {
	program := peertest.Require(t, "named-compilezone")
	for _, name := range []string{"syntax_whole", "syntax_lines", "generate", "lint_quiet", "lint_origin", "lint_owner_v4"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			text := goldenZone(t, name)
			if !strings.Contains(text, "SOA") {
				text = "@ 300 SOA ns. host. 1 2 3 4 5\n NS ns.\n" + text
			}
			text = strings.ReplaceAll(text, "$ORIGIN {{ zone }}.\n", "")
			text = strings.ReplaceAll(text, `$GENERATE 6-6 $ TXT "a $" "b $"`, "")
			if err := os.WriteFile(filepath.Join(dir, "f"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			theirs, err := byBIND(program, dir)
			ours, res, findings := byUs(filepath.Join(dir, "f"))
			if err != nil || !res.OK() || !slices.Equal(ours, theirs) {
				t.Errorf("BIND (%v) reads:\n%s\nwe read:\n%s\n%s", err, strings.Join(theirs, "\n"), strings.Join(ours, "\n"), findings)
			}
		})
	}
}

const bindApex = "2.0.192.in-addr.arpa."

// byBIND returns the records of dir/f, one a line, sorted.
func byBIND(program, dir string) ([]string, error) {
	cmd := exec.Command(program, "-q", "-w", dir, "-i", "none", "-k", "ignore", "-n", "ignore", "-m", "ignore", "-M", "ignore", "-S", "ignore", "-r", "ignore", "-s", "full", "-o", "out", bindApex, "f")
	var stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stderr, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, stderr.String())
	}
	f, err := os.Open(filepath.Join(dir, "out"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var lines []string
	zp := dns.NewZoneParser(f, ".", "")
	for record, ok := zp.Next(); ok; record, ok = zp.Next() {
		h := *record.Header()
		data, err := packRData(record)
		if err != nil {
			return nil, err
		}
		owner, err := dname.Parse(h.Name)
		if err != nil {
			return nil, err
		}
		lines = append(lines, fmt.Sprintf("%s %d %d %x", owner.Key(), h.Ttl, h.Rrtype, data))
	}
	slices.Sort(lines)
	return lines, zp.Err()
}

// byUs is byBIND by our reader. As a zone does, it leaves out what is out of zone or
// there already, and gives an RRset the TTL of its first record.
func byUs(path string) (lines []string, res *Result, findings string) {
	apex := dname.MustParse(bindApex)
	var table source.Table
	ttls := map[string]uint32{}
	res = Load(path, Options{Origin: apex, Table: &table}, func(r zone.Record) {
		if !r.Owner.IsAtOrBelow(apex) {
			return
		}
		set := fmt.Sprint(r.Owner.Key(), r.Type)
		if ttl, ok := ttls[set]; ok {
			r.TTL = ttl
		}
		ttls[set] = r.TTL
		lines = append(lines, fmt.Sprintf("%s %d %d %x", r.Owner.Key(), r.TTL, r.Type, r.Data))
	})
	slices.Sort(lines)
	var b strings.Builder
	for _, f := range res.Findings {
		fmt.Fprintln(&b, f.Severity, table.Locate(f))
	}
	return slices.Compact(lines), res, b.String()
}
