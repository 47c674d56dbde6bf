package emit

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/peertest"
)

func checkBIND(t *testing.T, program, dir, file string) {
	conf := fmt.Sprintf("options {\n\tdirectory \"%s\";\n%s};\ninclude \"%s\";\n", dir, beside(t, file), file)
	if out := run(t, dir, program, writeFile(t, dir, "named.conf", conf)); out != "" {
		t.Errorf("named-checkconf says: %s", out)
	}
}

func checkNSD(t *testing.T, program, dir, file string) {
	conf := writeFile(t, dir, "nsd.conf", fmt.Sprintf("server:\n\tusername: \"\"\n\tzonesdir: \"%s\"\ninclude: \"%s\"\n", dir, file))
	if out := run(t, dir, program, conf); out != "" {
		t.Errorf("nsd-checkconf says: %s", out)
	}
}

func checkKnot(t *testing.T, program, dir, file string) {
	conf := writeFile(t, dir, "knot.conf", fmt.Sprintf("server:\n    listen: 127.0.0.1@5399\ndatabase:\n    storage: \"%s\"\ninclude: \"%s\"\n", dir, file))
	if out := run(t, dir, program, "-c", conf, "conf-check"); strings.TrimSpace(out) != "Configuration is valid" {
		t.Errorf("knotc says: %s", out)
	}
}

// checkPowerDNS runs the script over an LMDB backend, twice, as it may be after a
// change.
func checkPowerDNS(t *testing.T, program, dir, file string) {
	server := peertest.Require(t, "pdns_server", peertest.LMDB)
	conf := writeFile(t, dir, "pdns.conf", fmt.Sprintf("launch=lmdb\nlmdb-filename=%s/pdns.lmdb\nlmdb-sync-mode=nosync\nsocket-dir=%[1]s\nsecondary=yes\nsetuid=\nsetgid=\n", dir))
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "pdnsutil"), fmt.Appendf(nil, "#!/bin/sh\nexec %s --config-dir=%s \"$@\"\n", program, dir), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, keys, ok := strings.Cut(string(data), " history:\n"); ok {
		run(t, dir, "sh", writeFile(t, dir, "import", "set -e\n"+strings.ReplaceAll(indented(keys), "…", sampleSecret)))
	}
	for range 2 {
		run(t, dir, "sh", file)
	}
	for l := range strings.Lines(string(data)) {
		switch f := strings.Fields(l); {
		case len(f) > 2 && f[0] == "secondary" && f[1] != "()":
			out := run(t, dir, "pdnsutil", "show-zone", f[1])
			for _, s := range f[2:] {
				if s = strings.Trim(s, "'"); !strings.Contains(out, s) {
					t.Errorf("%s has no %s:\n%s", f[1], s, out)
				}
			}
		case len(f) > 2 && f[1] == "activate-tsig-key":
			if out := run(t, dir, "pdnsutil", "get-meta", f[2]); !strings.Contains(out, "AXFR-MASTER-TSIG = "+f[3]) {
				t.Errorf("%s has no key %s:\n%s", f[2], f[3], out)
			}
		}
	}
	run(t, dir, server, "--config-dir="+filepath.Dir(conf), "--config=check")
}

func checkRecursor(t *testing.T, program, dir, file string) {
	writeFile(t, dir, "recursor.conf", fmt.Sprintf("forward-zones-file=%s\nlua-config-file=%s\nlocal-address=127.0.0.1:5399\nsocket-dir=%s\n",
		file, writeFile(t, dir, "lua", beside(t, file)), dir))
	run(t, dir, program, "--config-dir="+dir, "--config=check")
}

func checkUnbound(t *testing.T, program, dir, file string) {
	conf := fmt.Sprintf("server:\n\tchroot: \"\"\n\tdirectory: \"%s\"\n\tusername: \"\"\n\tpidfile: \"\"\ninclude: \"%s\"\n", dir, file)
	run(t, dir, program, writeFile(t, dir, "unbound.conf", conf))
}

func checkDnsmasq(t *testing.T, program, dir, file string) {
	run(t, dir, program, "--test", "-C", file)
}

func checkKea(t *testing.T, program, dir, file string) {
	run(t, dir, program, "-t", file)
	dhcp4 := peertest.Require(t, "kea-dhcp4")
	run(t, dir, dhcp4, "-t", writeFile(t, dir, "dhcp4.conf", "{\"Dhcp4\": {\"interfaces-config\": {\"interfaces\": []}, \"subnet4\": [],\n"+beside(t, file)+"}}\n"))
}

func checkDHCPD(t *testing.T, program, dir, file string) {
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	conf := writeFile(t, dir, "dhcpd.conf", fmt.Sprintf("ddns-update-style standard;\nsubnet 192.0.2.0 netmask 255.255.255.0 {}\ninclude \"%s\";\n", file))
	if !slices.ContainsFunc(strings.Split(string(data), "\n"), func(l string) bool { return strings.Contains(l, "ddns-update-style standard;") }) {
		t.Error("nothing is said of ddns-update-style")
	}
	run(t, dir, program, "-t", "-cf", conf)
}
