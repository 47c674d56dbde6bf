package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/ptrd/ptrd/internal/backup"
)

// After the journal is lost, and after an old backup is restored, no zone that a
// secondary has gets other content with a serial that is not later, although serials ran ahead of the clock
// or began with that of a file.
func TestSerialsOfSecondaries(t *testing.T) {
	dir, to := shortDir(t), filepath.Join(t.TempDir(), "backup")
	replace(t, filepath.Join(dir, "file.zone"), "@ 60 SOA ns1.example.com. h.example.com. 7 60 60 3600 60\n@ 60 NS ns1.example.com.\nx 60 TXT x\n")
	secondaryDir := shortDir(t)
	config := func(targets, transfer string) string {
		return fmt.Sprintf(`
listen: {dns: ["127.0.0.1:0"]}
state_dir: ./state
defaults: {nameservers: [ns1.example.com], transfer: {allow: [127.0.0.1], notify: [%s]}}
zones:
  - {name: dynamic.example, dynamic: , update: [127.0.0.1]}
  - {name: file.example, file: file.zone, update: [127.0.0.1]}
  - {name: inline.example, records: {x: {TXT: %q}}}
`, targets, transfer)
	}
	l := start(t, dir, config("", "one"))
	for n := range 5 {
		l.addRecord(t, "dynamic.example.", fmt.Sprintf("early%d.dynamic.example. 60 TXT x", n))
	}
	l.backUp(t, to)
	for n := range 50 {
		l.addRecord(t, "dynamic.example.", fmt.Sprintf("r%d.dynamic.example. 60 TXT x", n))
		l.addRecord(t, "file.example.", fmt.Sprintf("r%d.file.example. 60 TXT x", n))
	}
	was := l.servedZones()
	apexes := []string{"dynamic.example.", "file.example.", "inline.example."}
	// The secondary keeps what it has, as one does that transfers now and then.
	text := "listen: {dns: [\"127.0.0.1:0\"]}\nstate_dir: ./state\nzones:\n"
	for _, apex := range apexes {
		text += fmt.Sprintf("  - {name: %s, secondary: {primaries: [%q]}}\n", apex, l.dns)
	}
	s := start(t, secondaryDir, text)
	await(t, func() bool {
		now := s.servedZones()
		for _, apex := range apexes {
			if now[apex] != was[apex] {
				return false
			}
		}
		return true
	})
	check := func(what string) {
		t.Helper()
		l = start(t, dir, config(fmt.Sprintf("%q", s.dns), "one"))
		for apex, now := range l.servedZones() {
			if !now.available || now != was[apex] && !was[apex].serial.Before(now.serial) {
				t.Errorf("%s: zone %s has serial %d, a secondary has %d\n%s", what, apex, now.serial, was[apex].serial, l.log)
			}
		}
		if err := l.stop(); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	state := filepath.Join(dir, "state")
	// All but the secret, which shows that the directory is not a new one.
	for _, name := range []string{journalName, "zones"} {
		if err := os.RemoveAll(filepath.Join(state, name)); err != nil {
			t.Fatal(err)
		}
	}
	check("lost journal")
	if err := os.RemoveAll(state); err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Restore(to, state, nil); err != nil {
		t.Fatal(err)
	}
	check("restored")
	if backup.IsRestored(state) {
		t.Error("secondaries are asked again at the next start")
	}
}
