package daemon

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// A record of a file that has the address that a range makes at its name is a source of derived PTRs, and has its
// own TTL, whether the zone has the rule or the records of the range. One of an update is none as long as it
// is just what the range makes.
func TestSourcesAsMade(t *testing.T) {
	for _, mode := range []string{"rule", "materialize", "omit"} {
		t.Run(mode, func(t *testing.T) {
			config := fmt.Sprintf(`
listen: {dns: ["127.0.0.1:0"], admin: ""}
state_dir: state
defaults: {nameservers: ns1.example.com, synth_transfer: %s, checks: {range-transfer: off}}
zones:
  - name: example.net
    update: 127.0.0.1
    file: net.zone
  - prefix: 203.0.113.0/24
    derive: [example.net]
    synth:
      - {range: 203.0.113.0/24, name: "{dashed}.pool.example.net", ttl: 60s}
      - {range: 203.0.113.0/28, name: "x-{dashed}.pool.example.net", ttl: 60s}
`, mode)
			dir := shortDir(t)
			replace(t, filepath.Join(dir, "net.zone"), "203-0-113-1.pool 60 A 203.0.113.1\n203-0-113-2.pool 300 A 203.0.113.2\n")
			l := start(t, dir, config)
			defer func() { l.stop() }()
			check := func(when string, want [6]string) {
				t.Helper()
				for i := range want {
					m, err := exchange(new(dns.Msg).SetQuestion(fmt.Sprintf("%d.113.0.203.in-addr.arpa.", i), dns.TypePTR), l.dns)
					if err != nil {
						t.Fatal(err)
					}
					got := fmt.Sprint(m.Answer[0].Header().Ttl, " ", m.Answer[0].(*dns.PTR).Ptr[:2])
					if got != want[i] {
						t.Errorf("%s: %d has %s, want %s", when, i, got, want[i])
					}
				}
			}
			update := func(n, ttl int, remove bool) {
				t.Helper()
				m := new(dns.Msg).SetUpdate("example.net.")
				r, err := dns.NewRR(fmt.Sprintf("203-0-113-%d.pool.example.net. %d A 203.0.113.%d", n, ttl, n))
				if err != nil {
					t.Fatal(err)
				}
				if m.Insert([]dns.RR{r}); remove {
					m.Ns = nil
					m.Remove([]dns.RR{r})
				}
				if a, err := exchange(m, l.dns); err != nil || a.Rcode != dns.RcodeSuccess {
					t.Fatal(a, err)
				}
			}
			const made, same, other = "60 x-", "60 20", "300 20"
			check("static", [6]string{made, same, other, made, made, made})
			replace(t, filepath.Join(dir, "net.zone"), "203-0-113-2.pool 60 A 203.0.113.2\n203-0-113-5.pool 60 A 203.0.113.5\n")
			l.reload(t)
			check("a reload", [6]string{made, made, same, made, made, same})
			update(4, 300, false)
			update(3, 60, false)
			check("updates", [6]string{made, made, same, made, other, same})
			if err := l.stop(); err != nil {
				t.Fatal(err)
			}
			l = start(t, l.dir, config)
			check("a restart", [6]string{made, made, same, made, other, same})
			reload := func(when, config string, want [6]string) {
				t.Helper()
				replace(t, filepath.Join(l.dir, "config.yaml"), config)
				if o := l.reload(t); !o.OK() {
					t.Fatalf("%s: %+v", when, o)
				}
				check(when, want)
			}
			const later = "61 x-"
			reload("another TTL", strings.ReplaceAll(config, "ttl: 60s", "ttl: 61s"), [6]string{later, later, same, same, other, same})
			reload("the TTL again", config, [6]string{made, made, same, made, other, same})
			for _, next := range []string{"rule", "materialize", "omit", "rule", mode} {
				reload("mode "+next, strings.ReplaceAll(config, "synth_transfer: "+mode, "synth_transfer: "+next), [6]string{made, made, same, made, other, same})
			}
			update(4, 300, true)
			update(3, 60, true)
			replace(t, filepath.Join(dir, "net.zone"), "203-0-113-2.pool 60 A 203.0.113.2\n")
			l.reload(t)
			check("without them", [6]string{made, made, same, made, made, made})
		})
	}
}
