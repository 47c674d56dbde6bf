//go:build unix

package journal

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/ptrd/ptrd/zone"
)

// BenchmarkAppend keeps batches of changes of one PTR, flushed to disk; a journal
// that is full trims as much as it takes in. It tells the time of the processor, of
// the clock (which is mostly the disk's), and the octets of the file, all for a change.
func BenchmarkAppend(b *testing.B) {
	for _, full := range []bool{false, true} {
		for _, steps := range []int{1, 100} {
			b.Run(fmt.Sprintf("full=%v/steps=%d", full, steps), func(b *testing.B) {
				limits := defaultLimits
				if full {
					limits.MaxSize = 1 << 20
				}
				path := b.TempDir() + "/journal.db"
				j, u := begun(b, path, limits)
				defer j.Close()
				for range 400 * 100 / steps {
					if !full {
						break
					}
					j.db.Load().NoSync = true
					if err := j.Append(u.next(steps)); err != nil {
						b.Fatal(err)
					}
				}
				j.db.Load().NoSync = false
				var spent, waited time.Duration
				before := fileSize(b, path)
				for b.Loop() {
					batch := u.next(steps)
					cpu, begin := cpuTime(), time.Now()
					if err := j.Append(batch); err != nil {
						b.Fatal(err)
					}
					spent += cpuTime() - cpu
					waited += time.Since(begin)
				}
				n := float64(b.N * steps)
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(float64(spent.Nanoseconds())/n, "cpu-ns/change")
				b.ReportMetric(float64(waited.Nanoseconds())/n, "ns/change")
				b.ReportMetric(float64(fileSize(b, path)-before)/n, "octets/change")
			})
		}
	}
}

func cpuTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkChain reads the changesets since a serial so many changes ago, and looks
// for one that never was, in a history of 200,000.
func BenchmarkChain(b *testing.B) {
	j, u := begun(b, b.TempDir()+"/journal.db", defaultLimits)
	defer j.Close()
	j.db.Load().NoSync = true
	const total = 200_000
	for range total / 1000 {
		if err := j.Append(u.next(1000)); err != nil {
			b.Fatal(err)
		}
	}
	last := u.zone.Serial()
	for _, n := range []int{1, 100, 10_000, total + 10} {
		b.Run(fmt.Sprintf("changes=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if list, ok, err := j.Chain(u.zone.Apex(), last-zone.Serial(n), last, 0); err != nil || ok != (n <= total) || ok && len(list) != n {
					b.Fatal(len(list), ok, err)
				}
			}
		})
	}
}
