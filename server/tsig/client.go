package tsig

import (
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// The reasons why an answer is not accepted.
var (
	ErrMalformed = errors.New("the message or its TSIG record is malformed")
	ErrUnsigned  = errors.New("the answer is not signed, which whoever has no key can send; give the peer the key, or ask it without one")
	ErrKey       = errors.New("the answer is signed with another key or algorithm than the request; give both sides the same")
	ErrMAC       = errors.New("the MAC is not that of the answer: it was changed on its way, or the secrets differ")
	ErrShortMAC  = errors.New("the MAC of the answer is shorter than we take; let the peer send whole ones")
	ErrTime      = errors.New("the answer was signed at a time too far from ours; set the clocks")
	ErrGap       = fmt.Errorf("more than %d messages in a row are not signed (RFC 8945 §5.3.1)", maxUnsigned)
	ErrEnd       = errors.New("the last message of the answer is not signed (RFC 8945 §5.3.1)")
)

// Refusal is what a server found wrong with the request's signature.
type Refusal struct {
	Err   Error
	Clock time.Duration // that the server's clock is ahead of the request's, for BADTIME
	// Signed means that the server has the key. A refusal that is not signed may be forged.
	Signed bool
}

func (r *Refusal) Error() string {
	switch r.Err {
	case BadKey:
		return "the peer has no such key, or with another algorithm (BADKEY); give both sides the same"
	case BadSig:
		return "the peer made another MAC of the request (BADSIG); give both sides the same secret"
	case BadTime:
		return fmt.Sprintf("the peer's clock is %v ahead of ours (BADTIME); set the clocks", r.Clock)
	case BadTrunc:
		return "the peer does not take so short a MAC (BADTRUNC)"
	}
	return fmt.Sprintf("the peer refused the signature (%v)", r.Err)
}

// Verifier verifies the messages that answer one request, in order. It serves one
// goroutine at a time.
type Verifier struct {
	key      *Key
	digest   *digest
	prior    []byte // MAC of the request, then of the message that was signed last
	time     uint64 // of the request
	started  bool   // a signed message was received
	unsigned int    // messages since the last signed one; they are in digest
}

// Request appends a TSIG record to the request msg, and returns both and what the
// answer is to be verified with. now is in Unix seconds.
func (k *Key) Request(msg []byte, now int64) ([]byte, *Verifier) {
	t := record{
		name: k.name, algorithm: k.wire, time: uint64(now) & timeMask, fudge: Fudge,
		originalID: binary.BigEndian.Uint16(msg),
	}
	d := newDigest(k)
	d.message(msg, t.originalID, 0)
	d.variables(&t)
	t.mac = d.end()
	v := &Verifier{key: k, digest: d, prior: append(make([]byte, 0, maxMAC), t.mac...), time: t.time}
	return t.appendTo(msg), v
}

// RequestLen returns how many octets Request appends.
func (k *Key) RequestLen() int { return k.recordLen(0) }

// Verify checks the next message of the answer and returns it without its TSIG
// record, in its place. A message without one may be valid as part of a stream: a later message,
// or End, decides that.
//
// An error is one of this package, or a *[Refusal]. After an error the exchange
// is over.
func (v *Verifier) Verify(msg []byte, now int64) ([]byte, error) {
	at, ok := find(msg)
	if !ok {
		return nil, ErrMalformed
	}
	if at < 0 {
		if err := v.verifyUnsigned(msg); err != nil {
			return nil, err
		}
		return msg, nil
	}
	t, ok := parse(msg, at)
	if !ok {
		return nil, ErrMalformed
	}
	if !v.started && len(t.mac) == 0 && (t.err == BadKey || t.err == BadSig) {
		return nil, &Refusal{Err: t.err} // RFC 8945 §5.3.2: such answers are not signed
	}
	if !t.name.Equal(v.key.name) || !t.algorithm.Equal(v.key.wire) {
		return nil, ErrKey
	}
	if len(t.mac) > v.key.algorithm.Size() || len(t.mac) < v.key.algorithm.leastMAC() {
		return nil, ErrMalformed
	}
	d := v.digest
	if v.unsigned == 0 {
		d.prior(v.prior)
	}
	d.message(msg[:at], t.originalID, 1)
	if v.started {
		d.timers(&t)
	} else {
		d.variables(&t)
	}
	if !hmac.Equal(d.end()[:len(t.mac)], t.mac) {
		return nil, ErrMAC
	}
	v.prior = append(v.prior[:0], t.mac...)
	v.started, v.unsigned = true, 0
	switch {
	case len(t.mac) < v.key.minMAC:
		return nil, ErrShortMAC
	case t.err != NoError:
		return nil, v.refusal(&t)
	case !t.isWithin(now):
		return nil, ErrTime
	}
	binary.BigEndian.PutUint16(msg[arcount:], binary.BigEndian.Uint16(msg[arcount:])-1)
	return msg[:at], nil
}

// verifyUnsigned adds an unsigned message of a stream to the MAC of the next signed one.
func (v *Verifier) verifyUnsigned(msg []byte) error {
	switch {
	case !v.started:
		return ErrUnsigned
	case v.unsigned == maxUnsigned:
		return ErrGap
	case v.unsigned == 0:
		v.digest.prior(v.prior)
	}
	v.unsigned++
	v.digest.message(msg, binary.BigEndian.Uint16(msg), 0)
	return nil
}

func (v *Verifier) refusal(t *record) *Refusal {
	r := &Refusal{Err: t.err, Signed: true}
	if o := t.other; t.err == BadTime && len(o) == timeLen {
		server := uint64(binary.BigEndian.Uint16(o))<<32 | uint64(binary.BigEndian.Uint32(o[2:]))
		r.Clock = time.Duration(int64(server)-int64(v.time)) * time.Second
	}
	return r
}

// End reports, after the last message of the answer, whether all of it is
// verified.
func (v *Verifier) End() error {
	switch {
	case !v.started:
		return ErrUnsigned
	case v.unsigned > 0:
		return ErrEnd
	}
	return nil
}
