package config

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"math"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/spelling"
)

// maxSpan is the largest TTL (RFC 2181 §8) and the largest timer of an SOA, which many
// implementations store as signed numbers.
const maxSpan = math.MaxInt32 * time.Second

// units of durations, the largest first.
var units = []struct {
	name string
	span time.Duration
}{
	{"w", 7 * 24 * time.Hour},
	{"d", 24 * time.Hour},
	{"h", time.Hour},
	{"m", time.Minute},
	{"s", time.Second},
	{"ms", time.Millisecond},
}

// formatDuration formats a duration as in the file: `1h30m`.
func formatDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	s := ""
	for _, u := range units {
		if n := d / u.span; n > 0 {
			s += strconv.FormatInt(int64(n), 10) + u.name
			d -= n * u.span
		}
	}
	return s
}

// duration reads a duration with units: `1h`, `1d12h`, `250ms`; 0 needs none.
func (v value) duration(least, most time.Duration) time.Duration {
	const allowed = "a duration is numbers with units, the largest first: w, d, h, m, s, ms, such as 90s or 1d12h"
	s, ok := v.scalar()
	if !ok {
		return 0
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n > 0 {
		if n <= int64(maxSpan/time.Second) {
			v.fail("%s has no unit; write %ds for seconds, which is %s", s, n, formatDuration(time.Duration(n)*time.Second))
		} else {
			v.fail("%s has no unit; %s", s, allowed)
		}
		return 0
	}
	d, ok := parseDuration(s)
	switch {
	case !ok && meantDuration(s) != "":
		v.fail("%q is not a duration; write %s", s, meantDuration(s))
		return 0
	case !ok:
		v.fail("%q is not a duration; %s", s, allowed)
		return 0
	case d < least:
		v.fail("%s is too short; at least %s", s, formatDuration(least))
		return 0
	case d > most:
		v.fail("%s is too long; at most %s", s, formatDuration(most))
		return 0
	}
	return d
}

var (
	durationPart = regexp.MustCompile(`^\s*(\d+)\s*([a-z]+)`)
	unitWords    = []struct{ name, words string }{
		{"w", "w week weeks"}, {"d", "d day days"}, {"h", "h hr hrs hour hours"}, {"m", "m min mins minute minutes"},
		{"s", "s sec secs second seconds"}, {"ms", "ms msec millisecond milliseconds"},
	}
)

// meantDuration returns a duration as it should be written: with units in lower case, as one letter,
// the largest first, without blanks; empty if the text is not understood.
func meantDuration(s string) string {
	var total time.Duration
	rest := strings.ToLower(s)
	if strings.TrimSpace(s) == "" {
		return ""
	}
	for strings.TrimSpace(rest) != "" {
		m := durationPart.FindStringSubmatch(rest)
		if m == nil {
			return ""
		}
		i := slices.IndexFunc(unitWords, func(u struct{ name, words string }) bool {
			return slices.Contains(strings.Fields(u.words), m[2])
		})
		if i < 0 {
			return ""
		}
		d, ok := parseDuration(m[1] + unitWords[i].name)
		if !ok || total+d < total {
			return ""
		}
		total += d
		rest = rest[len(m[0]):]
	}
	return formatDuration(total)
}

func parseDuration(s string) (total time.Duration, ok bool) {
	if s == "0" {
		return 0, true
	}
	next := 0 // first unit that may follow
	for s != "" {
		digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
		n, err := strconv.ParseInt(s[:digits], 10, 64)
		if err != nil {
			return 0, false
		}
		s = s[digits:]
		letters := strings.IndexAny(s, "0123456789")
		if letters < 0 {
			letters = len(s)
		}
		for next < len(units) && units[next].name != s[:letters] {
			next++
		}
		if next == len(units) || n > int64(math.MaxInt64-total)/int64(units[next].span) {
			return 0, false
		}
		total += time.Duration(n) * units[next].span
		next++
		s = s[letters:]
	}
	return total, next > 0
}

// seconds reads a duration of whole seconds that fits a TTL or a timer of an SOA.
func (v value) seconds(least time.Duration) time.Duration {
	d := v.duration(least, maxSpan)
	if d%time.Second != 0 {
		v.fail("%s is not a whole number of seconds; round it", v.node.Value)
		return 0
	}
	return d
}

// duration returns a function that reads a duration into to.
func duration(to *time.Duration, least, most time.Duration) func(value) {
	return func(v value) { *to = v.duration(least, most) }
}

// number returns a function that reads an integer within limits into to; unit follows the
// number in messages.
func number[T int | int64](to *T, least, most int64, unit string) func(value) {
	return func(v value) { *to = T(v.number(least, most, unit)) }
}

func (v value) number(least, most int64, unit string) int64 {
	s, ok := v.scalar()
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || v.node.ShortTag() != "!!int" {
		v.fail("%s, must be an integer (%s), without quotes or unit, %d to %d", v.describe(), unit, least, most)
		return 0
	}
	if n < least || n > most {
		v.fail("%d %s, must be %d to %d", n, unit, least, most)
		return 0
	}
	return n
}

// boolean reads true or false.
func (v value) boolean() bool {
	s, ok := v.scalar()
	if !ok {
		return false
	}
	if s != "true" && s != "false" || v.node.ShortTag() != "!!bool" {
		v.fail("%s, must be true or false without quotes", v.describe())
	}
	return s == "true"
}

// oneOf reads one of a few words.
func (v value) oneOf(words ...string) string {
	s, ok := v.scalar()
	if !ok {
		return ""
	}
	if slices.Contains(words, s) {
		return s
	}
	if best := nearest(s, words); best != "" {
		v.fail("%q is not one of %s; did you mean %q?", s, strings.Join(words, ", "), best)
		return ""
	}
	v.fail("%q is not one of %s", s, strings.Join(words, ", "))
	return ""
}

// file reads the path of a file for authentication, which is relative to the directory of the
// file that names it, or the name of a credential.
func (v value) file() File {
	if name, ok := strings.CutPrefix(v.node.Value, credentialPrefix); ok {
		return File{v.credential(name), v.pos()}
	}
	return File{v.filePath(), v.pos()}
}

func (v value) filePath() string { return v.pathIn(v.doc.dir) }

// source reads the path of a file with zone data, which is relative to `directory` if that is
// given.
func (v value) source() File { return File{v.sourcePath(), v.pos()} }

func (v value) sourcePath() string { return v.pathIn(cmp.Or(v.doc.sources, v.doc.dir)) }

// pathIn reads a path, which is relative to dir.
func (v value) pathIn(dir string) string {
	s, ok := v.scalar()
	switch {
	case !ok:
		return ""
	case s == "":
		v.fail("the path is empty; give one, or remove the key")
		return ""
	case strings.IndexByte(s, 0) >= 0:
		v.fail("%q has a null character, which paths cannot have; remove it", s)
		return ""
	case filepath.IsAbs(s):
		return filepath.Clean(s)
	}
	return filepath.Join(dir, s)
}

// addrPort reads a socket address.
func (v value) addrPort(port uint16) netip.AddrPort {
	s, ok := v.scalar()
	if !ok {
		return netip.AddrPort{}
	}
	ap, err := netip.ParseAddrPort(s)
	if err == nil {
		return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
	}
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		if _, err := strconv.ParseUint(s[i+1:], 10, 16); err == nil {
			if s[:i] == "" || s[:i] == "*" {
				v.fail("%q has no address; write %q and %q for all addresses", s, "0.0.0.0"+s[i:], "[::]"+s[i:])
				return netip.AddrPort{}
			}
			if a, err := netip.ParseAddr(s[:i]); err == nil && a.Is6() {
				v.fail("%q has no brackets around the address; write %q", s, "["+s[:i]+"]"+s[i:])
				return netip.AddrPort{}
			}
		}
	}
	if a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]")); err == nil {
		v.fail("%q has no port; write %q", s, netip.AddrPortFrom(a, port).String())
		return netip.AddrPort{}
	}
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		if a, err := netip.ParseAddr(strings.Trim(s[:i], "[]")); err == nil {
			v.fail("%q has the port %s, must be 0 to 65535; write one such as %q", s, s[i+1:], netip.AddrPortFrom(a, port).String())
			return netip.AddrPort{}
		}
	}
	v.fail("%q is not an address with a port, such as %q; host and interface names are not supported", s, netip.AddrPortFrom(netip.IPv6Loopback(), port).String())
	return netip.AddrPort{}
}

// addr reads an IP address that a name server or a PTR record can have.
func (v value) addr() netip.Addr {
	s, ok := v.scalar()
	if !ok {
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil:
		if p, perr := netip.ParsePrefix(s); perr == nil {
			v.fail("%q is a prefix, must be an address; write %q for the first address", s, p.Addr().String())
		} else {
			v.fail("%q is not an IP address%s", s, addrFault(s))
		}
	case a.Zone() != "":
		v.fail("%q has an interface name; write %q", s, a.WithZone("").String())
	case a.Is4In6():
		v.fail("%q is an IPv4 address in IPv6 form; write %q", s, a.Unmap().String())
	default:
		return a
	}
	return netip.Addr{}
}

// addrFault returns why a string is not a valid address, as the end of a message.
func addrFault(s string) string {
	if n, err := dname.Parse(s); err == nil {
		if a, ok := dname.ToAddr(n); ok {
			return fmt.Sprintf(" but a reverse name; write the address %v", a)
		}
	}
	octets := strings.Split(s, ".")
	if len(octets) < 2 || strings.Trim(s, "0123456789.") != "" {
		return "; write it like 192.0.2.1 or 2001:db8::1"
	}
	if len(octets) != 4 {
		return fmt.Sprintf(": it has %d octets, IPv4 has 4", len(octets))
	}
	for _, o := range octets {
		if n, err := strconv.Atoi(o); err != nil || n > 255 {
			return fmt.Sprintf(": octet %q is not a number from 0 to 255", o)
		} else if strconv.Itoa(n) != o {
			return fmt.Sprintf(": octet %q has leading zeros; write %d", o, n)
		}
	}
	return ""
}

// prefix reads a prefix in CIDR form without host bits. With single, an address means the
// prefix of this address alone.
func (v value) prefix(single bool) netip.Prefix {
	s, ok := v.scalar()
	if !ok {
		return netip.Prefix{}
	}
	return v.parsePrefixText(s, single)
}

// parsePrefixText is prefix for a string that is the value or a part of it.
func (v value) parsePrefixText(s string, single bool) netip.Prefix {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		a, aerr := netip.ParseAddr(s)
		switch {
		case aerr == nil && single && a.Zone() == "" && !a.Is4In6():
			return netip.PrefixFrom(a, a.BitLen())
		case aerr == nil && a.Zone() != "":
			v.fail("%q has an interface name; write only the prefix", s)
		case aerr == nil:
			v.fail("%q has no length; write \"%v/%d\" for this address, or a shorter length", s, a, a.BitLen())
		default:
			v.fail("%q is not a prefix%s", s, prefixFault(s))
		}
		return netip.Prefix{}
	}
	if p.Addr().Is4In6() {
		v.fail("%q is an IPv4 address in IPv6 form; write the IPv4 prefix", s)
		return netip.Prefix{}
	}
	if fault := spelling.HostBits(p); fault != "" {
		v.fail("%s", fault)
		return netip.Prefix{}
	}
	return p
}

// maxPrefixes is how many prefixes a message lists.
const maxPrefixes = 16

// prefixesOf returns the prefixes that have the addresses from one to another, and no others; nil: there are
// none, or too many.
func prefixesOf(from, to netip.Addr) (list []string) {
	for from.IsValid() && from.BitLen() == to.BitLen() && !to.Less(from) && len(list) < maxPrefixes {
		bits := from.BitLen()
		for bits > 0 {
			p := netip.PrefixFrom(from, bits-1)
			if p.Masked().Addr() != from || to.Less(lastOf(p)) {
				break
			}
			bits--
		}
		p := netip.PrefixFrom(from, bits)
		list = append(list, p.String())
		if lastOf(p) == to {
			return list
		}
		from = lastOf(p).Next()
	}
	return nil
}

// lastOf returns the last address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := range b {
		b[i] |= byte(0xff >> min(max(p.Bits()-8*i, 0), 8))
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func prefixFault(s string) string {
	const form = "; write it like 192.0.2.0/24 or 2001:db8::/32"
	host, length, ok := strings.Cut(s, "/")
	if first, last, isRange := strings.Cut(s, "-"); isRange {
		from, err1 := netip.ParseAddr(strings.TrimSpace(first))
		to, err2 := netip.ParseAddr(strings.TrimSpace(last))
		if list := prefixesOf(from, to); err1 == nil && err2 == nil && len(list) > 0 {
			return "; write an item for each of its prefixes: " + strings.Join(list, ", ")
		}
	}
	if !ok {
		if strings.HasSuffix(strings.ToLower(strings.TrimSuffix(s, ".")), ".arpa") {
			return "; put reverse names under `name`"
		}
		return form
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		if fault := addrFault(host); strings.HasPrefix(fault, ":") {
			return fault + form
		}
		return form
	}
	if m, err := netip.ParseAddr(length); err == nil && m.Is4() && a.Is4() {
		return ": the length is a netmask, must be a number of bits" + form
	}
	return fmt.Sprintf(": the length %q is not a number from 0 to %d", length, a.BitLen())
}

// octets reads opaque octets: a string, or hexadecimal digits after `0x`.
func (v value) octets(most int) []byte {
	s, ok := v.scalar()
	if !ok || s == "" {
		return nil
	}
	b := []byte(s)
	if digits, isHex := strings.CutPrefix(s, "0x"); isHex {
		var err error
		if b, err = hex.DecodeString(digits); err != nil || len(b) == 0 {
			v.fail("%q begins with 0x, but an even number of hexadecimal digits must follow; correct it, or choose another string", s)
			return nil
		}
	}
	if len(b) > most {
		v.fail("%d octets, must be at most %d; shorten it", len(b), most)
		return nil
	}
	return b
}
