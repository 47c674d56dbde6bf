package lease

import (
	"slices"
	"strconv"
	"strings"
)

// keaFiles returns the files of Kea's memfile backend. Its lease file cleanup (LFC) renames the file
// that Kea writes to .1, merges it with .2, the result of the cleanup before, and renames the result
// to .completed and, after it removed the other two, to .2. The file .output is not complete.
func keaFiles(path string) (files, without []string) {
	return []string{path + ".2", path + ".1", path + ".completed", path}, []string{path + ".completed"}
}

// keaColumns are those that matter. A file has more, which depends on the version of Kea: each has a
// line with their names at its start.
type keaColumns struct{ address, valid, expire, hostname, state, kind int }

const (
	keaForever    = 1<<32 - 1
	keaAssigned   = "0" // the state of a lease of a client; others are declined (1), reclaimed (2), released (3)
	keaRegistered = "4" // an address that the client made itself and registered (RFC 9686)
	keaPrefix     = "2" // the kind of a lease that is a prefix for a router
)

// kea reads the leases of Kea: comma-separated values without quotes, and with octets as &#x2c where
// they have another meaning. An address whose lease is deleted has a valid lifetime of 0.
func (r *reader) kea() func(record []byte) {
	var columns []string
	var at keaColumns
	return func(record []byte) {
		line := strings.TrimRight(string(record), "\r\n")
		if line == "" {
			return
		}
		values := strings.Split(line, ",")
		if columns == nil {
			columns = values
			index := func(name string) int { return slices.Index(values, name) }
			at = keaColumns{index("address"), index("valid_lifetime"), index("expire"), index("hostname"), index("state"), index("lease_type")}
			if min(at.address, at.valid, at.expire, at.hostname) < 0 {
				r.c.unfit = "it does not begin with the names of Kea's columns; give the path of a file of the memfile backend (`lease-database`)"
			}
			return
		}
		if r.c.unfit != "" {
			return
		}
		if len(values) != len(columns) {
			r.bad("the number of values is %d, and the first line names %d columns; correct or remove it", len(values), len(columns))
			return
		}
		a, ok := r.address(values[at.address])
		if !ok {
			return
		}
		valid, ok := r.time("valid_lifetime", values[at.valid])
		if !ok {
			return
		}
		end, ok := r.time("expire", values[at.expire])
		switch {
		case !ok:
			return
		case valid == keaForever:
			end = forever
		}
		isPrefix := at.kind >= 0 && values[at.kind] == keaPrefix // for Kea, one in place of an address of the same octets
		if valid == 0 || isPrefix || at.state >= 0 && values[at.state] != keaAssigned && values[at.state] != keaRegistered {
			r.remove(a)
			return
		}
		r.put(a, unescapeKea(values[at.hostname]), end, r.line+1)
	}
}

// unescapeKea replaces each &#x and two hexadecimal digits by their octet.
func unescapeKea(s string) string {
	const tag = "&#x"
	if !strings.Contains(s, tag) {
		return s
	}
	var out strings.Builder
	for {
		before, after, found := strings.Cut(s, tag)
		out.WriteString(before)
		if !found {
			return out.String()
		}
		if len(after) >= 2 {
			if c, err := strconv.ParseUint(after[:2], 16, 8); err == nil {
				out.WriteByte(byte(c))
				s = after[2:]
				continue
			}
		}
		out.WriteString(tag)
		s = after
	}
}
