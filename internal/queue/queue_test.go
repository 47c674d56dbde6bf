package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// run runs a queue until the test ends; each job is added to a round that is sent to the channel, which
// has to be received.
func run(t *testing.T, q *Queue[string]) (rounds <-chan []string, stop func()) {
	c := make(chan []string)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		q.Run(ctx, func(jobs []string) { c <- slices.Clone(jobs) }, func(job string) { c <- []string{"refused " + job} })
	})
	return c, func() { cancel(); wg.Wait() }
}

func add(t *testing.T, q *Queue[string], work int, jobs ...string) {
	t.Helper()
	for _, job := range jobs {
		if err := q.Add(job[:1], job, work, 0); err != nil {
			t.Fatal(err)
		}
	}
}

func want(t *testing.T, rounds <-chan []string, want string) {
	t.Helper()
	if got := strings.Join(<-rounds, " "); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Zones take turns, whatever waits for one of them, and jobs of a zone are in order.
func TestTurns(t *testing.T) {
	q := New[string](Options{Jobs: 4})
	add(t, q, 1, "a1", "a2", "a3", "a4", "a5", "a6", "b1", "c1", "c2")
	rounds, stop := run(t, q)
	defer stop()
	want(t, rounds, "a1 b1 c1 a2")
	want(t, rounds, "c2 a3 a4 a5")
	want(t, rounds, "a6")
	add(t, q, 1, "b2")
	want(t, rounds, "b2")
}

// A round ends when its work is enough.
func TestWork(t *testing.T) {
	q := New[string](Options{Jobs: 100, Work: 10})
	add(t, q, 4, "a1", "a2", "a3", "a4", "b1")
	rounds, stop := run(t, q)
	defer stop()
	want(t, rounds, "a1 b1 a2")
	want(t, rounds, "a3 a4")
}

// A job that is larger than a round holds up only zones that have to do with it, and these for the time of one
// such job.
func TestLarge(t *testing.T) { synctest.Test(t, testLarge) }

func testLarge(t *testing.T) {
	q := New[string](Options{Jobs: 4, Work: 10, Shares: func(a, b string) bool { return a+b == "ab" }})
	add(t, q, 11, "a1")
	add(t, q, 1, "a2", "b1", "c1")
	add(t, q, 11, "a3")
	add(t, q, 1, "b2")
	begun, end := make(chan string), make(chan bool)
	rounds := make(chan []string)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		q.Run(ctx, func(jobs []string) {
			if slices.Contains([]string{"a1", "a3", "d1"}, jobs[0]) {
				begun <- jobs[0]
				<-end
				return
			}
			rounds <- slices.Clone(jobs)
		}, func(job string) { t.Errorf("%s is left", job) })
	})
	if got := <-begun; got != "a1" {
		t.Errorf("%s began", got)
	}
	want(t, rounds, "c1")
	add(t, q, 11, "d1") // waits: one at a time
	add(t, q, 1, "c2")
	want(t, rounds, "c2")
	end <- true
	// All get a round before the next one begins.
	synctest.Wait()
	select {
	case got := <-begun:
		t.Errorf("%s began", got)
	default:
	}
	want(t, rounds, "b1 a2 b2")
	for range 2 {
		switch got := <-begunOr(begun, rounds); got {
		case "a3", "d1":
			end <- true
		default:
			t.Errorf("%s, want a3 or d1", got)
		}
	}
	cancel()
	wg.Wait()
}

func begunOr(begun <-chan string, rounds <-chan []string) <-chan string {
	c := make(chan string, 1)
	select {
	case s := <-begun:
		c <- s
	case jobs := <-rounds:
		c <- fmt.Sprint(jobs)
	}
	return c
}

// One zone does not take the room of all.
func TestFull(t *testing.T) {
	q := New[string](Options{Jobs: 4})
	fill := func(key string) (n int) {
		for q.Add(key, "", 1, 8) == nil {
			n++
		}
		return n
	}
	if a, b, c := fill("a"), fill("b"), fill("c"); a != 8 || b != 4 || c != 2 {
		t.Errorf("%d, %d and %d jobs of three zones found room", a, b, c)
	}
	if err := q.Add("a", "", 1, 8); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	if err := q.Add("a", "", 1, 16); err != nil {
		t.Errorf("another limit: %v", err)
	}
}

// What waits when the queue stops is refused, and so is what comes later.
func TestStop(t *testing.T) {
	q := New[string](Options{Jobs: 1})
	rounds, stop := run(t, q)
	add(t, q, 1, "a1")
	want(t, rounds, "a1")
	add(t, q, 1, "a2", "a3", "b1")
	done := make(chan bool)
	go func() { stop(); close(done) }()
	var got []string
	for open := true; open; {
		select {
		case jobs := <-rounds:
			got = append(got, strings.TrimPrefix(jobs[0], "refused "))
		case <-done:
			open = false
		}
	}
	if slices.Sort(got); fmt.Sprint(got) != "[a2 a3 b1]" {
		t.Errorf("%v were answered", got)
	}
	if err := q.Add("a", "", 1, 0); !errors.Is(err, ErrStopped) {
		t.Error(err)
	}
}

// A job that is larger than a round ends before Run does.
func TestStopLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New[string](Options{Jobs: 4, Work: 10})
		add(t, q, 11, "a1")
		ctx, cancel := context.WithCancel(t.Context())
		ended := false
		q.Run(ctx, func([]string) {
			cancel()
			time.Sleep(time.Second) // until all others wait
			ended = true
		}, func(job string) { t.Errorf("%s is left", job) })
		if !ended {
			t.Error("Run ended before the job")
		}
	})
}

// Whatever many goroutines add, each job is carried out once, in the order of its zone, and not at the same time
// as others that share data with it.
func TestRandomly(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	type job struct{ zone, n, work int }
	q := New[job](Options{Jobs: 5, Work: 10, Shares: func(a, b string) bool { return a[0]%2 == b[0]%2 }})
	const zones, each = 6, 200
	var mu sync.Mutex
	last, under := [zones]int{}, [zones]int{}
	var rest sync.WaitGroup
	rest.Add(zones * each)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		q.Run(ctx, func(jobs []job) {
			isLarge := jobs[0].work > 10
			if len(jobs) > 5 || isLarge && len(jobs) > 1 {
				t.Errorf("a round of %v", jobs)
			}
			mu.Lock()
			for _, j := range jobs {
				if j.n != last[j.zone]+1 {
					t.Errorf("zone %d: %d after %d", j.zone, j.n, last[j.zone])
				}
				last[j.zone] = j.n
				for other, n := range under {
					if n > 0 && (other == j.zone || other%2 == j.zone%2 && (isLarge || n == 2)) {
						t.Errorf("%v next to one of zone %d", j, other)
					}
				}
			}
			for _, j := range jobs {
				under[j.zone] = 1
				if isLarge {
					under[j.zone] = 2
				}
			}
			mu.Unlock()
			q.Len()
			mu.Lock()
			for _, j := range jobs {
				under[j.zone] = 0
				rest.Done()
			}
			mu.Unlock()
		}, func(j job) { t.Errorf("%v is left", j) })
	})
	var adders sync.WaitGroup
	for z := range zones {
		adders.Go(func() {
			rnd := rand.New(rand.NewPCG(seed, uint64(z)))
			for i := range each {
				work := 1 + rnd.IntN(4)
				if rnd.IntN(10) == 0 {
					work = 11
				}
				if err := q.Add(fmt.Sprint(z), job{z, i + 1, work}, work, 0); err != nil {
					t.Error(err)
				}
			}
		})
	}
	adders.Wait()
	rest.Wait()
	cancel()
	wg.Wait()
}

// A job that waits costs no allocation.
func TestAllocations(t *testing.T) {
	q := New[int](Options{Jobs: 8, Work: 100})
	var room []int
	if n := testing.AllocsPerRun(100, func() {
		for i := range 8 {
			if err := q.Add([]string{"a", "b"}[i%2], i, 1, 100); err != nil {
				t.Fatal(err)
			}
		}
		room = q.next(room[:0])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
