package interop

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/peertest"
)

// TestEmitUpdater runs kea-dhcp-ddns with what ptrd emits for it. It receives leases as
// Kea's DHCP servers tell it, and writes names and takes them away.
func TestEmitUpdater(t *testing.T) {
	t.Parallel()
	program := peertest.Require(t, "kea-dhcp-ddns")
	e := startEmitting(t, netip.AddrPort{})
	dir, port := t.TempDir(), freePort(t).Port()
	keys := dir + "/keys"
	_, text := e.emit(t, dir, "kea", "--key-file", keys)
	emitKeys(t, keys, text)
	const begin = "\"DhcpDdns\": {\n"
	if !strings.Contains(text, begin) {
		t.Fatalf("no %q in\n%s", begin, text)
	}
	conf := mustWrite(dir, "kea.conf", strings.Replace(text, begin, begin+fmt.Sprintf("\"port\": %d, \"dns-server-timeout\": 20000,\n", port), 1))
	c := startProcess(t, dir, peertest.Require(t, "env"), "KEA_PIDFILE_DIR="+dir, "KEA_LOCKFILE_DIR="+dir, program, "-c", conf)
	for _, l := range []lease{
		{IP: "10.20.0.77", FQDN: "pc77.lab.example.", DHCID: "00010110d8f4c3a2", qtype: dns.TypeA},
		{IP: "2001:db8:101::77", FQDN: "pc77v6.lab.example.", DHCID: "00020110d8f4c3a2", qtype: dns.TypeAAAA},
	} {
		l.Forward, l.Reverse, l.Resolve, l.Expires, l.Length = true, true, true, "20371231235959", 3600
		for change, want := range []string{l.FQDN, ""} { // 0 adds, 1 takes away
			l.Change = change
			l.tell(t, c, port)
			awaitThat(t, fmt.Sprintf("%s is %q", l.IP, want), func() bool {
				got := ""
				for _, rr := range lookup(t, c, e.addr, l.IP, dns.TypePTR).Answer {
					got = rr.(*dns.PTR).Ptr
				}
				return got == want
			}, c)
			// The forward zone is written first.
			if forward := lookup(t, c, e.addr, l.FQDN, l.qtype); (len(forward.Answer) == 1) != (change == 0) {
				t.Errorf("the forward zone, change %d: %v\n%s", change, forward, c.log())
			}
		}
	}
}

// lease is what Kea's DHCP servers say of one: the length of the text in two octets,
// and the text.
type lease struct {
	Change  int    `json:"change-type"`
	Forward bool   `json:"forward-change"`
	Reverse bool   `json:"reverse-change"`
	FQDN    string `json:"fqdn"`
	IP      string `json:"ip-address"`
	DHCID   string `json:"dhcid"`
	Expires string `json:"lease-expires-on"`
	Length  int    `json:"lease-length"`
	Resolve bool   `json:"use-conflict-resolution"`

	qtype uint16 // of the address
}

// tell sends the lease once kea-dhcp-ddns listens.
func (l lease) tell(t *testing.T, c *process, port uint16) {
	t.Helper()
	text, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	awaitThat(t, "the start of kea-dhcp-ddns", func() bool { return strings.Contains(c.log(), "DHCP_DDNS_STARTED") }, c)
	conn, err := net.Dial("udp", netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port).String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(text))), text...)); err != nil {
		t.Fatal(err)
	}
}
