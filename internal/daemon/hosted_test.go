package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
	if _, err := l.hosted.ChangeRecords(t.Context(), z.ID, []hosted.Edit{edit}, "test"); err != nil {
		t.Fatal(err)
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

// TestLostHostedZone: a hosted zone whose content is lost costs this zone alone, and the operator
// learns of it.
func TestLostHostedZone(t *testing.T) {
	dir := shortDir(t)
	l := start(t, dir, hostedConfig)
	defer func() { l.stop() }()
	ids := map[string]string{}
	for _, name := range []string{"lost.example.", "other.example."} {
		z, _, err := l.hosted.CreateZone(&hosted.Creation{Apex: dname.MustParse(name), CallerReference: name})
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = z.ID
	}
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "state", "zones", "lost.example.*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if err := os.Remove(files[0]); err != nil {
		t.Fatal(err)
	}
	l = start(t, dir, hostedConfig)
	if broken := l.state.Load().outcome.Broken; len(broken) != 1 || broken[0].Zone != "lost.example." || !strings.Contains(broken[0].Reason, "`ptrd recover lost.example.`") {
		t.Errorf("zones without data: %+v", broken)
	}
	if log := l.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "zone lost.example.: its content as of serial") {
		t.Errorf("the log has nothing of it:\n%s", log)
	}
	for name, z := range l.servedZones() {
		if z.available == (name == "lost.example.") {
			t.Errorf("%s: %+v", name, z)
		}
	}
	var fault *hosted.Fault
	if _, _, err := l.hosted.Records(ids["lost.example."], hosted.Start{}, 10); !errors.As(err, &fault) || fault.Code != hosted.ServiceUnavailable {
		t.Errorf("its records: %v", err)
	}
	if _, _, err := l.hosted.Records(ids["other.example."], hosted.Start{}, 10); err != nil {
		t.Error(err)
	}
}
