package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/ptrd/ptrd/bench/machine"
	"github.com/ptrd/ptrd/internal/peertest"
)

const (
	apex    = "10.in-addr.arpa"
	address = "127.0.0.1:5399"
	port    = 5399
)

// writeZone writes a zone with PTRs from 10.0.0.0 on.
func writeZone(path string, names int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	fmt.Fprintf(w, "$ORIGIN %s.\n$TTL 3600\n@ SOA ns.example. hostmaster.example. 1 86400 7200 3600000 600\n@ NS ns.example.\n", apex)
	for i := range names {
		fmt.Fprintf(w, "%d.%d.%d PTR host-%d.pool%d.example.net.\n", i&255, i>>8&255, i>>16&255, i, i%1000)
	}
	return errors.Join(w.Flush(), f.Close())
}

// configure writes what a server needs into dir and returns how it is started. Ptrd
// comes twice: with the zone as a dynamic one, and with updates beside its file.
func configure(name, ptrd, dir string) ([]string, error) {
	write := func(file, text string) (string, error) {
		path := filepath.Join(dir, file)
		return path, os.WriteFile(path, []byte(text), 0o644)
	}
	switch name {
	case "ptrd", "ptrd-file":
		from := "dynamic: {seed: zone}"
		if name == "ptrd-file" {
			from = "file: zone"
		}
		path, err := write("ptrd.yaml", fmt.Sprintf("listen: {dns: [%q]}\nstate_dir: state\nzones:\n  - {name: %s, %s, update: {from: 127.0.0.0/8}}\n", address, apex, from))
		return []string{ptrd, "serve", "--config", path}, err
	case "BIND":
		program, ok := peertest.Find("named")
		if !ok {
			return nil, errors.New("named is not installed")
		}
		path, err := write("named.conf", fmt.Sprintf(`options {
	directory "%s"; pid-file none; session-keyfile "%[1]s/session.key"; lock-file none;
	listen-on port %d { 127.0.0.1; }; listen-on-v6 { none; };
	recursion no; notify no; dnssec-validation no; empty-zones-enable no; minimal-responses yes;
};
controls { };
logging { category default { null; }; category update { null; }; category update-security { null; }; };
zone "%s" { type primary; file "zone"; allow-update { 127.0.0.0/8; }; };
`, dir, port, apex))
		return []string{program, "-f", "-n", "1", "-c", path}, err
	case "Knot":
		program, ok := peertest.Find("knotd")
		if !ok {
			return nil, errors.New("knotd is not installed")
		}
		if err := os.Mkdir(filepath.Join(dir, "db"), 0o755); err != nil {
			return nil, err
		}
		path, err := write("knot.conf", fmt.Sprintf(`server:
    rundir: "%[1]s"
    listen: 127.0.0.1@%[2]d
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
log:
  - target: stderr
    any: error
control:
    listen: "%[1]s/control"
database:
    storage: "%[1]s/db"
acl:
  - id: all
    address: 127.0.0.0/8
    action: update
zone:
  - domain: %[3]s
    storage: "%[1]s"
    file: zone
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: changes
    semantic-checks: off
    acl: all
`, dir, port, apex))
		return []string{program, "-c", path}, err
	}
	return nil, fmt.Errorf("the servers are ptrd, ptrd-file, BIND and Knot")
}

// await asks for the last PTR of the zone until it is answered.
func await(ctx context.Context, p *machine.Process) error {
	const patience, pause = 2 * time.Minute, 100 * time.Millisecond
	c, err := net.Dial("udp", address)
	if err != nil {
		return err
	}
	defer c.Close()
	query := appendQuery(nil, 1, 0)
	var buf [512]byte
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(pause) {
		if p.Ended() {
			return errors.New("the server ended")
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		_ = c.SetDeadline(time.Now().Add(pause))
		if _, err := c.Write(query); err != nil {
			continue
		}
		if n, err := c.Read(buf[:]); err == nil && n > 8 && buf[3]&15 == 0 && buf[7] > 0 {
			return nil
		}
	}
	return errors.New("no answer")
}
