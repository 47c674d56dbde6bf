package loadgen

import (
	"fmt"
	"math/rand/v2"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Source makes the questions of a run.
type Source interface {
	// cursor returns the questions of one worker of several. Workers use their
	// cursors at the same time.
	cursor(worker, workers int) cursor
}

// cursor hands out one question after the other, without end.
type cursor interface {
	// appendQuestion appends name and type, in wire form, of the next question.
	appendQuestion(dst []byte) []byte
}

// maxQuestionOctets bounds the memory of Questions: 30 million names of IPv4
// addresses, or 14 million of IPv6.
const maxQuestionOctets = 1 << 30

// Questions is a set of questions in an order, in memory. The zero value is empty. It is
// asked from its start again when it has come to its end.
type Questions struct {
	octets []byte   // name and type of one question after the other
	starts []uint32 // of each question in octets
}

// Len returns the number of questions.
func (q *Questions) Len() int { return len(q.starts) }

// Add appends a question. The error says that there is no room for it.
func (q *Questions) Add(name dname.Name, t rr.Type) error {
	if len(q.octets)+len(name)+2 > maxQuestionOctets {
		return fmt.Errorf("more than %d octets of questions, %d of them so far; take a sample", maxQuestionOctets, q.Len())
	}
	q.starts = append(q.starts, uint32(len(q.octets)))
	q.octets = append(append(q.octets, name...), byte(t>>8), byte(t))
	return nil
}

// At returns question i, its name as a view of q.
func (q *Questions) At(i int) (dname.Name, rr.Type) {
	b := q.at(i)
	n := len(b) - 2
	return dname.Name(b[:n:n]), rr.Type(b[n])<<8 | rr.Type(b[n+1])
}

func (q *Questions) at(i int) []byte {
	end := len(q.octets)
	if i+1 < len(q.starts) {
		end = int(q.starts[i+1])
	}
	return q.octets[q.starts[i]:end]
}

// Shuffle puts the questions into an order that the seed decides.
func (q *Questions) Shuffle(seed uint64) {
	order := rand.New(rand.NewPCG(seed, 0)).Perm(q.Len())
	mixed := Questions{octets: make([]byte, 0, len(q.octets)), starts: make([]uint32, 0, len(q.starts))}
	for _, i := range order {
		mixed.starts = append(mixed.starts, uint32(len(mixed.octets)))
		mixed.octets = append(mixed.octets, q.at(i)...)
	}
	*q = mixed
}

func (q *Questions) cursor(worker, workers int) cursor {
	return &questionsCursor{q: q, next: worker % q.Len(), step: workers}
}

// questionsCursor takes every step-th question.
type questionsCursor struct {
	q          *Questions
	next, step int
}

func (c *questionsCursor) appendQuestion(dst []byte) []byte {
	dst = append(dst, c.q.at(c.next)...)
	c.next += c.step
	for c.next >= c.q.Len() {
		c.next -= c.q.Len()
	}
	return dst
}
