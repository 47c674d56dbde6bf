//go:build bench

package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ptrd/ptrd/bench/dataset"
	"github.com/ptrd/ptrd/internal/assemble"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// names is how many records the zones of the benchmarks have: enough not to fit into
// the caches next to a core, few enough to be loaded in a blink.
const names = 100_000

// family is one of the two families of addresses, with what is asked of each.
type family struct {
	name string
	set  *dataset.Set
	apex string // of the zone of set

	// A second zone has few names and many kinds of answers.
	kindsApex string
	kindsText string
	below     func(i int) string // the labels of address i of 256 below a name
}

// families returns IPv4 and IPv6.
func families(tb testing.TB) []family {
	tb.Helper()
	list := []family{
		{name: "v4", apex: "10.in-addr.arpa", kindsApex: "11.in-addr.arpa", below: func(i int) string { return fmt.Sprintf("%d.7", i) }},
		{name: "v6", apex: "8.b.d.0.1.0.0.2.ip6.arpa", kindsApex: "9.b.d.0.1.0.0.2.ip6.arpa", below: func(i int) string {
			return fmt.Sprintf("%x.%x", i&15, i>>4) + strings.Repeat(".0", 21)
		}},
	}
	for i := range list {
		f := &list[i]
		s, err := dataset.Parse(fmt.Sprintf("%s-%dk", f.name, names/1000))
		if err != nil {
			tb.Fatal(err)
		}
		f.set = s
		f.kindsText = kindsText(f)
	}
	return list
}

// kindsText returns the records of the second zone:
//
//	1    a wildcard below it
//	2    a delegation with glue
//	3    256 aliases to names in 4, which are aliases into a classless part (RFC 2317), 5
//	6    256 PTR records
//
// each a label of the tree, so that the names below are reverse names.
func kindsText(f *family) string {
	var b strings.Builder
	b.WriteString("$TTL 3600\n@ SOA ns1.example.net. hostmaster.example.net. 1 7200 3600 1209600 900\n@ NS ns1.example.net.\n")
	b.WriteString("*.1 PTR any.example.net.\n2 NS ns.2\n2 NS ns2.example.net.\nns.2 A 192.0.2.1\nns.2 AAAA 2001:db8::1\n")
	for i := range 256 {
		name := f.below(i)
		fmt.Fprintf(&b, "%[1]s.3 CNAME %[1]s.4\n%[1]s.4 CNAME a%[2]d.0/25.5\na%[2]d.0/25.5 PTR host-%[2]d.example.net.\n%[1]s.6 PTR host-%[2]d.pool.example.net.\n", name, i)
	}
	return b.String()
}

// load builds a zone from a master file.
func load(tb testing.TB, apex, path string) *zone.Zone {
	tb.Helper()
	z, findings := assemble.CheckFile(dname.MustParse(apex), path, 0)
	if z == nil {
		tb.Fatal(findings)
	}
	return z
}

// dataDir is where data sets are written once for all benchmarks of a run.
var dataDir = sync.OnceValues(func() (string, error) { return os.MkdirTemp("", "ptrd-bench") })

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := dataDir(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// write writes the data set of a family and returns where it lies.
func (f *family) write(tb testing.TB) dataset.Files {
	tb.Helper()
	dir, err := dataDir()
	if err != nil {
		tb.Fatal(err)
	}
	files, err := f.set.Write(dir)
	if err != nil {
		tb.Fatal(err)
	}
	return files
}

// path returns the master file of the large zone.
func (f *family) path(tb testing.TB) string {
	return filepath.Join(f.write(tb).Zones, f.apex+".zone")
}

// kinds builds the second zone, plain or signed with NSEC.
func (f *family) kinds(tb testing.TB, signed bool) *zone.Zone {
	tb.Helper()
	text := f.kindsText
	if signed {
		text = zonetest.MustSign(zonetest.MustParse(f.kindsApex+".", text), 1, zonetest.Denial{}).Text()
	}
	path := filepath.Join(tb.TempDir(), "kinds.zone")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	return load(tb, f.kindsApex, path)
}
