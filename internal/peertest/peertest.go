// Package peertest finds the foreign programs that tests compare ptrd with or put
// in front of it. A test that lacks one is skipped with the reason; where
// PTRD_REQUIRE_PEERS=1 is set, as in CI, it fails instead, so that a comparison
// cannot vanish without a word.
package peertest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// requireEnv makes missing peers fail a test.
const requireEnv = "PTRD_REQUIRE_PEERS"

// sbin are directories of daemons, which are not in everybody's PATH.
var sbin = [...]string{"/usr/sbin", "/usr/local/sbin", "/sbin"}

// Package returns the name of the Debian package of a program.
func Package(program string) string {
	switch program {
	case "nsd-control":
		return "nsd"
	case "rndc":
		return "bind9-utils"
	case "pdns_server", "pdns_control", "pdnsutil":
		return "pdns-server"
	case "pdns_recursor":
		return "pdns-recursor"
	case "dnsmasq":
		return "dnsmasq-base"
	case "dhcpd":
		return "isc-dhcp-server"
	case "kea-dhcp-ddns", "kea-dhcp4":
		return program + "-server"
	case "nsd-checkconf":
		return "nsd"
	case "unbound-checkconf":
		return "unbound"
	case "gdnsdctl":
		return "gdnsd"
	case "yadifad":
		return "yadifa"
	case "named":
		return "bind9"
	case "named-checkconf", "named-checkzone", "named-compilezone", "dnssec-signzone", "dnssec-keygen":
		return "bind9-utils"
	case "dig", "delv", "nslookup", "nsupdate":
		return "bind9-dnsutils"
	case "knotd", "keymgr", "knotc":
		return "knot"
	case "kdig", "knsupdate":
		return "knot-dnsutils"
	case "ip":
		return "iproute2"
	case "unshare":
		return "util-linux"
	case "getent":
		return "libc-bin"
	}
	return program
}

// Find returns the path of a program, looked up in PATH and where daemons live.
func Find(program string) (path string, ok bool) {
	if p, err := exec.LookPath(program); err == nil {
		return p, true
	}
	for _, dir := range sbin {
		if p, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return p, true
		}
	}
	return "", false
}

// Require returns the path that Find finds. Without it the test is skipped, or fails
// (see the package).
func Require(t testing.TB, program string) string {
	t.Helper()
	p, ok := Find(program)
	if !ok {
		Missing(t, program+" is not installed (Debian package "+Package(program)+")")
	}
	return p
}

// RequireRoot skips a test that needs root, or fails it, saying what for.
func RequireRoot(t testing.TB, why string) {
	t.Helper()
	if os.Geteuid() != 0 {
		Missing(t, "needs root: "+why)
	}
}

// Missing ends a test whose precondition is not met: it skips it, or fails it
// where peers are required.
func Missing(t testing.TB, reason string) {
	t.Helper()
	if os.Getenv(requireEnv) == "1" {
		t.Fatalf("%s=1: %s", requireEnv, reason)
	}
	t.Skip(reason)
}
