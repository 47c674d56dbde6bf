package assemble

import (
	"io"
	"sync"
	"sync/atomic"

	"github.com/ptrd/ptrd/zone/infile"
)

// Progress counts what Assemble does, for others to look at meanwhile. The zero
// value is ready.
type Progress struct {
	zones, done    atomic.Int64
	records, bytes atomic.Int64
}

// Zones returns how many zones the Assemble under way, or the last one, has to do
// with, and how many of them are done, reused ones included.
func (p *Progress) Zones() (done, all int64) { return p.done.Load(), p.zones.Load() }

// Read returns how many records and octets of sources were read so far, by every
// Assemble.
func (p *Progress) Read() (records, octets int64) { return p.records.Load(), p.bytes.Load() }

// worker is what a goroutine that makes zones has of its own. If that goroutine is
// abandoned in a read, the next one goes on with the worker.
type worker struct {
	task     *infile.Task
	pause    func() // nil: never
	progress *Progress
	records  int64 // not told to progress yet
	room     *room // nil: there is no other worker
	taken    int64 // octets of it
}

// takeRoom waits for room in which to make zones from so many octets.
func (w *worker) takeRoom(octets int64) {
	w.room.take(octets)
	w.taken = octets
}

// giveRoom gives back what takeRoom took.
func (w *worker) giveRoom() {
	if w.taken > 0 {
		w.room.give(w.taken)
		w.taken = 0
	}
}

// pauseRecords is how many records are read between two pauses: some twenty
// microseconds of work.
const pauseRecords = 64

// rest may pause. It is for steps of some microseconds each.
func (w *worker) rest() {
	if w.pause != nil {
		w.pause()
	}
}

// record counts a record, and may pause once in so many of them.
func (w *worker) record() {
	if w.records++; w.records == pauseRecords {
		w.tell()
		w.rest()
	}
}

// tell adds what was counted to the progress.
func (w *worker) tell() {
	w.progress.records.Add(w.records)
	w.records = 0
}

// reader returns a reader of the same octets that counts them, and may pause
// before each read.
func (w *worker) reader(r io.Reader) io.Reader { return workReader{w, r} }

type workReader struct {
	w *worker
	r io.Reader
}

func (r workReader) Read(b []byte) (int, error) {
	r.w.rest()
	n, err := r.r.Read(b)
	r.w.progress.bytes.Add(int64(n))
	return n, err
}

// maxAtOnce bounds the octets of the sources of all zones that are made at the same
// time: while a zone is made it takes about as much memory as its sources have
// octets. A larger one is made alone. Less would keep processors idle where zones
// have some ten million records each.
const maxAtOnce = 512 << 20

// room is what is left of maxAtOnce.
type room struct {
	mu    sync.Mutex
	freed sync.Cond
	taken int64
}

func newRoom() *room {
	r := new(room)
	r.freed.L = &r.mu
	return r
}

// take waits until there is room for n octets, or nobody else has any.
func (r *room) take(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.taken > 0 && r.taken+n > maxAtOnce {
		r.freed.Wait()
	}
	r.taken += n
}

func (r *room) give(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken -= n
	r.freed.Broadcast()
}
