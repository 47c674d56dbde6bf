package interop

import (
	"flag"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/peertest"
)

var (
	allWays  = flag.Bool("allways", false, "ask every question in every way, also where no answer comes near a size limit")
	onlyPeer = flag.Bool("peersonly", false, "compare the peers with each other only")
)

// qtypes are the types asked of every name.
var qtypes = []uint16{
	dns.TypePTR, dns.TypeNS, dns.TypeSOA, dns.TypeA, dns.TypeAAAA, dns.TypeTXT, dns.TypeCNAME, dns.TypeDNAME,
	dns.TypeDS, dns.TypeDNSKEY, dns.TypeNSEC, dns.TypeNSEC3PARAM, dns.TypeNSEC3, dns.TypeRRSIG, dns.TypeANY,
	dns.TypeMX, dns.TypeSRV, dns.TypeHTTPS, 65534,
}

const (
	workers = 4 // a set, each with a connection to each server; more win nothing on two cores

	// A response that is smaller than sizeOfInterest in every server has the same
	// content in every way; only one in sampled of such questions is put in all.
	sizeOfInterest = 470
	sampled        = 16
)

// TestAnswers compares ptrd with the peers over every zone set.
func TestAnswers(t *testing.T) {
	t.Parallel()
	skipUnderRace(t)
	for _, p := range peers {
		peertest.Require(t, p.program)
	}
	tally := newTally()
	for _, s := range loadSets(t) {
		t.Run(s.name, func(t *testing.T) { compareSet(t, s, tally, inProcess(t, s)) })
	}
	if t.Failed() {
		return
	}
	t.Log(tally)
	for _, d := range differences {
		if tally.kinds[d.id] == 0 && tally.sets == len(loadSets(t)) {
			t.Errorf("difference %q: no question shows it any more; drop it from the table", d.id)
		}
	}
}

// tally counts over all sets.
type tally struct {
	mu                        sync.Mutex
	sets                      int
	questions, replies, agree int
	kinds                     map[string]int
}

func newTally() *tally { return &tally{kinds: map[string]int{}} }

func (t *tally) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d sets, %d questions, %d replies compared, %d alike", t.sets, t.questions, t.replies, t.agree)
	var ids []string
	for id := range t.kinds {
		ids = append(ids, id)
	}
	sort.Strings(ids)
	for _, id := range ids {
		fmt.Fprintf(&b, "\n%7d %s", t.kinds[id], id)
	}
	return b.String()
}

// add counts a comparison and the kinds of difference that it showed.
func (t *tally) add(kinds []*difference) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.replies++
	if len(kinds) == 0 {
		t.agree++
	}
	for i, d := range kinds {
		if !slices.Contains(kinds[:i], d) {
			t.kinds[d.id]++
		}
	}
}

// bench is a zone set with its servers running.
type bench struct {
	set   *zoneSet
	addrs [3]netip.AddrPort // of peers
	ptrd  func() responder  // one for a worker; nil: none
}

// skipUnderRace skips a comparison that takes minutes under the race detector and has
// next to nothing for it: one goroutine a server, and ptrd's are tested in server.
func skipUnderRace(t *testing.T) {
	t.Helper()
	if underRace {
		t.Skip("compares answers, and is too slow under the race detector")
	}
}

// compareSet compares what the responders of ptrd say of the set with the peers.
func compareSet(t *testing.T, s *zoneSet, tally *tally, ptrd func() responder) {
	b := &bench{set: s}
	var start sync.WaitGroup
	for i, p := range peers {
		start.Add(1)
		go func() {
			defer start.Done()
			b.addrs[i] = p.start(t, s)
		}()
	}
	start.Wait()
	if t.Failed() {
		t.FailNow()
	}
	if !*onlyPeer {
		b.ptrd = ptrd
	}

	names := make(chan string)
	var failures failures
	var wg sync.WaitGroup
	for range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			w := newWorker(b, &failures, tally)
			defer w.close()
			for n := range names {
				w.compareName(n)
			}
		}()
	}
	for _, n := range s.names(t) {
		names <- n
	}
	close(names)
	wg.Wait()
	tally.mu.Lock()
	tally.sets++
	tally.mu.Unlock()
	failures.report(t)
}

// failures collects what is wrong with a set and shows the first of each kind.
type failures struct {
	mu    sync.Mutex
	count map[string]int
	text  []string
}

// shownFailures bounds what a test prints of one kind.
const shownFailures = 3

func (f *failures) add(kind, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.count == nil {
		f.count = map[string]int{}
	}
	f.count[kind]++
	if f.count[kind] <= shownFailures {
		f.text = append(f.text, text)
	}
}

func (f *failures) report(t *testing.T) {
	for _, s := range f.text {
		t.Error(s)
	}
	for k, n := range f.count {
		t.Errorf("%5d × %s", n, k)
	}
}

// worker asks the servers of a bench one question after another.
type worker struct {
	*bench
	clients  [3]*client
	ours     responder
	failures *failures
	tally    *tally
	id       uint16
}

func newWorker(b *bench, f *failures, t *tally) *worker {
	w := &worker{bench: b, failures: f, tally: t}
	for i, a := range b.addrs {
		w.clients[i] = newClient(a)
	}
	if b.ptrd != nil {
		w.ours = b.ptrd()
	}
	return w
}

func (w *worker) close() {
	for _, c := range w.clients {
		c.close()
	}
}

// comparison is one question, put in one way, with all replies.
type comparison struct {
	w     *worker
	set   *zoneSet
	q     question
	way   way
	part  part
	peers [3]*reply // NSD, Knot, BIND
	whole [3]*reply // theirs over TCP
	ours  *reply
	full  *reply // ours over TCP
}

// compareName asks for a name with all types. Types that get the same answer from
// everybody, as in a denial or a referral, are put in all ways only once.
func (w *worker) compareName(name string) {
	seen := map[string]bool{}
	for _, t := range qtypes {
		q := question{name, t}
		whole, ok := w.compareWhole(q)
		if !ok {
			return
		}
		size, fingerprint := 0, ""
		for _, c := range whole {
			size = max(size, c.largest())
			fingerprint += c.fingerprint()
		}
		large := size > sizeOfInterest && !seen[fingerprint]
		seen[fingerprint] = true
		if *allWays || large || sampledOut(q) {
			w.compareSizes(q, whole)
		}
	}
}

// compareWhole puts q in the ways in which nothing is truncated. It reports false if
// a server does not answer.
func (w *worker) compareWhole(q question) (whole [wholeWays]comparison, ok bool) {
	for i := range wholeWays {
		c, ok := w.ask(q, ways[i])
		if !ok {
			return whole, false
		}
		c.whole, c.full = c.peers, c.ours
		whole[i] = c
		c.judge()
	}
	w.tally.mu.Lock()
	w.tally.questions++
	w.tally.mu.Unlock()
	return whole, true
}

// compareSizes puts q in the other ways.
func (w *worker) compareSizes(q question, whole [wholeWays]comparison) {
	for _, way := range ways[wholeWays:] {
		c, ok := w.ask(q, way)
		if !ok {
			return
		}
		like := &whole[0]
		if way.do {
			like = &whole[1]
		}
		c.whole, c.full = like.peers, like.ours
		c.judge()
	}
}

// ask sends q to all servers in one way.
func (w *worker) ask(q question, way way) (comparison, bool) {
	c := comparison{w: w, set: w.set, q: q, way: way}
	for j := range c.peers {
		w.id++
		r, err := ask(w.clients[j], q, w.id, way)
		if err != nil {
			w.failures.add(peers[j].name+" does not answer", err.Error())
			return c, false
		}
		c.peers[j] = r
	}
	if w.ours != nil {
		w.id++
		r, err := ask(w.ours, q, w.id, way)
		if err != nil {
			w.failures.add("ptrd's response cannot be read", fmt.Sprintf("%v %v: %v", q, way, err))
			return c, false
		}
		c.ours = r
	}
	return c, true
}

// replies are those of the peers and of ptrd.
func (c *comparison) replies() []*reply {
	out := c.peers[:]
	if c.ours != nil {
		out = append(slices.Clip(out), c.ours)
	}
	return out
}

// largest returns the size of the largest reply.
func (c *comparison) largest() (n int) {
	for _, r := range c.replies() {
		n = max(n, r.size)
	}
	return n
}

// fingerprint is all that is in the replies.
func (c *comparison) fingerprint() string {
	var b strings.Builder
	for _, r := range c.replies() {
		b.WriteString(r.String())
	}
	return b.String()
}

// sampledOut picks the questions that are put in all ways whatever their size.
func sampledOut(q question) bool {
	h := fnv.New32a()
	h.Write([]byte(q.String()))
	return h.Sum32()%sampled == 0
}

// judge compares part by part. Where the peers agree, so must ptrd; where they do not,
// the table says what ptrd does.
func (c comparison) judge() {
	var kinds []*difference
	var agreed []part
	for _, p := range parts {
		c.part = p
		switch {
		case c.peersAgree():
			agreed = append(agreed, p)
		case p.isSection() && c.isTruncatedSomewhere():
			c.selfConsistent()
		default:
			d := c.kindOfDifference()
			if d == nil {
				c.fail(fmt.Sprintf("%s: the peers differ in a way that the table lacks", p), "")
				continue
			}
			kinds = append(kinds, d)
			if c.ours == nil {
				continue
			}
			if err := d.hold(&c); err != nil {
				c.fail(fmt.Sprintf("%s: ptrd is not as the difference %q says", p, d.id), err.Error())
			}
		}
	}
	c.w.tally.add(kinds)
	if c.ours == nil {
		return
	}
	for _, p := range agreed {
		c.part = p
		if c.ours.text(p) != c.peers[0].text(p) && !c.isExcused(kinds) {
			c.fail(fmt.Sprintf("%s: ptrd differs where the peers agree", p), "")
		}
	}
}

// isExcused reports whether ptrd may differ in a part in which the peers agree. It may
// in the sections of a message that is truncated, and where they agree in this part
// by chance: one that differs in kind from another can have the same RCODE.
func (c *comparison) isExcused(kinds []*difference) bool {
	if c.part.isSection() && (c.peers[0].tc || c.ours.tc) {
		return true // TC is compared separately
	}
	for _, d := range kinds {
		if d.hold(c) == nil {
			return true
		}
	}
	return false
}

func (c *comparison) peersAgree() bool {
	a := c.peers[0].text(c.part)
	return a == c.peers[1].text(c.part) && a == c.peers[2].text(c.part)
}

func (c *comparison) isTruncatedSomewhere() bool {
	return c.peers[0].tc || c.peers[1].tc || c.peers[2].tc
}

// kindOfDifference returns the entry of the table that the part falls under.
func (c *comparison) kindOfDifference() *difference {
	for i := range differences {
		if differences[i].applies(c) {
			return &differences[i]
		}
	}
	return nil
}

// selfConsistent demands that what ptrd sends over UDP without TC is what it sends
// over TCP.
func (c *comparison) selfConsistent() {
	if c.ours == nil || c.ours.tc {
		return
	}
	if c.ours.text(c.part) != c.full.text(c.part) {
		c.fail(fmt.Sprintf("%s: ptrd sends another over UDP without TC than over TCP", c.part), "")
	}
}

func (c *comparison) fail(kind, detail string) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%v, %v: %s\n", kind, c.q, c.way, detail)
	for i, p := range peers {
		fmt.Fprintf(&b, "%s: %v", p.name, c.peers[i])
	}
	if c.ours != nil {
		fmt.Fprintf(&b, "ptrd: %v", c.ours)
	}
	c.w.failures.add(kind+" ("+typeClass(c.q.qtype)+")", b.String())
}

// typeClass groups the types whose failures are likely to be of one cause.
func typeClass(t uint16) string {
	switch t {
	case dns.TypeANY, dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3, dns.TypeDS, dns.TypeNS, dns.TypeSOA:
		return typeString(t)
	}
	return "data"
}
