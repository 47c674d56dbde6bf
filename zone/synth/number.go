package synth

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
)

// number is an unsigned integer of 128 bits. An IPv4 address is in the last 32.
type number struct{ hi, lo uint64 }

func numberOf(a netip.Addr) number {
	if a.Is4() {
		b := a.As4()
		return number{lo: uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := a.As16()
	return number{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// address returns the address of a family with size bits, 32 or 128.
func (n number) address(size int) netip.Addr {
	if size == 32 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(n.lo))
		return netip.AddrFrom4(b)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], n.hi)
	binary.BigEndian.PutUint64(b[8:], n.lo)
	return netip.AddrFrom16(b)
}

// ones returns the number whose last n bits are set.
func ones(n int) number {
	return number{uint64(1)<<max(n-64, 0) - 1, uint64(1)<<min(n, 64) - 1}
}

func (n number) and(m number) number { return number{n.hi & m.hi, n.lo & m.lo} }
func (n number) or(m number) number  { return number{n.hi | m.hi, n.lo | m.lo} }
func (n number) xor(m number) number { return number{n.hi ^ m.hi, n.lo ^ m.lo} }
func (n number) not() number         { return number{^n.hi, ^n.lo} }
func (n number) isZero() bool        { return n.hi|n.lo == 0 }

// left and right shift by 0 to 128 bits. Go shifts by more than 63 to zero.
func (n number) left(by int) number {
	if by >= 64 {
		return number{hi: n.lo << (by - 64)}
	}
	return number{n.hi<<by | n.lo>>(64-by), n.lo << by}
}

func (n number) right(by int) number {
	if by >= 64 {
		return number{lo: n.hi >> (by - 64)}
	}
	return number{n.hi >> by, n.lo>>by | n.hi<<(64-by)}
}

// timesPlus returns n*m+a; ok is false if that exceeds 128 bits.
func (n number) timesPlus(m, a uint64) (r number, ok bool) {
	over, hi := bits.Mul64(n.hi, m)
	carry, lo := bits.Mul64(n.lo, m)
	var c uint64
	r.lo, c = bits.Add64(lo, a, 0)
	r.hi, c = bits.Add64(hi, carry, c)
	return r, over|c == 0
}

// divide returns n / d and the remainder.
func (n number) divide(d uint64) (q number, r uint64) {
	q.hi, r = n.hi/d, n.hi%d
	q.lo, r = bits.Div64(r, n.lo, d)
	return q, r
}
