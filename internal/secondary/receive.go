package secondary

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
)

// request is a transfer request, whose answer a receiver reads.
type request struct {
	id   uint16
	typ  rr.Type // AXFR or IXFR
	apex dname.Name
	base *zone.Zone // the current copy, with data; nil: none. IXFR needs one

	// anySerial accepts any serial of the primary, not only those after that of base.
	anySerial bool

	// maxOctets bounds the uncompressed records; 0: defaultMaxOctets. The memory that they take
	// until the zone is built is bounded by memoryFactor times as much.
	maxOctets int64

	pause func() // called every few microseconds of the work; nil: never
}

// memoryFactor is how many octets of memory a zone may take while it is received and built, for each
// octet of maxOctets. Names and PTRs of usual length need 1 to 3. The shortest records, of some 25
// octets with a name each, need 5; half of it or more is freed when the zone is built. The changesets
// of an IXFR need as much.
const memoryFactor = 6

// defaultMaxOctets is the default size limit of a zone: some fifteen million PTRs, which take half as
// much in memory. It protects against a primary that never ends its answer.
const defaultMaxOctets = 1 << 30

// received is the content of a complete answer.
type received struct {
	serial   zone.Serial       // of the primary
	zone     *zone.Zone        // nil: the primary has nothing after the serial of base
	changes  []*zone.Changeset // that lead from base to zone; nil: the whole zone was sent
	findings []finding.Finding // warnings: the zone is served nevertheless
	outside  int               // records of an IXFR that are out of zone; they are ignored

	expire    uint32 // seconds until the primary's copy expires (RFC 7314)
	hasExpire bool

	messages, records int
}

// receiver builds a zone from the messages of one answer. It is not safe for concurrent use.
type receiver struct {
	a           request
	out         received
	state       state
	soa         soa    // first record of the answer
	octets      int64  // of records so far, uncompressed
	owner, data []byte // buffers for one record

	builder     *zone.Builder // of a zone that is sent as a whole
	differences differences   // of an IXFR
}

// state is what the next record must be.
type state uint8

const (
	atFirst   state = iota // the SOA of the primary
	atSecond               // of an IXFR: an SOA if differences follow, else a record of a whole zone
	inWhole                // a record of the zone, or the first SOA again
	inRemoved              // a record that a difference removes, or the SOA that ends them
	inAdded                // a record that it adds, or the SOA that ends them
	atEnd                  // no record
)

// soa is an SOA at the apex.
type soa struct {
	ttl    uint32
	data   []byte
	serial zone.Serial
}

// newReceiver returns a receiver of the answer to a request.
func newReceiver(a request) *receiver {
	if a.typ == rr.TypeIXFR && a.base == nil {
		panic("secondary: IXFR without a current copy")
	}
	if a.maxOctets == 0 {
		a.maxOctets = defaultMaxOctets
	}
	if a.pause == nil {
		a.pause = func() {}
	}
	return &receiver{a: a, owner: make([]byte, 0, dname.MaxWire)}
}

// RefusedError is an answer without data.
type RefusedError struct{ RCode wire.RCode }

func (e *RefusedError) Error() string {
	text := "answers " + e.RCode.String()
	if e.RCode == wire.RCodeRefused || e.RCode == wire.RCodeNotAuth {
		text += "; it has to serve the zone, and to allow transfers to the address or key of this server"
	}
	return text
}

// addMessage reads the next message, without its TSIG record. done reports that the answer is
// complete. After an error the receiver must not be used. It does not keep msg.
func (r *receiver) addMessage(msg []byte) (done bool, err error) {
	r.out.messages++
	if err := r.readMessage(msg); err != nil {
		var refused *RefusedError
		if errors.As(err, &refused) {
			return false, err
		}
		return false, fmt.Errorf("message %d: %w", r.out.messages, err)
	}
	return r.state == atEnd, nil
}

// isLone reports whether only a newer SOA was received so far of an IXFR.
func (r *receiver) isLone() bool { return r.state == atSecond }

// result returns the content of the answer after addMessage reported that it is complete.
func (r *receiver) result() *received {
	if r.state != atEnd {
		panic("secondary: an incomplete answer is used")
	}
	return &r.out
}

var (
	errMalformed = errors.New("it is malformed")
	errTruncated = errors.New("it is truncated (TC)")
	errNoSOA     = errors.New("there is no SOA of the zone in it")
)

func (r *receiver) readMessage(msg []byte) error {
	h, off, err := readHead(msg, r.a.id, r.a.apex, r.a.typ, r.out.messages == 1)
	if err != nil {
		return err
	}
	// The OPT record first: it may have an RCODE.
	opt, err := readOPT(msg, off, h)
	if err != nil {
		return err
	}
	if opt.hasExpire {
		r.out.expire, r.out.hasExpire = opt.expire, true
	}
	if h.Answers == 0 {
		return errors.New("there is no record in it")
	}
	for range h.Answers {
		if r.state == atEnd {
			if r.out.zone == nil {
				return nil // the primary has no differences; other records are ignored
			}
			return errors.New("records follow the SOA that ends the answer")
		}
		if off, err = r.readRecord(msg, off); err != nil {
			return fmt.Errorf("record %d: %w", r.out.records, err)
		}
	}
	return nil
}

// readHead checks the header and question of a response (RFC 5936 §2.2.1) and returns the offset of
// its first record. RFC 5936 requires AA also in transfers, which Knot DNS does not set. It is only
// checked in the answer to the SOA query.
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

// optData is what is used of an OPT record.
type optData struct {
	expire    uint32 // seconds, RFC 7314
	hasExpire bool
}

// readOPT walks over all records of a response and reads the OPT record, if there is one. It returns
// errMalformed if any record is malformed, and a RefusedError if there is an extended RCODE.
func readOPT(msg []byte, off int, h wire.Header) (opt optData, err error) {
	before := int(h.Answers) + int(h.Authorities)
	for i := range before + int(h.Additionals) {
		rec, next := wire.ReadRecord(msg, off)
		if next < 0 {
			return opt, errMalformed
		}
		off = next
		if i < before || rec.Type != rr.TypeOPT {
			continue
		}
		edns := wire.EDNSOf(rec)
		if c := wire.RCode(edns.RCode)<<4 | h.Flags.RCode(); c != wire.RCodeNoError {
			return opt, &RefusedError{c}
		}
		it := wire.IterOptions(edns.Options)
		for it.Next() {
			if it.Code == wire.OptionExpire && len(it.Data) == 4 {
				opt.expire, opt.hasExpire = binary.BigEndian.Uint32(it.Data), true
			}
		}
	}
	if off != len(msg) {
		return opt, errMalformed
	}
	return opt, nil
}

// pauseRecords is how many records, of less than a microsecond each, are read between two pauses.
const pauseRecords = 64

// readRecord reads and handles the record at offset off and returns the offset after it.
func (r *receiver) readRecord(msg []byte, off int) (int, error) {
	if r.out.records++; r.out.records%pauseRecords == 0 {
		r.a.pause()
		if held := r.held(); held > memoryFactor*r.a.maxOctets {
			return 0, fmt.Errorf("more than %d octets of memory; raise `max_size` if the zone is really that large", held)
		}
	}
	raw, next := wire.ReadRecord(msg, off) // valid: readOPT has checked it
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
		// As in other name servers, the octets are kept as they are.
		if reason := rr.FormFault(raw.Type, data); reason != "" && r.state != inRemoved {
			r.warn(finding.Finding{Rule: "odd-rdata", Owner: rec.Owner.Clone(), Type: rec.Type, Text: fmt.Sprintf("the RDATA is not of this type: %s; correct it at the primary", reason)})
		}
	}
	if rec.TTL > 1<<31-1 {
		rec.TTL = 0 // RFC 2181 §8
	}
	if r.octets += int64(len(owner) + 10 + len(data)); r.octets > r.a.maxOctets {
		return 0, fmt.Errorf("more than %d octets of records; raise `max_size` if the zone is really that large", r.a.maxOctets)
	}
	return next, r.handleRecord(&rec)
}

// held returns how many octets of memory the records take so far.
func (r *receiver) held() int64 {
	if r.builder != nil {
		return r.builder.Held()
	}
	return r.differences.held
}

// maxFindings is how many findings about one zone are kept.
const maxFindings = 100

// warn adds findings up to maxFindings.
func (r *receiver) warn(list ...finding.Finding) {
	left := maxFindings - len(r.out.findings)
	r.out.findings = append(r.out.findings, list[:max(min(len(list), left), 0)]...)
}

// isPlain reports whether the RDATA of a type need no further check because AppendRData or package
// zone checks them.
func isPlain(t rr.Type) bool {
	switch t {
	case rr.TypePTR, rr.TypeNS, rr.TypeCNAME, rr.TypeDNAME, rr.TypeSOA, rr.TypeMX, rr.TypeSRV, rr.TypeA, rr.TypeAAAA:
		return true
	}
	return false
}

// handleRecord handles a record according to the state. It does not keep the octets of rec.
func (r *receiver) handleRecord(rec *zone.Record) error {
	isSOA := rec.Type == rr.TypeSOA && rec.Owner.Equal(r.a.apex)
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
		return r.handleFirst(s)
	case atSecond:
		switch {
		case !isSOA || s.serial == r.soa.serial:
			r.beginWhole()
		case s.serial == r.a.base.Serial():
			r.beginDifferences(s)
			return nil
		default:
			return fmt.Errorf("the differences begin at serial %d, asked for those from %d", s.serial, r.a.base.Serial())
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
	return r.handleDifference(rec, s, isSOA)
}

// handleFirst handles the first record, the SOA of the primary.
func (r *receiver) handleFirst(s soa) error {
	r.soa, r.out.serial = s, s.serial
	isNew := r.a.anySerial || r.a.base == nil || r.a.base.Serial().Before(s.serial)
	switch {
	case r.a.typ == rr.TypeIXFR && (!isNew || s.serial == r.a.base.Serial()):
		r.state = atEnd // RFC 1995 §2: only the SOA
	case !isNew:
		return fmt.Errorf("serial %d is not after %d, that of the current copy", s.serial, r.a.base.Serial())
	case r.a.typ == rr.TypeIXFR:
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
		if numbers := rec.Data[len(mname)+len(rname):]; rname != nil && len(numbers) == rr.SOANumbersLen {
			return soa{rec.TTL, append([]byte(nil), rec.Data...), zone.Serial(binary.BigEndian.Uint32(numbers))}, nil
		}
	}
	return s, fmt.Errorf("SOA at %v: the RDATA is malformed", rec.Owner)
}

// equal compares names without case, which compression may change.
func (s *soa) equal(t *soa) bool { return rr.EqualData(rr.TypeSOA, s.data, t.data) }

// beginWhole begins a zone that is sent record by record, after its SOA.
func (r *receiver) beginWhole() {
	r.state = inWhole
	r.builder = zone.NewBuilder(r.a.apex)
	r.builder.SetPause(r.a.pause)
	r.builder.SetVerbatim()
	r.builder.SetMaxBytes(memoryFactor * r.a.maxOctets)
	r.builder.Add(zone.Record{Owner: r.a.apex, Type: rr.TypeSOA, TTL: r.soa.ttl, Data: r.soa.data})
}

// endWhole builds the zone.
func (r *receiver) endWhole() error {
	z, findings := r.builder.Build()
	r.builder = nil
	if z == nil {
		return invalidZone(findings)
	}
	r.out.zone = z
	r.warn(findings...)
	r.state = atEnd
	return nil
}

// maxListed is how many errors of a zone a message lists. The operator of the primary has to correct
// all of them, and sees all of them there.
const maxListed = 3

// invalidZone returns the error about a zone that cannot be served.
func invalidZone(findings []finding.Finding) error {
	var texts []string
	more := 0
	for _, f := range findings {
		switch {
		case f.Severity != finding.Error:
		case len(texts) < maxListed:
			texts = append(texts, f.String())
		default:
			more++
		}
	}
	if more > 0 {
		texts = append(texts, fmt.Sprintf("%d more errors", more))
	}
	return fmt.Errorf("the zone cannot be served: %s", strings.Join(texts, "; "))
}
