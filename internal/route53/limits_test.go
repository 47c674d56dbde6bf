package route53

import (
	"fmt"
	"testing"
)

// TestLimits checks limits and what is used of them: there can be as many reusable delegation sets
// as there are delegation sets in the settings.
func TestLimits(t *testing.T) {
	l := newLab(t)
	set := element1(l.call("POST", "delegationset", "<CreateReusableDelegationSetRequest><CallerReference>a</CallerReference></CreateReusableDelegationSetRequest>").body, "Id")
	l.create("a.example", "1")
	l.call("POST", "hostedzone", "<CreateHostedZoneRequest><Name>b.example</Name><CallerReference>2</CallerReference><DelegationSetId>"+set+"</DelegationSetId></CreateHostedZoneRequest>")
	id := l.create("c.example", "3")
	l.must(id, change("CREATE", "x.c.example", "A", 60, "192.0.2.1"))
	for _, c := range []struct {
		path, kind   string
		value, count int
	}{
		{"accountlimit/", "MAX_HOSTED_ZONES_BY_OWNER", noLimit, 3},
		{"accountlimit/", "MAX_REUSABLE_DELEGATION_SETS_BY_OWNER", 2, 1},
		{"accountlimit/", "MAX_HEALTH_CHECKS_BY_OWNER", 0, 0},
		{"accountlimit/", "MAX_TRAFFIC_POLICIES_BY_OWNER", 0, 0},
		{"accountlimit/", "MAX_TRAFFIC_POLICY_INSTANCES_BY_OWNER", 0, 0},
		{"hostedzonelimit/" + id + "/", "MAX_RRSETS_BY_ZONE", noLimit, 3},
		{"reusabledelegationsetlimit/" + bareID(set) + "/", "MAX_ZONES_BY_REUSABLE_DELEGATION_SET", noLimit, 1},
	} {
		got := l.call("GET", c.path+c.kind, "")
		want := fmt.Sprintf("%s %d %d", c.kind, c.value, c.count)
		if text := element1(got.body, "Type") + " " + element1(got.body, "Value") + " " + element1(got.body, "Count"); text != want {
			t.Errorf("%s, want %s\n%+v", text, want, got)
		}
	}
}
