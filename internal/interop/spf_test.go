package interop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/internal/peertest"
	"github.com/ptrd/ptrd/internal/spf"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// spfHosts is what the records of spfCases lead to.
const spfHosts = `$TTL 300
@ SOA ns.test. hostmaster.test. 1 3600 900 86400 300
@ NS ns.test.
ns.test. A 127.0.0.1
mail.test. A 192.0.2.10
mail.test. AAAA 2001:db8::10
_spf.mail.test. A 192.0.2.10
alias.test. CNAME mail.test.
mx.test. MX 10 absent.test.
mx.test. MX 20 mail.test.
nullmx.test. MX 0 .
nomail.test. TXT "x"
pass.test. TXT "v=spf1 +all"
fail.test. TXT "v=spf1 -all"
soft.test. TXT "v=spf1 ~all"
broken.test. TXT "v=spf1 ipv4:192.0.2.10 -all"
deep.test. TXT "v=spf1 a:mail.test a:mail.test a:mail.test a:mail.test a:mail.test ?all"
10.2.0.192.ok.test. A 127.0.0.2
alice.ok.test. A 127.0.0.2
up.helo.test. A 127.0.0.2
0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ok.test. A 127.0.0.2
10.2.0.192.in-addr.arpa. PTR mail.test.
10.2.0.192.in-addr.arpa. PTR forged.test.
11.2.0.192.in-addr.arpa. PTR mail.test.
forged.test. A 198.51.100.1
`

// spfCase is an SPF record and the result for an address.
type spfCase struct {
	txt     string // strings of the TXT records of the domain, as in a master file; records are separated by |
	ip      string // default: 192.0.2.10
	want    spf.Result
	theirs  spf.Result // result of spfquery, if it differs
	because string     // RFC 7208 decides, with the section
}

var spfCases = []spfCase{
	{txt: `"v=spf1 ip4:192.0.2.0/24 -all"`, want: spf.Pass},
	{txt: `"v=spf1 ip4:192.0.2.0/24 -all"`, ip: "192.0.3.1", want: spf.Fail},
	{txt: `"v=spf1 ip4:192.0.2.10 -all"`, want: spf.Pass},
	{txt: `"v=spf1 ip4:192.0.2.77/24 -all"`, want: spf.Pass},
	{txt: `"v=spf1 -ip4:0.0.0.0/0 ?all"`, want: spf.Fail},
	{txt: `"v=spf1 ip4:192.0.2.300 -all"`, want: spf.PermError},
	{txt: `"v=spf1 ip4:192.0.2.0/33 -all"`, want: spf.PermError},
	{txt: `"v=spf1 ip4:192.0.2 -all"`, want: spf.PermError},
	{txt: `"v=spf1 ip4 -all"`, want: spf.PermError},
	{txt: `"v=spf1 ip6:2001:db8::/32 -all"`, ip: "2001:db8::10", want: spf.Pass},
	{txt: `"v=spf1 ip6:2001:db8::/32 -all"`, want: spf.Fail},
	{txt: `"v=spf1 ip6:2001:db8::/129 -all"`, want: spf.PermError},
	{txt: `"v=spf1 ip6:2001:db8::10 ~all"`, ip: "2001:db8::11", want: spf.SoftFail},
	{txt: `"v=spf1 a:mail.test -all"`, want: spf.Pass},
	{txt: `"v=spf1 a:mail.test -all"`, ip: "2001:db8::10", want: spf.Pass},
	{txt: `"v=spf1 a:mail.test -all"`, ip: "192.0.2.11", want: spf.Fail},
	{txt: `"v=spf1 a:mail.test/24 -all"`, ip: "192.0.2.11", want: spf.Pass},
	{txt: `"v=spf1 a:mail.test/24//64 -all"`, ip: "2001:db8::99", want: spf.Pass},
	{txt: `"v=spf1 a:mail.test//64 -all"`, ip: "192.0.2.11", want: spf.Fail},
	{txt: `"v=spf1 a:mail.test/33 -all"`, want: spf.PermError},
	{txt: `"v=spf1 a:alias.test -all"`, want: spf.Pass},
	{txt: `"v=spf1 a -all"`, want: spf.Fail},
	{txt: `"v=spf1 a:_spf.mail.test -all"`, want: spf.Pass},
	{txt: `"v=spf1 a:mail.test. -all"`, want: spf.Pass},
	{txt: `"v=spf1 a:mail.123 -all"`, want: spf.PermError},
	{txt: `"v=spf1 a: -all"`, want: spf.PermError},
	{txt: `"v=spf1 a:absent.test a:mail.test -all"`, want: spf.Pass},
	{txt: `"v=spf1 a:absent1.test a:absent2.test a:absent3.test +all"`, want: spf.PermError},
	{txt: `"v=spf1 mx:mx.test -all"`, want: spf.Pass},
	{txt: `"v=spf1 mx:mx.test/24 -all"`, ip: "192.0.2.11", want: spf.Pass},
	{txt: `"v=spf1 mx:nullmx.test -all"`, want: spf.Fail},
	{txt: `"v=spf1 mx:many.test -all"`, want: spf.PermError, theirs: spf.Pass, because: "§4.6.4: more than 10 MX records"},
	{txt: `"v=spf1 ptr:test -all"`, want: spf.PermError},
	{txt: `"v=spf1 ptr:mail.test -all"`, want: spf.Pass},
	{txt: `"v=spf1 ptr:forged.test -all"`, want: spf.Fail},
	{txt: `"v=spf1 ptr:mail.test -all"`, ip: "192.0.2.11", want: spf.Fail},
	{txt: `"v=spf1 exists:%{ir}.ok.test -all"`, want: spf.Pass},
	{txt: `"v=spf1 exists:%{ir}.ok.test -all"`, ip: "2001:db8::10", want: spf.Pass},
	{txt: `"v=spf1 exists:%{l1r+}.ok.test -all"`, want: spf.Pass},
	{txt: `"v=spf1 exists:up.%{h2}.test -all"`, want: spf.Fail},
	{txt: `"v=spf1 exists:%{h} -all"`, want: spf.Pass},
	{txt: `"v=spf1 exists:%{c}.ok.test -all"`, want: spf.PermError},
	{txt: `"v=spf1 exists:%(ir).ok.test -all"`, want: spf.PermError},
	{txt: `"v=spf1 exists:%{l0}.ok.test -all"`, want: spf.PermError},
	{txt: `"v=spf1 include:pass.test -all"`, want: spf.Pass},
	{txt: `"v=spf1 include:fail.test ?all"`, want: spf.Neutral},
	{txt: `"v=spf1 include:soft.test ~all"`, want: spf.SoftFail},
	{txt: `"v=spf1 -include:pass.test +all"`, want: spf.Fail},
	{txt: `"v=spf1 include:nomail.test +all"`, want: spf.PermError},
	{txt: `"v=spf1 include:broken.test +all"`, want: spf.PermError},
	{txt: `"v=spf1 include: +all"`, want: spf.PermError},
	{txt: `"v=spf1 redirect=soft.test"`, want: spf.SoftFail},
	{txt: `"v=spf1 redirect=nomail.test"`, want: spf.PermError},
	{txt: `"v=spf1 redirect=pass.test -all"`, want: spf.Fail},
	{txt: `"v=spf1 redirect=%{d}"`, want: spf.PermError},
	{txt: `"v=spf1 redirect=pass.test redirect=pass.test"`, want: spf.PermError},
	{txt: `"v=spf1 exp=pass.test exp=pass.test ?all"`, want: spf.PermError},
	{txt: `"v=spf1 include:deep.test include:deep.test -all"`, ip: "192.0.2.11", want: spf.PermError},
	{txt: `"v=spf1 include:deep.test a:mail.test a:mail.test a:mail.test a:mail.test ?all"`, ip: "192.0.2.11", want: spf.Neutral},
	{txt: `"v=spf1 -all"|"v=spf1 +all"`, want: spf.PermError},
	{txt: `"v=spf1 -all"|"other text"`, want: spf.Fail},
	{txt: `"other text"`, want: spf.None},
	{txt: `"v=spf10 -all"`, want: spf.None},
	{txt: `"V=SPF1 IP4:192.0.2.10 -ALL"`, want: spf.Pass},
	{txt: `"v=spf1 ip4:192.0." "2.10 -all"`, want: spf.Pass},
	{txt: `"v=spf1"`, want: spf.Neutral},
	{txt: `"v=spf1  ip4:192.0.2.10   -all  "`, want: spf.Pass},
	{txt: `"v=spf1 ?all"`, want: spf.Neutral},
	{txt: `"v=spf1 -all ip4:192.0.2.10"`, want: spf.Fail},
	{txt: `"v=spf1 ip4:192.0.2.10 all:x"`, want: spf.PermError},
	{txt: `"v=spf1 ip4:192.0.2.10 moo"`, want: spf.PermError},
	{txt: `"v=spf1 moo=%{d} ip4:192.0.2.10 -all"`, want: spf.Pass},
	{txt: `"v=spf1 ip4:192.0.2.10 \195\164 -all"`, want: spf.PermError},
	{txt: `"v=spf1 ip4:192.0.2.010 -all"`, want: spf.PermError},
}

// TestSPF compares results of SPF with those of Mail::SPF, which Debian has as spfquery. ptrd serves
// the records to both. RFC 7208 decides where they differ; Mail::SPF is older than it.
func TestSPF(t *testing.T) {
	t.Parallel()
	program := peertest.Require(t, "spfquery")
	var zone, input strings.Builder
	zone.WriteString(spfHosts)
	for i := range 11 {
		fmt.Fprintf(&zone, "many.test. MX %d mail.test.\n", i)
		fmt.Fprintf(&zone, "many.test. MX %d m%[1]d.test.\nm%[1]d.test. A 192.0.2.%[1]d\n", i)
	}
	for i, c := range spfCases {
		for _, txt := range strings.Split(c.txt, "|") {
			fmt.Fprintf(&zone, "c%d.test. TXT %s\n", i, txt)
		}
		fmt.Fprintf(&input, "%v alice@c%d.test up.helo.test\n", c.address(), i)
	}
	at := startPtrd(t, &zoneSet{name: "spf", zones: []setZone{{apex: ".", file: "root.zone", text: []byte(zone.String())}}})

	cmd := exec.CommandContext(t.Context(), program, "--file", "-")
	cmd.Env = append(cmd.Environ(), fmt.Sprintf("RES_NAMESERVERS=%v", at.Addr()), fmt.Sprintf("RES_OPTIONS=port:%d", at.Port()))
	cmd.Stdin = strings.NewReader(input.String())
	out, err := cmd.Output()
	theirs := regexp.MustCompile(`(?m)^Received-SPF: ([a-z]+) `).FindAllStringSubmatch(string(out), -1)
	if len(theirs) != len(spfCases) {
		t.Fatalf("spfquery has %d results of %d: %v\n%s", len(theirs), len(spfCases), err, out)
	}

	client := delegation.New(delegation.Options{Resolver: at})
	lookup := func(ctx context.Context, name dname.Name, typ rr.Type) ([]dns.RR, error) {
		l := client.Resolve(ctx, name, typ)
		if l.HasFailed() {
			return nil, errors.New(l.Reason)
		}
		return l.Records, nil
	}
	for i, c := range spfCases {
		r := spf.Check(t.Context(), lookup, c.address(), "up.helo.test", fmt.Sprintf("alice@c%d.test", i))
		if r.Result != c.want {
			t.Errorf("%s from %v: %s (%s), want %s", c.txt, c.address(), r.Result, r.Reason, c.want)
		}
		want := cmp.Or(c.theirs, c.want)
		if got := spf.Result(theirs[i][1]); got != want || (c.theirs == "") != (c.because == "") {
			t.Errorf("%s from %v: spfquery has %s, want %s (%s)", c.txt, c.address(), got, want, c.because)
		}
	}
}

func (c *spfCase) address() netip.Addr {
	if c.ip == "" {
		return netip.MustParseAddr("192.0.2.10")
	}
	return netip.MustParseAddr(c.ip)
}
