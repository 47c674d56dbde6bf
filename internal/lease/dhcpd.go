package lease

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// dhcpdRecords are the beginnings of lines at which a record begins, whatever was before.
var dhcpdRecords = [][]byte{[]byte("lease "), []byte("ia-na "), []byte("ia-ta "), []byte("ia-pd ")}

func beginsDHCPD(data []byte) bool {
	for _, begin := range dhcpdRecords {
		if bytes.HasPrefix(data, begin) {
			return true
		}
	}
	return false
}

// splitStatement returns the length of the first statement with its block, or of blanks or a comment
// before it.
func splitStatement(data []byte) int {
	n := 0
	for n < len(data) && isBlank(data[n]) {
		n++
	}
	if n > 0 {
		return n
	}
	depth, isQuoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '\n':
			isQuoted = false
			if beginsDHCPD(data[i+1:]) { // the statement was cut off
				return i + 1
			}
		case isQuoted && c == '\\':
			i++
		case c == '"':
			isQuoted = !isQuoted
		case isQuoted:
		case c == '#':
			end := splitLine(data[i:])
			if end == 0 || i == 0 {
				return end
			}
			i += end - 2 // its line end is next
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth <= 0 {
				return i + 1
			}
		case c == ';' && depth == 0:
			return i + 1
		}
	}
	return 0
}

// skipStatement skips up to a line at which a record begins. That is not known of a few octets.
func skipStatement(data []byte) (n int, isEnd bool) {
	for i, c := range data {
		if c != '\n' {
			continue
		}
		next := data[i+1:]
		for _, begin := range dhcpdRecords {
			if bytes.HasPrefix(next, begin) {
				return i + 1, true
			}
			if bytes.HasPrefix(begin, next) {
				return i, false
			}
		}
	}
	return len(data), false
}

func isBlank(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

// token is a word, a string in quotes, or one of { } ; =.
type token struct {
	text     string
	isString bool
	line     int // from 0, counted from the start of its record
}

func (t token) is(text string) bool { return !t.isString && t.text == text }

// tokens reads the tokens of a record.
func tokens(data []byte) (list []token) {
	line := 0
	for i := 0; i < len(data); {
		start := i
		switch c := data[i]; {
		case c == '\n':
			line++
			i++
		case isBlank(c):
			i++
		case c == '#':
			for i < len(data) && data[i] != '\n' {
				i++
			}
		case strings.IndexByte("{};=", c) >= 0:
			i++
			list = append(list, token{string(c), false, line})
		case c == '"':
			text, n := unquoteDHCPD(data[i+1:])
			i += 1 + n
			list = append(list, token{text, true, line})
		default:
			for i < len(data) && !isBlank(data[i]) && strings.IndexByte("{};=\"", data[i]) < 0 {
				i++
			}
			list = append(list, token{string(data[start:i]), false, line})
		}
	}
	return list
}

// unquoteDHCPD reads a string from after its quote up to the closing one, and returns the octets that
// it takes. Octets that cannot be printed are written as \ and three octal digits.
func unquoteDHCPD(data []byte) (text string, n int) {
	var out []byte
	for n < len(data) && data[n] != '\n' {
		c := data[n]
		n++
		switch {
		case c == '"':
			return string(out), n
		case c != '\\' || n == len(data):
		case data[n] < '0' || data[n] > '7':
			c = data[n]
			n++
		default:
			c = 0
			for end := min(n+3, len(data)); n < end && data[n] >= '0' && data[n] <= '7'; n++ {
				c = c<<3 | data[n] - '0'
			}
		}
		out = append(out, c)
	}
	return string(out), n
}

// dhcpd reads the leases of ISC dhcpd, for IPv4 and IPv6. Other statements are left out.
func (r *reader) dhcpd() func(record []byte) {
	return func(record []byte) {
		if isBlank(record[0]) || record[0] == '#' || !beginsDHCPD(record) {
			return
		}
		list := tokens(record)
		if !list[len(list)-1].is("}") {
			r.bad("the record is not complete; correct or remove it")
			return
		}
		switch {
		case list[0].is("lease"):
			if len(list) > 2 && list[2].is("{") {
				r.dhcpdLease(list[1], list[3:])
			} else {
				r.bad("a lease begins with `lease ADDRESS {`; correct or remove it")
			}
		case !list[0].is("ia-pd"): // that has prefixes for routers
			for i := 2; i+2 < len(list); i++ {
				if list[i].is("iaaddr") && list[i+2].is("{") {
					r.dhcpdLease(list[i+1], list[i+3:])
				}
			}
		}
	}
}

// dhcpdLease reads the statements of a lease up to the end of its block.
func (r *reader) dhcpdLease(address token, list []token) {
	line := r.line + 1 + address.line
	a, err := netip.ParseAddr(address.text)
	if err != nil || a.Zone() != "" {
		r.report(line, "%s is not an address; correct or remove the record", quote(address.text))
		return
	}
	isActive, end, hasEnd := true, int64(0), false
	var forward, client, fqdn string // names, the first counts
	for depth, start, i := 0, 0, 0; i < len(list) && depth >= 0; i++ {
		switch t := list[i]; {
		case t.is("{"):
			depth++
		case t.is("}"):
			depth--
			start = i + 1
		case t.is(";"):
			s := list[start:i]
			start = i + 1
			switch {
			case depth > 0 || len(s) < 2: // of events and other blocks, and flags
				if depth == 0 && len(s) == 1 && s[0].is("abandoned") {
					isActive = false
				}
			case s[0].is("binding") && s[1].is("state") && len(s) == 3:
				isActive = s[2].is("active") || s[2].is("bootp") || s[2].is("reserved")
			case s[0].is("client-hostname"):
				client = s[1].text
			case s[0].is("ends"):
				if end, hasEnd = dhcpdTime(s[1:]); !hasEnd {
					r.report(r.line+1+s[0].line, "`ends` has no time as `4 2026/12/31 23:59:59`, `epoch 1798761599` or `never`; correct or remove the record")
					return
				}
			case len(s) == 4 && s[0].is("set") && s[2].is("="):
				switch s[1].text {
				case "ddns-fwd-name":
					forward = s[3].text
				case "ddns-client-fqdn":
					fqdn = s[3].text
				}
			}
		}
	}
	switch {
	case !isActive:
		r.remove(a)
	case !hasEnd:
		r.report(line, "the lease of %v has no `ends`; correct or remove the record", a)
	default:
		for _, name := range []string{client, fqdn} {
			if forward == "" {
				forward = name
			}
		}
		r.put(a, forward, end, line)
	}
}

// dhcpdTime reads a date in UTC with the day of the week before it, a Unix time, or never.
func dhcpdTime(s []token) (t int64, ok bool) {
	switch {
	case len(s) == 1 && s[0].is("never"):
		return forever, true
	case len(s) == 2 && s[0].is("epoch"):
		t, err := strconv.ParseInt(s[1].text, 10, 64)
		return t, err == nil
	case len(s) == 3 || len(s) == 4 && s[3].is("UTC"):
		when, err := time.Parse("2006/1/2 15:4:5", s[1].text+" "+s[2].text)
		return when.Unix(), err == nil
	}
	return 0, false
}
