package assemble

import "io"

// pauser lets others have the processor in between. Each goroutine that computes
// has its own; a nil pause is never called.
type pauser struct {
	pause   func()
	records uint
}

// pauseRecords is how many records are read between two pauses: some twenty
// microseconds of work.
const pauseRecords = 64

// now may pause. It is for steps of some microseconds each.
func (p *pauser) now() {
	if p.pause != nil {
		p.pause()
	}
}

// record may pause once in so many records.
func (p *pauser) record() {
	if p.records++; p.records%pauseRecords == 0 {
		p.now()
	}
}

// reader returns a reader of the same octets that may pause before each read.
func (p *pauser) reader(r io.Reader) io.Reader {
	if p.pause == nil {
		return r
	}
	return pausingReader{p, r}
}

type pausingReader struct {
	p *pauser
	r io.Reader
}

func (r pausingReader) Read(b []byte) (int, error) {
	r.p.now()
	return r.r.Read(b)
}
