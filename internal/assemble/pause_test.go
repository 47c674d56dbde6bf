package assemble

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A load pauses while it reads, builds and compares, and while it finds out that
// a file has the content it had.
func TestPauses(t *testing.T) {
	const records = 5000
	var text strings.Builder
	for i := range records {
		fmt.Fprintf(&text, "%d.%d PTR h%d.example.com.\n", i*7%250+1, i/250, i)
	}
	l := newLab(t, "-- ptrd.yaml --\nzones: [{prefix: 10.1.0.0/16, file: large.zone}]\n-- large.zone --\n"+text.String())
	var pauses atomic.Int64
	l.a.o.Pause = func() func() { return func() { pauses.Add(1) } }
	l.reload()
	// As many at least as there are blocks of records, once to read and once to build.
	if n := pauses.Swap(0); n < 2*records/100 {
		t.Errorf("%d pauses while %d records were loaded", n, records)
	}
	if err := os.Chtimes(l.dir+"/large.zone", time.Now(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if p := l.reload(); p.Reused != 1 || pauses.Swap(0) < int64(text.Len()>>15) {
		t.Errorf("%d items reused, %d pauses to find that out", p.Reused, pauses.Load())
	}
	l.a.o.Pause = func() func() { return nil }
	l.write("-- large.zone --\n" + text.String() + "1.200 PTR new.example.com.\n")
	if p := l.reload(); changed(p) != "1.10.in-addr.arpa." || pauses.Load() != 0 {
		t.Errorf("changed %s with %d pauses", changed(p), pauses.Load())
	}
}
