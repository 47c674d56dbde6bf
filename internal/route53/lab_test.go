package route53

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/awsapi"
	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/hosted"
	"github.com/ptrd/ptrd/internal/sigv4"
	"github.com/ptrd/ptrd/internal/sigv4/sigv4test"
	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/journal"
)

// lab is the API over a journal, without a server of DNS.
type lab struct {
	t      testing.TB
	dir    string
	now    time.Time
	store  *hosted.Store
	writer *commit.Writer
	policy *awsapi.Policy
	server *Server
	http   *httptest.Server
	counts awsapi.Counts
	stop   func()

	taken     map[string]string // owners of zones by apex
	published func(*zone.Batch)
}

func newLab(t testing.TB) *lab {
	l := &lab{t: t, dir: t.TempDir(), now: time.Unix(1_800_000_000, 0), taken: map[string]string{}}
	l.policy = &awsapi.Policy{Keys: map[string]*awsapi.Key{"AKIALAB": {
		Key:     sigv4.Key{ID: "AKIALAB", Secret: "secret"},
		Permits: func(string, bool) bool { return true },
		Allows:  func(dname.Name) bool { return true },
	}}}
	l.start()
	t.Cleanup(func() { l.stop() })
	return l
}

// start starts the API on what the directory has.
func (l *lab) start() {
	j, err := journal.Open(filepath.Join(l.dir, "journal.db"), journal.Options{})
	if err != nil {
		l.t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	l.writer = commit.New(commit.Options{Journal: j, Stages: []commit.Stage{func(set *zone.Set, b *zone.Batch) error { return l.store.Derive(set, b) }}, Published: func(b *zone.Batch) {
		l.store.Published(b)
		if l.published != nil {
			l.published(b)
		}
	}})
	l.store = hosted.New(hosted.Options{
		Writer: l.writer, Journal: j, Owners: l, Log: log, Now: func() time.Time { return l.now },
		Restore: func(apex dname.Name) (*zone.Zone, bool, error) { return j.Restore(apex) },
		LastSerial: func(apex dname.Name) (zone.Serial, bool, error) {
			e, ok, err := j.Last(apex)
			return e.Serial, ok, err
		},
	})
	name := dname.MustParse
	l.store.SetSettings(&hosted.Settings{
		Sets:   [][]dname.Name{{name("ns1.example.net"), name("ns2.example.net")}, {name("ns3.example.net"), name("ns4.example.net")}},
		Timers: [4]uint32{7200, 900, 1209600, 86400}, SOATTL: 900, NSTTL: 172800, KeepRefs: time.Hour,
	})
	if damage, err := l.store.Load(); err != nil || len(damage) > 0 {
		l.t.Fatal(err, damage)
	}
	if _, err := l.writer.Commit(commit.Request{Propose: func(set *zone.Set) (*zone.Batch, error) {
		changes, damage := l.store.Plan(set, func(dname.Name) bool { return true })
		if len(damage) > 0 {
			return nil, fmt.Errorf("%v", damage)
		}
		return &zone.Batch{Changes: changes}, nil
	}}); err != nil {
		l.t.Fatal(err)
	}
	if err := l.store.Start(); err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { _ = l.store.Run(ctx) })
	l.server = New(Options{
		Store: l.store, Log: log, Counts: &l.counts, Policy: func() *awsapi.Policy { return l.policy }, Now: func() time.Time { return l.now },
		Certificate: func() *tls.Certificate { return nil }, Addresses: func() []string { return []string{"127.0.0.1:53"} },
		View: func() *answer.View { return &answer.View{Zones: l.writer.Set(), Policy: &answer.Policy{}} },
	})
	l.http = httptest.NewServer(l.server.http)
	l.stop = func() {
		l.http.Close()
		cancel()
		run.Wait()
		if err := j.Close(); err != nil {
			l.t.Error(err)
		}
	}
}

// Owner and With implement hosted.Owners.
func (l *lab) Owner(apex dname.Name) string { return l.taken[apex.String()] }

func (l *lab) With(_ *zone.Set, _, _ []dname.Name) ([]zone.Change, func(*zone.Set), error) {
	return nil, func(*zone.Set) {}, nil
}

// reply is what a client makes of a response.
type reply struct {
	status        int
	code, message string
	body          string
}

// call sends a signed request.
func (l *lab) call(method, path, body string) reply {
	l.t.Helper()
	return l.callAs("AKIALAB", method, path, body)
}

func (l *lab) callAs(key, method, path, body string) reply {
	l.t.Helper()
	r, err := http.NewRequest(method, l.http.URL+"/2013-04-01/"+path, strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	k := l.policy.Keys[key]
	sigv4test.Signer{ID: key, Secret: k.Secret, Token: k.SessionToken, Service: "route53", Now: l.now}.Sign(r, []byte(body))
	return l.do(r)
}

// do sends a request and reads the response as the SDKs do.
func (l *lab) do(r *http.Request) (got reply) {
	l.t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	got.status, got.body = resp.StatusCode, string(text)
	if resp.Header.Get("x-amzn-RequestId") == "" {
		l.t.Error("no x-amzn-RequestId")
	}
	if got.status >= 400 {
		var e struct {
			XMLName xml.Name
			Error   struct{ Type, Code, Message string }
			ID      string `xml:"RequestId"`
		}
		if err := xml.Unmarshal(text, &e); err != nil || e.XMLName.Local != "ErrorResponse" || e.XMLName.Space != namespace || e.Error.Code == "" || e.ID != resp.Header.Get("x-amzn-RequestId") {
			l.t.Errorf("%s %s: status %d is no error of the API: %v\n%s", r.Method, r.URL, got.status, err, text)
		}
		got.code, got.message = e.Error.Code, e.Error.Message
	} else if err := xml.NewDecoder(bytes.NewReader(text)).Decode(&struct{ XMLName xml.Name }{}); err != nil {
		l.t.Errorf("%s %s: %v\n%s", r.Method, r.URL, err, text)
	}
	return got
}

// create makes a hosted zone and returns its id.
func (l *lab) create(name, reference string) string {
	l.t.Helper()
	got := l.call("POST", "hostedzone", fmt.Sprintf("<CreateHostedZoneRequest xmlns=%q><Name>%s</Name><CallerReference>%s</CallerReference></CreateHostedZoneRequest>", namespace, name, reference))
	if got.status != http.StatusCreated {
		l.t.Fatalf("create %s: %+v", name, got)
	}
	return element1(got.body, "Id")[len("/hostedzone/"):]
}

// element1 returns the text of the first element with a name.
func element1(body, name string) string {
	_, rest, _ := strings.Cut(body, "<"+name+">")
	text, _, _ := strings.Cut(rest, "</"+name+">")
	return text
}

// change is one change of a batch in XML; without values, none.
func change(action, name, kind string, ttl int, values ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<Change><Action>%s</Action><ResourceRecordSet><Name>%s</Name><Type>%s</Type>", action, name, kind)
	if len(values) > 0 {
		fmt.Fprintf(&b, "<TTL>%d</TTL><ResourceRecords>", ttl)
		for _, v := range values {
			b.WriteString("<ResourceRecord><Value>")
			_ = xml.EscapeText(&b, []byte(v))
			b.WriteString("</Value></ResourceRecord>")
		}
		b.WriteString("</ResourceRecords>")
	}
	b.WriteString("</ResourceRecordSet></Change>")
	return b.String()
}

// batch sends changes.
func (l *lab) batch(id string, changes ...string) reply {
	l.t.Helper()
	return l.call("POST", "hostedzone/"+id+"/rrset/", "<ChangeResourceRecordSetsRequest xmlns=\""+namespace+"\"><ChangeBatch><Changes>"+strings.Join(changes, "")+"</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>")
}

// must sends changes that must succeed.
func (l *lab) must(id string, changes ...string) {
	l.t.Helper()
	if got := l.batch(id, changes...); got.status != http.StatusOK {
		l.t.Fatalf("%+v", got)
	}
}
