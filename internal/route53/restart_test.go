package route53

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ptrd/ptrd/internal/hosted"
	"github.com/ptrd/ptrd/zone/dname"
)

// A process is killed when the content of a new zone is on disk and the creation is not. The
// next one creates the same zone, while a reload plans for a snapshot of before: it must leave
// alone what the zone is restored from later.
func TestCreateAfterKill(t *testing.T) {
	l := newLab(t)
	apex := dname.MustParse("2.0.192.in-addr.arpa")
	create := func(reference string) *hosted.Zone {
		t.Helper()
		z, _, err := l.store.CreateZone(&hosted.Creation{Apex: apex, CallerReference: reference})
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
	if _, err := l.store.DeleteZone(create("1").ID); err != nil {
		t.Fatal(err)
	}
	l.stop()
	before, killed := l.dir, t.TempDir()
	if err := os.CopyFS(killed, os.DirFS(before)); err != nil {
		t.Fatal(err)
	}
	l.start()
	create("2")
	l.stop()
	files, err := filepath.Glob(filepath.Join(before, "zones", "*.zone"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	data, err := os.ReadFile(files[0])
	if err == nil {
		err = os.WriteFile(filepath.Join(killed, "zones", filepath.Base(files[0])), data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}

	l.dir = killed
	l.start()
	set := l.writer.Set()
	z := create("2")
	if changes, damage := l.store.Plan(set, func(dname.Name) bool { return true }); len(changes)+len(damage) > 0 {
		t.Errorf("a zone that was created meanwhile is planned: %v %v", changes, damage)
	}
	l.stop()
	l.start() // fails if a zone cannot be restored
	if list, _, err := l.store.Records(z.ID, hosted.Start{}, 10); len(list) != 2 || err != nil {
		t.Errorf("after the next start: %v %v", list, err)
	}
}
