package audit

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/peertest"
	"github.com/ptrd/ptrd/server/await"
	"github.com/ptrd/ptrd/server/freeport"
	"github.com/ptrd/ptrd/zone/dname"
)

// TestUnbound has unbound look up the names that are not served here: one leads back, one leads
// elsewhere, one has no address, one does not exist, the servers of one do not
// answer, and of one there is only an alias in the answer.
func TestUnbound(t *testing.T) {
	program := peertest.Require(t, "unbound")
	dir := t.TempDir()
	port := freeport.Must(t).Port()
	conf := filepath.Join(dir, "unbound.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, `server:
	username: ""
	chroot: ""
	directory: "%s"
	pidfile: ""
	use-syslog: no
	interface: 127.0.0.1
	port: %d
	module-config: "iterator"
	do-not-query-localhost: no
	local-zone: "test." static
	local-data: "ok.test. A 192.0.2.1"
	local-data: "other.test. A 192.0.2.99"
	local-data: "v6.test. AAAA 2001:db8::1"
	local-data: "alias.test. CNAME ok6.test."
	local-data: "ok6.test. A 192.0.2.6"
remote-control:
	control-enable: no
forward-zone:
	name: "."
	forward-addr: 127.0.0.1@%d
`, dir, port, freeport.Must(t).Port()), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "-d", "-c", conf)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	defer func() { cmd.Process.Kill(); <-ended }()
	server := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
	await.That(t, "unbound answers", func() bool {
		select {
		case err := <-ended:
			ended <- nil
			t.Fatalf("unbound ended: %v", err)
		default:
		}
		c := dns.Client{Timeout: time.Second}
		_, _, err := c.Exchange(new(dns.Msg).SetQuestion("ok.test.", dns.TypeA), server.String())
		return err == nil
	})
	w := newWorld(t, map[string]string{"2.0.192.in-addr.arpa.": "1 PTR ok.test.\n2 PTR other.test.\n3 PTR v6.test.\n4 PTR absent.test.\n5 PTR lost.example.org.\n6 PTR alias.test.\n"})
	s := w.settings()
	s.Resolvers = []netip.AddrPort{server}
	r, err := Examine(t.Context(), w.current.Load(), s, Scope{}, func(dname.Name) Source { return Source{} }, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]State{}
	for _, f := range r.Findings {
		got[f.Address.String()] = f.State
	}
	want := map[string]State{"192.0.2.2": Mismatch, "192.0.2.3": NoAddress, "192.0.2.4": NoAddress, "192.0.2.5": NotKnown, "192.0.2.6": NotKnown}
	if fmt.Sprint(got) != fmt.Sprint(want) || r.States[OK] != 1 {
		t.Errorf("%v, %d ok, want %v", got, r.States[OK], want)
	}
}
