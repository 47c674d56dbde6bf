package interop

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/control"
	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/ptrd/ptrd/internal/notify"
	"github.com/ptrd/ptrd/internal/peertest"
)

const (
	transferSecret = "YSBzZWNyZXQgb2YgdGhlIHRlc3RzLCBub3RoaW5nIG1vcmU="
	guessedSecret  = "YSBndWVzcyBvZiB0aGUgdGVzdHMsIHdoaWNoIGlzIGZhbHNl"
)

// secondary is how a server of other software is configured as secondary for zones of
// a primary on loopback, with a key or without (secret empty), and to give them to
// all clients.
type secondary struct {
	program string
	config  func(dir string, addr, primary netip.AddrPort, secret string, zones []string) []string
}

var secondaries = map[string]secondary{
	"nsd":  {"nsd", secondaryNSD},
	"knot": {"knotd", secondaryKnot},
	"bind": {"named", secondaryBIND},
}

func secondaryNSD(dir string, addr, primary netip.AddrPort, secret string, zones []string) []string {
	args := configNSD(dir, addr, nil)
	var b strings.Builder
	key := "NOKEY"
	if secret != "" {
		key = "k"
		fmt.Fprintf(&b, "key:\n\tname: \"k\"\n\talgorithm: hmac-sha256\n\tsecret: \"%s\"\n", secret)
	}
	for _, z := range zones {
		fmt.Fprintf(&b, "zone:\n\tname: \"%s\"\n\tzonefile: \"%s.zone\"\n\trequest-xfr: %s@%d %s\n\tallow-notify: 127.0.0.1 NOKEY\n\tprovide-xfr: 127.0.0.1 NOKEY\n",
			z, z, primary.Addr(), primary.Port(), key)
	}
	appendTo(filepath.Join(dir, "nsd.conf"), b.String())
	return args
}

func secondaryKnot(dir string, addr, primary netip.AddrPort, secret string, zones []string) []string {
	args := configKnot(dir, addr, nil)
	var b strings.Builder
	key := ""
	if secret != "" {
		key = "    key: k\n"
		fmt.Fprintf(&b, "key:\n  - id: k\n    algorithm: hmac-sha256\n    secret: %s\n", secret)
	}
	fmt.Fprintf(&b, "remote:\n  - id: p\n    address: %s@%d\n%sacl:\n  - id: all\n    address: 127.0.0.1\n    action: [notify, transfer]\nzone:\n", primary.Addr(), primary.Port(), key)
	for _, z := range zones {
		fmt.Fprintf(&b, "  - domain: %s\n    file: %s.zone\n    zonefile-load: none\n    master: \"p\"\n    acl: all\n", z, z)
	}
	path := filepath.Join(dir, "knot.conf")
	text, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	mustWrite(dir, "knot.conf", strings.TrimSuffix(string(text), "zone:\n"))
	appendTo(path, b.String())
	return args
}

func secondaryBIND(dir string, addr, primary netip.AddrPort, secret string, zones []string) []string {
	args := configBIND(dir, addr, nil)
	var b strings.Builder
	key := ""
	if secret != "" {
		key = "key k"
		fmt.Fprintf(&b, "key k { algorithm hmac-sha256; secret \"%s\"; };\n", secret)
	}
	for _, z := range zones {
		fmt.Fprintf(&b, "zone \"%s\" { type secondary; file \"%s.zone\"; primaries { %s port %d %s; }; allow-notify { 127.0.0.1; }; allow-transfer { 127.0.0.1; }; };\n",
			z, z, primary.Addr(), primary.Port(), key)
	}
	appendTo(filepath.Join(dir, "named.conf"), b.String())
	return args
}

func appendTo(path, text string) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(text)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		panic(err)
	}
}

// primary is a running ptrd that others get zones from.
type primary struct {
	addr    netip.AddrPort
	dir     string
	process *process
}

const smallZone, largeZone = "2.0.192.in-addr.arpa.", "10.in-addr.arpa."

// startPrimary runs ptrd with a zone of one PTR record and one of many, which those
// may have who have the key.
// A secondary is notified of changes.
func startPrimary(t *testing.T, many int, secondary netip.AddrPort) *primary {
	t.Helper()
	p := &primary{dir: t.TempDir(), addr: freePort(t)}
	var b strings.Builder
	b.WriteString("@ 3600 IN SOA ns1.example.net. hostmaster.example.net. 1 7200 900 1209600 300\n@ NS ns1.example.net.\n")
	for i := range many {
		fmt.Fprintf(&b, "%d.%d.%d PTR host%d.example.com.\n", i%250, i/250%250, i/62500, i)
	}
	mustWrite(p.dir, "large.zone", b.String())
	p.change(t, 1)
	config := mustWrite(p.dir, "ptrd.yaml", fmt.Sprintf(`
listen: {dns: [%q], admin: ""}
state_dir: state
keys: [{name: k, secret: %s}]
defaults: {ttl: 1h, transfer: {allow: {key: k}, notify: [%q]}}
zones:
  - {name: %s, file: small.zone}
  - {name: %s, file: large.zone}
`, p.addr, transferSecret, secondary, smallZone, largeZone))
	p.process = startProcess(t, p.dir, requireBinary(t), "serve", "--config", config)
	if !awaitZones(p.addr, []string{smallZone, largeZone}, p.process.ended) {
		t.Fatalf("ptrd does not answer:\n%s", p.process.log())
	}
	return p
}

// change writes the small zone again, with another serial and target.
func (p *primary) change(t *testing.T, serial uint32) {
	t.Helper()
	mustWrite(p.dir, "small.new", fmt.Sprintf("@ 3600 IN SOA ns1.example.net. hostmaster.example.net. %d 7200 900 1209600 300\n@ 3600 NS ns1.example.net.\n1 3600 PTR host%d.example.com.\n", serial, serial))
	if err := os.Rename(filepath.Join(p.dir, "small.new"), filepath.Join(p.dir, "small.zone")); err != nil {
		t.Fatal(err)
	}
}

// knows checks what status reports of a secondary that has followed a change, and that NOTIFY on
// request waits for it.
func (p *primary) knows(t *testing.T, secondary netip.AddrPort) {
	t.Helper()
	p.change(t, 3)
	awaitThat(t, "the reload", func() bool { return serialAt(p.addr, smallZone) == 3 }, p.process)
	var n daemon.Notified
	p.call(t, daemon.VerbNotify, url.Values{"what": {smallZone}, "wait": {"60s"}}, &n)
	if len(n) != 1 || n[0].Serial != 3 || !n[0].IsCurrent() {
		t.Errorf("%+v", n)
	}
	awaitThat(t, "the status of the secondary", func() bool {
		var s daemon.Status
		p.call(t, daemon.VerbStatus, url.Values{"what": {"192.0.2.1"}}, &s)
		list := s.Zones[0].Detail.Secondaries
		return len(list) == 1 && list[0].Address == secondary && list[0].Serial == 3 && list[0].HasSerial() && list[0].Notify == notify.Answered && list[0].TransferredOf == 3
	}, p.process)
}

// call asks the control socket.
func (p *primary) call(t *testing.T, verb string, args url.Values, to any) {
	t.Helper()
	var b bytes.Buffer
	if err := control.Call(t.Context(), control.Path(filepath.Join(p.dir, "state")), verb, args, &b); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b.Bytes(), to); err != nil {
		t.Fatal(err)
	}
}

// content transfers a zone and returns its records, sorted; nil if that is refused.
func content(addr netip.AddrPort, zone, secret string) []string {
	records, err := transferFrom(addr, zone, "k.", secret)
	if err != nil {
		return nil
	}
	var out []string
	for _, r := range records {
		out = append(out, strings.ToLower(r.String()))
	}
	slices.Sort(out)
	return slices.Compact(out) // the SOA comes twice
}

// transferFrom returns the records of a transfer of a zone as they came, signed with a key if
// there is a secret.
func transferFrom(addr netip.AddrPort, zone, key, secret string) ([]dns.RR, error) {
	return againAfterReset(func() (records []dns.RR, err error) {
		m := new(dns.Msg)
		m.SetAxfr(zone)
		tr := &dns.Transfer{DialTimeout: startWait, ReadTimeout: startWait, WriteTimeout: startWait}
		if secret != "" {
			tr.TsigSecret = map[string]string{key: secret}
			m.SetTsig(key, dns.HmacSHA256, 300, time.Now().Unix())
		}
		in, err := tr.In(m, addr.String())
		if err != nil {
			return nil, err
		}
		for e := range in {
			if e.Error != nil {
				err = e.Error
			}
			records = append(records, e.RR...)
		}
		return records, err
	})
}

// againAfterReset repeats a transfer whose connection was reset or closed before the first record: NSD
// replaces its processes after each change of a zone, and resets connections that it has just
// accepted.
func againAfterReset[T byOwner | []dns.RR](transfer func() (T, error)) (records T, err error) {
	for range 5 {
		records, err = transfer()
		if len(records) > 0 || !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, io.EOF) {
			break
		}
	}
	return records, err
}

// serialAt returns the serial of a zone; 0 if the server does not answer for it.
func serialAt(addr netip.AddrPort, zone string) uint32 {
	m := new(dns.Msg)
	m.SetQuestion(zone, dns.TypeSOA)
	r, err := exchange(addr, m)
	if err != nil || r.Rcode != 0 || len(r.Answer) != 1 {
		return 0
	}
	if s, ok := r.Answer[0].(*dns.SOA); ok {
		return s.Serial
	}
	return 0
}

// awaitThat waits until the condition holds.
func awaitThat(t *testing.T, what string, condition func() bool, logs ...*process) {
	t.Helper()
	for deadline := time.Now().Add(startWait); !condition(); {
		if time.Now().After(deadline) {
			var all strings.Builder
			for _, p := range logs {
				all.WriteString(p.log() + "\n")
			}
			t.Fatalf("did not happen: %s\n%s", what, all.String())
		}
		time.Sleep(10 * time.Millisecond) // between two tries
	}
}

// TestSecondaries: NSD, Knot and BIND get zones of one and of many records from ptrd
// with a key, follow a change by NOTIFY and IXFR, and get nothing with a wrong key or none.
func TestSecondaries(t *testing.T) {
	t.Parallel()
	many := 100_000
	if testing.Short() {
		many = 1000
	}
	for name, s := range secondaries {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			program := peertest.Require(t, s.program)
			run := func(t *testing.T, many int, secret string) (*primary, netip.AddrPort, *process) {
				dir, addr := t.TempDir(), freePort(t)
				p := startPrimary(t, many, addr)
				return p, addr, startProcess(t, dir, program, s.config(dir, addr, p.addr, secret, []string{smallZone, largeZone})...)
			}
			t.Run("good key", func(t *testing.T) {
				p, addr, c := run(t, many, transferSecret)
				awaitThat(t, "both zones", func() bool { return serialAt(addr, smallZone) == 1 && serialAt(addr, largeZone) == 1 }, c, p.process)
				for zone, least := range map[string]int{smallZone: 3, largeZone: many + 2} {
					got, want := content(addr, zone, ""), content(p.addr, zone, transferSecret)
					if len(want) != least || !slices.Equal(got, want) {
						t.Errorf("%s: %d records, ptrd has %d, and they are to be %d of the same", zone, len(got), len(want), least)
					}
				}
				p.change(t, 2)
				awaitThat(t, "the reload", func() bool { return serialAt(p.addr, smallZone) == 2 }, p.process)
				awaitThat(t, "the change", func() bool { return serialAt(addr, smallZone) == 2 }, c, p.process)
				if got, want := content(addr, smallZone, ""), content(p.addr, smallZone, transferSecret); len(want) != 3 || !slices.Equal(got, want) {
					t.Errorf("after a change %q, ptrd has %q", got, want)
				}
				if log := p.process.log(); !strings.Contains(log, "kind=ixfr ") {
					t.Errorf("no IXFR was answered by changes:\n%s", log)
				}
				p.knows(t, addr)
			})
			for what, bad := range map[string]struct{ secret, why string }{
				"bad key": {guessedSecret, `why="TSIG BADSIG"`},
				"no key":  {"", "why=\"`transfer.allow` of the zone lists neither this address nor key\""},
			} {
				t.Run(what, func(t *testing.T) {
					p, addr, c := run(t, 10, bad.secret)
					awaitThat(t, "a refusal", func() bool { return strings.Contains(p.process.log(), bad.why) }, c, p.process)
					if n := serialAt(addr, smallZone); n != 0 || strings.Contains(p.process.log(), transferSecret) {
						t.Errorf("has serial %d", n)
					}
				})
			}
		})
	}
}
