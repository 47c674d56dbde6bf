package interop

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/peertest"
)

// route53Dir has the programs that clients of Route 53 run, and the zones that they make.
func route53Dir(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs("testdata/route53")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// runIn runs a command in a directory of its own.
func runIn(t *testing.T, env []string, command ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", command, err, out)
	}
	return string(out)
}

// TestRoute53Mail runs the script of docs/route53-mail.sh, and asks for both addresses by getent
// through unbound. Names and types that are often misspelt get errors that say what was meant.
func TestRoute53Mail(t *testing.T) {
	t.Parallel()
	peertest.RequireRoot(t, "to make a network namespace")
	ptrd, dir := requireBinary(t), route53Dir(t)
	for _, p := range []string{"dig", "ip", "getent", "unshare"} {
		peertest.Require(t, p)
	}
	unbound := peertest.Require(t, "unbound")
	if _, err := os.Stat("/usr/bin/aws"); err != nil {
		peertest.Missing(t, "aws is not installed (Debian package awscli)")
	}
	script, err := filepath.Abs("../../docs/route53-mail.sh")
	if err != nil {
		t.Fatal(err)
	}
	out := runIn(t, []string{"PATH=/usr/bin:/bin:/usr/sbin:/sbin"}, "unshare", "-n", "-m", "sh", filepath.Join(dir, "mail.sh"), ptrd, script, unbound)
	for _, want := range []string{
		"4.3.2.1.in-addr.arpa. NS ns1.ptrd.test\tns2.ptrd.test",
		"8.b.d.0.1.0.0.2.ip6.arpa. NS ns1.ptrd.test\tns2.ptrd.test",
		"did you mean 8.b.d.0.1.0.0.2.ip6.arpa.?",
		"Did you mean PTR?",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if n := bytes.Count([]byte(out), []byte("mail.example.com\n")); n != 2 {
		t.Errorf("%d of 2 addresses have a name:\n%s", n, out)
	}
}
