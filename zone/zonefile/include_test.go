package zonefile

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/source"
)

// tree makes files and links (`path -> target`) in a new directory.
func tree(t *testing.T, entries ...string) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(entries); i += 2 {
		path := filepath.Join(dir, entries[i])
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		target, isLink := strings.CutPrefix(entries[i+1], "-> ")
		if isLink {
			err = os.Symlink(strings.ReplaceAll(target, "DIR", dir), path)
		} else {
			err = os.WriteFile(path, []byte(strings.ReplaceAll(entries[i+1], "DIR", dir)), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func loadTree(dir, file, root string) (*Result, string) {
	var b strings.Builder
	var table source.Table
	o := Options{Origin: dname.MustParse("2.0.192.in-addr.arpa"), Table: &table, DefaultTTL: 1, HasDefaultTTL: true}
	if root != "" {
		o.Root = filepath.Join(dir, root)
	}
	res := Load(filepath.Join(dir, file), o, func(r zone.Record) {
		fmt.Fprintf(&b, "%s\n", AppendRecord(nil, r))
	})
	for _, f := range res.Findings {
		fmt.Fprintf(&b, "%s\n", strings.ReplaceAll(table.Locate(f).String(), dir, "DIR"))
	}
	return res, b.String()
}

const record = "1.2.0.192.in-addr.arpa. 1 IN PTR a.\n"

// TestIncludeConfined: what is included lies in the root once all links are
// followed.
func TestIncludeConfined(t *testing.T) {
	for _, c := range []struct {
		name, include string
		entries       []string
		want          string // a part of the outcome
	}{
		{"plain", "one", []string{"zones/one", "1 PTR a.\n"}, record},
		{"absolute", "DIR/zones/one", []string{"zones/one", "1 PTR a.\n"}, record},
		{"link inside", "one", []string{"zones/sub/two", "1 PTR a.\n", "zones/one", "-> sub/two"}, record},
		{"absolute link inside", "one", []string{"zones/two", "1 PTR a.\n", "zones/one", "-> DIR/zones/two"}, record},
		{"up and back", "../zones/one", []string{"zones/one", "1 PTR a.\n"}, record},
		{"up", "../secret", []string{"secret", "1 PTR a.\n"}, "f:1:10: DIR/secret lies outside DIR/zones, which $INCLUDE is confined to; move the file there\n"},
		{"absolute outside", "DIR/secret", []string{"secret", "1 PTR a.\n"}, "lies outside DIR/zones"},
		{"link outside", "one", []string{"secret", "1 PTR a.\n", "zones/one", "-> ../secret"}, "lies outside DIR/zones"},
		{"directory link outside", "sub/secret", []string{"other/secret", "1 PTR a.\n", "zones/sub", "-> ../other"}, "lies outside DIR/zones"},
		{"neighbour with the same start", "../zones2/one", []string{"zones2/one", "1 PTR a.\n"}, "lies outside DIR/zones"},
		{"dangling link", "one", []string{"zones/one", "-> nothing"}, "cannot read DIR/zones/one: no such file or directory"},
		{"circle of links", "one", []string{"zones/one", "-> two", "zones/two", "-> one"}, "cannot read DIR/zones/one: "},
		{"device", "/dev/null", nil, "lies outside DIR/zones"},
		{"itself", "f", nil, "DIR/zones/f includes itself (DIR/zones/f → DIR/zones/f); remove one of the $INCLUDE lines"},
		{"itself by a link", "one", []string{"zones/one", "-> f"}, "includes itself"},
		// As Kubernetes mounts a ConfigMap.
		{"swapped directory", "one", []string{"zones/..2026/one", "1 PTR a.\n", "zones/..data", "-> ..2026", "zones/one", "-> ..data/one"}, record},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := tree(t, append(c.entries, "zones/f", "$INCLUDE "+c.include+"\n")...)
			res, got := loadTree(dir, "zones/f", "")
			if !strings.Contains(got, c.want) || (c.want == record) != res.OK() {
				t.Errorf("got:\n%s\nwant:\n%s", got, c.want)
			}
			if res.Files[0] != filepath.Join(dir, "zones/f") || len(res.Files) < 2 {
				t.Errorf("files %q", res.Files)
			}
		})
	}
}

// TestIncludeBase: a relative path starts at the including file's directory, then
// at the root, and both are noted for watching.
func TestIncludeBase(t *testing.T) {
	dir := tree(t, "zones/sub/f", "$INCLUDE one\n$INCLUDE two\n$INCLUDE sub/three\n",
		"zones/sub/one", "1 PTR a.\n", "zones/one", "2 PTR b.\n", "zones/two", "3 PTR c.\n", "zones/sub/three", "4 PTR d.\n")
	res, got := loadTree(dir, "zones/sub/f", "zones")
	want := record + "3.2.0.192.in-addr.arpa. 1 IN PTR c.\n4.2.0.192.in-addr.arpa. 1 IN PTR d.\n"
	if got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	for _, path := range []string{"zones/sub/f", "zones/sub/one", "zones/sub/two", "zones/two", "zones/sub/sub/three", "zones/sub/three"} {
		if !slices.Contains(res.Files, filepath.Join(dir, path)) {
			t.Errorf("%s is not among %q", path, res.Files)
		}
	}
}

// TestIncludeLinkedRoot: a root that is a link itself, and a master file reached
// through links.
func TestIncludeLinkedRoot(t *testing.T) {
	dir := tree(t, "real/f", "$INCLUDE one\n", "real/one", "1 PTR a.\n", "zones", "-> real")
	if _, got := loadTree(dir, "zones/f", ""); got != record {
		t.Error(got)
	}
}

func TestIncludeLimits(t *testing.T) {
	var entries []string
	for i := range maxDepth + 1 {
		entries = append(entries, fmt.Sprintf("f%d", i), fmt.Sprintf("$INCLUDE f%d\n", i+1))
	}
	dir := tree(t, append(entries, fmt.Sprintf("f%d", maxDepth+1), "1 PTR a.\n")...)
	if _, got := loadTree(dir, "f0", ""); !strings.Contains(got, "nested more than 16 deep") {
		t.Error(got)
	}
	dir = tree(t, "f", strings.Repeat("$INCLUDE one\n", 40), "one", strings.Repeat("$INCLUDE two\n", 300), "two", "1 PTR a.\n")
	if _, got := loadTree(dir, "f", ""); !strings.Contains(got, "more than 10000 files are included") {
		t.Error(got)
	}
	dir = tree(t, "f", "$INCLUDE large\n$INCLUDE large\n", "large", "")
	if err := os.Truncate(filepath.Join(dir, "large"), 3<<30); err != nil {
		t.Skip(err)
	}
	if _, got := loadTree(dir, "f", ""); !strings.Contains(got, "f:2:10: the files of this zone have more than 4 GiB together") {
		t.Error(got)
	}
}

// TestEmpty reads files that lost their content. What is included counts for the file
// that includes it, and a file with another error needs no second one.
func TestEmpty(t *testing.T) {
	const empty = "the file has no record; write what it should have, or remove "
	for _, c := range []struct{ main, part, want string }{
		{"", "1 PTR a.\n", "DIR/f:1:1: " + empty + "it from the zone if it is empty on purpose\n"},
		{"; a\n\n$TTL 60\n$ORIGIN 2.0.192.in-addr.arpa.\n", "", "DIR/f:1:1: " + empty + "it from the zone if it is empty on purpose\n"},
		{"$INCLUDE part\n", "1 PTR a.\n", ""},
		{"2 PTR b.\n$INCLUDE part\n", "; nothing\n", "DIR/part:1:1: " + empty + "the $INCLUDE of it if it is empty on purpose\n"},
		{"$INCLUDE part\n", "", "DIR/part:1:1: " + empty + "the $INCLUDE of it if it is empty on purpose\n"},
		{"1 PTR (\n", "", "DIR/f:1:7: ( is never closed; put the ) after the record's last field\n"},
	} {
		dir := tree(t, "f", c.main, "part", c.part)
		res, got := loadTree(dir, "f", "")
		var findings strings.Builder
		for line := range strings.Lines(got) {
			if strings.HasPrefix(line, "DIR/") {
				findings.WriteString(line)
			}
		}
		if findings.String() != c.want || res.OK() != (c.want == "") {
			t.Errorf("%q and %q: got\n%s\nwant\n%s", c.main, c.part, got, c.want)
		}
	}
}

func TestIncludeWithoutFile(t *testing.T) {
	if got := outcome(strings.NewReader("$INCLUDE /etc/passwd\n"), Options{}); got != "f:1:10: $INCLUDE is not possible here: the text is not read from a file\n" {
		t.Error(got)
	}
}

func TestUnreadable(t *testing.T) {
	dir := tree(t, "sub/f", "")
	for file, want := range map[string]string{
		"none": "DIR/none: cannot read the file: no such file or directory; correct the path or create the file\n",
		"sub":  "DIR/sub: cannot read the file: it is a directory; see that it is a regular file\n",
	} {
		if res, got := loadTree(dir, file, ""); got != want || res.OK() {
			t.Errorf("got %s want %s", got, want)
		}
	}
}
