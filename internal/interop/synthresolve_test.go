package interop

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/peertest"
)

var resolves = flag.Int("resolves", 3, "number of random configurations of TestSynthResolvers, whose ranges resolvers resolve")

// rangedZones is a random configuration with ranges in the zones rangedApexes, and what it must
// answer, from the description of ranges. ptrd serves the zones on one address of loopback, and on
// another those that are delegated within the ranges, and the root. BIND as a resolver is on a third, with
// the same port, to which it also sends. knot-resolver follows delegations to port 53 only.
type rangedZones struct {
	rng    *rand.Rand
	mode   string     // how IPv4 zones are transferred
	host   netip.Addr // of ptrd; no other test has it, or the next one
	child  netip.Addr
	has53  bool // they answer on port 53 too
	ranges []rangedRange
	static map[netip.Addr]bool // have the PTR record static.example.net.
	cuts   []netip.Prefix      // are delegated; all PTR records there are child.example.net.
}

type rangedRange struct {
	prefix   netip.Prefix
	template string
	nameOf   func(netip.Addr) string
}

const (
	classfulApex  = "2.0.192.in-addr.arpa."
	classlessApex = "64-127.100.51.198.in-addr.arpa."
	aliasesApex   = "100.51.198.in-addr.arpa."
	ip6Apex       = "8.b.d.0.1.0.0.2.ip6.arpa."
	forwardApex   = "example.net."
)

var rangedZone = map[string]netip.Prefix{
	classfulApex: netip.MustParsePrefix("192.0.2.0/24"), classlessApex: netip.MustParsePrefix("198.51.100.64/26"), ip6Apex: netip.MustParsePrefix("2001:db8::/32"),
}

// rangedForms4 and rangedForms6 are templates, below a domain of each range.
var (
	rangedForms4 = []string{"{dashed}", "{padded}", "{dotted}", "{reversed}", "h{hex}", "{dotted:2-4}.x{dashed:1}", "n{decimal}", "{base36}"}
	rangedForms6 = []string{"{dashed}", "{padded}", "{dotted}", "{reversed}", "h{hex}", "{compressed}", "{reversed:host}", "{base36}"}
)

// randomAddress returns an address of a prefix, often with many zeros or ones.
func (z *rangedZones) randomAddress(p netip.Prefix) netip.Addr {
	b, kind := p.Addr().AsSlice(), z.rng.IntN(4)
	for i := range b {
		host := byte(0xff) >> min(max(p.Bits()-8*i, 0), 8)
		random := z.rng.Uint32() // three octets of it make most bits alike
		switch kind {
		case 0:
			random &= random >> 8 & (random >> 16)
		case 1:
			random |= random>>8 | random>>16
		}
		b[i] |= byte(random) & host
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func newRangedZones(t *testing.T, rng *rand.Rand) *rangedZones {
	z := &rangedZones{rng: rng, mode: []string{"rule", "materialize", "omit"}[rng.IntN(3)], static: map[netip.Addr]bool{}}
	for _, apex := range []string{classfulApex, classlessApex, ip6Apex} {
		p, forms := rangedZone[apex], rangedForms4
		if p.Addr().Is6() {
			forms = rangedForms6
		}
		within := p
		for i := range 4 {
			if i%2 == 0 {
				within = p
			}
			bits := within.Bits() + rng.IntN(p.Addr().BitLen()-within.Bits()+1)
			prefix := netip.PrefixFrom(z.randomAddress(within), bits).Masked()
			if slices.ContainsFunc(z.ranges, func(r rangedRange) bool { return r.prefix == prefix }) {
				continue
			}
			template := fmt.Sprintf("%s.r%d.pool.example.net", forms[rng.IntN(len(forms))], len(z.ranges))
			z.ranges = append(z.ranges, rangedRange{prefix, template, names(t, template, prefix)})
			z.static[z.randomAddress(prefix)] = true
			within = prefix
		}
		if p.Addr().Is6() {
			r := z.ranges[len(z.ranges)-1].prefix
			if bits := max(r.Bits()+3, 36) / 4 * 4; bits < 128 {
				cut := netip.PrefixFrom(z.randomAddress(r), bits).Masked()
				z.cuts = append(z.cuts, cut)
				for a := range z.static {
					if cut.Contains(a) {
						delete(z.static, a)
					}
				}
			}
		}
	}
	return z
}

// owner returns the name at which a zone has the PTR record of an address.
func (z *rangedZones) owner(t testing.TB, a netip.Addr) string {
	name := arpa(t, a)
	if rangedZone[classlessApex].Contains(a) {
		return strings.Replace(name, "."+aliasesApex, "."+classlessApex, 1)
	}
	return name
}

// cutName returns the name of a delegated prefix, whose length is one of nibbles.
func cutName(t testing.TB, p netip.Prefix) string {
	return arpa(t, p.Addr())[2*(128-p.Bits())/4:]
}

// start runs ptrd with the zones, and one with what is delegated.
func (z *rangedZones) start(t *testing.T) netip.AddrPort {
	t.Helper()
	dir := t.TempDir()
	port := freePort(t).Port() // of all addresses: BIND sends to the port that it listens on
	z.host, z.child = netip.AddrFrom4([4]byte{127, 53, byte(port >> 8), byte(port)}), netip.AddrFrom4([4]byte{127, 54, byte(port >> 8), byte(port)})
	addr := netip.AddrPortFrom(z.host, port)
	if l, err := net.Listen("tcp", netip.AddrPortFrom(z.host, 53).String()); err == nil {
		z.has53 = true
		l.Close()
	}
	listen := func(a netip.Addr) string {
		if z.has53 {
			return fmt.Sprintf("\"%v:%d\", \"%v:53\"", a, port, a)
		}
		return fmt.Sprintf("\"%v:%d\"", a, port)
	}
	const soa = "$TTL 1h\n@ SOA ns.example.net. hostmaster.example.net. 1 1h 15m 1w 5m\n@ NS ns.example.net.\n"
	files := map[string]string{aliasesApex: soa + "$GENERATE 64-127 $ CNAME $." + classlessApex + "\n", forwardApex: soa + fmt.Sprintf("ns A %v\n", z.host)}
	files["root"] = soa + fmt.Sprintf("ns.example.net. A %v\n", z.host)
	for apex := range z.apexes(t, addr, false) {
		files["root"] += apex + " NS ns.example.net.\n"
	}
	var config strings.Builder
	fmt.Fprintf(&config, "listen: {dns: [%s], admin: \"\"}\nstate_dir: %s/state\nzones:\n", listen(z.host), dir)
	for apex, p := range rangedZone {
		mode := "rule"
		if p.Addr().Is4() {
			mode = z.mode // of an IPv6 zone, there are too many to materialize
		}
		fmt.Fprintf(&config, "  - prefix: %v\n    file: %s/%s\n    synth_transfer: %s\n    synth:\n", p, dir, apex, mode)
		files[apex] = soa
		for _, r := range z.ranges {
			if p.Overlaps(r.prefix) {
				fmt.Fprintf(&config, "      - {range: \"%v\", name: %q}\n", r.prefix, r.template)
			}
		}
		for a := range z.static {
			if p.Contains(a) {
				files[apex] += z.owner(t, a) + " PTR static.example.net.\n"
			}
		}
	}
	var child strings.Builder
	fmt.Fprintf(&child, "listen: {dns: [%s], admin: \"\"}\nstate_dir: %s/child\nzones:\n  - {name: ., file: %s/root}\n", listen(z.child), dir, dir)
	for _, cut := range z.cuts {
		apex := cutName(t, cut)
		files[ip6Apex] += fmt.Sprintf("%s NS ns.%s\nns.%s A %v\n", apex, apex, apex, z.child)
		files[apex] = fmt.Sprintf("$TTL 1h\n@ SOA ns a 1 1h 15m 1w 5m\n@ NS ns\nns A %v\n* PTR child.example.net.\n", z.child)
		fmt.Fprintf(&child, "  - {name: %s, file: %s/%s}\n", apex, dir, apex)
	}
	for apex, text := range files {
		mustWrite(dir, apex, text)
	}
	fmt.Fprintf(&config, "  - {name: %s, file: %s/%s}\n  - {name: %s, file: %s/%s}\n", aliasesApex, dir, aliasesApex, forwardApex, dir, forwardApex)
	for i, text := range []string{config.String(), child.String()} {
		file := mustWrite(dir, fmt.Sprintf("ptrd%d.yaml", i), text)
		at, apexes := addr, []string{classfulApex, ip6Apex, forwardApex}
		if i == 1 {
			at, apexes = netip.AddrPortFrom(z.child, port), nil
		}
		c := startProcess(t, dir, requireBinary(t), "serve", "--config", file)
		if !awaitZones(at, apexes, c.ended) {
			b, _ := os.ReadFile(file)
			t.Fatalf("ptrd does not answer:\n%s\n%s", c.log(), b)
		}
	}
	return addr
}

// wantPTR returns what the PTR record of an address has to be, empty if it does not exist.
func (z *rangedZones) wantPTR(a netip.Addr) string {
	for _, cut := range z.cuts {
		if cut.Contains(a) {
			return "child.example.net."
		}
	}
	if z.static[a] {
		return "static.example.net."
	}
	if r := z.rangeOf(a); r != nil {
		return r.nameOf(a)
	}
	return ""
}

// rangeOf returns the longest range that has an address.
func (z *rangedZones) rangeOf(a netip.Addr) (longest *rangedRange) {
	for i := range z.ranges {
		if r := &z.ranges[i]; r.prefix.Contains(a) && (longest == nil || r.prefix.Bits() > longest.prefix.Bits()) {
			longest = r
		}
	}
	return longest
}

// addresses returns addresses inside, at the edges of and around the ranges, each once.
func (z *rangedZones) addresses() []netip.Addr {
	var list []netip.Addr
	for _, p := range append(slices.Clone(z.cuts), rangedZone[classfulApex], rangedZone[classlessApex], rangedZone[ip6Apex]) {
		list = append(list, z.randomAddress(p), z.randomAddress(p))
	}
	for _, r := range z.ranges {
		edges := inRange(r.prefix, 0)
		list = append(list, edges[0], edges[1], edges[0].Prev(), edges[1].Next())
		for range 4 {
			list = append(list, z.randomAddress(r.prefix))
		}
	}
	for a := range z.static {
		list = append(list, a, a.Next(), a.Prev())
	}
	slices.SortFunc(list, netip.Addr.Compare)
	list = slices.DeleteFunc(slices.Compact(list), func(a netip.Addr) bool {
		for _, p := range rangedZone {
			if p.Contains(a) {
				return false
			}
		}
		return true
	})
	z.rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// resolution is a question and the answer that it must have: RDATA, NXDOMAIN or NODATA.
type resolution struct {
	q    question
	want string
}

// questions returns questions for the addresses, their names, and names above those.
func (z *rangedZones) questions(t *testing.T) []resolution {
	above := map[string]bool{}
	var all []resolution
	for _, a := range z.addresses() {
		owner := arpa(t, a)
		want := z.wantPTR(a)
		if want == "" {
			want = "NXDOMAIN"
		}
		all = append(all, resolution{question{owner, dns.TypePTR}, want})
		qtype, other := dns.TypeA, dns.TypeAAAA
		if a.Is6() {
			qtype, other = other, qtype
		}
		r := z.rangeOf(a)
		if r == nil {
			continue
		}
		name := r.nameOf(a)
		all = append(all, resolution{question{name, qtype}, a.String()}, resolution{question{name, other}, "NODATA"}, resolution{question{"x." + name, qtype}, "NXDOMAIN"})
		for _, n := range []string{name, z.owner(t, a)} {
			if slices.ContainsFunc(z.cuts, func(p netip.Prefix) bool { return p.Contains(a) }) && n != name {
				continue
			}
			labels := dns.SplitDomainName(n)
			if up := strings.Join(labels[1+z.rng.IntN(len(labels)-3):], ".") + "."; !above[up] && z.isInZones(up) {
				above[up] = true
				all = append(all, resolution{question{up, dns.TypeTXT}, "NODATA"})
			}
		}
	}
	return all
}

// isInZones reports whether a name is below the apex of one of the zones.
func (z *rangedZones) isInZones(name string) bool {
	return slices.ContainsFunc([]string{classfulApex, classlessApex, ip6Apex, forwardApex}, func(apex string) bool { return strings.HasSuffix(name, "."+apex) })
}

// apexes returns the zones and the address of their server.
func (z *rangedZones) apexes(t testing.TB, addr netip.AddrPort, withCuts bool) map[string]netip.AddrPort {
	all := map[string]netip.AddrPort{classfulApex: addr, classlessApex: addr, aliasesApex: addr, ip6Apex: addr, forwardApex: addr}
	for _, cut := range z.cuts {
		if withCuts {
			all[cutName(t, cut)] = netip.AddrPortFrom(z.child, addr.Port())
		}
	}
	return all
}

// TestSynthResolvers resolves addresses of random ranges, and their names, by resolvers that ask for
// each name above and believe an NXDOMAIN for all below it (RFC 8020, RFC 9156).
func TestSynthResolvers(t *testing.T) {
	t.Parallel()
	for seed := range *resolves {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			z := newRangedZones(t, rand.New(rand.NewPCG(8501, uint64(seed))))
			addr := z.start(t)
			questions := z.questions(t)
			for name, start := range map[string]func(*testing.T, *rangedZones, netip.AddrPort) netip.AddrPort{
				"unbound": resolveUnbound, "bind": resolveBIND, "powerdns": resolvePowerDNS, "knot-resolver": resolveKnot,
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					c := newClient(start(t, z, addr))
					defer c.close()
					for i, w := range questions {
						got := resolve(t, c, w.q, uint16(i+1))
						if seen := resolved(got, w.q.qtype); seen != w.want {
							t.Errorf("%v: %s, want %s\n%v", w.q, seen, w.want, z)
						}
					}
					t.Logf("%d questions", len(questions))
				})
			}
		})
	}
}

// resolved returns what a resolver answered.
func resolved(m *dns.Msg, qtype uint16) string {
	if m.Rcode != dns.RcodeSuccess {
		return dns.RcodeToString[m.Rcode]
	}
	data := "NODATA"
	for _, rr := range m.Answer {
		if rr.Header().Rrtype == qtype {
			data = rdata(rr)
			if a, err := netip.ParseAddr(data); err == nil {
				data = a.String()
			}
		}
	}
	return data
}

func (z *rangedZones) String() string {
	var b strings.Builder
	for _, r := range z.ranges {
		fmt.Fprintf(&b, "  %v %s\n", r.prefix, r.template)
	}
	fmt.Fprintf(&b, "  %s, static %v\n  delegated %v", z.mode, z.static, z.cuts)
	return b.String()
}

func resolveUnbound(t *testing.T, z *rangedZones, addr netip.AddrPort) netip.AddrPort {
	s := &zoneSet{}
	for apex, at := range z.apexes(t, addr, true) {
		s.zones = append(s.zones, setZone{apex: apex, server: at})
	}
	return startUnbound(t, s, addr)
}

func resolvePowerDNS(t *testing.T, z *rangedZones, addr netip.AddrPort) netip.AddrPort {
	program := peertest.Require(t, "pdns_recursor")
	dir, at := t.TempDir(), freePort(t)
	var zones []string
	for apex, server := range z.apexes(t, addr, true) {
		zones = append(zones, fmt.Sprintf("%s=%v", strings.TrimSuffix(apex, "."), server))
	}
	config := fmt.Sprintf(`local-address=%v
local-port=%d
socket-dir=%s
daemon=no
setuid=
setgid=
chroot=
threads=1
dnssec=off
network-timeout=10000
udp-source-port-min=32768
max-total-msec=60000
qname-minimization=yes
serve-rfc1918=no
dont-query=%s
query-local-address=127.0.0.1
hint-file=%s
security-poll-suffix=
forward-zones=%s
`, at.Addr(), at.Port(), dir, strings.Join(elsewhere, ","), mustWrite(dir, "hints", ". 3600000 NS none.\nnone. 3600000 A 127.0.0.1\n"), strings.Join(zones, ","))
	mustWrite(dir, "recursor.conf", config)
	c := startProcess(t, dir, program, "--config-dir="+dir)
	awaitResolver(t, c, at)
	return at
}

// resolveBIND has named send to the port that it listens on, so that it follows delegations.
func resolveBIND(t *testing.T, z *rangedZones, addr netip.AddrPort) netip.AddrPort {
	program := peertest.Require(t, "named")
	dir, at := t.TempDir(), netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), addr.Port())
	var b strings.Builder
	fmt.Fprintf(&b, `options {
	directory "%s";
	pid-file none;
	session-keyfile "%s/session.key";
	lock-file none;
	port %d;
	listen-on { %v; };
	listen-on-v6 { none; };
	query-source address %v;
	recursion yes;
	qname-minimization strict;
	dnssec-validation no;
	empty-zones-enable no;
	prefetch 0;
};
controls { };
zone "." { type primary; file "root"; };
`, dir, dir, at.Port(), at.Addr(), at.Addr())
	mustWrite(dir, "root", "$TTL 1h\n@ SOA a a 1 1 1 1 1\n@ NS a\na A 127.0.0.1\n")
	for apex, server := range z.apexes(t, addr, false) {
		fmt.Fprintf(&b, "zone \"%s\" { type static-stub; server-addresses { %v; }; };\n", apex, server.Addr())
	}
	c := startProcess(t, dir, program, "-g", "-n", "1", "-c", mustWrite(dir, "named.conf", b.String()))
	awaitResolver(t, c, at)
	return at
}

// resolveKnot has kresd begin at the root.
func resolveKnot(t *testing.T, z *rangedZones, _ netip.AddrPort) netip.AddrPort {
	program := peertest.Require(t, "kresd")
	if !z.has53 {
		peertest.RequireRoot(t, "to serve on port 53")
		t.Fatal("port 53 of loopback is not free")
	}
	dir, at := t.TempDir(), freePort(t)
	config := fmt.Sprintf(`net.listen('%v', %d, { kind = 'dns' })
net.ipv6 = false
option('ALLOW_LOCAL', true)
trust_anchors.remove('.')
modules.unload('ta_update')
modules.unload('ta_signal_query')
modules.unload('priming')
modules.unload('detect_time_skew')
modules.unload('detect_time_jump')
modules.load('hints')
hints.root({ ['ns.root.'] = '%v' })
policy.special_names = {}
cache.size = 10*MB
`, at.Addr(), at.Port(), z.child)
	c := startProcess(t, dir, program, "-n", "-c", mustWrite(dir, "kresd.conf", config), dir)
	awaitResolver(t, c, at)
	return at
}

// awaitResolver waits until a resolver answers over UDP and TCP.
func awaitResolver(t testing.TB, c *process, at netip.AddrPort) {
	t.Helper()
	q := new(dns.Msg)
	q.SetQuestion("ready.invalid.", dns.TypeA)
	overUDP, overTCP := dns.Client{Timeout: time.Second}, dns.Client{Net: "tcp", Timeout: time.Second}
	for deadline := time.Now().Add(startWait); ; {
		_, _, err := overUDP.Exchange(q, at.String())
		if err == nil {
			_, _, err = overTCP.Exchange(q, at.String())
		}
		if err == nil {
			return
		}
		select {
		case <-c.ended:
			t.Fatalf("%s ended:\n%s", c.cmd.Path, c.log())
		case <-time.After(10 * time.Millisecond): // between two tries
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer:\n%s", c.cmd.Path, c.log())
		}
	}
}
