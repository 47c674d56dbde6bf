package lease

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// splitCSV returns the length of the first lines after which every quote is closed.
func splitCSV(data []byte) int {
	isOpen := false
	for i, c := range data {
		switch {
		case c == '"':
			isOpen = !isOpen
		case c == '\n' && !isOpen:
			return i + 1
		}
	}
	return 0
}

// csvColumns are the indexes of columns; -1: there is none.
type csvColumns struct{ address, name, expires int }

// csv reads comma-separated values (RFC 4180). The columns are given by name, and then the first record
// has their names, or by number; then a first record without an address is taken for their names. The
// end of a name is a Unix time or one of RFC 3339; empty, 0 or never: it has none.
func (r *reader) csv() func(record []byte) {
	at, byNumber := r.numbers()
	first := true
	read := func(values []string) {
		if first {
			first = false
			if !byNumber {
				at = r.header(values)
				return
			}
			if v, _ := value(values, at.address); !isAddress(v) {
				return
			}
		}
		if r.c.unfit == "" {
			r.csvRecord(values, at)
		}
	}
	return func(record []byte) {
		begin := r.line
		if begin == 0 {
			record = bytes.TrimPrefix(record, []byte("\xef\xbb\xbf"))
		}
		for len(record) > 0 { // several where a quote is at a wrong place
			lines := csv.NewReader(bytes.NewReader(record))
			lines.FieldsPerRecord = -1
			if r.Columns.Separator != "" {
				lines.Comma, _ = utf8.DecodeRuneInString(r.Columns.Separator)
			}
			values, err := lines.Read()
			n := int(lines.InputOffset())
			var syntax *csv.ParseError
			switch {
			case err == nil:
				read(values)
			case errors.As(err, &syntax):
				if n = splitLine(record); n == 0 {
					n = len(record)
				}
				r.bad("the line %s does not follow RFC 4180, which has quotes around a whole value and doubles those in it; correct or remove it",
					quote(strings.TrimRight(string(record[:n]), "\r\n")))
			default: // empty lines up to the end
				n = len(record)
			}
			r.line += bytes.Count(record[:n], []byte{'\n'})
			record = record[n:]
		}
		r.line = begin
	}
}

func isAddress(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil
}

// numbers returns the columns if all are given by number.
func (r *reader) numbers() (at csvColumns, ok bool) {
	ok = true
	number := func(text string) int {
		n, err := strconv.Atoi(cmp.Or(text, "0"))
		ok = ok && err == nil
		return n - 1
	}
	at = csvColumns{number(r.Columns.Address), number(r.Columns.Name), number(r.Columns.Expires)}
	return at, ok
}

// header finds the columns by their names.
func (r *reader) header(names []string) csvColumns {
	index := func(name string) int {
		for i, n := range names {
			if name != "" && strings.EqualFold(strings.TrimSpace(n), name) {
				return i
			}
		}
		if name != "" && r.c.unfit == "" {
			r.c.unfit = "its first line has no column " + quote(name) + ", only " + quote(strings.Join(names, ", ")) + "; correct `columns`"
		}
		return -1
	}
	return csvColumns{index(r.Columns.Address), index(r.Columns.Name), index(r.Columns.Expires)}
}

// value returns the value of a column; ok is false if the record is too short.
func value(values []string, column int) (v string, ok bool) {
	if column < 0 {
		return "", true
	}
	if column >= len(values) {
		return "", false
	}
	return strings.TrimSpace(values[column]), true
}

func (r *reader) csvRecord(values []string, at csvColumns) {
	address, ok1 := value(values, at.address)
	name, ok2 := value(values, at.name)
	expires, ok3 := value(values, at.expires)
	if !ok1 || !ok2 || !ok3 {
		r.bad("the number of values is %d, and column %d is needed; correct or remove it", len(values), max(at.address, at.name, at.expires)+1)
		return
	}
	a, ok := r.address(address)
	if !ok {
		return
	}
	end := int64(forever)
	switch expires {
	case "", "0", "never":
	default:
		if t, err := time.Parse(time.RFC3339, expires); err == nil {
			end = t.Unix()
		} else if end, ok = r.time("the end", expires); !ok {
			return
		}
	}
	if name == "" {
		r.c.good++
		r.c.unnamed++
		return
	}
	r.put(a, name, end, r.line+1)
}
