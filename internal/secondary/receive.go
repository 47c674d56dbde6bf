package secondary

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonefile"
)

// Asked is the request that a Receiver takes the answer to.
type Asked struct {
	ID   uint16
	Type rr.Type // AXFR or IXFR
	Apex dname.Name
	Base *zone.Zone // that we have, with data; nil: none. IXFR needs one

	// AnySerial takes whatever serial the primary has, not only those after Base's.
	AnySerial bool

	// MaxOctets bounds the records, uncompressed; 0: DefaultMaxOctets. The memory that they
	// take until the zone is built is bounded by MemoryFactor times as much.
	MaxOctets int64

	Pause func() // called every few microseconds of the work; nil: never
}

// MemoryFactor is how many octets of memory a zone may take while it comes and is built,
// for each octet of MaxOctets. Names and PTRs of usual length need 1 to 3, records of
// some 25 octets with a name each, the shortest there are, 5; then half of it or less is
// given back. An IXFR keeps its changes meanwhile, of which the same is true.
const MemoryFactor = 6

// DefaultMaxOctets is how large a zone may be where nothing else is configured:
// some fifteen million PTRs, which take half as much in memory. It is there for
// the primary that sends without end.
const DefaultMaxOctets = 1 << 30

// Received is what a whole answer comes to.
type Received struct {
	Serial   zone.Serial       // that the primary has
	Zone     *zone.Zone        // nil: there is nothing after the serial of Base
	Changes  []*zone.Changeset // that lead from Base to Zone; nil: it came whole
	Findings []zone.Finding    // Warnings about what came: it is served all the same
	Outside  int               // records that an IXFR had out of zone; they are ignored

	Expire    uint32 // seconds that the primary will have the zone for (RFC 7314)
	HasExpire bool

	Messages, Records int
}

// Receiver makes a zone out of the messages of one answer. It serves one goroutine.
type Receiver struct {
	a           Asked
	out         Received
	state       state
	soa         soa    // that the answer began with
	octets      int64  // of records so far, uncompressed
	owner, data []byte // room for a record

	builder *zone.Builder // of a zone that comes whole
	steps   steps         // of one that comes in differences
}

// state is what the next record is to be.
type state uint8

const (
	atFirst   state = iota // the SOA that the primary has
	atSecond               // of an IXFR: it tells differences from a whole zone
	inWhole                // a record of the zone, or the SOA again
	inRemoved              // of differences
	inAdded
	atEnd
)

// soa is an SOA at the apex.
type soa struct {
	ttl    uint32
	data   []byte
	serial zone.Serial
}

// NewReceiver returns a Receiver of the answer to a request.
func NewReceiver(a Asked) *Receiver {
	if a.Type == rr.TypeIXFR && a.Base == nil {
		panic("secondary: IXFR without a zone to begin at")
	}
	if a.MaxOctets == 0 {
		a.MaxOctets = DefaultMaxOctets
	}
	if a.Pause == nil {
		a.Pause = func() {}
	}
	return &Receiver{a: a, owner: make([]byte, 0, dname.MaxWire)}
}

// RefusedError is an answer without data.
type RefusedError struct{ RCode wire.RCode }

func (e *RefusedError) Error() string { return "answers " + e.RCode.String() }

// Message takes the next message, without its TSIG record. done says that it was
// the last one. After an error the answer is of no use; msg is the caller's again.
func (r *Receiver) Message(msg []byte) (done bool, err error) {
	r.out.Messages++
	if err := r.message(msg); err != nil {
		var refused *RefusedError
		if errors.As(err, &refused) {
			return false, err
		}
		return false, fmt.Errorf("message %d: %w", r.out.Messages, err)
	}
	return r.state == atEnd, nil
}

// isLone reports whether an IXFR has brought a newer SOA so far and nothing else.
func (r *Receiver) isLone() bool { return r.state == atSecond }

// Received returns what came, once Message said that it is done.
func (r *Receiver) Received() *Received {
	if r.state != atEnd {
		panic("secondary: an answer is used that has not come to its end")
	}
	return &r.out
}

var (
	errMalformed = errors.New("it is malformed")
	errTruncated = errors.New("it is truncated (TC)")
	errNoSOA     = errors.New("there is no SOA of the zone in it")
)

func (r *Receiver) message(msg []byte) error {
	h, off, err := readHead(msg, r.a.ID, r.a.Apex, r.a.Type, r.out.Messages == 1)
	if err != nil {
		return err
	}
	// What OPT says is needed before the records: an RCODE that is no answer.
	if err := r.readAdditional(msg, off, h); err != nil {
		return err
	}
	if h.Answers == 0 {
		return errors.New("there is no record in it")
	}
	for range h.Answers {
		if r.state == atEnd {
			if r.out.Zone == nil {
				return nil // the primary has no differences, whatever else it sends
			}
			return errors.New("records follow the SOA that ends the answer")
		}
		if off, err = r.next(msg, off); err != nil {
			return fmt.Errorf("record %d: %w", r.out.Records, err)
		}
	}
	return nil
}

// readHead checks the header and question of a response (RFC 5936 §2.2.1) and
// returns the offset of its first record. RFC 5936 wants AA in transfers as well,
// which Knot DNS does not set; it matters in the answer to the SOA query alone.
func readHead(msg []byte, id uint16, name dname.Name, t rr.Type, first bool) (h wire.Header, off int, err error) {
	h, ok := wire.ReadHeader(msg)
	f := h.Flags
	switch {
	case !ok:
		return h, 0, errMalformed
	case h.ID != id:
		return h, 0, fmt.Errorf("ID %d, asked with %d", h.ID, id)
	case f&wire.QR == 0 || f.Opcode() != wire.OpcodeQuery:
		return h, 0, errors.New("it is no response to a query")
	case f.RCode() != wire.RCodeNoError:
		return h, 0, &RefusedError{f.RCode()}
	case h.Questions > 1 || h.Questions == 0 && first:
		return h, 0, fmt.Errorf("it has %d questions", h.Questions)
	}
	off = wire.HeaderLen
	if h.Questions == 1 {
		q, next := wire.ReadQuestion(msg, off)
		switch {
		case next < 0:
			return h, 0, errMalformed
		case !q.Name.Equal(name) || q.Type != t || q.Class != rr.ClassIN:
			return h, 0, fmt.Errorf("the question is %v %v %v, asked for %v %v", q.Name, q.Class, q.Type, name, t)
		}
		off = next
	}
	switch {
	case f&wire.TC != 0:
		return h, 0, errTruncated
	case t == rr.TypeSOA && f&wire.AA == 0:
		return h, 0, errors.New("the server has no authority for the zone (AA is not set); it may not have loaded it, or be no primary of it")
	}
	return h, off, nil
}

// readAdditional reads what the OPT record of the message says, and finds the
// message malformed now if it is anywhere.
func (r *Receiver) readAdditional(msg []byte, off int, h wire.Header) error {
	o, err := readOPT(msg, off, h)
	if err != nil {
		return err
	}
	if o.hasExpire {
		r.out.Expire, r.out.HasExpire = o.expire, true
	}
	return nil
}

// optSays is what we read of an OPT record.
type optSays struct {
	expire    uint32 // seconds, RFC 7314
	hasExpire bool
}

// readOPT walks over all records of a response and reads the OPT record, if there
// is one. An error is an RCODE that only EDNS has, or errMalformed.
func readOPT(msg []byte, off int, h wire.Header) (says optSays, err error) {
	before := int(h.Answers) + int(h.Authorities)
	for i := range before + int(h.Additionals) {
		rec, next := wire.ReadRecord(msg, off)
		if next < 0 {
			return says, errMalformed
		}
		off = next
		if i < before || rec.Type != rr.TypeOPT {
			continue
		}
		edns := wire.EDNSOf(rec)
		if c := wire.RCode(edns.RCode)<<4 | h.Flags.RCode(); c != wire.RCodeNoError {
			return says, &RefusedError{c}
		}
		it := wire.IterOptions(edns.Options)
		for it.Next() {
			if it.Code == wire.OptionExpire && len(it.Data) == 4 {
				says.expire, says.hasExpire = binary.BigEndian.Uint32(it.Data), true
			}
		}
	}
	if off != len(msg) {
		return says, errMalformed
	}
	return says, nil
}

// pauseRecords is how many records, each well below a microsecond, lie between two
// pauses.
const pauseRecords = 64

// next reads the record at offset off, hands it on and returns the offset behind it.
func (r *Receiver) next(msg []byte, off int) (int, error) {
	if r.out.Records++; r.out.Records%pauseRecords == 0 {
		r.a.Pause()
		if held := r.held(); held > MemoryFactor*r.a.MaxOctets {
			return 0, fmt.Errorf("more than %d octets of memory; raise `max_size` if the zone is as large", held)
		}
	}
	raw, next := wire.ReadRecord(msg, off) // readOPT has been here
	owner := wire.AppendName(r.owner[:0], msg, raw.Owner)
	if owner == nil {
		return 0, errMalformed
	}
	data, ok := wire.AppendRData(r.data[:0], msg, raw, next)
	r.data = data
	rec := zone.Record{Owner: owner, Type: raw.Type, TTL: raw.TTL, Data: data}
	switch {
	case !ok:
		return 0, fmt.Errorf("%v at %v: the RDATA is malformed", raw.Type, owner)
	case raw.Class != rr.ClassIN:
		return 0, fmt.Errorf("%v at %v: class %v, the zone is IN", raw.Type, owner, raw.Class)
	case raw.Type.IsMeta():
		return 0, fmt.Errorf("%v at %v: the type exists in queries only (RFC 6895 §3.1)", raw.Type, owner)
	}
	if !isPlain(raw.Type) {
		// Other name servers carry such octets as they are, and so do we.
		if reason := zonefile.CheckRData(raw.Type, data); reason != "" && r.state != inRemoved {
			r.warn(zone.Finding{Code: "odd-rdata", Owner: rec.Owner.Clone(), Type: rec.Type, Text: fmt.Sprintf("the RDATA is not of this type: %s; correct it at the primary", reason)})
		}
	}
	if rec.TTL > 1<<31-1 {
		rec.TTL = 0 // RFC 2181 §8
	}
	if r.octets += int64(len(owner) + 10 + len(data)); r.octets > r.a.MaxOctets {
		return 0, fmt.Errorf("more than %d octets of records; raise `max_size` if the zone is as large", r.a.MaxOctets)
	}
	return next, r.take(&rec)
}

// held returns how much memory the records take so far.
func (r *Receiver) held() int64 {
	if r.builder != nil {
		return r.builder.Held()
	}
	return r.steps.held
}

// maxFindings is how many findings of one zone are kept.
const maxFindings = 100

// warn adds findings, as far as there is room.
func (r *Receiver) warn(list ...zone.Finding) {
	room := maxFindings - len(r.out.Findings)
	r.out.Findings = append(r.out.Findings, list[:max(min(len(list), room), 0)]...)
}

// isPlain reports whether RDATA that AppendRData took, or that package zone checks
// anyway, needs no further look.
func isPlain(t rr.Type) bool {
	switch t {
	case rr.TypePTR, rr.TypeNS, rr.TypeCNAME, rr.TypeDNAME, rr.TypeSOA, rr.TypeMX, rr.TypeSRV, rr.TypeA, rr.TypeAAAA:
		return true
	}
	return false
}

// take does with a record what it is there for. Its octets are the caller's again.
func (r *Receiver) take(rec *zone.Record) error {
	isSOA := rec.Type == rr.TypeSOA && rec.Owner.Equal(r.a.Apex)
	var s soa
	if isSOA {
		var err error
		if s, err = soaOf(rec); err != nil {
			return err
		}
	}
	switch r.state {
	case atFirst:
		if !isSOA {
			return fmt.Errorf("the answer begins with %v at %v, must begin with the SOA of the zone", rec.Type, rec.Owner)
		}
		return r.begin(rec, s)
	case atSecond:
		switch {
		case !isSOA || s.serial == r.soa.serial:
			r.beginWhole()
		case s.serial == r.a.Base.Serial():
			r.beginSteps(s)
			return nil
		default:
			return fmt.Errorf("the differences begin at serial %d, asked for those from %d", s.serial, r.a.Base.Serial())
		}
		fallthrough
	case inWhole:
		if !isSOA {
			r.builder.Add(*rec)
			return nil
		}
		if !r.soa.equal(&s) {
			return fmt.Errorf("the answer began with serial %d and ends with %d: the zone changed meanwhile", r.soa.serial, s.serial)
		}
		return r.endWhole()
	}
	return r.difference(rec, s, isSOA)
}

// begin takes the first record, the SOA that the primary has.
func (r *Receiver) begin(rec *zone.Record, s soa) error {
	r.soa, r.out.Serial = s, s.serial
	isNew := r.a.AnySerial || r.a.Base == nil || r.a.Base.Serial().Before(s.serial)
	switch {
	case r.a.Type == rr.TypeIXFR && (!isNew || s.serial == r.a.Base.Serial()):
		r.state = atEnd // RFC 1995 §2: nothing but the SOA
	case !isNew:
		return fmt.Errorf("serial %d is not after %d, which we have", s.serial, r.a.Base.Serial())
	case r.a.Type == rr.TypeIXFR:
		r.state = atSecond
	default:
		r.beginWhole()
	}
	return nil
}

// soaOf returns a copy of the SOA in rec.
func soaOf(rec *zone.Record) (s soa, err error) {
	mname := dname.FromWire(rec.Data)
	if mname != nil {
		rname := dname.FromWire(rec.Data[len(mname):])
		if numbers := rec.Data[len(mname)+len(rname):]; rname != nil && len(numbers) == 20 {
			return soa{rec.TTL, append([]byte(nil), rec.Data...), zone.Serial(binary.BigEndian.Uint32(numbers))}, nil
		}
	}
	return s, fmt.Errorf("SOA at %v: the RDATA is malformed", rec.Owner)
}

// equal compares without the case of names, which compression may change.
func (s *soa) equal(t *soa) bool { return rr.EqualData(rr.TypeSOA, s.data, t.data) }
