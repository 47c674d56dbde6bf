package synth

import "github.com/ptrd/ptrd/zone/dname"

// The short form of an IPv6 address (RFC 5952 §4) leaves out the first of its longest runs of
// zero groups. In a name, hyphens stand for the colons: 2001-db8--7. As the names of hosts neither
// begin nor end with a hyphen, a zero is written where the address does: 0--7, 2001-db8--0.

const groups = 8 // of an IPv6 address

// groupOf returns a group, counted from the left.
func groupOf(n number, i int) uint64 { return n.right(16*(groups-1-i)).lo & 0xffff }

// appendShort appends the address in its short form.
func appendShort(dst []byte, n number) []byte {
	from, to := groups, groups // the run that is left out
	for i := 0; i < groups; i++ {
		begin := i
		for i < groups && groupOf(n, i) == 0 {
			i++
		}
		if i-begin > max(to-from, 1) {
			from, to = begin, i
		}
	}
	for i := 0; i < groups; i++ {
		switch {
		case i == from:
			if i == 0 {
				dst = append(dst, '0')
			}
			dst = append(dst, '-')
			if i = to - 1; to == groups {
				dst = append(dst, "-0"...)
			}
			continue
		case i > 0:
			dst = append(dst, '-')
		}
		dst = appendDigits(dst, number{lo: groupOf(n, i)}, 16, 1)
	}
	return dst
}

// readShort reads an address in its short form, which must be all of b.
func readShort(b []byte) (n number, ok bool) {
	var all [groups]uint64
	count, run, digits := 0, -1, 0 // run: how many groups are in front of what is left out
	for i := 0; i <= len(b); i++ {
		switch {
		case i < len(b) && b[i] != '-':
			d := digitOf(b[i])
			if d > 15 || digits == 4 || count == groups {
				return n, false
			}
			all[count] = all[count]<<4 | d
			digits++
		case digits > 0:
			count, digits = count+1, 0
		case run >= 0:
			return n, false
		default:
			run = count
		}
	}
	for i := range count {
		at := i
		if run >= 0 && i >= run {
			at += groups - count
		}
		n = n.or(number{lo: all[i]}.left(16 * (groups - 1 - at)))
	}
	// Only one text is that of the address.
	var buf [dname.MaxLabel]byte
	text := appendShort(buf[:0], n)
	if len(text) != len(b) {
		return n, false
	}
	for i, c := range text {
		if dname.Lower(b[i]) != c {
			return n, false
		}
	}
	return n, true
}

// shortShapes returns the lists of atoms that the short form of an address of the template can
// have: one for each run that may be left out.
func (t *Template) shortShapes() (shapes [][]atom) {
	isDetermined := func(i int) bool { return groupOf(t.mask, i) == 0xffff }
	for from := range groups + 1 {
		for to := from; to <= groups; to++ {
			if to == from+1 || from == groups != (to == from) {
				continue
			}
			var list []atom
			possible := true
			for i := 0; i < groups && possible; i++ {
				if i == from {
					if i == 0 {
						list = appendText(list, "0")
					}
					list = appendText(list, "-")
					if to == groups {
						list = appendText(list, "-0")
					}
				}
				switch {
				case i >= from && i < to:
					possible = !isDetermined(i) || groupOf(t.fixed, i) == 0
					continue
				case i > 0:
					list = appendText(list, "-")
				}
				if isDetermined(i) {
					list = appendText(list, string(appendDigits(nil, number{lo: groupOf(t.fixed, i)}, 16, 1)))
				} else {
					list = appendNumber(list, &piece{width: 16, radix: 16})
				}
			}
			if possible {
				shapes = append(shapes, list)
			}
		}
	}
	return shapes
}
