package interop

import (
	"fmt"
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

// synthPeer is a secondary that runs other software.
type synthPeer struct {
	name string
	*client
	m *model // what it has
}

// compare compares the answer of the secondary, as far as all servers answer in one way: aliases
// are followed by some only, and authority data of positive answers are optional.
func (p synthPeer) compare(a *synthAsker, q question, w way) {
	a.t.Helper()
	n := modelNameOf(q.name)
	want := p.m.reply(n, q.qtype)
	if want.loop || want.any != nil || q.qtype == dns.TypeDS || q.qtype == dns.TypeNSEC || w.do {
		return
	}
	if p.name == "nsd" { // to which a name exists if there is another zone below it
		for z := p.m.zoneOf(n, q.qtype); z != nil && n != z.apex; n = n.parent() {
			if !z.exists(n) && slices.ContainsFunc(p.m.zones, func(o *modelZone) bool { return o.apex.isAtOrBelow(n) }) {
				return
			}
		}
	}
	var got *reply
	var err error
	// A process of NSD that is about to end may still answer with the data before.
	for deadline := time.Now().Add(startWait); ; time.Sleep(20 * time.Millisecond) {
		if got, err = askWhole(p.client, q, a.id, w); err == nil {
			err = compareLoosely(want, got)
		}
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			a.t.Fatalf("%s: %v, %v, %s: %v\n%s\n%s", a.what, q, w, p.name, err, got, a.context())
		}
	}
}

func compareLoosely(want modelReply, got *reply) error {
	if got.silent {
		return fmt.Errorf("no response")
	}
	if len(want.answer) > 0 && want.answer[0].rtype != dns.TypePTR && slices.ContainsFunc(want.answer, func(s wanted) bool { return s.rtype == dns.TypeCNAME || s.rtype == dns.TypeDNAME }) {
		if len(got.answer) == 0 {
			return fmt.Errorf("no alias")
		}
		return want.answer[0].compare(got.answer[0])
	}
	switch {
	case got.rcode != want.rcode:
		return fmt.Errorf("%s, want %s", dns.RcodeToString[got.rcode], dns.RcodeToString[want.rcode])
	case got.aa != want.aa:
		return fmt.Errorf("AA is %v", got.aa)
	case len(got.answer) != len(want.answer):
		return fmt.Errorf("%d RRsets, want %d", len(got.answer), len(want.answer))
	case len(want.answer) > 0:
		return want.answer[0].compare(got.answer[0])
	}
	for _, w := range want.authority {
		if !slices.ContainsFunc(got.authority, func(s rrset) bool { return w.compare(s) == nil }) {
			return fmt.Errorf("no %v %s", w.owner, typeString(w.rtype))
		}
	}
	return nil
}

// askEach asks for each address of the ranges, one of some, and for its name.
func (a *synthAsker) askEach(step int) {
	a.t.Helper()
	for _, it := range a.l.items {
		for _, r := range it.ranges {
			atype := dns.TypeAAAA
			if r.prefix.Addr().Is4() {
				atype = dns.TypeA
			}
			i := a.rng.IntN(step)
			for address := r.prefix.Addr(); r.prefix.Contains(address); address = address.Next() {
				if i++; i%step != 0 && address != r.prefix.Addr() && address != lastOf(r.prefix) {
					continue
				}
				owner := reverseOf(hostPrefix(address))
				a.ask(owner, dns.TypePTR)
				if z := a.m.zoneOf(owner, 0); z == nil || z.apex != it.apexes[0] && isClasslessPrefix(it.prefix) {
					owner, _ = it.apexes[0].child(owner.label())
					a.ask(owner, dns.TypePTR)
				}
				if name, ok := r.nameOf(address); ok {
					a.ask(name, atype)
				}
			}
		}
	}
}

// TestSynthFleet compares a primary with secondaries that run ptrd, NSD, Knot DNS and BIND, for
// every address of the ranges and for names around them, where the names are materialized, sent as
// rules, or omitted. Changes come by NOTIFY and IXFR.
func TestSynthFleet(t *testing.T) {
	t.Parallel()
	seed := *crashSeed
	if seed == 0 {
		seed = 1
	}
	for n := range 3 * ((*synthZones + 3) / 4) {
		mode := []string{"materialize", "rule", "omit"}[n%3]
		t.Run(fmt.Sprintf("%s,seed=%d,%d", mode, seed, n), func(t *testing.T) {
			t.Parallel()
			l := newSynthLab(seed, 2000+n, 8)
			for _, it := range l.items {
				it.mode = mode
			}
			f := startSynthFleet(t, l)
			var total synthCount
			var changes []string
			step := max(1, 1000 / *synthQueries)
			what := "the start"
			for round := range *synthRounds {
				a := f.asker(t, what)
				a.askEach(step)
				for range *synthQueries / 4 {
					a.askRandom()
				}
				a.close()
				total.add(a.count)
				changes = append(changes, what)
				if round < *synthRounds-1 {
					what = f.change(t)
				}
			}
			t.Logf("%v, after %q", total, changes)
		})
	}
}

// synthFleet is a primary with its secondaries.
type synthFleet struct {
	l         *synthLab
	dir       string           // of the primary
	dir2      string           // of ptrd as its secondary
	addrs     []netip.AddrPort // of the primary, of ptrd as its secondary, and of others
	names     []string         // of these
	processes []*process
}

func startSynthFleet(t *testing.T, l *synthLab) *synthFleet {
	t.Helper()
	f := &synthFleet{l: l, dir: t.TempDir(), names: []string{"primary", "ptrd", "nsd", "knot", "bind"}}
	var notify []string
	for range f.names {
		f.addrs = append(f.addrs, freePort(t))
	}
	for _, a := range f.addrs[1:] {
		notify = append(notify, fmt.Sprintf("%q", a))
	}
	l.more = fmt.Sprintf("  transfer: {allow: 127.0.0.0/8, notify: [%s]}\n", strings.Join(notify, ", "))
	l.ofItems = "    update: 127.0.0.0/8\n"
	f.processes = append(f.processes, l.serve(t, f.dir, f.addrs[0], l.write(f.dir, f.addrs[0])))
	for i, name := range f.names[1:] {
		addr, dir := f.addrs[i+1], filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if name == "ptrd" {
			f.dir2 = dir
			f.processes = append(f.processes, l.serve(t, dir, addr, l.secondaryConfig(dir, addr, f.addrs[0])))
			continue
		}
		program := peertest.Require(t, secondaries[name].program)
		args := secondaries[name].config(dir, addr, f.addrs[0], "", l.apexes())
		if name == "nsd" { // it gathers changes for a second
			conf := args[len(args)-1]
			mustWrite(dir, filepath.Base(conf), strings.Replace(mustRead(conf), "server:\n", "server:\n\txfrd-reload-timeout: 0\n", 1))
		}
		c := startProcess(t, dir, program, args...)
		f.processes = append(f.processes, c)
		ready := awaitZones(addr, l.apexes(), c.ended)
		if !ready { // NSD loads many zones one by one
			ready = awaitZones(addr, l.apexes(), c.ended)
		}
		if !ready {
			requireRunning(t, c)
			t.Fatalf("%s does not answer:\n%s", name, c.log())
		}
	}
	return f
}

func (f *synthFleet) logs() (s string) {
	for i, c := range f.processes {
		s += f.names[i] + ":\n" + c.log()
	}
	return s
}

// asker returns an asker once all secondaries have the serials of the primary.
func (f *synthFleet) asker(t *testing.T, what string) *synthAsker {
	t.Helper()
	for i := range f.addrs[1:] {
		f.l.awaitSame(t, f.addrs[0], f.addrs[1+i], what+": "+f.names[1+i], f.logs)
	}
	a := newSynthAsker(t, f.l, f.addrs[0])
	a.what = what
	others := f.l.modelFor(false)
	mode := f.l.items[0].mode
	if mode == "omit" {
		a.peers = append(a.peers, synthPeer{"ptrd", newClient(f.addrs[1]), others})
	} else {
		a.clients = append(a.clients, newClient(f.addrs[1]))
	}
	for i, addr := range f.addrs[2:] {
		a.peers = append(a.peers, synthPeer{f.names[2+i], newClient(addr), others})
	}
	return a
}

// change changes the zones at the primary, by their files or by UPDATE, and returns what was changed.
func (f *synthFleet) change(t *testing.T) string {
	t.Helper()
	l := f.l
	var what string
	switch l.rng.IntN(5) {
	case 0:
		return f.update(t)
	case 1: // a delegation, or back
		for _, it := range l.items {
			if i := slices.IndexFunc(it.records, func(r labRecord) bool { return r.rtype == dns.TypeNS }); i >= 0 {
				owner := it.records[i].owner
				it.records = slices.DeleteFunc(it.records, func(r labRecord) bool { return r.owner.isAtOrBelow(owner) })
				it.serial++
				what = "a delegation less"
			}
		}
		if what == "" {
			what = "a delegation more"
			for range 20 {
				n := l.someName(l.model())
				if z := l.model().zoneOf(n, 0); z != nil && n.isAtOrBelow(z.apex) && l.store(l.model(), n, dns.TypeNS, 300, "ns.servers.example.org.") {
					l.itemOf(z.apex).serial++
					break
				}
			}
		}
	default:
		modes, key := l.items[0].mode, l.secret
		if what = l.change(); key != l.secret {
			run(t, f.dir2, requireBinary(t), "reload", "--config", l.secondaryConfig(f.dir2, f.addrs[1], f.addrs[0]))
		}
		for _, it := range l.items { // all in the same mode
			it.mode = modes
		}
	}
	for _, it := range l.items {
		it.serial++
	}
	l.write(f.dir, f.addrs[0])
	run(t, f.dir, requireBinary(t), "reload", "--config", "ptrd.yaml")
	if strings.Contains(f.processes[0].log(), "level=ERROR") {
		t.Fatalf("%s: %s", what, f.processes[0].log())
	}
	return what
}

// update adds a record for a name of a range by UPDATE, or deletes what was added so.
func (f *synthFleet) update(t *testing.T) string {
	t.Helper()
	l := f.l
	send := func(apex modelName, change func(m *dns.Msg)) {
		m := new(dns.Msg)
		m.SetUpdate(apex.String())
		change(m)
		if got := sendUpdate(t, f.addrs[0], m); got != "NOERROR" {
			t.Fatalf("the update ends in %s:\n%v\n%s", got, m, f.processes[0].log())
		}
	}
	for _, it := range l.items {
		if len(it.updates) == 0 {
			continue
		}
		r := it.updates[0]
		it.updates = it.updates[1:]
		send(r.apex, func(m *dns.Msg) { m.RemoveRRset([]dns.RR{labRR(r)}) })
		return fmt.Sprintf("UPDATE without %v %s", r.owner, dns.Type(r.rtype))
	}
	m := l.model()
	for range 50 {
		n := l.someName(m)
		z := m.zoneOf(n, 0)
		if z == nil || z.sets[n] != nil {
			continue
		}
		rtype, set, _ := z.made(n)
		reply := m.reply(n, rtype)
		if set == nil || len(reply.answer) != 1 || !reply.answer[0].made {
			continue
		}
		data := map[uint16]string{dns.TypePTR: "updated.example.org.", dns.TypeA: "198.51.100.77", dns.TypeAAAA: "2001:db8:ffff::77"}[rtype]
		r := labRecord{z.apex, n, rtype, 77, data}
		it := l.itemOf(z.apex)
		it.updates = append(it.updates, r)
		send(z.apex, func(m *dns.Msg) { m.Insert([]dns.RR{labRR(r)}) })
		return fmt.Sprintf("UPDATE of %v", n)
	}
	return "no UPDATE"
}

func labRR(r labRecord) dns.RR {
	rr, err := dns.NewRR(fmt.Sprintf("%v %d %s %s", r.owner, r.ttl, dns.Type(r.rtype), r.data))
	if err != nil {
		panic(err)
	}
	return rr
}
