package rr

const maxMnemonic = len("NSEC3PARAM")

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

func indexMnemonics() map[string]Type {
	types := make(map[string]Type, len(rows))
	for i := range rows {
		types[rows[i].mnemonic] = rows[i].t
	}
	return types
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
