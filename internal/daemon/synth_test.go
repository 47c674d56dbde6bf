package daemon

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/zone/dname"
)

// lookup returns the RCODE and the data of an answer.
func lookup(t *testing.T, server, name string, typ uint16) string {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion(name, typ)
	r, err := exchange(m, server)
	if err != nil {
		t.Fatal(err)
	}
	list := []string{dns.RcodeToString[r.Rcode]}
	for _, a := range r.Answer {
		list = append(list, strings.TrimPrefix(a.String(), a.Header().String()))
	}
	return strings.Join(list, " ")
}

// A secondary makes the names of a range as its primary does: after a transfer, after an IXFR with
// another rule, and after restarts of both; not with another key, and again with the right one.
func TestRangesOnSecondary(t *testing.T) {
	const reverse, forward = "8.b.d.0.1.0.0.2.ip6.arpa", "example.net"
	config := func(template string) string {
		return fmt.Sprintf(`
listen: {dns: ["127.0.0.1:0"], admin: ""}
state_dir: state
defaults: {nameservers: ns1.example.com, transfer: {allow: 127.0.0.1}, checks: {range-transfer: off}}
keys: [{name: pool, secret: c2VjcmV0IG9mIHRoZSBwb29sLCBtYWtlIG9uZSE=}]
zones:
  - prefix: 2001:db8::/32
    synth:
      - {range: "2001:db8:4000::/36", name: "%s", ttl: 5m}
      - {range: "2001:db8:8000::/36", name: "c-{permuted}.pool.example.net", key: pool}
    ptr: {"2001:db8:4000::1": router.example.net}
  - name: example.net
    records: {1.pool: {TXT: stored}}
`, template)
	}
	const key, otherKey = "c2VjcmV0IG9mIHRoZSBwb29sLCBtYWtlIG9uZSE=", "b3RoZXIgc2VjcmV0IG9mIHRoZSBwb29sICAgICA="
	primary := start(t, shortDir(t), config("{dashed}.pool.example.net"))
	follower := func(key string) string {
		return fmt.Sprintf(`
listen: {dns: ["127.0.0.1:0"], admin: ""}
state_dir: state
keys: [{name: pool, secret: %s}]
zones:
  - {name: %s, secondary: {primaries: "%s"}}
  - {name: %s, secondary: {primaries: "%s"}}
`, key, reverse, primary.dns, forward, primary.dns)
	}
	secondary := start(t, shortDir(t), follower(key))
	address := func(s string) string {
		name, err := dns.ReverseAddr(s)
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	hidden := lookup(t, primary.dns, address("2001:db8:8000::beef"), dns.TypePTR)
	name := strings.TrimPrefix(hidden, "NOERROR ")
	same := func(when string, but ...string) {
		t.Helper()
		for _, q := range []struct {
			name string
			typ  uint16
		}{
			{address("2001:db8:4000::1"), dns.TypePTR}, {address("2001:db8:4000::2"), dns.TypePTR}, {address("2001:db8:4fff:ffff:ffff:ffff:ffff:ffff"), dns.TypePTR},
			{address("2001:db8:5000::"), dns.TypePTR}, {address("2001:db8:8000::beef"), dns.TypePTR}, {name, dns.TypeAAAA}, {"2001-db8-4000-0-0-0-0-2.pool.example.net.", dns.TypeAAAA},
			{"x-2001-db8-4000-0-0-0-0-2.pool.example.net.", dns.TypeAAAA}, {"2001-db8-5000-0-0-0-0-2.pool.example.net.", dns.TypeAAAA}, {"pool.example.net.", dns.TypeAAAA},
		} {
			ours, theirs := lookup(t, primary.dns, q.name, q.typ), lookup(t, secondary.dns, q.name, q.typ)
			if (ours == theirs) == slices.Contains(but, q.name) {
				t.Errorf("%s: %s: %s at the primary, %s at the secondary", when, q.name, ours, theirs)
			}
		}
	}
	serial := func(l *lab, zone string) string { return lookup(t, l.dns, zone+".", dns.TypeSOA) }
	caught := func() bool {
		return serial(primary, reverse) == serial(secondary, reverse) && serial(primary, forward) == serial(secondary, forward)
	}
	await(t, caught)
	if hidden == "NXDOMAIN" || lookup(t, primary.dns, name, dns.TypeAAAA) != "NOERROR 2001:db8:8000::beef" {
		t.Errorf("%s does not lead back: %s", hidden, lookup(t, primary.dns, name, dns.TypeAAAA))
	}
	same("after the transfer")

	replace(t, filepath.Join(primary.dir, "config.yaml"), config("x-{dashed}.pool.example.net"))
	if o := primary.reload(t); !o.OK() {
		t.Fatalf("%+v", o)
	}
	for _, zone := range []string{reverse, forward} {
		if s, err := secondary.follower.Refresh(t.Context(), dname.MustParse(zone+"."), false); err != nil || s.Error != "" {
			t.Fatal(err, s.Error)
		}
	}
	await(t, caught)
	same("after another rule")
	if !strings.Contains(secondary.log.String(), "type=IXFR") {
		t.Error("the other rule came by AXFR")
	}

	restart := func(key string) {
		if err := secondary.stop(); err != nil {
			t.Fatal(err)
		}
		secondary = start(t, secondary.dir, follower(key))
		await(t, caught)
	}
	restart(key)
	same("after a restart")
	faults := func() (n int) {
		for _, s := range secondary.follower.States() {
			n += len(s.Findings)
		}
		return n
	}
	restart(otherKey)
	if faults() == 0 {
		t.Error("the status does not show that the key is another one")
	}
	same("with another key", address("2001:db8:8000::beef"), name)
	replace(t, filepath.Join(secondary.dir, "config.yaml"), follower(key))
	if o := secondary.reload(t); !o.OK() {
		t.Fatalf("%+v", o)
	}
	same("with the right key again")
	if n := faults(); n > 0 {
		t.Errorf("%d findings about the right key", n)
	}

	// What a transfer with another key found is not restored with the zone.
	restart(otherKey)
	if _, err := secondary.follower.Refresh(t.Context(), dname.MustParse(reverse+"."), true); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool { return strings.Contains(secondary.log.String(), "need another secret of the key") })
	restart(key)
	if n := faults(); n > 0 {
		t.Errorf("%d findings about the right key after a restart", n)
	}
}
