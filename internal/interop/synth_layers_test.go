package interop

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/peertest"
)

// layerModel is what an address may have from each source; the first that there is counts.
type layerModel struct {
	static  map[int]string
	forward map[string]forwardRecord // A records, by name
	hosts   map[int]string           // of a hosts file, behind those of the forward zone
	edition int                      // of the hosts file, which has it at hostsEdition
	dynamic map[int]string
	mode    string
}

type forwardRecord struct {
	address int
	ttl     uint32
}

// Addresses of 192.0.2.0/24 below madeAddresses have names by a rule, and layerAddresses are asked
// for.
const (
	madeAddresses, layerAddresses            = 16, 24
	changesOfRound, hostsEdition             = 4, 200
	staticTTL, hostsTTL, dynamicTTL, madeTTL = 1000, 1000, 3000, 4000
	layerReverse, layerForward               = "2.0.192.in-addr.arpa.", "example.net."
)

// derived returns the canonical name that forward data have for an address: that of the forward
// zone with the fewest labels, the first in canonical order, else that of the hosts file.
func (l *layerModel) derived(i int) (ttl uint32, name string) {
	var names []string
	for name, r := range l.forward {
		if r.address == i {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(dns.CountLabel(a), dns.CountLabel(b)), cmp.Compare(strings.TrimSuffix(a, "."+layerForward), strings.TrimSuffix(b, "."+layerForward)))
	})
	if len(names) > 0 {
		return l.forward[names[0]].ttl, names[0]
	}
	return hostsTTL, l.hosts[i]
}

// want returns the PTR of an address.
func (l *layerModel) want(i int, makesNames bool) string {
	if l.static[i] != "" {
		return fmt.Sprint(staticTTL, " ", l.static[i])
	}
	if ttl, name := l.derived(i); name != "" {
		return fmt.Sprint(ttl, " ", name)
	}
	if l.dynamic[i] != "" {
		return fmt.Sprint(dynamicTTL, " ", l.dynamic[i])
	}
	if i < madeAddresses && makesNames {
		return fmt.Sprintf("%d 192-0-2-%d.pool.example.net.", madeTTL, i)
	}
	return ""
}

// write writes the configuration, the file of the forward zone, and the hosts file.
func (l *layerModel) write(dir string, addr netip.AddrPort, notify []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `listen: {dns: [%q], admin: ""}
state_dir: state
defaults:
  nameservers: [ns1.servers.example.org]
  transfer: {allow: 127.0.0.0/8, notify: [%s]}
  checks: {derived-choice: off, derived-drift: off, ptr-target: off}
zones:
  - name: example.net
    synth_transfer: %[3]s
    update: 127.0.0.0/8
  - prefix: 192.0.2.0/24
    ttl: %[4]ds
    synth_transfer: %[3]s
    update: 127.0.0.0/8
    derive: {from: [example.net, {hosts: hosts, domain: example.com}]}
    synth: [{range: 192.0.2.0/28, name: "{dashed}.pool.example.net", ttl: %[5]ds}]
`, addr, strings.Join(notify, ", "), l.mode, staticTTL, madeTTL)
	if len(l.static) > 0 {
		b.WriteString("    ptr:\n")
		for i, name := range l.static {
			fmt.Fprintf(&b, "      192.0.2.%d: %s\n", i, name)
		}
	}
	hosts := fmt.Sprintf("127.0.0.1 localhost\n192.0.2.%d edition%d.example.com.\n", hostsEdition, l.edition)
	for i, name := range l.hosts {
		hosts += fmt.Sprintf("192.0.2.%d %s\n", i, name)
	}
	mustWrite(dir, "hosts.new", hosts)
	if err := os.Rename(filepath.Join(dir, "hosts.new"), filepath.Join(dir, "hosts")); err != nil {
		panic(err)
	}
	return mustWrite(dir, "ptrd.yaml", b.String())
}

// TestSynthLayers adds and removes static, derived, dynamic and made names of the same addresses at
// random, and compares the PTR records at the primary and at its secondaries, ptrd and BIND, with
// what the highest of the layers has.
func TestSynthLayers(t *testing.T) {
	t.Parallel()
	for n, mode := range []string{"rule", "materialize"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			seed := *crashSeed
			if seed == 0 {
				seed = 1
			}
			t.Logf("seed %d", seed)
			rng := rand.New(rand.NewPCG(seed, uint64(n)))
			l := &layerModel{static: map[int]string{}, forward: map[string]forwardRecord{}, hosts: map[int]string{}, dynamic: map[int]string{}, mode: mode}
			f := startLayers(t, l)
			what := "the start"
			for range 2 * *synthRounds {
				f.compare(t, what)
				if what = ""; rng.IntN(4) == 0 {
					what = "a restart; "
					f.restart(t)
				}
				for range changesOfRound {
					what += f.change(t, rng) + "; "
				}
			}
			f.compare(t, what)
		})
	}
}

// layerFleet is a primary, and ptrd and BIND as its secondaries.
type layerFleet struct {
	*layerModel
	dir       string
	notify    []string
	names     []string
	addrs     []netip.AddrPort
	processes []*process
}

func startLayers(t *testing.T, l *layerModel) *layerFleet {
	t.Helper()
	bind := peertest.Require(t, secondaries["bind"].program)
	f := &layerFleet{layerModel: l, dir: t.TempDir(), names: []string{"primary", "ptrd", "bind"}}
	for i := range f.names {
		f.addrs = append(f.addrs, freePort(t))
		if i > 0 {
			f.notify = append(f.notify, fmt.Sprintf("%q", f.addrs[i]))
		}
	}
	apexes := []string{layerReverse, layerForward}
	start := func(i int, dir, program string, args ...string) {
		c := startProcess(t, dir, program, args...)
		f.processes = append(f.processes, c)
		if !awaitZones(f.addrs[i], apexes, c.ended) {
			requireRunning(t, c)
			t.Fatalf("%s does not answer:\n%s", f.names[i], c.log())
		}
	}
	start(0, f.dir, requireBinary(t), "serve", "--config", l.write(f.dir, f.addrs[0], f.notify))
	dirs := []string{t.TempDir(), t.TempDir()}
	start(1, dirs[0], requireBinary(t), "serve", "--config", mustWrite(dirs[0], "ptrd.yaml", fmt.Sprintf(`listen: {dns: [%q], admin: ""}
state_dir: state
zones:
  - {name: %s, secondary: {primaries: %q}}
  - {name: %s, secondary: {primaries: %q}}
`, f.addrs[1], layerReverse, f.addrs[0], layerForward, f.addrs[0])))
	start(2, dirs[1], bind, secondaries["bind"].config(dirs[1], f.addrs[2], f.addrs[0], "", apexes)...)
	return f
}

// change changes one layer at one address, and returns what.
func (f *layerFleet) change(t *testing.T, rng *rand.Rand) string {
	t.Helper()
	// Few addresses, so that several layers have names of one: the first and the last that the rule
	// has, one between, and one outside of it.
	i := []int{0, 7, madeAddresses - 1, madeAddresses}[rng.IntN(4)]
	owner := fmt.Sprintf("%d.%s", i, layerReverse)
	reload := func() {
		f.write(f.dir, f.addrs[0], f.notify)
		run(t, f.dir, requireBinary(t), "reload", "--config", "ptrd.yaml")
	}
	switch rng.IntN(11) {
	case 0:
		toggle(f.static, i, fmt.Sprintf("static%d.example.org.", rng.IntN(100)))
		reload()
		return fmt.Sprintf("%d: static", i)
	case 1:
		toggle(f.hosts, i, fmt.Sprintf("hosts%d.example.com.", i))
		f.edition++
		reload()
		c := newClient(f.addrs[0])
		defer c.close()
		awaitThat(t, "the hosts file to be read", func() bool {
			data, err := f.ptr(c, hostsEdition)
			return err == nil && data == fmt.Sprintf("%d edition%d.example.com.", hostsTTL, f.edition)
		}, f.processes[0])
		return fmt.Sprintf("%d: hosts", i)
	case 2, 3, 4, 5, 6: // an address of the forward zone, often one that has several names
		i = []int{7, madeAddresses}[rng.IntN(2)]
		name := fmt.Sprintf("%s%d.%s", []string{"a", "b", "a.b"}[rng.IntN(3)], rng.IntN(2), layerForward)
		m := new(dns.Msg)
		m.SetUpdate(layerForward)
		m.RemoveRRset([]dns.RR{&dns.A{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA}}})
		delete(f.forward, name)
		if rng.IntN(3) > 0 {
			r := forwardRecord{i, 2000 + uint32(rng.IntN(9))}
			f.forward[name] = r
			m.Insert([]dns.RR{&dns.A{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: r.ttl}, A: []byte{192, 0, 2, byte(i)}}})
		}
		if got := sendUpdate(t, f.addrs[0], m); got != "NOERROR" {
			t.Fatalf("%s: %s\n%s", name, got, f.processes[0].log())
		}
		return fmt.Sprintf("%d: A of %s", i, name)
	default:
		ptr := &dns.PTR{Hdr: dns.RR_Header{Name: owner, Rrtype: dns.TypePTR, Class: dns.ClassINET, Ttl: dynamicTTL}, Ptr: fmt.Sprintf("dynamic%d.example.org.", rng.IntN(100))}
		_, derived := f.derived(i)
		if f.static[i] != "" { // what an update does there is another question
			return "nothing"
		}
		m := new(dns.Msg)
		m.SetUpdate(layerReverse)
		had := f.dynamic[i]
		m.RemoveRRset([]dns.RR{&dns.PTR{Hdr: dns.RR_Header{Name: owner, Rrtype: dns.TypePTR}}})
		if toggle(f.dynamic, i, ptr.Ptr); f.dynamic[i] != "" {
			m.Insert([]dns.RR{ptr})
		}
		want := "NOERROR"
		if derived != "" {
			want = "REFUSED"
			if delete(f.dynamic, i); had != "" {
				f.dynamic[i] = had
			}
		}
		if got := sendUpdate(t, f.addrs[0], m); got != want {
			t.Fatalf("%d: UPDATE: %s, want %s\n%s", i, got, want, f.processes[0].log())
		}
		return fmt.Sprintf("%d: UPDATE", i)
	}
}

// restart restarts the primary, when no secondary transfers from it: BIND would not ask it again for a
// while.
func (f *layerFleet) restart(t *testing.T) {
	t.Helper()
	f.processes[0].stop()
	f.processes[0] = startProcess(t, f.dir, requireBinary(t), "serve", "--config", "ptrd.yaml")
	if !awaitZones(f.addrs[0], []string{layerReverse, layerForward}, f.processes[0].ended) {
		t.Fatalf("no answer after a restart:\n%s", f.processes[0].log())
	}
}

func toggle(layer map[int]string, i int, name string) {
	if layer[i] == "" {
		layer[i] = name
	} else {
		delete(layer, i)
	}
}

// compare compares all addresses at all servers.
func (f *layerFleet) compare(t *testing.T, what string) {
	t.Helper()
	for s, addr := range f.addrs {
		for _, apex := range []string{layerReverse, layerForward} {
			for deadline := time.Now().Add(startWait); serialAt(addr, apex) != serialAt(f.addrs[0], apex); time.Sleep(20 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%s: serial %d of %s at %s, %d at the primary\n%s", what, serialAt(addr, apex), apex, f.names[s], serialAt(f.addrs[0], apex), f.processes[0].log())
				}
			}
		}
		c := newClient(addr)
		for i := range layerAddresses {
			want := f.want(i, s < 2 || f.mode == "materialize")
			got, err := f.ptr(c, i)
			if err != nil || got != want {
				t.Fatalf("%s: %d at %s: %q %v, want %q\nstatic %v\nforward %v\nhosts %v\ndynamic %v\n%s", what, i, f.names[s], got, err, want,
					f.static, sortedForward(f.forward), f.hosts, f.dynamic, f.processes[0].log())
			}
		}
		c.close()
	}
}

// ptr returns TTL and data of the PTR records of an address at a server; empty: its name does not
// exist.
func (f *layerFleet) ptr(c *client, i int) (string, error) {
	got, err := askWhole(c, question{fmt.Sprintf("%d.%s", i, layerReverse), dns.TypePTR}, uint16(i), way{})
	if err != nil {
		return "", err
	}
	var data []string
	for _, set := range got.answer {
		data = append(data, set.data...)
	}
	if (len(data) == 0) != (got.rcode == dns.RcodeNameError) {
		return "", fmt.Errorf("%v", got)
	}
	return strings.Join(data, ", "), nil
}

func sortedForward(m map[string]forwardRecord) (list []string) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		list = append(list, fmt.Sprint(name, m[name]))
	}
	return list
}
