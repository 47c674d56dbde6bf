package assemble

import (
	"fmt"
	"os"
	"strings"
	"sync"
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
	if done, all := l.a.o.Progress.Zones(); done != 1 || all != 1 {
		t.Errorf("%d of %d zones are done, want 1 of 1", done, all)
	}
	// Read twice as octets: by the load, and to find out that nothing changed.
	if n, octets := l.a.o.Progress.Read(); n != records || octets != int64(2*text.Len()) {
		t.Errorf("%d records and %d octets were read, want %d and %d", n, octets, records, 2*text.Len())
	}
	l.a.o.Pause = func() func() { return nil }
	l.write("-- large.zone --\n" + text.String() + "1.200 PTR new.example.com.\n")
	if p := l.reload(); changed(p) != "1.10.in-addr.arpa." || pauses.Load() != 0 {
		t.Errorf("changed %s with %d pauses", changed(p), pauses.Load())
	}
}

// A panic of a goroutine that makes zones becomes one of the caller, which contains it, and
// leaves no other worker waiting.
func TestPanicOfWorker(t *testing.T) {
	var config strings.Builder
	for i := range 50 {
		fmt.Fprintf(&config, "  - {prefix: 10.%d.0.0/16, file: same.zone}\n", i)
	}
	l := newLab(t, "-- ptrd.yaml --\nzones:\n"+config.String()+"-- same.zone --\n1.1 PTR a.example.com.\n")
	var pauses atomic.Int64
	l.a.o.Pause = func() func() {
		return func() {
			if pauses.Add(1) == 20 {
				panic("broken source")
			}
		}
	}
	func() {
		defer func() {
			if v := recover(); !strings.Contains(fmt.Sprint(v), "broken source") {
				t.Errorf("the caller recovered %v", v)
			}
		}()
		l.plan()
	}()
	l.a.o.Pause = func() func() { return nil }
	if p := l.reload(); len(p.Batch.Changes) != 50 {
		t.Errorf("%d zones were made after the panic, want 50", len(p.Batch.Changes))
	}
}

// However many workers there are, sources of no more than maxAtOnce are in work at
// a time, and one that is larger by itself is in work alone.
func TestRoom(t *testing.T) {
	r := newMemoryBudget()
	var wg sync.WaitGroup
	for i := range 40 {
		n := int64(maxAtOnce / 5 * (i%3 + 1))
		if i%10 == 0 {
			n = 3 * maxAtOnce
		}
		wg.Go(func() {
			r.acquire(n)
			r.mu.Lock()
			if r.used > maxAtOnce && r.used != n {
				t.Errorf("%d octets are in work, %d of them of one zone", r.used, n)
			}
			r.mu.Unlock()
			r.release(n)
		})
	}
	wg.Wait()
	if r.used != 0 {
		t.Errorf("%d octets are left", r.used)
	}
}
