package interop

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// records is what a zone holds, its SOA included, by presentation form.
type records map[string]dns.RR

// contents is a zone as it was with one serial.
type contents struct {
	serial  uint32
	records records
	state   []int
}

// isBefore compares serials (RFC 1982).
func isBefore(a, b uint32) bool { return a != b && int32(b-a) > 0 }

// crashZone is a zone that changes all the time, and what the test knows of it. All
// that it holds is a function of its state: how far each writer came, the version of
// its master file, and how often its serial leapt. So half of a change is found by the
// content alone, wherever it comes from.
type crashZone struct {
	apex    string
	item    string // of the configuration, but for the name
	file    string // its master file, or its seed; empty: it has neither
	changes bool   // the file
	soa     string // in the file
	leaps   bool   // its serial moves by far now and then
	writers []*writer

	mu      sync.Mutex
	rng     *rand.Rand
	version int                 // of the file
	leapt   int                 // how often the serial did
	others  string              // the SOA but for serial and REFRESH, once it was seen
	states  map[uint32][]int    // that serials name
	kept    []*contents         // with which changes are asked for
	latest  map[*victim]*uint32 // serial that a server showed; nil: none
}

// keptContents is how many earlier contents of a zone are asked from. Some of them
// become so old that the history does not reach them any more.
const keptContents = 24

const (
	ringSize  = 8  // names that a writer changes in turn
	bulkSize  = 20 // names that it changes at once
	bulkEvery = 16
	leapFirst = 10_000 // REFRESH of a zone that never leapt
)

// line returns a record in presentation form.
func (z *crashZone) line(owner, typ, data string) string {
	if owner != "" {
		owner += "."
	}
	return owner + z.apex + "\t300\tIN\t" + typ + "\t" + data
}

func (z *crashZone) rr(owner, typ, data string) dns.RR {
	r, err := dns.NewRR(z.line(owner, typ, data))
	if err != nil {
		panic(err)
	}
	return r
}

func text(n int) string { return fmt.Sprintf("%q", fmt.Sprint(n)) }

// static returns the owner, type and data of what comes from the file.
func (z *crashZone) static(version int) (list [][3]string) {
	list = append(list, [3]string{"", "NS", "ns1.example.net."}, [3]string{"", "NS", "ns2.example.net."})
	if z.file == "" {
		return list
	}
	list = append(list, [3]string{"version", "TXT", text(version)})
	for i := range 200 + version%40 {
		n := 0
		if i < 10 {
			n = version
		}
		list = append(list, [3]string{fmt.Sprintf("s%d", i), "TXT", text(n)})
	}
	return list
}

// fileText returns the file of a version.
func (z *crashZone) fileText(version int) string {
	var b strings.Builder
	if z.soa != "" {
		b.WriteString(z.line("", "SOA", fmt.Sprintf(z.soa, version)) + "\n")
	}
	for _, r := range z.static(version) {
		if r[0] == "" && z.soa == "" {
			continue // generated
		}
		b.WriteString(z.line(r[0], r[1], r[2]) + "\n")
	}
	return b.String()
}

// expected returns the lines of all records of a state but the SOA.
func (z *crashZone) expected(state []int) (lines []string) {
	for _, r := range z.static(state[len(z.writers)]) {
		lines = append(lines, z.line(r[0], r[1], r[2]))
	}
	for i, w := range z.writers {
		for _, r := range w.records(state[i]) {
			lines = append(lines, z.line(r[0], r[1], r[2]))
		}
	}
	return lines
}

// stateOf returns the state that a zone is in, or says what it has that belongs to
// no state.
func (z *crashZone) stateOf(r records) (serial uint32, state []int, err error) {
	state = make([]int, len(z.writers)+2)
	numbers := map[string]*int{"version." + z.apex: &state[len(z.writers)]}
	for i, w := range z.writers {
		numbers[w.owner("seq")+"."+z.apex] = &state[i]
	}
	soas := 0
	for _, r := range r {
		switch r := r.(type) {
		case *dns.SOA:
			soas++
			serial = r.Serial
			if z.leaps {
				state[len(z.writers)+1] = int(r.Refresh) - leapFirst
			}
			other := *r
			other.Serial, other.Refresh = 0, 0
			z.mu.Lock()
			if z.others == "" {
				z.others = other.String()
			}
			if z.others != other.String() {
				err = fmt.Errorf("SOA %v, and before %s", r, z.others)
			}
			z.mu.Unlock()
		case *dns.TXT:
			if n := numbers[r.Hdr.Name]; n != nil {
				if _, err := fmt.Sscan(r.Txt[0], n); err != nil {
					return 0, nil, fmt.Errorf("%v: %w", r, err)
				}
			}
		}
	}
	if soas != 1 {
		return 0, nil, fmt.Errorf("%d SOA records", soas)
	}
	if err != nil {
		return 0, nil, err
	}
	lines := z.expected(state)
	for _, l := range lines {
		if r[l] == nil {
			return 0, nil, fmt.Errorf("serial %d, state %v: %q is not there", serial, state, l)
		}
	}
	if len(lines)+1 != len(r) {
		for l := range r {
			if !slices.Contains(lines, l) && r[l].Header().Rrtype != dns.TypeSOA {
				return 0, nil, fmt.Errorf("serial %d, state %v: %q is there", serial, state, l)
			}
		}
	}
	return serial, state, nil
}

// note remembers that a serial names a state. It names no other one ever, and goes
// with all other serials.
func (z *crashZone) note(serial uint32, state []int) error {
	z.mu.Lock()
	defer z.mu.Unlock()
	if s, ok := z.states[serial]; ok {
		if !slices.Equal(s, state) {
			return fmt.Errorf("serial %d is state %v, and was %v", serial, state, s)
		}
		return nil
	}
	for _, k := range z.kept {
		early, late := k.state, state
		if isBefore(serial, k.serial) {
			early, late = late, early
		}
		for i := range early {
			if early[i] > late[i] {
				return fmt.Errorf("serial %d is state %v, serial %d is %v: one of them is not in order", serial, state, k.serial, k.state)
			}
		}
	}
	z.states[serial] = state
	return nil
}

// keep keeps a content to ask from.
func (z *crashZone) keep(c *contents) {
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, k := range z.kept {
		if k.serial == c.serial {
			return
		}
	}
	if len(z.kept) < keptContents {
		z.kept = append(z.kept, c)
		return
	}
	z.kept[z.rng.IntN(len(z.kept))] = c
}

// some returns up to n of the contents kept, at random.
func (z *crashZone) some(n int) []*contents {
	z.mu.Lock()
	defer z.mu.Unlock()
	list := slices.Clone(z.kept)
	z.rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list[:min(n, len(list))]
}

// shown returns the latest serial that a server showed.
func (z *crashZone) shown(s *victim) (serial uint32, ok bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if p := z.latest[s]; p != nil {
		return *p, true
	}
	return 0, false
}

// show notes that a server showed a serial, when before it asked it had shown
// another one.
func (z *crashZone) show(s *victim, serial, before uint32, some bool) error {
	if some && isBefore(serial, before) {
		return fmt.Errorf("serial %d after %d", serial, before)
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	if p := z.latest[s]; p == nil || isBefore(*p, serial) {
		z.latest[s] = &serial
	}
	return nil
}

// forget forgets what is so far before a serial that RFC 1982 could soon take it for
// later.
func (z *crashZone) forget(serial uint32) {
	z.mu.Lock()
	defer z.mu.Unlock()
	far := func(s uint32) bool { return serial-s > 1<<30 }
	z.kept = slices.DeleteFunc(z.kept, func(c *contents) bool { return far(c.serial) })
	for s := range z.states {
		if far(s) {
			delete(z.states, s)
		}
	}
}

// bounds returns how far a zone can have come at most, and how far at least: what
// was acknowledged.
func (z *crashZone) bounds() (acked, sent []int) {
	for _, w := range z.writers {
		acked, sent = append(acked, int(w.acked.Load())), append(sent, int(w.sent.Load()))
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	return append(acked, 0, z.leapt), append(sent, z.version, z.leapt)
}

// lines returns the records in order.
func (r records) lines() []string { return slices.Sorted(maps.Keys(r)) }
