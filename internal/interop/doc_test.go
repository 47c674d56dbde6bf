package interop

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/differences.md and docs/synthesis-compared.md")

const docPath = "../../docs/differences.md"

// TestDifferencesDoc holds docs/differences.md equal to the table.
func TestDifferencesDoc(t *testing.T) {
	want := differencesDoc()
	if *update {
		if err := os.MkdirAll("../../docs", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(docPath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(docPath)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not what the table says; go test ./internal/interop -run %s -update writes it", docPath, t.Name())
	}
}

func differencesDoc() string {
	var b strings.Builder
	b.WriteString(`# Where authoritative servers differ, and what ptrd does

<!-- Written by go test ./internal/interop -run TestDifferencesDoc -update; change the table in
     internal/interop/differences_test.go. -->

The tests in ` + "`internal/interop`" + ` ask NSD 4.6.1, Knot DNS 3.2.6 and BIND 9.18.49 (Debian 12) and ptrd for all
names × types × DO × sizes of some thirty-five zone sets. They compare RCODE, AA, TC, the answer section with its TTLs and
the order of a chain, the authority section of referrals, denials and wildcards, and the glue that a referral
must have. Where the three agree, ptrd gives the same answer. This page lists every kind of question on which they differ.

What is not compared, because no RFC asks for it: the order of RRs within an RRset, the case of owner
names (RFC 4343 §4.1), the apex NS RRset that NSD adds to answers (RFC 1034 §3.7 allows it; ptrd does not send
it), and additional data other than required glue.
`)
	for _, d := range differences {
		fmt.Fprintf(&b, "\n## %s\n\n`%s`\n\n- NSD, Knot, BIND: %s\n- **ptrd**: %s\n- Decided by: %s.\n", d.what, d.id, d.peers, d.ptrd, d.rfc)
	}
	b.WriteString(`
# Queries that are not plain

Each of these was sent to all four; the others of RFC 8906 §8, and many more, get the same answer from all of
them (internal/interop/probes_test.go). A response is shown by its RCODE, its flags, the number of
questions in it, and what it has of EDNS.

| query | NSD | Knot | BIND | **ptrd** | decided by |
| --- | --- | --- | --- | --- | --- |
`)
	for _, p := range probes {
		if d := p.differ; d != nil {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | **%s** | %s |\n", p.name, d.nsd, d.knot, d.bind, d.ptrd, d.rfc)
		}
	}
	return b.String()
}
