package interop

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/ptrd/ptrd/internal/faulttest"
	updates "github.com/ptrd/ptrd/internal/update"
)

// TestHostedCrash kills ptrd at random moments while batches, creations, imports and deletions
// of hosted zones, reloads and rollbacks go on. Batches also change a dynamic zone of the
// configuration. After each start
//
//   - every batch is there as a whole that was acknowledged, and no other one in part; the
//     id of its change is known;
//   - the record sets that the API lists, with the texts that were submitted, are what a
//     transfer by DNS has, and aliases have the data of their targets;
//   - zones are there that were created and not deleted, in the API and in DNS; no
//     CallerReference can be used a second time.
//
// It has a fifth of the kills of -faults:
//
//	go test ./internal/interop -run 'TestHosted' -faults 1000 -timeout 3h
func TestHostedCrash(t *testing.T) {
	t.Parallel()
	h := newHostedCrash(t, crashSeedOf(t), false)
	h.repeat(func() bool { return h.killed < *faults/5 }, h.round)
}

// TestHostedPowerFailure is TestHostedCrash with the state on a disk that loses its power with
// each kill.
func TestHostedPowerFailure(t *testing.T) {
	t.Parallel()
	h := newHostedCrash(t, crashSeedOf(t), true)
	h.repeat(func() bool { return h.killed < *faults/5 }, h.round)
}

// TestHostedIOErrors has operations on the disk fail, or the disk be full, while the same goes
// on. When the disk works again, the server does so too.
func TestHostedIOErrors(t *testing.T) {
	t.Parallel()
	h := newHostedCrash(t, crashSeedOf(t), true)
	h.repeat(func() bool { return h.server.volume.Failed() < *faults/5 }, h.errorRound)
}

// hostedCrash is a server with the API, and its clients.
type hostedCrash struct {
	t      *testing.T
	rng    *rand.Rand // of the rounds
	server *victim
	api    *apiClient
	zones  []*hostedZone
	placed []*placer
	made   importer
	gate   sync.RWMutex // read-locked by each part of the load

	killed, lossy, recovered    int
	batches, refused, rollbacks atomic.Int64
}

// hostedZone is a zone that some clients change at the same time, each its own names.
type hostedZone struct {
	apex, listed string // as DNS and the API have it
	id           string
	writers      []*batcher
	rolls        bool // its only writer also restores earlier content
	serial       uint32
}

// batcher sends batches. All records after batch n are a function of n.
type batcher struct {
	zone  *hostedZone
	label string

	acked, sent int    // the last batch that was acknowledged; it, or the next, which may be there
	retried     bool   // sent is sent a second time
	change      string // id of the acknowledged
	serial      uint32 // at which only acked is there, of a zone that rolls
	kept        int    // the batch of serial
}

func newHostedCrash(t *testing.T, seed uint64, fails bool) *hostedCrash {
	h := &hostedCrash{t: t, rng: rand.New(rand.NewPCG(seed, 0))}
	v := &victim{name: "server", addr: freePort(t), dir: t.TempDir(), program: requireBinary(t)}
	v.state = filepath.Join(v.dir, "state")
	wait := exchangeWait
	if fails {
		v.volume = faulttest.RequireVolume(t, seed)
		v.state = filepath.Join(v.volume.Dir(), "state")
		wait = failsWait
	}
	h.server = v
	v.endWith(t)
	api := freePort(t)
	h.api = newAPIClient(api, wait)
	v.config = mustWrite(v.dir, "ptrd.yaml", fmt.Sprintf(`
listen: {dns: [%q], route53: %q, admin: ""}
state_dir: %q
log: {level: warn}
route53:
  list: 9.0.10.in-addr.arpa
  change: dynamic.example
  access_keys: [{id: %s, secret: %q}]
  delegation_sets: [[ns1.example.net, ns2.example.net], [ns3.example.net, ns4.example.net]]
  history: {max_size: 65536}
  transfer: {allow: 127.0.0.0/8, notify_nameservers: false}
zones: [{name: 9.0.10.in-addr.arpa, file: 9.zone}, {name: dynamic.example, dynamic: {seed: 9.zone}, transfer: {allow: 127.0.0.0/8, notify_nameservers: false}}]
`, v.addr, api, v.state, apiKey, apiSecret))
	mustWrite(v.dir, "9.zone", "$TTL 300\n@ SOA ns1.example.net. hostmaster.example.net. 1 7200 900 1209600 300\n@ NS ns1.example.net.\n")
	h.zones = []*hostedZone{
		{apex: "0/25.2.0.192.in-addr.arpa.", listed: `0\05725.2.0.192.in-addr.arpa.`},
		{apex: "crash.example.", listed: "crash.example."},
		{apex: "rolls.example.", listed: "rolls.example.", rolls: true},
		{apex: dynamicZone, listed: dynamicZone},
	}
	for _, z := range h.zones {
		writers := 3
		if z.rolls {
			writers = 1
		}
		for n := range writers {
			z.writers = append(z.writers, &batcher{zone: z, label: fmt.Sprintf("w%d", n)})
		}
	}
	for n := range 2 {
		h.placed = append(h.placed, &placer{label: fmt.Sprintf("p%d", n), zones: map[string]*placedZone{}})
	}
	return h
}

// dynamicZone and fileZone are zones of the configuration that the API lists; it changes the first.
const dynamicZone, fileZone = "dynamic.example.", "9.0.10.in-addr.arpa."

// sets returns all record sets that are there after batch n, as they are listed. Texts of PTR
// records are not in the form that ptrd prints.
func (w *batcher) sets(n int) (list []apiSet) {
	if n == 0 {
		return nil
	}
	owner := func(label string) string { return label + "." + w.label + "." + w.zone.listed }
	list = append(list, apiSet{Name: owner("seq"), Type: "TXT", TTL: 300, Values: []string{text(n)}})
	for i := max(1, n-ringSize+1); i <= n; i++ {
		list = append(list, apiSet{Name: owner(fmt.Sprintf("r%d", i%ringSize)), Type: "PTR", TTL: uint32(60 + i%2), Values: []string{fmt.Sprintf("N%d.Example.com", i)}})
	}
	if n%5 != 0 {
		list = append(list, apiSet{Name: owner(`\052`), Type: "TXT", TTL: 300, Values: []string{fmt.Sprintf(`"\057%d"`, n), `"x"`}})
	}
	if last := n - n%bulkEvery; last > 0 {
		for i := range bulkSize {
			list = append(list, apiSet{Name: owner(fmt.Sprintf("b%d", i)), Type: "A", TTL: 300, Values: []string{fmt.Sprintf("10.0.%d.%d", last>>8, last&255)}})
		}
	}
	if w.zone.rolls || n%7 != 0 { // a rollback brings a deleted alias back as records
		list = append(list, apiSet{Name: owner("alias"), Type: "TXT", Alias: owner("seq")})
	}
	return list
}

// edits returns batch n, which is refused where the one before it is not there.
func (w *batcher) edits(n int) (list []apiEdit) {
	before := map[string]apiSet{}
	for _, s := range w.sets(n - 1) {
		before[s.Name] = s
	}
	for _, s := range w.sets(n) {
		was, there := before[s.Name]
		delete(before, s.Name)
		switch {
		case !there:
			list = append(list, apiEdit{"CREATE", s})
		case slices.Equal(s.Values, was.Values) && s.TTL == was.TTL:
		case strings.HasPrefix(s.Name, "seq."):
			list = append(list, apiEdit{"DELETE", was}, apiEdit{"CREATE", s})
		default:
			list = append(list, apiEdit{"UPSERT", s})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		list = append(list, apiEdit{"DELETE", before[name]})
	}
	return list
}

var errAgain = errors.New("the server is not there, or refused")

// next sends the next batch, or the last one again if no response to it came.
func (w *batcher) next(h *hostedCrash) error {
	if w.sent > w.acked {
		n, err := w.served(h)
		if err != nil {
			return err
		}
		if n != w.acked && n != w.sent {
			return &broken{fmt.Errorf("batch %d of %s.%s was acknowledged and %d sent, %d is there", w.acked, w.label, w.zone.apex, w.sent, n)}
		}
		if n == w.sent {
			w.acked, w.retried, w.change = n, false, ""
			return nil
		}
		w.retried = true
	}
	w.sent = w.acked + 1
	change, err := h.api.change(w.zone.id, w.edits(w.sent))
	bad := (*apiError)(nil)
	switch {
	case err == nil:
		w.acked, w.change, w.retried = w.sent, change, false
		h.batches.Add(1)
		return nil
	case !errors.As(err, &bad):
		return err
	case bad.Code == "ServiceUnavailable" && h.server.volume != nil:
		if !w.retried {
			w.sent = w.acked // it is not there, now or ever
		}
		h.refused.Add(1)
		return errAgain
	case bad.Code == "InvalidChangeBatch" && w.retried:
		return errAgain // the first of them was carried out meanwhile
	}
	return &broken{fmt.Errorf("batch %d of %s.%s: %w", w.sent, w.label, w.zone.apex, err)}
}

// served asks by DNS for the batch that is there.
func (w *batcher) served(h *hostedCrash) (int, error) {
	m := new(dns.Msg)
	m.SetQuestion("seq."+w.label+"."+w.zone.apex, dns.TypeTXT)
	r, _, err := (&dns.Client{Net: "tcp", Timeout: exchangeWait}).Exchange(m, h.server.addr.String())
	switch {
	case err != nil:
		return 0, err
	case r.Rcode == dns.RcodeNameError:
		return 0, nil
	case r.Rcode != dns.RcodeSuccess || len(r.Answer) != 1:
		return 0, &broken{fmt.Errorf("no answer about %s:\n%v", w.label, r)}
	}
	return strconv.Atoi(r.Answer[0].(*dns.TXT).Txt[0])
}

// roll restores the content that the zone had at an earlier serial.
func (w *batcher) roll(h *hostedCrash, rng *rand.Rand) error {
	if w.sent > w.acked {
		return errAgain
	}
	if w.serial == 0 || rng.IntN(2) == 0 {
		serial, err := soaSerial(h.server.addr, w.zone.apex)
		if err == nil {
			w.serial, w.kept = serial, w.acked
		}
		return err
	}
	var out updates.Rollback
	err := h.server.call(daemon.VerbRollback, url.Values{"what": {w.zone.apex}, "serial": {strconv.Itoa(int(w.serial))}}, &out)
	back := w.kept
	w.serial = 0
	if err != nil { // it may have been carried out
		n, err := w.served(h)
		if err != nil {
			w.sent, w.acked = max(w.acked, back), min(w.acked, back)
			return err
		}
		if n != w.acked && n != back {
			return &broken{fmt.Errorf("rolled back from batch %d to %d, %d is there", w.acked, back, n)}
		}
		back = n
	} else {
		h.rollbacks.Add(1)
	}
	w.sent, w.acked, w.change = back, back, ""
	return errAgain
}

func soaSerial(addr netip.AddrPort, apex string) (uint32, error) {
	m := new(dns.Msg)
	m.SetQuestion(apex, dns.TypeSOA)
	r, _, err := (&dns.Client{Net: "tcp", Timeout: exchangeWait}).Exchange(m, addr.String())
	if err != nil {
		return 0, err
	}
	if r.Rcode != dns.RcodeSuccess || len(r.Answer) != 1 {
		return 0, nil
	}
	return r.Answer[0].(*dns.SOA).Serial, nil
}

// placer creates and deletes zones.
type placer struct {
	label string
	n     int
	zones map[string]*placedZone // by CallerReference, also those that are deleted
}

// placedZone is what is known of a zone: it is there, it is not, or (both) nobody knows.
type placedZone struct {
	name, id       string
	there, notHere bool
	acked          bool // its creation
}

// next creates a zone, deletes one, or tries a CallerReference a second time.
func (p *placer) next(h *hostedCrash, rng *rand.Rand) error {
	const most = 4
	refs := slices.Sorted(maps.Keys(p.zones))
	bad := (*apiError)(nil)
	var live []*placedZone
	for _, z := range p.zones {
		if z.there && !z.notHere && z.id != "" {
			live = append(live, z)
		}
	}
	switch {
	case len(refs) > 0 && rng.IntN(3) == 0:
		ref := refs[rng.IntN(len(refs))]
		if !p.zones[ref].acked {
			return nil
		}
		if _, err := h.api.create("again-"+ref+".example", ref); !errors.As(err, &bad) {
			return err
		} else if bad.Code != "HostedZoneAlreadyExists" {
			return &broken{fmt.Errorf("CallerReference %s a second time: %w", ref, err)}
		}
		return nil
	case len(live) < most:
		p.n++
		ref := fmt.Sprintf("%s-%d", p.label, p.n)
		z := &placedZone{name: fmt.Sprintf("%s-%d.example.", p.label, p.n%7), there: true, notHere: true}
		for _, other := range p.zones {
			if other.name == z.name && other.there {
				return nil
			}
		}
		p.zones[ref] = z
		id, err := h.api.create(z.name, ref)
		if err == nil {
			z.id, z.notHere, z.acked = id, false, true
			return nil
		}
		return p.failed(h, err, func() { z.there = false })
	}
	z := live[rng.IntN(len(live))]
	z.notHere = true
	err := h.api.call("DELETE", "hostedzone/"+z.id, "", nil)
	if err == nil {
		z.there = false
		return nil
	}
	return p.failed(h, err, func() { z.notHere = false })
}

// failed returns what is wrong with an error of a creation or deletion; undo is called if it
// was refused.
func (p *placer) failed(h *hostedCrash, err error, undo func()) error {
	bad := (*apiError)(nil)
	if !errors.As(err, &bad) {
		return err
	}
	if bad.Code != "ServiceUnavailable" || h.server.volume == nil {
		return &broken{err}
	}
	undo()
	h.refused.Add(1)
	return errAgain
}

// load has everything change until stop is called.
func (h *hostedCrash) load() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	again := func(f func(*rand.Rand) error) {
		rng := rand.New(rand.NewPCG(h.rng.Uint64(), 0))
		once := func() error {
			h.gate.RLock()
			defer h.gate.RUnlock()
			return f(rng)
		}
		wg.Go(func() {
			for ctx.Err() == nil {
				err := once()
				if bad := (*broken)(nil); errors.As(err, &bad) {
					h.t.Error(bad.error)
					return
				}
				if err != nil {
					time.Sleep(2 * time.Millisecond) // no server is running
				}
			}
		})
	}
	for _, z := range h.zones {
		for _, w := range z.writers {
			again(func(rng *rand.Rand) error {
				if z.rolls && rng.IntN(3) == 0 {
					return w.roll(h, rng)
				}
				return w.next(h)
			})
		}
	}
	for _, p := range h.placed {
		again(func(rng *rand.Rand) error { return p.next(h, rng) })
	}
	again(func(rng *rand.Rand) error { return h.made.next(h, rng) })
	again(func(rng *rand.Rand) error { // readers must not see half a batch
		z := h.zones[rng.IntN(2)]
		_, err := h.api.list(z.id)
		return err
	})
	again(func(rng *rand.Rand) error {
		_ = h.server.call(daemon.VerbReload, nil, nil) // or it is not there
		time.Sleep(time.Duration(rng.IntN(50)) * time.Millisecond)
		return nil
	})
	return sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
}

func (h *hostedCrash) repeat(more func() bool, once func()) {
	round := 0
	defer func() {
		if h.t.Failed() {
			h.t.Logf("in round %d; the log:\n%s", round, h.server.log())
		}
	}()
	h.start()
	for i, z := range h.zones {
		if z.apex == dynamicZone {
			continue
		}
		var err error
		if z.id, err = h.api.create(z.apex, fmt.Sprint("zone ", i)); err != nil {
			h.t.Fatal(err)
		}
	}
	all, err := h.api.zones()
	if err != nil {
		h.t.Fatal(err)
	}
	file := ""
	for _, one := range all {
		switch one.Name {
		case dynamicZone:
			h.zones[len(h.zones)-1].id = one.ID
		case fileZone:
			file = one.ID
		}
	}
	bad := (*apiError)(nil)
	if _, err := h.api.change(file, []apiEdit{{"CREATE", apiSet{Name: "x." + fileZone, Type: "PTR", TTL: 1, Values: []string{"x."}}}}); !errors.As(err, &bad) || bad.Code != "AccessDenied" {
		h.t.Fatalf("a zone of a file is changed: %v", err)
	}
	stop := h.load()
	defer stop()
	for ; more() && !h.t.Failed(); round++ {
		once()
	}
	stop()
	places := 0
	for _, p := range h.placed {
		places += p.n
	}
	failed := 0
	if v := h.server.volume; v != nil {
		failed = v.Failed()
	}
	h.t.Logf("%d kills, %d of them lost writes; %d I/O errors, after which the server recovered %d times; %d batches acknowledged, %d requests refused, %d rollbacks, %d zones created",
		h.killed, h.lossy, failed, h.recovered, h.batches.Load(), h.refused.Load(), h.rollbacks.Load(), places)
	if h.batches.Load() == 0 || places == 0 {
		h.t.Error("there was nothing to lose")
	}
}

// start starts the server and waits until the API answers.
func (h *hostedCrash) start() {
	h.t.Helper()
	h.server.launch(h.t)
	h.await("the API answers", func() bool { return h.api.call("GET", "hostedzonecount", "", nil) == nil })
}

func (h *hostedCrash) await(what string, condition func() bool) {
	h.t.Helper()
	awaitThat(h.t, what, func() bool {
		select {
		case <-h.server.ended:
			h.t.Fatalf("the server ended:\n%s", h.server.log())
		default:
		}
		return h.t.Failed() || condition()
	}, h.server.process)
}

func (h *hostedCrash) sleep(most time.Duration) { time.Sleep(time.Duration(h.rng.Int64N(int64(most)))) }

func (h *hostedCrash) fault(power bool) {
	h.server.kill()
	h.killed++
	if power && h.server.volume != nil && !h.server.volume.Crash() {
		h.lossy++
	}
}

func (h *hostedCrash) round() {
	h.sleep(300 * time.Millisecond)
	h.fault(true)
	for h.rng.IntN(3) == 0 { // and again when it is about to start
		h.server.launch(h.t)
		h.sleep(60 * time.Millisecond)
		h.fault(true)
	}
	h.gate.Lock()
	defer h.gate.Unlock()
	h.start()
	h.verify()
}

// errorRound has some operations of the disk fail, or all that write until the disk has room
// again.
func (h *hostedCrash) errorRound() {
	h.sleep(100 * time.Millisecond)
	kinds := [][]string{{"sync"}, {"write"}, {"sync", "write"}, {"sync", "write", "truncate", "create", "rename", "link", "remove", "syncdir", "mkdir"}}[h.rng.IntN(4)]
	errno := []error{faulttest.EIO, faulttest.ENOSPC, faulttest.EROFS}[h.rng.IntN(3)]
	skip, left := h.rng.IntN(8), 1+h.rng.IntN(6)*h.rng.IntN(6)
	if h.rng.IntN(4) == 0 {
		kinds, errno, left = []string{"write", "create", "truncate"}, faulttest.ENOSPC, 1<<30
	}
	h.server.volume.SetFail(func(o faulttest.Op) error {
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
	h.sleep(300 * time.Millisecond)
	end := h.rng.IntN(6)
	if end < 2 { // while the disk fails
		h.fault(end == 0)
	}
	h.server.volume.SetFail(nil)
	h.gate.Lock()
	defer h.gate.Unlock()
	if end >= 2 {
		h.await("the disk is found to work", func() bool {
			var s daemon.Status
			return h.server.call(daemon.VerbStatus, nil, &s) == nil && s.Journal == nil
		})
		h.recovered++
		h.verify()
		if end < 4 {
			h.fault(end == 2)
		}
	}
	if end < 4 {
		h.start()
		h.verify()
	}
}

// verify compares what there is with what must be, while nothing changes.
func (h *hostedCrash) verify() {
	h.t.Helper()
	defer takeTime(&h.api.http)()
	must := func(err error) {
		h.t.Helper()
		if err != nil {
			h.t.Fatalf("%v\n%s", err, h.server.log())
		}
	}
	for _, z := range h.zones {
		format := func(s apiSet) string { return fmt.Sprint(s) }
		if z.rolls {
			format = apiSet.plain
		}
		want := []string{}
		for _, w := range z.writers {
			n, err := w.served(h)
			must(err)
			if n != w.acked && n != w.sent {
				h.t.Errorf("%s.%s: batch %d was acknowledged and %d sent, %d is there", w.label, z.apex, w.acked, w.sent, n)
			}
			if n != w.acked {
				w.change = ""
			}
			if w.acked, w.sent, w.retried = n, n, false; w.change != "" {
				must(h.api.call("GET", "change/"+w.change, "", nil))
			}
			for _, s := range w.sets(n) {
				want = append(want, format(s))
			}
		}
		listed, err := h.api.list(z.id)
		must(err)
		var got []string
		for _, s := range listed {
			if s.Name != z.listed {
				got = append(got, format(s))
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			h.t.Errorf("%s: the API lists\n%s\nwant\n%s", z.apex, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		z.serial = h.compare(z.apex, z.serial, listed)
	}
	all, err := h.api.zones()
	must(err)
	known := len(h.zones) + 1 + h.made.verify(h, all) // and fileZone
	for _, p := range h.placed {
		for ref, z := range p.zones {
			listed, there := all[ref]
			switch {
			case there && !z.there, !there && !z.notHere:
				h.t.Errorf("zone %s with the reference %s is listed: %v; it may be there: %v, it may be gone: %v", z.name, ref, there, z.there, z.notHere)
			case there:
				known++
				z.id, z.acked = listed.ID, true
				sets, err := h.api.list(z.id)
				must(err)
				h.compare(z.name, 0, sets)
			}
			z.there, z.notHere = there, !there
			bad := (*apiError)(nil)
			if _, err := h.api.create("again.example.", ref); z.acked && (!errors.As(err, &bad) || bad.Code != "HostedZoneAlreadyExists") {
				h.t.Errorf("CallerReference %s a second time: %v", ref, err)
			} else if err == nil { // it never was used
				again, err := h.api.zones()
				must(err)
				must(h.api.call("DELETE", "hostedzone/"+again[ref].ID, "", nil))
				z.acked = true
			}
		}
		for _, z := range p.zones { // names are used several times
			h.checkServed(z.name, all)
		}
	}
	if len(all) != known {
		h.t.Errorf("%d zones are listed, %d are known", len(all), known)
	}
}

// plain returns a record set without the differences of texts that a rollback loses.
func (s apiSet) plain() string {
	values := make([]string, len(s.Values))
	for i, v := range s.Values {
		values[i] = strings.ToLower(strings.TrimSuffix(strings.ReplaceAll(v, `\057`, "/"), "."))
	}
	slices.Sort(values)
	return fmt.Sprint(s.Name, s.Type, s.TTL, values, s.Alias)
}

// checkServed compares what DNS says of a zone with whether the API lists it.
func (h *hostedCrash) checkServed(name string, all map[string]apiZone) {
	h.t.Helper()
	listed := false
	for _, z := range all {
		listed = listed || z.Name == name
	}
	serial, err := soaSerial(h.server.addr, name)
	if err != nil || (serial != 0) != listed {
		h.t.Errorf("%s is listed: %v; its serial by DNS is %d: %v", name, listed, serial, err)
	}
}

// compare compares the record sets of a zone with a transfer of it and returns its serial,
// which is not before an earlier one.
func (h *hostedCrash) compare(apex string, before uint32, sets []apiSet) uint32 {
	h.t.Helper()
	got, _, err := transfer(h.server.addr, apex, nil, nil)
	if err != nil {
		h.t.Fatalf("transfer of %s: %v", apex, err)
	}
	var serial uint32
	byDNS, byAPI := []string{}, []string{}
	for _, r := range got {
		r = dns.Copy(r)
		if soa, ok := r.(*dns.SOA); ok {
			serial, soa.Serial = soa.Serial, 1 // which is listed as it was submitted
		}
		byDNS = append(byDNS, strings.ToLower(r.String()))
	}
	byName := map[string]apiSet{}
	for _, s := range sets {
		byName[s.Name+s.Type] = s
	}
	for _, s := range sets {
		if s.Alias != "" {
			target := byName[s.Alias+s.Type]
			s.TTL, s.Values = target.TTL, target.Values
		}
		for _, v := range s.Values {
			if s.Type == "PTR" {
				v = dns.Fqdn(v)
			}
			line := strings.NewReplacer(`\057`, "/", `\052`, "*").Replace(fmt.Sprintf("%s %d %s %s", s.Name, s.TTL, s.Type, v))
			r, err := dns.NewRR(line)
			if err != nil {
				h.t.Fatalf("%q: %v", line, err)
			}
			if soa, ok := r.(*dns.SOA); ok {
				soa.Serial = 1
			}
			byAPI = append(byAPI, strings.ToLower(r.String()))
		}
	}
	slices.Sort(byDNS)
	slices.Sort(byAPI)
	if !slices.Equal(byDNS, byAPI) {
		h.t.Errorf("%s: DNS has\n%s\nthe API\n%s", apex, strings.Join(byDNS, "\n"), strings.Join(byAPI, "\n"))
	}
	if isBefore(serial, before) {
		h.t.Errorf("%s: serial %d after %d", apex, serial, before)
	}
	return serial
}
