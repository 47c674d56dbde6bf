package route53

import (
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/hosted"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// TestListed: zones of other owners are listed and read, and changed only if they are dynamic.
func TestListed(t *testing.T) {
	l := newLab(t)
	l.create("hosted.example", "1")
	const file, dynamic = "file.example", "dynamic.example"
	var zones []zone.Change
	for _, name := range []string{file, dynamic} {
		b := zone.NewBuilder(dname.MustParse(name))
		for _, r := range zonetest.MustParse(name+".", "@ 60 SOA ns.example. hostmaster.example. 1 1 1 1 1\n@ 60 NS ns.example.\na 60 A 192.0.2.1\n").Records() {
			b.Add(r)
		}
		z, findings := b.Build()
		if z == nil {
			t.Fatal(findings)
		}
		zones = append(zones, zone.Change{Zone: z, Apex: z.Apex(), Kept: name == dynamic})
	}
	if _, err := l.writer.Commit(commit.Request{Propose: func(*zone.Set) (*zone.Batch, error) { return &zone.Batch{Changes: zones}, nil }}); err != nil {
		t.Fatal(err)
	}
	list := []hosted.Listed{{Apex: dname.MustParse(file), From: "ptrd.yaml:3:5: zones[0]"}, {Apex: dname.MustParse(dynamic), From: "ptrd.yaml:4:5: zones[1]", Writable: true}}
	l.store.SetListed(list)
	id := func(name string) string {
		t.Helper()
		got := l.call("GET", "hostedzonesbyname?maxitems=1&dnsname="+name, "")
		if element1(got.body, "Name") != name+"." {
			t.Fatalf("%+v", got)
		}
		return bareID(element1(got.body, "Id"))
	}
	fileID, dynamicID := id(file), id(dynamic)
	if got := l.call("GET", "hostedzone/"+fileID, ""); element1(got.body, "NameServer") != "ns.example" || element1(got.body, "ResourceRecordSetCount") != "3" {
		t.Errorf("%+v", got)
	}
	page := l.list(fileID, "")
	if got := page.names(); !slices.Equal(got, []string{"file.example. NS", "file.example. SOA", "a.file.example. A"}) {
		t.Errorf("%q", got)
	}
	const denied = "The zone file.example. is not a hosted zone: ptrd.yaml:3:5: zones[0] has it. Change it there."
	if got := l.batch(fileID, change("UPSERT", "a.file.example", "A", 60, "192.0.2.2")); got.status != 403 || got.code != "AccessDenied" || got.message != denied {
		t.Errorf("%+v", got)
	}
	l.must(dynamicID, change("UPSERT", "a.dynamic.example", "A", 60, "192.0.2.2"), change("CREATE", "t.dynamic.example", "MX", 60, "10 mail.example"))
	for _, c := range []struct{ method, path, body string }{
		{"DELETE", "hostedzone/" + dynamicID, ""},
		{"POST", "delegationset", "<CreateReusableDelegationSetRequest><CallerReference>x</CallerReference><HostedZoneId>" + dynamicID + "</HostedZoneId></CreateReusableDelegationSetRequest>"},
		{"POST", "hostedzone/" + dynamicID, "<UpdateHostedZoneCommentRequest><Comment>x</Comment></UpdateHostedZoneCommentRequest>"},
		{"POST", "tags/hostedzone/" + dynamicID, "<ChangeTagsForResourceRequest><RemoveTagKeys><Key>x</Key></RemoveTagKeys></ChangeTagsForResourceRequest>"},
	} {
		if got := l.call(c.method, c.path, c.body); got.code != "AccessDenied" {
			t.Errorf("%s %s: %+v", c.method, c.path, got)
		}
	}
	l.taken["file.example."] = "ptrd.yaml:3:5: zones[0]"
	if got := l.call("POST", "hostedzone", "<CreateHostedZoneRequest><Name>file.example</Name><CallerReference>2</CallerReference></CreateHostedZoneRequest>"); got.code != "ConflictingDomainExists" || !strings.Contains(got.message, "zones[0]") {
		t.Errorf("%+v", got)
	}
	// Once it is listed no more it is unknown; when it is again, texts are as before.
	l.store.SetListed(nil)
	if got := l.call("GET", "hostedzone/"+dynamicID, ""); got.code != "NoSuchHostedZone" {
		t.Errorf("%+v", got)
	}
	l.store.SetListed(list)
	if got := l.list(dynamicID, ""); got.Sets[len(got.Sets)-1].Values[0] != "10 mail.example" {
		t.Errorf("%+v", got)
	}
	if got := l.call("GET", "hostedzonecount", ""); element1(got.body, "HostedZoneCount") != "3" {
		t.Errorf("%+v", got)
	}
}
