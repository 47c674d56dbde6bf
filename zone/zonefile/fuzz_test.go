package zonefile

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/rule"
	"github.com/ptrd/ptrd/zone/source"
)

// seeds are the master files of testdata, which say what they exercise, and a few
// that no text file can hold.
func seeds(f *testing.F) (texts [][]byte) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		f.Fatal("no testdata", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range txtar.Parse(data).Files {
			if part.Name == "zone" {
				texts = append(texts, part.Data)
			}
		}
	}
	return append(texts,
		[]byte("\xef\xbb\xbf$TTL 1\r\n1 PTR a.\r2 PTR b"),
		[]byte("$TTL 1\n1 TXT \"\\\n\" \x00\n"),
		[]byte("@ 1 SOA a b ( 1 2 3 4 5"),
		[]byte("$TTL 1\n$GENERATE 0-3 ${0,4,n} TXT \"\\$ $$ ${-1,3,x}\" $\n"),
		[]byte("1 1 NSEC a. A TYPE65534 NSEC\n2 1 SVCB 1 . alpn=h2 key65000=x\n3 1 LOC 1 N 1 E 0m\n4 1 APL\n5 1 NAPTR 1 1 \"\" \"\" \"\" .\n"),
	)
}

type keptRecord struct {
	owner, data string
	typ         rr.Type
	ttl         uint32
}

func keep(text []byte, origin dname.Name) (*Result, []keptRecord) {
	var records []keptRecord
	res := ReadBytes("f", text, Options{Origin: origin, Table: new(source.Table), GenerateLimit: 300}, func(r zone.Record) {
		records = append(records, keptRecord{string(r.Owner), string(r.Data), r.Type, r.TTL})
	})
	return res, records
}

// FuzzParse: no text makes the reader panic, all that comes out is well formed, and
// what is printed of it is read back as the same.
func FuzzParse(f *testing.F) {
	for _, text := range seeds(f) {
		f.Add(text)
	}
	origin := dname.MustParse("2.0.192.in-addr.arpa")
	f.Fuzz(func(t *testing.T, text []byte) {
		res, records := keep(text, origin)
		if errs, warnings := finding.Count(res.Findings); res.Records != len(records) || errs != res.Errors || warnings != res.Warnings {
			t.Errorf("result %+v for %d records", res, len(records))
		}
		var printed []byte
		for _, r := range records {
			if n := dname.FromWire([]byte(r.owner)); len(n) != len(r.owner) {
				t.Fatalf("owner %q is not a name", r.owner)
			}
			if r.ttl > maxTTL {
				t.Errorf("TTL %d", r.ttl)
			}
			if reason := rr.FormFault(r.typ, []byte(r.data)); reason != "" {
				t.Errorf("%v %q: %s", r.typ, r.data, reason)
			}
			printed = AppendRecord(printed, zone.Record{Owner: dname.Name(r.owner), Type: r.typ, TTL: r.ttl, Data: []byte(r.data)})
			printed = append(printed, '\n')
		}
		// An SOA elsewhere than at the origin is an error, but loses nothing.
		_, again := keep(printed, origin)
		if len(again) != len(records) {
			t.Fatalf("%d records, %d after printing:\n%s", len(records), len(again), printed)
		}
		for i := range again {
			if again[i] != records[i] {
				t.Errorf("record %d: %+v, after printing %+v", i, records[i], again[i])
			}
		}
	})
}

// FuzzAgainstMiekg: RDATA of the types that are read here means the same to
// miekg/dns, where both accept it.
func FuzzAgainstMiekg(f *testing.F) {
	types := []rr.Type{rr.TypePTR, rr.TypeNS, rr.TypeCNAME, rr.TypeDNAME, rr.TypeA, rr.TypeAAAA, rr.TypeSOA, rr.TypeMX, rr.TypeTXT}
	for _, text := range []string{
		"mail.example.", "ns1", "1.0/25", "@", "192.0.2.1", "2001:db8::1", "ns host 1 2h 3 4w 5", "10 mail", `"a b" c\"d "\\\065"`,
		".", "a\\.b.c.", "A\\(\\)\\;.", "a\\032b", "::ffff:192.0.2.1", "::1", "ns. host. 4294967295 0 0 0 0", "65535 .", `""`, `"` + strings.Repeat("a", 255) + `"`,
		`\# 3 016100`, `\# 4 c0000201`, `\# 0`, `\# 2 0161`, `\# 1 00`,
	} {
		for j := range types {
			f.Add(uint8(j), text)
		}
	}
	origin := dname.MustParse("2.0.192.in-addr.arpa")
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		typ := types[int(which)%len(types)]
		if strings.ContainsAny(text, "\x00\r\n()") {
			return // of the lines around RDATA, not of RDATA
		}
		ours, err := ParseRData(typ, text, origin)
		theirs, theirErr := viaLibrary(". 0 IN "+typ.String()+" "+text+"\n", origin)
		switch {
		case err == nil && theirErr == nil:
			if !bytes.Equal(ours, theirs) {
				t.Errorf("%v %q: %x here, %x there", typ, text, ours, theirs)
			}
		case err == nil:
			t.Errorf("%v %q: %x here, there %v", typ, text, ours, theirErr)
		case theirErr == nil && !isStricter(err):
			t.Errorf("%v %q: here %v, %x there", typ, text, err, theirs)
		}
	})
}

// isStricter reports whether an error is one of those where we, as BIND does,
// refuse what miekg/dns takes.
func isStricter(err error) bool {
	for _, reason := range []string{
		"is in quotes",          // "mail.example."
		"split it into several", // strings of over 255 octets
		"is missing",            // RDATA may be absent in updates
		"are no RDATA of type",  // \# with too few octets
		"need two more digits",  // \1
		"is not an octet",       // \700
		"at the end; write",     // a backslash, which would escape the dot before the origin
		"is never closed",       // "
		"is not a time",         // w0
	} {
		if strings.Contains(err.Error(), reason) {
			return true
		}
	}
	return false
}

// FuzzRData: any octets can be printed, and what is printed is read as them.
func FuzzRData(f *testing.F) {
	for _, t := range []rr.Type{rr.TypePTR, rr.TypeA, rr.TypeAAAA, rr.TypeSOA, rr.TypeMX, rr.TypeTXT, rr.TypeSRV, rr.TypeNAPTR, rr.TypeDS, rr.TypeNSEC, rr.TypeNSEC3, rr.TypeSVCB, 42, 29, 257, 65534, 10} {
		for _, data := range []string{"", "\x00", "\x01a\x00", "\x00\x01\x01a\x00", "\xc0\x00\x02\x01", "\x02ab\x00\x01", strings.Repeat("\x00", 22)} {
			f.Add(uint16(t), []byte(data))
		}
	}
	for _, text := range []string{
		". 0 IN NAPTR 1 2 \"a\\\"\" \"\\\\\" \"!^.*$!x!\" .", ". 0 IN SVCB 1 . alpn=h2,h3 port=53 ech=AAAA key65000=\"x y\"", ". 0 IN LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m",
		". 0 IN CAA 0 issue \"a;b\"", ". 0 IN NSEC a.\\(b. A NS TYPE65534", ". 0 IN HINFO \"a\\200\" \"\"", ". 0 IN URI 1 2 \"http://a\\\"b\"", ". 0 IN IPSECKEY 10 3 2 gw.example. AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==",
		". 0 IN APL 1:192.0.2.0/24 !2:2001:db8::/32", ". 0 IN TKEY", ". 0 IN CERT 1 2 3 AAAA", ". 0 IN SSHFP 1 1 00", ". 0 IN NSEC3 1 0 0 - 0P9MHAVEQVM6T7VBL5LOP2U3T2RP3TOM A", ". 0 IN HIP 2 200100107B1A74DF365639CC39F1D578 AwEAAbdxyhNuSutc5EMzxTs9LBPCIkOFH8cIvM4p rvs.example.",
	} {
		if record, err := dns.NewRR(text); err == nil && record != nil {
			if data, err := packRData(record); err == nil {
				f.Add(record.Header().Rrtype, data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, typ uint16, data []byte) {
		if rr.Type(typ).IsMeta() || len(data) > 0xffff {
			return
		}
		text := rr.Text(rr.Type(typ), data)
		again, err := ParseRData(rr.Type(typ), text, dname.Root())
		if err != nil {
			if len(rr.Check(new(rule.Checks), rr.Type(typ), data)) > 0 {
				return // no RDATA of that type: it is shown, but not taken
			}
			t.Fatalf("%v %x: %q: %v", rr.Type(typ), data, text, err)
		}
		if !bytes.Equal(again, data) {
			t.Errorf("%v %x: %q: %x", rr.Type(typ), data, text, again)
		}
	})
}
