package zonetest

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Parse returns the zone of a master file, read by miekg/dns.
func Parse(apex, text string) (*Oracle, error) {
	name, err := dname.Parse(apex)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", apex, err)
	}
	o := New(name)
	records, err := ParseRecords(apex, text)
	if err != nil {
		return nil, err
	}
	o.Add(records...)
	return o, nil
}

// MustParse is Parse for text known to be good; it panics on other.
func MustParse(apex, text string) *Oracle {
	o, err := Parse(apex, text)
	if err != nil {
		panic(fmt.Sprintf("zonetest: %v", err))
	}
	return o
}

// ParseRecords returns the records of a master file in their order.
func ParseRecords(origin, text string) ([]zone.Record, error) {
	var records []zone.Record
	parser := dns.NewZoneParser(strings.NewReader(text), origin, "")
	parser.SetDefaultTTL(3600)
	for x, ok := parser.Next(); ok; x, ok = parser.Next() {
		record, err := fromRR(x)
		if err != nil {
			return nil, fmt.Errorf("%v: %w", x, err)
		}
		records = append(records, record)
	}
	return records, parser.Err()
}

// fromRR converts a record by way of its wire form.
func fromRR(x dns.RR) (zone.Record, error) {
	buf := make([]byte, dns.Len(x)+dname.MaxWire)
	end, err := dns.PackRR(x, buf, 0, nil, false)
	if err != nil {
		return zone.Record{}, err
	}
	owner := dname.FromWire(buf)
	if owner == nil {
		return zone.Record{}, fmt.Errorf("owner is longer than 255 octets")
	}
	return zone.Record{Owner: owner, Type: rr.Type(x.Header().Rrtype), TTL: x.Header().Ttl,
		Data: buf[len(owner)+10 : end]}, nil
}

// toRR is the inverse of fromRR.
func toRR(owner dname.Name, t rr.Type, ttl uint32, data string) (dns.RR, error) {
	buf := owner.Clone()
	buf = binary.BigEndian.AppendUint16(buf, uint16(t))
	buf = binary.BigEndian.AppendUint16(buf, uint16(rr.ClassIN))
	buf = binary.BigEndian.AppendUint32(buf, ttl)
	buf = binary.BigEndian.AppendUint16(buf, uint16(len(data)))
	x, _, err := dns.UnpackRR(append(buf, data...), 0)
	return x, err
}

// DataText returns RDATA in presentation form, or in that of RFC 3597 §5 where
// it has none.
func DataText(t rr.Type, data string) string {
	x, err := toRR(dname.Root(), t, 0, data)
	if err != nil {
		return fmt.Sprintf(`\# %d %x`, len(data), data)
	}
	return strings.TrimPrefix(x.String(), x.Header().String())
}

// Text returns the zone as a master file in canonical order.
func (o *Oracle) Text() string {
	var out strings.Builder
	for _, r := range o.Records() {
		fmt.Fprintf(&out, "%v\t%d\tIN\t%v\t%s\n", r.Owner, r.TTL, r.Type, DataText(r.Type, string(r.Data)))
	}
	return out.String()
}
