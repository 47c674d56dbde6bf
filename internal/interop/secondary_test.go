package interop

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/peertest"
)

// Key of the transfers in these tests.
const (
	xfrKey    = "transfer-key."
	xfrSecret = "c2VjcmV0IG9mIHRoZSB0cmFuc2ZlciB0ZXN0cw=="
)

// changesEnv makes TestSecondary and others follow so many changes in a row, and
// largeEnv take a zone with so many records; unset, few will do.
const (
	changesEnv = "PTRD_TRANSFER_CHANGES"
	largeEnv   = "PTRD_TRANSFER_RECORDS"
	seedEnv    = "PTRD_TRANSFER_SEED" // of TestFleet; unset, it is another one each time
)

func envNumber(t testing.TB, name string, otherwise int) int {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// growing is a zone that changes at random.
type growing struct {
	apex   string
	serial uint32
	rng    *rand.Rand
	hosts  map[int]string // targets by the number of an address
	texts  map[string]string
}

// newGrowing returns a zone of so many PTRs in 10.in-addr.arpa whose serial is about
// to wrap.
func newGrowing(seed uint64, hosts int) *growing {
	g := &growing{apex: "10.in-addr.arpa.", serial: 1<<32 - 3, rng: rand.New(rand.NewPCG(seed, 0)), hosts: map[int]string{}, texts: map[string]string{}}
	for n := range hosts {
		g.hosts[n] = fmt.Sprintf("h%d.example.com.", n)
	}
	return g
}

// change makes one to twenty changes and counts the serial on, over 0.
func (g *growing) change() {
	g.serial++
	for range 1 + g.rng.IntN(20) {
		n := g.rng.IntN(2 * (len(g.hosts) + 10))
		switch g.rng.IntN(5) {
		case 0:
			delete(g.hosts, n)
		case 1:
			g.texts[fmt.Sprintf("t%d", n%20)] = fmt.Sprintf("%d", g.rng.IntN(100))
		case 2:
			delete(g.texts, fmt.Sprintf("t%d", n%20))
		default:
			g.hosts[n] = fmt.Sprintf("H%d-%d.example.com.", n, g.rng.IntN(100))
		}
	}
}

// text returns the zone as a master file.
func (g *growing) text() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "$TTL 3600\n@ SOA ns1.example.com. hostmaster.example.com. %d 3600 600 86400 60\n@ NS ns1.example.com.\n@ NS ns2.example.net.\n", g.serial)
	for n, target := range g.hosts {
		fmt.Fprintf(&b, "%d.%d.%d PTR %s\n", n&255, n>>8&255, n>>16, target)
	}
	for name, text := range g.texts {
		fmt.Fprintf(&b, "%s 60 TXT %q\n%s A 192.0.2.1\n%s A 192.0.2.2\n", name, text, name, name)
	}
	return b.Bytes()
}

// xfrPrimary is a server of other software that has a zone for others.
type xfrPrimary struct {
	peer
	ixfr bool // it sends differences when its file has changed
}

// xfrPrimaries are the servers that ptrd is a secondary of. Each has the zones in z,
// lets clients with the key transfer them, and notifies notify.
func xfrPrimaries(notify netip.AddrPort) []xfrPrimary {
	return []xfrPrimary{
		{peer{"nsd", "nsd", func(dir string, addr netip.AddrPort, zones []setZone) []string {
			args := configNSD(dir, addr, nil)
			var b strings.Builder
			fmt.Fprintf(&b, "key:\n\tname: %s\n\talgorithm: hmac-sha256\n\tsecret: %q\n", strings.TrimSuffix(xfrKey, "."), xfrSecret)
			for _, z := range zones {
				fmt.Fprintf(&b, "zone:\n\tname: %q\n\tzonefile: %q\n\tprovide-xfr: 127.0.0.0/8 %[3]s\n\tnotify: %[4]v@%[5]d %[3]s\n\tstore-ixfr: yes\n\tcreate-ixfr: yes\n",
					z.apex, z.file, strings.TrimSuffix(xfrKey, "."), notify.Addr(), notify.Port())
			}
			appendTo(args[len(args)-1], b.String())
			return args
		}}, true},
		{peer{"knot", "knotd", func(dir string, addr netip.AddrPort, zones []setZone) []string {
			args := configKnot(dir, addr, nil)
			if err := os.MkdirAll(filepath.Join(dir, "db"), 0o755); err != nil { // for its journal
				panic(err)
			}
			path := args[len(args)-1]
			text := mustRead(path)
			head, _, _ := strings.Cut(text, "template:")
			var b strings.Builder
			fmt.Fprintf(&b, "%skey:\n  - id: %s\n    algorithm: hmac-sha256\n    secret: %s\n", head, xfrKey, xfrSecret)
			fmt.Fprintf(&b, "remote:\n  - id: ptrd\n    address: %v@%d\n    key: %s\n", notify.Addr(), notify.Port(), xfrKey)
			fmt.Fprintf(&b, "acl:\n  - id: xfr\n    key: %s\n    action: transfer\n", xfrKey)
			fmt.Fprintf(&b, "template:\n  - id: default\n    storage: %q\n    zonefile-sync: -1\n    zonefile-load: difference\n    journal-content: changes\n    semantic-checks: off\n    acl: xfr\n    notify: ptrd\nzone:\n", dir)
			for _, z := range zones {
				fmt.Fprintf(&b, "  - domain: %q\n    file: %q\n", z.apex, z.file)
			}
			mustWrite(dir, filepath.Base(path), b.String())
			return args
		}}, true},
		{peer{"bind", "named", func(dir string, addr netip.AddrPort, zones []setZone) []string {
			args := configBIND(dir, addr, nil)
			path := args[len(args)-1]
			text := strings.NewReplacer("allow-transfer { none; };", "allow-transfer { key "+xfrKey+"; };",
				"notify no;", fmt.Sprintf("notify explicit; notify-delay 0; also-notify { %v port %d key %s; }; ixfr-from-differences yes;", notify.Addr(), notify.Port(), xfrKey)).Replace(mustRead(path))
			text = fmt.Sprintf("key %s { algorithm hmac-sha256; secret %q; };\n%s", xfrKey, xfrSecret, text)
			for _, z := range zones {
				text += fmt.Sprintf("zone %q { type primary; file %q; };\n", z.apex, z.file)
			}
			mustWrite(dir, filepath.Base(path), text)
			return args
		}}, true},
	}
}

func mustRead(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// replaceZone puts another content in the place of a file, with another time.
func replaceZone(t testing.TB, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path+".new", text, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// secondaryConfig is a ptrd that takes the zone from primary.
func secondaryConfig(dir string, addr, primary netip.AddrPort, apex, key, secret string) string {
	if key != "" {
		key = ", key: " + key
	}
	return mustWrite(dir, "ptrd.yaml", fmt.Sprintf(`listen: {dns: [%q], admin: ""}
state_dir: %q
keys:
  - {name: %s, secret: %q}
zones:
  - name: %s
    secondary: {primaries: [%q]%s}
    transfer: {allow: [127.0.0.0/8]}
`, addr, filepath.Join(dir, "state"), xfrKey, secret, apex, primary, key))
}

// contentOf returns all records of a zone, by AXFR, in one order; the SOA is first.
func contentOf(addr netip.AddrPort, apex, key string) ([]string, error) {
	secret := ""
	if key != "" {
		secret = xfrSecret
	}
	records, err := transferFrom(addr, apex, key, secret)
	if err != nil {
		return nil, err
	}
	var soa string
	var list []string
	for _, r := range records {
		if r.Header().Rrtype == dns.TypeSOA {
			soa = r.String()
			continue
		}
		r.Header().Name = strings.ToLower(r.Header().Name)
		list = append(list, r.String())
	}
	slices.Sort(list)
	return append([]string{soa}, list...), nil
}

// awaitSerial waits until a server answers for the zone with a serial.
func awaitSerial(t testing.TB, addr netip.AddrPort, apex string, serial uint32, wait time.Duration, log func() string) {
	t.Helper()
	q := new(dns.Msg)
	q.SetQuestion(apex, dns.TypeSOA)
	var last string
	for deadline := time.Now().Add(wait); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		r, err := exchange(addr, q)
		if err != nil {
			last = err.Error()
			continue
		}
		last = r.String()
		if len(r.Answer) == 1 && r.Answer[0].(*dns.SOA).Serial == serial {
			return
		}
	}
	t.Fatalf("no serial %d within %v; the last answer is %s\n%s", serial, wait, last, log())
}

// startSecondary runs ptrd as secondary of a server.
func startSecondary(t testing.TB, dir string, addr, primary netip.AddrPort, apex, key, secret string) *process {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return startProcess(t, dir, requireBinary(t), "serve", "--config", secondaryConfig(dir, addr, primary, apex, key, secret))
}

// startXfrPrimary runs a server with the zone in a file and returns it, its address and
// the file.
func startXfrPrimary(t testing.TB, p xfrPrimary, apex string, text []byte) (c *process, addr netip.AddrPort, file string) {
	t.Helper()
	program := peertest.Require(t, p.program)
	dir := filepath.Join(t.TempDir(), p.name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, "zone")
	replaceZone(t, file, text)
	addr = freePort(t)
	c = startProcess(t, dir, program, p.config(dir, addr, []setZone{{apex: apex, file: file}})...)
	if !awaitZones(addr, []string{apex}, c.ended) {
		requireRunning(t, c)
		t.Fatalf("%s does not answer:\n%s", p.name, c.log())
	}
	return c, addr, file
}

// TestSecondary has ptrd follow zones of NSD, Knot and BIND: from one record on, over
// the wrap of the serial and a restart of ours, each change with NOTIFY and then the
// same in both.
func TestSecondary(t *testing.T) {
	t.Parallel()
	changes := envNumber(t, changesEnv, 8)
	const seed = 1
	t.Logf("seed %d, %d changes", seed, changes)
	for i := range xfrPrimaries(netip.AddrPort{}) {
		name := xfrPrimaries(netip.AddrPort{})[i].name
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := freePort(t)
			p := xfrPrimaries(addr)[i]
			g := newGrowing(seed, 1)
			other, primary, file := startXfrPrimary(t, p, g.apex, g.text())
			dir := filepath.Join(t.TempDir(), "ptrd")
			ours := startSecondary(t, dir, addr, primary, g.apex, xfrKey, xfrSecret)
			logs := func() string { return ours.log() + other.log() }
			awaitSerial(t, addr, g.apex, g.serial, startWait, logs)
			same := func() {
				t.Helper()
				want, err := contentOf(primary, g.apex, xfrKey)
				if err != nil {
					t.Fatal(err)
				}
				got, err := contentOf(addr, g.apex, "")
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(got, want) {
					t.Fatalf("serial %d: ptrd has %d records, %s %d:\n%s\n%s", g.serial, len(got), name, len(want), strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
			}
			same()
			for n := range changes {
				g.change()
				replaceZone(t, file, g.text())
				if n == changes/2 { // one that happens while we are away
					ours.stop()
				}
				if err := other.cmd.Process.Signal(syscall.SIGHUP); err != nil {
					t.Fatal(err)
				}
				if n == changes/2 {
					awaitSerial(t, primary, g.apex, g.serial, startWait, logs)
					ours = startSecondary(t, dir, addr, primary, g.apex, xfrKey, xfrSecret)
				}
				awaitSerial(t, addr, g.apex, g.serial, startWait, logs)
				same()
			}
			if p.ixfr && !strings.Contains(ours.log(), "type=IXFR") {
				t.Errorf("no difference was transferred:\n%s", logs())
			}
		})
	}
}

// TestSecondaryKeys asks primaries with a wrong key, and without one: nothing is
// served, and the log says why.
func TestSecondaryKeys(t *testing.T) {
	t.Parallel()
	wrong := base64.StdEncoding.EncodeToString([]byte("another secret than theirs"))
	for i := range xfrPrimaries(netip.AddrPort{}) {
		name := xfrPrimaries(netip.AddrPort{})[i].name
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, c := range []struct{ what, key, secret, want string }{
				{"another secret", xfrKey, wrong, "BADSIG|MAC"},
				{"none", "", wrong, "REFUSED|NOTAUTH|closed"},
			} {
				addr := freePort(t)
				g := newGrowing(1, 1)
				_, primary, _ := startXfrPrimary(t, xfrPrimaries(addr)[i], g.apex, g.text())
				ours := startSecondary(t, filepath.Join(t.TempDir(), "ptrd"), addr, primary, g.apex, c.key, c.secret)
				const message = "no primary of a secondary zone gives a usable response"
				awaitThat(t, message, func() bool { return strings.Contains(ours.log(), message) }, ours)
				_, line, _ := strings.Cut(ours.log(), message)
				if !slices.ContainsFunc(strings.Split(c.want, "|"), func(w string) bool { return strings.Contains(line, w) }) {
					t.Errorf("%s: the log does not say %s:\n%s", c.what, c.want, ours.log())
				}
				q := new(dns.Msg)
				q.SetQuestion(g.apex, dns.TypeSOA)
				if r, err := exchange(addr, q); err != nil || r.Rcode != dns.RcodeServerFailure {
					t.Errorf("%s: %v, %v, want SERVFAIL", c.what, r, err)
				}
			}
		})
	}
}

// TestSecondaryLarge takes a large zone, and then a small difference.
func TestSecondaryLarge(t *testing.T) {
	t.Parallel()
	records := envNumber(t, largeEnv, 20000)
	for i := range xfrPrimaries(netip.AddrPort{}) {
		name := xfrPrimaries(netip.AddrPort{})[i].name
		t.Run(name, func(t *testing.T) {
			addr := freePort(t)
			p := xfrPrimaries(addr)[i]
			g := newGrowing(1, records)
			other, primary, file := startXfrPrimary(t, p, g.apex, g.text())
			ours := startSecondary(t, filepath.Join(t.TempDir(), "ptrd"), addr, primary, g.apex, xfrKey, xfrSecret)
			logs := func() string { return ours.log() + other.log() }
			awaitSerial(t, addr, g.apex, g.serial, 2*startWait, logs)
			g.change()
			replaceZone(t, file, g.text())
			other.cmd.Process.Signal(syscall.SIGHUP)
			awaitSerial(t, addr, g.apex, g.serial, 2*startWait, logs)
			want, err := contentOf(primary, g.apex, xfrKey)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := contentOf(addr, g.apex, ""); err != nil || !slices.Equal(got, want) {
				t.Errorf("ptrd has %d records, %s %d, %v", len(got), name, len(want), err)
			}
		})
	}
}
