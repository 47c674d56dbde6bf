package ec2

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/awsapi"
	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/sigv4"
	"github.com/ptrd/ptrd/internal/sigv4/sigv4test"
	"github.com/ptrd/ptrd/internal/update"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

const soaNS = "@ 60 SOA ns.example. hostmaster.example. 1 1 1 1 1\n@ 60 NS ns.example.\n"

// labZones are the zones of a lab: static ones have sources and a layer of updates, hosted ones
// no policy of updates, and closed ones accept nothing.
var labZones = []struct {
	apex, text string
	kind       string
}{
	{"113.0.203.in-addr.arpa.", soaNS + `1 60 PTR gw.example.
64 60 PTR static.example.
70 60 CNAME 70.64/26.113.0.203.in-addr.arpa.
71 60 CNAME 71.elsewhere.test.
80 60 NS ns.customer.test.
`, "static"},
	{"64/26.113.0.203.in-addr.arpa.", soaNS, "hosted"},
	{"100.51.198.in-addr.arpa.", soaNS + "5 60 PTR own.example.\n", "dynamic"},
	{"2.0.192.in-addr.arpa.", soaNS, "closed"},
	{"8.b.d.0.1.0.0.2.ip6.arpa.", soaNS, "hosted"},
	{"example.", soaNS + `mail 60 A 203.0.113.65
mail 60 A 198.51.100.1
mail 60 AAAA 2001:db8::1
other 60 A 203.0.113.66
alias 60 CNAME mail
*.wild 60 A 203.0.113.65
out 60 CNAME mail.elsewhere.test.
child 60 NS ns.elsewhere.test.
every 60 A 203.0.113.65
every 60 A 203.0.113.70
every 60 A 203.0.113.71
every 60 A 203.0.113.80
every 60 A 203.0.113.64
every 60 A 192.0.2.1
every 60 A 198.18.0.1
`, "dynamic"},
}

// lab is the API over a journal, without a server of DNS.
type lab struct {
	t       testing.TB
	dir     string
	now     time.Time
	journal *journal.Journal
	writer  *commit.Writer
	updater *update.Updater
	store   *Store
	policy  *awsapi.Policy
	server  *Server
	answers map[string]string // of the resolver: an address, an RCODE or nothing, by name
	asked   []string
}

func newLab(t testing.TB) *lab {
	any := func(string, bool) bool { return true }
	l := &lab{t: t, dir: t.TempDir(), now: time.Unix(1_800_000_000, 0), answers: map[string]string{}, policy: &awsapi.Policy{Keys: map[string]*awsapi.Key{
		"AKIALAB": {Key: sigv4.Key{ID: "AKIALAB", Secret: "secret"}, Permits: any, Allows: func(dname.Name) bool { return true }},
		"LIMITED": {Key: sigv4.Key{ID: "LIMITED", Secret: "other"},
			Permits: func(operation string, changes bool) bool { return !changes || operation == "AllocateAddress" },
			Allows:  func(n dname.Name) bool { return n.IsAtOrBelow(dname.MustParse("100.51.198.in-addr.arpa.")) }},
	}}}
	l.start()
	t.Cleanup(func() { l.journal.Close() })
	return l
}

// start starts the API on what the directory has.
func (l *lab) start() {
	l.t.Helper()
	var err error
	if l.journal, err = journal.Open(filepath.Join(l.dir, "journal.db"), journal.Options{}); err != nil {
		l.t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	now := func() time.Time { return l.now }
	l.writer = commit.New(commit.Options{Journal: l.journal})
	l.updater = update.New(update.Options{Store: l.writer, Notes: l.journal, Log: log, Now: now})
	policy := &update.Policy{Zones: map[string]*update.ZonePolicy{}}
	hosted := map[string]bool{}
	b := &zone.Batch{}
	for _, c := range labZones {
		z, had, err := l.journal.Restore(dname.MustParse(c.apex))
		if err != nil {
			l.t.Fatal(err)
		}
		if !had || c.kind == "static" {
			zb := zone.NewBuilder(dname.MustParse(c.apex))
			for _, r := range zonetest.MustParse(c.apex, c.text).Records() {
				zb.Add(r)
			}
			z, _ = zb.Build()
		}
		if c.kind == "static" {
			layer, err := commit.ReadDynamic(l.journal, z.Apex())
			if err != nil {
				l.t.Fatal(err)
			}
			if z, err = commit.Merge(zone.Layers{Static: z}, layer, nil); err != nil {
				l.t.Fatal(err)
			}
			if e, ok, _ := l.journal.Last(z.Apex()); ok {
				z = z.WithSerial(e.Serial)
			}
		}
		if c.kind == "static" || c.kind == "dynamic" {
			policy.Zones[z.Key()] = &update.ZonePolicy{Dynamic: c.kind == "dynamic"}
		}
		hosted[z.Key()] = c.kind == "hosted"
		if had && c.kind != "static" {
			b.Layers = append(b.Layers, zone.Change{Zone: z, Apex: z.Apex()})
		} else {
			b.Changes = append(b.Changes, zone.Change{Zone: z, Apex: z.Apex(), Kept: c.kind != "static"})
		}
	}
	if err := l.writer.Publish(b); err != nil {
		l.t.Fatal(err)
	}
	if err := l.updater.Adopt(policy); err != nil {
		l.t.Fatal(err)
	}
	l.store = NewStore(StoreOptions{
		Journal: l.journal, Set: l.writer.Set, Change: l.updater.Change, Log: log, Now: now, Resolver: l.resolve,
		IsHosted: func(apex dname.Name) bool { return hosted[apex.Key()] },
	})
	l.set(func(*Settings) {})
	if damage, err := l.store.Load(); err != nil || len(damage) > 0 {
		l.t.Fatal(damage, err)
	}
	l.server = New(Options{Store: l.store, Log: log, Policy: func() *awsapi.Policy { return l.policy }, Now: now, Certificate: func() *tls.Certificate { return nil }})
}

// set changes the settings of the lab.
func (l *lab) set(change func(*Settings)) {
	p := netip.MustParsePrefix
	c := &Settings{
		Prefixes:  []netip.Prefix{p("203.0.113.64/26"), p("198.51.100.0/29"), p("192.0.2.0/31"), p("2001:db8::/64"), p("198.18.0.0/30")},
		Resolvers: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:53"), netip.MustParseAddrPort("127.0.0.2:53")}, TTL: 300,
	}
	change(c)
	l.store.SetSettings(c)
}

// restart has the API begin again with what is in the directory.
func (l *lab) restart() {
	l.t.Helper()
	if err := l.journal.Close(); err != nil {
		l.t.Fatal(err)
	}
	l.start()
}

// resolve answers as a resolver.
func (l *lab) resolve(_ context.Context, server netip.AddrPort, q *dns.Msg) (*dns.Msg, error) {
	name := q.Question[0].Name
	l.asked = append(l.asked, server.Addr().String()+" "+name)
	r := new(dns.Msg).SetReply(q)
	text, ok := l.answers[name]
	switch {
	case !ok || text == "lost" || text == "second" && server.Addr() == netip.MustParseAddr("127.0.0.1"):
		return nil, errors.New("no answer")
	case text == "second":
		text = "203.0.113.65"
	case text == "":
		return r, nil
	}
	if code, is := dns.StringToRcode[text]; is {
		r.Rcode = code
		return r, nil
	}
	r.Answer = append(r.Answer, &dns.A{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: netip.MustParseAddr(text).AsSlice()})
	return r, nil
}

// reply is what a client makes of a response.
type reply struct {
	status        int
	code, message string
	body          string

	ID        string         `xml:"allocationId"`
	IP        string         `xml:"publicIp"`
	Return    bool           `xml:"return"`
	Addresses []xmlAddress   `xml:"addressesSet>item"`
	Attribute []xmlAttribute `xml:"addressSet>item"`
	Address   xmlAttribute   `xml:"address"`
	NextToken string         `xml:"nextToken"`
}

// form returns the body of a request: pairs of names and values.
func form(action string, params ...string) string {
	v := url.Values{"Action": {action}, "Version": {version}}
	for i := 0; i < len(params); i += 2 {
		v.Set(params[i], params[i+1])
	}
	return v.Encode()
}

func (l *lab) signer() sigv4test.Signer {
	return sigv4test.Signer{ID: "AKIALAB", Secret: "secret", Service: "ec2", Now: l.now}
}

// call sends a signed request.
func (l *lab) call(action string, params ...string) reply {
	l.t.Helper()
	return l.send(l.signer(), form(action, params...))
}

func (l *lab) send(s sigv4test.Signer, body string) reply {
	l.t.Helper()
	r := httptest.NewRequest("POST", "http://ec2.example/", strings.NewReader(body))
	s.Sign(r, []byte(body))
	return l.serve(r)
}

// serve has the server answer a request without a connection, and checks that the response is
// one of the API.
func (l *lab) serve(r *http.Request) (got reply) {
	l.t.Helper()
	w := httptest.NewRecorder()
	l.server.http.ServeHTTP(w, r)
	got.status, got.body = w.Code, w.Body.String()
	var e struct {
		XMLName   xml.Name
		Code      string `xml:"Errors>Error>Code"`
		Message   string `xml:"Errors>Error>Message"`
		RequestID string
		OK        string `xml:"requestId"`
	}
	if err := xml.Unmarshal(w.Body.Bytes(), &e); err != nil {
		l.t.Fatalf("%s %q: status %d is no response of the API: %v\n%s", r.Method, r.URL, got.status, err, got.body)
	}
	got.code, got.message = e.Code, e.Message
	isError := e.XMLName.Local == "Response" && e.Code != "" && e.RequestID != ""
	isResult := e.XMLName.Space == namespace && strings.HasSuffix(e.XMLName.Local, "Response") && e.OK != ""
	if got.status >= 400 && !isError || got.status < 400 && !isResult || got.status == http.StatusInternalServerError {
		l.t.Fatalf("%s %q: status %d\n%s", r.Method, r.URL, got.status, got.body)
	}
	if isResult {
		if err := xml.Unmarshal(w.Body.Bytes(), &got); err != nil {
			l.t.Fatal(err)
		}
	}
	return got
}

// must is call of what succeeds.
func (l *lab) must(action string, params ...string) reply {
	l.t.Helper()
	got := l.call(action, params...)
	if got.status != http.StatusOK {
		l.t.Fatalf("%s %v: %d %s: %s", action, params, got.status, got.code, got.message)
	}
	return got
}

// refuse checks that a request is refused with a code and a text.
func (l *lab) refuse(code, text, action string, params ...string) {
	l.t.Helper()
	if got := l.call(action, params...); got.code != code || !strings.Contains(got.message, text) {
		l.t.Errorf("%s %v: %s: %s\nwant %s: %s", action, params, got.code, got.message, code, text)
	}
}

// allocate allocates an address and returns its id.
func (l *lab) allocate(ip string) string {
	l.t.Helper()
	return l.must("AllocateAddress", "Address", ip).ID
}

// ptr returns the names of an address in DNS.
func (l *lab) ptr(ip string) string {
	var out []string
	for _, n := range newFinder(l.writer.Set()).reverseNames(netip.MustParseAddr(ip)) {
		out = append(out, n.String())
	}
	return strings.Join(out, " ")
}

// edit changes a zone as another client does.
func (l *lab) edit(apex string, records ...update.Record) {
	l.t.Helper()
	for i := range records {
		if records[i].Type == 0 {
			records[i].Type = rr.TypePTR
		}
	}
	err := l.updater.Change(func(*zone.Set) (*update.Change, error) {
		return &update.Change{Zone: dname.MustParse(apex), Updates: records, Dynamic: true, By: "another"}, nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
}
