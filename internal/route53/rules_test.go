package route53

import (
	"fmt"
	"strings"
	"testing"
)

// TestRules: each rule of the API, with code, status and message as clients print them.
func TestRules(t *testing.T) {
	l := newLab(t)
	id := l.create("Example.COM", "used")
	l.must(id, change("CREATE", "a.example.com", "A", 60, "192.0.2.1"), change("CREATE", "c.example.com", "CNAME", 60, "a.example.com"))
	l.taken["taken.example."] = "ptrd.yaml:3:5: zones[0]"
	root := func(name, inner string) string { return "<" + name + ">" + inner + "</" + name + ">" }
	creation := func(inner string) string { return root("CreateHostedZoneRequest", inner) }
	type row struct {
		what               string
		method, path, body string
		status             int
		code, message      string
	}
	batch := func(what, code, message string, changes ...string) row {
		return row{what, "POST", "hostedzone/" + id + "/rrset", root("ChangeResourceRecordSetsRequest", root("ChangeBatch", root("Changes", strings.Join(changes, "")))), 400, code, message}
	}
	many := func(n int, length int) (list []string) {
		for i := range n {
			list = append(list, fmt.Sprintf(`"%0*d"`, length-2, i))
		}
		return list
	}
	bulk := func(action string, n, per, length int) (list []string) {
		for i := range n {
			list = append(list, change(action, fmt.Sprintf("b%d.example.com", i), "TXT", 60, many(per, length)...))
		}
		return list
	}
	const icb = "InvalidChangeBatch"
	facet := func(v, list string) string {
		return "Invalid XML ; cvc-enumeration-valid: Value '" + v + "' is not facet-valid with respect to enumeration '[" + list + "]'. It must be a value from the enumeration."
	}
	const types = "SOA, A, TXT, NS, CNAME, MX, NAPTR, PTR, SRV, SPF, AAAA, CAA, DS, TLSA, SSHFP, SVCB, HTTPS"
	rows := []row{
		{"CallerReference used", "POST", "hostedzone", creation("<Name>other.example</Name><CallerReference>used</CallerReference>"), 409, "HostedZoneAlreadyExists", "A hosted zone has already been created with the specified caller reference: used"},
		{"invalid name", "POST", "hostedzone", creation("<Name>a..b</Name><CallerReference>1</CallerReference>"), 400, "InvalidDomainName", "a..b is not a valid domain name: a label is empty"},
		{"long name", "POST", "hostedzone", creation("<Name>" + strings.Repeat("abcdefg.", 32) + "</Name><CallerReference>1</CallerReference>"), 400, "InvalidDomainName", strings.Repeat("abcdefg.", 32) + " is not a valid domain name: the name has 257 octets, must have at most 255"},
		{"misspelt reverse tree", "POST", "hostedzone", creation("<Name>8.b.d.0.1.0.0.2.ip6.arp</Name><CallerReference>1</CallerReference>"), 400, "InvalidDomainName", "8.b.d.0.1.0.0.2.ip6.arp. is not a valid domain name: there is no reverse tree ip6.arp; did you mean 8.b.d.0.1.0.0.2.ip6.arpa.?"},
		{"reverse tree without a part", "POST", "hostedzone", creation("<Name>113.0.203.in-adr.arpa</Name><CallerReference>1</CallerReference>"), 400, "InvalidDomainName", `113.0.203.in-adr.arpa. is not a valid domain name: there is no reverse tree in-adr.arpa; did you mean 113.0.203.in-addr.arpa.?`},
		{"octet above 255", "POST", "hostedzone", creation("<Name>0.256.10.in-addr.arpa</Name><CallerReference>1</CallerReference>"), 400, "InvalidDomainName", `0.256.10.in-addr.arpa. is not a valid domain name: label "256" is not an octet (0 to 255)`},
		{"groups for nibbles", "POST", "hostedzone", creation("<Name>0db8.2001.ip6.arpa</Name><CallerReference>1</CallerReference>"), 400, "InvalidDomainName", `0db8.2001.ip6.arpa. is not a valid domain name: label "0db8" is not a nibble, one hexadecimal digit; did you mean 8.b.d.0.1.0.0.2.ip6.arpa.?`},
		{"same name", "POST", "hostedzone", creation("<Name>example.com.</Name><CallerReference>1</CallerReference>"), 400, "ConflictingDomainExists", "The hosted zone example.com. exists already, with the ID " + id + ": one server answers for a name with one zone. Change that one, or delete it first."},
		{"zone of the configuration", "POST", "hostedzone", creation("<Name>taken.example</Name><CallerReference>1</CallerReference>"), 400, "ConflictingDomainExists", "The zone taken.example. is served already: ptrd.yaml:3:5: zones[0] has it. Remove it there, or change it there."},
		{"private zone", "POST", "hostedzone", creation("<Name>p.example</Name><CallerReference>1</CallerReference><HostedZoneConfig><PrivateZone>true</PrivateZone></HostedZoneConfig>"), 400, "InvalidInput", "PrivateZone is not offered: there are no private zones"},
		{"unknown delegation set", "POST", "hostedzone", creation("<Name>p.example</Name><CallerReference>1</CallerReference><DelegationSetId>/delegationset/N1</DelegationSetId>"), 400, "NoSuchDelegationSet", "No delegation set found with ID: N1"},
		{"unknown element", "POST", "hostedzone", creation("<Name>p.example</Name><CallerReference>1</CallerReference><Comment>x</Comment>"), 400, "InvalidInput", "Invalid XML ; the element 'Comment' is not offered here, or there are two of it in 'CreateHostedZoneRequest'"},
		{"unknown zone", "GET", "hostedzone/ZNONE", "", 404, "NoSuchHostedZone", "No hosted zone found with ID: ZNONE"},
		{"records of an unknown zone", "GET", "hostedzone/%2Fhostedzone%2FZNONE/rrset", "", 404, "NoSuchHostedZone", "No hosted zone found with ID: ZNONE"},
		{"not empty", "DELETE", "hostedzone/" + id, "", 400, "HostedZoneNotEmpty", "The specified hosted zone contains non-required resource record sets and so cannot be deleted."},
		{"unknown change", "GET", "change/C123", "", 404, "NoSuchChange", "A change with the specified change ID does not exist: C123"},
		{"type without name", "GET", "hostedzone/" + id + "/rrset?type=A", "", 400, "InvalidInput", "The input is not valid: type needs name"},
		{"unknown parameter", "GET", "hostedzone/" + id + "/rrset?Name=a", "", 400, "InvalidInput", "The parameter 'Name' is not offered here."},
		{"another operation", "POST", "healthcheck", "", 400, "NotImplemented", "CreateHealthCheck is not offered: there are no health checks."},
		{"limit of private zones", "GET", "hostedzonelimit/" + id + "/MAX_VPCS_ASSOCIATED_BY_ZONE", "", 400, "HostedZoneNotPrivate", "The hosted zone " + id + " is a public hosted zone; there are no private ones."},
		{"unknown limit", "GET", "hostedzonelimit/" + id + "/MAX", "", 400, "InvalidInput", "1 validation error detected: Value 'MAX' at 'type' failed to satisfy constraint: Member must satisfy enum value set: [MAX_RRSETS_BY_ZONE, MAX_VPCS_ASSOCIATED_BY_ZONE]"},
		{"limit of an unknown zone", "GET", "hostedzonelimit/ZNONE/MAX_RRSETS_BY_ZONE", "", 404, "NoSuchHostedZone", "No hosted zone found with ID: ZNONE"},
		{"limit of an unknown delegation set", "GET", "reusabledelegationsetlimit/N1/MAX_ZONES_BY_REUSABLE_DELEGATION_SET", "", 400, "NoSuchDelegationSet", "No delegation set found with ID: N1"},
		{"no operation", "GET", "nothing", "", 404, "UnknownOperationException", "There is no operation at '/2013-04-01/nothing'."},
		{"another method", "PUT", "hostedzone", "", 405, "MethodNotAllowed", "The method PUT is not allowed at '/2013-04-01/hostedzone'."},
		{"no body", "POST", "hostedzone", "", 400, "MalformedXML", "The request has no body; it must be a CreateHostedZoneRequest."},
		{"empty batch", "POST", "hostedzone/" + id + "/rrset", root("ChangeResourceRecordSetsRequest", "<ChangeBatch></ChangeBatch>"), 400, "InvalidInput", "1 validation error detected: Value at 'changeBatch.changes' failed to satisfy constraint: Member must have length greater than or equal to 1"},

		batch("create what exists", icb, "[Tried to create resource record set [name='a.example.com.', type='A'] but it already exists]", change("CREATE", "A.example.com.", "A", 60, "192.0.2.1")),
		batch("delete what does not exist", icb, "[Tried to delete resource record set [name='b.example.com.', type='A'] but it was not found]", change("DELETE", "b.example.com", "A", 60, "192.0.2.1")),
		batch("delete with another TTL", icb, "[Tried to delete resource record set [name='a.example.com.', type='A'] but the values provided do not match the current values]", change("DELETE", "a.example.com", "A", 61, "192.0.2.1")),
		batch("delete another value", icb, "[Tried to delete resource record set [name='a.example.com.', type='A'] but the values provided do not match the current values]", change("DELETE", "a.example.com", "A", 60, "192.0.2.2")),
		batch("delete twice", icb, "[Tried to delete resource record set [name='a.example.com.', type='A'] but it was not found]", change("DELETE", "a.example.com", "A", 60, "192.0.2.1"), change("DELETE", "a.example.com", "A", 60, "192.0.2.1")),
		batch("outside of the zone", icb, "[RRSet with DNS name aexample.com. is not permitted in zone example.com.]", change("CREATE", "aexample.com", "A", 60, "192.0.2.1")),
		batch("CNAME at the apex", icb, "[RRSet of type CNAME with DNS name example.com. is not permitted at apex in zone example.com.]", change("CREATE", "example.com", "CNAME", 60, "a.example.com")),
		batch("CNAME beside others", icb, "[RRSet of type CNAME with DNS name a.example.com. is not permitted as it conflicts with other records with the same DNS name in zone example.com.]", change("CREATE", "a.example.com", "CNAME", 60, "b.example.com")),
		batch("others beside CNAME", icb, "[RRSet of type TXT with DNS name c.example.com. is not permitted as it conflicts with other records with the same DNS name in zone example.com.]", change("CREATE", "c.example.com", "TXT", 60, `"x"`)),
		batch("value twice", icb, "[Duplicate Resource Record: '192.0.2.9']", change("CREATE", "d.example.com", "A", 60, "192.0.2.9", "192.0.2.9")),
		batch("bad IPv4 address", icb, "[Invalid Resource Record: 'FATAL problem: ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address) encountered with '192.0.2'']", change("CREATE", "d.example.com", "A", 60, "192.0.2")),
		batch("bad IPv6 address", icb, "[Invalid Resource Record: 'FATAL problem: AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address) encountered with '192.0.2.1'']", change("CREATE", "d.example.com", "AAAA", 60, "192.0.2.1")),
		batch("text without quotes", icb, "[Invalid Resource Record: 'FATAL problem: InvalidCharacterString (Value should be enclosed in quotation marks) encountered with 'x y'']", change("CREATE", "d.example.com", "TXT", 60, "x y")),
		batch("long text", icb, "[Invalid Resource Record: 'FATAL problem: CharacterStringTooLong (Value is too long) encountered with '\""+strings.Repeat("x", 256)+"\"'']", change("CREATE", "d.example.com", "TXT", 60, `"`+strings.Repeat("x", 256)+`"`)),
		batch("NS of the apex deleted", icb, "[A HostedZone must contain at least one NS record for the zone itself.]", change("DELETE", "example.com", "NS", 172800, "ns1.example.net.", "ns2.example.net.")),
		batch("SOA deleted", icb, "[A HostedZone must contain exactly one SOA record.]", change("DELETE", "example.com", "SOA", 900, "ns1.example.net. hostmaster.example.net. 1 7200 900 1209600 86400")),
		batch("no records", "InvalidInput", "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found none in Change with [Action=CREATE, Name=d.example.com, Type=A, SetIdentifier=null]", change("CREATE", "d.example.com", "A", 0)),
		batch("unknown action", "InvalidInput", facet("REPLACE", "CREATE, DELETE, UPSERT"), change("REPLACE", "d.example.com", "A", 60, "192.0.2.1")),
		batch("unknown type", "InvalidInput", facet("RDP", types)+" Did you mean PTR?", change("CREATE", "d.example.com", "RDP", 60, "x.")),
		batch("weighted", "InvalidInput", "Weight is not offered: weighted routing of record set [name='d.example.com', type='A']", strings.Replace(change("CREATE", "d.example.com", "A", 60, "192.0.2.1"), "<TTL>", "<SetIdentifier>x</SetIdentifier><Weight>1</Weight><TTL>", 1)),
		batch("1001 records", icb, "[Number of records limit of 1000 exceeded.]", bulk("CREATE", 77, 13, 4)...),
		batch("501 records by UPSERT", icb, "[Number of records limit of 1000 exceeded.]", bulk("UPSERT", 501, 1, 4)...),
		batch("32,001 characters", icb, "[RDATA character limit of 32000 exceeded.]", append(bulk("CREATE", 128, 1, 250), change("CREATE", "d.example.com", "A", 60, "1.1.1.1"))...),
		batch("16,001 characters by UPSERT", icb, "[RDATA character limit of 32000 exceeded.]", append(bulk("UPSERT", 64, 1, 250), change("UPSERT", "d.example.com", "A", 60, "1.1.1.1"))...),
		batch("several faults", icb, "[Tried to create resource record set [name='a.example.com.', type='A'] but it already exists, RRSet with DNS name example.org. is not permitted in zone example.com.]", change("CREATE", "a.example.com", "A", 60, "192.0.2.1"), change("CREATE", "d.example.com", "A", 60, "192.0.2.1"), change("CREATE", "example.org", "A", 60, "192.0.2.1")),
	}
	before := l.call("GET", "hostedzone/"+id+"/rrset", "").body
	for _, r := range rows {
		t.Run(r.what, func(t *testing.T) {
			l.t = t
			got := l.call(r.method, r.path, r.body)
			if got.status != r.status || got.code != r.code || got.message != r.message {
				t.Errorf("%d %s: %s\nwant %d %s: %s", got.status, got.code, got.message, r.status, r.code, r.message)
			}
		})
	}
	l.t = t
	if after := l.call("GET", "hostedzone/"+id+"/rrset", "").body; after != before {
		t.Errorf("refused batches changed the zone:\n%s\n%s", before, after)
	}
	// What is exactly at a limit is accepted.
	for _, c := range []struct {
		what    string
		changes []string
	}{
		{"1000 records", bulk("CREATE", 100, 10, 4)},
		{"32,000 characters", bulk("UPSERT", 64, 1, 250)},
		{"500 records by UPSERT", bulk("UPSERT", 500, 1, 4)},
		{"replacement", []string{change("DELETE", "a.example.com", "A", 60, "192.0.2.1"), change("CREATE", "a.example.com", "CNAME", 60, "x.example.com")}},
		{"replacement in other order", []string{change("CREATE", "c.example.com", "A", 60, "192.0.2.1"), change("DELETE", "c.example.com", "CNAME", 60, "a.example.com")}},
	} {
		if got := l.batch(id, c.changes...); got.status != 200 {
			t.Errorf("%s: %d %s", c.what, got.status, got.message)
		}
	}
}
