package interop

import (
	"fmt"
	"maps"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// manner is how a transfer was answered.
type manner string

const (
	whole       manner = "whole"
	incremental manner = "incremental"
	current     manner = "current"
)

// transfer gets a zone by AXFR, or, with what it was before, by IXFR (RFC 1995). each
// is called with the zone after each difference sequence. What comes must be
// right record by record: what is removed was there, what is added was not. The
// error is a *broken where it is not.
func transfer(addr netip.AddrPort, zone string, from *contents, each func(records) error) (records, manner, error) {
	m := new(dns.Msg)
	if m.SetAxfr(zone); from != nil {
		m.SetIxfr(zone, from.serial, ".", ".")
	}
	conn, err := dns.DialTimeout("tcp", addr.String(), exchangeWait)
	if err != nil {
		return nil, "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(exchangeWait)) // a connection that is gone says so below
	if err := conn.WriteMsg(m); err != nil {
		return nil, "", err
	}
	x := &reading{from: from, each: each}
	for !x.done {
		r, err := conn.ReadMsg()
		if err != nil {
			return nil, "", err
		}
		if r.Id != m.Id || r.Rcode != dns.RcodeSuccess || !r.Authoritative || len(r.Answer) == 0 {
			return nil, "", &broken{fmt.Errorf("not a part of a transfer:\n%v", r)}
		}
		for _, rr := range r.Answer {
			if err := x.take(rr); err != nil {
				return nil, "", &broken{fmt.Errorf("%s: record %d: %w", zone, x.n, err)}
			}
		}
		if x.n == 1 && from != nil && !isBefore(from.serial, x.soa.Serial) {
			if from.serial != x.soa.Serial {
				return nil, "", &broken{fmt.Errorf("%s: serial %d for who has %d", zone, x.soa.Serial, from.serial)}
			}
			return from.records, current, nil
		}
	}
	return x.records, x.kind, nil
}

// reading is an answer as far as it has come.
type reading struct {
	from *contents
	each func(records) error

	n       int      // records so far
	soa     *dns.SOA // the first
	kind    manner   // known with the second record
	records records
	adding  bool
	serial  uint32 // of records, or that they are to have after what is being added
	done    bool
}

func (x *reading) take(rr dns.RR) error {
	soa, isSOA := rr.(*dns.SOA)
	x.n++
	switch {
	case x.done:
		return fmt.Errorf("%v after the end", rr)
	case x.n == 1:
		if !isSOA {
			return fmt.Errorf("%v is no SOA", rr)
		}
		x.soa = soa
		return nil
	case x.n == 2 && isSOA && x.from != nil:
		if soa.Serial != x.from.serial {
			return fmt.Errorf("changes from serial %d for who has %d", soa.Serial, x.from.serial)
		}
		x.kind, x.records, x.serial, x.adding = incremental, maps.Clone(x.from.records), soa.Serial, true
	case x.n == 2:
		x.kind, x.records = whole, records{x.soa.String(): x.soa}
	}
	if x.kind == whole {
		if x.done = isSOA; x.done {
			if rr.String() != x.soa.String() {
				return fmt.Errorf("%v at the end, %v at the beginning", rr, x.soa)
			}
			return nil
		}
		return x.add(rr)
	}
	switch {
	case isSOA && x.adding: // the end, or that of a difference sequence
		if soa.Serial != x.serial {
			return fmt.Errorf("changes from serial %d after those to %d", soa.Serial, x.serial)
		}
		if x.n > 2 {
			if err := x.each(x.records); err != nil {
				return err
			}
		}
		if x.done = x.n > 2 && soa.Serial == x.soa.Serial; x.done {
			return nil
		}
		x.adding = false
		return x.remove(rr)
	case isSOA:
		if !isBefore(x.serial, soa.Serial) {
			return fmt.Errorf("changes from serial %d to %d", x.serial, soa.Serial)
		}
		x.adding, x.serial = true, soa.Serial
		return x.add(rr)
	case x.adding:
		return x.add(rr)
	}
	return x.remove(rr)
}

func (x *reading) add(rr dns.RR) error {
	key := rr.String()
	if x.records[key] != nil {
		return fmt.Errorf("%s is added and is there", key)
	}
	x.records[key] = rr
	return nil
}

func (x *reading) remove(rr dns.RR) error {
	key := rr.String()
	if x.records[key] == nil {
		return fmt.Errorf("%s is removed and is not there", key)
	}
	delete(x.records, key)
	return nil
}
