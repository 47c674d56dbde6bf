package journal

import (
	"bufio"
	"flag"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/faulttest"
)

var faults = flag.Int("faults", 50, "numbers of crash images and of I/O errors")

// writer is a process that writes to a journal on a volume.
type writer struct {
	cmd *exec.Cmd

	mu      sync.Mutex
	changed *sync.Cond
	ready   bool
	ended   bool
	acked   int    // step that it said is on disk
	most    int    // last one that may be there: it was tried, and not refused
	errors  string // what else it said
	refused int    // batches that were not acknowledged
}

// startWriter starts a process that goes on where the last one was acknowledged.
func startWriter(t *testing.T, path string, acked, most int) *writer {
	t.Helper()
	w := &writer{acked: acked, most: most, cmd: exec.Command(os.Args[0], "-test.run=^$")}
	w.changed = sync.NewCond(&w.mu)
	w.cmd.Env = append(os.Environ(), writerEnv+"="+path, failsEnv+"=1")
	w.cmd.Stderr = w.cmd.Stdout
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go w.read(out)
	return w
}

func (w *writer) read(out io.Reader) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		w.mu.Lock()
		word, number, _ := strings.Cut(lines.Text(), " ")
		n, _ := strconv.Atoi(number)
		switch word {
		case "ready":
			w.ready = true
		case "try":
			w.most = max(w.most, n)
		case "refused":
			w.most = w.acked
			w.refused++
		case "undecided":
			w.refused++
		default:
			if n, err := strconv.Atoi(word); err == nil {
				w.acked, w.most = n, n
			} else {
				w.errors += lines.Text() + "\n"
			}
		}
		w.changed.Broadcast()
		w.mu.Unlock()
	}
	w.mu.Lock()
	w.ended = true
	w.changed.Broadcast()
	w.mu.Unlock()
}

// wait waits until the condition holds; false: the process ended before.
func (w *writer) wait(condition func() bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for !condition() {
		if w.ended {
			return false
		}
		w.changed.Wait()
	}
	return true
}

// hear waits for so many acknowledgements.
func (w *writer) hear(n int) bool {
	for ; n > 0; n-- {
		w.mu.Lock()
		last := w.acked
		w.mu.Unlock()
		if !w.wait(func() bool { return w.acked > last }) {
			return false
		}
	}
	return true
}

func (w *writer) said() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.errors
}

func (w *writer) kill() {
	w.cmd.Process.Kill()
	w.wait(func() bool { return false })
	w.cmd.Wait()
}

// checkCopy checks what a writer left on a volume.
func checkCopy(t *testing.T, v *faulttest.Volume, w *writer) {
	t.Helper()
	dir := t.TempDir()
	if err := v.CopyTo(dir); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "state", "journal.db")
	if _, err := os.Stat(path); err != nil && w.acked == 0 {
		return
	}
	checkKilled(t, path, w.acked, w.most)
	j := mustOpen(t, path)
	check(t, j)
	j.Close()
	os.RemoveAll(dir)
}

func faultSeed(t *testing.T) (uint64, *rand.Rand) {
	seed := uint64(time.Now().UnixNano())
	if *seedFlag != 0 {
		seed = *seedFlag
	}
	t.Logf("-seed %d -faults %d", seed, *faults)
	return seed, rand.New(rand.NewPCG(seed, 0))
}

// The power fails at any moment: of the writes since the last sync some are there, some
// are not, some in part. What was acknowledged is there.
func TestPowerFailure(t *testing.T) {
	seed, rng := faultSeed(t)
	v := faulttest.RequireVolume(t, seed)
	path := filepath.Join(v.Dir(), "state", "journal.db")
	w := &writer{}
	lossy := 0
	for round := range *faults {
		w = startWriter(t, path, w.acked, w.most)
		if round > 0 { // the first one perhaps while the journal is being made
			w.hear(rng.IntN(6))
		}
		time.Sleep(time.Duration(rng.IntN(5000)) * time.Microsecond) // to be at any moment of a batch
		w.kill()
		if !v.Crash() {
			lossy++
		}
		checkCopy(t, v, w)
		if t.Failed() || w.errors != "" {
			t.Fatalf("in round %d: %s", round, w.errors)
		}
	}
	t.Logf("%d crash images, %d of them without some writes; %d steps acknowledged", *faults, lossy, w.acked)
	if w.acked == 0 || lossy == 0 {
		t.Error("there was nothing to lose")
	}
}

// Operations of the disk fail at any moment, once or for a while; then the power fails,
// or the process is killed, or nothing of that happens and it goes on without a hand. What was
// acknowledged is there, and nothing that was refused.
func TestIOErrors(t *testing.T) {
	seed, rng := faultSeed(t)
	v := faulttest.RequireVolume(t, seed)
	path := filepath.Join(v.Dir(), "state", "journal.db")
	w := &writer{}
	var recovered, powerFailures, kills int
	for round := 0; v.Failed() < *faults; round++ {
		if w.cmd == nil || w.ended {
			w = startWriter(t, path, w.acked, w.most)
			if !w.wait(func() bool { return w.ready }) {
				t.Fatalf("in round %d: it does not start: %s", round, w.errors)
			}
		}
		w.hear(rng.IntN(4))
		kinds := [][]string{{"sync"}, {"write"}, {"sync", "write"}, {"sync", "syncdir", "rename", "create"}, {"read", "sync"}, {"sync", "write", "truncate", "create", "rename", "link", "remove", "syncdir", "mkdir"}}[rng.IntN(6)]
		errno := []error{faulttest.EIO, faulttest.ENOSPC, faulttest.EROFS}[rng.IntN(3)]
		end := rng.IntN(3)
		skip, n := rng.IntN(8), 1+rng.IntN(6)
		if end > 0 { // otherwise it recovers, which takes longer after each failure
			n += 5 * rng.IntN(5)
		}
		failed := make(chan struct{})
		v.SetFail(func(o faulttest.Op) error {
			for _, k := range kinds {
				if o.Kind != k || n == 0 {
					continue
				}
				if skip > 0 {
					skip--
					return nil
				}
				if n--; n == 0 {
					close(failed)
				}
				time.Sleep(2 * time.Millisecond) // a slow disk: what is written meanwhile can be read
				return errno
			}
			return nil
		})
		v.DropCache()
		if end > 0 { // while the disk fails
			time.Sleep(time.Duration(rng.IntN(20)) * time.Millisecond)
			w.kill()
			if end == 1 {
				v.Crash()
				powerFailures++
			} else {
				kills++
			}
			v.SetFail(nil)
		} else {
			<-failed
			if !w.hear(2) {
				t.Fatalf("in round %d: it ended: %s", round, w.errors)
			}
			v.SetFail(nil)
			recovered++
			if rng.IntN(2) == 0 {
				w.kill()
			}
		}
		if w.ended {
			checkCopy(t, v, w)
		}
		if t.Failed() || w.said() != "" {
			t.Fatalf("in round %d: %s", round, w.said())
		}
	}
	w.kill()
	checkCopy(t, v, w)
	t.Logf("%d I/O errors; recovered without a hand %d times; meanwhile %d power failures and %d kills; %d steps acknowledged",
		v.Failed(), recovered, powerFailures, kills, w.acked)
}

// The file cannot be read for a while, which is a fault of the memory that it is mapped to:
// changes are refused, nothing hangs, and it goes on afterwards.
func TestReadError(t *testing.T) {
	seed, _ := faultSeed(t)
	v := faulttest.RequireVolume(t, seed)
	path := filepath.Join(v.Dir(), "state", "journal.db")
	w := startWriter(t, path, 0, 0)
	for round := range 5 {
		if !w.hear(2) {
			t.Fatalf("it ended: %s", w.said())
		}
		w.mu.Lock()
		before := w.refused
		w.mu.Unlock()
		v.SetFail(faulttest.FailKind("read", "journal.db", faulttest.EIO))
		if !w.wait(func() bool {
			v.DropCache()
			return w.refused > before
		}) {
			t.Fatalf("it ended: %s", w.said())
		}
		v.SetFail(nil)
		if !w.hear(2) || w.said() != "" {
			t.Fatalf("in round %d: %s", round, w.said())
		}
	}
	w.kill()
	checkCopy(t, v, w)
}
