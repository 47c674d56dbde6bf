package zone

import (
	"encoding/binary"
	"fmt"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

const (
	hashSHA1      = 1    // RFC 5155 §11
	maxIterations = 2500 // of NSEC3, each a SHA-1 for each name that a denial speaks of
)

// oddRData returns what is wrong with RDATA that badRData takes, but that no zone of our
// own may have; the empty string if nothing is.
func oddRData(t rr.Type, d []byte) string {
	if t != rr.TypeNSEC3 {
		return ""
	}
	if d[0] != hashSHA1 {
		return fmt.Sprintf("hash algorithm %d is unknown, 1 (SHA-1) is the only one (RFC 5155 §11); sign the zone again", d[0])
	}
	if it := binary.BigEndian.Uint16(d[2:]); it > maxIterations {
		return fmt.Sprintf("%d iterations, at most %d are served (RFC 9276 §3.2 wants 0); sign the zone again with fewer", it, maxIterations)
	}
	return ""
}

// badRData returns what is wrong with RDATA that code of this package relies
// on; the empty string if nothing is.
func badRData(t rr.Type, d []byte) string {
	if len(d) > maxMessage-rrFixed-17 {
		return fmt.Sprintf("RDATA of %d octets does not fit in a message; shorten it", len(d))
	}
	const malformed = "the RDATA is malformed; write the record again"
	switch t {
	case rr.TypePTR, rr.TypeNS, rr.TypeCNAME, rr.TypeDNAME, rr.TypeSOA, rr.TypeMX, rr.TypeSRV, rr.TypeA, rr.TypeAAAA, rr.TypeNSEC3PARAM:
		if rr.FormFault(t, d) != "" {
			return malformed
		}
	case rr.TypeRRSIG:
		if len(d) < 19 || dname.FromWire(d[18:]) == nil {
			return malformed
		}
	case rr.TypeNSEC:
		if dname.FromWire(d) == nil {
			return malformed
		}
	case rr.TypeNSEC3:
		if len(d) < 5 || len(d) < 6+int(d[4]) || len(d) < 6+int(d[4])+int(d[5+int(d[4])]) {
			return malformed
		}
	}
	return ""
}
