package route53

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/awsapi"
	"github.com/ptrd/ptrd/internal/sigv4"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// listed is a page of record sets as a client reads it.
type listed struct {
	Sets []struct {
		Name, Type string
		TTL        uint32
		Values     []string `xml:"ResourceRecords>ResourceRecord>Value"`
	} `xml:"ResourceRecordSets>ResourceRecordSet"`
	IsTruncated    bool
	NextRecordName string
	NextRecordType string
	MaxItems       string
}

func (l *lab) list(id, query string) (p listed) {
	l.t.Helper()
	got := l.call("GET", "hostedzone/"+id+"/rrset"+query, "")
	if got.status != 200 {
		l.t.Fatalf("%d %s: %s", got.status, got.code, got.message)
	}
	if err := xml.Unmarshal([]byte(got.body), &p); err != nil {
		l.t.Fatal(err)
	}
	return p
}

func (p *listed) names() (out []string) {
	for _, s := range p.Sets {
		out = append(out, s.Name+" "+s.Type)
	}
	return out
}

// TestList: names in one form, the order of the API, exact pages, values as they were
// submitted; after a restart as before.
func TestList(t *testing.T) {
	l := newLab(t)
	id := l.create("0/25.2.0.192.in-addr.arpa", "1")
	in := "0/25.2.0.192.in-addr.arpa"
	l.must(id,
		change("CREATE", "5."+in, "PTR", 60, "Mail.Example.COM"), // without its final dot
		change("CREATE", `\052.a.`+in, "TXT", 60, `"b"  "c\057d"`),
		change("CREATE", "a-b."+in, "A", 60, "192.0.2.1"),
		change("CREATE", "a."+in, "TXT", 60, `"x"`),
		change("CREATE", "a."+in, "A", 60, "192.0.2.2", "192.0.2.1"),
		change("CREATE", "x.a."+in, "MX", 60, "10 mail.example.com"),
		change("CREATE", "10."+in, "CAA", 60, `0  issue "ca.example"`),
	)
	suffix := `.0\05725.2.0.192.in-addr.arpa.`
	want := []string{suffix[1:] + " NS", suffix[1:] + " SOA", "10" + suffix + " CAA", "5" + suffix + " PTR",
		"a-b" + suffix + " A", "a" + suffix + " A", "a" + suffix + " TXT", `\052.a` + suffix + " TXT", "x.a" + suffix + " MX"}
	check := func() {
		t.Helper()
		all := l.list(id, "")
		if got := all.names(); !slices.Equal(got, want) || all.IsTruncated || all.MaxItems != "300" {
			t.Errorf("%q, want %q", got, want)
		}
		values := map[string]string{}
		for _, s := range all.Sets {
			values[s.Type] += strings.Join(s.Values, "|") + ";"
		}
		for kind, want := range map[string]string{"PTR": "Mail.Example.COM;", "TXT": `"x";"b"  "c\057d";`, "MX": "10 mail.example.com;", "CAA": `0  issue "ca.example";`,
			"SOA": "ns1.example.net. hostmaster.example.net. 1 7200 900 1209600 86400;"} {
			if values[kind] != want {
				t.Errorf("%s: %s, want %s", kind, values[kind], want)
			}
		}
		for size := 1; size <= len(want); size++ {
			var got []string
			query := fmt.Sprintf("?maxitems=%d", size)
			for n := 0; n <= len(want); n++ {
				p := l.list(id, query)
				got = append(got, p.names()...)
				if p.IsTruncated != (p.NextRecordName != "") || len(p.Sets) > size {
					t.Fatalf("pages of %d: %+v", size, p)
				}
				if !p.IsTruncated {
					break
				}
				query = fmt.Sprintf("?maxitems=%d&name=%s&type=%s", size, strings.ReplaceAll(p.NextRecordName, `\`, "%5C"), p.NextRecordType)
			}
			if !slices.Equal(got, want) {
				t.Errorf("pages of %d: %q", size, got)
			}
		}
		for query, first := range map[string]int{"name=a." + in + "&type=AAAA": 6, "name=a." + in: 5, "name=a-c." + in: 5, "name=" + in: 0, "name=in-addr.arpa": 0, "name=x." + in: 9, "name=zz.arpa": 9} {
			if got := l.list(id, "?"+query); !slices.Equal(got.names(), want[first:]) {
				t.Errorf("%s: %q, want %q", query, got.names(), want[first:])
			}
		}
	}
	check()
	l.stop()
	l.start()
	check()
	// What is listed can be deleted by repeating it, and then the zone.
	var changes []string
	for _, s := range l.list(id, "").Sets {
		if s.Type != "NS" && s.Type != "SOA" {
			changes = append(changes, change("DELETE", s.Name, s.Type, int(s.TTL), s.Values...))
		}
	}
	l.must(id, changes...)
	if got := l.call("DELETE", "hostedzone/"+id, ""); got.status != 200 {
		t.Errorf("%+v", got)
	}
	l.stop()
	l.start()
	if got := l.call("GET", "hostedzone/"+id, ""); got.code != "NoSuchHostedZone" {
		t.Errorf("%+v", got)
	}
	if got := l.call("POST", "hostedzone", "<CreateHostedZoneRequest><Name>x.example</Name><CallerReference>1</CallerReference></CreateHostedZoneRequest>"); got.code != "HostedZoneAlreadyExists" {
		t.Errorf("the CallerReference of a zone that was deleted: %+v", got)
	}
}

// TestApex: the SOA is listed as it was submitted, and served with a serial that grows.
func TestApex(t *testing.T) {
	l := newLab(t)
	id := l.create("example.com", "1")
	serial := func() uint32 { return uint32(l.writer.Set().Get(dname.MustParse("example.com")).Serial()) }
	first := serial()
	soa := "ns1.example.net. root.example.com. 7 1 2 3 4"
	l.must(id, change("UPSERT", "example.com", "SOA", 100, soa))
	if got := l.list(id, ""); got.Sets[1].Values[0] != soa || got.Sets[1].TTL != 100 || serial() <= first {
		t.Errorf("%+v, serial %d after %d", got.Sets, serial(), first)
	}
	second := serial()
	l.must(id, change("UPSERT", "example.com", "SOA", 100, soa))
	if serial() != second {
		t.Errorf("the same SOA again: serial %d after %d", serial(), second)
	}
	l.must(id, change("UPSERT", "example.com", "NS", 60, "ns9.example.net"), change("UPSERT", "www.example.com", "A", 60, "192.0.2.1"))
	if got := l.list(id, ""); got.Sets[1].Values[0] != soa || serial() <= second {
		t.Errorf("%+v, serial %d after %d", got.Sets, serial(), second)
	}
}

// TestZones: lists of zones, comments, tags and delegation sets, before and after a restart.
func TestZones(t *testing.T) {
	l := newLab(t)
	ids := map[string]string{}
	for i, name := range []string{"b.example", "a-b.example", "a.example", "x.a.example", "2.0.192.in-addr.arpa"} {
		ids[name] = l.create(name, fmt.Sprint("ref", i))
	}
	names := func(path string) (out []string) {
		t.Helper()
		got := l.call("GET", path, "")
		var p struct {
			Zones []struct{ Name string } `xml:"HostedZones>HostedZone"`
		}
		if err := xml.Unmarshal([]byte(got.body), &p); err != nil || got.status != 200 {
			t.Fatalf("%v %+v", err, got)
		}
		for _, z := range p.Zones {
			out = append(out, z.Name)
		}
		return out
	}
	id := ids["a.example"]
	for _, c := range []struct{ path, body string }{
		{"hostedzone/" + id, "<UpdateHostedZoneCommentRequest><Comment>a &amp; b</Comment></UpdateHostedZoneCommentRequest>"},
		{"tags/hostedzone/" + id, "<ChangeTagsForResourceRequest><AddTags><Tag><Key>k</Key><Value>v</Value></Tag><Tag><Key>gone</Key></Tag></AddTags></ChangeTagsForResourceRequest>"},
		{"tags/hostedzone/" + id, "<ChangeTagsForResourceRequest><RemoveTagKeys><Key>gone</Key></RemoveTagKeys></ChangeTagsForResourceRequest>"},
	} {
		if got := l.call("POST", c.path, c.body); got.status != 200 {
			t.Fatalf("%+v", got)
		}
	}
	set := l.call("POST", "delegationset", "<CreateReusableDelegationSetRequest><CallerReference>s</CallerReference></CreateReusableDelegationSetRequest>")
	if set.status != 201 {
		t.Fatalf("%+v", set)
	}
	setID := element1(set.body, "Id")
	if got := l.call("POST", "hostedzone", "<CreateHostedZoneRequest><Name>set.example</Name><CallerReference>9</CallerReference><DelegationSetId>"+setID+"</DelegationSetId></CreateHostedZoneRequest>"); got.status != 201 {
		t.Fatalf("%+v", got)
	}
	check := func() {
		t.Helper()
		want := []string{"2.0.192.in-addr.arpa.", "a-b.example.", "a.example.", "x.a.example.", "b.example.", "set.example."}
		if got := names("hostedzonesbyname"); !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
		if got := names("hostedzonesbyname?dnsname=a.example&maxitems=2"); !slices.Equal(got, want[2:4]) {
			t.Errorf("%q", got)
		}
		all := names("hostedzone")
		first := l.call("GET", "hostedzone?maxitems=4", "")
		rest := names("hostedzone?marker=" + element1(first.body, "NextMarker"))
		if len(all) != 6 || !slices.Equal(rest, all[4:]) || element1(first.body, "IsTruncated") != "true" {
			t.Errorf("%q, then %q", all, rest)
		}
		if got := names("hostedzone?delegationsetid=" + bareID(setID)); !slices.Equal(got, []string{"set.example."}) {
			t.Errorf("%q", got)
		}
		if got := l.call("GET", "hostedzone/"+id, ""); element1(got.body, "Comment") != "a &amp; b" {
			t.Errorf("%+v", got)
		}
		if got := l.call("GET", "tags/hostedzone/"+id, ""); !strings.Contains(got.body, "<Tags><Tag><Key>k</Key><Value>v</Value></Tag></Tags>") {
			t.Errorf("%+v", got)
		}
		if got := l.call("POST", "tags/hostedzone", "<ListTagsForResourcesRequest><ResourceIds><ResourceId>"+id+"</ResourceId></ResourceIds></ListTagsForResourcesRequest>"); !strings.Contains(got.body, "<Key>k</Key>") {
			t.Errorf("%+v", got)
		}
		if got := l.call("DELETE", strings.TrimPrefix(setID, "/"), ""); got.code != "DelegationSetInUse" {
			t.Errorf("%+v", got)
		}
		if got := l.call("GET", "hostedzonecount", ""); element1(got.body, "HostedZoneCount") != "6" {
			t.Errorf("%+v", got)
		}
	}
	check()
	l.stop()
	l.start()
	check()
	// The first set is reusable now; the other zones have the second.
	if got := l.call("POST", "delegationset", "<CreateReusableDelegationSetRequest><CallerReference>t</CallerReference></CreateReusableDelegationSetRequest>"); got.status != 201 {
		t.Fatalf("%+v", got)
	}
	if got := l.call("POST", "hostedzone", "<CreateHostedZoneRequest><Name>none.example</Name><CallerReference>10</CallerReference></CreateHostedZoneRequest>"); got.code != "DelegationSetNotAvailable" {
		t.Errorf("%+v", got)
	}
}

// TestDeletedStays: a reload that begins when a deletion has just become visible does not
// restore the zone.
func TestDeletedStays(t *testing.T) {
	l := newLab(t)
	id := l.create("example.com", "1")
	seen := false
	l.published = func(*zone.Batch) {
		seen = true
		if changes, failed := l.store.Plan(l.writer.Set(), func(dname.Name) bool { return true }); len(changes)+len(failed) > 0 {
			t.Errorf("planned: %v %v", changes, failed)
		}
	}
	if got := l.call("DELETE", "hostedzone/"+id, ""); got.status != http.StatusOK || !seen {
		t.Errorf("%+v", got)
	}
}

// TestChange: an id is known for ever, and no other is.
func TestChange(t *testing.T) {
	l := newLab(t)
	id := l.create("example.com", "1")
	commented := func(comment, change string) string {
		t.Helper()
		got := l.call("POST", "hostedzone/"+id+"/rrset", "<ChangeResourceRecordSetsRequest><ChangeBatch><Comment>"+comment+"</Comment><Changes>"+change+"</Changes></ChangeBatch></ChangeResourceRecordSetsRequest>")
		if got.status != 200 || element1(got.body, "Comment") != comment {
			t.Errorf("%+v", got)
		}
		return bareID(element1(got.body, "Id"))
	}
	add := change("UPSERT", "a.example.com", "A", 60, "192.0.2.1")
	cid, again := commented("for: the mail server", add), commented("nothing changes", add)
	next := bareID(element1(l.batch(id, change("CREATE", "b.example.com", "A", 60, "192.0.2.1")).body, "Id"))
	l.stop()
	l.start()
	for of, want := range map[string]string{cid: "for: the mail server", again: "", next: ""} {
		if got := l.call("GET", "change//change/"+of, ""); element1(got.body, "Status") != "INSYNC" || element1(got.body, "Comment") != want {
			t.Errorf("want %q: %+v", want, got)
		}
	}
	for i := 1; i < len(cid)-1; i++ {
		other := byte('A')
		if cid[i] == other {
			other = 'B'
		}
		if got := l.call("GET", "change/"+cid[:i]+string(other)+cid[i+1:], ""); got.code != "NoSuchChange" {
			t.Errorf("octet %d changed: %+v", i, got)
		}
	}
}

// TestPolicy: keys may do what their policy permits.
func TestPolicy(t *testing.T) {
	l := newLab(t)
	mine, other := l.create("mine.example", "1"), l.create("other.example", "2")
	l.policy.Keys["LIMITED"] = &awsapi.Key{
		Permits: func(operation string, changes bool) bool { return !changes || operation == "ChangeResourceRecordSets" },
		Allows:  func(apex dname.Name) bool { return apex.IsAtOrBelow(dname.MustParse("mine.example")) },
	}
	l.policy.Keys["LIMITED"].ID, l.policy.Keys["LIMITED"].Secret = "LIMITED", "s"
	for _, c := range []struct{ method, path, body, code string }{
		{"GET", "hostedzone/" + mine, "", ""},
		{"GET", "hostedzone/" + other, "", "AccessDenied"},
		{"GET", "hostedzone/" + other + "/rrset", "", "AccessDenied"},
		{"DELETE", "hostedzone/" + mine, "", "AccessDenied"},
		{"POST", "hostedzone/" + other + "/rrset", "", "AccessDenied"},
		{"POST", "tags/hostedzone", "<ListTagsForResourcesRequest><ResourceIds><ResourceId>" + mine + "</ResourceId></ResourceIds></ListTagsForResourcesRequest>", ""},
	} {
		if got := l.callAs("LIMITED", c.method, c.path, c.body); got.code != c.code || c.code == "AccessDenied" && got.status != 403 {
			t.Errorf("%s %s: %+v", c.method, c.path, got)
		}
	}
	if got := l.callAs("LIMITED", "GET", "hostedzone", ""); strings.Contains(got.body, "other.example") || !strings.Contains(got.body, "mine.example") {
		t.Errorf("%+v", got)
	}
	if got := l.callAs("LIMITED", "GET", "hostedzonecount", ""); element1(got.body, "HostedZoneCount") != "1" {
		t.Errorf("zones of others are counted: %+v", got)
	}
	// Records of other zones are not read through TestDNSAnswer.
	l.policy.Keys["LIMITED"].Allows = dname.MustParse("mine.example").Equal
	below := l.create("below.mine.example", "3")
	l.must(other, change("CREATE", "a.other.example", "A", 60, "192.0.2.99"))
	l.must(below, change("CREATE", "a.below.mine.example", "A", 60, "192.0.2.99"))
	l.must(mine, change("CREATE", "c.mine.example", "CNAME", 60, "a.other.example"), change("CREATE", "own.mine.example", "A", 60, "192.0.2.1"))
	for _, c := range []struct{ id, name, code, want string }{
		{mine, "own.mine.example", "", "192.0.2.1"},
		{mine, "c.mine.example", "", "a.other.example."},
		{mine, "a.below.mine.example", "", ""},
		{mine, "a.other.example", "InvalidInput", ""},
		{other, "a.other.example", "AccessDenied", ""},
	} {
		got := l.callAs("LIMITED", "GET", "testdnsanswer?hostedzoneid="+c.id+"&recordname="+c.name+"&recordtype=A", "")
		if got.code != c.code || element1(got.body, "RecordDataEntry") != c.want || strings.Contains(got.body, "192.0.2.99") {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
	l.policy.Throttle = 2
	codes := ""
	for range 3 {
		codes += l.call("GET", "hostedzone", "").code + ";"
	}
	if codes != ";;Throttling;" {
		t.Error(codes)
	}
	l.policy.Throttle, l.policy.Anonymous = 0, true
	r, _ := http.NewRequest("GET", l.http.URL+"/2013-04-01/hostedzone", nil)
	if got := l.do(r); got.status != 200 {
		t.Errorf("%+v", got)
	}
	r.Header.Set("Origin", "http://web.example")
	if got := l.do(r); got.code != "AccessDenied" {
		t.Errorf("a request of a web page: %+v", got)
	}
}

// TestPolicyOfSets: changes and delegation sets are those of the zones that a key may read, also of
// deleted ones.
func TestPolicyOfSets(t *testing.T) {
	l := newLab(t)
	mine, other := l.create("mine.example", "1"), l.create("other.example", "2")
	l.policy.Keys["LIMITED"] = &awsapi.Key{
		Key:     sigv4.Key{ID: "LIMITED", Secret: "s"},
		Permits: func(string, bool) bool { return true },
		Allows:  func(apex dname.Name) bool { return apex.IsAtOrBelow(dname.MustParse("mine.example")) },
	}
	cid := func(got reply) string { return "change/" + bareID(element1(got.body, "Id")) }
	changeOfMine, changeOfOther := cid(l.batch(mine, change("CREATE", "x.mine.example", "A", 60, "192.0.2.1"))), cid(l.batch(other, change("CREATE", "x.other.example", "A", 60, "192.0.2.1")))
	deleted := cid(l.call("DELETE", "hostedzone/"+l.create("gone.mine.example", "gone"), ""))
	create := func(key, zone string) string {
		t.Helper()
		got := l.callAs(key, "POST", "delegationset", "<CreateReusableDelegationSetRequest><CallerReference>"+key+zone+"</CallerReference><HostedZoneId>"+zone+"</HostedZoneId></CreateReusableDelegationSetRequest>")
		if got.status != 201 {
			t.Fatalf("%+v", got)
		}
		return bareID(element1(got.body, "Id"))
	}
	foreign := create("AKIALAB", other)
	own := create("LIMITED", mine)
	l.stop()
	l.start()
	for _, c := range []struct{ method, path, body, code string }{
		{"GET", changeOfMine, "", ""},
		{"GET", deleted, "", ""},
		{"GET", changeOfOther, "", "AccessDenied"},
		{"GET", "delegationset/" + foreign, "", "AccessDenied"},
		{"GET", "reusabledelegationsetlimit/" + foreign + "/MAX_ZONES_BY_REUSABLE_DELEGATION_SET", "", "AccessDenied"},
		{"GET", "hostedzone?delegationsetid=" + foreign, "", "AccessDenied"},
		{"DELETE", "delegationset/" + foreign, "", "AccessDenied"},
		{"POST", "hostedzone", "<CreateHostedZoneRequest><Name>new.mine.example</Name><CallerReference>n</CallerReference><DelegationSetId>" + foreign + "</DelegationSetId></CreateHostedZoneRequest>", "AccessDenied"},
		{"POST", "hostedzone", "<CreateHostedZoneRequest><Name>new.mine.example</Name><CallerReference>n</CallerReference><DelegationSetId>" + own + "</DelegationSetId></CreateHostedZoneRequest>", ""},
		{"GET", "delegationset/" + own, "", ""},
		{"DELETE", "delegationset/" + own, "", "DelegationSetInUse"},
	} {
		if got := l.callAs("LIMITED", c.method, c.path, c.body); got.code != c.code {
			t.Errorf("%s %s: %+v", c.method, c.path, got)
		}
	}
	if got := l.callAs("LIMITED", "GET", "delegationset", ""); strings.Contains(got.body, foreign) || !strings.Contains(got.body, own) {
		t.Errorf("%+v", got)
	}
}
