package rule_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone/rule"
)

var update = flag.Bool("update", false, "rewrite docs/checks.md")

const docHead = `# Rules of ptrd check

<!-- Written by go test ./zone/rule -update; change the table in zone/rule/rule.go. -->

` + "`ptrd check`" + `, and every reload, looks at the configuration and its zones. What ptrd cannot serve is
always an error. What it can serve, and what is likely a mistake or does not work for others, is a
breach of one of these rules. Each can be an error, a warning or off, for all zones (` + "`defaults`" + `) or
for one:

    checks: {several-ptrs: off, ptr-unconfirmed: error}

An error keeps the zone from being served; the previous data stays. Exceptions are the rules about
several zones (from ` + "`ptr-unconfirmed`, `ptr-alias`, `child-not-delegated`, `other-servers` and\n`addresses-unreachable`" + `): which of the zones is wrong is not known, so that these are served, and
an error only makes ` + "`ptrd check`" + ` fail. Updates (RFC 2136) and the API of Route 53 are never refused
because of these rules, and what they add is not checked. ` + "`host-name` demands what BIND does\nby `check-names`, which refuses a primary zone by default; `error` is the same here." + ` ` + "`ptrd check --json`" + ` has the name of the rule as ` + "`code`" + `.

| rule | default | what it demands |
| --- | --- | --- |
`

// TestDoc: the list of rules in the documentation is the table.
func TestDoc(t *testing.T) {
	const file = "../../docs/checks.md"
	var b strings.Builder
	b.WriteString(docHead)
	for _, r := range rule.All() {
		fmt.Fprintf(&b, "| `%s` | %v | %s |\n", r.Name, r.Severity, r.Text)
	}
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != b.String() {
		t.Errorf("%s is not what go test ./zone/rule -update writes (%v)", file, err)
	}
}

// TestChecks: a severity is the chosen one, or that of the rule; equal choices are equal values.
func TestChecks(t *testing.T) {
	var c, zero rule.Checks
	for _, r := range rule.All() {
		if s, ok := c.Severity(r.Name); !ok || s != r.Severity {
			t.Errorf("%s is %v, %v without a choice, want %v", r.Name, s, ok, r.Severity)
		}
		for _, s := range []rule.Severity{rule.Warn, rule.Error, rule.Off} {
			if !c.Set(r.Name, s) {
				t.Errorf("there is no rule %s", r.Name)
			}
			if got, _ := c.Severity(r.Name); got != s {
				t.Errorf("%s is %v, was set to %v", r.Name, got, s)
			}
		}
		if c.Set(r.Name, r.Severity); c != zero {
			t.Errorf("%s as it is by default makes other checks", r.Name)
		}
	}
	if c.Set("nonesuch", rule.Off) {
		t.Error("a rule that does not exist was set")
	}
	if _, ok := c.Severity("nonesuch"); ok {
		t.Error("a rule that does not exist has a severity")
	}
}
