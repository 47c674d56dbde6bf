package zonefile

import (
	"bufio"
	"io"
	"strconv"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/rr"
)

// Write writes a zone as a canonical master file: one record a line, all names
// absolute, `owner TTL IN type data`, in the order of [zone.Zone.All].
func Write(w io.Writer, z *zone.Zone) error {
	b := bufio.NewWriterSize(w, 64<<10)
	var line []byte
	for r := range z.All() {
		line = AppendRecord(line[:0], r)
		line = append(line, '\n')
		if _, err := b.Write(line); err != nil {
			return err
		}
	}
	return b.Flush()
}

// AppendRecord appends the text of a record, without an end of line.
func AppendRecord(dst []byte, r zone.Record) []byte {
	dst = r.Owner.AppendString(dst)
	dst = append(dst, ' ')
	dst = strconv.AppendUint(dst, uint64(r.TTL), 10)
	dst = append(dst, " IN "...)
	dst = append(dst, r.Type.String()...)
	dst = append(dst, ' ')
	return rr.Append(dst, r.Type, r.Data)
}
