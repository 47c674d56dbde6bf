package lease

import "strings"

// leastTime is the least number that is a time and not a duration: a moment in 2001.
const leastTime = 1_000_000_000

// dnsmasq reads the leases of dnsmasq: end, hardware address or IAID, address, name and client
// identifier in each line; the part for IPv6 begins with the DUID of the server. The end is 0 if there
// is none, and the name * if the client gave none. On systems without a clock, dnsmasq writes the
// length of a lease in place of its end (HAVE_BROKEN_RTC); such a lease stays until the file is
// without it.
func (r *reader) dnsmasq() func(record []byte) {
	return func(record []byte) {
		fields := strings.Fields(string(record))
		if len(fields) == 0 {
			return
		}
		switch fields[0] {
		case "duid", "vendorclass", "agent-info": // of the server, and of an address that has a line
			return
		}
		if len(fields) < 4 {
			r.bad("the line %s has %d fields, a lease has 5: end, hardware address, address, name and client identifier; correct or remove it",
				quote(strings.TrimRight(string(record), "\r\n")), len(fields))
			return
		}
		end, ok := r.time("the end", fields[0])
		if !ok {
			return
		}
		a, ok := r.address(fields[2])
		if !ok {
			return
		}
		if end < leastTime {
			end = forever
		}
		name := fields[3]
		if name == "*" {
			name = ""
		}
		r.put(a, name, end, r.line+1)
	}
}
