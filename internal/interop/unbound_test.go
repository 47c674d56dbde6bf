package interop

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/peertest"
)

// validationTime is the clock of unbound for signatures, so that the test does not
// depend on ours.
const validationTime = "20300101000000"

// specialZones are those of RFC 6303 that unbound answers itself by default.
var specialZones = []string{
	"0.in-addr.arpa.", "10.in-addr.arpa.", "254.169.in-addr.arpa.", "16.172.in-addr.arpa.", "2.0.192.in-addr.arpa.",
	"100.51.198.in-addr.arpa.", "113.0.203.in-addr.arpa.", "127.in-addr.arpa.", "8.b.d.0.1.0.0.2.ip6.arpa.",
}

// elsewhere are all addresses but 127.0.0.0/8: whatever a zone set says, nothing is sent
// there.
var elsewhere = []string{
	"0.0.0.0/2", "64.0.0.0/3", "96.0.0.0/4", "112.0.0.0/5", "120.0.0.0/6", "124.0.0.0/7", "126.0.0.0/8", "128.0.0.0/1", "::/0",
}

// startUnbound runs a resolver that knows where the zones of s are and has the
// anchors of those that are secure by themselves.
func startUnbound(t testing.TB, s *zoneSet, ptrd netip.AddrPort) netip.AddrPort {
	t.Helper()
	program := peertest.Require(t, "unbound")
	dir := t.TempDir()
	addr := freePort(t)
	var b strings.Builder
	fmt.Fprintf(&b, `server:
	verbosity: 1
	username: ""
	chroot: ""
	directory: "%s"
	pidfile: ""
	use-syslog: no
	interface: %s
	port: %d
	outgoing-interface: 127.0.0.1
	outgoing-port-avoid: 0-32767
	do-not-query-localhost: no
	num-threads: 1
	module-config: "validator iterator"
	qname-minimisation: yes
	qname-minimisation-strict: yes
	harden-below-nxdomain: yes
	harden-dnssec-stripped: yes
	harden-glue: yes
	aggressive-nsec: yes
	use-caps-for-id: yes
	val-override-date: "%s"
`, dir, addr.Addr(), addr.Port(), validationTime)
	for _, a := range elsewhere {
		fmt.Fprintf(&b, "\tdo-not-query-address: %s\n", a)
	}
	for _, z := range specialZones {
		fmt.Fprintf(&b, "\tlocal-zone: \"%s\" nodefault\n", z)
	}
	for _, k := range s.anchors(t) {
		fmt.Fprintf(&b, "\ttrust-anchor: \"%s\"\n", strings.ReplaceAll(k.String(), "\t", " "))
	}
	b.WriteString("remote-control:\n\tcontrol-enable: no\n")
	for _, z := range s.zones {
		at := ptrd
		if z.server.IsValid() {
			at = z.server
		}
		fmt.Fprintf(&b, "stub-zone:\n\tname: \"%s\"\n\tstub-addr: %s@%d\n\tstub-prime: no\n", z.apex, at.Addr(), at.Port())
	}
	if s.covers(".") == "" {
		// No server there: names outside the set fail at once.
		fmt.Fprintf(&b, "forward-zone:\n\tname: \".\"\n\tforward-addr: 127.0.0.1@%d\n", freePort(t).Port())
	}
	c := startProcess(t, dir, program, "-d", "-c", mustWrite(dir, "unbound.conf", b.String()))
	awaitResolver(t, c, addr)
	return addr
}

// anchors returns the DNSKEYs with the SEP flag of the signed zones that no signed zone
// of the set vouches for.
func (s *zoneSet) anchors(t testing.TB) []*dns.DNSKEY {
	var out []*dns.DNSKEY
	for _, z := range s.zones {
		if !s.isSignedZone(z.apex) || z.apex != "." && s.isSignedZone(s.covers(parent(dns.Fqdn(z.apex)))) {
			continue
		}
		for _, r := range z.records(t) {
			if k, ok := r.(*dns.DNSKEY); ok && k.Flags&dns.SEP != 0 {
				out = append(out, k)
			}
		}
	}
	return out
}

func (s *zoneSet) isSignedZone(apex string) bool {
	return slices.ContainsFunc(s.signs, func(g setSign) bool { return g.apex == apex })
}

// TestUnbound resolves every name of the zone sets with qname minimisation, which asks
// for every empty non-terminal, and validates what is signed. What unbound finds must be
// what ptrd says about the name.
func TestUnbound(t *testing.T) {
	t.Parallel()
	for _, s := range loadSets(t) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			ptrd := startPtrd(t, s)
			c := newClient(startUnbound(t, s, ptrd))
			defer c.close()
			auth := inProcess(t, s)()
			asked, ptrs, secure := 0, 0, 0
			for i, n := range s.names(t) {
				q := question{n, dns.TypePTR}
				want, err := ask(auth, q, uint16(i), way{tcp: true})
				if err != nil {
					t.Fatal(err)
				}
				if !s.isResolvable(want) {
					continue
				}
				got := resolve(t, c, q, uint16(i))
				asked++
				if dns.RcodeToString[got.Rcode] != dns.RcodeToString[want.rcode] {
					t.Errorf("%v: unbound says %s, ptrd %v", q, dns.RcodeToString[got.Rcode], want)
					continue
				}
				if g, w := dataOf(collect(got.Answer, false)), dataOf(want.answer); !slices.Equal(g, w) {
					t.Errorf("%v: unbound finds %q, ptrd has %q", q, g, w)
				}
				if len(want.answer) > 0 && want.kind() == kindData {
					ptrs++
				}
				if s.isSecure(n, want) {
					secure++
					if !got.AuthenticatedData {
						t.Errorf("%v: unbound does not find the answer secure: %v", q, want)
					}
				}
			}
			if s.isSigned() && secure == 0 {
				t.Error("nothing in a signed set was secure")
			}
			t.Logf("%d names resolved, %d with data, %d secure", asked, ptrs, secure)
		})
	}
}

// resolverAliases is how many aliases unbound 1.17 follows.
const resolverAliases = 11

// isResolvable reports whether the answer is complete and no longer than a resolver
// follows: it is no referral, and no alias leads out of the set.
func (s *zoneSet) isResolvable(r *reply) bool {
	if !r.aa || r.rcode != dns.RcodeSuccess && r.rcode != dns.RcodeNameError || r.hasAuthority(dns.TypeNS) {
		return false
	}
	if len(r.answer) == 0 {
		return true
	}
	if len(r.aliases()) > resolverAliases {
		return false
	}
	last := r.answer[len(r.answer)-1].rtype
	return last == dns.TypePTR || last == dns.TypeCNAME && r.hasAuthority(dns.TypeSOA)
}

// isSecure reports whether a validator with the set's anchors must find the answer
// secure. Denials in a span of opt-out prove too little (RFC 5155 §6), so that sets with
// opt-out count only with data of their own.
func (s *zoneSet) isSecure(name string, r *reply) bool {
	if !s.isSigned() {
		return false
	}
	if s.hasOptOut() && (r.kind() != kindData || s.isWildcardAnswer(r)) {
		return false
	}
	if !s.isSignedZone(s.covers(name)) {
		return false
	}
	for _, a := range r.answer {
		if !s.isSignedZone(s.covers(a.owner)) {
			return false
		}
	}
	for _, a := range r.aliases() {
		if !s.isSignedZone(s.covers(a.target)) {
			return false
		}
	}
	return true
}

// isWildcardAnswer reports whether an owner of the answer is in no master file.
func (s *zoneSet) isWildcardAnswer(r *reply) bool {
	for _, a := range r.answer {
		found := false
		for _, z := range s.zones {
			found = found || strings.Contains(strings.ToLower(string(z.text)), "\n"+a.owner+"\t")
		}
		if !found {
			return true
		}
	}
	return false
}

// dataOf returns owner, type and RDATA without the TTLs, sorted and each once: unbound
// repeats a DNAME that a chain passes twice.
func dataOf(sets []rrset) []string {
	var out []string
	for _, s := range sets {
		for _, d := range s.data {
			_, rdata, _ := strings.Cut(d, " ")
			out = append(out, s.owner+" "+typeString(s.rtype)+" "+rdata)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// resolve asks the resolver, again after SERVFAIL: it may have had no response in its time.
func resolve(t testing.TB, c *client, q question, id uint16) (r *dns.Msg) {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion(q.name, q.qtype)
	m.Id = id
	m.AuthenticatedData = true
	query, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(startWait); ; time.Sleep(100 * time.Millisecond) {
		b, err := c.respond(query, true)
		if err != nil {
			t.Fatalf("%v: %v", q, err)
		}
		r = new(dns.Msg)
		if err := r.Unpack(b); err != nil {
			t.Fatalf("%v: %v", q, err)
		}
		if r.Rcode != dns.RcodeServerFailure || time.Now().After(deadline) {
			return r
		}
	}
}
