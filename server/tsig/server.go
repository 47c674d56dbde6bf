package tsig

import (
	"crypto/hmac"

	"github.com/ptrd/ptrd/server/wire"
	"github.com/ptrd/ptrd/zone/dname"
)

// Signer signs the messages that answer one request, in order. It serves one
// goroutine at a time.
type Signer struct {
	err    Error
	key    *Key    // that the MACs are made with; nil: the record has none
	digest *digest // likewise
	prior  []byte  // MAC of the request, then of the message signed last

	name, algorithm dname.Name // as the request has them
	time            uint64     // of the request
	fudge           uint16     // likewise
	started         bool       // a message was signed
}

// Verify checks the TSIG record at offset at of a request, which is its last
// record, in the order of RFC 8945 §5.2: key, MAC, time, length of the MAC. now is in Unix
// seconds. The Signer's Err is the result. nil and false mean a malformed record, which is
// answered by FORMERR without a TSIG record.
//
// The time of the last message of each key is not stored, although RFC 8945 §5.2.3 recommends
// it: a secondary with many zones sends many requests at once, which arrive in any order.
func (k *Keys) Verify(msg []byte, at int, now int64) (*Signer, bool) {
	t, ok := parse(msg, at)
	if !ok {
		return nil, false
	}
	s := &Signer{name: t.name, algorithm: t.algorithm.Clone(), time: t.time, fudge: t.fudge}
	key := k.Get(t.name)
	if key == nil || !t.algorithm.Equal(key.wire) {
		s.err = BadKey
		return s, true
	}
	switch size := len(t.mac); {
	case size > key.algorithm.Size() || size < key.algorithm.leastMAC():
		return nil, false // RFC 8945 §5.2.2.1
	}
	d := newDigest(key)
	d.message(msg[:at], t.originalID, 1)
	d.variables(&t)
	if !hmac.Equal(d.end()[:len(t.mac)], t.mac) {
		s.err = BadSig
		return s, true
	}
	s.key, s.digest, s.prior = key, d, append(make([]byte, 0, maxMAC), t.mac...)
	switch {
	case !t.isWithin(now):
		s.err = BadTime
	case len(t.mac) < key.minMAC:
		s.err = BadTrunc
	}
	return s, true
}

// Err returns what is wrong with the request.
func (s *Signer) Err() Error { return s.err }

// Time returns when the request was signed, by its client's clock, in Unix seconds.
func (s *Signer) Time() int64 { return int64(s.time) }

// RCode returns the RCODE of the answer to a request with an error.
func (s *Signer) RCode() wire.RCode { return s.err.rcode() }

// Key returns the key that the request was signed with; nil after an error.
func (s *Signer) Key() *Key {
	if s.err != NoError {
		return nil
	}
	return s.key
}

// KeyName returns the name of the key that the request names, known or not.
func (s *Signer) KeyName() dname.Name { return s.name }

// Len returns how many octets Sign appends.
func (s *Signer) Len() int {
	n := len(s.name) + recordFixed + len(s.algorithm) + dataFixed
	if s.key != nil {
		n += s.key.algorithm.Size()
	}
	if s.err == BadTime {
		n += timeLen
	}
	return n
}

// Sign appends a TSIG record to the next message of the answer and returns both.
// now is in Unix seconds.
//
// An answer to a bad key or MAC has an empty MAC, one to a bad time or length
// a good one (RFC 8945 §5.3.2).
func (s *Signer) Sign(msg []byte, now int64) []byte {
	t := record{
		name: s.name, algorithm: s.algorithm, time: uint64(now) & timeMask, fudge: Fudge,
		originalID: uint16(msg[0])<<8 | uint16(msg[1]), err: s.err,
	}
	if s.err == BadTime { // RFC 8945 §5.2.3: the client's time, and ours as other data
		t.other = appendTime(nil, t.time)
		t.time, t.fudge = s.time, s.fudge
	}
	if s.key != nil {
		d := s.digest
		d.prior(s.prior)
		d.message(msg, t.originalID, 0)
		if s.started {
			d.timers(&t)
		} else {
			d.variables(&t)
		}
		t.mac = d.end()
		s.prior = append(s.prior[:0], t.mac...)
		s.started = true
	}
	return t.appendTo(msg)
}
