package interop

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/peertest"
	"github.com/ptrd/ptrd/server/freeport"
)

// peer is a server of other software.
type peer struct {
	name    string
	program string
	// config writes what the server needs into dir and returns its arguments.
	config func(dir string, addr netip.AddrPort, zones []setZone) []string
}

// peers are the servers that ptrd is compared with, in the order of the tables.
var peers = []peer{
	{"nsd", "nsd", configNSD},
	{"knot", "knotd", configKnot},
	{"bind", "named", configBIND},
}

// startWait is how long a test waits for what must come. On a loaded machine, each process may stand
// still for seconds, and what takes 0.1 s otherwise takes many times as long.
const startWait = time.Minute

// start runs the peer with zones that lie in dir and returns its address once it
// answers for all of them. It ends with the test.
func (p peer) start(t testing.TB, s *zoneSet) netip.AddrPort {
	t.Helper()
	program := peertest.Require(t, p.program)
	dir := filepath.Join(t.TempDir(), p.name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s.write(t, dir)
	const attempts = 3 // another process may have taken the port in between
	var log string
	for range attempts {
		addr := freePort(t)
		c := startProcess(t, dir, program, p.config(dir, addr, s.zones)...)
		var apexes []string
		for _, z := range s.zones {
			apexes = append(apexes, dns.Fqdn(z.apex))
		}
		if awaitZones(addr, apexes, c.ended) {
			return addr
		}
		requireRunning(t, c)
		c.stop()
		log = c.log()
	}
	t.Fatalf("%s does not answer for the zones of %s:\n%s", p.name, s.name, log)
	return netip.AddrPort{}
}

// requireRunning ends the test as one without the peer where a peer has ended during its
// start, with a configuration that is the test's own: it does not work on this machine. A
// port that another process took in between is no such case.
func requireRunning(t testing.TB, c *process) {
	t.Helper()
	select {
	case <-c.ended:
		if log := c.log(); !strings.Contains(log, "in use") {
			peertest.Missing(t, fmt.Sprintf("%s ends during its start: %s", c.cmd.Path, log))
		}
	default:
	}
}

// freePort returns an address of loopback whose port is free for UDP and TCP, and stays so while
// the server that it is for is down.
func freePort(t testing.TB) netip.AddrPort {
	t.Helper()
	return freeport.Must(t)
}

// process is a program that a test runs.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}

	mu  sync.Mutex
	out bytes.Buffer
}

func (c *process) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.Write(p)
}

func (c *process) log() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.String()
}

// end returns the last lines of the log.
func (c *process) end() string { return lastLines(c.log()) }

func lastLines(log string) string {
	const lines = 40
	list := strings.SplitAfter(log, "\n")
	return strings.Join(list[max(0, len(list)-lines):], "")
}

// startProcess runs a program in the foreground until the test ends. If the test fails, the end of what the
// program has printed is in its log.
func startProcess(t testing.TB, dir, program string, args ...string) *process {
	t.Helper()
	c := launch(t, dir, program, args...)
	t.Cleanup(func() {
		c.stop()
		if t.Failed() {
			t.Logf("%s %s in %s:\n%s", filepath.Base(program), strings.Join(args, " "), dir, c.end())
		}
	})
	return c
}

// launch runs a program in the foreground until the caller stops it.
func launch(t testing.TB, dir, program string, args ...string) *process {
	t.Helper()
	c := &process{cmd: exec.Command(program, args...), ended: make(chan struct{})}
	c.cmd.Dir = dir
	c.cmd.Stdout, c.cmd.Stderr = c, c
	c.cmd.WaitDelay = time.Second
	endWithParent(c.cmd)
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.ended)
		c.cmd.Wait()
	}()
	return c
}

// stop ends the process and its children and waits for it.
func (c *process) stop() {
	endGroup(c.cmd.Process)
	<-c.ended // a second call finds it closed
}

// awaitZones asks for the SOA at each apex until all are answered with authority.
func awaitZones(addr netip.AddrPort, apexes []string, ended <-chan struct{}) bool {
	deadline := time.Now().Add(startWait)
	for _, apex := range apexes {
		q := new(dns.Msg)
		q.SetQuestion(apex, dns.TypeSOA)
		for !answersFor(addr, q) {
			select {
			case <-ended:
				return false
			case <-time.After(10 * time.Millisecond): // between two tries
			}
			if time.Now().After(deadline) {
				return false
			}
		}
	}
	return true
}

func answersFor(addr netip.AddrPort, q *dns.Msg) bool {
	c := dns.Client{Net: "tcp", Timeout: time.Second}
	r, _, err := c.Exchange(q, addr.String())
	return err == nil && r.Rcode == dns.RcodeSuccess && r.Authoritative && len(r.Answer) > 0
}

func mustWrite(dir, name, text string) string {
	p := filepath.Join(dir, name)
	if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
		panic(err)
	}
	return p
}

func configNSD(dir string, addr netip.AddrPort, zones []setZone) []string {
	var b strings.Builder
	fmt.Fprintf(&b, `server:
	ip-address: %[2]s@%[3]d
	server-count: 1
	zonesdir: "%[1]s"
	database: ""
	zonelistfile: "%[1]s/zone.list"
	xfrdfile: "%[1]s/xfrd.state"
	xfrdir: "%[1]s"
	pidfile: "%[1]s/nsd.pid"
	username: ""
	rrl-ratelimit: 0
	rrl-whitelist-ratelimit: 0
	round-robin: no
	answer-cookie: no
	ipv4-edns-size: 4096
remote-control:
	control-enable: no
`, dir, addr.Addr(), addr.Port())
	for _, z := range zones {
		fmt.Fprintf(&b, "zone:\n\tname: \"%s\"\n\tzonefile: \"%s\"\n", z.apex, z.file)
	}
	return []string{"-d", "-c", mustWrite(dir, "nsd.conf", b.String())}
}

func configKnot(dir string, addr netip.AddrPort, zones []setZone) []string {
	var b strings.Builder
	fmt.Fprintf(&b, `server:
    rundir: "%[1]s"
    listen: %[2]s@%[3]d
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    udp-max-payload: 4096
    answer-rotation: off
    dbus-event: none
log:
  - target: stderr
    any: info
database:
    storage: "%[1]s/db"
control:
    listen: "%[1]s/ctl"
template:
  - id: default
    storage: "%[1]s"
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
    semantic-checks: off
zone:
`, dir, addr.Addr(), addr.Port())
	for _, z := range zones {
		fmt.Fprintf(&b, "  - domain: \"%s\"\n    file: \"%s\"\n", z.apex, z.file)
	}
	return []string{"-c", mustWrite(dir, "knot.conf", b.String())}
}

func configBIND(dir string, addr netip.AddrPort, zones []setZone) []string {
	var b strings.Builder
	fmt.Fprintf(&b, `options {
	directory "%[1]s";
	pid-file none;
	session-keyfile "%[1]s/session.key";
	lock-file none;
	listen-on port %[3]d { %[2]s; };
	listen-on-v6 { none; };
	recursion no;
	allow-query { any; };
	allow-transfer { none; };
	notify no;
	dnssec-validation no;
	empty-zones-enable no;
	minimal-responses yes;
	minimal-any yes;
	zero-no-soa-ttl no;
	answer-cookie no;
	rrset-order { order none; };
	check-names primary ignore;
	check-integrity no;
	check-mx ignore;
	check-srv-cname ignore;
	check-mx-cname ignore;
	check-dup-records ignore;
	max-udp-size 4096;
	edns-udp-size 4096;
	nocookie-udp-size 4096;
	max-records-per-type 0;
};
controls { };
`, dir, addr.Addr(), addr.Port())
	for _, z := range zones {
		fmt.Fprintf(&b, "zone \"%s\" { type primary; file \"%s\"; };\n", z.apex, z.file)
	}
	return []string{"-g", "-n", "1", "-c", mustWrite(dir, "named.conf", b.String())}
}
