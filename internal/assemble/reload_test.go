//go:build unix

package assemble

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

func TestOnlyWhatChangedIsRead(t *testing.T) {
	l := newLab(t, twoZones)
	l.write("-- a.zone --\n" + withSOA(7, "1 PTR a.example.com.\n"))
	p := l.reload()
	if got := changed(p); got != "2.0.192.in-addr.arpa. 113.0.203.in-addr.arpa." || p.Reused != 0 {
		t.Errorf("changed %s, %d reused", got, p.Reused)
	}
	if want := []string{l.dir + "/a.zone", l.dir + "/b.zone"}; !reflect.DeepEqual(p.Watch, want) {
		t.Errorf("watches %v", p.Watch)
	}
	a, b := l.zone("2.0.192.in-addr.arpa"), l.zone("113.0.203.in-addr.arpa")

	t.Run("nothing", func(t *testing.T) {
		if p := l.reload(); changed(p) != "" || p.Reused != 2 {
			t.Errorf("changed %s, %d reused", changed(p), p.Reused)
		}
	})
	t.Run("touched", func(t *testing.T) {
		if err := os.Chtimes(l.dir+"/b.zone", time.Now(), time.Now()); err != nil {
			t.Fatal(err)
		}
		if p := l.reload(); changed(p) != "" || p.Reused != 2 {
			t.Errorf("changed %s, %d reused", changed(p), p.Reused)
		}
	})
	t.Run("replaced by the same", func(t *testing.T) {
		l.write("-- new --\n$TTL 600\n1 PTR one.example.com.\n")
		if err := os.Rename(l.dir+"/new", l.dir+"/b.zone"); err != nil {
			t.Fatal(err)
		}
		if p := l.reload(); changed(p) != "" || p.Reused != 2 {
			t.Errorf("changed %s, %d reused", changed(p), p.Reused)
		}
	})
	t.Run("comment", func(t *testing.T) {
		l.now += 10
		l.write("-- b.zone --\n; a remark\n$TTL 600\n1 PTR one.example.com.\n")
		if p := l.reload(); changed(p) != "" || p.Reused != 1 || l.zone("113.0.203.in-addr.arpa") != b {
			t.Errorf("changed %s, %d reused", changed(p), p.Reused)
		}
	})
	t.Run("same size, same times", func(t *testing.T) {
		info, err := os.Stat(l.dir + "/b.zone")
		if err != nil {
			t.Fatal(err)
		}
		l.write("-- b.zone --\n; a remark\n$TTL 600\n1 PTR two.example.com.\n")
		if err := os.Chtimes(l.dir+"/b.zone", info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
		if p := l.reload(); changed(p) != "113.0.203.in-addr.arpa." || p.Reused != 1 || l.zone("2.0.192.in-addr.arpa") != a {
			t.Errorf("changed %s, %d reused", changed(p), p.Reused)
		}
		if got := l.serial("113.0.203.in-addr.arpa"); got != zone.Serial(l.now) {
			t.Errorf("serial %d", got)
		}
	})
	t.Run("config", func(t *testing.T) {
		l.write(strings.Replace(twoZones, "file: b.zone\n", "file: b.zone\n    ttl: 2h\n", 1))
		l.write("-- b.zone --\n1 PTR two.example.com.\n")
		if p := l.reload(); changed(p) != "113.0.203.in-addr.arpa." || p.Reused != 1 {
			t.Errorf("changed %s, %d reused", changed(p), p.Reused)
		}
		l.holds("113.0.203.in-addr.arpa", ownNS+"1 7200 PTR two.example.com.")
	})
}

// A plan that was not published leaves no trace.
func TestUnpublishedPlan(t *testing.T) {
	l := newLab(t, twoZones)
	l.write("-- a.zone --\n" + withSOA(7, ""))
	first, second := l.plan(), l.plan()
	if changed(first) != changed(second) || len(second.Batch.Changes) != 2 {
		t.Errorf("first %s, then %s", changed(first), changed(second))
	}
	l.a.Published(second)
	if err := l.store.Publish(second.Batch); err != nil {
		t.Fatal(err)
	}
	if err := l.store.Publish(first.Batch); !errors.Is(err, commit.ErrConflict) {
		t.Errorf("published the older plan: %v", err)
	}
}

func TestZonesComeAndGo(t *testing.T) {
	l := newLab(t, twoZones)
	l.write("-- a.zone --\n" + withSOA(7, ""))
	l.reload()
	l.write(`
-- ptrd.yaml --
zones:
  - prefix: 203.0.112.0/23
    file: b.zone
`)
	l.now += 100
	p := l.reload()
	// the name server's owner moves: relative owners start at the octet above
	if got := changed(p); got != "-2.0.192.in-addr.arpa. 112.0.203.in-addr.arpa. 113.0.203.in-addr.arpa." {
		t.Errorf("changed %s", got)
	}
	if n := l.store.Set().Len(); n != 2 {
		t.Errorf("%d zones", n)
	}
	l.write("-- ptrd.yaml --\nzones: [{name: 2.0.192.in-addr.arpa, file: a.zone}]\n-- a.zone --\n" + withSOA(7, "1 PTR new.example.com.\n"))
	p = l.reload()
	if got := changed(p); got != "2.0.192.in-addr.arpa. -112.0.203.in-addr.arpa. -113.0.203.in-addr.arpa." {
		t.Errorf("changed %s", got)
	}
	// it came back with other content: the serial goes on
	if got := l.serial("2.0.192.in-addr.arpa"); got != 8 {
		t.Errorf("serial %d", got)
	}
}

func TestSerialsOverRestarts(t *testing.T) {
	l := newLab(t, twoZones)
	l.write("-- a.zone --\n" + withSOA(7, "1 PTR a.example.com.\n"))
	l.reload()
	const a, b = "2.0.192.in-addr.arpa", "113.0.203.in-addr.arpa"
	expect := func(what string, wantA, wantB zone.Serial) {
		t.Helper()
		if gotA, gotB := l.serial(a), l.serial(b); gotA != wantA || gotB != wantB {
			t.Errorf("%s: %d and %d, want %d and %d", what, gotA, gotB, wantA, wantB)
		}
	}
	expect("first", 7, labNow)

	l.now += 100
	l.restart()
	l.reload()
	expect("restart", 7, labNow)

	l.write("-- a.zone --\n" + withSOA(7, "1 PTR b.example.com.\n"))
	l.reload()
	expect("content changed, serial stands still", 8, labNow)

	l.now -= 1000 // the clock goes back
	l.write("-- b.zone --\n$TTL 600\n1 PTR two.example.com.\n")
	l.restart()
	l.reload()
	expect("restart with change, clock set back", 8, labNow+1)

	l.write("-- a.zone --\n" + withSOA(2025112101, "1 PTR b.example.com.\n"))
	p := l.reload()
	expect("higher serial taken", 2025112101, labNow+1)
	if c := p.Batch.Changes[0]; !c.HasDeclared || c.Declared != 2025112101 || c.Verbatim {
		t.Errorf("%+v", c)
	}
	if s := p.Batch.Changes[0].Steps; len(s) != 1 {
		t.Errorf("%d steps, want 1", len(s))
	} else if c := s[0].Changeset; c.From != 8 || c.To != 2025112101 || len(c.Removed) != 1 || len(c.Added) != 1 || s[0].Source != "reload "+filepath.Join(l.dir, "a.zone") || s[0].At != l.now*1000 {
		t.Errorf("step %+v, changeset %+v", s[0], c)
	}

	l.write("-- a.zone --\n" + withSOA(9, "1 PTR b.example.com.\n"))
	p = l.reload()
	expect("lower serial", 2025112101, labNow+1)
	l.expect(p.Findings, `warning: a.zone:2:1: serial 9 in the file is not after 2025112101, which was served already (RFC 1982), so 2025112101 is served; give the file a serial after 2025112101, or leave it: ptrd increments the served serial itself`)

	l.write("-- a.zone --\n" + withSOA(9, "1 PTR c.example.com.\n"))
	l.restart()
	p = l.reload()
	expect("lower serial with change", 2025112102, labNow+1)
	l.expect(p.Findings, `warning: a.zone:2:1: serial 9 in the file is not after 2025112101, which was served already (RFC 1982), so 2025112102 is served; give the file a serial after 2025112102, or leave it: ptrd increments the served serial itself`)

	l.write("-- a.zone --\n" + withSOA(9, "1 PTR d.example.com.\n"))
	p = l.reload()
	expect("it stands still", 2025112103, labNow+1)
	l.expect(p.Findings, "")

	// the state directory is lost
	l.stop()
	if err := os.RemoveAll(filepath.Join(l.dir, "state")); err != nil {
		t.Fatal(err)
	}
	l.now = labNow + 5000
	l.start()
	l.reload()
	expect("lost state", 9, labNow+5000)
}

func TestFileBecomesGenerated(t *testing.T) {
	l := newLab(t, twoZones)
	l.write("-- a.zone --\n" + withSOA(2025112101, ""))
	l.reload()
	l.write("-- a.zone --\n$TTL 600\n1 PTR a.example.com.\n")
	l.reload()
	if got := l.serial("2.0.192.in-addr.arpa"); got != 2025112102 {
		t.Errorf("serial %d", got)
	}
	l.write("-- a.zone --\n" + withSOA(3, "1 PTR a.example.com.\n"))
	l.reload()
	if got := l.serial("2.0.192.in-addr.arpa"); got != 2025112103 {
		t.Errorf("serial %d", got)
	}
}

func TestBrokenThenMended(t *testing.T) {
	l := newLab(t, twoZones)
	l.write("-- a.zone --\n" + withSOA(7, "1 PTR a.example.com\n2 PTR\n"))
	const apex = "2.0.192.in-addr.arpa"
	p := l.reload()
	if z := l.zone(apex); z.IsAvailable() {
		t.Error("a broken zone has data")
	}
	if len(p.Broken) != 1 || p.Broken[0].LastGood || !p.Broken[0].Apex.Equal(dname.MustParse(apex)) || !strings.HasPrefix(p.Broken[0].Reason, l.dir+"/a.zone:5:") {
		t.Errorf("broken %+v", p.Broken)
	}
	if !p.HasErrors() || len(p.Findings) != 2 {
		t.Errorf("findings\n%s", l.text(p.Findings))
	}
	l.holds("113.0.203.in-addr.arpa", ownNS+"1 600 PTR one.example.com.")
	if _, known, _ := l.j.Last(dname.MustParse(apex)); known {
		t.Error("the journal has a serial of a zone without data")
	}

	// not read again, and still told
	if again := l.reload(); again.Reused != 2 || changed(again) != "" || !reflect.DeepEqual(again.Findings, p.Findings) || !reflect.DeepEqual(again.Broken, p.Broken) {
		t.Errorf("%d reused, changed %s, findings\n%s", again.Reused, changed(again), l.text(again.Findings))
	}

	l.write("-- a.zone --\n" + withSOA(7, "1 PTR a.example.com.\n"))
	p = l.reload()
	l.expect(p.Findings, "")
	if len(p.Broken) != 0 || changed(p) != apex+"." {
		t.Errorf("broken %v, changed %s", p.Broken, changed(p))
	}
	l.holds(apex, "@ 600 NS ns.example.net.\n1 600 PTR a.example.com.")

	// from now on there are good data to keep
	good := l.zone(apex)
	for _, bad := range []string{
		"-- a.zone --\n" + withSOA(8, "1 PTR\n"),
		"-- a.zone --\n" + withSOA(8, "1 PTR a.example.com.\n1 CNAME b.example.com.\n"),
		"-- a.zone --\n$TTL 600\n@ NS ns.example.net.\n@ SOA a b\n",
	} {
		l.write(bad)
		p = l.reload()
		if l.zone(apex) != good || changed(p) != "" || len(p.Broken) != 1 || !p.Broken[0].LastGood {
			t.Errorf("changed %s, broken %+v", changed(p), p.Broken)
		}
	}
	if err := os.Remove(l.dir + "/a.zone"); err != nil {
		t.Fatal(err)
	}
	p = l.reload()
	l.expect(p.Findings, "error: ptrd.yaml:6:11: zones[0].file: a.zone does not exist; correct the path or create the file")
	if l.zone(apex) != good {
		t.Error("the good data are gone")
	}
	if !reflect.DeepEqual(p.Watch, []string{l.dir + "/a.zone", l.dir + "/b.zone"}) {
		t.Errorf("watches %v", p.Watch)
	}
	l.write("-- a.zone --\n" + withSOA(9, ""))
	l.expect(l.reload().Findings, "")
	if got := l.serial(apex); got != 9 {
		t.Errorf("serial %d", got)
	}
}

func TestUnusableFiles(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - {name: a.example, file: missing.zone}
  - {name: b.example, file: dir}
  - {name: c.example, file: fifo}
  - {name: d.example, file: closed.zone}
  - {name: e.example, file: [large.zone, missing.zone]}
  - {prefix: 192.0.2.0/24, hosts: missing}
-- dir/x --
-- closed.zone --
www TXT there
-- large.zone --
`)
	mkfifo(t, l.dir+"/fifo")
	if err := os.Truncate(l.dir+"/large.zone", 1<<32+1); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(l.dir+"/closed.zone", 0); err != nil {
		t.Fatal(err)
	}
	want := `
		error: ptrd.yaml:5:29: zones[0].file: missing.zone does not exist; correct the path or create the file
		error: ptrd.yaml:6:29: zones[1].file: dir is a directory; name the file in it
		error: ptrd.yaml:7:29: zones[2].file: fifo is not a regular file; name one that is
		error: ptrd.yaml:8:29: zones[3].file: closed.zone cannot be read: permission denied; make it readable for the user that ptrd runs as
		error: ptrd.yaml:9:30: zones[4].file: large.zone is larger than 4 GiB; split the zone at an octet or nibble boundary
		error: ptrd.yaml:9:42: zones[4].file: missing.zone does not exist; correct the path or create the file
		error: ptrd.yaml:10:35: zones[5].hosts: missing does not exist; correct the path or create the file
	`
	if os.Getuid() == 0 { // root may read everything
		var kept []string
		for line := range strings.Lines(want) {
			if !strings.Contains(line, "closed") {
				kept = append(kept, line)
			}
		}
		want = strings.Join(kept, "")
	}
	p := l.reload()
	l.expect(p.Findings, want)
	for _, b := range p.Broken {
		if z := l.store.Set().Get(b.Apex); z.IsAvailable() || b.LastGood {
			t.Errorf("%v is available", b.Apex)
		}
	}
}

func TestIncludedFileCounts(t *testing.T) {
	l := newLab(t, twoZones)
	l.write("-- a.zone --\n" + withSOA(7, "$INCLUDE part.inc\n") + "-- part.inc --\n1 PTR a.example.com.\n")
	p := l.reload()
	l.expect(p.Findings, "")
	if !reflect.DeepEqual(p.Watch, []string{l.dir + "/a.zone", l.dir + "/b.zone", l.dir + "/part.inc"}) {
		t.Errorf("watches %v", p.Watch)
	}
	l.write("-- part.inc --\n1 PTR b.example.com.\n")
	if p = l.reload(); changed(p) != "2.0.192.in-addr.arpa." || p.Reused != 1 {
		t.Errorf("changed %s, %d reused", changed(p), p.Reused)
	}
	if err := os.Remove(l.dir + "/part.inc"); err != nil {
		t.Fatal(err)
	}
	p = l.reload()
	if len(p.Broken) != 1 || !p.Broken[0].LastGood || !strings.HasPrefix(p.Broken[0].Reason, l.dir+"/a.zone:4:") {
		t.Errorf("broken %+v", p.Broken)
	}
	if !reflect.DeepEqual(p.Watch, []string{l.dir + "/a.zone", l.dir + "/b.zone", l.dir + "/part.inc"}) {
		t.Errorf("a missing file is not watched: %v", p.Watch)
	}
	if p = l.reload(); p.Reused != 2 {
		t.Errorf("%d reused", p.Reused)
	}
	l.write("-- part.inc --\n1 PTR c.example.com.\n")
	if p = l.reload(); changed(p) != "2.0.192.in-addr.arpa." || len(p.Broken) != 0 {
		t.Errorf("changed %s, broken %v", changed(p), p.Broken)
	}
}

// A file that is there and was not read, since $INCLUDE may not leave its directory,
// has no content to compare with.
func TestFileLookedForAndNotRead(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "part.inc")
	if err := os.WriteFile(outside, []byte("1 PTR a.example.com.\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := newLab(t, twoZones)
	if err := os.Symlink(outside, l.dir+"/part.inc"); err != nil {
		t.Fatal(err)
	}
	l.write("-- a.zone --\n" + withSOA(7, "$INCLUDE part.inc\n"))
	for range 2 {
		p := l.reload()
		if len(p.Broken) != 1 || p.Broken[0].LastGood || !strings.Contains(p.Broken[0].Reason, "part.inc lies outside") {
			t.Errorf("broken %+v", p.Broken)
		}
	}
	if err := os.Remove(l.dir + "/part.inc"); err != nil {
		t.Fatal(err)
	}
	l.write("-- part.inc --\n1 PTR b.example.com.\n")
	if p := l.reload(); changed(p) != "2.0.192.in-addr.arpa." || len(p.Broken) != 0 {
		t.Errorf("changed %s, broken %v", changed(p), p.Broken)
	}
}

// Findings of an item that is not read again point to where its lines are now.
func TestFindingsFollowTheConfig(t *testing.T) {
	l := newLab(t, `
-- ptrd.yaml --
zones:
  - prefix: 203.0.113.0/24
    ptr: {203.0.113.26: [a.example.com, b.example.com]}
  - prefix: 203.0.112.0/24
`)
	before := l.text(l.reload().Findings)
	l.write(`
-- ptrd.yaml --
zones:

  - prefix: 203.0.113.0/24
    ptr: {203.0.113.26: [a.example.com, b.example.com]}
  - prefix: 203.0.112.0/24
`)
	p := l.reload()
	if after := l.text(p.Findings); after != strings.Replace(before, "yaml:6", "yaml:7", 1) || after == before {
		t.Errorf("before\n%sthen\n%s", before, after)
	}
	if changed(p) != "" || p.Reused != 1 {
		t.Errorf("changed %s, %d reused", changed(p), p.Reused)
	}
}

func TestEndOfContext(t *testing.T) {
	l := newLab(t, twoZones)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if p, err := l.a.Assemble(ctx, l.config(), l.store.Set(), Round{}); p != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v %v", p, err)
	}
}

func TestJournalThatCannotBeRead(t *testing.T) {
	l := newLab(t, twoZones)
	l.j.Close()
	_, err := l.a.Assemble(context.Background(), l.config(), l.store.Set(), Round{})
	if err == nil || !strings.HasPrefix(err.Error(), "look up the last serial of zone ") {
		t.Errorf("got %v", err)
	}
}

func TestTTLOfFileThatHasNone(t *testing.T) {
	l := newLab(t, twoZones)
	l.write("-- a.zone --\n@ 60 SOA ns.example.net. hostmaster.example.com. 7 3600 600 86400 300\n@ NS ns.example.net.\n-- b.zone --\n1 PTR a.example.com.\n")
	p := l.reload()
	l.holds("113.0.203.in-addr.arpa", ownNS+"1 3600 PTR a.example.com.") // of the configuration
	l.holds("2.0.192.in-addr.arpa", "@ 60 NS ns.example.net.")           // of the file, as in BIND
	if p.HasErrors() {
		t.Error(l.text(p.Findings))
	}
}
