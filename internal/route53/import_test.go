package route53

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/hosted"
)

// pages are a list of record sets in the JSON of the AWS CLI. The alias of an alias is on the page
// before its target.
var pages = []string{
	`{"ResourceRecordSets": [
  {"Name": "example.com.", "Type": "A", "AliasTarget": {"HostedZoneId": "Z2", "DNSName": "dualstack.lb.eu-central-1.elb.amazonaws.com.", "EvaluateTargetHealth": true}},
  {"Name": "example.com.", "Type": "MX", "TTL": 300, "ResourceRecords": [{"Value": "10 mail.example.com"}, {"Value": "20 MAIL2.example.com."}]},
  {"Name": "example.com.", "Type": "NS", "TTL": 172800, "ResourceRecords": [{"Value": "ns-1.awsdns-01.org."}, {"Value": "ns-2.awsdns-02.co.uk."}]},
  {"Name": "example.com.", "Type": "SOA", "TTL": 900, "ResourceRecords": [{"Value": "ns-1.awsdns-01.org. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"}]},
  {"Name": "\\052.example.com.", "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": "www.example.com"}]},
  {"Name": "again.example.com.", "Type": "A", "AliasTarget": {"HostedZoneId": "Z1", "DNSName": "alias.example.com.", "EvaluateTargetHealth": true}}],
 "IsTruncated": true, "NextRecordName": "alias.example.com.", "NextRecordType": "A", "MaxItems": "6"}`,
	`{"ResourceRecordSets": [
  {"Name": "alias.example.com.", "Type": "A", "AliasTarget": {"HostedZoneId": "Z1", "DNSName": "www.example.com.", "EvaluateTargetHealth": false}},
  {"Name": "circle.example.com.", "Type": "A", "AliasTarget": {"HostedZoneId": "Z1", "DNSName": "circle.example.com.", "EvaluateTargetHealth": false}},
  {"Name": "0\\05725.example.com.", "Type": "TXT", "TTL": 60, "ResourceRecords": [{"Value": "\"a\\057\\\"b\" \"` + strings.Repeat("x", 255) + `\" \"` + strings.Repeat("y", 255) + `\""}]},
  {"Name": "bad.example.com.", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2"}]},
  {"Name": "w.example.com.", "Type": "A", "SetIdentifier": "one", "Weight": 1, "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}]}`,
	`{"ResourceRecordSets": [
  {"Name": "www.example.com.", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}, {"Value": "192.0.2.2"}]}]}`,
}

// TestImport imports a listing as a hosted zone, and lists it again, also after a restart.
func TestImport(t *testing.T) {
	l := newLab(t)
	listing, err := hosted.ReadListing(pages)
	if err != nil {
		t.Fatal(err)
	}
	left := []string{
		"bad.example.com. A: Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address) encountered with '192.0.2''",
		`w.example.com. A: one of several record sets with a routing policy, "one"`,
		"example.com. A: an alias of dualstack.lb.eu-central-1.elb.amazonaws.com., which is not in the same zone",
		"circle.example.com. A: an alias of circle.example.com., which is not in the same zone",
	}
	if !slices.Equal(listing.Left, left) {
		t.Errorf("left %q, want %q", listing.Left, left)
	}
	z, err := l.store.Import(listing)
	if err != nil {
		t.Fatal(err)
	}
	alias := func(name, evaluate string) string {
		return "<ResourceRecordSet><Name>" + name + "</Name><Type>A</Type><AliasTarget><HostedZoneId>" + z.ID + "</HostedZoneId><DNSName>www.example.com.</DNSName><EvaluateTargetHealth>" + evaluate + "</EvaluateTargetHealth></AliasTarget></ResourceRecordSet>"
	}
	set := func(name, kind, ttl string, values ...string) string {
		text := "<ResourceRecordSet><Name>" + name + "</Name><Type>" + kind + "</Type><TTL>" + ttl + "</TTL><ResourceRecords>"
		for _, v := range values {
			text += "<ResourceRecord><Value>" + v + "</Value></ResourceRecord>"
		}
		return text + "</ResourceRecords></ResourceRecordSet>"
	}
	want := "<ResourceRecordSets>" +
		set("example.com.", "MX", "300", "10 mail.example.com", "20 MAIL2.example.com.") +
		set("example.com.", "NS", "172800", "ns1.example.net.", "ns2.example.net.") +
		set("example.com.", "SOA", "900", "ns1.example.net. hostmaster.example.net. 1 7200 900 1209600 86400") +
		set(`0\05725.example.com.`, "TXT", "60", `&#34;a\057\&#34;b&#34; &#34;`+strings.Repeat("x", 255)+`&#34; &#34;`+strings.Repeat("y", 255)+`&#34;`) +
		set(`\052.example.com.`, "CNAME", "60", "www.example.com") +
		alias("again.example.com.", "true") + alias("alias.example.com.", "false") +
		set("www.example.com.", "A", "60", "192.0.2.1", "192.0.2.2") + "</ResourceRecordSets>"
	for _, when := range []string{"after the import", "after a restart"} {
		got := l.call("GET", "hostedzone/"+z.ID+"/rrset", "").body
		if !strings.Contains(got, want) {
			t.Errorf("%s: %s\nwant %s", when, got, want)
		}
		l.must(z.ID, change("UPSERT", "www.example.com", "A", 60, "192.0.2.1", "192.0.2.2"))
		l.stop()
		l.start()
	}
	l.must(z.ID, change("UPSERT", "www.example.com", "A", 60, "192.0.2.9"))
	for _, name := range []string{"again.example.com", "alias.example.com"} {
		if got := l.call("GET", "testdnsanswer?hostedzoneid="+z.ID+"&recordname="+name+"&recordtype=A", "").body; element1(got, "RecordDataEntry") != "192.0.2.9" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

// TestImportRefused checks that nothing is left of an import that is refused, with all reasons.
func TestImportRefused(t *testing.T) {
	l := newLab(t)
	l.taken["taken.example."] = "ptrd.yaml:3:5: zones[0]"
	soa := `{"Name": "%s", "Type": "SOA", "TTL": 900, "ResourceRecords": [{"Value": "ns-1.awsdns-01.org. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"}]}`
	for _, c := range []struct{ apex, sets, want string }{
		{"taken.example.", "", "The zone taken.example. is served already: ptrd.yaml:3:5: zones[0] has it. Remove it there, or change it there."},
		{"a.example.", `,{"Name": "b.example.", "Type": "A", "TTL": 1, "ResourceRecords": [{"Value": "192.0.2.1"}]},
			{"Name": "x.a.example.", "Type": "CNAME", "TTL": 1, "ResourceRecords": [{"Value": "y."}, {"Value": "z."}]}`,
			"[RRSet with DNS name b.example. is not permitted in zone a.example., RRSet of type CNAME with DNS name x.a.example. has 2 values, must have one]"},
	} {
		listing, err := hosted.ReadListing([]string{`{"ResourceRecordSets": [` + fmt.Sprintf(soa, c.apex) + c.sets + `]}`})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.store.Import(listing); err == nil || err.Error() != c.want {
			t.Errorf("%s: %v, want %s", c.apex, err, c.want)
		}
	}
	if n := l.store.CountZones(func(*hosted.Zone) bool { return true }); n != 0 || l.writer.Set().Len() != 0 {
		t.Errorf("%d zones are left, %d are served", n, l.writer.Set().Len())
	}
}
