package assemble

import (
	"hash/maphash"
	"io"
	"sync"
	"sync/atomic"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/infile"
	"github.com/ptrd/ptrd/zone/zonefile"
)

// Progress counts what Assemble does, so that others can report it meanwhile. The zero value is
// ready to use.
type Progress struct {
	zones, done    atomic.Int64
	records, bytes atomic.Int64
}

// Zones returns how many zones the current or last Assemble has to process, and how many of them
// are done, including reused ones.
func (p *Progress) Zones() (done, all int64) { return p.done.Load(), p.zones.Load() }

// Read returns how many records and octets of sources every Assemble has read so far.
func (p *Progress) Read() (records, octets int64) { return p.records.Load(), p.bytes.Load() }

// worker is the state of one goroutine that builds zones. If that goroutine is abandoned because
// a read does not return, its successor continues with the same worker.
type worker struct {
	task     *infile.Task
	pause    func() // nil: never
	progress *Progress
	seed     maphash.Seed
	records  int64         // not yet added to progress
	budget   *memoryBudget // nil: there is no other worker
	reserved int64         // octets of the budget

	// What one zone after the other is read and built in.
	room    *zonefile.Room
	builder *zone.Builder // nil: not yet
	answer  *zone.Answer  // of lookups in zones that are planned; nil: not yet
}

// begin makes the worker use task. A read of the task before that hung may still write to
// the room.
func (w *worker) begin(task *infile.Task) {
	w.task, w.room, w.builder = task, new(zonefile.Room), nil
}

// newBuilder returns a builder of part i of an item. Most items have one.
func (w *worker) newBuilder(i int, apex dname.Name) *zone.Builder {
	b := w.builder
	if i > 0 || b == nil {
		b = zone.NewBuilder(apex)
	} else {
		b.Reset(apex)
	}
	if i == 0 {
		w.builder = b
	}
	b.MergeCase()
	return b
}

// reserve waits until zones may be built from sources of so many octets.
func (w *worker) reserve(octets int64) {
	w.budget.acquire(octets)
	w.reserved = octets
}

// unreserve returns what reserve acquired.
func (w *worker) unreserve() {
	if w.reserved > 0 {
		w.budget.release(w.reserved)
		w.reserved = 0
	}
}

// pauseRecords is how many records are read between two pauses: some twenty microseconds of work.
const pauseRecords = 64

// mayPause gives way to queries. It is called between steps of some microseconds each.
func (w *worker) mayPause() {
	if w.pause != nil {
		w.pause()
	}
}

// countRecord counts a record and may pause after every pauseRecords of them.
func (w *worker) countRecord() {
	if w.records++; w.records == pauseRecords {
		w.reportRecords()
		w.mayPause()
	}
}

// reportRecords adds the records that were counted to the progress.
func (w *worker) reportRecords() {
	w.progress.records.Add(w.records)
	w.records = 0
}

// reader returns a reader of the same octets that counts them and may pause before each read.
func (w *worker) reader(r io.Reader) io.Reader { return workReader{w, r} }

type workReader struct {
	w *worker
	r io.Reader
}

func (r workReader) Read(b []byte) (int, error) {
	r.w.mayPause()
	n, err := r.r.Read(b)
	r.w.progress.bytes.Add(int64(n))
	return n, err
}

// maxAtOnce bounds the size in octets of the sources of all zones that are built at the same
// time: a zone that is being built takes about as much memory as its sources have octets. A
// larger zone is built alone. A smaller bound would leave processors idle where zones have some
// ten million records each.
const maxAtOnce = 512 << 20

// memoryBudget hands out maxAtOnce octets.
type memoryBudget struct {
	mu       sync.Mutex
	released sync.Cond
	used     int64
}

func newMemoryBudget() *memoryBudget {
	b := new(memoryBudget)
	b.released.L = &b.mu
	return b
}

// acquire waits until n octets are left, or none are used.
func (b *memoryBudget) acquire(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.used > 0 && b.used+n > maxAtOnce {
		b.released.Wait()
	}
	b.used += n
}

func (b *memoryBudget) release(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= n
	b.released.Broadcast()
}
