package daemon

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/catalog"
	"github.com/ptrd/ptrd/internal/certtest"
	"github.com/ptrd/ptrd/internal/explain"
	"github.com/ptrd/ptrd/internal/hosted"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

const hostedConfig = `
listen: {dns: ["127.0.0.1:0"], route53: "127.0.0.1:0"}
state_dir: state
defaults: {nameservers: [ns1.example.net]}
route53: {access_keys: [{id: AKIALAB, secret: secret}]}
zones:
  - {prefix: 10.1.0.0/16}
`

// TestHostedZones: a hosted zone is served like others, a zone has one owner, and both stay so over
// a reload and a restart.
func TestHostedZones(t *testing.T) {
	dir := shortDir(t)
	l := start(t, dir, hostedConfig)
	defer func() { l.stop() }()
	apex := dname.MustParse("2.0.192.in-addr.arpa")
	z, _, err := l.hosted.CreateZone(&hosted.Creation{Apex: apex, CallerReference: "1"})
	if err != nil {
		t.Fatal(err)
	}
	value, err := hosted.ParseValue(rr.TypePTR, "mail.example.com")
	if err != nil {
		t.Fatal(err)
	}
	edit := hosted.Edit{Action: hosted.Create, Owner: dname.MustParse("5.2.0.192.in-addr.arpa"), Type: rr.TypePTR, TTL: 60, Values: []hosted.Value{value}}
	change, err := l.hosted.ChangeRecords(z.ID, []hosted.Edit{edit}, "test", "")
	if err != nil {
		t.Fatal(err)
	}
	e, err := l.explain(l.views.Load(), explain.Question{Name: edit.Owner, Type: rr.TypePTR})
	if err != nil || len(e.Answer) != 1 || len(e.Answer[0].Sources) != 1 {
		t.Fatalf("explain: %+v %v", e, err)
	}
	if from := e.Answer[0].Sources[0].What; !strings.HasPrefix(from, "route53 by test, serial ") || !strings.HasSuffix(from, ", change "+change.ID) {
		t.Errorf("its source is %q, want the change %s", from, change.ID)
	}
	_, _, err = l.hosted.CreateZone(&hosted.Creation{Apex: dname.MustParse("1.10.in-addr.arpa"), CallerReference: "2"})
	var fault *hosted.Fault
	if !errors.As(err, &fault) || fault.Code != hosted.ConflictingDomainExists || !strings.Contains(err.Error(), "config.yaml:7:5: zones[0] has it") {
		t.Errorf("a zone that the configuration has: %v", err)
	}
	served := func() bool {
		z := l.views.Load().Zones.Get(apex)
		if z == nil {
			return false
		}
		_, ok := z.Get(edit.Owner, rr.TypePTR)
		one := l.registry.Load().Get(apex)
		return ok && one != nil && one.Owner == hostedOwner{}
	}
	if !served() {
		t.Error("it is not served")
	}
	reload := func(config, want string) {
		t.Helper()
		replace(t, dir+"/config.yaml", config)
		o, err := l.Reload(t.Context())
		if err != nil || o.InForce != (want == "") || !strings.Contains(o.Error, want) {
			t.Errorf("%v, %+v; want %q", err, o, want)
		}
		if !served() {
			t.Error("it is not served after a reload")
		}
	}
	reload(hostedConfig+"  - {prefix: 10.2.0.0/16}\n", "")
	reload(hostedConfig+"  - {prefix: 192.0.2.0/24}\n", "config.yaml:8:5: zones[1]: zone 2.0.192.in-addr.arpa. is a hosted zone of the Route 53 API, with the id "+z.ID)
	// The reload failed, so that the next start would too.
	replace(t, dir+"/config.yaml", hostedConfig)
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	l = start(t, dir, hostedConfig)
	if !served() {
		t.Error("it is not served after a restart")
	}
	if _, _, err := l.hosted.CreateZone(&hosted.Creation{Apex: dname.MustParse("other.example"), CallerReference: "1"}); !errors.As(err, &fault) || fault.Code != hosted.HostedZoneAlreadyExists {
		t.Errorf("the CallerReference again: %v", err)
	}
	// Without a listener of the API, hosted zones are served as before.
	reload(strings.Replace(hostedConfig, `, route53: "127.0.0.1:0"`, "", 1), "")
	if l.Status().Route53 != "" {
		t.Errorf("the API listens at %s", l.Status().Route53)
	}
}

// hostedLab starts a server with hosted zones of these names and returns their ids.
func hostedLab(t *testing.T, names ...string) (dir string, ids map[string]string) {
	t.Helper()
	dir, ids = shortDir(t), map[string]string{}
	l := start(t, dir, hostedConfig)
	for _, name := range names {
		z, _, err := l.hosted.CreateZone(&hosted.Creation{Apex: dname.MustParse(name), CallerReference: name})
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = z.ID
	}
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	return dir, ids
}

// checkDamaged checks what is reported of the damaged hosted zone lost.example and that other.example
// is well; served: the data of the first are there.
func checkDamaged(t *testing.T, l *lab, ids map[string]string, served bool, text string) {
	t.Helper()
	broken := l.state.Load().outcome.Broken
	if len(broken) != 1 || broken[0].Zone != "lost.example." || broken[0].LastGood != served || !strings.Contains(broken[0].Reason, "`ptrd recover lost.example.`") {
		t.Errorf("zones with errors: %+v", broken)
	}
	if log := l.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, text) {
		t.Errorf("the log has nothing of it:\n%s", log)
	}
	for name, z := range l.servedZones() {
		if z.available != (name != "lost.example." || served) {
			t.Errorf("%s: %+v", name, z)
		}
	}
	if _, _, err := l.hosted.Records(ids["other.example."], hosted.Start{}, 10); err != nil {
		t.Error(err)
	}
}

// recoverLost has lost.example recovered, which must be listed after that.
func recoverLost(t *testing.T, l *lab) {
	t.Helper()
	o, err := l.recover(t.Context(), url.Values{"what": {"lost.example"}})
	if err != nil {
		t.Fatal(err)
	}
	if o := o.(*Outcome); !o.OK() {
		t.Errorf("after its recovery: %+v", o)
	}
	checkListed(t, l)
}

func checkListed(t *testing.T, l *lab) {
	t.Helper()
	apex := dname.MustParse("lost.example")
	list, _, err := l.hosted.Records(l.hosted.Has(apex), hosted.Start{}, 10)
	if err != nil || len(list) != 2 {
		t.Errorf("its records: %v %v", list, err)
	}
	if z := l.servedZones()["lost.example."]; !z.available {
		t.Error("it is not served")
	}
}

// TestLostHostedZone: a hosted zone whose content is lost costs this zone alone, the operator
// learns of it, and can have it begin again.
func TestLostHostedZone(t *testing.T) {
	dir, ids := hostedLab(t, "lost.example.", "other.example.")
	files, err := filepath.Glob(filepath.Join(dir, "state", "zones", "lost.example.*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	l := start(t, dir, hostedConfig)
	checkDamaged(t, l, ids, false, "zone lost.example.: its content as of serial")
	var fault *hosted.Fault
	if _, _, err := l.hosted.Records(ids["lost.example."], hosted.Start{}, 10); !errors.As(err, &fault) || fault.Code != hosted.ServiceUnavailable {
		t.Errorf("its records: %v", err)
	}
	recoverLost(t, l)
	if id := l.hosted.Has(dname.MustParse("lost.example")); id != ids["lost.example."] {
		t.Errorf("it has the id %s, had %s", id, ids["lost.example."])
	}
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	checkListed(t, start(t, dir, hostedConfig))
}

// TestDamagedHostedNote: a hosted zone whose own note is damaged is served as before, and its name
// cannot be used again until the operator has it recovered.
func TestDamagedHostedNote(t *testing.T) {
	dir, ids := hostedLab(t, "lost.example.", "other.example.")
	path := filepath.Join(dir, "state", journalName)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.ReplaceAll(data, []byte(`"reference":"lost`), []byte(`"reference":"lust`))
	if bytes.Equal(data, damaged) {
		t.Fatal("there is no such note")
	}
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	apex := dname.MustParse("lost.example")
	for range 2 { // the loss is not forgotten
		l := start(t, dir, hostedConfig)
		checkDamaged(t, l, ids, true, "1 of 2 notes about it")
		checkDamaged(t, l, ids, true, "so that the API does not list it")
		if id := l.hosted.Has(apex); id != "" {
			t.Errorf("it is listed as %s", id)
		}
		var fault *hosted.Fault
		if _, _, err := l.hosted.CreateZone(&hosted.Creation{Apex: apex, CallerReference: "again"}); !errors.As(err, &fault) || fault.Code != hosted.ConflictingDomainExists || !strings.Contains(err.Error(), "`ptrd recover lost.example.`") {
			t.Errorf("created again: %v", err)
		}
		l.reload(t)
		checkDamaged(t, l, ids, true, "")
		if err := l.stop(); err != nil {
			t.Fatal(err)
		}
	}
	l := start(t, dir, hostedConfig)
	before := l.servedZones()["lost.example."]
	recoverLost(t, l)
	if after := l.servedZones()["lost.example."]; after != before {
		t.Errorf("the content was %+v, is %+v", before, after)
	}
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	l = start(t, dir, hostedConfig)
	checkListed(t, l)
	if _, err := l.hosted.DeleteZone(l.hosted.Has(apex)); err != nil {
		t.Error(err)
	}
	if _, err := l.recover(t.Context(), url.Values{"what": {"lost.example"}}); err == nil || !strings.Contains(err.Error(), "has nothing that is kept here alone") {
		t.Errorf("a deleted zone is recovered: %v", err)
	}
}

// TestHostedZonesWithoutJournal: contents of hosted zones outlive the journal, and can be had.
func TestHostedZonesWithoutJournal(t *testing.T) {
	dir, _ := hostedLab(t, "lost.example.")
	if err := os.Remove(filepath.Join(dir, "state", journalName)); err != nil {
		t.Fatal(err)
	}
	l := start(t, dir, hostedConfig)
	if !l.names("lost.example.") {
		t.Errorf("nothing says what is left\n%s", l.log)
	}
	recoverLost(t, l)
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	checkListed(t, start(t, dir, hostedConfig))
}

// TestHostedInCatalog: hosted zones come and go in our own catalogs, by IXFR, and nothing changes at
// a reload or restart. The limits of their history hold from their creation on.
func TestHostedInCatalog(t *testing.T) {
	const config = `
listen: {dns: ["127.0.0.1:0"], route53: "127.0.0.1:0", admin: ""}
state_dir: state
rate_limit: {enabled: false}
defaults: {nameservers: ns1.example.com, transfer: {allow: 127.0.0.1, notify_nameservers: false}}
route53: {access_keys: [{id: AKIALAB, secret: secret}], history: {max_size: 65536}}
zones: [{name: example.com}]
catalogs:
  - {name: all.example, zones: all, transfer: {allow: 127.0.0.1}}
  - {name: lab.example, zones: [{zone: example.org, group: lab}], transfer: {allow: 127.0.0.1}}
`
	dir := shortDir(t)
	l := start(t, dir, config)
	serial := func(name string) uint32 {
		return uint32(l.zones.Set().Get(dname.MustParse(name)).Serial())
	}
	changes := func(name string, from uint32) (n int) {
		t.Helper()
		list, err := transferred(l.dns, name, "", from)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	lists := func(name string, want int) {
		t.Helper()
		if got, err := catalog.Read(l.zones.Set().Get(dname.MustParse(name)), 100); len(got) != want || err != nil {
			t.Errorf("%s lists %v %v, want %d zones", name, got, err, want)
		}
	}
	create := func(name string) string {
		t.Helper()
		z, _, err := l.hosted.CreateZone(&hosted.Creation{Apex: dname.MustParse(name), CallerReference: name})
		if err != nil {
			t.Fatal(err)
		}
		return z.ID
	}
	before := serial("all.example")
	lists("lab.example", 0)
	id := create("www.example.org")
	create("2.0.192.in-addr.arpa")
	lists("all.example", 3)
	lists("lab.example", 1)
	if n := changes("all.example.", before); n > 8 { // by IXFR
		t.Errorf("%d records", n)
	}
	before = serial("all.example")
	for range 2 {
		if o := l.reload(t); !o.OK() || len(o.Changed) > 0 || serial("all.example") != before {
			t.Errorf("serial %d, was %d; %+v", serial("all.example"), before, o)
		}
		if err := l.stop(); err != nil {
			t.Fatal(err)
		}
		l = start(t, dir, config)
	}
	if _, err := l.hosted.DeleteZone(id); err != nil {
		t.Fatal(err)
	}
	lists("all.example", 2)
	lists("lab.example", 0)
	if limits := l.registry.Load().HistoryOf(dname.MustParse("2.0.192.in-addr.arpa")); limits == nil || limits.MaxSize != 65536 {
		t.Errorf("limits of the history: %+v", limits)
	}
}

// TestHostedSettings: a reload changes the settings of hosted zones that there are.
func TestHostedSettings(t *testing.T) {
	dir := shortDir(t)
	const plain = `
listen: {dns: ["127.0.0.1:0"], route53: "127.0.0.1:0", admin: ""}
state_dir: state
defaults: {nameservers: ns1.example.net}
route53: {access_keys: [{id: AKIALAB, secret: secret}]}
zones: []
`
	l := start(t, dir, plain)
	apex := dname.MustParse("example.com")
	if _, _, err := l.hosted.CreateZone(&hosted.Creation{Apex: apex, CallerReference: "1"}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		settings      string
		size          int64 // of the history; 0: as others
		transfers     bool
		notified, all int
	}{
		{"", 0, false, 0, dns.RcodeSuccess},
		{"history: {max_size: 65536}, transfer: {allow: 127.0.0.1, notify: \"127.0.0.1:9\", notify_nameservers: false}, ", 65536, true, 1, dns.RcodeSuccess},
		{"history: {max_size: 131072}, access: {deny: 127.0.0.1}, ", 131072, false, 0, dns.RcodeRefused},
		{"", 0, false, 0, dns.RcodeSuccess},
	} {
		replace(t, dir+"/config.yaml", strings.Replace(plain, "route53: {access", "route53: {"+c.settings+"access", 1))
		if o := l.reload(t); !o.OK() {
			t.Fatalf("%+v", o)
		}
		size := int64(0)
		if h := l.registry.Load().HistoryOf(apex); h != nil {
			size = h.MaxSize
		}
		notified := 0
		if n := l.registry.Load().Notified(apex); n != nil {
			notified = len(n.Targets)
		}
		_, err := transferred(l.dns, "example.com.", "", 0)
		m := new(dns.Msg)
		m.SetQuestion("example.com.", dns.TypeSOA)
		r, _, asked := (&dns.Client{Timeout: patience}).Exchange(m, l.dns)
		if asked != nil {
			t.Fatal(asked)
		}
		if size != c.size || notified != c.notified || (err == nil) != c.transfers || r.Rcode != c.all {
			t.Errorf("%q: history of %d octets, %d are notified, a transfer ends with %v, a query with %d", c.settings, size, notified, err, r.Rcode)
		}
	}
}

// TestRoute53TLS: a reload switches TLS of the API on and off at the same address, and changes its
// certificate.
func TestRoute53TLS(t *testing.T) {
	dir := shortDir(t)
	ca := certtest.New(t, dir, "ca")
	ca.Issue("a", "api.example", time.Hour)
	ca.Issue("b", "api.example", time.Hour)
	pem, err := os.ReadFile(ca.File)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	config := func(name string) string {
		if name == "" {
			return hostedConfig
		}
		return strings.Replace(hostedConfig, `route53: "127.0.0.1:0"`, fmt.Sprintf(`route53: {address: "127.0.0.1:0", cert_file: %s.pem, key_file: %[1]s.key}`, name), 1)
	}
	l := start(t, dir, hostedConfig)
	addr := l.Status().Route53
	for _, name := range []string{"", "a", "b", "", "b"} {
		replace(t, dir+"/config.yaml", config(name))
		if o := l.reload(t); !o.OK() || len(o.Restart) > 0 || l.Status().Route53 != addr {
			t.Errorf("%q: %+v, the API listens at %s", name, o, l.Status().Route53)
		}
		for _, scheme := range []string{"http", "https"} {
			client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "api.example"}}}
			r, err := client.Get(scheme + "://" + addr + "/2013-04-01/hostedzone")
			if answered := err == nil && r.StatusCode == http.StatusForbidden; answered != ((scheme == "https") == (name != "")) {
				t.Errorf("%q: %s is answered: %v, %v", name, scheme, answered, err)
			} else if answered && r.TLS != nil && r.TLS.PeerCertificates[0].Subject.CommonName != name {
				t.Errorf("%q: the certificate is that of %s", name, r.TLS.PeerCertificates[0].Subject.CommonName)
			}
			client.CloseIdleConnections()
		}
	}
}

// TestImportZone: a zone is imported where the API can change it, and only there.
func TestImportZone(t *testing.T) {
	page := `{"ResourceRecordSets": [
  {"Name": "example.com.", "Type": "SOA", "TTL": 900, "ResourceRecords": [{"Value": "ns.example. h.example. 1 7200 900 1209600 86400"}]},
  {"Name": "www.example.com.", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}]}`
	l := start(t, shortDir(t), hostedConfig)
	var out bytes.Buffer
	if err := l.verbs()[VerbImport](t.Context(), url.Values{"page": {page}}, &out); err != nil || !strings.Contains(out.String(), `"record_sets":3`) {
		t.Errorf("%v\n%s", err, out.String())
	}
	l.stop()
	l = start(t, shortDir(t), strings.Replace(hostedConfig, `, route53: "127.0.0.1:0"`, "", 1))
	defer l.stop()
	err := l.verbs()[VerbImport](t.Context(), url.Values{"page": {page}}, &out)
	if err == nil || !strings.HasPrefix(err.Error(), "listen.route53 is not configured") || l.views.Load().Zones.Get(dname.MustParse("example.com")) != nil {
		t.Errorf("without the API: %v", err)
	}
}
