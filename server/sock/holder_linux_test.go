package sock

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ptrd/ptrd/server/freeport"
)

// TestHolder binds the addresses of another program, which has the name of systemd-resolved.
func TestHolder(t *testing.T) {
	if at := os.Getenv("PTRD_TEST_HOLDER"); at != "" {
		ln, err := net.Listen("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.ListenPacket("udp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("ready")
		io.Copy(io.Discard, os.Stdin)
		conn.Close()
		ln.Close()
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "systemd-resolved")
	if err := os.Link(self, program); err != nil {
		data, err := os.ReadFile(self)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(program, data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "-test.run=^TestHolder$")
	// No program has another address with this port, which would be the holder of the wildcard as well.
	at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.53"), freeport.Must(t).Port())
	cmd.Env = append(os.Environ(), "PTRD_TEST_HOLDER="+at.String())
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer in.Close()
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	const resolved = "write `DNSStubListener=no` below [Resolve] in /etc/systemd/resolved.conf and restart systemd-resolved, or "
	for _, tt := range []struct {
		addr  netip.Addr
		other string
	}{
		{at.Addr(), "choose another address"},
		{netip.IPv4Unspecified(), "listen on addresses of this host in place of 0.0.0.0"},
	} {
		addr := netip.AddrPortFrom(tt.addr, at.Port())
		_, tcp := net.Listen("tcp4", addr.String())
		_, udp := net.ListenPacket("udp4", addr.String())
		for transport, err := range map[string]error{"tcp": tcp, "udp": udp, "admin": tcp} {
			want := fmt.Sprintf("listen %v %s: address already in use; another server has it: systemd-resolve (process %d) at %v; %s%s", addr, transport, cmd.Process.Pid, at, resolved, tt.other)
			if got := BindError(transport, addr, err).Error(); got != want {
				t.Errorf("%s\nwant\n%s", got, want)
			}
		}
	}
	if h, ok := findHolder("tcp", netip.AddrPortFrom(netip.IPv6Unspecified(), at.Port())); ok {
		t.Errorf("%v is in the way of IPv6", h.at)
	}
	// Programs of other users are not visible, their user is.
	addr := netip.MustParseAddrPort("192.0.2.1:53")
	want := "another server has it: a program of user root at 0.0.0.0:53; stop it, or choose another address"
	if got := (holder{at: netip.MustParseAddrPort("0.0.0.0:53")}).remedy(addr); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}
