package audit

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/spelling"
)

// maxFailing is how many addresses that are not ok are remembered, and maxOfZone how many of one
// zone, so that one cannot hide the others. The rest is counted.
const (
	maxFailing = 10_000
	maxOfZone  = 1_000
	maxShown   = 10 // names of an address
)

// Entry is an address whose reverse name is not ok.
type Entry struct {
	Address netip.Addr `json:"address"`
	Zone    string     `json:"zone"`
	State   State      `json:"state"`
	Names   []string   `json:"names"` // targets of its PTR; of no_name, names that have the address
	Since   time.Time  `json:"since"`
	Reason  string     `json:"reason,omitempty"` // of not_known

	pass uint64 // that saw it last
}

// Status is what is known of all addresses.
type Status struct {
	Zones     int           `json:"zones"` // that are audited
	Running   bool          `json:"running"`
	Begun     *time.Time    `json:"begun,omitempty"`     // the pass that runs or ran last
	Completed *time.Time    `json:"completed,omitempty"` // the last complete pass
	States    map[State]int `json:"states"`
	Addresses []Entry       `json:"addresses"`         // that are not ok, by zone and address
	Omitted   int           `json:"omitted,omitempty"` // that are not in the list
}

// counts are numbers of addresses, in the order of States.
type counts [5]int

// of returns the number of a state.
func (c *counts) of(s State) *int { return &c[slices.Index(States(), s)] }

func (c *counts) add(d *counts) {
	for i, n := range d {
		c[i] += n
	}
}

// byState returns the numbers by state.
func (c *counts) byState() map[State]int {
	out := map[State]int{}
	for _, s := range States() {
		out[s] = *c.of(s)
	}
	return out
}

// ledger is what the passes found. Its methods may be called concurrently.
type ledger struct {
	mu      sync.Mutex
	pass    uint64
	failing map[netip.Addr]*Entry
	listed  map[string]int     // entries by zone
	last    map[string]*counts // by zone: ok, and those that are not listed, of the last complete pass
	now     map[string]*counts // likewise, of the pass that runs

	begun, completed time.Time
	running          bool
}

// begin begins a pass.
func (l *ledger) begin(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failing == nil {
		l.failing, l.listed = map[netip.Addr]*Entry{}, map[string]int{}
	}
	l.pass++
	l.now, l.begun, l.running = map[string]*counts{}, now, true
}

// end ends a pass. After a complete one, addresses that it did not see are forgotten.
func (l *ledger) end(now time.Time, complete bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running = false
	if !complete {
		return
	}
	l.last, l.now, l.completed = l.now, nil, now
	for address, e := range l.failing {
		if e.pass != l.pass {
			l.remove(address)
		}
	}
}

// seen counts a zone without addresses.
func (l *ledger) seen(apex dname.Name) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.count(apex.String(), OK, 0)
}

func (l *ledger) count(zone string, s State, n int) {
	c := l.now[zone]
	if c == nil {
		c = new(counts)
		l.now[zone] = c
	}
	*c.of(s) += n
}

func (l *ledger) remove(address netip.Addr) {
	if e := l.failing[address]; e != nil {
		l.listed[e.Zone]--
		delete(l.failing, address)
	}
}

// record records the state of an address. inPass: as a part of the pass; otherwise because it
// changed.
func (l *ledger) record(q *subject, s State, why error, inPass bool, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	zone := q.apex.String()
	if s == OK {
		l.remove(q.address)
		if inPass {
			l.count(zone, OK, 1)
		}
		return
	}
	e := l.failing[q.address]
	if e == nil {
		if len(l.failing) >= maxFailing || l.listed[zone] >= maxOfZone {
			if inPass {
				l.count(zone, s, 1)
			}
			return
		}
		e = &Entry{Address: q.address, Zone: zone}
		l.failing[q.address] = e
		l.listed[zone]++
	}
	if e.State != s {
		e.State, e.Since = s, now
	}
	e.Names, e.Reason, e.pass = texts(q.names), "", l.pass
	if why != nil {
		e.Reason = why.Error()
	}
}

// forget removes an address from the list.
func (l *ledger) forget(address netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remove(address)
}

// texts returns the first names as text.
func texts(names []dname.Name) (out []string) {
	for _, n := range names[:min(len(names), maxShown)] {
		out = append(out, n.String())
	}
	return out
}

// known returns the numbers of the addresses that are ok or not listed, by zone: those of the last
// complete pass, or before there was one, of the first.
func (l *ledger) known() map[string]*counts {
	if l.last != nil {
		return l.last
	}
	return l.now
}

// total returns the numbers of all addresses, and how many of those that are not ok are not listed.
func (l *ledger) total() (all counts, omitted int) {
	known := l.known()
	for _, c := range known {
		all.add(c)
	}
	for _, s := range States()[1:] { // all but ok
		omitted += *all.of(s)
	}
	for _, e := range l.failing {
		if known[e.Zone] != nil {
			*all.of(e.State)++
		}
	}
	return all, omitted
}

// Counts returns the numbers of addresses by state, also by zone if each is set, and the time of
// the last complete pass. Without zones that are audited, all is nil.
func (l *ledger) Counts(each bool) (all map[State]int, zones map[string]map[State]int, completed time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known := l.known()
	if len(known) == 0 {
		return nil, nil, l.completed
	}
	total, _ := l.total()
	if !each {
		return total.byState(), nil, l.completed
	}
	zones = map[string]map[State]int{}
	for zone, c := range known {
		zones[zone] = c.byState()
	}
	for _, e := range l.failing {
		if c := zones[e.Zone]; c != nil {
			c[e.State]++
		}
	}
	return total.byState(), zones, l.completed
}

// Status returns what is known.
func (l *ledger) Status() *Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	total, omitted := l.total()
	at := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	out := &Status{
		Zones: len(l.known()), Running: l.running, Begun: at(l.begun), Completed: at(l.completed),
		States: total.byState(), Addresses: []Entry{}, Omitted: omitted,
	}
	for _, e := range l.failing {
		out.Addresses = append(out.Addresses, *e)
	}
	slices.SortFunc(out.Addresses, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(a.Zone, b.Zone), a.Address.Compare(b.Address))
	})
	return out
}

// Print writes the status for a person.
func (s *Status) Print(out io.Writer) error {
	var b strings.Builder
	switch {
	case s.Zones == 0:
		b.WriteString("no zone is audited; `audit: true` in an item of `zones` or under `defaults` turns it on\n")
	case s.Running:
		fmt.Fprintf(&b, "pass      runs since %s\n", s.Begun.UTC().Format(time.DateTime))
	}
	if s.Completed != nil {
		fmt.Fprintf(&b, "completed %s\n", s.Completed.UTC().Format(time.DateTime))
	}
	if s.Begun != nil {
		fmt.Fprintf(&b, "addresses %s, in %s\n", summary(s.States), spelling.Number(s.Zones, "zone"))
	}
	if len(s.Addresses) > 0 {
		b.WriteByte('\n')
	}
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for i, e := range s.Addresses {
		if i == 0 {
			fmt.Fprintln(w, "address\tname\tstate\tsince\tzone")
		}
		fmt.Fprintf(w, "%v\t%s\t%s\t%s\t%s\n", e.Address, strings.Join(e.Names, " "), e.State, e.Since.UTC().Format(time.DateTime), e.Zone)
	}
	w.Flush() // to a strings.Builder, which takes everything
	if s.Omitted > 0 {
		fmt.Fprintf(&b, "%d more are not listed\n", s.Omitted)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// summary returns the numbers of addresses by state.
func summary(states map[State]int) string {
	var parts []string
	for _, s := range States() {
		parts = append(parts, fmt.Sprintf("%d %s", states[s], strings.ReplaceAll(string(s), "_", " ")))
	}
	return strings.Join(parts, ", ")
}
