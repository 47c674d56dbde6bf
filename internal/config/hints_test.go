package config

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// TestHints: the messages about keys of other servers name keys that exist, in YAML that is valid.
func TestHints(t *testing.T) {
	example, err := os.ReadFile("../../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	isKey := func(key string) bool {
		return regexp.MustCompile(`(?m)(^|[ #{,])` + regexp.QuoteMeta(key) + `:(\s|$)`).Match(example)
	}
	var check func(hint string, n *yaml.Node)
	check = func(hint string, n *yaml.Node) {
		for i, c := range n.Content {
			if n.Kind == yaml.MappingNode && i%2 == 0 && !isKey(c.Value) && c.Value != "office" {
				t.Errorf("%s: there is no key %q", hint, c.Value)
			}
			check(hint, c)
		}
	}
	for _, hint := range hints {
		for i, snippet := range strings.Split(hint, "`") {
			if i%2 == 0 || strings.Contains(hint, "BIND's `"+snippet) {
				continue
			}
			var n yaml.Node
			if err := yaml.Unmarshal([]byte(snippet), &n); err != nil {
				t.Errorf("%s: %v", hint, err)
			}
			if check(hint, &n); !strings.Contains(snippet, ":") && !regexp.MustCompile(`(?m)\b`+snippet+`:`).Match(example) {
				t.Errorf("%s: there is no key %q", hint, snippet)
			}
		}
	}
}
