package daemon

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

var (
	histories = flag.Int("histories", 1, "number of random histories of TestSourcesRandomly")
	changes   = flag.Int("history-steps", 15, "number of changes of each history of TestSourcesRandomly")
	firstSeed = flag.Uint64("history-seed", 0, "seed of the first history of TestSourcesRandomly; 0: random")
)

// TestSourcesRandomly changes all sources of zones in random order: static records, forward zones of
// files, updates, the API and a primary, the settings of ranges and of derived records, and which zones
// there are; with rollbacks, restarts, and files with errors. After each change, the answers are those
// of a naive model, the history leads from the zones before to those now, and a server that starts with the same
// state and files has the same zones.
//
//	go test ./internal/daemon -run TestSourcesRandomly -histories 200 -history-steps 100 -timeout 2h
func TestSourcesRandomly(t *testing.T) {
	first := *firstSeed
	if first == 0 {
		first = rand.Uint64N(1 << 32)
	}
	for i := range *histories {
		t.Run(fmt.Sprintf("seed=%d", first+uint64(i)), func(t *testing.T) {
			h := newSourceHistory(t, first+uint64(i))
			for n := range *changes {
				h.step(n)
			}
		})
	}
}

// sourceHistory is a server with its model.
type sourceHistory struct {
	t          *testing.T
	rng        *rand.Rand
	l, primary *lab
	zones      []*sourceZone
	conn       *dns.Conn
	did        []string
	before     map[string]*zone.Zone // by apex
	created    int
}

func newSourceHistory(t *testing.T, seed uint64) *sourceHistory {
	h := &sourceHistory{t: t, rng: rand.New(rand.NewPCG(seed, 5)), before: map[string]*zone.Zone{}}
	for i, apex := range []string{"file.example.", "sub.file.example.", "dynamic.example.", "hosted.example.", "sec.example."} {
		h.zones = append(h.zones, &sourceZone{apex: apex, ttl: uint32(60 + i), isServed: apex != "hosted.example.", records: records{}, layer: records{}, past: map[zone.Serial]records{}})
	}
	for _, z := range [][3]string{
		{"192.0.2.0/24", "192.0.2.0", "2.0.192.in-addr.arpa."}, {"198.51.100.16/28", "198.51.100.16", "16-31.100.51.198.in-addr.arpa."},
		{"2001:db8::/32", "2001:db8::", "8.b.d.0.1.0.0.2.ip6.arpa."},
	} {
		h.zones = append(h.zones, &sourceZone{apex: z[2], prefix: netip.MustParsePrefix(z[0]), first: netip.MustParseAddr(z[1]), isServed: true,
			records: records{}, layer: records{}, ranges: map[netip.Prefix]*sourceRange{}, past: map[zone.Serial]records{}})
	}
	for range 20 {
		h.changeSettings()
		h.changeFile()
	}
	for range 5 {
		h.changePrimary()
	}
	h.primary = start(t, shortDir(t), "listen: {dns: [\"127.0.0.1:0\"], admin: \"\"}\nstate_dir: state\nreload: {quiet: 1h}\ndefaults: {max_shrink: off}\nzones:\n  - {name: sec.example, nameservers: [ns1.example.com], transfer: {allow: 127.0.0.1}}\n")
	h.writePrimary()
	dir := shortDir(t)
	h.write(dir)
	h.l = start(t, dir, h.config())
	h.refresh()
	h.connect()
	h.check("the start")
	return h
}

func (h *sourceHistory) pick(list ...string) string { return list[h.rng.IntN(len(list))] }

func (h *sourceHistory) zone(apex string) *sourceZone {
	return h.zones[slices.IndexFunc(h.zones, func(z *sourceZone) bool { return z.apex == apex })]
}

func (h *sourceHistory) someReverse() *sourceZone { return h.zones[5+h.rng.IntN(3)] }

func (h *sourceHistory) someAddress(z *sourceZone) netip.Addr {
	return z.addresses()[h.rng.IntN(sourceAddresses)]
}

// config returns the configuration.
func (h *sourceHistory) config() string {
	var b strings.Builder
	b.WriteString(`listen: {dns: ["127.0.0.1:0"], route53: "127.0.0.1:0", admin: ""}
state_dir: ./state
reload: {quiet: 1h, max_shrink: off}
rate_limit: {enabled: false}
defaults: {nameservers: [ns1.example.com], max_shrink: off, transfer: {allow: 127.0.0.1}, checks: {range-transfer: off}}
route53: {access_keys: [{id: AKIALAB, secret: secret}], delegation_sets: [[ns1.example.com]]}
zones:
`)
	for _, z := range h.zones {
		if !z.isServed {
			continue
		}
		switch z.apex {
		case "dynamic.example.":
			b.WriteString("  - {name: dynamic.example, dynamic: , update: [127.0.0.1]}\n")
			continue
		case "sec.example.":
			fmt.Fprintf(&b, "  - {name: sec.example, secondary: {primaries: %q}}\n", h.primary.dns)
			continue
		case "hosted.example.":
			continue
		}
		if z.isReverse() {
			fmt.Fprintf(&b, "  - prefix: %v\n    file: %szone\n", z.prefix, z.apex)
		} else {
			fmt.Fprintf(&b, "  - name: %s\n    file: %szone\n", z.apex, z.apex)
		}
		if z.update {
			b.WriteString("    update: [127.0.0.1]\n")
		}
		if z.mode != "" {
			fmt.Fprintf(&b, "    synth_transfer: %s\n", z.mode)
		}
		if z.derives {
			fmt.Fprintf(&b, "    derive: {from: [%s]", strings.Join(z.from, ", "))
			if z.all {
				b.WriteString(", names: all")
			}
			if len(z.prefer) > 0 {
				fmt.Fprintf(&b, ", prefer: [%q]", strings.Join(z.prefer, `", "`))
			}
			if z.ptrTTL > 0 {
				fmt.Fprintf(&b, ", ttl: %ds", z.ptrTTL)
			}
			b.WriteString("}\n")
		}
		if len(z.ranges) > 0 {
			b.WriteString("    synth:\n")
		}
		for p, r := range z.ranges {
			fmt.Fprintf(&b, "      - {range: %q, name: \"%s.%s\", ttl: %ds}\n", p, r.form, r.base, r.ttl)
		}
	}
	return strings.ReplaceAll(b.String(), `\", \"`, `", "`)
}

// write writes the files.
func (h *sourceHistory) write(dir string) {
	for _, z := range h.zones {
		replace(h.t, filepath.Join(dir, z.apex+"zone"), z.masterFile())
	}
}

func (h *sourceHistory) connect() {
	conn, err := net.Dial("udp", h.l.dns)
	if err != nil {
		h.t.Fatal(err)
	}
	h.conn = &dns.Conn{Conn: conn}
	h.t.Cleanup(func() { conn.Close() })
}

// ask returns the answer of the server in the form of answer.
func (h *sourceHistory) ask(name, qtype string) string {
	m := new(dns.Msg)
	m.SetQuestion(name, dns.StringToType[qtype])
	h.conn.SetDeadline(time.Now().Add(patience)) //nolint:errcheck // a read then fails
	if err := h.conn.WriteMsg(m); err != nil {
		h.t.Fatal(err)
	}
	r, err := h.conn.ReadMsg()
	if err != nil {
		h.t.Fatal(err)
	}
	switch {
	case r.Rcode != dns.RcodeSuccess:
		return dns.RcodeToString[r.Rcode]
	case len(r.Answer) == 0 && len(r.Ns) > 0 && r.Ns[0].Header().Rrtype == dns.TypeNS:
		return "referral"
	case len(r.Answer) == 0:
		return "NODATA"
	}
	set := newSet(r.Answer[0].Header().Ttl)
	for _, rr := range r.Answer {
		if rr.Header().Rrtype == r.Answer[0].Header().Rrtype {
			set.data[strings.TrimPrefix(rr.String(), rr.Header().String())] = true
		}
	}
	if r.Answer[0].Header().Rrtype == dns.TypeCNAME && qtype != "CNAME" {
		return "alias " + set.String()
	}
	return set.String()
}

// check compares the server with the model, and with itself before.
func (h *sourceHistory) check(what string) {
	h.t.Helper()
	h.did = append(h.did, what)
	fail := func(format string, args ...any) {
		h.t.Helper()
		list := h.did
		h.t.Fatalf("%s\nafter:\n  %s\n%s\n%s", fmt.Sprintf(format, args...), strings.Join(list, "\n  "), h.config(), h.files())
	}
	compare := func(name, qtype string) {
		h.t.Helper()
		if got, want := h.ask(name, qtype), h.answer(name, qtype); got != want {
			fail("%s %s: %s, want %s", name, qtype, got, want)
		}
	}
	for _, z := range h.zones {
		if z.isReverse() {
			for _, a := range z.addresses() {
				compare(z.owner(a), "PTR")
				if h.rng.IntN(4) == 0 {
					compare(z.owner(a), "TXT")
				}
				for p, r := range z.ranges {
					if p.Contains(a) && h.rng.IntN(3) == 0 {
						compare(r.name(p, a), h.pick(typeOfAddress(a), typeOfAddress(a), "A", "TXT"))
					}
				}
			}
		}
		for owner := range z.owners() {
			if !strings.HasPrefix(owner, "*") {
				compare(owner, h.pick("A", "AAAA", "PTR"))
			}
		}
	}
	set := h.l.zones.Set()
	for _, z := range h.zones {
		now, was := set.Get(dname.MustParse(z.apex)), h.before[z.apex]
		if (now != nil) != z.isServed {
			fail("zone %s is served: %v", z.apex, now != nil)
		}
		h.before[z.apex] = now
		if now == nil {
			continue
		}
		if err := now.Check(); err != nil {
			fail("zone %s: %v", z.apex, err)
		}
		z.past[now.Serial()] = z.changing().clone()
		if was == nil || now.Digest() == was.Digest() {
			if was != nil && was.Serial() != now.Serial() {
				fail("zone %s has another serial and the same content", z.apex)
			}
			continue
		}
		list, ok, err := h.l.journal.Chain(now.Apex(), was.Serial(), now.Serial(), 0)
		if err != nil || !ok || !was.Serial().Before(now.Serial()) {
			fail("zone %s: no history from %d to %d: %v", z.apex, was.Serial(), now.Serial(), err)
		}
		for _, c := range list {
			if was, err = was.Apply(c); err != nil {
				fail("zone %s: %v", z.apex, err)
			}
		}
		if was.Digest() != now.Digest() {
			fail("zone %s: its history does not lead to what is served", z.apex)
		}
	}
}

func (h *sourceHistory) files() string {
	var b strings.Builder
	for _, z := range h.zones {
		fmt.Fprintf(&b, "; %s\n%s", z.apex, z.records.masterFile())
		if len(z.layer) > 0 {
			fmt.Fprintf(&b, "; updates of %s\n%s", z.apex, z.layer.masterFile())
		}
	}
	return b.String()
}

// step changes something.
func (h *sourceHistory) step(n int) {
	h.t.Helper()
	what := fmt.Sprint(n, ": ")
	switch h.rng.IntN(16) {
	case 0, 1, 2, 3:
		what += h.changeSettings()
		h.reload()
	case 4, 5:
		what += h.changeFile()
		h.reload()
	case 6:
		for range 2 + h.rng.IntN(6) {
			what += h.changeSettings() + ", " + h.changeFile() + ", "
		}
		h.reload()
	case 7, 8, 9:
		what += h.update(h.someReverse())
	case 10:
		what += h.update(h.zone("file.example."))
	case 11:
		what += h.updateDynamic()
	case 12:
		what += h.changeHosted()
	case 13:
		what += h.changePrimary()
		h.writePrimary()
		h.refresh()
	case 14:
		what += h.rollback()
	default:
		what += h.restart()
	}
	h.check(what)
	if h.rng.IntN(6) == 0 {
		h.checkCopy()
	}
}

// checkCopy compares the server with one that starts with a copy of its state and files, as after a
// crash.
func (h *sourceHistory) checkCopy() {
	h.t.Helper()
	dir := shortDir(h.t)
	before := h.l.zones.Set()
	copyTree(h.t, h.l.dir, dir)
	l := start(h.t, dir, h.config())
	defer l.stop() //nolint:errcheck // its cleanup reports it
	h.same("a start with a copy", before, l.zones.Set())
}

// same compares the zones of two servers.
func (h *sourceHistory) same(what string, before, now *zone.Set) {
	h.t.Helper()
	for _, z := range h.zones {
		a, b := before.Get(dname.MustParse(z.apex)), now.Get(dname.MustParse(z.apex))
		if (a == nil) != (b == nil) {
			h.t.Fatalf("%s: zone %s is served: %v before, %v then\n%s", what, z.apex, a != nil, b != nil, strings.Join(h.did, "\n"))
		}
		if a == nil {
			continue
		}
		if a.Digest() != b.Digest() || a.Serial() != b.Serial() {
			h.t.Fatalf("%s: zone %s differs, serial %d and %d\n%s\n%s", what, z.apex, a.Serial(), b.Serial(), strings.Join(h.did, "\n"), h.config())
		}
		x, y := a.Layers(), b.Layers()
		for i, pair := range [][2]*zone.Zone{{x.Static, y.Static}, {x.Derived, y.Derived}, {x.Made, y.Made}} {
			if (pair[0] == nil) != (pair[1] == nil) || pair[0] != nil && i > 0 && pair[0].Digest() != pair[1].Digest() {
				h.t.Fatalf("%s: layer %d of zone %s differs\n%s\n%s\n%s", what, i, z.apex, strings.Join(h.did, "\n"), h.config(), h.files())
			}
		}
	}
}
