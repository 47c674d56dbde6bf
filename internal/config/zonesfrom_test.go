package config

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/infile"
)

// lines describes the zones and what is wrong with files, with the paths below dir.
func lines(cfg *Config, dir string) (list []string) {
	for i := range cfg.Zones {
		z := &cfg.Zones[i]
		line := ""
		for _, apex := range z.Apexes {
			line += apex.String() + " "
		}
		for _, f := range z.Files {
			line += filepath.Base(f.Path) + " "
		}
		list = append(list, strings.TrimSpace(line))
	}
	for _, f := range cfg.Warnings {
		severity := "warning "
		if f.Severity == finding.Error {
			severity = "error "
		}
		list = append(list, severity+strings.ReplaceAll(f.String(), dir+"/", ""))
	}
	return list
}

func compareLines(t *testing.T, what string, got []string, want string) {
	t.Helper()
	if s := strings.Join(got, "\n"); s != strings.TrimSpace(want) {
		t.Errorf("%s:\n got %s\nwant %s", what, s, strings.TrimSpace(want))
	}
}

const soaLine = " SOA ns1.example.com. hostmaster.example.com. 1 1d 2h 1000h 1h\n"

// TestZonesFrom: each file of a directory is a zone, named by its SOA, by its file name or by
// a prefix; one that names none costs only itself.
func TestZonesFrom(t *testing.T) {
	for _, c := range []struct {
		name, config string
		files        map[string]string
		want         string
	}{
		{"by the SOA", "zones_from: [{dir: d}]", map[string]string{
			"a.zone":        "$TTL 1h\n203.0.113.in-addr.arpa." + soaLine,
			"b.zone":        "; comment\n$ORIGIN example.\n$TTL 1h\nx" + soaLine + "this is wrong\n",
			"c.zone":        "$TTL 1h\n@" + soaLine,
			"d.zone":        "$TTL 1h\nx.example. TXT a\n",
			"e.zone":        "$TTL 1h\n@ SAO x\n",
			"f.zone":        "$INCLUDE a.inc\n",
			"a.inc":         "$ORIGIN included.example.\n$TTL 1h\n@" + soaLine,
			"g.zone.swp":    "x",
			".h.zone":       "x",
			"i.zone~":       "x",
			"j.zone":        "",
			"k.zone":        "$TTL 1h\n113.0.203.in-addr.arpa." + soaLine,
			"l.zone.rpmnew": "x",
		}, `
203.0.113.in-addr.arpa. a.zone
x.example. b.zone
included.example. f.zone
113.0.203.in-addr.arpa. k.zone
warning d/a.zone: zones_from[0]: 203.0.113.in-addr.arpa.: this is the name of 113.0.203.0/24, and the labels are likely in normal order; did you mean 113.0.203.in-addr.arpa.?
error d/c.zone:2:1: the owner of the SOA record is relative, and there is no $ORIGIN before it, so that it names no zone; write the complete name with a final dot, or name zones by their files (` + "`name: file`" + `)
error d/d.zone: the file has no SOA record, which would name its zone; add one, or name zones by their files (` + "`name: file`" + `)
error d/e.zone:2:3: "SAO" is not a type; check the spelling, or write TYPEn for a type that has no mnemonic
error d/j.zone:1:1: the file has no record; write what it should have, or remove it from the zone if it is empty on purpose
`},
		{"by file names", "zones_from: [{dir: d, name: file, pattern: \"db.*\"}]", map[string]string{
			"db.113.0.203.in-addr.arpa": "", "db.64_26.2.0.192.in-addr.arpa": "", "db.0%2F25.2.0.192.in-addr.arpa.": "",
			"db.64-26.1.0.192.in-addr.arpa": "", "db._tcp.example.com": "", "db.a..b": "", "db.203.0.113.in-addr.arpa.jnl": "", "other": "",
		}, `
0/25.2.0.192.in-addr.arpa. db.0%2F25.2.0.192.in-addr.arpa.
113.0.203.in-addr.arpa. db.113.0.203.in-addr.arpa
64-26.1.0.192.in-addr.arpa. db.64-26.1.0.192.in-addr.arpa
64/26.2.0.192.in-addr.arpa. db.64_26.2.0.192.in-addr.arpa
_tcp.example.com. db._tcp.example.com
error d/db.a..b: zones_from[0]: "a..b" is not the name of a zone; rename the file, or leave it out by ` + "`pattern`" + `
`},
		{"by prefixes", "zones_from: [{dir: d, name: prefix, style: slash}]", map[string]string{
			"203.0.113.0-24.zone": "", "192.0.2.64_26.zone": "", "192.0.2.0%2F25.zone": "", "2001:db8::-32.zone": "", "2001-db8-1---48.zone": "",
			"10.0.0.0-15.zone": "", "192.0.2.1-24.zone": "", "office.zone": "",
		}, `
0.10.in-addr.arpa. 1.10.in-addr.arpa. 10.0.0.0-15.zone
0/25.2.0.192.in-addr.arpa. 192.0.2.0%2F25.zone
64/26.2.0.192.in-addr.arpa. 192.0.2.64_26.zone
1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. 2001-db8-1---48.zone
8.b.d.0.1.0.0.2.ip6.arpa. 2001:db8::-32.zone
113.0.203.in-addr.arpa. 203.0.113.0-24.zone
error d/192.0.2.1-24.zone: zones_from[0]: the prefix 192.0.2.1/24 has host bits; rename the file after 192.0.2.0/24, or after 192.0.2.1/32
error d/office.zone: zones_from[0]: "office" is not a prefix; rename the file, such as 192.0.2.0-24 or 2001:db8::-32, or leave it out by ` + "`pattern`" + `
`},
		{"zones that others have", `
zones: [{name: a.example, file: d/a.example.zone, ttl: 5m}, {name: b.example, file: x}]
catalogs: [{name: c.example, zones: all, transfer: {allow: 192.0.2.1}}]
defaults: {transfer: {allow: 192.0.2.1}}
zones_from: [{dir: d, name: file}, {dir: e, name: file}]`, map[string]string{
			"a.example.zone": "", "b.example.zone": "", "c.example.zone": "", "d.example.zone": "", "D.example.zone": "",
		}, `
a.example. a.example.zone
b.example. x
D.example. D.example.zone
error d/b.example.zone: zones_from[0]: the zone b.example. is in zones[1] already (ptrd.yaml:2:61), so that this file is not used; remove one of the two, or name this file there
error d/c.example.zone: zones_from[0]: the zone c.example. is in catalogs[0] already (ptrd.yaml:3:12), so that this file is not used; remove one of the two, or name this file there
error d/d.example.zone: zones_from[0]: the zone d.example. is in zones_from[0] already (d/D.example.zone), so that this file is not used; remove one of the two, or name this file there
warning ptrd.yaml:5:36: zones_from[1]: no file in e matches *.zone, so that there is no zone; correct one of the two, or put a file there
`},
		{"relative to directory", "directory: d/..\nzones_from: [{dir: d}]", map[string]string{"a.zone": "$TTL 1h\na.example." + soaLine}, "a.example. a.zone"},
	} {
		dir := write(t, map[string]string{"ptrd.yaml": c.config + "\n"})
		for _, sub := range []string{"d", "e"} {
			if err := os.Mkdir(filepath.Join(dir, sub), 0o777); err != nil {
				t.Fatal(err)
			}
		}
		for name, text := range c.files {
			if err := os.WriteFile(filepath.Join(dir, "d", name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cfg, err := Load(filepath.Join(dir, "ptrd.yaml"))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		compareLines(t, c.name, lines(cfg, dir), c.want)
	}
}

// counting counts the calls that open files.
type counting struct {
	infile.OS
	opens, lists int
}

func (c *counting) Open(path string) (infile.Handle, infile.Info, error) {
	c.opens++
	return c.OS.Open(path)
}

func (c *counting) ReadDir(path string) ([]fs.DirEntry, error) {
	c.lists++
	return c.OS.ReadDir(path)
}

// TestZonesFromWork: of many files, a load reads those that changed since the last one.
func TestZonesFromWork(t *testing.T) {
	const n = 2000 // the counts are the same for 10,000
	dir := write(t, map[string]string{"ptrd.yaml": "zones_from: [{dir: ., nameservers: ns1.example.com}]\n"})
	text := func(i int) string { return fmt.Sprintf("$ORIGIN z%d.example.\n$TTL 1h\n@%s", i, soaLine) }
	path := func(i int) string { return filepath.Join(dir, fmt.Sprintf("%05d.zone", i)) }
	for i := range n {
		if err := os.WriteFile(path(i), []byte(text(i)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	system := &counting{}
	l := Loader{Path: filepath.Join(dir, "ptrd.yaml"), Open: &infile.Files{System: system}}
	load := func(zones, opens int) *Config {
		t.Helper()
		*system = counting{}
		cfg, err := l.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(cfg.Zones) != zones || len(cfg.Warnings) > 0 {
			t.Fatalf("%d zones, %.500v", len(cfg.Zones), cfg.Warnings)
		}
		if system.opens != opens+1 || system.lists != 1 {
			t.Errorf("%d files opened and %d directories read, want %d and 1", system.opens, system.lists, opens+1)
		}
		return cfg
	}
	first := load(n, n)
	if first.Zones[0].ZoneOptions != first.Zones[n-1].ZoneOptions {
		t.Error("the zones do not share their settings")
	}
	// A file that was just written may change again within the tick of the clock: pretend that
	// it is older.
	for _, f := range l.from.seen {
		for _, one := range f.files {
			one.info.Identity.At += int64(1e10)
		}
	}
	second := load(n, 0)
	if &first.Zones[0] != &second.Zones[0] {
		t.Error("the list of zones was made again")
	}
	if err := os.WriteFile(path(7), []byte(text(7)+"a TXT b\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	third := load(n, 1)
	if &first.Zones[0] != &third.Zones[0] {
		t.Error("the list of zones was made again for a change within a file")
	}
	if err := os.WriteFile(path(n), []byte(text(n)), 0o600); err != nil {
		t.Fatal(err)
	}
	load(n+1, 2) // 7 again, which is young
	if err := os.Remove(path(n)); err != nil {
		t.Fatal(err)
	}
	load(n, 1)
}

// TestZonesFromKept: a directory that cannot be read and a file whose SOA is lost change no
// zones.
func TestZonesFromKept(t *testing.T) {
	dir := write(t, map[string]string{"ptrd.yaml": "zones_from: [{dir: d}]\n"})
	d := filepath.Join(dir, "d")
	if _, err := Load(filepath.Join(dir, "ptrd.yaml")); err == nil || !strings.Contains(err.Error(), "ptrd.yaml:1:14: zones_from[0]: the directory "+d+" cannot be read: no such file or directory; ") {
		t.Errorf("without the directory: %v", err)
	}
	if err := os.Mkdir(d, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d, "a.zone"), []byte("$TTL 1h\na.example."+soaLine), 0o600); err != nil {
		t.Fatal(err)
	}
	l := Loader{Path: filepath.Join(dir, "ptrd.yaml")}
	expect := func(what, want string) {
		t.Helper()
		cfg, err := l.Load(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		compareLines(t, what, lines(cfg, dir), want)
	}
	expect("at first", "a.example. a.zone")
	if want := []Directory{{d, "*.zone"}}; !slices.Equal(l.Directories, want) {
		t.Errorf("watched are %q", l.Directories)
	}
	if err := os.WriteFile(filepath.Join(d, "a.zone"), []byte("<html>"), 0o600); err != nil {
		t.Fatal(err)
	}
	expect("without an SOA", "a.example. a.zone")
	if err := os.Rename(d, d+".away"); err != nil {
		t.Fatal(err)
	}
	expect("unreadable", "a.example. a.zone\nerror ptrd.yaml:1:14: zones_from[0]: the directory "+"d cannot be read: no such file or directory; correct the path, or make it readable for the user that ptrd runs as; until then its 1 zones stay as they are")
	if err := os.Rename(d+".away", d); err != nil {
		t.Fatal(err)
	}
	expect("back", "a.example. a.zone")
	if err := os.Remove(filepath.Join(d, "a.zone")); err != nil {
		t.Fatal(err)
	}
	expect("empty", "warning ptrd.yaml:1:14: zones_from[0]: no file in d matches *.zone, so that there is no zone; correct one of the two, or put a file there")
}
