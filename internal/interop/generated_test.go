package interop

import (
	"fmt"
	"os"
	"testing"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/peertest"
)

// generatedZones are those that testdata/generated.yaml makes.
var generatedZones = []string{
	"113.0.203.in-addr.arpa.", "192-223.113.0.203.in-addr.arpa.", "32-63.100.51.198.in-addr.arpa.",
	"0.0.10.in-addr.arpa.", "1.0.10.in-addr.arpa.", "2.0.10.in-addr.arpa.", "3.0.10.in-addr.arpa.",
	"0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.", "1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
	"2.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.", "3.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
	"7.2.0.192.in-addr.arpa.",
}

// TestGenerated compares what the real server says, over UDP and TCP, of zones that it
// made from its configuration: both sides of RFC 2317, prefixes of every length, delegations.
// The peers have the same zones from `ptrd dump`.
func TestGenerated(t *testing.T) {
	t.Parallel()
	skipUnderRace(t)
	for _, p := range peers {
		peertest.Require(t, p.program)
	}
	program := requireBinary(t)
	text, err := os.ReadFile("testdata/generated.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	addr := freePort(t)
	config := mustWrite(dir, "ptrd.yaml", fmt.Sprintf("listen: {dns: [%q], admin: \"\"}\nstate_dir: state\nlimits: {udp_size: 4096}\n%s", addr, text))
	c := startProcess(t, dir, program, "serve", "--config", config)
	if !awaitZones(addr, generatedZones, c.ended) {
		t.Fatalf("ptrd does not answer:\n%s", c.log())
	}
	s := &zoneSet{name: "generated", path: "testdata/generated.yaml"}
	for i, apex := range generatedZones {
		s.zones = append(s.zones, setZone{
			apex: apex,
			file: fmt.Sprintf("%d.zone", i),
			text: []byte(run(t, dir, program, "dump", "--config", config, dns.Fqdn(apex))),
		})
	}
	compareSet(t, s, newTally(), func() responder { return newClient(addr) })
}
