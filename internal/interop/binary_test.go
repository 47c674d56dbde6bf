package interop

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// buildDir is where ptrd is built. TestMain makes and removes it.
var buildDir string

// built builds ptrd once and returns the path of the program.
var built = sync.OnceValues(func() (string, error) {
	path := filepath.Join(buildDir, "ptrd")
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", path, "github.com/ptrd/ptrd/cmd/ptrd")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// atOnce is how many tests run at the same time, at least.
const atOnce = 4

func TestMain(m *testing.M) {
	var err error
	if buildDir, err = os.MkdirTemp("", "ptrd-interop-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// The tests wait for servers more than they compute, so that processors would be idle. Each has its
	// own ports and directories.
	flag.Set("test.parallel", fmt.Sprint(max(atOnce, runtime.GOMAXPROCS(0)))) // the flag of the command line comes later
	code := m.Run()
	os.RemoveAll(buildDir)
	os.Exit(code)
}

// requireBinary returns the path of the built ptrd.
func requireBinary(t testing.TB) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// startPtrd runs the real ptrd with the zones of s, each by its name and from its
// file, and returns its address.
func startPtrd(t testing.TB, s *zoneSet) netip.AddrPort {
	t.Helper()
	return peer{"ptrd", requireBinary(t), configPtrd}.start(t, s)
}

func configPtrd(dir string, addr netip.AddrPort, zones []setZone) []string {
	var b strings.Builder
	fmt.Fprintf(&b, "listen: {dns: [%q], admin: \"\"}\nstate_dir: state\nlimits: {udp_size: 4096}\nzones:\n", addr)
	for _, z := range zones {
		fmt.Fprintf(&b, "  - {name: %q, file: %q}\n", z.apex, z.file)
	}
	return []string{"serve", "--config", mustWrite(dir, "ptrd.yaml", b.String())}
}

// TestBinary holds what the real server sends over UDP and TCP against what Respond
// makes: octet for octet, but for the cookies and the like that no query here asks for.
func TestBinary(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"classful", "delegation_large", "forward", "rfc2317_both", "signed_nsec3"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := loadSet(t, "testdata/"+name+".txtar")
			c := newClient(startPtrd(t, s))
			defer c.close()
			door := inProcess(t, s)()
			var id uint16
			for _, n := range s.names(t) {
				for _, qt := range []uint16{dns.TypePTR, dns.TypeNS, dns.TypeSOA, dns.TypeDS} {
					for _, way := range ways {
						id++
						query, err := question{n, qt}.pack(id, way)
						if err != nil {
							t.Fatal(err)
						}
						got, err := c.respond(query, way.tcp)
						if err != nil {
							t.Fatalf("%s %s, %v: %v", n, typeString(qt), way, err)
						}
						want, err := door.respond(query, way.tcp)
						if err != nil {
							t.Fatal(err)
						}
						if !bytes.Equal(got, want) {
							t.Fatalf("%s %s, %v: the server sends\n% x\nwant\n% x", n, typeString(qt), way, got, want)
						}
					}
				}
			}
		})
	}
}
