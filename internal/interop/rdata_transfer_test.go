package interop

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/peertest"
	"github.com/ptrd/ptrd/zone/rr"
)

const allTypes = "types.test."

// newAllTypes makes a zone with a record of each type: as ptrd prints it, and in the form of
// RFC 3597, which servers read that do not know the type.
func newAllTypes() (records byOwner, text, generic []byte) {
	records = byOwner{}
	printed, raw := bytes.NewBufferString(randomHead), bytes.NewBufferString(randomHead)
	random := rand.New(rand.NewPCG(1, 1))
	for _, typ := range randomTypes {
		r := randomData{Rand: random}
		for typ.append(&r); len(r.b) == 0; typ.append(&r) { // NSD 4.6 refuses APL without data
		}
		owner := strings.ToLower(typ.name) + "." + allTypes
		switch typ.name {
		case "NSEC3":
			owner = strings.Repeat("0", 32) + "." + allTypes
			copy(r.b[2:], "\x00\x00") // iterations, which are bounded
		case "RRSIG":
			owner = "a." + allTypes
			copy(r.b, "\x00\x01") // of A
		}
		number := rr.Type(typ.number)
		records.add(owner, number, r.b)
		fmt.Fprintf(printed, "%s 3600 IN %s %s\n", owner, typ.name, rr.Text(number, r.b))
		fmt.Fprintf(raw, "%s 3600 IN %s\n", owner, typedData{number, string(r.b)}.generic())
	}
	return records, printed.Bytes(), raw.Bytes()
}

// TestTransferOfAllTypes transfers a zone with a record of each type from ptrd to the three
// servers and from each of them to ptrd. All have the same octets.
func TestTransferOfAllTypes(t *testing.T) {
	t.Parallel()
	records, text, generic := newAllTypes()
	t.Run("to", func(t *testing.T) {
		dir, ours := t.TempDir(), freePort(t)
		mustWrite(dir, "zone", string(text))
		config := mustWrite(dir, "ptrd.yaml", fmt.Sprintf("listen: {dns: [%q], admin: \"\"}\nstate_dir: state\nzones:\n  - {name: %s, file: zone, transfer: {allow: [127.0.0.0/8]}}\n", ours, allTypes))
		p := startProcess(t, dir, requireBinary(t), "serve", "--config", config)
		if !awaitZones(ours, []string{allTypes}, p.ended) {
			t.Fatalf("ptrd does not answer:\n%s", p.log())
		}
		got, err := axfr(ours, allTypes)
		if err != nil {
			t.Fatal(err)
		}
		got.compare(t, "from ptrd", records)
		for name, s := range secondaries {
			t.Run(name, func(t *testing.T) {
				program := peertest.Require(t, s.program)
				dir, addr := t.TempDir(), freePort(t)
				c := startProcess(t, dir, program, s.config(dir, addr, ours, "", []string{allTypes})...)
				awaitThat(t, "the transfer", func() bool { return serialAt(addr, allTypes) == 1 }, c, p)
				got, err := axfr(addr, allTypes)
				if err != nil {
					t.Fatal(err)
				}
				got.compare(t, "from ptrd by "+name, records)
			})
		}
	})
	t.Run("from", func(t *testing.T) {
		for _, p := range xfrPrimaries(freePort(t)) {
			t.Run(p.name, func(t *testing.T) {
				c, addr, _ := startXfrPrimary(t, p, allTypes, generic)
				ours := freePort(t)
				process := startSecondary(t, filepath.Join(t.TempDir(), "ptrd"), ours, addr, allTypes, xfrKey, xfrSecret)
				awaitSerial(t, ours, allTypes, 1, startWait, func() string { return process.log() + c.log() })
				got, err := axfr(ours, allTypes)
				if err != nil {
					t.Fatal(err)
				}
				got.compare(t, "from "+p.name+" by ptrd", records)
			})
		}
	})
}
