package architecture

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone/rule"
)

// unchosen are the warnings whose severity is no choice: they count findings, report what
// happened and not what the data are, or are about the configuration and not about a zone.
var unchosen = []string{"max-shrink", "serial-not-taken", "no-zone-files", "open-update"}

// TestRules: each warning about zones names a rule of the table, so that operators can choose its
// severity, and each rule of the table is used.
func TestRules(t *testing.T) {
	warning := regexp.MustCompile(`(?:Warning, |warn\([^"\n]*|Warning, Rule: )"([a-z0-9-]+)"`)
	var text strings.Builder
	for _, dir := range []string{"../../zone", "../assemble", "../config", "../derive"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "rule/rule.go") {
				return err
			}
			source, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			text.Write(source)
			for _, m := range warning.FindAllStringSubmatch(string(source), -1) {
				if _, ok := rule.Get(m[1]); !ok && !slices.Contains(unchosen, m[1]) {
					t.Errorf("%s: the warning %q is not in the table of zone/rule", path, m[1])
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	ofData := rule.All()[:14] // package rr has constants for them
	for _, r := range rule.All()[len(ofData):] {
		if !strings.Contains(text.String(), `"`+r.Name+`"`) {
			t.Errorf("no warning names the rule %s", r.Name)
		}
	}
}
