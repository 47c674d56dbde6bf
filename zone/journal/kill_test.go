package journal

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// writerEnv names the journal that a test process started by TestKill writes to.
const writerEnv = "JOURNAL_TEST_WRITER"

// failsEnv says that the disk of the writer fails now and then.
const failsEnv = "JOURNAL_TEST_FAILS"

// killZones is the number of zones in each batch of the writer. The first half are
// kept zones.
const killZones = 6

// killLimits are small, so that there is always something to be trimmed.
var killLimits = Limits{MaxSize: 20_000, MaxAge: time.Hour}

func killApex(i int) dname.Name {
	return dname.MustParse(fmt.Sprintf("%d.0.192.in-addr.arpa", i))
}

// killName is the owner that step n of zone i touches, and killPTR its record
// after that step.
func killName(i, n int) dname.Name {
	return dname.MustParse(fmt.Sprintf("%d.%v", n%200, killApex(i)))
}

func killPTR(i, n int) zone.Record {
	return zone.Record{Owner: killName(i, n), Type: rr.TypePTR, TTL: 300, Data: dname.MustParse(fmt.Sprintf("host-%d.example.net", n))}
}

// killSerial is the serial after step n. It wraps around soon after the first.
func killSerial(n int) zone.Serial { return zone.Serial(uint32(n*7_000_000 - 1<<29)) }

// killSOA is the SOA of zone i after step n.
func killSOA(i, n int) zone.Record {
	names := append(dname.MustParse("ns.example.net"), dname.MustParse("hostmaster.example.net")...)
	data := binary.BigEndian.AppendUint32([]byte(names), uint32(killSerial(n)))
	data = append(data, 0, 0, 0, 60, 0, 0, 0, 60, 0, 0, 14, 16, 0, 0, 0, 60)
	return zone.Record{Owner: killApex(i), Type: rr.TypeSOA, TTL: 300, Data: data}
}

// killRecords returns what zone i has after step n.
func killRecords(i, n int) []zone.Record {
	list := []zone.Record{killSOA(i, n), {Owner: killApex(i), Type: rr.TypeNS, TTL: 300, Data: dname.MustParse("ns.example.net")}}
	for k := max(1, n-199); k <= n; k++ {
		list = append(list, killPTR(i, k))
	}
	return list
}

func killZone(i, n int) *zone.Zone {
	b := zone.NewBuilder(killApex(i))
	for _, r := range killRecords(i, n) {
		b.Add(r)
	}
	z, findings := b.Build()
	if z == nil {
		panic(findings)
	}
	return z
}

// killStep is step n of zone i.
func killStep(i, n int) zone.Step {
	c := &zone.Changeset{Apex: killApex(i), From: killSerial(n - 1), To: killSerial(n),
		Removed: []zone.Record{killSOA(i, n-1)}, Added: []zone.Record{killSOA(i, n), killPTR(i, n)}}
	if n > 200 {
		c.Removed = append(c.Removed, killPTR(i, n-200))
	}
	return zone.Step{Changeset: c, Source: fmt.Sprintf("update %d", i), At: int64(n)}
}

// TestMain runs the writer in the process that is going to be killed.
func TestMain(m *testing.M) {
	path := os.Getenv(writerEnv)
	if path == "" {
		os.Exit(m.Run())
	}
	fmt.Println("error", killWriter(path))
	os.Exit(1)
}

// killWriter publishes batch after batch, each with some steps of every zone, and
// prints the number of the last step once it is durable. Meanwhile contents are
// written and histories trimmed. On a disk that fails, it also prints "try" and the number
// before, "refused" and it after a batch that was not written, "undecided" after one that
// perhaps was, and "ready" when it is about to publish the first.
func killWriter(path string) error {
	fails := os.Getenv(failsEnv) != ""
	j, err := Open(path, Options{})
	if err != nil {
		return err
	}
	j.SetLimits(killLimits, nil)
	store := newStore(j)
	first := &zone.Batch{Source: "start"}
	at := 0
	for i := range killZones {
		notes, err := j.Notes(killApex(i), "step")
		if err != nil {
			return err
		}
		if len(notes) > 0 {
			at = int(binary.BigEndian.Uint32(notes[0].Value))
		}
		z, ok, err := j.Restore(killApex(i))
		if err != nil {
			return err
		}
		if !ok {
			z = killZone(i, at)
		}
		first.Changes = append(first.Changes, zone.Change{Zone: z, Apex: z.Apex(), Kept: i < killZones/2})
	}
	if err := store.Publish(first); err != nil {
		return err
	}
	if fails {
		fmt.Println("ready")
	}
	var others sync.WaitGroup
	if fails {
		others.Go(func() { j.Run(context.Background()) })
	}
	var seen atomic.Int64 // latest step that was read
	for range 3 {
		others.Go(func() {
			for fails {
				if notes, err := j.Notes(killApex(0), "step"); err == nil && len(notes) > 0 {
					seen.Store(max(seen.Load(), int64(binary.BigEndian.Uint32(notes[0].Value))))
				}
			}
		})
	}
	others.Go(func() {
		for k := 0; ; k++ {
			set := store.Set()
			if err := j.UpdateContent(set.Get(killApex(k % (killZones / 2)))); err != nil && !errors.Is(err, ErrNotCurrent) && !fails {
				fmt.Println("error", err)
			}
			if err := j.Trim(time.UnixMilli(int64(k))); err != nil && !fails {
				fmt.Println("error", err)
			}
		}
	})
	for {
		b := &zone.Batch{Source: "update"}
		steps := 1 + at%5
		for i := range killZones {
			z := store.Set().Get(killApex(i))
			c := zone.Change{Apex: z.Apex(), Base: z, Kept: i < killZones/2}
			for n := at + 1; n <= at+steps; n++ {
				s := killStep(i, n)
				if z, err = z.Apply(s.Changeset); err != nil {
					return err
				}
				c.Steps = append(c.Steps, s)
			}
			c.Zone = z
			c.Notes = []zone.Note{{Key: "step", Value: binary.BigEndian.AppendUint32(nil, uint32(at+steps))}}
			b.Changes = append(b.Changes, c)
		}
		if fails {
			fmt.Println("try", at+steps)
		}
		switch err := store.Publish(b); {
		case err == nil:
			at += steps
			fmt.Println(at)
		case !fails:
			return err
		case errors.Is(err, zone.ErrUndecided):
			fmt.Println("undecided")
		default:
			fmt.Println("refused", at+steps)
			if n := seen.Load(); n > int64(at) {
				fmt.Println("error: step", n, "was read and refused")
			}
		}
	}
}

// A writer killed at any moment leaves a journal that opens, holds every batch
// that was acknowledged and none by half, leads from every serial kept to the last,
// and gives kept zones back.
func TestKill(t *testing.T) {
	path := newPath(t)
	seed := uint64(time.Now().UnixNano())
	if *seedFlag != 0 {
		seed = *seedFlag
	}
	t.Logf("-seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	acked := 0
	for round := range *kills {
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), writerEnv+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// The first round kills before anything was heard, while the journal is
		// perhaps being made; the later ones in the middle of writing.
		lines := bufio.NewScanner(out)
		heard := func() bool {
			if !lines.Scan() {
				return false
			}
			n, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Fatalf("writer: %s", lines.Text())
			}
			acked = n
			return true
		}
		for range min(round, 4) * rng.IntN(12) {
			if !heard() {
				break
			}
		}
		time.Sleep(time.Duration(rng.IntN(3000)) * time.Microsecond) // to be at any moment of a batch
		cmd.Process.Kill()
		for heard() {
		}
		cmd.Wait()
		checkKilled(t, path, acked, math.MaxInt)
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	if acked == 0 {
		t.Error("no batch was ever acknowledged")
	}
}

// checkKilled compares what a killed writer left with what must be there after it
// acknowledged a step, and began others up to most.
func checkKilled(t *testing.T, path string, acked, most int) {
	t.Helper()
	j := mustOpen(t, path)
	defer j.Close()
	last := -1
	for i := range killZones {
		e, known, err := j.Last(killApex(i))
		if err != nil {
			t.Fatal(err)
		}
		notes, err := j.Notes(killApex(i), "")
		if err != nil {
			t.Fatal(err)
		}
		at := 0
		if len(notes) > 0 {
			at = int(binary.BigEndian.Uint32(notes[0].Value))
		}
		if last >= 0 && at != last {
			t.Errorf("zone %d is at step %d, another at %d", i, at, last)
		}
		last = at
		if !known {
			if acked > 0 {
				t.Errorf("zone %d is not known", i)
			}
			continue
		}
		if at < acked || at > most || e.Serial != killSerial(at) {
			t.Errorf("zone %d is at step %d with serial %d, want %d; step %d was acknowledged, and up to %d not refused", i, at, e.Serial, killSerial(at), acked, most)
		}
		want := killZone(i, at)
		// From every serial that is in the log the changesets lead to the last.
		var oldest zone.Serial
		lines := 0
		for l, err := range j.Log(killApex(i), true) {
			if err != nil {
				t.Fatal(err)
			}
			if l.Kind != Changed {
				break
			}
			oldest = l.From
			lines++
		}
		for _, back := range []int{lines, lines / 2, 1} {
			if back == 0 || back > lines {
				continue
			}
			from := killSerial(at - back)
			list, ok, err := j.Chain(killApex(i), from, e.Serial, 0)
			if !ok || err != nil || back == lines && from != oldest {
				t.Fatalf("zone %d: from serial %d, %d back, the oldest is %d: %v %v", i, from, back, oldest, ok, err)
			}
			z := killZone(i, at-back)
			for _, c := range list {
				if z, err = z.Apply(c); err != nil {
					t.Fatal(err)
				}
			}
			if z.Digest() != want.Digest() || z.Serial() != want.Serial() {
				t.Errorf("zone %d: the changesets from serial %d lead elsewhere", i, from)
			}
		}
		z, ok, err := j.Restore(killApex(i))
		switch kept := i < killZones/2; {
		case ok != kept || err != nil:
			t.Errorf("zone %d: restored: %v %v", i, ok, err)
		case kept && (z.Digest() != want.Digest() || z.Serial() != want.Serial()):
			t.Errorf("zone %d: restored with other content, serial %d", i, z.Serial())
		}
	}
	// Files that no entry names are gone after the start.
	files, err := os.ReadDir(j.contentPath(""))
	if err == nil && len(files) > killZones/2 {
		t.Errorf("%d files of kept zones are left", len(files))
	}
	for _, f := range files {
		if strings.Contains(f.Name(), ".new-") {
			t.Errorf("%s is left", f.Name())
		}
	}
}
