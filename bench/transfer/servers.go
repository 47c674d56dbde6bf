package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ptrd/ptrd/internal/peertest"
)

// configurePrimary writes what NSD needs to give the zone in a master file to everybody
// on loopback, and returns how it is started.
func configurePrimary(dir, zone string) ([]string, error) {
	return nsd(dir, primaryPort, fmt.Sprintf("\tzonefile: %q\n\tprovide-xfr: 127.0.0.0/8 NOKEY\n", zone))
}

// configure writes what a secondary needs and returns how it is started.
func configure(name, ptrd, dir string) ([]string, error) {
	switch name {
	case "ptrd":
		path, err := write(dir, "ptrd.yaml", fmt.Sprintf("listen: {dns: [\"127.0.0.1:%d\"]}\nstate_dir: state\nzones:\n  - {name: %s, secondary: {primaries: \"127.0.0.1:%d\"}}\n", port, apex, primaryPort))
		return []string{ptrd, "serve", "--config", path}, err
	case "NSD":
		return nsd(dir, port, fmt.Sprintf("\trequest-xfr: AXFR 127.0.0.1@%d NOKEY\n", primaryPort))
	case "Knot":
		return knot(dir, fmt.Sprintf("remote:\n  - id: primary\n    address: 127.0.0.1@%d\n", primaryPort), "    zonefile-sync: -1\n    master: primary\n")
	}
	return nil, errNoServer
}

var errNoServer = errors.New("the servers are ptrd, NSD and Knot")

// configureWith writes what a server needs that has the zone in a master file and gives
// it to everybody on loopback, and returns how it is started.
func configureWith(name, ptrd, dir, zone string) ([]string, error) {
	switch name {
	case "ptrd":
		path, err := write(dir, "ptrd.yaml", fmt.Sprintf("listen: {dns: [\"127.0.0.1:%d\"]}\nstate_dir: state\nzones:\n  - {name: %s, file: %q, transfer: {allow: [127.0.0.0/8]}}\n", port, apex, zone))
		return []string{ptrd, "serve", "--config", path}, err
	case "NSD":
		return nsd(dir, port, fmt.Sprintf("\tzonefile: %q\n\tprovide-xfr: 127.0.0.0/8 NOKEY\n", zone))
	case "Knot":
		return knot(dir, "acl:\n  - id: loopback\n    address: 127.0.0.0/8\n    action: transfer\n", fmt.Sprintf("    file: %q\n    zonefile-sync: -1\n    acl: loopback\n", zone))
	}
	return nil, errNoServer
}

// knot has more sections in front of that of zones, and more keys of the zone.
func knot(dir, sections, zone string) ([]string, error) {
	program, ok := peertest.Find("knotd")
	if !ok {
		return nil, errors.New("knotd is not installed")
	}
	if err := os.Mkdir(filepath.Join(dir, "db"), 0o755); err != nil {
		return nil, err
	}
	path, err := write(dir, "knot.conf", fmt.Sprintf(`server:
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
%[4]szone:
  - domain: %[3]s
    storage: "%[1]s"
%[5]s`, dir, port, apex, sections, zone))
	return []string{program, "-c", path}, err
}

func nsd(dir string, port int, zone string) ([]string, error) {
	program, ok := peertest.Find("nsd")
	if !ok {
		return nil, errors.New("nsd is not installed")
	}
	path, err := write(dir, "nsd.conf", fmt.Sprintf(`server:
	ip-address: 127.0.0.1@%[2]d
	server-count: 1
	username: ""
	database: ""
	zonesdir: "%[1]s"
	zonelistfile: "%[1]s/zone.list"
	xfrdfile: "%[1]s/xfrd.state"
	xfrdir: "%[1]s"
	pidfile: "%[1]s/nsd.pid"
remote-control:
	control-enable: no
zone:
	name: "%[3]s"
%[4]s`, dir, port, apex, zone))
	return []string{program, "-d", "-c", path}, err
}

func write(dir, file, text string) (string, error) {
	path := filepath.Join(dir, file)
	return path, os.WriteFile(path, []byte(text), 0o644)
}
