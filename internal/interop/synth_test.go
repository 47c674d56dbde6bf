package interop

import (
	"encoding/hex"
	"flag"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/zone/synth"
)

var (
	synthZones   = flag.Int("zones", 4, "number of random configurations of TestSynth")
	synthQueries = flag.Int("queries", 300, "number of questions of TestSynth about each configuration")
)

// TestSynth asks ptrd random and hostile questions about random ranges, over UDP and TCP, and
// compares the responses with those of a [model] that was written from the documentation
// (`go test ./internal/interop -run 'TestSynth$' -zones 100 -queries 10000 -timeout 2h`).
func TestSynth(t *testing.T) {
	t.Parallel()
	seed := *crashSeed
	if seed == 0 {
		seed = 1
	}
	var total synthCount
	for i := range *synthZones {
		t.Run(fmt.Sprintf("seed=%d,%d", seed, i), func(t *testing.T) {
			l := newSynthLab(seed, i, 128)
			addr, _ := l.start(t, t.TempDir())
			a := newSynthAsker(t, l, addr)
			defer a.close()
			for range *synthQueries {
				a.askRandom()
			}
			total.add(a.count)
		})
	}
	t.Logf("%v", total)
}

// start runs ptrd with the configuration.
func (l *synthLab) start(t *testing.T, dir string) (netip.AddrPort, *process) {
	t.Helper()
	addr := freePort(t)
	return addr, l.serve(t, dir, addr, l.write(dir, addr))
}

// serve runs ptrd until it answers for all zones.
func (l *synthLab) serve(t *testing.T, dir string, addr netip.AddrPort, config string) *process {
	t.Helper()
	c := startProcess(t, dir, requireBinary(t), "serve", "--config", config)
	if !awaitZones(addr, l.apexes(), c.ended) || strings.Contains(c.log(), "level=ERROR") {
		t.Fatalf("ptrd does not answer:\n%s\n%s", c.log(), mustRead(config))
	}
	return c
}

func (l *synthLab) apexes() (list []string) {
	for _, it := range l.items {
		for _, apex := range it.apexes {
			list = append(list, apex.String())
		}
	}
	return list
}

// synthCount is what was compared.
type synthCount struct{ questions, made, negative, referrals, identities int }

func (c *synthCount) add(o synthCount) {
	c.questions += o.questions
	c.made += o.made
	c.negative += o.negative
	c.referrals += o.referrals
	c.identities += o.identities
}

func (c synthCount) String() string {
	return fmt.Sprintf("%d questions: %d answers from ranges, %d negative, %d referrals; %d times back to the address", c.questions, c.made, c.negative, c.referrals, c.identities)
}

// synthAsker asks one server, or several that must all agree with the model.
type synthAsker struct {
	t       *testing.T
	l       *synthLab
	m       *model
	rng     *rand.Rand
	clients []*client
	peers   []synthPeer
	stored  []modelName
	id      uint16
	count   synthCount
	what    string // happened before
}

func newSynthAsker(t *testing.T, l *synthLab, addrs ...netip.AddrPort) *synthAsker {
	a := &synthAsker{t: t, l: l, m: l.model(), rng: rand.New(rand.NewPCG(l.rng.Uint64(), 1))}
	for _, addr := range addrs {
		a.clients = append(a.clients, newClient(addr))
	}
	for _, z := range a.m.zones {
		for n := range z.sets {
			a.stored = append(a.stored, n)
		}
	}
	slices.Sort(a.stored)
	return a
}

func (a *synthAsker) close() {
	for _, c := range a.clients {
		c.close()
	}
	for _, p := range a.peers {
		p.close()
	}
}

var synthTypes = []uint16{dns.TypePTR, dns.TypeA, dns.TypeAAAA, dns.TypeTXT, dns.TypeANY, dns.TypeCNAME, dns.TypeNS, dns.TypeSOA, dns.TypeDS, dns.TypeDNAME, dns.TypeMX, dns.TypeHTTPS, dns.TypeNSEC, uint16(synth.Type), 65280}

func (a *synthAsker) askRandom() {
	n, qtype := a.name()
	for a.rng.IntN(2) == 0 {
		n = a.distort(n)
	}
	if a.rng.IntN(2) == 0 {
		qtype = synthTypes[a.rng.IntN(len(synthTypes))]
	}
	a.ask(n, qtype)
}

// name returns a name and the type that it likely has.
func (a *synthAsker) name() (modelName, uint16) {
	if a.rng.IntN(6) == 0 {
		return a.stored[a.rng.IntN(len(a.stored))], synthTypes[a.rng.IntN(len(synthTypes))]
	}
	n := a.l.someName(a.m)
	r := a.l.someRange()
	if r != nil && r.isPermuted() && a.rng.IntN(2) == 0 { // digits that may be those of an address
		n = "\x00"
		for i := len(r.labels) - 1; i >= 0; i-- {
			l := ""
			for _, t := range r.labels[i] {
				if l += t.text; t.permuted {
					v := bits(new(big.Int).SetBytes([]byte(fmt.Sprintf("%16d", a.rng.Uint64()))), 0, t.width+a.rng.IntN(2)).Text(36)
					l += strings.Repeat("0", max(0, t.pad-len(v))) + v
				}
			}
			if c, ok := n.child(l); ok {
				n = c
			}
		}
	}
	switch {
	case n.isAtOrBelow(modelNameOf("arpa")):
		return n, dns.TypePTR
	case a.rng.IntN(2) == 0:
		return n, dns.TypeA
	}
	return n, dns.TypeAAAA
}

// distort returns a name that is close to n.
func (a *synthAsker) distort(n modelName) modelName {
	rng := a.rng
	labels := n.labels()
	if len(labels) == 0 {
		return n
	}
	// Most names in the front differ; what is in the rear is that of the zone.
	at := min(rng.IntN(len(labels)), rng.IntN(len(labels)))
	l := []byte(labels[at])
	i := rng.IntN(len(l))
	switch rng.IntN(14) {
	case 0, 1: // names above
		labels = labels[1+rng.IntN(len(labels)):]
	case 2:
		labels[at] = string(l[:i]) + string([]byte{byte(rng.IntN(256))}) + string(l[i+1:])
		labels[at] = lowerASCII(labels[at])
	case 3, 4:
		l[i] = "0123456789abcdefgz-_."[rng.IntN(21)]
		labels[at] = string(l)
	case 5:
		l[i] ^= 1 << rng.IntN(8)
		labels[at] = lowerASCII(string(l))
	case 6:
		labels[at] = string(l[:i]) + string(l[i+1:])
	case 7: // wrong zeros
		labels[at] = string(l[:i]) + "0" + string(l[i:])
	case 8:
		labels[at] = "0" + string(l)
	case 9:
		labels[at] = "*"
	case 10:
		labels = slices.Insert(labels, at, []string{"x", "*", "0", "-", "1", "\x00", "f", "64/26"}[rng.IntN(8)])
	case 11:
		labels = slices.Delete(labels, at, at+1)
	case 12: // as long as a name can be
		out := join255(rng, n)
		return out
	case 13:
		labels = append([]string{[]string{"x", "*", "7", "0", "a", "_dmarc"}[rng.IntN(6)]}, labels...)
	}
	out := modelName("\x00")
	for i := len(labels) - 1; i >= 0; i-- {
		if c, ok := out.child(labels[i]); ok {
			out = c
		}
	}
	return out
}

// lowerASCII is strings.ToLower for octets.
func lowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// join255 returns a name of 255 octets below n.
func join255(rng *rand.Rand, n modelName) modelName {
	for len(n) < 254 {
		free := 255 - len(n) - 1
		size := min(free, 1+rng.IntN(63))
		if free-size == 1 { // one octet is no label
			size--
		}
		if size == 0 {
			break
		}
		n, _ = n.child(strings.Repeat("1", size))
	}
	return n
}

// ask compares the responses to a question with what the model has, and follows a PTR that a range
// makes to the address.
func (a *synthAsker) ask(n modelName, qtype uint16) {
	a.t.Helper()
	want := a.m.reply(n, qtype)
	if want.loop {
		return
	}
	a.askFor(n, qtype, want)
	if len(want.answer) != 1 || qtype != dns.TypePTR || !want.answer[0].made || want.answer[0].owner != n {
		return
	}
	address, _ := prefixOf(n)
	if z := a.m.zoneOf(n, 0); z.classless.IsValid() {
		base, _ := z.classless.Addr().Prefix(24)
		in24, _ := reverseOf(base).child(n.label())
		address, _ = prefixOf(in24)
	}
	var r *madeRange
	for _, o := range a.m.zoneOf(n, 0).ranges {
		if o.prefix.Addr().Is4() == address.Addr().Is4() && o.prefix.Contains(address.Addr()) && (r == nil || o.prefix.Bits() > r.prefix.Bits()) {
			r = o
		}
	}
	name, ok := r.nameOf(address.Addr())
	if !ok {
		a.t.Fatalf("%v has no name", address)
	}
	atype := dns.TypeAAAA
	if address.Addr().Is4() {
		atype = dns.TypeA
	}
	back := a.m.reply(name, atype)
	if len(back.answer) == 1 && back.answer[0].made {
		if back.answer[0].learn == nil && back.answer[0].data[0] != address.Addr().String() {
			a.t.Fatalf("the model leads from %v by %v to %v", address, name, back.answer[0].data)
		}
		a.count.identities++
	} else if z := a.m.zoneOf(name, 0); z != nil && z == a.m.zoneOf(r.base, 0) && !z.isReverse() && len(back.answer) == 0 && back.rcode == dns.RcodeNameError {
		a.t.Fatalf("%v of %v does not exist in %v", name, address, z.apex)
	}
	if !back.loop {
		a.askFor(name, atype, back)
	}
}

func (a *synthAsker) askFor(n modelName, qtype uint16, want modelReply) {
	a.t.Helper()
	a.count.questions++
	w := ways[[]int{0, 1, 2, 2, 2, 2, 2, 5, 5, 6, 6, 7, 8}[a.rng.IntN(13)]]
	text := []byte(n.String())
	for i := range text { // escapes have no letters
		if text[i] >= 'a' && text[i] <= 'z' && a.rng.IntN(4) == 0 {
			text[i] -= 'a' - 'A'
		}
	}
	a.id++
	q := question{string(text), qtype}
	for i, c := range a.clients {
		got, err := askWhole(c, q, a.id, w)
		if err == nil {
			err = a.compare(want, got)
		}
		if err != nil {
			a.t.Fatalf("%s: %v, %v, server %d: %v\n%s\n%s", a.what, q, w, i, err, got, a.context())
		}
	}
	for _, p := range a.peers {
		p.compare(a, q, w)
	}
	switch {
	case want.rcode == dns.RcodeNameError || len(want.authority) > 0 && want.authority[0].rtype == dns.TypeSOA:
		a.count.negative++
	case len(want.authority) > 0:
		a.count.referrals++
	case slices.ContainsFunc(want.answer, func(s wanted) bool { return s.made }):
		a.count.made++
	}
}

// askWhole asks again over TCP if the response is truncated.
func askWhole(c *client, q question, id uint16, w way) (*reply, error) {
	got, err := ask(c, q, id, w)
	if err == nil && got.tc {
		got, err = ask(c, q, id, way{tcp: true, size: w.size, do: w.do})
	}
	return got, err
}

// context returns what is needed to repeat a failure.
func (a *synthAsker) context() string {
	dir, err := os.MkdirTemp("", "synth")
	if err != nil {
		return err.Error()
	}
	defer os.RemoveAll(dir)
	text := mustRead(a.l.write(dir, netip.MustParseAddrPort("127.0.0.1:53")))
	for i := range a.l.items {
		text += fmt.Sprintf("zone%d:\n%s", i, a.l.masterFile(a.l.items[i]))
	}
	return text
}

// compare returns how a response differs from that of the model.
func (a *synthAsker) compare(want modelReply, got *reply) error {
	switch {
	case got.silent:
		return fmt.Errorf("no response")
	case got.fault != "":
		return fmt.Errorf("%s", got.fault)
	case got.rcode != want.rcode:
		return fmt.Errorf("%s, want %s", dns.RcodeToString[got.rcode], dns.RcodeToString[want.rcode])
	case got.aa != want.aa:
		return fmt.Errorf("AA is %v", got.aa)
	}
	answer := want.answer
	if want.any != nil {
		if len(got.answer) != len(answer)+1 {
			return fmt.Errorf("%d RRsets for ANY, want one", len(got.answer))
		}
		last := got.answer[len(answer)]
		i := slices.IndexFunc(want.any, func(w wanted) bool { return w.rtype == last.rtype })
		if i < 0 {
			return fmt.Errorf("%s for ANY", typeString(last.rtype))
		}
		answer = append(slices.Clip(answer), want.any[i])
	}
	for _, s := range []struct {
		section string
		want    []wanted
		got     []rrset
	}{{"answer", answer, got.answer}, {"authority", want.authority, got.authority}} {
		if len(s.got) != len(s.want) {
			return fmt.Errorf("%d RRsets in the %s section, want %d", len(s.got), s.section, len(s.want))
		}
		for i, w := range s.want {
			if err := w.compare(s.got[i]); err != nil {
				return fmt.Errorf("%s: %w", s.section, err)
			}
		}
	}
	for _, g := range want.glue {
		if !slices.ContainsFunc(got.additional, func(s rrset) bool { return g.compare(s) == nil }) {
			return fmt.Errorf("no glue %v %s", g.owner, typeString(g.rtype))
		}
	}
	// What else is in the additional section must be true.
	for _, s := range got.additional {
		n := modelNameOf(s.owner)
		z := a.m.zoneOf(n, s.rtype)
		if z == nil {
			return fmt.Errorf("additional data of %v, which is not served here", n)
		}
		set := z.at(n)[s.rtype]
		if set == nil {
			return fmt.Errorf("additional data of %v, which has no %s", n, typeString(s.rtype))
		}
		if err := (wanted{n, s.rtype, set}).compare(s); err != nil {
			return fmt.Errorf("additional: %w", err)
		}
	}
	return nil
}

// compare returns how an RRset of a response differs.
func (w wanted) compare(got rrset) error {
	if got.owner != w.owner.String() || got.rtype != w.rtype {
		return fmt.Errorf("%s %s, want %v %s", got.owner, typeString(got.rtype), w.owner, typeString(w.rtype))
	}
	var data []string
	for _, d := range got.data {
		var ttl uint32
		fmt.Sscan(d, &ttl)
		_, text, _ := strings.Cut(d, " ")
		if ttl != w.ttl {
			return fmt.Errorf("%s %s: TTL %d, want %d", got.owner, typeString(got.rtype), ttl, w.ttl)
		}
		data = append(data, withoutSecrets(w.rtype, text))
	}
	if w.learn != nil {
		if len(data) != 1 {
			return fmt.Errorf("%d records", len(data))
		}
		return w.learn(data[0])
	}
	wanted := make([]string, len(w.data))
	for i, d := range w.data {
		wanted[i] = withoutSecrets(w.rtype, d)
	}
	slices.Sort(data)
	slices.Sort(wanted)
	if !slices.Equal(data, wanted) {
		return fmt.Errorf("%s %s: %q, want %q", got.owner, typeString(got.rtype), data, wanted)
	}
	return nil
}

// withoutSecrets returns RDATA without the serial of an SOA and the tag of a key, which are the
// server's own.
func withoutSecrets(rtype uint16, data string) string {
	fields := strings.Fields(data)
	switch {
	case rtype == dns.TypeSOA && len(fields) == 7:
		fields[2] = "serial"
		return strings.Join(fields, " ")
	case rtype == uint16(synth.Type):
		b, err := hex.DecodeString(fields[len(fields)-1])
		if err != nil {
			return data
		}
		at := 3 + map[byte]int{4: 4, 6: 16}[b[1]] + 4
		at += 1 + int(b[at])
		copy(b[at:], "\x00\x00\x00\x00")
		return hex.EncodeToString(b)
	}
	return data
}
