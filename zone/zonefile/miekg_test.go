package zonefile

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// miekgDiffers are texts that miekg/dns takes, and takes for other records than we
// do; BIND is with us in all of them.
var miekgDiffers = []struct {
	pattern *regexp.Regexp
	onlyTTL bool // all but the TTLs is the same
	example string
	reason  string
}{
	{regexp.MustCompile(`\r(?:[^\n]|$)`), false, "1 TXT a\r2 TXT b\n", "it drops carriage returns, wherever they stand"},
	{regexp.MustCompile(`(?i)\$GENERATE`), true, "$GENERATE 1-2 $ PTR a$\n", "it gives records of $GENERATE a TTL of 3600 where they have none, whatever $TTL says"},
	{regexp.MustCompile(`(?is)\$GENERATE.*\\`), false, "$GENERATE 1-2 $ PTR a\\b$\n", "it drops what is escaped in templates of $GENERATE"},
	{regexp.MustCompile(`(?is)\$GENERATE.*"`), false, "$GENERATE 1-2 $ TXT \"a b\"\n", "it keeps the quotes around the data of $GENERATE"},
	{regexp.MustCompile(`[^\s;][()]|[()][^\s;]`), false, "1 TXT a(b)\n", "it joins what stands before and behind a parenthesis"},
	{regexp.MustCompile(`\([^)]*\n[^\s)]`), false, "1 TXT ( a\nb )\n", "it joins what ends a line and starts the next within parentheses"},
	{regexp.MustCompile(`\d{10}|\d{4}\d*[wdhmWDHM]`), true, "1 2147483648 PTR a.\n", "it takes TTLs above 2147483647 (RFC 2181 §8) as they are"},
}

// viaLibrary returns the RDATA of the one record that text is.
func viaLibrary(text string, origin dname.Name) ([]byte, error) {
	zp := dns.NewZoneParser(strings.NewReader(text), origin.String(), "")
	record, ok := zp.Next()
	if err := zp.Err(); err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("nothing can be read from it")
	}
	if _, more := zp.Next(); more {
		return nil, fmt.Errorf("it reads as more than one record")
	}
	return packRData(record)
}

// packRData returns the RDATA of a record in wire form, names uncompressed.
func packRData(record dns.RR) ([]byte, error) {
	record.Header().Name = "."
	buf := make([]byte, dns.Len(record)+64)
	for {
		n, err := dns.PackRR(record, buf, 0, nil, false)
		if err == nil {
			const head = 1 + 10 // root name, type, class, TTL, length
			if n-head > math.MaxUint16 {
				return nil, fmt.Errorf("the RDATA takes %d octets, at most 65535 are allowed", n-head)
			}
			return buf[head:n], nil
		}
		if len(buf) > 2*math.MaxUint16 {
			return nil, err
		}
		buf = make([]byte, 4*len(buf)) // Len may fall short of what packing needs
	}
}

// byMiekg returns the records of a master file as miekg/dns reads it.
func byMiekg(text []byte, origin dname.Name) (records []keptRecord, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("miekg/dns panics: %v", p)
		}
	}()
	zp := dns.NewZoneParser(bytes.NewReader(text), origin.String(), "")
	for record, ok := zp.Next(); ok; record, ok = zp.Next() {
		h := *record.Header()
		if h.Class != dns.ClassINET {
			return nil, errors.New("class other than IN")
		}
		owner, err := dname.Parse(h.Name)
		if err != nil {
			return nil, err
		}
		data, err := packRData(record)
		if err != nil {
			return nil, err
		}
		records = append(records, keptRecord{string(owner), string(data), rr.Type(h.Rrtype), h.Ttl})
	}
	return records, zp.Err()
}

// againstMiekg returns where we and miekg/dns differ about a text that both take;
// empty: nowhere, and both read so many records.
func againstMiekg(text []byte, origin dname.Name, withTTL bool) (records int, difference string) {
	res, ours := keep(text, origin)
	if !res.OK() {
		return 0, ""
	}
	theirs, err := byMiekg(text, origin)
	if err != nil {
		return 0, ""
	}
	for i := range min(len(ours), len(theirs)) {
		if !withTTL {
			theirs[i].ttl = ours[i].ttl
		}
		if ours[i] != theirs[i] {
			return 0, fmt.Sprintf("record %d: %+v, by miekg/dns %+v", i, ours[i], theirs[i])
		}
	}
	if len(ours) != len(theirs) {
		return 0, fmt.Sprintf("%d records, by miekg/dns %d", len(ours), len(theirs))
	}
	return len(ours), ""
}

// TestMiekgDiffers: the rows of miekgDiffers are true.
func TestMiekgDiffers(t *testing.T) {
	for _, c := range miekgDiffers {
		text := []byte("$TTL 60\n" + c.example)
		if !c.pattern.Match(text) {
			t.Errorf("%q does not match %v", c.example, c.pattern)
		}
		origin := dname.MustParse("2.0.192.in-addr.arpa")
		if _, difference := againstMiekg(text, origin, true); difference == "" {
			t.Errorf("%q: no difference, though %s", c.example, c.reason)
		}
		if _, difference := againstMiekg(text, origin, false); c.onlyTTL && difference != "" {
			t.Errorf("%q: %s", c.example, difference)
		}
	}
}

// compareMiekg reports a difference that no row of miekgDiffers explains, and returns
// how many records both read.
func compareMiekg(t *testing.T, text []byte, origin dname.Name) (records int) {
	t.Helper()
	records, difference := againstMiekg(text, origin, true)
	for _, c := range miekgDiffers {
		if difference != "" && c.pattern.Match(text) {
			if !c.onlyTTL {
				return 0
			}
			records, difference = againstMiekg(text, origin, false)
		}
	}
	if difference != "" {
		t.Fatalf("origin %v, text %q\n%s", origin, text, difference)
	}
	return records
}

// miekgCase returns a text to compare and its origin, by a number.
func miekgCase(which byte, text []byte) ([]byte, dname.Name) {
	if which&8 == 0 {
		text = append([]byte("$TTL 60\n"), text...)
	}
	return text, twoRoads(which & 7).Origin
}

// FuzzFileAgainstMiekg: master files mean the same to miekg/dns, where both accept
// them.
func FuzzFileAgainstMiekg(f *testing.F) {
	for _, text := range seeds(f) {
		f.Add(byte(0), false, text)
		f.Add(byte(8), false, text)
	}
	for i, text := range shortLines() {
		f.Add(byte(i), true, text)
	}
	f.Fuzz(func(t *testing.T, which byte, expanded bool, text []byte) {
		if expanded {
			text = expand(text)
		}
		text, origin := miekgCase(which, text)
		compareMiekg(t, text, origin)
	})
}

// TestFileAgainstMiekg is FuzzFileAgainstMiekg with random lines.
func TestFileAgainstMiekg(t *testing.T) {
	r := randomized(t)
	records := 0
	for range 5_000 {
		text := ""
		for range 1 + r.IntN(3) {
			text += randomLine(r)
		}
		whole, origin := miekgCase(byte(r.Uint32()), []byte(text))
		records += compareMiekg(t, whole, origin)
	}
	if records < 300 {
		t.Errorf("only %d records were compared", records)
	}
}
