package daemon

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/explain"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

// publishAt publishes a zone with these records as its content since a time.
func (l *lab) publishAt(t *testing.T, apex string, at time.Time, serial zone.Serial, text string) {
	t.Helper()
	o := zonetest.MustParse(apex, fmt.Sprintf("@ 600 SOA ns.example.net. hostmaster.example.net. %d 3600 600 86400 300\n@ 600 NS ns.example.net.\n%s", serial, text))
	if _, err := l.zones.Commit(commit.Request{Propose: func(set *zone.Set) (*zone.Batch, error) {
		c := zone.Change{Apex: o.Apex, Kept: true, Base: set.Get(o.Apex)}
		b := zone.NewBuilder(o.Apex)
		for _, r := range o.Records() {
			b.Add(r)
		}
		c.Zone, _ = b.Build()
		if c.Base != nil {
			c.Steps = []zone.Step{{Changeset: zone.Diff(c.Base, c.Zone, nil), Source: fmt.Sprintf("test %d", serial), At: at.UnixMilli()}}
		}
		return &zone.Batch{Source: "test", At: at.UnixMilli(), Changes: []zone.Change{c}}, nil
	}}); err != nil {
		t.Fatal(err)
	}
}

// explained returns the answer and its sources in one line.
func (l *lab) explained(name string, at time.Time) string {
	e, err := l.explain(l.views.Load(), explain.Question{Name: dname.MustParse(name), Type: rr.TypeTXT, At: at})
	if err != nil {
		return err.Error()
	}
	out := []string{e.RCode}
	for _, r := range e.Answer {
		out = append(out, fmt.Sprintf("%s %s %s %v", r.Owner, r.Type, r.Data, r.Sources))
	}
	return strings.Join(out, "; ")
}

// The answer of a time is from the zones of that time: wildcards, and all zones that an alias leads to.
func TestExplainPast(t *testing.T) {
	l := start(t, shortDir(t), updating)
	defer func() { l.stop() }()
	noon := time.Date(2020, 1, 2, 12, 0, 0, 0, time.UTC)
	hour := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }
	l.publishAt(t, "a.example.", hour(0), 1, "x 60 CNAME y.b.example.\n")
	l.publishAt(t, "b.example.", hour(1), 1, "*.c 60 TXT wild\n")
	l.publishAt(t, "b.example.", hour(2), 2, "y 60 TXT first\n*.c 60 TXT wild\n")
	l.publishAt(t, "b.example.", hour(3), 3, "y 60 TXT second\n")
	l.publishAt(t, "a.example.", hour(4), 2, "x 60 TXT own\n")
	alias := "NOERROR; x.a.example. CNAME y.b.example. [test, serial 1, 2020-01-02 12:00:00 UTC]"
	for _, c := range []struct {
		name string
		at   time.Time
		want string
	}{
		{"x.a.example", hour(9), "NOERROR; x.a.example. TXT \"own\" [test 2, serial 2, 2020-01-02 16:00:00 UTC]"},
		{"x.a.example", hour(3), alias + "; y.b.example. TXT \"second\" [test 3, serial 3, 2020-01-02 15:00:00 UTC]"},
		{"x.a.example", hour(2), alias + "; y.b.example. TXT \"first\" [test 2, serial 2, 2020-01-02 14:00:00 UTC]"},
		{"x.a.example", hour(1), strings.Replace(alias, "NOERROR", "NXDOMAIN", 1)},
		{"x.a.example", hour(0), "zone b.example.: its history begins at 2020-01-02 13:00:00 UTC; what was served before is not stored"},
		{"1.c.b.example", hour(2), "NOERROR; 1.c.b.example. TXT \"wild\" [test, serial 1, 2020-01-02 13:00:00 UTC]"},
		{"1.c.b.example", hour(3), "NXDOMAIN"},
		{"d.example", hour(3), "REFUSED"},
	} {
		if got := l.explained(c.name, c.at); got != c.want {
			t.Errorf("%s at %v:\n%s\nwant\n%s", c.name, c.at, got, c.want)
		}
	}
	if got := l.explained("x.a.example", time.Now().Add(time.Hour)); !strings.HasSuffix(got, " is not past") {
		t.Errorf("of the future: %s", got)
	}
}

// Records of updates have the update as their source.
func TestExplainUpdate(t *testing.T) {
	l := start(t, shortDir(t), updating)
	defer func() { l.stop() }()
	l.update(t, "dynamic.example.", "x")
	got := l.explained("x.dynamic.example", time.Time{})
	if !regexp.MustCompile(`\[update by 127\.0\.0\.1, serial \d+, [0-9-]+ [0-9:]+ UTC\]$`).MatchString(got) {
		t.Error(got)
	}
}
