package ec2

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/update"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// TestLifecycle takes an address of each kind of zone from its allocation to its release. After
// each step the server starts again from its journal.
func TestLifecycle(t *testing.T) {
	for _, c := range []struct{ ip, owner, apex string }{
		{"203.0.113.65", "65.113.0.203.in-addr.arpa.", "113.0.203.in-addr.arpa."},
		{"203.0.113.70", "70.64/26.113.0.203.in-addr.arpa.", "64/26.113.0.203.in-addr.arpa."},
		{"198.51.100.1", "1.100.51.198.in-addr.arpa.", "100.51.198.in-addr.arpa."},
		{"2001:db8::1", dname.MustParse("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.").String(), "8.b.d.0.1.0.0.2.ip6.arpa."},
	} {
		t.Run(c.ip, func(t *testing.T) {
			l := newLab(t)
			name := "mail.example."
			if c.ip == "203.0.113.70" {
				name = "every.example."
			}
			a := l.must("AllocateAddress", "Address", c.ip)
			if a.IP != c.ip || !strings.HasPrefix(a.ID, "eipalloc-") {
				t.Fatalf("%s", a.body)
			}
			l.restart()
			if got := l.must("DescribeAddressesAttribute", "AllocationId.1", a.ID, "Attribute", "domain-name"); len(got.Attribute) > 0 {
				t.Errorf("an address without a name has the attribute: %s", got.body)
			}
			l.refuse(codeParameter, "that leads to "+c.ip, "ModifyAddressAttribute", "AllocationId", a.ID, "DomainName", "other.example")
			l.refuse(codeDryRun, "", "ModifyAddressAttribute", "AllocationId", a.ID, "DomainName", name, "DryRun", "true")
			if got := l.ptr(c.ip); got != "" {
				t.Fatalf("after refusals there is a PTR: %s", got)
			}
			serial := l.writer.Set().Get(dname.MustParse(c.apex)).Serial()
			want := xmlAttribute{PublicIP: c.ip, AllocationID: a.ID, PTR: name}
			got := l.must("ModifyAddressAttribute", "AllocationId", a.ID, "DomainName", strings.TrimSuffix(name, "."))
			for range 2 {
				if got.Address != want || l.ptr(c.ip) != name {
					t.Errorf("with the name %s: %s, PTR %s", name, got.body, l.ptr(c.ip))
				}
				l.restart()
				got = l.must("ModifyAddressAttribute", "AllocationId", a.ID, "DomainName", strings.TrimSuffix(name, ".")) // it has no effect
			}
			z := l.writer.Set().Get(dname.MustParse(c.apex))
			if set, ok := z.Get(dname.MustParse(c.owner), rr.TypePTR); !ok || set.TTL != 300 || z.Serial() != serial.Next(l.now.Unix()) && z.Serial() != serial+1 {
				t.Errorf("TTL %d, serial %d after %d", set.TTL, z.Serial(), serial)
			}
			if id := l.store.IDOf(dname.MustParse(c.owner)); id != a.ID {
				t.Errorf("the PTR belongs to %q", id)
			}
			if list := l.must("DescribeAddressesAttribute", "AllocationId.1", a.ID).Attribute; len(list) != 1 || list[0] != want {
				t.Errorf("%+v", list)
			}
			l.refuse(codeHasName, name, "ReleaseAddress", "AllocationId", a.ID)
			l.restart()
			want.PTR = ""
			if got := l.must("ResetAddressAttribute", "AllocationId", a.ID, "Attribute", "domain-name"); got.Address != want || l.ptr(c.ip) != "" {
				t.Errorf("after a reset: %s, PTR %s", got.body, l.ptr(c.ip))
			}
			l.restart()
			if l.ptr(c.ip) != "" {
				t.Error("the PTR is there again")
			}
			l.must("ResetAddressAttribute", "AllocationId", a.ID, "Attribute", "domain-name")
			if got := l.must("ReleaseAddress", "AllocationId", a.ID); !got.Return {
				t.Errorf("%s", got.body)
			}
			l.restart()
			l.refuse(codeNoAllocation, a.ID, "DescribeAddresses", "AllocationId.1", a.ID)
			if id := l.store.IDOf(dname.MustParse(c.owner)); id != "" || len(l.store.All()) > 0 {
				t.Errorf("the PTR belongs to %q, %d addresses are left", id, len(l.store.All()))
			}
		})
	}
}

// TestForward: a reverse name is accepted if and only if the name leads to the address.
func TestForward(t *testing.T) {
	l := newLab(t)
	id, other := l.allocate("203.0.113.65"), l.allocate("203.0.113.66")
	l.answers = map[string]string{
		"yes.test.": "203.0.113.65", "no.test.": "203.0.113.99", "none.test.": "", "nxdomain.test.": "NXDOMAIN", "servfail.test.": "SERVFAIL",
		"mail.elsewhere.test.": "203.0.113.65", "second.test.": "second", "a.child.example.": "203.0.113.65",
	}
	for _, c := range []struct{ name, code, text string }{
		{"mail.example.", "", ""},
		{"MAIL.Example", "", ""},
		{"alias.example.", "", ""},
		{"any.wild.example.", "", ""},
		{"out.example.", "", ""},     // a CNAME into a zone that is not served here
		{"a.child.example.", "", ""}, // below a zone cut
		{"yes.test.", "", ""},
		{"second.test.", "", ""}, // the first resolver does not answer
		{"other.example.", codeParameter, "it has [203.0.113.66]"},
		{"absent.example.", codeParameter, "no A record for absent.example."},
		{"no.test.", codeParameter, "it has [203.0.113.99]"},
		{"none.test.", codeParameter, "it has none"},
		{"nxdomain.test.", codeParameter, "it has none"},
		{"servfail.test.", codeUnavailable, "No resolver answered"},
		{"lost.test.", codeUnavailable, "No resolver answered"},
		{".", codeParameter, "must be the name of a host"},
		{"*.example.", codeParameter, "must be the name of a host"},
		{"a..b", codeParameter, "must be the name of a host"},
		{strings.Repeat("a", 64) + ".example", codeParameter, "must be the name of a host"},
	} {
		before := l.ptr("203.0.113.65")
		got := l.call("ModifyAddressAttribute", "AllocationId", id, "DomainName", c.name)
		if got.code != c.code || !strings.Contains(got.message, c.text) {
			t.Errorf("%s: %s: %s\nwant %s: %s", c.name, got.code, got.message, c.code, c.text)
		}
		want := before
		if c.code == "" {
			want = strings.TrimSuffix(c.name, ".") + "."
		}
		if got := l.ptr("203.0.113.65"); got != want {
			t.Errorf("%s: the PTR is %q, want %q", c.name, got, want)
		}
	}
	l.refuse(codeParameter, "leads to 203.0.113.66", "ModifyAddressAttribute", "AllocationId", other, "DomainName", "mail.example")
	l.set(func(s *Settings) { s.Resolvers = nil })
	l.asked = nil
	l.refuse(codeParameter, "no resolver is configured", "ModifyAddressAttribute", "AllocationId", id, "DomainName", "yes.test")
	if len(l.asked) > 0 {
		t.Errorf("%q were asked", l.asked)
	}
}

// TestPlaces: a reverse name is refused, with the reason, where it cannot be served.
func TestPlaces(t *testing.T) {
	l := newLab(t)
	const modify = "ModifyAddressAttribute"
	for _, c := range []struct{ ip, text string }{
		{"203.0.113.64", "PTR at 64.113.0.203.in-addr.arpa. comes from the sources of the zone"},
		{"203.0.113.71", "is an alias of 71.elsewhere.test., which no zone served here has"},
		{"203.0.113.80", "is delegated by zone 113.0.203.in-addr.arpa."},
		{"192.0.2.1", "zone 2.0.192.in-addr.arpa. takes no updates"},
		{"198.18.0.1", "No zone served here has 1.0.18.198.in-addr.arpa."},
	} {
		id := l.allocate(c.ip)
		before := l.ptr(c.ip)
		l.refuse(codeNotPermitted, c.text, modify, "AllocationId", id, "DomainName", "every.example")
		if got := l.ptr(c.ip); got != before {
			t.Errorf("%s: the PTR became %q", c.ip, got)
		}
		l.must("ReleaseAddress", "AllocationId", id)
	}
	id := l.allocate("203.0.113.65")
	l.set(func(s *Settings) { s.Prefixes = nil })
	l.refuse(codeNotPermitted, "any more", modify, "AllocationId", id, "DomainName", "mail.example")
	l.refuse(codeLimit, "no IPv4 address is left", "AllocateAddress")
}

// TestPending: what other clients and the operator do to a PTR is told truthfully, and is not
// undone by a reset.
func TestPending(t *testing.T) {
	l := newLab(t)
	id := l.allocate("198.51.100.1")
	const apex = "100.51.198.in-addr.arpa."
	owner := dname.MustParse("1." + apex)
	ptr := func(target string) update.Record {
		return update.Record{Owner: owner, Class: rr.ClassIN, TTL: 60, Data: dname.MustParse(target)}
	}
	all := update.Record{Owner: owner, Class: rr.ClassANY}
	modify := func() { l.must("ModifyAddressAttribute", "AllocationId", id, "DomainName", "mail.example") }
	check := func(what, served, reason string) {
		t.Helper()
		want := xmlAttribute{PublicIP: "198.51.100.1", AllocationID: id, PTR: served}
		list := l.must("DescribeAddressesAttribute").Attribute
		if len(list) != 1 {
			t.Fatalf("%s: %+v", what, list)
		}
		got := list[0]
		if reason != "" {
			if got.Update == nil || got.Update.Value != "mail.example." || got.Update.Status != "PENDING" || !strings.Contains(got.Update.Reason, reason) {
				t.Errorf("%s: %+v", what, got.Update)
			}
			got.Update = nil
		}
		if got != want {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	modify()
	check("at first", "mail.example.", "")
	l.edit(apex, ptr("another.example"))
	check("with another PTR", "mail.example.", "another client changed")
	l.edit(apex, all, ptr("another.example"))
	l.restart()
	check("replaced", "another.example.", "another client changed")
	modify()
	check("set again", "mail.example.", "")
	l.edit(apex, all)
	check("removed", "", "was removed")
	l.refuse(codeHasName, "", "ReleaseAddress", "AllocationId", id)
	l.edit(apex, ptr("another.example"))
	l.must("ResetAddressAttribute", "AllocationId", id, "Attribute", "domain-name")
	if got := l.ptr("198.51.100.1"); got != "another.example." {
		t.Errorf("after a reset: %s", got)
	}
	if list := l.must("DescribeAddressesAttribute").Attribute; len(list) > 0 {
		t.Errorf("after a reset: %+v", list)
	}
	l.must("ReleaseAddress", "AllocationId", id)
}

// TestHiddenBySources: a PTR of the sources hides the reverse name; after a reset it does not
// come back when the sources lose theirs.
func TestHiddenBySources(t *testing.T) {
	l := newLab(t)
	id := l.allocate("203.0.113.65")
	l.must("ModifyAddressAttribute", "AllocationId", id, "DomainName", "mail.example")
	text := labZones[0].text
	defer func() { labZones[0].text = text }()
	labZones[0].text += "65 60 PTR sources.example.\n"
	l.restart()
	got := l.must("DescribeAddressesAttribute").Attribute
	if len(got) != 1 || got[0].PTR != "sources.example." || got[0].Update == nil || !strings.Contains(got[0].Update.Reason, "the sources of zone") {
		t.Errorf("%+v", got)
	}
	labZones[0].text = text
	l.restart()
	if l.ptr("203.0.113.65") != "mail.example." {
		t.Errorf("the sources lost their PTR: %q is served", l.ptr("203.0.113.65"))
	}
	labZones[0].text += "65 60 PTR sources.example.\n"
	l.restart()
	l.must("ResetAddressAttribute", "AllocationId", id, "Attribute", "domain-name")
	labZones[0].text = text
	l.restart()
	if l.ptr("203.0.113.65") != "" {
		t.Errorf("after a reset: %q is served", l.ptr("203.0.113.65"))
	}
}

// TestRequests: parameters, filters, pages and policies.
func TestRequests(t *testing.T) {
	l := newLab(t)
	first := l.must("AllocateAddress", "Domain", "vpc")
	if first.IP != "203.0.113.65" { // .64 has a PTR
		t.Errorf("the first address is %s", first.IP)
	}
	var ids []string
	for n := range 5 {
		got := l.must("AllocateAddress", "PublicIpv4Pool", "198.51.100.0/29", "NetworkBorderGroup", "eu-west-1-lab")
		if want := []string{"0", "1", "2", "3", "4"}[n]; got.IP != "198.51.100."+want {
			t.Errorf("address %d is %s", n, got.IP)
		}
		ids = append(ids, got.ID)
	}
	if got := l.must("AllocateAddress", "PublicIpv4Pool", "198.51.100.0/29"); got.IP != "198.51.100.6" {
		t.Errorf("%s has a name, or was skipped", got.IP)
	}
	for _, c := range []struct {
		code, text, action string
		params             []string
	}{
		{"MissingAction", "Action", "", nil},
		{codeAction, "RunInstances", "RunInstances", []string{"ImageId", "ami-1"}},
		{codeAction, "it offers AllocateAddress, ", "DescribeInstances", nil},
		{"NoSuchVersion", "2009-08-15", "DescribeAddresses", []string{"Version", "2009-08-15"}},
		{codeUnknown, "Colour", "DescribeAddresses", []string{"Colour", "red"}},
		{codeUnknown, "AllocationId.1.2", "DescribeAddresses", []string{"AllocationId.1.2", "red"}},
		{codeUnsupported, "tags are not kept", "AllocateAddress", []string{"TagSpecification.1.Tag.1.Key", "a"}},
		{codeParameter, "vpc", "AllocateAddress", []string{"Domain", "standard"}},
		{codeParameter, "allocated already", "AllocateAddress", []string{"Address", "203.0.113.65"}},
		{codeParameter, "in none of the prefixes", "AllocateAddress", []string{"Address", "203.0.113.1"}},
		{"InvalidAddress.Malformed", "not an IP address", "AllocateAddress", []string{"Address", "203.0.113"}},
		{"InvalidPublicIpv4PoolID.NotFound", "203.0.113.0/24", "AllocateAddress", []string{"PublicIpv4Pool", "203.0.113.0/24"}},
		{codeLimit, "no IPv4 address is left", "AllocateAddress", []string{"PublicIpv4Pool", "2001:db8::/64"}},
		{codeDryRun, "", "AllocateAddress", []string{"DryRun", "true"}},
		{codeDryRun, "", "DescribeAddresses", []string{"DryRun", "true"}},
		{codeMissing, "AllocationId", "ReleaseAddress", nil},
		{codeUnknown, "PublicIp", "ReleaseAddress", []string{"PublicIp", "203.0.113.65"}},
		{codeNoAllocation, "eipalloc-1", "ReleaseAddress", []string{"AllocationId", "eipalloc-1"}},
		{codeNoAddress, "border group", "ReleaseAddress", []string{"AllocationId", first.ID, "NetworkBorderGroup", "eu-west-1-lab"}},
		{codeMissing, "DomainName", "ModifyAddressAttribute", []string{"AllocationId", first.ID}},
		{codeMissing, "Attribute", "ResetAddressAttribute", []string{"AllocationId", first.ID}},
		{codeParameter, "domain-name", "ResetAddressAttribute", []string{"AllocationId", first.ID, "Attribute", "color"}},
		{codeParameter, "domain-name", "DescribeAddressesAttribute", []string{"Attribute", "color"}},
		{codeParameter, "from 1 to", "DescribeAddressesAttribute", []string{"MaxResults", "0"}},
		{"InvalidNextToken", "", "DescribeAddressesAttribute", []string{"NextToken", "xx"}},
		{codeNoAddress, "203.0.113.99", "DescribeAddresses", []string{"PublicIp.1", "203.0.113.99"}},
		{codeNoAllocation, "eipalloc-2", "DescribeAddresses", []string{"AllocationId.1", first.ID, "AllocationId.2", "eipalloc-2"}},
		{codeParameter, "filter 'tag:Name'", "DescribeAddresses", []string{"Filter.1.Name", "tag:Name", "Filter.1.Value.1", "x"}},
	} {
		l.refuse(c.code, c.text, c.action, c.params...)
	}
	for _, c := range []struct {
		want   int
		params []string
	}{
		{7, nil},
		{1, []string{"AllocationId.1", first.ID}},
		{2, []string{"AllocationId.1", first.ID, "AllocationId.2", ids[0]}},
		{1, []string{"PublicIp.1", "198.51.100.3"}},
		{6, []string{"Filter.1.Name", "public-ip", "Filter.1.Value.1", "198.51.100.?"}},
		{1, []string{"Filter.1.Name", "public-ip", "Filter.1.Value.1", "203.*", "Filter.1.Value.2", "[a"}},
		{5, []string{"Filter.1.Name", "domain", "Filter.1.Value.1", "vpc", "Filter.2.Name", "network-border-group", "Filter.2.Value.1", "eu-west-1-lab"}},
	} {
		if got := l.must("DescribeAddresses", c.params...).Addresses; len(got) != c.want {
			t.Errorf("%v: %d addresses, want %d", c.params, len(got), c.want)
		}
	}
	apex := dname.MustParse("example")
	for n, id := range ids {
		name, _ := apex.Prepend([]byte(fmt.Sprintf("h%d", n)))
		l.edit("example.", update.Record{Owner: name, Type: rr.TypeA, Class: rr.ClassIN, TTL: 60, Data: []byte{198, 51, 100, byte(n)}})
		l.must("ModifyAddressAttribute", "AllocationId", id, "DomainName", name.String())
	}
	var pages []int
	for token := ""; ; {
		params := []string{"MaxResults", "2"}
		if token != "" {
			params = append(params, "NextToken", token)
		}
		got := l.must("DescribeAddressesAttribute", params...)
		pages = append(pages, len(got.Attribute))
		if token = got.NextToken; token == "" {
			break
		}
	}
	if fmt.Sprint(pages) != "[2 2 1]" {
		t.Errorf("pages of %v addresses", pages)
	}
	limited := l.signer()
	limited.ID, limited.Secret = "LIMITED", "other"
	for _, c := range []struct{ code, body string }{
		{codeDenied, form("ReleaseAddress", "AllocationId", first.ID)},           // the operation
		{codeDenied, form("DescribeAddresses", "AllocationId.1", first.ID)},      // the address
		{codeDenied, form("AllocateAddress", "Address", "203.0.113.66")},         // likewise
		{codeNoAddress, form("DescribeAddresses", "PublicIp.1", "203.0.113.65")}, // it does not even see it
		{"", form("AllocateAddress")},                                            // the last that it may have
		{codeLimit, form("AllocateAddress")},
	} {
		if got := l.send(limited, c.body); got.code != c.code || c.code == "" && got.IP != "198.51.100.7" {
			t.Errorf("%s: %s %s, want %s", c.body, got.code, got.message+got.IP, c.code)
		}
	}
	if got := l.send(limited, form("DescribeAddresses")).Addresses; len(got) != 7 {
		t.Errorf("the limited key sees %+v", got)
	}
}
