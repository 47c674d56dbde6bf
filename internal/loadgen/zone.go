package loadgen

import (
	"fmt"
	"hash/maphash"
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/source"
	"github.com/ptrd/ptrd/zone/zonefile"
)

// ZoneOptions say what is asked about a zone.
type ZoneOptions struct {
	Origin dname.Name

	// Missing is the part of the questions, 0 to 1, that ask for names that the file
	// does not have. Those are made of names that it has, with other octets or
	// nibbles in the lower half of the address, or else another first label; a wildcard
	// may match them all the same.
	Missing float64

	// Seed decides the missing names and the order.
	Seed uint64
}

// FileError describes what is wrong with a master file, one line for each finding.
type FileError struct{ Findings []string }

func (e *FileError) Error() string {
	if len(e.Findings) == 1 {
		return e.Findings[0]
	}
	return fmt.Sprintf("%s (and %d more; `ptrd check --origin` lists all)", e.Findings[0], len(e.Findings)-1)
}

// ReadZone reads a master file and returns a question for each RRset in it, in
// random order. RRsets of DNSSEC that no client asks for (RRSIG, NSEC and NSEC3) are
// left out.
func ReadZone(path string, o ZoneOptions) (*Questions, error) {
	if math.IsNaN(o.Missing) || o.Missing < 0 || o.Missing > 1 {
		return nil, fmt.Errorf("a part of %v missing names, 0 to 1 is allowed", o.Missing)
	}
	s := zoneSet{origin: o.Origin, q: &Questions{}, seen: map[uint64]struct{}{}, seed: maphash.MakeSeed()}
	var table source.Table
	r := zonefile.Load(path, zonefile.Options{
		Origin: o.Origin, HasFallbackTTL: true, FallbackTTL: 3600, Table: &table, GenerateLimit: maxGenerate,
	}, s.add)
	if !r.OK() {
		e := &FileError{}
		for _, f := range r.Findings {
			if f.Severity == finding.Error {
				e.Findings = append(e.Findings, table.Locate(f).String())
			}
		}
		return nil, e
	}
	if s.err != nil {
		return nil, fmt.Errorf("%s: %w", path, s.err)
	}
	if s.q.Len() == 0 {
		return nil, fmt.Errorf("%s: there is no record in it to ask for", path)
	}
	q, err := s.withMissing(o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	q.Shuffle(o.Seed)
	return q, nil
}

// maxGenerate takes a /8 written as $GENERATE; the questions have a bound of their own.
const maxGenerate = 1 << 24

// zoneSet collects questions, each once. Names are known by their hash of 64 bits:
// where two have the same one, which a billion names make happen with a chance of 1
// in 40, a question is left out.
type zoneSet struct {
	origin dname.Name

	q    *Questions
	seen map[uint64]struct{} // hashes of owners with a type, and of owners alone
	seed maphash.Seed
	err  error
}

// hash returns the hash of an owner name, with a type or, for type 0, alone.
func (s *zoneSet) hash(n dname.Name, t rr.Type) uint64 {
	var buf [dname.MaxWire + 2]byte
	return maphash.Bytes(s.seed, append(n.AppendLower(buf[:0]), byte(t>>8), byte(t)))
}

func (s *zoneSet) add(r zone.Record) {
	switch r.Type {
	case rr.TypeRRSIG, rr.TypeNSEC, rr.TypeNSEC3:
		return
	}
	if !r.Owner.IsAtOrBelow(s.origin) {
		return
	}
	h := s.hash(r.Owner, r.Type)
	if _, known := s.seen[h]; known || s.err != nil {
		return
	}
	s.seen[h] = struct{}{}
	s.seen[s.hash(r.Owner, 0)] = struct{}{}
	s.err = s.q.Add(r.Owner, r.Type)
}

// withMissing returns the questions with the missing names that the options ask for.
func (s *zoneSet) withMissing(o ZoneOptions) (*Questions, error) {
	there, missing := s.q.Len(), 0
	switch {
	case o.Missing == 1:
		missing = there
	case o.Missing > 0:
		n := math.Ceil(float64(there) * o.Missing / (1 - o.Missing))
		if n > maxQuestionOctets {
			return nil, fmt.Errorf("%.0f missing names for the %d that are there; ask for a smaller part, or for 1", n, there)
		}
		missing = int(n)
	}
	q := s.q
	if o.Missing == 1 {
		q = &Questions{}
	}
	random := rand.New(rand.NewPCG(o.Seed, 1))
	for range missing {
		owner, t := s.q.At(random.IntN(there))
		if err := q.Add(s.missing(owner, random), t); err != nil {
			return nil, err
		}
	}
	return q, nil
}

// missing returns a name at or below the origin that is not in the zone.
func (s *zoneSet) missing(owner dname.Name, random *rand.Rand) dname.Name {
	const tries = 8 // a part that is full of names has no free one
	if f, address, rest := dname.Tree(owner); f != dname.Forward && rest == 0 {
		below := owner.Labels() - s.origin.Labels()
		for range tries {
			n := neighbour(owner, f, min((address+1)/2, below), random)
			if _, taken := s.seen[s.hash(n, 0)]; !taken && n.IsAtOrBelow(s.origin) {
				return n
			}
		}
	}
	above := owner
	for above.Labels() > s.origin.Labels() {
		above = above.Parent()
		if n, err := above.Prepend(strconv.AppendUint([]byte("no-"), random.Uint64(), 36)); err == nil {
			return n
		}
	}
	n, err := s.origin.Prepend(strconv.AppendUint([]byte("no-"), random.Uint64(), 36))
	if err != nil {
		return owner // an origin of such a length has no room for names below it
	}
	return n
}

// neighbour returns a reverse name whose first labels are random.
func neighbour(owner dname.Name, f dname.Family, labels int, random *rand.Rand) dname.Name {
	n := owner.Suffix(owner.Labels() - labels)
	for range labels {
		label := strconv.AppendInt(nil, int64(random.IntN(256)), 10)
		if f == dname.IP6 {
			label = strconv.AppendInt(nil, int64(random.IntN(16)), 16)
		}
		n, _ = n.Prepend(label) // a reverse name is never too long
	}
	return n
}
