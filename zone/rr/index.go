package rr

const (
	maxMnemonic = 10
	hashSize    = 512 // a power of two, several times the number of rows
)

// What follows from the rows. Read only.
var (
	lowRows    = indexRows()
	byMnemonic = indexMnemonics()

	compressedNames, targets = indexNames()
)

// rowOf returns the row of a type, or nil.
func rowOf(t Type) *row {
	if int(t) < len(lowRows) {
		return lowRows[t]
	}
	for i := len(rows) - 1; rows[i].t >= t; i-- {
		if rows[i].t == t {
			return &rows[i]
		}
	}
	return nil
}

func indexRows() (low [512]*row) {
	for i := range rows {
		if r := &rows[i]; int(r.t) < len(low) {
			low[r.t] = r
		}
	}
	return low
}

// hashOf returns a hash of s that does not depend on the case of letters.
func hashOf[T string | []byte](s T) uint32 {
	h := uint32(2166136261)
	for i := range len(s) {
		h = (h ^ uint32(s[i]&^0x20)) * 16777619
	}
	return h >> 8
}

// indexMnemonics returns an open-addressed hash table of indexes of rows plus one.
func indexMnemonics() (table [hashSize]uint8) {
	for i := range rows {
		at := hashOf(rows[i].mnemonic)
		for table[at%hashSize] != 0 {
			at++
		}
		table[at%hashSize] = uint8(i + 1)
	}
	return table
}

// indexNames returns, by type, where compressed names are, and the offset of the target plus one.
// Only numbers are in front of these.
func indexNames() (compress [64]Names, to [64]uint8) {
	for i := range rows {
		r := &rows[i]
		skip := 0
		for _, f := range r.fields {
			k, isName := f.kind.(nameKind)
			if !isName {
				n, isNumber := f.kind.(number)
				if skip += int(n); !isNumber {
					break
				}
				continue
			}
			if k&target != 0 {
				to[r.t] = uint8(skip + 1)
			}
			if k&compressed != 0 {
				compress[r.t].Skip = uint8(skip)
				compress[r.t].Count++
			}
		}
	}
	return compress, to
}
