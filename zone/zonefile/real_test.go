package zonefile

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/source"
)

// TestRealZones reads the files of a directory with an INDEX.tsv that says the
// origin of each and what BIND thinks of it, and compares with NAME.expected.
func TestRealZones(t *testing.T) {
	dir := os.Getenv("PTRD_ZONES_REAL")
	if dir == "" {
		t.Skip("PTRD_ZONES_REAL is not set to a directory of real zones")
	}
	index, err := os.ReadFile(filepath.Join(dir, "INDEX.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range strings.Split(strings.TrimSpace(string(index)), "\n") {
		cols := strings.Split(row, "\t")
		if i == 0 || len(cols) < 5 {
			continue
		}
		t.Run(cols[0], func(t *testing.T) {
			apex := dname.MustParse(cols[1])
			var table source.Table
			path := filepath.Join(dir, cols[0])
			b := zone.NewBuilder(apex)
			res := Load(path, Options{Origin: apex, Table: &table}, b.Add)
			z, findings := b.Build()
			refused := !res.OK() || z == nil
			for _, f := range append(res.Findings, findings...) {
				t.Logf("%v [%s] %s", f.Severity, f.Rule, strings.TrimPrefix(table.Locate(f).String(), dir+"/"))
			}
			if refused != (cols[4] != "ok") {
				t.Fatalf("BIND says %s, we refuse it: %v", cols[4], refused)
			}
			if refused {
				return
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			compareRoads(t, text, Options{Origin: apex, window: windowSize})
			if records := compareMiekg(t, append([]byte("$TTL 1\n"), text...), apex); records != res.Records {
				t.Errorf("miekg/dns takes %d records, we %d", records, res.Records)
			}
			var dump bytes.Buffer
			if err := Write(&dump, z); err != nil {
				t.Fatal(err)
			}
			var got []string
			for line := range strings.Lines(dump.String()) {
				owner, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
				got = append(got, strings.ToLower(owner)+" "+rest)
			}
			slices.Sort(got)
			want := expected(t, strings.TrimSuffix(path, ".zone")+".expected")
			if !slices.Equal(got, want) {
				t.Errorf("records:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

func expected(t *testing.T, path string) (lines []string) {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if fields := strings.Fields(s.Text()); len(fields) > 0 {
			if len(fields) > 7 && fields[3] == "DNSKEY" { // BIND breaks up base64
				fields = append(fields[:7], strings.Join(fields[7:], ""))
			}
			lines = append(lines, strings.Join(fields, " "))
		}
	}
	slices.Sort(lines)
	return lines
}
