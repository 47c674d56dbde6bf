package update

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/eventlog"
	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// What waits is carried out in one batch, a step with a serial of its own for each
// message that changes something, and answered after it is on disk. Later messages
// see what earlier ones did.
func TestGroupCommit(t *testing.T) {
	b := newBed(t, parent, soaNS)
	b.adopt(map[string]*ZonePolicy{parent: anybody(true)})
	var answers []<-chan reply
	const n = 100
	for i := range n {
		answers = append(answers, b.submit(parent, fmt.Sprintf("127.0.0.1:%d", 1000+i), nil, add(fmt.Sprintf("%d.%s", i, parent), "a.example.")))
	}
	answers = append(answers, b.submit(parent, localhost, nil, drop("7."+parent, rr.TypePTR)), b.submit(parent, localhost, nil, drop("7."+parent, rr.TypePTR)))
	b.run()
	for _, a := range answers {
		b.want(a, wire.RCodeNoError, "")
	}
	if got := b.zone(parent).Serial(); got != 1+n+1 { // the second deletion changes nothing
		t.Errorf("serial %d, want %d", got, 1+n+1)
	}
	last := b.m.batches[len(b.m.batches)-1]
	if len(b.m.batches) != 2 || len(last.Changes) != 1 || len(last.Changes[0].Steps) != n+1 || !last.Changes[0].Kept || last.Changes[0].Notes != nil {
		t.Errorf("%d batches, the last: %+v", len(b.m.batches), last)
	}
	z := last.Changes[0].Base
	for _, s := range last.Changes[0].Steps {
		var err error
		if z, err = z.Apply(s.Changeset); err != nil || z.Serial() != s.Changeset.To || !strings.Contains(s.Source, "127.0.0.1") {
			t.Fatalf("step %+v: %v", s, err)
		}
	}
	if z.Digest() != b.zone(parent).Digest() {
		t.Error("the steps do not lead to what is served")
	}
}

// Where the disk fails, everybody is told and nothing is served of it.
func TestJournalFails(t *testing.T) {
	b := newBed(t, parent, soaNS)
	b.adopt(map[string]*ZonePolicy{parent: anybody(true)})
	b.m.fail = fmt.Errorf("no space left")
	a := b.submit(parent, localhost, nil, add("1."+parent, "a.example."))
	b.run()
	b.want(a, wire.RCodeServFail, "could not be made durable")
	b.wantZone(parent)
	if !strings.Contains(b.log.String(), "no space left") {
		t.Errorf("log: %s", b.log)
	}
}

// Where it is not certain that a restart would not find a change, its client gets no
// answer, and neither does who sent the same datagram again.
func TestUndecidedIsNotAnswered(t *testing.T) {
	b := newBed(t, parent, soaNS)
	b.adopt(map[string]*ZonePolicy{parent: anybody(true)})
	b.m.fail = fmt.Errorf("%w: input/output error", zone.ErrUndecided)
	got := make(chan string, 2)
	for range 2 {
		b.Submit(&Request{
			Message: encode(b.t, dname.MustParse(parent), nil, []Record{add("1."+parent, "a.example.")}, false), Client: netip.MustParseAddrPort(localhost),
			Answer: func(c wire.RCode, _ uint16, _ string) { got <- c.String() },
			Drop:   func() { got <- "none" },
		})
	}
	b.run()
	for range 2 {
		if a := <-got; a != "none" {
			t.Errorf("reply %s", a)
		}
	}
	b.wantZone(parent)
}

// Many updates that a full disk refuses are a line for each of the two conditions, and
// one with the number of the others.
func TestFullDiskIsFewLogLines(t *testing.T) {
	b := newBed(t, parent, soaNS)
	events := eventlog.New(slog.NewTextHandler(b.log, nil))
	b.o.Log = slog.New(events)
	b.adopt(map[string]*ZonePolicy{parent: anybody(true)})
	b.m.fail = syscall.ENOSPC
	b.run()
	for i := range 2000 {
		b.want(b.submit(parent, localhost, nil, add(fmt.Sprintf("%d.%s", i, parent), "a.example.")), wire.RCodeServFail, "could not be made durable")
	}
	b.stop()
	events.Close()
	lines := strings.Count(b.log.String(), "\n")
	suppressed := events.Totals()["error"].Suppressed + events.Totals()["warn"].Suppressed
	if lines < 4 || lines > 20 || suppressed < 3900 { // more than four where it took more than an interval
		t.Errorf("%d lines, %d records suppressed:\n%.2000s", lines, suppressed, b.log)
	}
	if !strings.Contains(b.log.String(), syscall.ENOSPC.Error()) || !strings.Contains(b.log.String(), "suppressed=") {
		t.Errorf("log: %s", b.log)
	}
}

// Requests whose sender may be forged take half of the queue; those that are signed or
// came over TCP find room.
func TestUnprovenRequestsLeaveRoom(t *testing.T) {
	b := newBed(t, parent, soaNS)
	b.adopt(map[string]*ZonePolicy{parent: anybody(true)})
	for i := range queueLenUnproven {
		b.submit(parent, localhost, nil, add(fmt.Sprintf("%d.%s", i, parent), "a.example."))
	}
	b.want(b.submit(parent, localhost, nil, add("late."+parent, "a.example.")), wire.RCodeServFail, "2048 updates wait already; try again, or over TCP, or sign")
	proven := make(chan reply, 1)
	b.Submit(&Request{
		Message: encode(t, dname.MustParse(parent), nil, []Record{add("proven."+parent, "a.example.")}, false),
		Client:  netip.MustParseAddrPort(localhost), Proven: true,
		Answer: func(rcode wire.RCode, _ uint16, text string) { proven <- reply{rcode, text} },
	})
	b.run()
	b.want(proven, wire.RCodeNoError, "")
}

// A zone that another writer changes while a round is made is changed anew.
func TestAnotherWriter(t *testing.T) {
	b := newBed(t, parent, soaNS)
	b.adopt(map[string]*ZonePolicy{parent: anybody(true)})
	b.o.Store = &rival{Writer: b.store, once: func() {
		z := b.zone(parent)
		if err := b.store.Publish(&zone.Batch{Changes: []zone.Change{{Zone: z.WithSerial(50), Apex: z.Apex(), Base: z}}}); err != nil {
			t.Error(err)
		}
	}}
	a := b.submit(parent, localhost, nil, add("1."+parent, "a.example."))
	b.run()
	b.want(a, wire.RCodeNoError, "")
	b.wantZone(parent, "1."+parent+" a.example.")
	if got := b.zone(parent).Serial(); got != 51 {
		t.Errorf("serial %d, want 51", got)
	}
}

// rival has another writer come between, once.
type rival struct {
	*commit.Writer
	once func()
}

func (r *rival) Commit(c commit.Request) (commit.Report, error) {
	propose := c.Propose
	c.Propose = func(set *zone.Set) (*zone.Batch, error) {
		b, err := propose(set)
		if once := r.once; once != nil {
			r.once = nil
			once()
		}
		return b, err
	}
	return r.Writer.Commit(c)
}

// A datagram that is sent again while the first waits is carried out once, and both
// are answered.
func TestSentAgain(t *testing.T) {
	b := newBed(t, parent, soaNS)
	b.adopt(map[string]*ZonePolicy{parent: anybody(true)})
	msg := encode(t, dname.MustParse(parent), []Record{{Owner: dname.MustParse("1." + parent), Type: rr.TypeANY, Class: rr.ClassNONE}}, []Record{add("1."+parent, "a.example.")}, false)
	got := make(chan reply, 2)
	for range 2 {
		b.Submit(&Request{Message: msg, Client: netip.MustParseAddrPort(localhost), Answer: func(c wire.RCode, _ uint16, text string) { got <- reply{c, text} }})
	}
	b.run()
	b.want(got, wire.RCodeNoError, "")
	b.want(got, wire.RCodeNoError, "")
	if len(b.pending.jobs) != 0 {
		t.Errorf("%d requests are still thought to wait", len(b.pending.jobs))
	}
}

// Who waits when the server stops is told, and who comes later too.
func TestStop(t *testing.T) {
	b := newBed(t, parent, soaNS)
	b.adopt(map[string]*ZonePolicy{parent: anybody(true)})
	b.run()
	release := b.store.Hold()
	first := b.submit(parent, localhost, nil, add("1."+parent, "a.example."))
	release()
	b.want(first, wire.RCodeNoError, "")
	b.stop()
	b.want(b.submit(parent, localhost, nil, add("2."+parent, "a.example.")), wire.RCodeServFail, "stops")
}

// Rules go by key, address, prefix of the owner (in a classless zone as well) and
// type; refusals say why.
func TestPolicy(t *testing.T) {
	key, other := dname.MustParse("dhcp-lab."), dname.MustParse("other.")
	p := &ZonePolicy{
		Rules: []Rule{
			{Key: key.Key(), Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.64/28")}, Types: []rr.Type{rr.TypePTR, rr.TypeDHCID}},
			{From: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}},
		},
		Addresses: func(owner dname.Name) (netip.Prefix, bool) {
			if owner.Parent().Equal(dname.MustParse(child)) { // as the configuration does
				if n, err := dname.MustParse(parent).Prepend(owner.Label()); err == nil {
					return dname.ToPrefix(n)
				}
			}
			return dname.ToPrefix(owner)
		},
		Dynamic: true,
	}
	b := newBed(t, parent, soaNS, child, soaNS)
	b.adopt(map[string]*ZonePolicy{parent: p, child: p})
	b.run()
	for _, c := range []struct {
		zone, client string
		key          dname.Name
		record       Record
		want         wire.RCode
		text         string
	}{
		{parent, "127.0.0.1:1", key, add("65."+parent, "a."), 0, ""},
		{parent, "127.0.0.1:1", key, add("90."+parent, "a."), wire.RCodeRefused, "192.0.2.90/32 is not in 192.0.2.64/28"},
		{parent, "127.0.0.1:1", key, add("x.65."+parent, "a."), wire.RCodeRefused, "not that of an address"},
		{parent, "127.0.0.1:1", key, add(parent, "a."), wire.RCodeRefused, "not in"},
		{parent, "127.0.0.1:1", key, drop("65."+parent, rr.TypeDHCID), 0, ""},
		{parent, "127.0.0.1:1", key, drop("65."+parent, rr.TypeTXT), wire.RCodeRefused, "127.0.0.1 with key dhcp-lab. may not change TXT at 65." + parent + ": types PTR, DHCID only"},
		{parent, "127.0.0.1:1", key, drop("65."+parent, rr.TypeANY), 0, ""},
		{parent, "127.0.0.1:1", key, drop("*."+parent, rr.TypeANY), wire.RCodeRefused, "not that of an address"},
		{parent, "127.0.0.1:1", other, add("65."+parent, "a."), wire.RCodeRefused, "may not update zone"},
		{parent, "127.0.0.1:1", nil, add("65."+parent, "a."), wire.RCodeRefused, "may not update zone"},
		{parent, "198.51.100.9:1", nil, add("200."+parent, "a."), 0, ""},
		{parent, "[::ffff:198.51.100.9]:1", nil, drop("200."+parent, rr.TypeTXT), 0, ""},
		{child, "127.0.0.1:1", key, add("65."+child, "a."), 0, ""},
		{child, "127.0.0.1:1", key, add("100."+child, "a."), wire.RCodeRefused, "is not in"},
		{"3.0.192.in-addr.arpa.", "127.0.0.1:1", key, add("65."+parent, "a."), wire.RCodeNotAuth, "not served"},
	} {
		got := <-b.submit(c.zone, c.client, c.key, c.record)
		if got.rcode != c.want || !strings.Contains(got.text, c.text) {
			t.Errorf("%v by %v with %v: %v %q, want %v %q", c.record, c.client, c.key, got.rcode, got.text, c.want, c.text)
		}
	}
	// All that is at a name goes only where all of it may.
	b.want(b.submit(parent, "198.51.100.9:1", nil, Record{Owner: dname.MustParse("66." + parent), Type: rr.TypeTXT, Class: rr.ClassIN, Data: []byte("\x01x")}), 0, "")
	b.want(b.submit(parent, localhost, key, drop("66."+parent, rr.TypeANY)), wire.RCodeRefused, "may not change TXT")
	if got := b.Totals(); got["done"] != 7 || got["forbidden"] != 9 || got["not_zone"] != 1 || got["failed"] != 0 {
		t.Errorf("%v", got)
	}
	if !strings.Contains(b.log.String(), "update refused") || !strings.Contains(b.log.String(), "key=dhcp-lab.") {
		t.Errorf("log: %s", b.log)
	}
}

// An update of a name that is the alias of a classless zone has no effect, and the
// log names the zone; with follow_classless it goes there, and one that would change
// two zones is refused.
func TestFollowClassless(t *testing.T) {
	zones := []string{parent, soaNS + "65 60 CNAME 65." + child + "\n9 60 CNAME 9.elsewhere.example.\n", child, soaNS}
	b := newBed(t, zones...)
	b.adopt(map[string]*ZonePolicy{parent: anybody(true), child: anybody(true)})
	b.run()
	b.want(b.submit(parent, localhost, nil, add("65."+parent, "a.")), wire.RCodeNoError, "")
	b.wantZone(child)
	if want := "send the update to zone " + child; !strings.Contains(b.log.String(), want) {
		t.Errorf("log has not %q: %s", want, b.log)
	}
	follow := anybody(true)
	follow.FollowClassless = true
	b.adopt(map[string]*ZonePolicy{parent: follow, child: anybody(true)})
	b.want(b.submit(parent, localhost, nil, add("65."+parent, "a."), add("65."+parent, "b.")), wire.RCodeNoError, "")
	b.wantZone(child, "65."+child+" a.", "65."+child+" b.")
	b.wantZone(parent)
	b.want(b.submit(parent, localhost, nil, drop("65."+parent, rr.TypePTR), add("1."+parent, "c.")), wire.RCodeRefused, "one zone")
	b.want(b.submit(parent, localhost, nil, add("9."+parent, "c.")), wire.RCodeNoError, "") // an alias that leads elsewhere
	b.want(b.submit(parent, localhost, nil, drop("65."+parent, rr.TypePTR)), wire.RCodeNoError, "")
	b.wantZone(child)
	b.want(b.submit(parent, localhost, nil, drop("65."+parent, rr.TypeCNAME)), wire.RCodeNoError, "") // the alias itself
	if _, ok := b.zone(parent).Get(dname.MustParse("65."+parent), rr.TypeCNAME); ok {
		t.Error("the alias is still there")
	}
	// Who may not change the child does not by way of the parent.
	nobody := &ZonePolicy{Rules: []Rule{{Key: "x"}}, Dynamic: true}
	b.want(b.submit(parent, localhost, nil, Record{Owner: dname.MustParse("65." + parent), Type: rr.TypeCNAME, Class: rr.ClassIN, Data: dname.MustParse("65." + child)}), wire.RCodeNoError, "")
	b.adopt(map[string]*ZonePolicy{parent: follow, child: nobody})
	b.want(b.submit(parent, localhost, nil, add("65."+parent, "a.")), wire.RCodeRefused, "may not")
}

// What updates put beside the sources of a zone outlives new sources, gives way to
// them where they have the same, and shows again when they no longer do.
func TestLayer(t *testing.T) {
	b := newBed(t, parent, soaNS+"1 60 PTR file.\n")
	b.adopt(map[string]*ZonePolicy{parent: anybody(false)}, parent)
	b.run()
	b.want(b.submit(parent, localhost, nil, add("2."+parent, "a."), add("3."+parent, "b."), add("x.4."+parent, "c.")), wire.RCodeNoError, "")
	b.want(b.submit(parent, localhost, nil, drop("3."+parent, rr.TypePTR)), wire.RCodeNoError, "")
	b.want(b.submit(parent, localhost, nil, drop("1."+parent, rr.TypePTR)), wire.RCodeRefused, "comes from the sources")
	b.want(b.submit(parent, localhost, nil, add("1."+parent, "more.")), wire.RCodeRefused, "comes from the sources")
	b.want(b.submit(parent, localhost, nil, drop(parent, rr.TypeANY)), wire.RCodeNoError, "")
	b.want(b.submit(parent, localhost, nil, Record{Owner: dname.MustParse("4." + parent), Type: rr.TypeNS, Class: rr.ClassIN, TTL: 60, Data: dname.MustParse("ns.")}), wire.RCodeNoError, "")
	for _, c := range []struct {
		file string
		want []string
	}{
		{"1 60 PTR file.\n", []string{"1. file.", "2. a.", "x.4. c."}},
		{"", []string{"2. a.", "x.4. c."}},
		{"2 60 PTR file.\n", []string{"2. file.", "x.4. c."}},
		{"2 60 CNAME file.\n", []string{"x.4. c."}},
		{"y.4 60 PTR file.\n", []string{"2. a.", "x.4. c.", "y.4. file."}},
		{"2 60 TXT x\n", []string{"2. a.", "x.4. c."}},
	} {
		static := build(t, dname.MustParse(parent), zonetest.MustParse(parent, soaNS+c.file).Records())
		layer, err := commit.ReadDynamic(b.m, static.Apex())
		if err != nil {
			t.Fatal(err)
		}
		z, err := commit.Merge(zone.Layers{Static: static}, layer, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range records(z) {
			if r.Type == rr.TypePTR {
				got = append(got, strings.TrimSuffix(r.Owner.String(), parent)+" "+dname.Name(r.Data).String())
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("beside %q: %q, want %q", c.file, got, c.want)
		}
		_, cut := z.Get(dname.MustParse("4."+parent), rr.TypeNS)
		if hides := strings.HasPrefix(c.file, "y.4"); cut == hides {
			t.Errorf("beside %q: the zone cut is there: %v", c.file, cut)
		}
		build(t, z.Apex(), records(z)) // nothing contradicts
	}
}
