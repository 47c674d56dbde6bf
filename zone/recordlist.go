package zone

// recordList collects records in pieces, so that none of its steps takes long
// however many there are: a slice that grows is copied as a whole.
type recordList struct {
	pieces [][]Record // the last one has room
	n      int
}

// The first piece of a recordList is small, as most changesets are; each further one
// is twice as large, until it takes some ten microseconds to make.
const (
	firstPiece = 4
	maxPiece   = 512
)

// recordOctets is what a Record takes on a 64-bit system, its owner and RDATA not
// counted.
const recordOctets = 64

func (l *recordList) add(r Record) {
	last := len(l.pieces) - 1
	if last < 0 || len(l.pieces[last]) == cap(l.pieces[last]) {
		last++
		l.pieces = append(l.pieces, make([]Record, 0, min(firstPiece<<min(last, 16), maxPiece)))
	}
	l.pieces[last] = append(l.pieces[last], r)
	l.n++
}

// join returns all records in one slice; the list is spent.
func (l *recordList) join(p *pauser) []Record {
	if len(l.pieces) <= 1 {
		for _, piece := range l.pieces {
			return piece
		}
		return nil
	}
	all := make([]Record, 0, l.n)
	for i, piece := range l.pieces {
		all = append(all, piece...)
		l.pieces[i] = nil
		for range piece {
			p.step()
		}
	}
	return all
}
