package interop

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/peertest"
)

// TestSynthKea compares the names that Kea makes for leases without one of the client with the template
// in docs/synthesis.md: with these names, a range needs no updates.
func TestSynthKea(t *testing.T) {
	program := peertest.Require(t, "kea-dhcp4")
	dir, port := t.TempDir(), freePort(t).Port()
	leases := dir + "/leases.csv"
	config := mustWrite(dir, "kea.conf", fmt.Sprintf(`{"Dhcp4": {
  "interfaces-config": {"interfaces": ["lo/127.0.0.1"], "dhcp-socket-type": "udp"},
  "lease-database": {"type": "memfile", "name": %q},
  "dhcp-ddns": {"enable-updates": true, "server-ip": "127.0.0.1", "server-port": %d},
  "ddns-replace-client-name": "always", "ddns-generated-prefix": "dyn", "ddns-qualifying-suffix": "example.net",
  "subnet4": [{"id": 1, "subnet": "192.0.2.0/24", "relay": {"ip-addresses": ["127.0.0.1"]}, "pools": [{"pool": "192.0.2.64/26"}]}],
  "loggers": [{"name": "kea-dhcp4", "severity": "INFO", "output_options": [{"output": "stdout"}]}]
}}`, leases, freePort(t).Port()))
	t.Setenv("KEA_PIDFILE_DIR", dir)
	t.Setenv("KEA_LOCKFILE_DIR", dir)
	// The answers go nowhere.
	c := startProcess(t, dir, program, "-c", config, "-p", fmt.Sprint(port), "-P", fmt.Sprint(freePort(t).Port()))
	conn, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	nameOf := names(t, "dyn-{dashed}.example.net", made4)
	for i, a := range inRange(made4, 3) {
		want := strings.TrimSuffix(nameOf(a), ".") + ","
		for deadline := time.Now().Add(startWait); ; {
			conn.Write(requestLease(a, byte(i))) // refused until Kea listens
			if b, _ := os.ReadFile(leases); strings.Contains(string(b), a.String()+",") && strings.Contains(string(b), ","+want) {
				break
			}
			select {
			case <-c.ended:
				requireRunning(t, c)
				t.Fatalf("kea-dhcp4 ended:\n%s", c.log())
			case <-time.After(50 * time.Millisecond): // between two tries
			}
			if time.Now().After(deadline) {
				b, _ := os.ReadFile(leases)
				t.Fatalf("no lease of %v with the name %s\n%s\n%s", a, want, b, c.log())
			}
		}
	}
}

// requestLease returns a DHCPREQUEST (RFC 2131 §4.3.2) for an address, by a relay at 127.0.0.1 and of a
// client with a number.
func requestLease(a netip.Addr, client byte) []byte {
	m := make([]byte, 236)
	copy(m, []byte{1, 1, 6, 1}) // BOOTREQUEST, Ethernet, one hop
	binary.BigEndian.PutUint32(m[4:], uint32(client)+1)
	relay := []byte{127, 0, 0, 1}
	copy(m[24:], relay)
	copy(m[28:], []byte{2, 0, 0, 0, 0, client})
	m = append(m, 0x63, 0x82, 0x53, 0x63, 53, 1, 3) // magic cookie, DHCPREQUEST
	m = append(append(m, 50, 4), a.AsSlice()...)    // requested address
	m = append(append(m, 54, 4), relay...)          // server identifier
	return append(m, 255)
}
