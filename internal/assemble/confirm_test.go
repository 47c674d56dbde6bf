package assemble

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
)

// confirmZones are a reverse zone whose PTRs are in rev.zone, and forward zones for their targets.
const confirmZones = `-- ptrd.yaml --
zones:
  - prefix: 192.0.2.0/24
    file: rev.zone
  - {prefix: "2001:db8:77::/48", file: rev6.zone}
  - {prefix: 198.51.100.64/26, label: lab, file: lab.zone}
  - name: example.org
    file: org.zone
  - name: sub.example.org
    records: {"@": {A: 192.0.2.1}, host: {A: 192.0.2.2}}
  - name: dynamic.example
    update: [127.0.0.1]
  - name: gone.example
    secondary: {primaries: "127.0.0.1:1"}
  - name: bad.example
    file: bad.zone
-- org.zone --
@ A 192.0.2.10
mail A 192.0.2.25
mail AAAA 2001:db8:77::25
two A 192.0.2.1
two A 192.0.2.2
v6 AAAA 2001:db8:77::6
www CNAME mail
chain CNAME www
loop CNAME loop
out CNAME host.elsewhere.example.
lost CNAME nothing
*.dyn A 192.0.2.30
*.alias CNAME mail
net PTR 0.2.0.192.in-addr.arpa.
old DNAME sub
cut NS ns.elsewhere.example.
glue.cut A 192.0.2.40
-- bad.zone --
host A nonsense
-- rev.zone --
$TTL 1h
-- rev6.zone --
$TTL 1h
-- lab.zone --
$TTL 1h
`

// TestConfirm: what is said about the target of a PTR.
func TestConfirm(t *testing.T) {
	const back = "so that it does not lead back and mail servers reject the address"
	for _, c := range []struct{ ptr, want string }{
		{"25 PTR mail.example.org.", ""},
		{"25 PTR MAIL.Example.ORG.", ""},
		{"2 PTR two.example.org.", ""},
		{"10 PTR example.org.", ""},
		{"1 PTR sub.example.org.", ""},
		{"2 PTR host.sub.example.org.", ""},
		{"30 PTR any.dyn.example.org.", ""},
		{"40 PTR glue.cut.example.org.", ""},
		// nothing is known of these
		{"25 PTR host.elsewhere.example.", ""},
		{"25 PTR host.cut.example.org.", ""},
		{"25 PTR host.dynamic.example.", ""},
		{"25 PTR host.gone.example.", ""},
		{"25 PTR host.bad.example.", ""},
		// these are not the PTRs of addresses
		{"0 PTR net.example.org.", ""}, // RFC 1101 §4.1
		{"b._dns-sd._udp PTR nothing.example.org.", ""},
		{"* PTR nothing.example.org.", ""},

		{"26 PTR mail.example.org.", "ptr-unconfirmed: target mail.example.org. has the A 192.0.2.25 in zone example.org., which is configured here (ptrd.yaml:9:5), " + back + "; add `mail.example.org. A 192.0.2.26` there, or correct the target"},
		{"3 PTR two.example.org.", "ptr-unconfirmed: target two.example.org. has the A 192.0.2.1 and 1 more in zone example.org., which is configured here (ptrd.yaml:9:5), " + back + "; add `two.example.org. A 192.0.2.3` there, or correct the target"},
		{"25 PTR nothing.example.org.", "ptr-unconfirmed: target nothing.example.org. does not exist in zone example.org., which is configured here (ptrd.yaml:9:5), " + back + "; add `nothing.example.org. A 192.0.2.25` there, or correct the target"},
		{"25 PTR v6.example.org.", "ptr-unconfirmed: target v6.example.org. has no A in zone example.org., which is configured here (ptrd.yaml:9:5), " + back + "; add `v6.example.org. A 192.0.2.25` there, or correct the target"},
		{"25 PTR nothing.sub.example.org.", "ptr-unconfirmed: target nothing.sub.example.org. does not exist in zone sub.example.org., which is configured here (ptrd.yaml:11:5), " + back + "; add `nothing.sub.example.org. A 192.0.2.25` there, or correct the target"},
		{"31 PTR any.dyn.example.org.", "ptr-unconfirmed: target any.dyn.example.org. has the A 192.0.2.30 in zone example.org., which is configured here (ptrd.yaml:9:5), " + back + "; add `any.dyn.example.org. A 192.0.2.31` there, or correct the target"},
		{"25 PTR lost.example.org.", "ptr-unconfirmed: target lost.example.org. is an alias of nothing.example.org., which does not exist in zone example.org., which is configured here (ptrd.yaml:9:5), " + back + "; add `nothing.example.org. A 192.0.2.25` there, or correct the target"},
		{"26 PTR www.example.org.", "ptr-unconfirmed: target www.example.org. is an alias of mail.example.org., which has the A 192.0.2.25 in zone example.org., which is configured here (ptrd.yaml:9:5), " + back + "; add `mail.example.org. A 192.0.2.26` there, or correct the target"},

		{"25 PTR www.example.org.", "ptr-alias: target www.example.org. is an alias of mail.example.org., and a PTR should lead to a name that is not an alias (RFC 2181 §10.2); write mail.example.org."},
		{"25 PTR chain.example.org.", "ptr-alias: target chain.example.org. is an alias of mail.example.org., and a PTR should lead to a name that is not an alias (RFC 2181 §10.2); write mail.example.org."},
		{"25 PTR x.alias.example.org.", "ptr-alias: target x.alias.example.org. is an alias of mail.example.org., and a PTR should lead to a name that is not an alias (RFC 2181 §10.2); write mail.example.org."},
		{"25 PTR out.example.org.", "ptr-alias: target out.example.org. is an alias of host.elsewhere.example., and a PTR should lead to a name that is not an alias (RFC 2181 §10.2); write host.elsewhere.example."},
		{"2 PTR host.old.example.org.", "ptr-alias: target host.old.example.org. is an alias of host.sub.example.org., and a PTR should lead to a name that is not an alias (RFC 2181 §10.2); write host.sub.example.org."},
		{"25 PTR loop.example.org.", "ptr-unconfirmed: target loop.example.org. is an alias that leads to others without an end, so that it does not lead back; write the name of the host"},
	} {
		t.Run(c.ptr, func(t *testing.T) {
			l := newLab(t, confirmZones)
			l.write("-- rev.zone --\n$TTL 1h\n1 TXT x\n" + c.ptr + "\n")
			l.expectMeaning(l.plan(), "rev.zone:3:1", c.want)
		})
	}
	t.Run("IPv6", func(t *testing.T) {
		l := newLab(t, confirmZones)
		owner := "5.2." + strings.Repeat("0.", 17) + "0"
		l.write("-- rev6.zone --\n$TTL 1h\n" + owner + " PTR mail.example.org.\n")
		l.expectMeaning(l.plan(), "", "")
		l.write("-- rev6.zone --\n$TTL 1h\n1" + owner[1:] + " PTR mail.example.org.\n")
		l.expectMeaning(l.plan(), "rev6.zone:2:1", "ptr-unconfirmed: target mail.example.org. has the AAAA 2001:db8:77::25 in zone example.org., which is configured here (ptrd.yaml:9:5), "+back+"; add `mail.example.org. AAAA 2001:db8:77::21` there, or correct the target")
	})
	t.Run("classless", func(t *testing.T) {
		l := newLab(t, confirmZones)
		l.write("-- lab.zone --\n$TTL 1h\n65 PTR mail.example.org.\n")
		l.expectMeaning(l.plan(), "lab.zone:2:1", "ptr-unconfirmed: target mail.example.org. has the A 192.0.2.25 in zone example.org., which is configured here (ptrd.yaml:9:5), "+back+"; add `mail.example.org. A 198.51.100.65` there, or correct the target")
	})
}

// meaning are the findings about targets.
func meaning(p *Plan) (list []finding.Finding) {
	for _, f := range p.Findings {
		if f.Rule == ruleAlias || f.Rule == ruleUnconfirmed {
			list = append(list, f)
		}
	}
	return list
}

// expectMeaning compares the findings about targets, of which there is at most one.
func (l *lab) expectMeaning(p *Plan, at, want string) {
	l.t.Helper()
	var got string
	for _, f := range meaning(p) {
		got += fmt.Sprintf("%s: %s: %s", strings.ReplaceAll(f.Position.String(), l.dir+"/", ""), f.Rule, strings.ReplaceAll(f.Text, l.dir+"/", ""))
	}
	if want != "" {
		want = at + ": " + want
	}
	if got != want {
		l.t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// TestConfirmReload: the findings follow each change of the zones that they depend on, whether the
// reverse zone is read again or not, and it is read only for other findings.
func TestConfirmReload(t *testing.T) {
	l := newLab(t, confirmZones)
	var ptrs strings.Builder
	for i := range 100 {
		fmt.Fprintf(&ptrs, "%d PTR h%d.elsewhere%d.example.\n", i+100, i, i%70) // more domains than are remembered
	}
	l.write("-- rev.zone --\n$TTL 1h\n25 PTR mail.example.org.\n")
	l.write("-- rev6.zone --\n$TTL 1h\n" + "5.2." + strings.Repeat("0.", 17) + "0 PTR mail.example.org.\n")
	l.write("-- lab.zone --\n$TTL 1h\n65 PTR host.new.example.\n")
	step := func(name, files string, findings, reused int) {
		t.Helper()
		if files != "" {
			l.write(files)
		}
		p := l.reload()
		if got := meaning(p); len(got) != findings || p.Reused != reused {
			t.Errorf("%s: %d findings, want %d; %d items not read, want %d:\n%s", name, len(got), findings, p.Reused, reused, l.text(got))
		}
	}
	step("start", "", 0, 0)
	step("nothing", "", 0, 7)
	step("another name", "-- org.zone --\nmail A 192.0.2.25\nmail AAAA 2001:db8:77::25\nnew A 192.0.2.77\n", 0, 6)
	step("no IPv4", "-- org.zone --\nmail AAAA 2001:db8:77::25\n", 1, 5)
	step("still none", "-- org.zone --\nmail AAAA 2001:db8:77::25\nother A 192.0.2.1\n", 1, 6)
	step("nothing", "", 1, 7)
	step("neither", "-- org.zone --\nmail TXT x\n", 2, 5)
	step("both again", "-- org.zone --\nmail A 192.0.2.25\nmail AAAA 2001:db8:77::25\n", 0, 4)
	with := confirmZones[:strings.Index(confirmZones, "-- org.zone --")]
	step("a new zone", with+"  - {name: new.example, records: {x: {A: 192.0.2.1}}}\n", 1, 6)
	step("gone", with, 0, 6)
	step("many domains", "-- rev.zone --\n$TTL 1h\n25 PTR mail.example.org.\n"+ptrs.String(), 0, 6)
	step("one of them", with+"  - {name: elsewhere7.example, records: {h7: {A: 192.0.2.107}}}\n", 1, 6)
	step("off", strings.Replace(with, "file: rev.zone", "file: rev.zone\n    checks: {ptr-unconfirmed: off}", 1)+"  - {name: elsewhere7.example}\n", 0, 6)
	step("alias", "-- org.zone --\nmail CNAME other\nother A 192.0.2.25\nother AAAA 2001:db8:77::25\n", 2, 5)
}

// TestConfirmFirstForward: the first forward zone has the domain of targets that were read before.
func TestConfirmFirstForward(t *testing.T) {
	const reverse = `-- ptrd.yaml --
zones:
  - {prefix: 192.0.2.0/24, ptr: {192.0.2.25: mail.example.org}}
`
	l := newLab(t, reverse)
	for _, step := range []struct {
		config string
		want   int
	}{
		{reverse, 0},
		{reverse + "  - {name: example.com}\n", 0},
		{reverse + "  - {name: example.org}\n", 1},
		{reverse, 0},
		{reverse + "  - {name: example.org, records: {mail: {A: 192.0.2.25}}}\n", 0},
	} {
		l.write(step.config)
		if list := meaning(l.reload()); len(list) != step.want {
			t.Errorf("%d findings, want %d:\n%s\n%s", len(list), step.want, l.text(list), step.config)
		}
	}
}

// TestConfirmRanges: the findings follow a change of a range, also where the rules are no part of the
// zone that has its names.
func TestConfirmRanges(t *testing.T) {
	for _, mode := range []config.SynthTransfer{config.TransferRule, config.TransferMaterialize, config.TransferOmit} {
		with := func(template string) string {
			return fmt.Sprintf(`-- ptrd.yaml --
zones:
  - {prefix: 203.0.113.0/24, synth: [{range: 203.0.113.0/24, name: "%s.pool.example.org"}]}
  - {prefix: 203.0.113.128/26, ptr: {203.0.113.130: b203-0-113-130.pool.example.org}}
  - {name: example.org, synth_transfer: %s}
`, template, mode)
		}
		l := newLab(t, with("a{dashed}"))
		for i, template := range []string{"a{dashed}", "b{dashed}", "c{dashed}"} {
			l.write(with(template))
			if list := meaning(l.reload()); (len(list) > 0) != (template != "b{dashed}") {
				t.Errorf("%s, configuration %d: %d findings:\n%s", mode, i, len(list), l.text(list))
			}
		}
	}
}

// TestConfirmError: as an error, the finding keeps no zone from being served, since any of the two
// may be wrong.
func TestConfirmError(t *testing.T) {
	l := newLab(t, strings.Replace(confirmZones, "    file: rev.zone", "    file: rev.zone\n    checks: {ptr-unconfirmed: error}", 1))
	l.write("-- rev.zone --\n$TTL 1h\n25 PTR nothing.example.org.\n")
	p := l.reload()
	if list := meaning(p); len(list) != 1 || list[0].Severity != finding.Error || !l.zone("2.0.192.in-addr.arpa").IsAvailable() {
		t.Errorf("findings:\n%s", l.text(p.Findings))
	}
}

// TestConfirmCount: ten findings are listed for a file, and the others counted.
func TestConfirmCount(t *testing.T) {
	l := newLab(t, confirmZones)
	l.write("-- rev.zone --\n$TTL 1h\n$GENERATE 100-200 $ PTR h$.example.org.\n$GENERATE 1-50 $ PTR www.example.org.\n25 PTR www.example.org.\n")
	list := meaning(l.plan())
	var texts []string
	for _, f := range list {
		texts = append(texts, f.Text)
	}
	if len(list) != 103 || list[100].More != 50 || list[0].Line != 2 {
		t.Errorf("%d findings: %s", len(list), strings.Join(texts, "\n"))
	}
}

// TestConfirmAllocs: a PTR that leads back, or elsewhere, costs no memory.
func TestConfirmAllocs(t *testing.T) {
	l := newLab(t, confirmZones)
	p := l.plan()
	r := &round{a: l.a, cfg: l.config(), set: zone.NewSet(), done: map[string]*zone.Zone{}}
	for _, c := range p.Batch.Changes {
		r.done[c.Apex.Key()] = c.Zone
	}
	r.forward = r.newForward(nil)
	c := r.newConfirmer(&r.cfg.Zones[0], l.a.o.Table, &worker{})
	owner := dname.MustParse("25.2.0.192.in-addr.arpa")
	for _, target := range []string{"mail.example.org", "a.elsewhere.example"} {
		name := dname.MustParse(target)
		c.check(owner, name, 0)
		if n := testing.AllocsPerRun(100, func() { c.check(owner, name, 0) }); n > 0 {
			t.Errorf("%s: %v allocations", target, n)
		}
	}
	if list := c.fs.Sorted(); len(list) > 0 {
		t.Error(l.text(list))
	}
}

// TestSecondaryChild: nothing is said about the name servers of a child that has not been transferred
// yet.
func TestSecondaryChild(t *testing.T) {
	l := newLab(t, `-- ptrd.yaml --
zones:
  - {prefix: 192.0.2.0/24, file: rev.zone}
  - {name: sub.2.0.192.in-addr.arpa, secondary: {primaries: "127.0.0.1:1"}}
-- rev.zone --
`+withSOA(7, "sub NS ns1.example.com.\n"))
	l.expect(l.plan().Findings, "")
}
