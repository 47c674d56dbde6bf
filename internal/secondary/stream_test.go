package secondary

import (
	"encoding/binary"
	"testing"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"
)

const testID = 4711

// mustBuild builds what an oracle has.
func mustBuild(t testing.TB, o *zonetest.Oracle) *zone.Zone {
	t.Helper()
	b := zone.NewBuilder(o.Apex)
	b.SetVerbatim()
	for _, r := range o.Records() {
		b.Add(r)
	}
	z, findings := b.Build()
	if z == nil {
		t.Fatal(findings)
	}
	return z
}

// whole returns the records of an AXFR: the SOA first and last.
func whole(o *zonetest.Oracle) (list []zone.Record) {
	var soa zone.Record
	for _, r := range o.Records() {
		if r.Type == rr.TypeSOA {
			soa = r
		} else {
			list = append(list, r)
		}
	}
	return append(append([]zone.Record{soa}, list...), soa)
}

// differences returns the records of an IXFR that leads through the oracles.
func sequences(list ...*zonetest.Oracle) []zone.Record {
	soa := whole(list[len(list)-1])[0]
	out := []zone.Record{soa}
	part := func(soa zone.Record, records []zone.Record) {
		out = append(out, soa)
		for _, r := range records {
			if r.Type != rr.TypeSOA {
				out = append(out, r)
			}
		}
	}
	for i := range list[1:] {
		from, to := list[i], list[i+1]
		c := zonetest.Diff(from, to)
		part(whole(from)[0], c.Removed)
		part(whole(to)[0], c.Added)
	}
	return append(out, soa)
}

// record returns what miekg/dns makes of a record.
func record(t testing.TB, r zone.Record) dns.RR {
	t.Helper()
	b := append([]byte(nil), r.Owner...)
	b = binary.BigEndian.AppendUint16(b, uint16(r.Type))
	b = binary.BigEndian.AppendUint16(b, dns.ClassINET)
	b = binary.BigEndian.AppendUint32(b, r.TTL)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.Data)))
	out, _, err := dns.UnpackRR(append(b, r.Data...), 0)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// messages packs an answer by miekg/dns, some records to a message: as many as
// each, which is called for every message, says.
func messages(t testing.TB, apex dname.Name, typ rr.Type, records []zone.Record, each func() int) (out [][]byte) {
	t.Helper()
	for len(records) > 0 {
		m := new(dns.Msg)
		m.Id, m.Response, m.Authoritative, m.Compress = testID, true, true, true
		if len(out) == 0 {
			m.Question = []dns.Question{{Name: apex.String(), Qtype: uint16(typ), Qclass: dns.ClassINET}}
		}
		n := min(max(each(), 1), len(records))
		for _, r := range records[:n] {
			m.Answer = append(m.Answer, record(t, r))
		}
		records = records[n:]
		b, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

// receive hands the messages to a Receiver.
func receive(a request, list [][]byte) (*received, error) {
	a.id = testID
	r := newReceiver(a)
	for i, m := range list {
		done, err := r.addMessage(m)
		if err != nil {
			return nil, err
		}
		if done {
			if i != len(list)-1 {
				return nil, errEarly
			}
			return r.result(), nil
		}
	}
	return nil, errOpen
}

type streamError string

func (e streamError) Error() string { return string(e) }

const (
	errOpen  = streamError("the answer has no end")
	errEarly = streamError("the answer ends before its last message")
)

// hold compares a zone with the oracle, all of it.
func hold(t testing.TB, z *zone.Zone, o *zonetest.Oracle) {
	t.Helper()
	if err := z.Check(); err != nil {
		t.Fatal(err)
	}
	want := mustBuild(t, o)
	if z.Serial() != o.Serial() || z.Digest() != want.Digest() {
		t.Fatalf("serial %d, digest %x; want %d, %x", z.Serial(), z.Digest(), o.Serial(), want.Digest())
	}
	if c := zone.Diff(want, z, nil); !c.IsEmpty() {
		t.Fatalf("differs by %+v", c)
	}
}
