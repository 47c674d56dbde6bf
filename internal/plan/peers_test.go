package plan

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/ptrd/ptrd/internal/peertest"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/freeport"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/zonefile"
)

var (
	whole = flag.Bool("whole", false, "test plans of every length and way with the peers, not some of them")
	seed  = flag.Uint64("seed", 1, "of the random splits")
)

// trial is a plan with what the parent zones had before.
type trial struct {
	name    string
	o       Options
	plan    *Plan
	parents map[string]*bytes.Buffer // complete parent zones, by apex
	short   map[string]*bytes.Buffer // the same with $GENERATE
}

// ways returns each way to delegate a part. The n keeps targets of DNAMEs apart.
func ways(n int) []Way {
	return []Way{{}, {Style: "slash"}, {Style: "rfc4183"}, {Style: "address"}, {Label: "part-{first}"}, {DName: fmt.Sprintf("{n}.t%d.rev.example", n)}}
}

// trials returns plans for every length and way (some of them if not all), for random splits, and
// for prefixes that are no part of a /24.
func trials(all bool) (list []*trial) {
	net24 := func() netip.Prefix {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, byte(len(list)), 0}), 24)
	}
	servers := func(names ...string) (out []config.NameServer) {
		for _, n := range names {
			out = append(out, config.NameServer{Name: dname.MustParse(n)})
		}
		return out
	}
	add := func(name string, o Options) {
		if o.Servers == nil {
			o.Servers = servers("ns1.child.example.", "ns2.child.example.")
		}
		list = append(list, &trial{name: name, o: o})
	}
	for bits := 25; bits <= 31; bits++ {
		for _, w := range ways(len(list)) {
			if !all && bits != 26 {
				continue
			}
			p := net24()
			parts, err := divide(p, fmt.Sprint(bits))
			if err != nil {
				panic(err)
			}
			add(fmt.Sprintf("/%d %+v", bits, w), Options{Prefix: p, Parts: parts, Way: w})
		}
	}
	random := rand.New(rand.NewPCG(*seed, 0))
	splits := 10
	if !all {
		splits = 2
	}
	for range splits {
		p := net24()
		all := ways(len(list))
		var parts []Part
		var divide func(part netip.Prefix)
		divide = func(part netip.Prefix) {
			if part.Bits() < 32 && (part.Bits() < 25 || random.IntN(4) > 0) {
				half := netip.PrefixFrom(part.Addr(), part.Bits()+1)
				divide(half)
				divide(netip.PrefixFrom(next(half), half.Bits()))
				return
			}
			if random.IntN(8) == 0 {
				return // stays with the parent
			}
			made := Part{Prefix: part, where: part.String()}
			if part.Bits() < 32 {
				made.Way = all[random.IntN(len(all))]
			}
			if random.IntN(3) == 0 {
				made.Servers = []config.NameServer{{Name: dname.MustParse(fmt.Sprintf("ns%d.customer.example.", random.IntN(5)))}}
			}
			parts = append(parts, made)
		}
		divide(p)
		add("random", Options{Prefix: p, Parts: parts})
	}
	add("the prefix itself", Options{Prefix: netip.PrefixFrom(net24().Addr(), 25), Way: Way{Style: "slash"}})
	add("several zones", Options{Prefix: netip.MustParsePrefix("198.19.4.0/22")})
	add("several DNAMEs", Options{Prefix: netip.MustParsePrefix("192.18.8.0/23"), Way: Way{DName: "two.rev.example"}})
	add("parts of a classless zone", Options{Prefix: netip.MustParsePrefix("198.17.20.64/26"), Way: Way{Style: "slash"}, Parts: []Part{
		{Prefix: netip.MustParsePrefix("198.17.20.64/28")}, {Prefix: netip.MustParsePrefix("198.17.20.96/29"), Way: Way{Label: "x"}}}})
	add("IPv6", Options{Prefix: netip.MustParsePrefix("2001:db8::/44"), Parts: []Part{
		{Prefix: netip.MustParsePrefix("2001:db8::/46")}, {Prefix: netip.MustParsePrefix("2001:db8:8::/48"), Way: Way{DName: "v6.rev.example"}}, {Prefix: netip.MustParsePrefix("2001:db8:a:1::/64")}}})
	add("glue", Options{Prefix: netip.MustParsePrefix("198.16.30.0/24"), Parts: []Part{{Prefix: netip.MustParsePrefix("198.16.30.0/30"),
		Servers: []config.NameServer{{Name: dname.MustParse("ns.0-3.30.16.198.in-addr.arpa."), Addresses: []netip.Addr{netip.MustParseAddr("198.16.30.1")}}}}}})
	return list
}

// addresses returns the addresses of the trial that are looked up: all of a /24, and some of the
// parts of larger prefixes.
func (tr *trial) addresses() (list []netip.Addr) {
	if tr.o.Prefix.Addr().Is4() && tr.o.Prefix.Bits() >= 24 {
		for a := tr.o.Prefix.Addr(); tr.o.Prefix.Contains(a); a = a.Next() {
			list = append(list, a)
		}
		return list
	}
	for _, m := range tr.plan.Parts {
		list = append(list, sample(m.Prefix)...)
	}
	return list
}

// sample returns addresses in each zone of a prefix.
func sample(p netip.Prefix) (list []netip.Addr) {
	for _, z := range dname.Split(p) {
		a := z.Addr().Next()
		list = append(list, a, a.Next(), next(z).Prev())
	}
	return list
}

// hostOf returns the name that an address had before.
func hostOf(a netip.Addr) string {
	return "h-" + strings.NewReplacer(".", "-", ":", "-").Replace(a.StringExpanded()) + ".hosts.example."
}

const apexText = "%[1]v 600 IN SOA ns.parent.example. hostmaster.parent.example. 1 3600 600 86400 300\n%[1]v 600 IN NS ns.parent.example.\n"

// make makes the plan, and the parent zones as they are after its lines were added.
func (tr *trial) make(t *testing.T) {
	t.Helper()
	addresses := func(apex dname.Name) (list []netip.Addr) {
		if tr.o.Prefix.Addr().Is4() && tr.o.Prefix.Bits() >= 24 {
			return tr.addresses()
		}
		for _, p := range append(slices.Clone(tr.o.Parts), Part{Prefix: tr.o.Prefix}) {
			list = append(list, sample(p.Prefix)...)
		}
		return list
	}
	today := map[string][]zone.Record{}
	tr.o.Today = func(apex dname.Name) ([]zone.Record, error) {
		var text strings.Builder
		fmt.Fprintf(&text, apexText, apex)
		for _, a := range addresses(apex) {
			owner := dname.FromAddr(a)
			if !owner.IsAtOrBelow(apex) {
				owner, _ = apex.Prepend(owner.Label()) // a classless zone
			}
			fmt.Fprintf(&text, "%v 600 IN PTR %s\n", owner, hostOf(a))
		}
		c := ReadText(apex, "today", []byte(text.String()))
		today[apex.String()] = c.Records // the same each time
		return c.Records, c.Error()
	}
	complete := func(generate bool) map[string]*bytes.Buffer {
		tr.o.Generate = generate
		var err error
		if tr.plan, err = Make(context.Background(), tr.o); err != nil {
			t.Fatalf("%s: %v", tr.name, err)
		}
		parents := map[string]*bytes.Buffer{}
		for _, f := range tr.plan.Files {
			if f.Kind != "parent" {
				continue
			}
			apex := regexp.MustCompile(`zone (\S+)$`).FindStringSubmatch(f.Title)[1]
			removed := map[string]bool{}
			for _, line := range strings.Split(f.Text, "\n") {
				if line, ok := strings.CutPrefix(line, "; remove: "); ok {
					removed[line] = true
				}
			}
			b := bytes.NewBufferString("$TTL 600\n")
			for _, r := range today[apex] {
				if !removed[zonefile.Line(r)] {
					b.Write(append(zonefile.AppendRecord(nil, r), '\n'))
				}
			}
			b.WriteString(f.Text)
			parents[apex] = b
		}
		return parents
	}
	tr.short, tr.parents = complete(true), complete(false)
	tr.addAbove()
}

// addAbove adds the zone of the /24 that leads to a parent zone that is classless itself.
func (tr *trial) addAbove() {
	if !dname.IsClassless(tr.o.Prefix) || tr.o.Parts == nil {
		return
	}
	above, _ := dname.FromPrefix(dname.Boundary(tr.o.Prefix))
	var b bytes.Buffer
	fmt.Fprintf(&b, apexText, above)
	for apex := range tr.parents {
		fmt.Fprintf(&b, "%s 600 IN NS ns.parent.example.\n", apex)
		for _, a := range tr.addresses() {
			fmt.Fprintf(&b, "%v 600 IN CNAME %s.%s\n", dname.FromAddr(a), dname.FromAddr(a).Label(), apex)
		}
	}
	tr.parents[above.String()], tr.short[above.String()] = &b, &b
}

// zoneText is a zone and its master file, and one that may have $GENERATE.
type zoneText struct{ apex, path, short string }

// TestPlansWithPeers: BIND, NSD, Knot DNS and PowerDNS load both sides of each plan, and unbound
// finds the PTR of every address, with the parents served from the lines and the parts from the
// printed configuration.
func TestPlansWithPeers(t *testing.T) {
	list := trials(*whole)
	dir := t.TempDir()
	var zones []zoneText
	add := func(apex string, text, short []byte) string {
		path := filepath.Join(dir, fmt.Sprintf("%d.zone", len(zones)))
		z := zoneText{apex, path, path + ".short"}
		writeFile(t, z.path, text)
		writeFile(t, z.short, short)
		zones = append(zones, z)
		return z.path
	}
	var parents, children strings.Builder // configurations of ptrd
	var stubs []stub
	for _, tr := range list {
		tr.make(t)
		for apex, text := range tr.parents {
			path := add(apex, text.Bytes(), tr.short[apex].Bytes())
			fmt.Fprintf(&parents, "  - {name: %q, file: %q}\n", apex, path)
			stubs = append(stubs, stub{apex, false})
		}
		for _, f := range tr.plan.Files {
			switch f.Kind {
			case "child":
				apex, _, _ := strings.Cut(f.Text, " ")
				add(apex, []byte(f.Text), []byte(f.Text))
				stubs = append(stubs, stub{apex, true})
			case "child-config":
				children.WriteString(strings.TrimPrefix(f.Text, "zones:\n"))
			}
		}
	}
	t.Logf("%d plans, %d zones", len(list), len(zones))
	for name, load := range map[string]func(*testing.T, string, []zoneText) string{"BIND": loadBIND, "NSD": loadNSD, "Knot DNS": loadKnot, "PowerDNS": loadPowerDNS} {
		t.Run(name, func(t *testing.T) {
			if out := load(t, t.TempDir(), zones); out != "" {
				t.Errorf("%s", out)
			}
		})
	}
	t.Run("unbound", func(t *testing.T) {
		resolver := startUnbound(t, startPtrd(t, parents.String()), startPtrd(t, children.String()), stubs)
		n := 0
		for _, tr := range list {
			for _, a := range tr.addresses() {
				n++
				if got := lookUp(t, resolver, a); got != hostOf(a) {
					t.Errorf("%s: %v is %s, want %s", tr.name, a, got, hostOf(a))
				}
			}
		}
		t.Logf("%d addresses", n)
	})
}

func writeFile(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// output runs a program and returns what it prints if it fails.
func output(t *testing.T, program string, args ...string) (string, bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	return string(out), err == nil
}

func loadBIND(t *testing.T, dir string, zones []zoneText) string {
	var b strings.Builder
	b.WriteString("options { check-names primary ignore; check-integrity no; };\n")
	for _, z := range zones {
		fmt.Fprintf(&b, "zone %q { type primary; file %q; };\n", z.apex, z.short)
	}
	path := filepath.Join(dir, "named.conf")
	writeFile(t, path, []byte(b.String()))
	out, ok := output(t, peertest.Require(t, "named-checkconf"), "-z", path)
	if loaded := strings.Count(out, "loaded serial"); ok && loaded == len(zones) {
		return ""
	}
	return out
}

func loadNSD(t *testing.T, dir string, zones []zoneText) (faults string) {
	program := peertest.Require(t, "nsd-checkzone")
	for _, z := range zones {
		if out, ok := output(t, program, z.apex, z.path); !ok || strings.Contains(out, "error") {
			faults += out
		}
	}
	return faults
}

func loadKnot(t *testing.T, dir string, zones []zoneText) (faults string) {
	var b strings.Builder
	fmt.Fprintf(&b, "server:\n    rundir: %q\ndatabase:\n    storage: %q\ntemplate:\n  - id: default\n    semantic-checks: on\nzone:\n", dir, dir)
	for _, z := range zones {
		fmt.Fprintf(&b, "  - domain: %q\n    file: %q\n", z.apex, z.path)
	}
	path := filepath.Join(dir, "knot.conf")
	writeFile(t, path, []byte(b.String()))
	if out, ok := output(t, peertest.Require(t, "knotc"), "-c", path, "zone-check"); !ok || strings.Contains(out, "error") {
		return out
	}
	return ""
}

func loadPowerDNS(t *testing.T, dir string, zones []zoneText) string {
	var b strings.Builder
	for _, z := range zones {
		fmt.Fprintf(&b, "zone %q { type native; file %q; };\n", strings.TrimSuffix(z.apex, "."), z.short)
	}
	writeFile(t, filepath.Join(dir, "named.conf"), []byte(b.String()))
	writeFile(t, filepath.Join(dir, "pdns.conf"), fmt.Appendf(nil, "launch=bind\nbind-config=%s/named.conf\n", dir))
	peertest.Require(t, "pdns_server", peertest.Bind)
	out, _ := output(t, peertest.Require(t, "pdnsutil"), "--config-dir="+dir, "check-all-zones")
	var faults []string
	for _, line := range strings.Split(out, "\n") {
		// The check does not know that the bind backend sets `auth` while it serves.
		if strings.HasPrefix(line, "[") && !strings.Contains(line, "Following record is auth=0") {
			faults = append(faults, line)
		}
	}
	if want := fmt.Sprintf("0 rejected, %d new", len(zones)); !strings.Contains(out, want) || !strings.Contains(out, fmt.Sprintf("Checked %d zones", len(zones))) {
		faults = append(faults, out)
	}
	return strings.Join(faults, "\n")
}

// startPtrd serves zones in this process and returns its address.
func startPtrd(t *testing.T, zones string) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "config.yaml")
	writeFile(t, path, []byte("listen: {dns: [127.0.0.1:0], admin: \"\"}\nstate_dir: "+dir+"/state\nzones:\n"+zones))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	ready := make(chan string, 1)
	var log bytes.Buffer
	go func() {
		ended <- daemon.Run(ctx, daemon.Options{Config: path, Log: &log}, func(d *daemon.Daemon) { ready <- d.Status().Listen[0] })
	}()
	t.Cleanup(func() { cancel(); <-ended })
	select {
	case addr := <-ready:
		return addr
	case err := <-ended:
		ended <- nil
		t.Fatalf("%v\n%s", err, &log)
		return ""
	}
}

// stub is a zone that unbound asks the server of the parents or that of the parts for.
type stub struct {
	apex    string
	isChild bool
}

func startUnbound(t *testing.T, parents, children string, stubs []stub) string {
	t.Helper()
	program := peertest.Require(t, "unbound")
	dir := t.TempDir()
	addr := freeport.Must(t)
	var b strings.Builder
	fmt.Fprintf(&b, "server:\n\tusername: \"\"\n\tchroot: \"\"\n\tdirectory: %q\n\tpidfile: \"\"\n\tuse-syslog: no\n\tinterface: 127.0.0.1\n\tport: %d\n"+
		"\toutgoing-interface: 127.0.0.1\n\tdo-not-query-localhost: no\n\tnum-threads: 1\n\tmodule-config: iterator\n\tqname-minimisation: yes\n"+
		"\tlocal-zone: \"8.b.d.0.1.0.0.2.ip6.arpa.\" nodefault\nremote-control:\n\tcontrol-enable: no\n", dir, addr.Port())
	for _, s := range stubs {
		server := parents
		if s.isChild {
			server = children
		}
		fmt.Fprintf(&b, "stub-zone:\n\tname: %q\n\tstub-addr: %s\n\tstub-prime: no\n", s.apex, strings.Replace(server, ":", "@", 1))
	}
	fmt.Fprintf(&b, "forward-zone:\n\tname: \".\"\n\tforward-addr: 127.0.0.1@%d\n", addr.Port()) // names outside fail at once
	path := filepath.Join(dir, "unbound.conf")
	writeFile(t, path, []byte(b.String()))
	cmd := exec.Command(program, "-d", "-c", path)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	await.That(t, "unbound answers", func() bool {
		select {
		case <-ended:
			t.Fatalf("unbound ended:\n%s", &log)
		default:
		}
		c := dns.Client{Timeout: time.Second}
		_, _, err := c.Exchange(new(dns.Msg).SetQuestion("ready.invalid.", dns.TypeA), addr.String())
		return err == nil
	})
	return addr.String()
}

// lookUp returns the name of an address, or what was answered instead.
func lookUp(t *testing.T, resolver string, a netip.Addr) string {
	t.Helper()
	q := new(dns.Msg).SetQuestion(dname.FromAddr(a).String(), dns.TypePTR)
	c := dns.Client{Timeout: await.Patience}
	r, _, err := c.Exchange(q, resolver)
	if err != nil {
		return err.Error()
	}
	for _, rr := range r.Answer {
		if p, ok := rr.(*dns.PTR); ok {
			return p.Ptr
		}
	}
	return strings.ReplaceAll(r.String(), "\n", " ")
}
