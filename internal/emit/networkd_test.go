package emit

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/peertest"
)

// networkd is not in anybody's PATH.
const networkd = "/lib/systemd/systemd-networkd"

// TestNetworkd has systemd-networkd read a drop-in. It runs in namespaces of its own
// without any interface that the text could be for, and ends when it has looked for one.
// systemd has no program that only checks.
func TestNetworkd(t *testing.T) {
	if _, err := os.Stat(networkd); err != nil {
		peertest.Missing(t, "systemd-networkd is not installed (Debian package systemd)")
	}
	peertest.RequireRoot(t, "namespaces for systemd-networkd")
	unshare := peertest.Require(t, "unshare", peertest.Namespaces)
	for name, o := range samples() {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			o.Role, o.Link = Resolver, "nolink0"
			file := writeText(t, dir, &resolved, o)
			script := fmt.Sprintf(`set -e
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /etc/systemd/network
mkdir -p /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp /etc/systemd/network/10-nolink0.network.d
printf '[Match]\nName=nolink0\n' > /etc/systemd/network/10-nolink0.network
cp %s /etc/systemd/network/10-nolink0.network.d/ptrd.conf
exec env SYSTEMD_LOG_LEVEL=debug %s
`, file, networkd)
			cmd := exec.CommandContext(t.Context(), unshare, "-mn", "sh", writeFile(t, dir, "script", script))
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd.Stderr = cmd.Stdout
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			read, log := false, ""
			for lines := bufio.NewScanner(out); lines.Scan(); {
				l := lines.Text()
				log += l + "\n"
				if strings.Contains(l, "ptrd.conf") {
					t.Errorf("systemd-networkd says: %s", l)
				}
				if strings.Contains(l, "Enumeration completed") {
					read = true
					break
				}
			}
			cmd.Process.Kill()
			cmd.Wait()
			if !read {
				t.Errorf("systemd-networkd ended before it had read anything:\n%s", log)
			}
		})
	}
}
