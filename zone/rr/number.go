package rr

import "math"

// ParseUint reads a decimal number without sign or blanks; ok is false for
// anything else and for what is larger than limit.
func ParseUint(text []byte, limit uint64) (v uint64, ok bool) {
	if len(text) == 0 {
		return 0, false
	}
	for _, c := range text {
		if !isDigit(c) {
			return 0, false
		}
		if v = v*10 + uint64(c-'0'); v > limit {
			return 0, false
		}
	}
	return v, true
}

// Period is what ParsePeriod makes of a text.
type Period uint8

const (
	NoPeriod Period = iota // something else
	IsPeriod
	TooLong // a period of more than 2^32-1 seconds
)

// ParsePeriod reads seconds, or numbers with the units w, d, h, m, s in either
// case, as in 1h30m. As in BIND, a number without a unit is allowed only alone.
func ParsePeriod(text []byte) (seconds uint32, p Period) {
	if len(text) == 0 || !isDigit(text[0]) {
		return 0, NoPeriod
	}
	p = IsPeriod
	var sum uint64
	for i := 0; i < len(text); {
		var n uint64
		digits := i
		for ; i < len(text) && isDigit(text[i]); i++ {
			if n = n*10 + uint64(text[i]-'0'); n > math.MaxUint32 {
				n, p = math.MaxUint32, TooLong
			}
		}
		if i == digits {
			return 0, NoPeriod
		}
		unit := uint64(1)
		if i == len(text) {
			if sum != 0 {
				return 0, NoPeriod
			}
		} else {
			switch text[i] | 0x20 {
			case 's':
			case 'm':
				unit = 60
			case 'h':
				unit = 3600
			case 'd':
				unit = 86400
			case 'w':
				unit = 7 * 86400
			default:
				return 0, NoPeriod
			}
			i++
		}
		if sum += n * unit; sum > math.MaxUint32 {
			sum, p = math.MaxUint32, TooLong
		}
	}
	return uint32(sum), p
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
