package netlab

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/peertest"
)

// buildDir has the programs that tests run. TestMain makes and removes it.
var buildDir string

func TestMain(m *testing.M) {
	os.Exit(Main(func() int {
		var err error
		if buildDir, err = os.MkdirTemp("", "ptrd-netlab-"); err != nil {
			panic(err)
		}
		defer os.RemoveAll(buildDir)
		os.Chmod(buildDir, 0o755) // for the users of the servers
		return m.Run()
	}))
}

func build(name, path string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		file := filepath.Join(buildDir, name)
		cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", file, path)
		cmd.Stderr = os.Stderr
		return file, cmd.Run()
	})
}

var (
	buildPtrd    = build("ptrd", "github.com/ptrd/ptrd/cmd/ptrd")
	buildCommand = build("netlab", "github.com/ptrd/ptrd/internal/netlab/cmd")
)

// startLab runs a scenario until the test ends.
func startLab(t *testing.T, s *Scenario) *Lab {
	t.Helper()
	requirePrograms(t, s)
	path, err := buildPtrd()
	if err != nil {
		t.Fatal(err)
	}
	// Unlike that of t.TempDir, the directory is within reach of other users.
	dir, err := os.MkdirTemp("", "ptrd-lab-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := Start(t.Context(), s, Options{Dir: dir, Ptrd: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// requirePrograms skips a test that lacks software of a scenario.
func requirePrograms(t *testing.T, s *Scenario) {
	t.Helper()
	Require(t)
	for _, h := range s.Hosts {
		if p, ok := programs[h.Software]; ok && h.Software != "ptrd" {
			if p.mail && !isRoot() {
				peertest.Missing(t, "needs root: "+h.Software+" changes to other users")
			}
			peertest.Require(t, p.executable)
		}
	}
}

// mustRun runs a command on the client.
func (l *Lab) mustRun(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, err := l.Run(t.Context(), Client, program, args...)
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
	return out
}

// resolves runs a command on the client until its output has a text: the resolver fails where a server does
// not respond in its time, which can be too short on a loaded machine.
func (l *Lab) resolves(t *testing.T, want, program string, args ...string) {
	t.Helper()
	program = peertest.Require(t, program)
	var out string
	var err error
	for deadline := time.Now().Add(startWait); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) { // between two tries
		if out, err = l.Run(t.Context(), Client, program, args...); strings.Contains(out, want) {
			return
		}
	}
	t.Errorf("%s %v: %v, %q, want %s", program, args, err, out, want)
}

// TestBase follows the delegations of the base scenario with each software of the provider,
// and changes one.
func TestBase(t *testing.T) {
	for _, provider := range []string{"bind", "nsd", "knot"} {
		t.Run(provider, func(t *testing.T) {
			l := startLab(t, Base(provider))
			for _, c := range [][]string{
				{"dig", "+short", "-x", "11.4.7.53"},
				{"dig", "+short", "-x", "2e00:7::53"},
				{"dig", "+short", "-x", "11.4.7.53", "@11.6.0.53"}, // the secondary
				{"getent", "hosts", "11.4.7.53"},
				{"getent", "ahosts", "ns1.customer.example"},
			} {
				l.resolves(t, "ns1.customer.example", c[0], c[1:]...)
			}
			testIsolation(t, l)
			testRestart(t, l)
		})
	}
}

// testIsolation checks that hosts have no network devices but those of the lab, so that
// nothing leaves it.
func testIsolation(t *testing.T, l *Lab) {
	for _, host := range []string{Client, "ns1"} {
		out, err := l.Run(t.Context(), host, "ip", "-oneline", "link")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out) {
			if name := strings.Fields(line)[1]; !strings.HasPrefix(name, "lo:") && !strings.HasPrefix(name, bridge+":") &&
				!strings.HasPrefix(name, "port") && !strings.HasPrefix(name, "eth0@") {
				t.Errorf("host %s has the device %s, which is not the lab's", host, name)
			}
		}
	}
}

// testRestart changes a delegation while the lab runs.
func testRestart(t *testing.T, l *Lab) {
	z := l.Scenario.enclosing("7.4.11.in-addr.arpa.", false)
	z.Parent = "; not delegated"
	if err := l.Restart(t.Context(), "isp"); err != nil {
		t.Fatal(err)
	}
	dig := peertest.Require(t, "dig")
	if out := l.mustRun(t, dig, "+norec", "-x", "11.4.7.25", "@11.4.0.53"); !strings.Contains(out, "NXDOMAIN") {
		t.Errorf("the zone is still delegated:\n%s", out)
	}
	z.Parent = ""
	if err := l.Restart(t.Context(), "isp"); err != nil {
		t.Fatal(err)
	}
	if out := l.mustRun(t, dig, "+norec", "-x", "11.4.7.25", "@11.4.0.53"); !strings.Contains(out, "NS\tns2.customer.example.") {
		t.Errorf("the zone is not delegated:\n%s", out)
	}
}
