package interop

import (
	"bufio"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/peertest"
)

// fleet is ptrd, NSD, Knot and BIND with the same zone: one is its primary, and ptrd
// that of those which do not have it from there.
type fleet struct {
	members   []member // the first is the primary
	ours      *process
	admin     netip.AddrPort // of ours
	asked     int            // how many transfers of ours the test has had
	processes []*process
	// publish makes the primary serve the new content and returns its serial.
	publish func(from, to *edited) uint32
}

type member struct {
	name string
	addr netip.AddrPort
	key  string // of clients that may transfer the zone; empty: all clients
}

// fleets are the ways in which a change comes to all four.
var fleets = []struct {
	name  string
	start func(*testing.T, *edited) *fleet
}{
	{"ptrd by file", func(t *testing.T, e *edited) *fleet { return startOurs(t, e, false) }},
	{"ptrd by update", func(t *testing.T, e *edited) *fleet { return startOurs(t, e, true) }},
	{"nsd", func(t *testing.T, e *edited) *fleet { return startBehind(t, e, 0) }},
	{"knot", func(t *testing.T, e *edited) *fleet { return startBehind(t, e, 1) }},
	{"bind", func(t *testing.T, e *edited) *fleet { return startBehind(t, e, 2) }},
}

// startWith runs ptrd with one zone and then the named servers as its secondaries, which
// it notifies of changes.
func (f *fleet) startWith(t *testing.T, dir string, ours netip.AddrPort, apex, source string, names ...string) {
	t.Helper()
	var notify []string
	addrs := make([]netip.AddrPort, len(names))
	for i := range names {
		addrs[i] = freePort(t)
		notify = append(notify, fmt.Sprintf("%q", addrs[i]))
	}
	f.admin = freePort(t)
	config := mustWrite(dir, "ptrd.yaml", fmt.Sprintf("listen: {dns: [%q], admin: %q}\nstate_dir: state\nkeys: [{name: %s, secret: %s}]\nzones:\n  - {name: %s, %s, transfer: {allow: 127.0.0.0/8, notify: [%s]}}\n",
		ours, f.admin, xfrKey, xfrSecret, apex, source, strings.Join(notify, ", ")))
	f.ours = startProcess(t, dir, requireBinary(t), "serve", "--config", config)
	f.members = append(f.members, member{name: "ptrd", addr: ours})
	f.processes = append(f.processes, f.ours)
	// A server that fails at first, such as BIND, retries only after a while.
	if !awaitZones(ours, []string{apex}, f.ours.ended) {
		t.Fatalf("ptrd does not answer:\n%s", f.logs())
	}
	for i, name := range names {
		s := secondaries[name]
		program := peertest.Require(t, s.program)
		dir := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		args := s.config(dir, addrs[i], ours, "", []string{apex})
		if name == "nsd" { // it gathers changes for a second
			conf := args[len(args)-1]
			mustWrite(dir, filepath.Base(conf), strings.Replace(mustRead(conf), "server:\n", "server:\n\txfrd-reload-timeout: 0\n", 1))
		}
		f.processes = append(f.processes, startProcess(t, dir, program, args...))
		f.members = append(f.members, member{name: name, addr: addrs[i]})
	}
}

func (f *fleet) logs() string {
	var b strings.Builder
	for _, c := range f.processes {
		fmt.Fprintf(&b, "%s\n%s\n", c.cmd.Path, c.log())
	}
	return b.String()
}

// startOurs runs ptrd as the primary of the three others.
func startOurs(t *testing.T, e *edited, dynamic bool) *fleet {
	t.Helper()
	dir, addr := t.TempDir(), freePort(t)
	f := &fleet{}
	file := filepath.Join(dir, "zone")
	replaceZone(t, file, e.text(t))
	source := "file: zone"
	f.publish = func(_, to *edited) uint32 {
		to.serial += to.step()
		replaceZone(t, file, to.text(t))
		return to.serial
	}
	if dynamic {
		source = "dynamic: {seed: zone}, update: {from: 127.0.0.0/8}"
		f.publish = func(from, to *edited) uint32 {
			step := to.step()
			to.serial += step
			if got := sendUpdate(t, addr, to.message(t, from, step > 1)); got != "NOERROR" {
				t.Fatalf("the update ends in %s\n%s", got, f.logs())
			}
			now := serialAt(addr, e.apex)
			if now != to.serial && step > 1 || int32(now-from.serial) <= 0 {
				t.Errorf("serial %d after %d, %d was asked for", now, from.serial, to.serial)
			}
			return now
		}
	}
	f.startWith(t, dir, addr, e.apex, source, "nsd", "knot", "bind")
	return f
}

// startBehind runs another server as the primary of ptrd, and ptrd as that of the two
// which remain.
func startBehind(t *testing.T, e *edited, first int) *fleet {
	t.Helper()
	dir, addr := t.TempDir(), freePort(t)
	p := xfrPrimaries(addr)[first]
	c, primary, file := startXfrPrimary(t, p, e.apex, e.text(t))
	f := &fleet{members: []member{{p.name, primary, xfrKey}}, processes: []*process{c}}
	names := slices.DeleteFunc([]string{"nsd", "knot", "bind"}, func(name string) bool { return name == p.name })
	f.startWith(t, dir, addr, e.apex, fmt.Sprintf("secondary: {primaries: [%q], key: %s}", primary, xfrKey), names...)
	f.publish = func(_, to *edited) uint32 {
		to.serial += to.step()
		replaceZone(t, file, to.text(t))
		if err := c.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		return to.serial
	}
	return f
}

// hold waits until all members have the serial, and compares each with what the zone
// is to be.
func (f *fleet) hold(t *testing.T, e *edited, wait time.Duration) {
	t.Helper()
	want := foldNames(e.records(t))
	for _, m := range f.members {
		awaitSerial(t, m.addr, e.apex, e.serial, wait, func() string { return m.name + "\n" + f.logs() })
		var got []string
		// A process of NSD that is about to end may still give the zone that was.
		awaitThat(t, fmt.Sprintf("AXFR of serial %d at %s", e.serial, m.name), func() bool {
			var err error
			got, err = contentOf(m.addr, e.apex, m.key)
			if m.name == "ptrd" && err == nil {
				f.asked++
			}
			return err == nil && got[0] == e.records(t)[0]
		}, f.processes...)
		if got = foldNames(got); slices.Equal(got, want) {
			continue
		}
		report := func(what string, of, in []string) {
			of = slices.DeleteFunc(slices.Clone(of), func(r string) bool { return slices.Contains(in, r) })
			t.Errorf("serial %d: %s %s %d records: %q", e.serial, m.name, what, len(of), of[:min(len(of), 10)])
		}
		report("has too much,", got, want)
		report("lacks", want, got)
		t.FailNow() // all that follows would differ as well
	}
}

// foldNames writes the names in RDATA in small letters, as NSD and Knot keep them.
func foldNames(list []string) []string {
	for i, r := range list {
		if !strings.Contains(r, "\tTXT\t") {
			list[i] = strings.ToLower(r)
		}
	}
	slices.Sort(list[1:])
	return list
}

// sent returns how many transfers of each kind ptrd has sent.
func (f *fleet) sent(t *testing.T) map[string]int {
	t.Helper()
	resp, err := http.Get("http://" + f.admin.String() + "/metrics")
	if err != nil {
		t.Fatalf("metrics: %v\n%s", err, f.logs())
	}
	defer resp.Body.Close()
	n := map[string]int{}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if kind, ok := strings.CutPrefix(lines.Text(), "ptrd_transfer_answers_total{kind=\""); ok {
			kind, value, _ := strings.Cut(kind, "\"} ")
			if n[kind], err = strconv.Atoi(value); err != nil {
				t.Fatal(err)
			}
		}
	}
	return n
}

// TestFleet changes a zone again and again, at ptrd and at each of the others, and holds
// that all four have the same after each change, which comes to them by NOTIFY and IXFR.
func TestFleet(t *testing.T) {
	t.Parallel()
	changes := envNumber(t, changesEnv, 6)
	for i, c := range fleets {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			seed := uint64(envNumber(t, seedEnv, int(time.Now().UnixNano()&0xffff))) + uint64(i)<<16
			t.Logf("%s=%d, %d changes", seedEnv, seed&0xffff, changes)
			e := newEdited(seed)
			f := c.start(t, e)
			f.hold(t, e, startWait)
			receivers := len(f.members) - 1
			if f.members[0].name != "ptrd" {
				receivers--
			}
			// A transfer is counted after its last message was sent.
			counted := func(before map[string]int, more int) map[string]int {
				var now map[string]int
				awaitThat(t, fmt.Sprintf("%d transfers are counted after %v", more, before), func() bool {
					now = f.sent(t)
					return now["axfr"]+now["ixfr"]+now["axfr_by_ixfr"] >= before["axfr"]+before["ixfr"]+before["axfr_by_ixfr"]+more
				}, f.processes...)
				return now
			}
			before := counted(nil, receivers+f.asked)
			small := 0
			for n := range changes {
				from, asked := e.clone(), f.asked
				e.change()
				if n == 0 { // large enough for differences to be the shorter way
					for i := range 200 {
						e.put(fmt.Sprintf("%d.9", i), "PTR", 60, fmt.Sprintf("h%d.example.com.", i))
					}
				}
				e.serial = f.publish(from, e)
				f.hold(t, e, startWait)
				was, ours := before, f.asked-asked
				before = counted(was, receivers+ours)
				if old, now := from.records(t), e.records(t); distance(old, now) > max(100, min(len(old), len(now))) {
					continue // the whole zone may be the shorter way
				}
				small++
				if n := before; n["ixfr"] < was["ixfr"]+receivers || n["axfr"] > was["axfr"]+ours || n["axfr_by_ixfr"] > was["axfr_by_ixfr"] {
					t.Errorf("serial %d came to %d servers by %v after %v, want IXFR alone\n%s", e.serial, receivers, n, was, f.logs())
				}
			}
			t.Logf("%d of %d changes went by IXFR", small, changes)
			if small == 0 {
				t.Errorf("no change was to go by IXFR")
			}
		})
	}
}

// TestFleetLarge has the three others take a large zone of ptrd at once, and then a small
// change of it by IXFR.
func TestFleetLarge(t *testing.T) {
	t.Parallel()
	g := newGrowing(1, envNumber(t, largeEnv, 20000))
	wait := 3 * startWait
	dir, addr := t.TempDir(), freePort(t)
	f := &fleet{}
	file := filepath.Join(dir, "zone")
	replaceZone(t, file, g.text())
	f.startWith(t, dir, addr, g.apex, "file: zone", "nsd", "knot", "bind")
	for round := range 2 {
		awaitSerial(t, addr, g.apex, g.serial, wait, f.logs)
		want, err := contentOf(addr, g.apex, "")
		if err != nil {
			t.Fatal(err)
		}
		want = foldNames(want)
		for _, m := range f.members[1:] {
			awaitSerial(t, m.addr, g.apex, g.serial, wait, f.logs)
			if got, err := contentOf(m.addr, g.apex, ""); err != nil || !slices.Equal(foldNames(got), want) {
				t.Errorf("serial %d: ptrd has %d records, %s %d, %v", g.serial, len(want), m.name, len(got), err)
			}
		}
		if round == 0 {
			g.change()
			replaceZone(t, file, g.text())
		}
	}
	awaitThat(t, "three IXFRs", func() bool { return f.sent(t)["ixfr"] == 3 }, f.ours)
}
