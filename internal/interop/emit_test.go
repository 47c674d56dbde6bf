package interop

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/peertest"
)

// emitConfig is a configuration with zones in private and public prefixes, of several
// apexes, and classless ones, and one that is no reverse zone.
const emitConfig = `
listen: {dns: ["%s"], admin: ""}
state_dir: state
keys: [{name: transfer-key, secret: "` + emitSecret + `"}]
defaults:
  nameservers: [{name: ns.lab.example, addresses: [127.0.0.1]}]
  transfer: {allow: [{key: transfer-key}]}
zones:
  - {prefix: 10.20.0.0/22, update: {key: transfer-key, types: [PTR, DHCID]}, ptr: {10.20.0.1: a.lab.example, 10.20.3.254: b.lab.example}}
  - {prefix: 192.168.0.0/16, ptr: {192.168.7.9: c.lab.example}}
  - {prefix: 203.0.113.0/24, ptr: {203.0.113.1: d.lab.example}}
  - {prefix: 203.0.113.64/26, style: slash, ptr: {203.0.113.65: e.lab.example}}
  - {prefix: 2001:db8:100::/46, update: {key: transfer-key}, ptr: {2001:db8:103::25: f.lab.example}}
  - {prefix: fd12:3456::/32, ptr: {"fd12:3456::1": g.lab.example}}
  - {prefix: 5.6.7.0/24, transfer: {allow: 127.0.0.0/8}, ptr: {5.6.7.8: h.lab.example}}
  - {name: lab.example, update: {from: 127.0.0.0/8}}
`

const emitSecret = "b25seSBmb3IgdGVzdHMsIG9uIGxvb3BiYWNrIG9ubHk="

// emitWant are the names of emitConfig.
var emitWant = map[string]string{
	"10.20.0.1": "a.lab.example.", "10.20.3.254": "b.lab.example.", "192.168.7.9": "c.lab.example.",
	"203.0.113.1": "d.lab.example.", "203.0.113.65": "e.lab.example.", "2001:db8:103::25": "f.lab.example.",
	"fd12:3456::1": "g.lab.example.", "5.6.7.8": "h.lab.example.",
}

// emitting is a ptrd with emitConfig.
type emitting struct {
	dir    string
	config string
	addr   netip.AddrPort
}

// startEmitting runs ptrd on an address, on a free one if it is the zero value.
func startEmitting(t *testing.T, addr netip.AddrPort) *emitting {
	t.Helper()
	e := &emitting{dir: t.TempDir(), addr: addr}
	if !addr.IsValid() {
		e.addr = freePort(t)
	}
	e.config = mustWrite(e.dir, "ptrd.yaml", fmt.Sprintf(emitConfig, e.addr))
	c := startProcess(t, e.dir, requireBinary(t), "serve", "--config", e.config)
	if !awaitZones(e.addr, []string{"0.20.10.in-addr.arpa.", "lab.example."}, c.ended) {
		t.Fatalf("ptrd does not answer:\n%s", c.log())
	}
	return e
}

// emit writes what ptrd emits into a file of dir.
func (e *emitting) emit(t *testing.T, dir string, args ...string) (path, text string) {
	t.Helper()
	cmd := exec.Command(requireBinary(t), append([]string{"emit", "--config", e.config}, args...)...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, &errs)
	}
	return mustWrite(dir, args[0], string(out)), string(out)
}

// commentsAfter returns the comments of an emitted text that are indented by a tab after a line
// that ends with the words.
func commentsAfter(text, words string) string {
	var b strings.Builder
	_, rest, _ := strings.Cut(text, " "+words+"\n")
	for l := range strings.Lines(rest) {
		l = strings.TrimLeft(l, "#/")
		if !strings.HasPrefix(l, "\t") {
			break
		}
		b.WriteString(l[1:])
	}
	return b.String()
}

// TestEmitResolver puts each resolver in front of ptrd, with what ptrd emits for it, and
// looks up the names of all kinds of zones. All other ways out of it end on loopback.
func TestEmitResolver(t *testing.T) {
	t.Parallel()
	for _, r := range []struct {
		name  string
		start func(*testing.T, *emitting) (netip.AddrPort, *process)
	}{
		{"unbound", emitUnbound},
		{"dnsmasq", emitDnsmasq},
		{"bind_forward", emitForward},
		{"bind_stub", emitStub},
		{"powerdns", emitRecursor},
	} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			var listen netip.AddrPort
			if r.name == "bind_stub" {
				peertest.RequireRoot(t, "static-stub zones know no port but 53")
				n := rand.Uint32()
				listen = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, byte(n>>16) | 1, byte(n >> 8), byte(n) | 1}), 53)
			}
			e := startEmitting(t, listen)
			addr, c := r.start(t, e)
			for a, want := range emitWant {
				got := lookup(t, c, addr, a, dns.TypePTR)
				var names []string
				for _, rr := range got.Answer {
					if p, ok := rr.(*dns.PTR); ok {
						names = append(names, p.Ptr)
					}
				}
				if got.Rcode != dns.RcodeSuccess || strings.Join(names, " ") != want {
					t.Errorf("%s: %s %q, want %s\n%s", a, dns.RcodeToString[got.Rcode], names, want, c.log())
				}
			}
			if got := lookup(t, c, addr, "10.20.2.1", dns.TypePTR); got.Rcode != dns.RcodeNameError {
				t.Errorf("a name that does not exist: %v", got)
			}
			if got := lookup(t, c, addr, "10.99.0.1", dns.TypePTR); got.Rcode != dns.RcodeNameError {
				t.Errorf("a private name outside of the zones is queried elsewhere: %v", got)
			}
			if got := lookup(t, c, addr, "lab.example.", dns.TypeSOA); got.Rcode != dns.RcodeSuccess || len(got.Answer) != 1 {
				t.Errorf("the forward zone: %v", got)
			}
		})
	}
}

// lookup asks a resolver for a name, or for the name of an address, once it listens. SERVFAIL may be that it
// had no response in its time.
func lookup(t *testing.T, c *process, server netip.AddrPort, name string, qtype uint16) *dns.Msg {
	t.Helper()
	if _, err := netip.ParseAddr(name); err == nil {
		name, _ = dns.ReverseAddr(name)
	}
	q := new(dns.Msg)
	q.SetQuestion(name, qtype)
	client := dns.Client{Net: "tcp", Timeout: startWait}
	ctx, cancel := context.WithTimeout(t.Context(), startWait)
	defer cancel()
	for {
		r, _, err := client.ExchangeContext(ctx, q, server.String())
		if err == nil && r.Rcode != dns.RcodeServerFailure {
			return r
		}
		select {
		case <-c.ended:
			t.Fatalf("%s ended:\n%s", c.cmd.Path, c.log())
		case <-ctx.Done():
			t.Fatalf("%s: no answer for %s: %v, %v\n%s", c.cmd.Path, name, r, err, c.log())
		case <-time.After(10 * time.Millisecond): // between two tries
		}
	}
}

// rootDS makes a resolver validate everything that it is not configured to accept unsigned. No
// root server is reached, so that nothing else validates.
const rootDS = ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D"

func emitUnbound(t *testing.T, e *emitting) (netip.AddrPort, *process) {
	program := peertest.Require(t, "unbound")
	dir, addr := t.TempDir(), freePort(t)
	file, _ := e.emit(t, dir, "unbound", "--unsigned")
	var b strings.Builder
	fmt.Fprintf(&b, `server:
	username: ""
	chroot: ""
	directory: "%s"
	pidfile: ""
	use-syslog: no
	interface: %s
	port: %d
	outgoing-interface: 127.0.0.1
	outgoing-port-avoid: 0-32767
	module-config: "validator iterator"
	trust-anchor: "%s"
`, dir, addr.Addr(), addr.Port(), rootDS)
	for _, a := range elsewhere {
		fmt.Fprintf(&b, "\tdo-not-query-address: %s\n", a)
	}
	fmt.Fprintf(&b, "remote-control:\n\tcontrol-enable: no\nforward-zone:\n\tname: \".\"\n\tforward-addr: 127.0.0.1@%d\ninclude: \"%s\"\n", freePort(t).Port(), file)
	return addr, startProcess(t, dir, program, "-d", "-c", mustWrite(dir, "unbound.conf", b.String()))
}

func emitDnsmasq(t *testing.T, e *emitting) (netip.AddrPort, *process) {
	program := peertest.Require(t, "dnsmasq")
	dir, addr := t.TempDir(), freePort(t)
	file, _ := e.emit(t, dir, "dnsmasq")
	return addr, startProcess(t, dir, program, "--keep-in-foreground", "--min-port=32768", "--no-resolv", "--no-hosts", "--bogus-priv", "--domain-needed", "--user=", "--pid-file", "--log-facility=-",
		"--bind-interfaces", "--listen-address="+addr.Addr().String(), fmt.Sprintf("--port=%d", addr.Port()), "--conf-file="+file)
}

// emitBIND runs BIND as a resolver without root servers.
func emitBIND(t *testing.T, e *emitting, want string) (netip.AddrPort, *process) {
	program := peertest.Require(t, "named")
	dir, addr := t.TempDir(), freePort(t)
	file, text := e.emit(t, dir, "bind", "--resolver", "--unsigned")
	if !strings.Contains(text, want) {
		t.Fatalf("no %q in\n%s", want, text)
	}
	mustWrite(dir, "hints", ". 3600000 NS nobody.\nnobody. 3600000 A 127.0.0.1\n")
	conf := fmt.Sprintf(`options {
	directory "%[1]s";
	pid-file none;
	session-keyfile "%[1]s/session.key";
	lock-file none;
	listen-on port %[3]d { %[2]s; };
	listen-on-v6 { none; };
	query-source address 127.0.0.1;
	recursion yes;
	dnssec-validation yes;
%[4]s};
trust-anchors { "." static-ds 20326 8 2 "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D"; };
controls { };
zone "." { type hint; file "hints"; };
include "%[5]s";
`, dir, addr.Addr(), addr.Port(), commentsAfter(text, "need:"), file)
	return addr, startProcess(t, dir, program, "-4", "-g", "-n", "1", "-c", mustWrite(dir, "named.conf", conf))
}

func emitForward(t *testing.T, e *emitting) (netip.AddrPort, *process) {
	return emitBIND(t, e, "type forward;")
}

func emitStub(t *testing.T, e *emitting) (netip.AddrPort, *process) {
	return emitBIND(t, e, "type static-stub;")
}

func emitRecursor(t *testing.T, e *emitting) (netip.AddrPort, *process) {
	program := peertest.Require(t, "pdns_recursor")
	dir, addr := t.TempDir(), freePort(t)
	file, text := e.emit(t, dir, "powerdns", "--resolver", "--unsigned")
	mustWrite(dir, "recursor.conf", fmt.Sprintf("forward-zones-file=%s\nlua-config-file=%s\nlocal-address=%s\nlocal-port=%d\nsocket-dir=%s\ndnssec=validate\nnetwork-timeout=10000\nudp-source-port-min=32768\nmax-total-msec=60000\nhint-file=%s\nquery-local-address=127.0.0.1\ndont-query=%s\nsetuid=\nsetgid=\nthreads=1\n",
		file, mustWrite(dir, "lua", commentsAfter(text, "needs:")), addr.Addr(), addr.Port(), dir, mustWrite(dir, "hints", ". 3600000 NS nobody.\nnobody. 3600000 A 127.0.0.1\n"), strings.Join(elsewhere, ",")))
	return addr, startProcess(t, dir, program, "--config-dir="+dir, "--daemon=no", "--disable-syslog")
}

// emitKeys writes the file of the keys that an emitted text asks for.
func emitKeys(t *testing.T, path, text string) {
	t.Helper()
	keys := strings.ReplaceAll(commentsAfter(text, "holds:"), "…", emitSecret)
	if keys == "" {
		t.Fatalf("no key in\n%s", text)
	}
	if err := os.WriteFile(filepath.Clean(path), []byte(keys), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestEmitSecondary runs each secondary with what ptrd emits for it and waits until it
// has every zone, those for which it needs the key and the others. Then the names change,
// twice, which it hears of by NOTIFY alone: without a signature, and with one.
func TestEmitSecondary(t *testing.T) {
	t.Parallel()
	for _, s := range []struct {
		name  string
		start func(*testing.T, *emitting) (netip.AddrPort, *process)
	}{
		{"bind", emitSecondaryBIND},
		{"nsd", emitNSD},
		{"knot", emitKnot},
		{"powerdns", emitPowerDNS},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			e := startEmitting(t, netip.AddrPort{})
			addr, c := s.start(t, e)
			apexes := []string{
				"0.20.10.in-addr.arpa.", "1.20.10.in-addr.arpa.", "2.20.10.in-addr.arpa.", "3.20.10.in-addr.arpa.", "168.192.in-addr.arpa.",
				"113.0.203.in-addr.arpa.", "64/26.113.0.203.in-addr.arpa.", "0.0.1.0.8.b.d.0.1.0.0.2.ip6.arpa.", "3.0.1.0.8.b.d.0.1.0.0.2.ip6.arpa.",
				"6.5.4.3.2.1.d.f.ip6.arpa.", "7.6.5.in-addr.arpa.", "lab.example.",
			}
			if !awaitZones(addr, apexes, c.ended) {
				t.Fatalf("%s has not all zones:\n%s", s.name, c.log())
			}
			for a, want := range emitWant {
				got := lookup(t, c, addr, a, dns.TypePTR)
				if !strings.Contains(fmt.Sprint(got.Answer), want) && a != "203.0.113.65" {
					t.Errorf("%s: %v, want %s", a, got, want)
				}
			}
			if got := lookup(t, c, addr, "65.64/26.113.0.203.in-addr.arpa.", dns.TypePTR); !strings.Contains(fmt.Sprint(got.Answer), "e.lab.example.") {
				t.Errorf("the classless zone: %v", got)
			}
			for i, key := range []string{"", "transfer-key."} {
				e.rename(t, fmt.Sprintf("new%d.lab.example", i))
				for _, a := range []string{"10.20.0.1", "5.6.7.8"} {
					if a == "5.6.7.8" && key != "" {
						continue // no key is meant for that one
					}
					e.awaitNotified(t, c, addr, a, fmt.Sprintf("new%d.lab.example.", i), key)
				}
			}
		})
	}
}

// rename gives 10.20.0.1 and 5.6.7.8 another name, and waits until ptrd serves it.
func (e *emitting) rename(t *testing.T, name string) {
	t.Helper()
	text := fmt.Sprintf(emitConfig, e.addr)
	text = strings.NewReplacer("a.lab.example", name, "h.lab.example", name).Replace(text)
	mustWrite(e.dir, "ptrd.yaml", text)
	run(t, e.dir, requireBinary(t), "reload", "--config", e.config)
}

// awaitNotified sends NOTIFY for the zone of an address until the secondary has the name.
func (e *emitting) awaitNotified(t *testing.T, c *process, secondary netip.AddrPort, addr, want, key string) {
	t.Helper()
	name, _ := dns.ReverseAddr(addr)
	_, apex, _ := strings.Cut(name, ".")
	client := dns.Client{Timeout: time.Second, TsigSecret: map[string]string{"transfer-key.": emitSecret}}
	for deadline := time.Now().Add(startWait); ; {
		m := new(dns.Msg)
		m.SetNotify(apex)
		if key != "" {
			m.SetTsig(key, dns.HmacSHA256, 300, time.Now().Unix())
		}
		r, _, err := client.Exchange(m, secondary.String())
		if err == nil && r.Rcode != dns.RcodeSuccess {
			t.Fatalf("NOTIFY of %s, key %q: %s\n%s", apex, key, dns.RcodeToString[r.Rcode], c.log())
		}
		if got := lookup(t, c, secondary, addr, dns.TypePTR); strings.Contains(fmt.Sprint(got.Answer), want) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("NOTIFY of %s, key %q: %v, and the name stays (%v)\n%s", apex, key, r, err, c.log())
		}
		<-time.After(50 * time.Millisecond) // between two tries
	}
}

// emitFor writes what ptrd emits for a secondary, and the keys.
func emitFor(t *testing.T, e *emitting, dir, program string) string {
	t.Helper()
	keys := filepath.Join(dir, "keys")
	file, text := e.emit(t, dir, program, "--key-file", keys, "--directory", dir)
	emitKeys(t, keys, text)
	return file
}

func emitSecondaryBIND(t *testing.T, e *emitting) (netip.AddrPort, *process) {
	program := peertest.Require(t, "named")
	dir, addr := t.TempDir(), freePort(t)
	conf := fmt.Sprintf(`options {
	directory "%[1]s";
	pid-file none;
	session-keyfile "%[1]s/session.key";
	lock-file none;
	listen-on port %[3]d { %[2]s; };
	listen-on-v6 { none; };
	recursion no;
	dnssec-validation no;
	notify no;
	try-tcp-refresh no;
};
controls { };
include "%[4]s";
`, dir, addr.Addr(), addr.Port(), emitFor(t, e, dir, "bind"))
	return addr, startProcess(t, dir, program, "-4", "-g", "-n", "1", "-c", mustWrite(dir, "named.conf", conf))
}

func emitNSD(t *testing.T, e *emitting) (netip.AddrPort, *process) {
	program := peertest.Require(t, "nsd")
	dir, addr := t.TempDir(), freePort(t)
	conf := fmt.Sprintf(`server:
	ip-address: %[2]s@%[3]d
	server-count: 1
	zonesdir: "%[1]s"
	database: ""
	zonelistfile: "%[1]s/zone.list"
	xfrdfile: "%[1]s/xfrd.state"
	xfrdir: "%[1]s"
	pidfile: "%[1]s/nsd.pid"
	username: ""
remote-control:
	control-enable: no
include: "%[4]s"
`, dir, addr.Addr(), addr.Port(), emitFor(t, e, dir, "nsd"))
	return addr, startProcess(t, dir, program, "-d", "-c", mustWrite(dir, "nsd.conf", conf))
}

func emitKnot(t *testing.T, e *emitting) (netip.AddrPort, *process) {
	program := peertest.Require(t, "knotd")
	dir, addr := t.TempDir(), freePort(t)
	conf := fmt.Sprintf(`server:
    rundir: "%[1]s"
    listen: %[2]s@%[3]d
    dbus-event: none
log:
  - target: stderr
    any: info
database:
    storage: "%[1]s/db"
control:
    listen: "%[1]s/ctl"
include: "%[4]s"
`, dir, addr.Addr(), addr.Port(), emitFor(t, e, dir, "knot"))
	return addr, startProcess(t, dir, program, "-c", mustWrite(dir, "knot.conf", conf))
}

func emitPowerDNS(t *testing.T, e *emitting) (netip.AddrPort, *process) {
	program, tool := peertest.Require(t, "pdns_server", peertest.LMDB), peertest.Require(t, "pdnsutil", peertest.LMDB)
	dir, addr := t.TempDir(), freePort(t)
	mustWrite(dir, "pdns.conf", fmt.Sprintf("launch=lmdb\nlmdb-filename=%[1]s/pdns.lmdb\nlmdb-sync-mode=nosync\nsocket-dir=%[1]s\nsecondary=yes\nxfr-cycle-interval=1\nlocal-address=%[2]s\nlocal-port=%[3]d\nsetuid=\nsetgid=\n",
		dir, addr.Addr(), addr.Port()))
	file, text := e.emit(t, dir, "powerdns")
	keys := commentsAfter(text, "history:")
	if keys == "" {
		t.Fatalf("no key in\n%s", text)
	}
	script := fmt.Sprintf("set -e\npdnsutil() { %s --config-dir=%s \"$@\"; }\n%s. %s\n", tool, dir, strings.ReplaceAll(keys, "…", emitSecret), file)
	run(t, dir, "sh", "-c", script)
	return addr, startProcess(t, dir, program, "--config-dir="+dir, "--daemon=no", "--guardian=no", "--disable-syslog")
}
