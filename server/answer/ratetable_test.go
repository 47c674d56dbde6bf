package answer

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ptrd/ptrd/server/servertest"
)

// testSeed returns the seed of a table's hash.
func testSeed(rng *rand.Rand) (seed [32]byte) {
	for i := range 4 {
		binary.LittleEndian.PutUint64(seed[8*i:], rng.Uint64())
	}
	return seed
}

// modelBucket is a token bucket as one would draw it: what it holds, counted in
// ticks' worth of tokens, and when it was looked at last.
type modelBucket struct{ holds, at int64 }

func (b *modelBucket) take(now, burst, interval, cost int64) bool {
	b.holds = min(burst, b.holds+now-b.at)
	b.at = now
	if b.holds < interval {
		return false
	}
	b.holds -= cost
	return true
}

// The table does what a map of buckets does that are drawn out in full, for any
// rates, costs and steps of time, where there is room for all.
func TestRateTableIsTokenBuckets(t *testing.T) {
	rng := servertest.Random(t)
	for range 50 {
		table := newRateTable(1<<12, testSeed(rng))
		interval := int64(ticks(time.Second)) / (1 + rng.Int64N(2000))
		burst := interval + int64(ticks(time.Second))*rng.Int64N(60)
		model := map[uint64]*modelBucket{}
		hashes := make([]uint64, 1+rng.IntN(30))
		for i := range hashes {
			hashes[i] = table.key.sum(rng.Uint64(), 1)
		}
		// Somewhere in the 26 days that a bucket's time goes round in, its end included.
		now := rng.Int64N(1 << rateTimeBits)
		if rng.IntN(2) == 0 {
			now = 1<<rateTimeBits - rng.Int64N(10*interval)
		}
		limited := 0
		for range 3000 {
			h := hashes[rng.IntN(len(hashes))]
			b := model[h]
			if b == nil {
				b = &modelBucket{burst, now}
				model[h] = b
			}
			cost := interval * (1 + rng.Int64N(9))
			want := b.take(now, burst, interval, cost)
			if got := table.take(h, uint64(now), uint64(burst), uint64(interval), uint64(cost)); got != want {
				t.Fatalf("at %d: took %v, want %v; burst %d, interval %d, cost %d, %+v", now, got, want, burst, interval, cost, *b)
			}
			if !want {
				limited++
			}
			if rng.IntN(4) == 0 {
				now += rng.Int64N(2 * interval)
			}
		}
		if len(hashes) < 3 && limited == 0 && burst < 100*interval {
			t.Error("nothing was limited")
		}
	}
}

// A bucket that lacks nothing is not there.
func TestRateTableUse(t *testing.T) {
	table := newRateTable(1000, testSeed(servertest.Random(t)))
	if n := table.buckets(); n != 1024 || !table.fits(1000) || !table.fits(1024) || table.fits(1025) || table.fits(512) {
		t.Errorf("%d buckets", n)
	}
	for i := range uint64(100) { // in a set each
		table.take(i<<rateTimeBits|i, 1000, 1<<20, 10, 10*(1+i%2))
	}
	for now, want := range map[uint64]int{1000: 100, 1009: 100, 1010: 50, 1019: 50, 1020: 0} {
		if n := table.used(now); n != want {
			t.Errorf("at %d: %d buckets are used, want %d", now, n, want)
		}
	}
}

// A bucket that nobody took stays out of the way until the last tick of a round.
func TestRateTableAtTheEndOfARound(t *testing.T) {
	table := newRateTable(4, testSeed(servertest.Random(t)))
	const now, burst = rateTimeMask - 5, 1000
	if n := table.used(now); n != 0 {
		t.Errorf("%d buckets of a new table are used", n)
	}
	for tag := range uint64(2) {
		take := func() bool { return table.take((tag+1)<<rateTimeBits, now, burst, burst, burst) }
		if first, second := take(), take(); !first || second {
			t.Errorf("bucket %d: %v, then %v", tag, first, second)
		}
	}
	if table.take(1<<rateTimeBits, now, burst, burst, burst) {
		t.Error("the first bucket was given up for the second")
	}
}

// drain takes all out of a bucket that is full at time 0.
func drain(t *testing.T, table *rateTable, h, burst, interval uint64) {
	t.Helper()
	for range burst / interval {
		if !table.take(h, 0, burst, interval, interval) {
			t.Fatal("a full bucket holds too little")
		}
	}
	if table.take(h, 0, burst, interval, interval) {
		t.Fatal("a full bucket holds too much")
	}
}

// When a set is full, what lacks least is forgotten: those that hold off a flood
// stay, and whoever is new gets a full bucket.
func TestRateTableForgetsTheFullest(t *testing.T) {
	table := newRateTable(rateWays, [32]byte{}) // one set
	hash := func(i int) uint64 { return uint64(i) << rateTimeBits }
	const burst, interval = 100, 10
	for i := 1; i < rateWays; i++ { // three that are empty
		drain(t, table, hash(i), burst, interval)
	}
	for i := range 1000 {
		if !table.take(hash(10+i), 0, burst, interval, interval) {
			t.Fatalf("newcomer %d was limited", i)
		}
	}
	for i := 1; i < rateWays; i++ {
		if table.take(hash(i), 0, burst, interval, interval) {
			t.Errorf("bucket %d was forgotten", i)
		}
	}
}

// A flood of random prefixes that is larger than the table neither frees those
// that are limited nor limits anybody else.
func TestRateTableUnderFloodOfPrefixes(t *testing.T) {
	rng := servertest.Random(t)
	table := newRateTable(1<<14, testSeed(rng))
	burst, interval := ticks(5*time.Second), ticks(time.Second/200)
	victims := make([]uint64, 50) // four of them in one set: once in 300,000 runs
	for i := range victims {
		victims[i] = table.key.sum(uint64(i)<<8, 2)
		drain(t, table, victims[i], burst, interval)
	}
	for range 200_000 {
		if !table.take(table.key.sum(rng.Uint64(), 2), 0, burst, interval, interval) {
			t.Fatal("a random prefix was limited")
		}
	}
	for i, h := range victims {
		if table.take(h, 0, burst, interval, interval) {
			t.Errorf("prefix %d is over its limit and got an answer", i)
		}
	}
}

// Neighbouring prefixes spread over sets and tags like random ones, whatever the
// key: Pearson's statistic over 1024 cells with some 100 each is near 1023, with a
// standard deviation of 45, and a pair of hashes is equal as often as chance has it.
func TestRateHashSpreads(t *testing.T) {
	rng := servertest.Random(t)
	for range 20 {
		key := newRateTable(rateWays, testSeed(rng)).key
		step := uint64(1) << rng.IntN(40)
		var low, high, kinds [1024]int
		seen := map[uint64]bool{}
		for i := range uint64(100 * 1024) {
			h := key.sum(i*step, 77)
			low[h%1024]++
			high[h>>54]++
			kinds[key.sum(77, i*step)%1024]++
			seen[h] = true
		}
		if len(seen) != 100*1024 {
			t.Errorf("step %d: %d of %d hashes differ", step, len(seen), 100*1024)
		}
		for name, cells := range map[string]*[1024]int{"sets": &low, "tags": &high, "kinds": &kinds} {
			sum := 0.0
			for _, n := range cells {
				sum += float64((n-100)*(n-100)) / 100
			}
			if sum > 1023+7*45 {
				t.Errorf("step %d, %s: statistic %.0f", step, name, sum)
			}
		}
	}
}

// Workers that share a bucket take exactly what it holds.
func TestRateTableIsSharedByWorkers(t *testing.T) {
	const workers, burst, interval = 8, 50_000, 10
	table := newRateTable(1<<10, testSeed(servertest.Random(t)))
	for round := range uint64(20) {
		var taken atomic.Int64
		var all sync.WaitGroup
		for range workers {
			all.Go(func() {
				for range 2 * burst / interval / workers {
					if table.take(table.key.sum(round, 0), round, burst, interval, interval) {
						taken.Add(1)
					}
				}
			})
		}
		all.Wait()
		if n := taken.Load(); n != burst/interval {
			t.Fatalf("%d answers, the bucket held %d", n, burst/interval)
		}
	}
}
