package daemon

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// update sends an UPDATE that adds a TXT record, and returns the RCODE.
func (l *lab) update(t *testing.T, apex, owner string) int {
	t.Helper()
	m := new(dns.Msg)
	m.SetUpdate(apex)
	r, err := dns.NewRR(owner + "." + apex + " 60 TXT y")
	if err != nil {
		t.Fatal(err)
	}
	m.Insert([]dns.RR{r})
	got, _, err := (&dns.Client{Timeout: patience, Net: "tcp"}).Exchange(m, l.dns)
	if err != nil {
		t.Fatal(err)
	}
	return got.Rcode
}

// While the journal cannot be written, queries are answered, changes are refused, and
// status and readiness have the reason. When it can again, what was refused of the
// configuration comes without a hand.
func TestJournalCannotBeWritten(t *testing.T) {
	dir := shortDir(t)
	file, journal := filepath.Join(dir, "file.zone"), filepath.Join(dir, "state", journalName)
	replace(t, file, "generation 60 TXT 1\n")
	l := start(t, dir, updating)
	if l.update(t, "dynamic.example.", "a") != dns.RcodeSuccess {
		t.Fatal("update refused")
	}
	if err := os.Rename(journal, journal+".away"); err != nil {
		t.Fatal(err)
	}
	replace(t, journal, "a backup")
	if got := l.update(t, "dynamic.example.", "b"); got != dns.RcodeServerFailure {
		t.Errorf("update: RCODE %d", got)
	}
	replace(t, file, "generation 60 TXT 2\n")
	o, err := l.Reload(t.Context())
	if err != nil || o.InForce || !strings.Contains(o.Error, "move it away") {
		t.Errorf("reload: %+v %v", o, err)
	}
	if ready, why := l.isReady(); ready || !strings.Contains(why, journal) {
		t.Errorf("ready: %v %s", ready, why)
	}
	s := l.Status()
	if s.Journal == nil || s.Journal.Since.IsZero() || !strings.Contains(s.Journal.Error, journal) {
		t.Errorf("status: %+v", s.Journal)
	}
	var b strings.Builder
	if err := s.Print(&b); err != nil || !strings.Contains(b.String(), "no change can be written since") {
		t.Errorf("status: %s", &b)
	}
	if z := l.dumped(t, "dynamic.example."); strings.Contains(z, "b.dynamic.example") || !strings.Contains(z, "a.dynamic.example") {
		t.Errorf("served: %s", z)
	}
	if err := os.Rename(journal+".away", journal); err != nil {
		t.Fatal(err)
	}
	await(t, func() bool {
		ready, _ := l.isReady()
		return ready && strings.Contains(l.dumped(t, "file.example."), `"2"`)
	})
	if l.update(t, "dynamic.example.", "c") != dns.RcodeSuccess {
		t.Error("update refused")
	}
	if n := strings.Count(l.log.String(), `msg="the journal can`); n != 2 {
		t.Errorf("%d lines about it:\n%s", n, l.log)
	}
}

// The journal is truncated, as cp does at first when it writes over it: nothing hangs.
func TestJournalTruncated(t *testing.T) {
	dir := shortDir(t)
	replace(t, filepath.Join(dir, "file.zone"), "generation 60 TXT 1\n")
	l := start(t, dir, updating)
	if l.update(t, "dynamic.example.", "a") != dns.RcodeSuccess {
		t.Fatal("update refused")
	}
	if err := os.Truncate(filepath.Join(dir, "state", journalName), 0); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if got := l.update(t, "dynamic.example.", "b"); got != dns.RcodeServerFailure {
			t.Errorf("update: RCODE %d", got)
		}
		replace(t, filepath.Join(dir, "file.zone"), "generation 60 TXT 2\n")
		if o, err := l.Reload(t.Context()); err != nil || o.InForce {
			t.Errorf("reload: %+v %v", o, err)
		}
		if _, err := l.readLog(url.Values{"what": {"dynamic.example."}}); err == nil {
			t.Error("there is a log")
		}
		m := new(dns.Msg)
		m.SetIxfr("dynamic.example.", 1, "ns1.example.com.", "hostmaster.example.com.")
		if _, _, err := (&dns.Client{Timeout: patience, Net: "tcp"}).Exchange(m, l.dns); err != nil {
			t.Errorf("IXFR: %v", err)
		}
	}
	if !strings.Contains(l.dumped(t, "dynamic.example."), "a.dynamic.example") {
		t.Error("the zone is not served")
	}
	await(t, func() bool { return strings.Contains(l.log.String(), "were saved for the next start") })
	l.stop() // returns
	if l = start(t, dir, updating); !strings.Contains(l.dumped(t, "dynamic.example."), "a.dynamic.example") {
		t.Errorf("an acknowledged update is not there after a restart:\n%s", l.log)
	}
}
