package assemble

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/journal"
	"github.com/ptrd/ptrd/zone/rr"
)

// lab is a directory with a configuration and sources, and what a server does
// with them.
type lab struct {
	t     *testing.T
	dir   string
	now   int64
	a     *Assembler
	j     *journal.Journal
	store *commit.Writer
	how   Round
}

const labNow = 1_763_750_000

// newLab makes a lab of files in the form of txtar: "-- name --" lines and their
// contents. A file ptrd.yaml without `listen` and `defaults` gets them in front.
func newLab(t *testing.T, files string) *lab {
	t.Helper()
	l := &lab{t: t, dir: t.TempDir(), now: labNow}
	l.write(files)
	l.start()
	t.Cleanup(l.stop)
	return l
}

const labDefaults = `listen: {dns: ["127.0.0.1:5300"]}
state_dir: state
defaults: {nameservers: [{name: ns1.example.com}, {name: ns2.example.net}], contact: hostmaster@example.com, ttl: 1h}
`

func (l *lab) write(files string) {
	l.t.Helper()
	name := ""
	content := map[string]*strings.Builder{}
	for line := range strings.Lines(files) {
		if n, ok := strings.CutPrefix(line, "-- "); ok {
			name = strings.TrimSuffix(strings.TrimSpace(n), " --")
			content[name] = &strings.Builder{}
			continue
		}
		if name == "" {
			if strings.TrimSpace(line) != "" {
				l.t.Fatalf("text in front of the first file: %q", line)
			}
			continue
		}
		content[name].WriteString(line)
	}
	for name, b := range content {
		text := b.String()
		if name == "ptrd.yaml" && !strings.Contains(text, "listen:") {
			text = labDefaults + text
		}
		path := filepath.Join(l.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			l.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			l.t.Fatal(err)
		}
	}
}

// start starts the server anew, with the state directory as it is.
func (l *lab) start() {
	l.t.Helper()
	var err error
	if l.j, err = journal.Open(filepath.Join(l.dir, "state", "journal.db"), journal.Options{}); err != nil {
		l.t.Fatal(err)
	}
	l.store = commit.New(commit.Options{Journal: l.j})
	l.a = New(Options{Journal: l.j, Now: func() time.Time { return time.Unix(l.now, 0) }})
}

func (l *lab) stop() {
	if err := l.j.Close(); err != nil {
		l.t.Error(err)
	}
}

func (l *lab) restart() {
	l.t.Helper()
	l.stop()
	l.start()
}

func (l *lab) config() *config.Config {
	l.t.Helper()
	cfg, err := config.Load(filepath.Join(l.dir, "ptrd.yaml"))
	if err != nil {
		l.t.Fatalf("config: %v", err)
	}
	return cfg
}

// plan makes a plan without publishing it.
func (l *lab) plan() *Plan {
	l.t.Helper()
	p, err := l.a.Assemble(context.Background(), l.config(), l.store.Set(), l.how)
	if err != nil {
		l.t.Fatal(err)
	}
	return p
}

func (l *lab) reload() *Plan {
	l.t.Helper()
	p := l.plan()
	if err := l.store.Publish(p.Batch); err != nil {
		l.t.Fatal(err)
	}
	l.a.Published(p)
	for z := range l.store.Set().All() {
		if err := z.Check(); err != nil {
			l.t.Fatalf("zone %v: %v", z.Apex(), err)
		}
	}
	return p
}

func (l *lab) zone(apex string) *zone.Zone {
	l.t.Helper()
	z := l.store.Set().Get(dname.MustParse(apex))
	if z == nil {
		l.t.Fatalf("zone %s is not there", apex)
	}
	return z
}

func (l *lab) serial(apex string) zone.Serial {
	l.t.Helper()
	return l.zone(apex).Serial()
}

// text returns findings without the lab's directory, a line each with its severity
// in front.
func (l *lab) text(list []finding.Finding) string {
	var b strings.Builder
	for _, f := range list {
		fmt.Fprintf(&b, "%v: %s\n", f.Severity, strings.ReplaceAll(f.String(), l.dir+"/", ""))
	}
	return b.String()
}

// expect compares findings, one a line.
func (l *lab) expect(list []finding.Finding, want string) {
	l.t.Helper()
	if got, want := l.text(list), lines(want); got != want {
		l.t.Errorf("findings are\n%swant\n%s", got, want)
	}
	for i := range list {
		// `ptrd status` shows warnings with the zone that they are about.
		if f := &list[i]; f.Severity == finding.Warning && f.Zone == nil && f.Owner == nil && f.More == 0 {
			l.t.Errorf("the warning is about no zone: %v", f)
		}
	}
}

// lines removes indentation and empty lines.
func lines(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// dump prints a zone without its SOA: owner TTL type data, owners relative to the
// apex.
func dump(z *zone.Zone) string {
	var b strings.Builder
	for r := range z.All() {
		owner := strings.TrimSuffix(strings.TrimSuffix(r.Owner.String(), z.Apex().String()), ".")
		if owner == "" {
			owner = "@"
		}
		if r.Type != rr.TypeSOA {
			fmt.Fprintf(&b, "%s %d %v %s\n", owner, r.TTL, r.Type, rr.Text(r.Type, r.Data))
		}
	}
	return b.String()
}

func (l *lab) holds(apex, want string) {
	l.t.Helper()
	if got, want := dump(l.zone(apex)), lines(want); got != want {
		l.t.Errorf("%s has\n%swant\n%s", apex, got, want)
	}
}

// changed returns the apexes of a plan's changes.
func changed(p *Plan) string {
	var out []string
	for _, c := range p.Batch.Changes {
		s := c.Apex.String()
		if c.Zone == nil {
			s = "-" + s
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

const head = "$TTL 600\n@ SOA ns.example.net. hostmaster.example.com. %d 3600 600 86400 300\n@ NS ns.example.net.\n"

func withSOA(serial int, more string) string { return fmt.Sprintf(head, serial) + more }

const twoZones = `
-- ptrd.yaml --
zones:
  - name: 2.0.192.in-addr.arpa
    file: a.zone
  - prefix: 203.0.113.0/24
    file: b.zone
-- b.zone --
$TTL 600
1 PTR one.example.com.
`
