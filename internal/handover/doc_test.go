package handover

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the rules into docs/handover.md")

const rulesDoc = "../../docs/handover.md"

// TestRulesDoc: docs/handover.md has all rules.
func TestRulesDoc(t *testing.T) {
	var b strings.Builder
	b.WriteString("| tag | refused by | finding | remedy |\n| --- | --- | --- | --- |\n")
	for _, r := range rules() {
		var by []string
		if r.refuse == all {
			by = []string{"all"}
		} else {
			for _, o := range Owners() {
				if r.refuse&o.set != 0 {
					by = append(by, o.Key)
				}
			}
		}
		tag := "`" + r.tag + "`"
		if r.also != "" {
			tag += ", `" + r.also + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", tag, strings.Join(by, ", "), r.text, r.remedy)
	}
	checkSection(t, "rules", b.String())
}

// checkSection compares a section of the document, or writes it with -update.
func checkSection(t *testing.T, name, want string) {
	t.Helper()
	data, err := os.ReadFile(rulesDoc)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(data), "<!-- "+name+" -->\n")
	got, after, ended := strings.Cut(rest, "<!-- end -->")
	if !found || !ended {
		t.Fatalf("%s has no section %s", rulesDoc, name)
	}
	if got == want {
		return
	}
	if !*update {
		t.Errorf("section %s of %s is not up to date; run `go test ./internal/handover -update`", name, rulesDoc)
		return
	}
	if err := os.WriteFile(rulesDoc, []byte(before+"<!-- "+name+" -->\n"+want+"<!-- end -->"+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// tagList returns tags as the document lists them, in lines.
func tagList(tags []string) string {
	tags = slices.Clone(tags)
	slices.Sort(tags)
	var b strings.Builder
	width := 0
	for i, tag := range tags {
		item := "`" + tag + "`"
		if i < len(tags)-1 {
			item += ","
		}
		switch {
		case width > 0 && width+1+len(item) > 100:
			b.WriteByte('\n')
			width = 0
		case width > 0:
			b.WriteByte(' ')
			width++
		}
		b.WriteString(item)
		width += len(item)
	}
	return b.String() + "\n"
}
