// Package peertest finds the foreign programs that tests compare ptrd with or put
// in front of it, and tries whether they work. A test that lacks one is skipped with the
// reason; where PTRD_REQUIRE_PEERS=1 is set, as in CI, it fails instead, so that a
// comparison cannot vanish unnoticed. `make test` prints at its end what was skipped: the
// tests of all packages append to the file that PTRD_SKIPPED names.
//
// Packages that conflict with others are not installed, but unpacked by .ci/unpack, each into
// a directory of its own, and their programs run from there (Root, Env).
//
// To use a program that not all of its packages or versions support equally, add a probe
// to the table (probe.go) and name the need in Require.
package peertest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	// requireEnv makes missing peers fail a test.
	requireEnv = "PTRD_REQUIRE_PEERS"
	// skippedEnv names the file that collects what was skipped. Its path differs with each
	// `make test`, so that the go command does not take a skip from its cache.
	skippedEnv = "PTRD_SKIPPED"
	// packagesEnv names the directory of unpacked packages.
	packagesEnv = "PTRD_PACKAGES"
)

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
	case "kresd":
		return "knot-resolver"
	case "dnsmasq":
		return "dnsmasq-base"
	case "dhcpd":
		return "isc-dhcp-server"
	case "kea-dhcp-ddns", "kea-dhcp4", "kea-dhcp6":
		return program + "-server"
	case "kea-lfc":
		return "kea-common"
	case "kzonecheck":
		return "knot-dnssecutils"
	case "nsd-checkconf", "nsd-checkzone":
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
	case "unshare", "nsenter":
		return "util-linux"
	case "node":
		return "nodejs"
	case "spfquery":
		return "spf-tools-perl"
	case "promtool":
		return "prometheus"
	case "getent":
		return "libc-bin"
	case "exim4":
		return "exim4-daemon-heavy"
	case "smtpd":
		return "opensmtpd"
	}
	return program
}

// Find returns the path of a program, looked up in PATH, where daemons live, and in its
// package if that is unpacked.
func Find(program string) (path string, ok bool) {
	if p, err := exec.LookPath(program); err == nil {
		return p, true
	}
	for _, dir := range append(sbin[:], filepath.Join(packages(), Package(program), "usr/sbin")) {
		if p, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return p, true
		}
	}
	return "", false
}

// packages returns the directory of unpacked packages.
func packages() string {
	if dir := os.Getenv(packagesEnv); dir != "" {
		return dir
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "/nonexistent"
	}
	return filepath.Join(cache, "ptrd", "packages")
}

// Root returns the directory that stands for / to a program that Find found.
func Root(path string) string {
	if rest, ok := strings.CutPrefix(path, packages()+"/"); ok {
		name, _, _ := strings.Cut(rest, "/")
		return filepath.Join(packages(), name)
	}
	return "/"
}

// Env returns what the environment of a program that Find found has more: where the libraries
// of an unpacked package are.
func Env(path string) []string {
	root := Root(path)
	if root == "/" {
		return nil
	}
	lib := filepath.Join(root, "usr/lib")
	dirs, _ := filepath.Glob(lib + "/*-linux-*")
	dirs = append(dirs, lib, filepath.Join(lib, "postfix"))
	return []string{"LD_LIBRARY_PATH=" + strings.Join(dirs, ":")}
}

// Require returns the path that Find finds. Where there is none, or the program does not
// work or lacks one of the needs, the test is skipped, or fails (see the package).
func Require(t testing.TB, program string, needs ...string) string {
	t.Helper()
	p, ok := Find(program)
	if !ok {
		Missing(t, program+" is not installed (Debian package "+Package(program)+")")
	}
	for _, need := range append([]string{""}, needs...) {
		err := works(p, program, need)
		switch {
		case err == nil:
		case need == "":
			Missing(t, fmt.Sprintf("%s does not work: %v", program, err))
		default:
			Missing(t, fmt.Sprintf("%s does not have %s: %v", program, need, err))
		}
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
	Optional(t, reason)
}

// Optional skips a test whose precondition is not met, even where peers are required.
func Optional(t testing.TB, reason string) {
	t.Helper()
	if err := note(t.Name(), reason); err != nil {
		t.Errorf("%s: %v", skippedEnv, err)
	}
	t.Skip(reason)
}

// note appends a line to the file of what was skipped. One write of one line to the end
// of a file is not mixed with those of other processes.
func note(test, reason string) error {
	path := os.Getenv(skippedEnv)
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s: %s\n", test, strings.Join(strings.Fields(reason), " "))
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}
