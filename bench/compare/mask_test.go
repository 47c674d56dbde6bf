//go:build bench

package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/zone/dname"
)

// response returns a message with what differs between two servers.
func response(t *testing.T, serial uint32, cookie, text string, address string) []byte {
	t.Helper()
	m := new(dns.Msg)
	m.SetQuestion("1.example.", dns.TypeA)
	m.Id, m.Response, m.Compress = 7, true, true
	a, err := dns.NewRR("1.example. 60 IN A " + address)
	if err != nil {
		t.Fatal(err)
	}
	m.Answer = []dns.RR{a}
	m.Ns = []dns.RR{&dns.SOA{Hdr: dns.RR_Header{Name: "Example.", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 5}, Ns: "ns.example.", Mbox: "m.example.", Serial: serial}}
	m.SetEdns0(1232, true)
	m.IsEdns0().Option = []dns.EDNS0{
		&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708" + "01000000" + cookie},
		&dns.EDNS0_EDE{InfoCode: 22, ExtraText: text},
	}
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestMask holds that what may differ is masked, and nothing else.
func TestMask(t *testing.T) {
	now := uint32(time.Now().Unix())
	one, two := serials{}, serials{}
	want := one.mask(response(t, now, "000102030405060708090a0b", "no", "192.0.2.1"))
	for _, c := range []struct {
		name string
		m    []byte
		same bool
	}{
		{"serial, hash and text", response(t, now+3, "ff0102030405060708090a0b", "a longer text", "192.0.2.1"), true},
		{"address", response(t, now+3, "000102030405060708090a0b", "no", "192.0.2.2"), false},
		{"a later serial", response(t, now+4, "000102030405060708090a0b", "no", "192.0.2.1"), false},
		{"a serial from a file", response(t, 17, "000102030405060708090a0b", "no", "192.0.2.1"), false},
	} {
		if got := two.mask(c.m); bytes.Equal(got, want) != c.same {
			t.Errorf("%s: same: %v\n%x\n%x", c.name, !c.same, got, want)
		}
	}
}

// TestMaskTSIG masks the times and the MAC, and not the error.
func TestMaskTSIG(t *testing.T) {
	signed := func(age time.Duration, secret string) []byte {
		m := new(dns.Msg)
		m.SetQuestion("example.", dns.TypeSOA)
		m.Id = 7
		b, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return newGenerator(1).sign(b, key{"k.", dns.HmacSHA256, secret}, age, 300)
	}
	a, b := serials{}.mask(signed(0, "AAAA")), serials{}.mask(signed(time.Hour, "BBBB"))
	if !bytes.Equal(a, b) {
		t.Errorf("time and MAC are not masked\n%x\n%x", a, b)
	}
	b = signed(0, "AAAA")
	b[len(b)-3] = 18 // the error
	if bytes.Equal(a, serials{}.mask(b)) {
		t.Error("the error is masked")
	}
}

// TestGenerator makes the same requests from the same seed.
func TestGenerator(t *testing.T) {
	names := []dname.Name{dname.MustParse("1.2.0.192.in-addr.arpa."), dname.MustParse("example.")}
	make := func() (all []byte) {
		g := newGenerator(5)
		g.cookie = bytes.Repeat([]byte{1}, 24)
		s := &side{serials: serials{}}
		for range 500 {
			for _, r := range []*request{g.query(names), g.badEDNS(names), g.malformed(names), g.opcode(names), g.class(names), g.identity()} {
				all = append(all, r.octets(s)...)
			}
			all = append(all, s.serials.mask(g.update(updated).octets(s))...)
			all = append(all, s.serials.mask(g.transfer(lastingNames).octets(s))...)
		}
		return all
	}
	if !bytes.Equal(make(), make()) {
		t.Error("two runs differ")
	}
}
