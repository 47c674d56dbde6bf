package interop

import (
	"archive/tar"
	"compress/gzip"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone/rr"
)

// refusedToday are records that ptrd accepted in updates when its types were read by a library,
// and that break a rule or have not the form of their type.
const refusedToday = `
tlsa 52 03010100
x25 19 03333131
caa 257 000669732d73757865
sshfp 44 010100
gpos 27 017801780178
cds 59 0001080200
zonemd 63 0000000101010011
uri 256 000a0001
md 3 016100
svcb 64 00010000020000
svcb2 64 000100000000020003
loc 29 00ff1613800000008000000000989680
sink 40 01
wks 11 c000020106000000
dnskey 48 0101030d
a6 38 ff00
csync 62 00000001000300024000
ipseckey 45 0a040261
hip 55 0002000161`

// TestStateWithRefusedRecords starts ptrd with a state directory of a version that accepted such
// records. It serves them with the octets that they had.
func TestStateWithRefusedRecords(t *testing.T) {
	t.Parallel()
	dir, addr := t.TempDir(), freePort(t)
	unpack(t, "testdata/rdata_state.tar.gz", filepath.Join(dir, "state"))
	config := mustWrite(dir, "ptrd.yaml", fmt.Sprintf(`listen: {dns: [%q], admin: ""}
state_dir: state
defaults: {nameservers: [ns1.example.net]}
zones:
  - name: old.test
    dynamic: {}
    update: [{from: 127.0.0.1}]
    transfer: {allow: [127.0.0.1]}
`, addr))
	p := startProcess(t, dir, requireBinary(t), "serve", "--config", config)
	if !awaitZones(addr, []string{"old.test."}, p.ended) {
		t.Fatalf("ptrd does not answer:\n%s", p.log())
	}
	want := byOwner{}
	for _, l := range strings.Split(strings.TrimSpace(refusedToday), "\n") {
		var owner, digits string
		var typ rr.Type
		var number uint16
		if _, err := fmt.Sscan(l, &owner, &number, &digits); err != nil {
			t.Fatal(err)
		}
		typ = rr.Type(number)
		want.add(owner+".old.test.", typ, must(hex.DecodeString(digits)))
	}
	got, err := axfr(addr, "old.test.")
	if err != nil {
		t.Fatalf("%v\n%s", err, p.log())
	}
	got.compare(t, "from the state directory", want)
}

// unpack extracts the files of a compressed archive.
func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := tar.NewReader(must(gzip.NewReader(f)))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		if err == nil && h.Typeflag == tar.TypeDir {
			continue
		}
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o700)
		}
		var text []byte
		if err == nil {
			text, err = io.ReadAll(r)
		}
		if err == nil {
			err = os.WriteFile(path, text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
