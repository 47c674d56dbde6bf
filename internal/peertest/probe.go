package peertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// A probe runs a program once to find out whether it can do what tests want of it. A
// package may be there without a module, be too old for a statement, or lack a library.
type probe struct {
	program string
	need    string   // that a test names in Require; empty: of every test
	checker string   // runs in place of the program, which it belongs to
	args    []string // FILE stands for the path of a file with config, DIR for its directory
	config  string
}

// The needs that tests have beyond the programs themselves.
const (
	LMDB       = "the lmdb backend"
	Bind       = "the bind backend"
	TLS        = "zone transfers over TLS"
	Catalogs   = "catalog zones"
	Namespaces = "namespaces"
)

// probeTime is for a loaded machine, on which dnsviz needs tens of seconds; a program that hangs is as good
// as missing.
const probeTime = time.Minute

// probes are, of the programs that have any, what they are tried with. The configurations
// have the statements of the tests that older versions do not know.
var probes = []probe{
	{program: "named", checker: "named-checkconf", args: []string{"FILE"}, config: `options { directory "DIR"; lock-file none; minimal-any yes; answer-cookie no; max-records-per-type 0; };
`},
	{program: "named", need: TLS, checker: "named-checkconf", args: []string{"FILE"}, config: `tls t { remote-hostname "ns1.example"; };
zone "example." { type secondary; file "z"; primaries { 127.0.0.1 port 853 tls t; }; };
`},
	{program: "nsd", checker: "nsd-checkconf", args: []string{"FILE"}, config: `server:
	zonesdir: "DIR"
	database: ""
	username: ""
	answer-cookie: no
	rrl-ratelimit: 0
`},
	{program: "nsd", need: TLS, checker: "nsd-checkconf", args: []string{"FILE"}, config: `server:
	zonesdir: "DIR"
	username: ""
	tls-cert-bundle: "FILE"
tls-auth:
	name: "t"
	auth-domain-name: "ns1.example"
`},
	{program: "knotd", checker: "knotc", args: []string{"-c", "FILE", "conf-check"}, config: `server:
    rundir: "DIR"
    udp-max-payload: 4096
    answer-rotation: off
    dbus-event: none
`},
	{program: "knotd", need: Catalogs, checker: "knotc", args: []string{"-c", "FILE", "conf-check"}, config: `zone:
  - domain: cat.example
    catalog-role: generate
  - domain: example
    catalog-role: member
    catalog-zone: cat.example
`},
	{program: "unbound", checker: "unbound-checkconf", args: []string{"FILE"}, config: `server:
	username: ""
	chroot: ""
	directory: "DIR"
	qname-minimisation-strict: yes
	aggressive-nsec: yes
`},
	{program: "pdns_server", need: LMDB, args: []string{"--config-dir=DIR", "--config=check"}, config: "launch=lmdb\nlmdb-filename=DIR/pdns.lmdb\nsecondary=yes\n"},
	{program: "pdns_server", need: Bind, args: []string{"--config-dir=DIR", "--config=check"}, config: "launch=bind\n"},
	{program: "pdnsutil", need: LMDB, args: []string{"--config-dir=DIR", "list-all-zones"}, config: "launch=lmdb\nlmdb-filename=DIR/pdns.lmdb\n"},
	{program: "pdns_recursor", args: []string{"--config-dir=DIR", "--config=check"}, config: "local-address=127.0.0.1\n"},
	{program: "kea-dhcp-ddns", args: []string{"-t", "FILE"}, config: `{"DhcpDdns": {"ip-address": "127.0.0.1", "port": 53001, "tsig-keys": [], "forward-ddns": {}, "reverse-ddns": {}}}`},
	{program: "kea-dhcp4", args: []string{"-t", "FILE"}, config: `{"Dhcp4": {"interfaces-config": {"interfaces": []}, "subnet4": []}}`},
	{program: "dnsviz", args: []string{"help", "grok"}},
	{program: "zonemaster-cli", args: []string{"--version"}},
	{program: "nslookup", args: []string{"-version"}},
	{program: "unshare", need: Namespaces, args: []string{"-mn", "true"}},
}

// found are the results of probes by path, need and program: one run in a test process.
var found sync.Map

// works reports why the program at path cannot do what tests want of it; nil: it can.
func works(path, program, need string) error {
	result, _ := found.LoadOrStore(path+"\n"+need, sync.OnceValue(func() error { return try(path, program, need) }))
	return result.(func() error)()
}

func try(path, program, need string) error {
	known := false
	for _, p := range probes {
		if p.program == program && p.need == need {
			known = true
			if err := p.run(path); err != nil {
				return err
			}
		}
	}
	if known || need != "" {
		return nil // a need without a probe is one that every version of the program has
	}
	// Nothing is known of it but that it has to start: a program that does not know the
	// option says so.
	out, err := runProbe("", path, "--version")
	var exit *exec.ExitError
	if err == nil || errors.As(err, &exit) && exit.ExitCode() >= 0 && exit.ExitCode() != 126 && exit.ExitCode() != 127 {
		return nil
	}
	return fmt.Errorf("%w%s", err, brief(out))
}

func (p *probe) run(path string) error {
	dir, err := os.MkdirTemp("", "probe-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "pdns.conf") // the one name that matters
	if p.program == "pdns_recursor" {
		file = filepath.Join(dir, "recursor.conf")
	}
	place := strings.NewReplacer("FILE", file, "DIR", dir)
	if err := os.WriteFile(file, []byte(place.Replace(p.config)), 0o644); err != nil {
		return err
	}
	if p.checker != "" {
		checker, ok := Find(p.checker)
		if !ok {
			return nil // the test will show
		}
		path = checker
	}
	args := make([]string, len(p.args))
	for i, a := range p.args {
		args[i] = place.Replace(a)
	}
	out, err := runProbe(dir, path, args...)
	if err != nil {
		return fmt.Errorf("%s: %w%s", filepath.Base(path), err, brief(out))
	}
	return nil
}

func runProbe(dir, path string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), probeTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), Env(path)...)
	cmd.WaitDelay = time.Second
	return cmd.CombinedOutput()
}

// brief returns the end of a program's output, in one line.
func brief(out []byte) string {
	const most = 300
	s := strings.Join(strings.Fields(string(out)), " ")
	if s == "" {
		return ""
	}
	if len(s) > most {
		s = "…" + s[len(s)-most:]
	}
	return ": " + s
}
