package rr_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/rule"
	"github.com/ptrd/ptrd/zone/zonefile"
)

var update = flag.Bool("update", false, "rewrite what testdata/golden.txt and docs/types.md expect")

// TestGolden reads and prints each line of testdata/golden.txt. What is printed is read as the same
// octets, and so is the generic form, under the number of the type as well.
func TestGolden(t *testing.T) {
	const file = "testdata/golden.txt"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	seen := map[rr.Type]bool{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.ContainsAny(line[:1], "=!?") {
			continue
		}
		fmt.Fprintln(&out, line)
		if line[0] == '#' {
			continue
		}
		mnemonic, data, _ := strings.Cut(line, " ")
		typ, ok := rr.ParseType(mnemonic)
		if !ok {
			t.Fatalf("%q is no type", mnemonic)
		}
		seen[typ] = true
		wire, err := zonefile.ParseRData(typ, data, dname.Root())
		if err != nil {
			fmt.Fprintf(&out, "! %v\n", err)
			continue
		}
		printed := rr.Text(typ, wire)
		if printed != data {
			fmt.Fprintf(&out, "= %s\n", printed)
		}
		for _, fault := range rr.Check(new(rule.Checks), typ, wire) {
			fmt.Fprintf(&out, "? %s\n", fault.Text)
		}
		for _, form := range []string{printed, fmt.Sprintf(`\# %d %x`, len(wire), wire)} {
			if again, err := zonefile.ParseRData(typ, form, dname.Root()); err != nil || !bytes.Equal(again, wire) {
				t.Errorf("%s: %s is read as %x, %v, not %x", line, form, again, err, wire)
			}
		}
		if typ != 10 && rr.HasText(typ) {
			for _, changed := range [][]byte{wire[:max(len(wire)-1, 0)], append(bytes.Clone(wire), 0xff)} {
				rr.Text(typ, changed) // does not panic
			}
		}
	}
	for typ := range rr.Type(0xffff) {
		if rr.HasText(typ) && !seen[typ] {
			t.Errorf("%v has no line in %s", typ, file)
		}
	}
	check(t, file, text, out.String())
}

// TestTypesDoc: the list of types in the documentation is that of the table.
func TestTypesDoc(t *testing.T) {
	const file = "../../docs/types.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	check(t, file, text, rr.TypesDoc())
}

// check compares a file with what it should be.
func check(t *testing.T, file string, was []byte, want string) {
	t.Helper()
	switch {
	case *update:
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	case string(was) != want:
		t.Errorf("%s should be:\n%s", file, want)
	}
}
