package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/infile"
)

// TestZonesFrom: a file that appears in a directory is a zone, and one that is removed is none.
// An empty directory, one that cannot be read, and a file that is no zone take no zone away.
func TestZonesFrom(t *testing.T) {
	const n = 25
	dir := shortDir(t)
	zones := filepath.Join(dir, "zones")
	if err := os.Mkdir(zones, 0o777); err != nil {
		t.Fatal(err)
	}
	text := func(i int) string {
		return fmt.Sprintf("$ORIGIN z%d.example.\n$TTL 1h\n@ SOA ns1.example.com. hostmaster.example.com. 1 1d 2h 1000h 1h\n@ NS ns1.example.com.\n", i)
	}
	path := func(i int) string { return filepath.Join(zones, fmt.Sprintf("%d.zone", i)) }
	for i := range n {
		replace(t, path(i), text(i))
	}
	l := start(t, dir, `
listen: {dns: ["127.0.0.1:0"]}
state_dir: ./state
reload: {quiet: 100ms}
zones_from: [{dir: zones}]
`)
	serves := func(i int) bool {
		return l.views.Load().Zones.Get(dname.MustParse(fmt.Sprintf("z%d.example", i))) != nil
	}
	count := func() int { return l.views.Load().Zones.Len() }
	if count() != n {
		t.Fatalf("%d zones", count())
	}
	remove := func(i int) {
		t.Helper()
		if err := os.Remove(path(i)); err != nil {
			t.Fatal(err)
		}
	}

	// Without being asked.
	replace(t, path(n), text(n))
	await(t, func() bool { return serves(n) })
	remove(n)
	await(t, func() bool { return !serves(n) })

	// A file that is no zone.
	replace(t, path(n), "<html>\n")
	o := l.reload(t)
	if errs, _ := finding.Count(o.Findings); errs != 1 || o.OK() || !o.InForce || count() != n || o.Findings[0].File != path(n) {
		t.Errorf("a file that is no zone: %+v, %d zones", o, count())
	}
	// A zone becomes no zone.
	replace(t, path(0), "<html>\n")
	if o := l.reload(t); len(o.Broken) != 1 || !o.Broken[0].LastGood || !serves(0) {
		t.Errorf("a zone that becomes no zone: %+v", o)
	}
	replace(t, path(0), text(0))
	remove(n)

	if o := l.reload(t); !o.OK() || count() != n {
		t.Errorf("as before: %+v", o)
	}
	// An unreadable directory.
	if err := os.Rename(zones, zones+".away"); err != nil {
		t.Fatal(err)
	}
	if o := l.reload(t); o.OK() || count() != n || !serves(3) {
		t.Errorf("without the directory: %+v, %d zones", o, count())
	}
	// An empty one.
	if err := os.Mkdir(zones, 0o777); err != nil {
		t.Fatal(err)
	}
	o = l.reload(t)
	if o.OK() || len(o.Held) != 1 || count() != n || !serves(3) || !strings.Contains(o.Held[0].String(), "the configuration would keep 0 of 25 zones") {
		t.Errorf("with an empty directory: %+v, %d zones", o, count())
	}
	// The configuration has many other zones, so that it would keep most.
	if err := os.Remove(zones); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(zones+".away", zones); err != nil {
		t.Fatal(err)
	}
	many := ""
	for i := range 2 * n {
		many += fmt.Sprintf("  - {name: y%d.example, nameservers: ns1.example.com}\n", i)
	}
	config := `
listen: {dns: ["127.0.0.1:0"]}
state_dir: ./state
zones_from: [{dir: zones}]
zones:
` + many
	replace(t, filepath.Join(dir, "config.yaml"), config)
	if o := l.reload(t); !o.OK() || count() != 3*n {
		t.Errorf("with more zones: %+v, %d zones", o, count())
	}
	for i := 2; i < n; i++ {
		remove(i)
	}
	o = l.reload(t)
	if len(o.Held) != 1 || count() != 3*n || !strings.Contains(o.Held[0].String(), zones+" would keep 2 of 25 zones") || o.Held[0].Name() != heldConfiguration {
		t.Errorf("most files are gone: %+v, %d zones", o.Held, count())
	}
	if o, err := l.Reload(t.Context(), heldConfiguration); err != nil || !o.OK() || count() != 2*n+2 {
		t.Errorf("confirmed: %v, %+v, %d zones", err, o, count())
	}
}

// countingSystem counts the files that are opened. Its clock is late, so that each file counts
// as one that was not changed for long.
type countingSystem struct {
	infile.OS
	mu    sync.Mutex
	opens map[string]int // by base name
}

func (c *countingSystem) old(info infile.Info) infile.Info {
	info.Identity.At += int64(time.Hour)
	return info
}

func (c *countingSystem) Stat(path string) (infile.Info, error) {
	info, err := c.OS.Stat(path)
	return c.old(info), err
}

func (c *countingSystem) Open(path string) (infile.Handle, infile.Info, error) {
	c.mu.Lock()
	c.opens[filepath.Base(path)]++
	c.mu.Unlock()
	h, info, err := c.OS.Open(path)
	return h, c.old(info), err
}

// TestZonesFromWork: of many files, a reload reads those that changed, and makes zones of them
// alone.
func TestZonesFromWork(t *testing.T) {
	const n = 400
	dir := shortDir(t)
	text := func(i, more int) string {
		return fmt.Sprintf("$ORIGIN z%d.example.\n$TTL 1h\n@ SOA ns1.example.com. hostmaster.example.com. %d 1d 2h 1000h 1h\n@ NS ns1.example.com.\n", i, 1+more)
	}
	path := func(i int) string { return filepath.Join(dir, fmt.Sprintf("%d.zone", i)) }
	for i := range n {
		replace(t, path(i), text(i, 0))
	}
	system := &countingSystem{opens: map[string]int{}}
	l := startWith(t, dir, "listen: {dns: [\"127.0.0.1:0\"]}\nstate_dir: ./state\nreload: {quiet: 1h}\nzones_from: [{dir: .}]\n", Options{Files: &infile.Files{System: system}})
	replace(t, path(7), text(7, 1))
	l.reload(t) // by the watcher or by this, the file is read
	system.mu.Lock()
	system.opens = map[string]int{}
	system.mu.Unlock()
	before := l.views.Load().Zones
	replace(t, path(8), text(8, 1))
	await(t, func() bool { return l.views.Load().Zones.Get(dname.MustParse("z8.example")).Serial() == 2 })
	system.mu.Lock()
	defer system.mu.Unlock()
	delete(system.opens, "config.yaml")
	if len(system.opens) != 1 || system.opens["8.zone"] == 0 {
		t.Errorf("opened are %v", system.opens)
	}
	changed := 0
	for z := range l.views.Load().Zones.All() {
		if before.Get(z.Apex()) != z {
			changed++
		}
	}
	if changed != 1 {
		t.Errorf("%d zones were made", changed)
	}
}
