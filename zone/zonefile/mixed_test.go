package zonefile

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/source"
)

// mixedData is the data of the usual types of forward zones.
var mixedData = []string{
	"A 192.0.2.1",
	"AAAA 2001:db8::1",
	"CNAME www.example.net.",
	"MX 10 mail.example.net.",
	`TXT "v=spf1 include:_spf.example.net -all"`,
	`TXT "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYtIxN2SnFC" "jxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfVjH4OuKhi"`,
	"SRV 10 60 5060 sip.example.net.",
	"NS ns1.example.net.",
	`CAA 0 issue "ca.example.net"`,
	`HINFO "amd64" "Linux"`,
	"DS 60485 13 2 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	"SSHFP 4 2 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	"TLSA 3 1 1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
	"LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m",
	`NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:info@example.com!" .`,
	"RP hostmaster.example.net. text.example.net.",
	"HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.1",
	`URI 10 1 "https://www.example.net/"`,
}

// mixedFile returns n records of all these types.
func mixedFile(n int) []byte {
	b := bytes.NewBufferString("$TTL 1h\n@ SOA ns1.example.net. hostmaster.example.net. 1 2h 1h 2w 1h\n@ NS ns1.example.net.\n")
	for i := range n {
		fmt.Fprintf(b, "host-%d %s\n", i, mixedData[i%len(mixedData)])
	}
	return b.Bytes()
}

// BenchmarkReadMixed reads a million records of many types.
func BenchmarkReadMixed(b *testing.B) {
	const n = 1_000_000
	text := mixedFile(n)
	o := Options{Origin: dname.MustParse("example.org."), Table: new(source.Table)}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if res := ReadBytes("file", text, o, func(zone.Record) {}); !res.OK() || res.Records != n+2 {
			b.Fatal(res.Findings)
		}
	}
	b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "records/s")
}

// TestGarbageOfTypes asserts that a record costs at most one allocation, but for the two types whose
// text has many forms.
func TestGarbageOfTypes(t *testing.T) {
	for _, data := range mixedData {
		cost := func(n int) float64 {
			var b bytes.Buffer
			for i := range n {
				fmt.Fprintf(&b, "host-%d 60 %s\n", i, data)
			}
			o := Options{Origin: dname.MustParse("example.org."), Table: new(source.Table)}
			return testing.AllocsPerRun(3, func() { ReadBytes("file", b.Bytes(), o, func(zone.Record) {}) })
		}
		most := 1.0
		if strings.HasPrefix(data, "LOC") || strings.HasPrefix(data, "HTTPS") {
			most = 15
		}
		if each := (cost(1200) - cost(200)) / 1000; each > most {
			t.Errorf("%.2f allocations for %s, at most %v", each, data, most)
		}
	}
}
