package hosted

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"time"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// The id of a change is "C" and, in base 32, the first octets of its zone's id, the serial
// that the change led to, when it was made, and a MAC over these. An id that was never
// issued has no valid MAC, so that ids need not be stored and are known for ever.
const (
	changeZone = 5 // octets of the zone's id
	changeMAC  = 5 // octets; a client that guesses one learns only that nothing changed
	changeLen  = changeZone + 4 + 5 + changeMAC
)

// changeIsNoStep is set in the time of a change that has no step of its own in the history.
const changeIsNoStep = 1 << 39

var idEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// Change is a change that is served.
type Change struct {
	ID          string
	SubmittedAt time.Time
	Comment     string     // of its batch, as long as the history has it
	Apex        dname.Name // of its zone; nil: that is not known any more
}

// changeID returns the id of a change of a zone.
func (s *Store) changeID(zoneID string, serial zone.Serial, isStep bool, at time.Time) string {
	unix := uint64(at.Unix())
	if !isStep {
		unix |= changeIsNoStep
	}
	b := make([]byte, 0, changeLen)
	b = append(b, zoneID[1:1+changeZone]...)
	b = binary.BigEndian.AppendUint32(b, uint32(serial))
	b = append(b, byte(unix>>32))
	b = binary.BigEndian.AppendUint32(b, uint32(unix))
	return "C" + idEncoding.EncodeToString(append(b, s.changeSum(b)...))
}

// ChangeOf returns the id of the change that led the zone at apex to a serial at a time; empty: it
// is no hosted zone.
func (s *Store) ChangeOf(apex dname.Name, serial zone.Serial, at time.Time) string {
	id := s.Has(apex)
	if id == "" {
		return ""
	}
	return s.changeID(id, serial, true, at)
}

func (s *Store) changeSum(b []byte) []byte {
	h := hmac.New(sha256.New, s.secret)
	h.Write(b)
	return h.Sum(nil)[:changeMAC]
}

// Change returns a change by its id. It is served: ids are issued afterwards. A change that
// the zone does not have any more, because an earlier state was restored, is unknown.
func (s *Store) Change(id string) (Change, error) {
	unknown := faultf(NoSuchChange, "A change with the specified change ID does not exist: %s", id)
	rest, ok := strings.CutPrefix(id, "C")
	b, err := idEncoding.DecodeString(rest)
	if !ok || err != nil || len(b) != changeLen || !hmac.Equal(s.changeSum(b[:changeLen-changeMAC]), b[changeLen-changeMAC:]) {
		return Change{}, unknown
	}
	serial := zone.Serial(binary.BigEndian.Uint32(b[changeZone:]))
	unix := uint64(b[changeZone+4])<<32 | uint64(binary.BigEndian.Uint32(b[changeZone+5:]))
	c := Change{ID: id, SubmittedAt: time.Unix(int64(unix&^changeIsNoStep), 0).UTC()}
	isThere := false
	c.Apex, isThere = s.apexOf("Z" + string(b[:changeZone]))
	if !isThere {
		return c, nil
	}
	if z := s.o.Writer.Set().Get(c.Apex); z != nil && z.IsAvailable() && z.Serial().Before(serial) {
		return Change{}, unknown
	}
	if unix&changeIsNoStep == 0 {
		text, err := s.o.Journal.SourceOf(c.Apex, serial)
		if err != nil {
			return Change{}, faultf(ServiceUnavailable, "The history of zone %s cannot be read: %v", FormatName(c.Apex), err)
		}
		c.Comment = commentOf(text)
	}
	return c, nil
}
