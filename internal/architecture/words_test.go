package architecture

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// words lists words that are not used, with what to write instead. The first part has
// terms for which RFC 9499 has another one, the second expressions that are not plain
// English. A word belongs here only if hardly any use of it is right.
var words = []struct {
	pattern *regexp.Regexp
	instead string
}{
	{word(`hit|hits`), "success, or name the answer"},
	{word(`miss|misses`), "NXDOMAIN or NODATA"},
	{word(`obscured`), "occluded"},
	{word(`nonauth\w*`), "occluded, or out of zone"},
	{word(`sub-?zones?`), "zone cut, delegation or child zone"},
	{word(`slaves?`), "secondary"},
	{word(`masters?`), "primary"},
	{regexp.MustCompile(`\b(TODO|FIXME|XXX)\b`), "nothing: do it"},

	{word(`mend|mends|mended|mending`), "fix, correct"},
	{word(`pour|pours|poured|pouring`), "add, read"},
	{word(`guilt|guilty`), "what is measured, e.g. eviction score"},
	{word(`shy`), "what happens, e.g. waits"},
	{word(`whence|thence|hither|thither|whereof|lest`), "a usual word"},
	{word(`comes? true|came true`), "becomes true"},
	{word(`told already`), "already printed"},
	{word(`of the house|the house's`), "of this project"},
}

// word matches any of the alternatives as a whole word, in any case.
func word(alternatives string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b(` + alternatives + `)\b`)
}

// exempt matches correct uses: RFC 1035 section 5 has "master files", the configuration
// of BIND, Knot DNS, PowerDNS, postfix and iproute2 has words of its own, and host.master is a mailbox.
var exempt = regexp.MustCompile(`(?i)\bmaster[- ]+.?file(s|'s)?\b|\bmaster$|\btype (master|slave)\b|\bmaster: (\\?"|[a-z]+\b)|"masters?": +hintPrimaries\b|\blink set \S+ master\b|\bAXFR-MASTER-TSIG\b|"master\.cf"|\bpostfix/sbin/master\b|\bhost\\?\.master\b`)

// TestWords reads code, messages and documentation.
func TestWords(t *testing.T) {
	top := repository(t)
	out, err := exec.Command("git", "-C", top, "ls-files", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Skipf("not a git work tree: %v", err)
	}
	n := 0
	for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
		name := s.Text()
		switch filepath.Ext(name) {
		case ".go", ".md", ".yaml":
		default:
			continue
		}
		if name == "internal/architecture/words_test.go" || strings.Contains(name, "testdata/") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(top, name))
		if os.IsNotExist(err) {
			continue // deleted, but not committed yet
		} else if err != nil {
			t.Fatal(err)
		}
		n++
		for _, f := range wrongWords(name, string(data)) {
			t.Error(f)
		}
	}
	if n < 20 {
		t.Errorf("only %d files were read", n)
	}
}

func wrongWords(name, text string) []string {
	var out []string
	for i, line := range strings.Split(text, "\n") {
		rest := exempt.ReplaceAllString(line, "")
		for _, w := range words {
			if found := w.pattern.FindString(rest); found != "" {
				out = append(out, fmt.Sprintf("%s:%d: %q: write %s", name, i+1, found, w.instead))
			}
		}
	}
	return out
}

func TestWrongWords(t *testing.T) {
	for line, want := range map[string]int{
		"a cache hit":                       1,
		"the slave has it":                  1,
		"a missing dot, dismissed":          0,
		"master files of RFC 1035":          0,
		"what a master file has":            0,
		"`type master` in BIND's config":    0,
		"the Master and its Slaves":         2,
		"// " + "TODO: later":               1,
		"worded for those who " + "mend it": 1,
		"amended, recommended":              0,
	} {
		if got := wrongWords("x", line); len(got) != want {
			t.Errorf("%q: %q, want %d", line, got, want)
		}
	}
}

// repository returns the top of the work tree.
func repository(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
	}
}
