package interop

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/ptrd/ptrd/internal/faulttest"
)

var (
	faults    = flag.Int("faults", 50, "numbers of kills, crash images and I/O errors of TestCrash, TestPowerFailure and TestIOErrors")
	crashSeed = flag.Uint64("seed", 0, "seed of these tests; 0: the time")
)

// TestCrash kills ptrd at random moments, from its start on, while updates, reloads
// of changed files and transfers out and in go on: a primary, its secondary, or both.
// After each start
//
//   - every update is there that NOERROR came for, and one that no answer came for is
//     there whole or not at all; so it is in every content that was ever transferred;
//   - no serial is before one that this server showed, and none is ever given to two
//     contents, or out of their order;
//   - changes by IXFR from earlier contents lead, step by step, to what AXFR gives;
//   - `ptrd log` has a line for each update, from serial to serial without a gap, and
//     `ptrd diff` shows the difference;
//   - the secondary serves at once what it had, and follows.
//
// Which moments these are is the matter of a seed as far as the machine lets it:
//
//	go test ./internal/interop -run 'TestCrash|TestPowerFailure|TestIOErrors' -faults 1000 -timeout 3h
func TestCrash(t *testing.T) {
	t.Parallel()
	c := newCrash(t, crashSeedOf(t), false)
	c.repeat(func() bool { return int(c.killed.Load()) < *faults }, c.round)
}

// TestPowerFailure is TestCrash with the state directories on disks that lose their power
// with each kill: of the writes since the last sync some are there, some are not, and
// some in part.
func TestPowerFailure(t *testing.T) {
	t.Parallel()
	c := newCrash(t, crashSeedOf(t), true)
	c.repeat(func() bool { return int(c.killed.Load()) < *faults }, c.round)
}

// TestIOErrors has operations on the disk of a server fail, once or for a while, while
// the same goes on. When the disk works again, the server does so too without a hand, and has all that it
// acknowledged and nothing that it refused: as it is, after a kill, or after the power
// failed, also in the middle of the errors.
func TestIOErrors(t *testing.T) {
	t.Parallel()
	c := newCrash(t, crashSeedOf(t), true)
	c.repeat(func() bool { return c.primary.volume.Failed()+c.secondary.volume.Failed() < *faults }, c.errorRound)
}

func crashSeedOf(t *testing.T) uint64 {
	seed := *crashSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-faults %d -seed %d", *faults, seed)
	return seed
}

// repeat starts the servers and all that goes on, and calls once until that is enough.
func (c *crash) repeat(more func() bool, once func()) {
	round := 0
	defer func() {
		if c.t.Failed() {
			c.t.Logf("in round %d; the primary's log:\n%s\nthe secondary's:\n%s", round, c.primary.log(), c.secondary.log())
		}
	}()
	c.start(c.primary)
	c.start(c.secondary)
	c.verify(c.primary)
	c.follow()
	stop := c.load()
	defer stop()
	for ; more() && !c.t.Failed(); round++ {
		once()
	}
	stop()
	c.report()
}

// crash is a primary and a secondary, both ptrd, and all that goes on around them.
type crash struct {
	t                  *testing.T
	rng                *rand.Rand // of the rounds
	primary, secondary *victim
	zones              []*crashZone

	gate sync.RWMutex // read-locked by each part of the load

	killed, lossy         atomic.Int64
	recovered             int
	transfers, increments atomic.Int64 // of the latter all difference sequences
	lines, diffs, trimmed int          // of logs
}

// victim is a ptrd that is killed now and then.
type victim struct {
	name    string
	addr    netip.AddrPort
	dir     string
	config  string
	program string
	state   string            // state directory
	volume  *faulttest.Volume // that it is on; nil: a disk that does not fail

	*process
	served map[*crashZone]bool // by the test's own goroutine: it had the zone once
}

const crashSOA = "ns1.example.net. hostmaster.example.net. 1%06d 7200 900 1209600 300"

// newCrash returns the two servers, not started yet. Their state directories may be on
// disks that fail.
func newCrash(t *testing.T, seed uint64, fails bool) *crash {
	c := &crash{t: t, rng: rand.New(rand.NewPCG(seed, 0))}
	c.zones = []*crashZone{
		{apex: "1.0.10.in-addr.arpa.", item: "dynamic: {}, dynamic_lifetime: 1d"},
		{apex: "2.0.10.in-addr.arpa.", item: "dynamic: {seed: 2.zone}", file: "2.zone", soa: "ns1.example.net. hostmaster.example.net. 4294967000 10000 900 1209600 300 ; %d", leaps: true},
		{apex: "3.0.10.in-addr.arpa.", item: "file: 3.zone, dynamic_lifetime: 1d", file: "3.zone", changes: true},
		{apex: "4.0.10.in-addr.arpa.", item: "file: 4.zone", file: "4.zone", changes: true, soa: crashSOA},
	}
	newVictim := func(name string) *victim {
		v := &victim{name: name, addr: freePort(t), dir: filepath.Join(t.TempDir(), name), program: requireBinary(t), served: map[*crashZone]bool{}}
		if err := os.Mkdir(v.dir, 0o755); err != nil {
			t.Fatal(err)
		}
		v.state = filepath.Join(v.dir, "state")
		if fails {
			v.volume = faulttest.RequireVolume(t, seed)
			v.state = filepath.Join(v.volume.Dir(), "state")
		}
		v.endWith(t)
		return v
	}
	c.primary, c.secondary = newVictim("primary"), newVictim("secondary")
	var first, second strings.Builder
	for v, b := range map[*victim]*strings.Builder{c.primary: &first, c.secondary: &second} {
		fmt.Fprintf(b, `
listen: {dns: [%q], admin: ""}
state_dir: %q
log: {level: warn}
defaults:
  nameservers: [ns1.example.net, ns2.example.net]
  ns_ttl: 5m
  history: {max_size: 65536}
  transfer: {allow: 127.0.0.0/8, notify_nameservers: false}
zones:
`, v.addr, v.state)
	}
	for i, z := range c.zones {
		z.rng = rand.New(rand.NewPCG(seed, uint64(i+1)))
		z.states, z.latest = map[uint32][]int{}, map[*victim]*uint32{}
		for n := range 3 {
			z.writers = append(z.writers, &writer{zone: z, label: fmt.Sprintf("w%d", n), fails: fails})
		}
		fmt.Fprintf(&first, "  - {name: %s, %s, update: {from: 127.0.0.0/8}, transfer: {allow: 127.0.0.0/8, notify: [%q], notify_nameservers: false}}\n", z.apex, z.item, c.secondary.addr)
		fmt.Fprintf(&second, "  - {name: %s, secondary: {primaries: [%q]}}\n", z.apex, c.primary.addr)
		if z.file != "" {
			c.writeFile(z)
		}
	}
	c.primary.config = mustWrite(c.primary.dir, "ptrd.yaml", first.String())
	c.secondary.config = mustWrite(c.secondary.dir, "ptrd.yaml", second.String())
	return c
}

// writeFile replaces the file of a zone by that of its version.
func (c *crash) writeFile(z *crashZone) {
	path := mustWrite(c.primary.dir, "new-"+z.file, z.fileText(z.version))
	if err := os.Rename(path, filepath.Join(c.primary.dir, z.file)); err != nil {
		panic(err)
	}
}

// endWith kills the server at the end of the test. If the test failed, the end of the log is in its own.
func (v *victim) endWith(t *testing.T) {
	t.Cleanup(func() {
		if v.process == nil {
			return
		}
		v.kill()
		if t.Failed() {
			t.Logf("%s:\n%s", v.name, v.end())
		}
	})
}

func (v *victim) launch(t *testing.T) {
	v.process = launch(t, v.dir, v.program, "serve", "--config", v.config)
}

func (v *victim) kill() {
	v.cmd.Process.Kill()
	<-v.ended
}

// fault kills a server, and its disk loses its power where it has one that fails.
func (c *crash) fault(v *victim) {
	v.kill()
	c.killed.Add(1)
	if v.volume != nil && !v.volume.Crash() {
		c.lossy.Add(1)
	}
}

// start starts a server and waits until it answers for the zones that it should
// have: the primary for all of them at once, the secondary for those it had.
func (c *crash) start(v *victim) {
	c.t.Helper()
	v.launch(c.t)
	for _, z := range c.zones {
		c.await(v, "an answer for "+z.apex, func() bool {
			serial, err := c.serial(v, z)
			if err == nil && serial == 0 && (v == c.primary || v.served[z]) {
				c.t.Fatalf("%s does not serve %s:\n%s", v.name, z.apex, v.log())
			}
			return err == nil
		})
	}
}

// await waits until the condition holds, the test failed or the server ended.
func (c *crash) await(v *victim, what string, condition func() bool) {
	c.t.Helper()
	awaitThat(c.t, v.name+": "+what, func() bool {
		select {
		case <-v.ended:
			c.t.Fatalf("%s ended:\n%s", v.name, v.log())
		default:
		}
		return c.t.Failed() || condition()
	}, v.process)
}

// serial asks for the serial of a zone; 0: the server has no data of it. The error
// is the network's.
func (c *crash) serial(v *victim, z *crashZone) (uint32, error) {
	q := new(dns.Msg)
	q.SetQuestion(z.apex, dns.TypeSOA)
	before, some := z.shown(v)
	r, _, err := (&dns.Client{Net: "tcp", Timeout: exchangeWait}).Exchange(q, v.addr.String())
	if err != nil || r.Rcode != dns.RcodeSuccess {
		return 0, err
	}
	soa, ok := r.Answer[0].(*dns.SOA)
	if !ok || !r.Authoritative {
		c.t.Errorf("%s: no SOA of %s:\n%v", v.name, z.apex, r)
		return 0, nil
	}
	if err := z.show(v, soa.Serial, before, some); err != nil {
		c.t.Errorf("%s went back: %s %v", v.name, z.apex, err)
	}
	return soa.Serial, nil
}

// take transfers a zone, by changes from an earlier content or (nil) as a whole, and
// checks all of it. The error is the network's.
func (c *crash) take(v *victim, z *crashZone, from *contents) (*contents, error) {
	acked, _ := z.bounds()
	before, some := z.shown(v)
	each := func(r records) error {
		serial, state, err := z.stateOf(r)
		if err == nil {
			err = z.note(serial, state)
		}
		c.increments.Add(1)
		return err
	}
	got, how, err := transfer(v.addr, z.apex, from, each)
	if bad := (*broken)(nil); errors.As(err, &bad) {
		c.t.Errorf("%s: %v", v.name, bad.error)
	}
	if err != nil {
		return nil, err
	}
	out := &contents{records: got}
	if out.serial, out.state, err = z.stateOf(got); err == nil {
		err = z.note(out.serial, out.state)
	}
	if err == nil {
		err = z.show(v, out.serial, before, some)
	}
	if err != nil {
		c.t.Errorf("%s: %s, %s: %v", v.name, z.apex, how, err)
		return out, nil
	}
	_, sent := z.bounds()
	for i, n := range out.state {
		if v == c.primary && n < acked[i] || n > sent[i] {
			c.t.Errorf("%s: %s, %s: serial %d is state %v; acknowledged was %v, and sent %v", v.name, z.apex, how, out.serial, out.state, acked, sent)
			break
		}
	}
	c.transfers.Add(1)
	z.keep(out)
	return out, nil
}

// mustTake is take from a server that is up.
func (c *crash) mustTake(v *victim, z *crashZone, from *contents) *contents {
	c.t.Helper()
	got, err := c.take(v, z, from)
	if err != nil {
		c.t.Fatalf("%s: transfer of %s: %v\n%s", v.name, z.apex, err, v.log())
	}
	return got
}

// verify checks what a server has while nothing changes.
func (c *crash) verify(v *victim) {
	c.t.Helper()
	const earlier = 6
	for _, z := range c.zones {
		if v == c.primary {
			v.served[z] = true
			c.await(v, "the file of "+z.apex, func() bool {
				z.mu.Lock()
				version := z.version
				z.mu.Unlock()
				got := c.mustTake(v, z, nil)
				return got.state[len(z.writers)] == version
			})
		}
		if !v.served[z] {
			continue
		}
		all := c.mustTake(v, z, nil)
		for _, k := range z.some(earlier) {
			if isBefore(all.serial, k.serial) {
				continue // which a secondary has yet to get
			}
			got := c.mustTake(v, z, k)
			if got.serial == all.serial && !slices.Equal(got.records.lines(), all.records.lines()) {
				c.t.Errorf("%s: %s by changes from serial %d to %d is another one than as a whole", v.name, z.apex, k.serial, got.serial)
			}
		}
	}
	c.verifyLog(v, c.zones[c.rng.IntN(len(c.zones))])
}

// follow has the secondary get all zones and compares them.
func (c *crash) follow() {
	c.t.Helper()
	for _, z := range c.zones {
		all := c.mustTake(c.primary, z, nil)
		c.await(c.secondary, "serial of "+z.apex, func() bool {
			if err := c.secondary.refresh(z, false); err != nil {
				c.t.Logf("%s: %v", z.apex, err)
			}
			serial, err := c.serial(c.secondary, z)
			if isBefore(all.serial, serial) {
				c.t.Errorf("%s: serial %d at the secondary, %d at the primary", z.apex, serial, all.serial)
			}
			return err == nil && serial == all.serial
		})
		c.secondary.served[z] = true
		if got := c.mustTake(c.secondary, z, nil); !slices.Equal(got.state, all.state) {
			c.t.Errorf("%s: state %v at the secondary, %v at the primary", z.apex, got.state, all.state)
		}
	}
}

// round kills one of the servers or both, starts them and looks at them.
func (c *crash) round() {
	// Perhaps in the middle of work, perhaps before there was any.
	c.sleep(300 * time.Millisecond)
	victims := [][]*victim{{c.primary}, {c.primary}, {c.primary}, {c.secondary}, {c.secondary, c.primary}}[c.rng.IntN(5)]
	for _, v := range victims {
		c.fault(v)
		for c.rng.IntN(3) == 0 { // and again when it is about to start
			v.launch(c.t)
			c.sleep(60 * time.Millisecond)
			c.fault(v)
		}
	}
	c.gate.Lock()
	defer c.gate.Unlock()
	for _, v := range victims { // a secondary while its primary is still down
		c.start(v)
		c.verify(v)
	}
	if c.rng.IntN(2) == 0 {
		return // the secondary may be waiting for an answer of a primary that died
	}
	c.follow()
	if z := c.zones[1]; c.rng.IntN(2) == 0 {
		c.leap(z)
		c.follow()
	}
}

// errorRound has some operations of a disk fail, and looks at what is there then.
func (c *crash) errorRound() {
	c.sleep(100 * time.Millisecond)
	v := []*victim{c.primary, c.primary, c.secondary}[c.rng.IntN(3)]
	kinds := [][]string{{"sync"}, {"write"}, {"sync", "write"}, {"sync", "syncdir", "rename", "create"}, {"sync", "write", "truncate", "create", "rename", "link", "remove", "syncdir", "mkdir"}}[c.rng.IntN(5)]
	errno := []error{faulttest.EIO, faulttest.ENOSPC, faulttest.EROFS}[c.rng.IntN(3)]
	skip, left := c.rng.IntN(8), 1+c.rng.IntN(6)*c.rng.IntN(6)
	v.volume.SetFail(func(o faulttest.Op) error {
		switch {
		case left == 0 || !slices.Contains(kinds, o.Kind):
			return nil
		case skip > 0:
			skip--
			return nil
		}
		left--
		return errno
	})
	c.sleep(300 * time.Millisecond)
	end := c.rng.IntN(6)
	if end < 2 { // while the disk fails
		c.end(v, end == 0)
	}
	v.volume.SetFail(nil)
	c.gate.Lock()
	defer c.gate.Unlock()
	if end >= 2 {
		c.await(v, "the disk is found to work", func() bool {
			var s daemon.Status
			return v.call(daemon.VerbStatus, nil, &s) == nil && s.Journal == nil
		})
		c.recovered++
		if c.verify(v); end < 4 {
			c.end(v, end == 2)
		}
	}
	if end < 4 {
		c.start(v)
		c.verify(v)
	}
	if c.rng.IntN(2) == 0 {
		c.follow()
	}
}

// end kills a server, or has the power of its disk fail.
func (c *crash) end(v *victim, power bool) {
	if power {
		c.fault(v)
	} else {
		v.kill()
		c.killed.Add(1)
	}
}

// sleep waits for some part of a span, so that what follows is at any moment.
func (c *crash) sleep(most time.Duration) { time.Sleep(time.Duration(c.rng.Int64N(int64(most)))) }

// leap moves the serial of a zone ahead by far, so that it wraps around every few
// rounds.
func (c *crash) leap(z *crashZone) {
	c.t.Helper()
	serial := c.mustTake(c.primary, z, nil).serial + 300_000_000 + c.rng.Uint32N(100_000_000)
	z.mu.Lock()
	z.leapt++
	n := z.leapt
	z.mu.Unlock()
	m := new(dns.Msg)
	m.SetUpdate(z.apex)
	m.Insert([]dns.RR{z.rr("", "SOA", fmt.Sprintf("ns1.example.net. hostmaster.example.net. %d %d 900 1209600 300", serial, leapFirst+n))})
	r, _, err := (&dns.Client{Net: "tcp", Timeout: exchangeWait}).Exchange(m, c.primary.addr.String())
	if err != nil || r.Rcode != dns.RcodeSuccess {
		c.t.Fatalf("an update of the serial: %v %v", r, err)
	}
	z.forget(c.mustTake(c.primary, z, nil).serial)
}

func (c *crash) report() {
	updates, versions := int64(0), 0
	for _, z := range c.zones {
		versions += z.version
		for _, w := range z.writers {
			updates += w.acked.Load()
		}
	}
	failed := 0
	for _, v := range []*victim{c.primary, c.secondary} {
		if v.volume != nil {
			failed += v.volume.Failed()
		}
	}
	c.t.Logf("%d kills, %d of them lost writes; %d I/O errors, after which a server recovered without a hand %d times; %d updates acknowledged, %d files changed, the serial of a zone leapt %d times; %d transfers with %d difference sequences; %d lines of logs, %d of which had lost their beginning, and %d diffs",
		c.killed.Load(), c.lossy.Load(), failed, c.recovered, updates, versions, c.zones[1].leapt, c.transfers.Load(), c.increments.Load(), c.lines, c.trimmed, c.diffs)
	if c.t.Failed() {
		return
	}
	if updates == 0 || versions == 0 || c.increments.Load() == 0 || c.diffs == 0 {
		c.t.Error("there was nothing to lose")
	}
}
