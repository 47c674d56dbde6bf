package netlab

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/zone/dname"
)

// testWalk walks from the built-in root servers to zones of which one server has a fault of
// behaviour. The walk ends by itself, has the facts of the healthy server, and for the other
// what each transport shows of it.
func testWalk(t *testing.T, l *Lab, faults []Fault) {
	const answered, silent = delegation.Answered, delegation.NoAnswer
	cases := []struct {
		fault    string
		udp, tcp delegation.Outcome
		ignored  delegation.Fault // over UDP
	}{
		{"none", answered, answered, ""},
		{"no-udp", silent, answered, ""},
		{"no-tcp", answered, silent, ""},
		{"silent", silent, silent, ""},
		{"refused", answered, answered, ""},
		{"drop-edns", answered, answered, ""},
		{"strip-edns", answered, answered, ""},
		{"other-source", silent, answered, delegation.WrongAddress},
		{"other-id", silent, silent, delegation.WrongID},
		{"other-question", silent, silent, delegation.WrongQuestion},
		{"truncated", answered, answered, ""},
		{"truncated-no-tcp", answered, silent, ""},
		{"trickle", answered, silent, ""},
		{"poison", answered, answered, ""},
	}
	// Most of the time they wait for servers that do not answer: all at once.
	walk := func(fault string) *delegation.Walk {
		name := dname.MustParse("25." + zoneOf(faults, fault))
		return delegation.New(delegation.Options{}).Walk(t.Context(), name)
	}
	walks := make([]*delegation.Walk, len(cases))
	var running sync.WaitGroup
	for i, c := range cases {
		running.Go(func() { walks[i] = walk(c.fault) })
	}
	running.Wait()
	for i, c := range cases {
		t.Run(c.fault, func(t *testing.T) {
			settle(t, func(again bool) (differences []string) {
				w := walks[i]
				if again {
					w = walk(c.fault)
				}
				t.Logf("%d messages, %v", w.Messages, w.Took)
				add := func(format string, args ...any) { differences = append(differences, fmt.Sprintf(format, args...)) }
				if w.End == nil || w.End.Zone.String() != zoneOf(faults, c.fault) {
					return []string{fmt.Sprintf("the walk ends with %v: %s", w.Kind, w.Reason)}
				}
				good := findHost(w, netip.MustParseAddr("11.4.7.53"))
				if good.UDP.SOA.SOA() == nil || good.TCP.SOA.SOA() == nil {
					add("the healthy server: %v, %v", good.UDP.SOA, good.TCP.SOA)
				}
				bad := findHost(w, l.Scenario.addrs(c.fault + "." + domain)[0])
				if bad.UDP.SOA == nil || bad.TCP.SOA == nil {
					return append(differences, "the other server was not asked")
				}
				if udp, tcp := bad.UDP.SOA, bad.TCP.SOA; udp.Outcome != c.udp || tcp.Outcome != c.tcp {
					add("the other server: %v, want %v; %v, want %v", udp, c.udp, tcp, c.tcp)
				}
				var ignored []string
				for _, try := range bad.UDP.SOA.Tries {
					for _, i := range try.Ignored {
						ignored = append(ignored, string(i.Why))
					}
				}
				if got := strings.Join(ignored, ", "); (got == "") != (c.ignored == "") || !strings.Contains(got, string(c.ignored)) {
					add("ignored responses: %s; want one %s", got, c.ignored)
				}
				if findHost(w, netip.MustParseAddr("11.9.9.9")).Server.Addr.IsValid() {
					add("an address of another zone was taken from a response")
				}
				return differences
			})
		})
	}
}

func zoneOf(faults []Fault, name string) string {
	for _, f := range faults {
		if f.Name == name {
			return f.Zone
		}
	}
	panic("no fault " + name)
}

// findHost returns what is known of a server of the last zone; of one that was not asked, nothing.
func findHost(w *delegation.Walk, addr netip.Addr) *delegation.Host {
	for _, h := range w.End.Hosts() {
		if h.Server.Addr.Addr() == addr {
			return h
		}
	}
	return &delegation.Host{}
}
