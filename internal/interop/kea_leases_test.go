package interop

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/peertest"
)

// TestKea has Kea's kea-dhcp-ddns register leases and remove them: the names of
// addresses with their DHCID (RFC 4701, RFC 4703), signed, in a dynamic reverse zone, in
// one with a file, which derives the same names from the leases of Kea, and in a forward zone.
func TestKea(t *testing.T) {
	program := peertest.Require(t, "kea-dhcp-ddns")
	row := func(valid int) string {
		return fmt.Sprintf("198.51.100.7,00:01,,%d,%d,1,1,1,two.lab.example.,0,\n", valid, time.Now().Add(time.Hour).Unix())
	}
	leases := mustWrite(t.TempDir(), "leases.csv", "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n"+row(3600))
	const secret = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
	ptrd := peer{"ptrd", requireBinary(t), func(dir string, addr netip.AddrPort, _ []setZone) []string {
		return []string{"serve", "--config", mustWrite(dir, "ptrd.yaml", fmt.Sprintf(`listen: {dns: [%q], admin: ""}
state_dir: state
keys: [{name: dhcp-lab, secret: %s}]
zones:
  - {name: 2.0.192.in-addr.arpa, dynamic: {seed: empty.zone}, update: {key: dhcp-lab, prefix: 192.0.2.64/26, types: [PTR, DHCID]}}
  - {name: 100.51.198.in-addr.arpa, file: file.zone, update: {key: dhcp-lab, prefix: 198.51.100.0/24, types: [PTR, DHCID]}, derive: [{kea: %q}]}
  - {name: lab.example, dynamic: {seed: empty.zone}, update: {key: dhcp-lab, types: [A, DHCID]}}
`, addr, secret, leases))}
	}}
	addr := ptrd.start(t, loadSet(t, "testdata/update/kea.txtar"))
	dir := t.TempDir()
	ncr := freePort(t)
	server := fmt.Sprintf(`"key-name": "dhcp-lab", "dns-servers": [{"ip-address": "%s", "port": %d}]`, addr.Addr(), addr.Port())
	config := mustWrite(dir, "ddns.conf", fmt.Sprintf(`{"DhcpDdns": {
  "ip-address": "127.0.0.1", "port": %d, "dns-server-timeout": 20000,
  "tsig-keys": [{"name": "dhcp-lab", "algorithm": "HMAC-SHA256", "secret": "%s"}],
  "forward-ddns": {"ddns-domains": [{"name": "lab.example.", %s}]},
  "reverse-ddns": {"ddns-domains": [{"name": "2.0.192.in-addr.arpa.", %s}, {"name": "100.51.198.in-addr.arpa.", %s}]},
  "loggers": [{"name": "kea-dhcp-ddns", "severity": "INFO", "output_options": [{"output": "stdout"}]}]
}}`, ncr.Port(), secret, server, server, server))
	t.Setenv("KEA_PIDFILE_DIR", dir)
	t.Setenv("KEA_LOCKFILE_DIR", dir)
	c := startProcess(t, dir, program, "-c", config)
	send := func(kind int, host, address string) {
		t.Helper()
		body := fmt.Sprintf(`{"change-type": %d, "forward-change": true, "reverse-change": true, "fqdn": "%s.lab.example.", "ip-address": "%s",
"dhcid": "000102B6BBB2AB5A8D9B4BE1C3A7E41F5C7F6F2C6D5B4A392817065F4E3D2C1B0A", "lease-expires-on": "20371231235959", "lease-length": 3600, "use-conflict-resolution": true}`, kind, host, address)
		u, err := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", ncr.Port()))
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		if _, err := u.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(body))), body...)); err != nil {
			t.Fatal(err)
		}
	}
	await := func(owner string, typ uint16, want string) {
		t.Helper()
		q := new(dns.Msg)
		q.SetQuestion(owner, typ)
		client := dns.Client{Timeout: time.Second}
		var got string
		for end := time.Now().Add(startWait); time.Now().Before(end); {
			if r, _, err := client.Exchange(q, addr.String()); err == nil {
				got = dns.RcodeToString[r.Rcode]
				for _, a := range r.Answer {
					got = strings.TrimPrefix(a.String(), a.Header().String())
				}
				if got == want || want == "" && len(r.Answer) > 0 {
					return
				}
			}
			<-time.After(10 * time.Millisecond) // between two tries
		}
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		t.Fatalf("%s %s is %q, want %q\n%s%s", owner, dns.TypeToString[typ], got, want, c.log(), log)
	}
	up := func() bool {
		return strings.Contains(c.log(), "DCTL_CONFIG_COMPLETE") || strings.Contains(c.log(), "DHCP_DDNS_STARTED")
	}
	for end := time.Now().Add(startWait); !up(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("kea-dhcp-ddns does not start:\n%s", c.log())
		}
	}
	const register, remove = 0, 1
	for _, lease := range []struct{ host, address string }{{"one", "192.0.2.65"}, {"two", "198.51.100.7"}} {
		owner, _ := dns.ReverseAddr(lease.address)
		send(register, lease.host, lease.address)
		await(owner, dns.TypePTR, lease.host+".lab.example.")
		await(owner, dns.TypeDHCID, "")
		await(lease.host+".lab.example.", dns.TypeA, lease.address)
		await(lease.host+".lab.example.", dns.TypeDHCID, "")
		send(remove, lease.host, lease.address)
		if lease.host == "two" {
			await(owner, dns.TypeDHCID, "NOERROR")
			await(owner, dns.TypePTR, lease.host+".lab.example.")
			appendTo(leases, row(0))
		}
		await(owner, dns.TypePTR, "NXDOMAIN")
		await(lease.host+".lab.example.", dns.TypeA, "NXDOMAIN")
	}
	if strings.Contains(c.log(), "REJECTED") {
		t.Errorf("an update was refused:\n%s", c.log())
	}
	send(register, "elsewhere", "192.0.2.10") // outside of the prefix
	for end := time.Now().Add(startWait); !strings.Contains(c.log(), "DHCP_DDNS_REVERSE_REPLACE_REJECTED"); <-time.After(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("kea-dhcp-ddns does not receive the refusal:\n%s", c.log())
		}
	}
	await("10.2.0.192.in-addr.arpa.", dns.TypePTR, "NXDOMAIN")
}
