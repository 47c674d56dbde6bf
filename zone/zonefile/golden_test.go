package zonefile

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/source"
)

var update = flag.Bool("update", false, "rewrite what testdata/*.txtar expect")

// TestGolden reads each testdata/*.txtar: `origin NAME` and other settings in the
// comment, the master file `zone` and what it includes, and in `want` the records
// and findings.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no testdata", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			var want *txtar.File
			for i := range ar.Files {
				f := &ar.Files[i]
				if f.Name == "want" {
					want = f
					continue
				}
				path := filepath.Join(dir, f.Name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, f.Data, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if want == nil {
				t.Fatal("no file want")
			}
			got := readGolden(t, dir, settings(t, string(ar.Comment)))
			if *update {
				want.Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != string(want.Data) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want.Data)
			}
		})
	}
}

// settings reads lines of `key value`; lines that start with # are prose.
func settings(t *testing.T, comment string) (o Options) {
	o.Origin = dname.MustParse("2.0.192.in-addr.arpa")
	for _, line := range strings.Split(comment, "\n") {
		key, value, _ := strings.Cut(line, " ")
		switch key {
		case "":
		case "#":
		case "origin":
			o.Origin = dname.MustParse(value)
		case "apex":
			o.Apexes = append(o.Apexes, dname.MustParse(value))
		case "ttl":
			fmt.Sscan(value, &o.DefaultTTL)
			o.HasDefaultTTL = true
		case "fallback_ttl":
			fmt.Sscan(value, &o.FallbackTTL)
			o.HasFallbackTTL = true
		case "generate_limit":
			fmt.Sscan(value, &o.GenerateLimit)
		default:
			t.Fatalf("unknown setting %q", line)
		}
	}
	return o
}

// readGolden returns the records of the file dir/zone, then the findings.
func readGolden(t *testing.T, dir string, o Options) string {
	var b strings.Builder
	o.Table = new(source.Table)
	res := Load(filepath.Join(dir, "zone"), o, func(r zone.Record) {
		p, ok := o.Table.Position(r.Tag)
		if !ok {
			t.Errorf("record %s has no position", AppendRecord(nil, r))
		}
		fmt.Fprintf(&b, "%d %s\n", p.Line, AppendRecord(nil, r))
	})
	if res.Records > 0 && len(res.Findings) > 0 {
		b.WriteByte('\n')
	}
	for _, f := range res.Findings {
		text := strings.ReplaceAll(o.Table.Locate(f).String(), dir+string(filepath.Separator), "")
		fmt.Fprintf(&b, "%v %s [%s]\n", f.Severity, strings.ReplaceAll(text, filepath.Dir(dir), "UP"), f.Rule)
		end := f.Text[strings.LastIndexByte(f.Text, ' ')+1:]
		if strings.ToLower(f.Rule) != f.Rule || strings.ContainsAny(f.Rule, " _") || strings.IndexByte(end, '.') == len(end)-1 {
			t.Errorf("code %q, text %q", f.Rule, f.Text)
		}
	}
	return b.String()
}

// goldenZone returns the master file of testdata/NAME.txtar.
func goldenZone(t *testing.T, name string) string {
	t.Helper()
	ar, err := txtar.ParseFile(filepath.Join("testdata", name+".txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range ar.Files {
		if f.Name == "zone" {
			return string(f.Data)
		}
	}
	t.Fatal("no file zone")
	return ""
}
