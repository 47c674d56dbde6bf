package zonefile

import (
	"slices"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/source"
)

// TestLines: the lines are as short as possible, and read back they are the same records.
func TestLines(t *testing.T) {
	origin := dname.MustParse("113.0.203.in-addr.arpa.")
	read := func(text string) (list []zone.Record) {
		res := ReadBytes("test", []byte("$TTL 60\n"+text+"\n"), Options{Origin: origin, Table: new(source.Table)}, func(r zone.Record) {
			list = append(list, zone.Record{Owner: r.Owner.Clone(), Type: r.Type, TTL: r.TTL, Data: slices.Clone(r.Data)})
		})
		if !res.OK() {
			t.Fatalf("%s\n%v", text, res.Findings)
		}
		return list
	}
	for _, tt := range []struct{ name, text, want string }{
		{"a part", "64/26 NS ns1.a.example.\n$GENERATE 64-127 $ CNAME $.64/26",
			"64/26.113.0.203.in-addr.arpa. NS ns1.a.example.\n$GENERATE 64-127 $.113.0.203.in-addr.arpa. CNAME $.64/26.113.0.203.in-addr.arpa."},
		{"one address", "64 CNAME 64.64-64", "64.113.0.203.in-addr.arpa. CNAME 64.64-64.113.0.203.in-addr.arpa."},
		{"a gap", "1 CNAME 1.x\n2 CNAME 2.x\n4 CNAME 4.x\n5 CNAME 5.x",
			"$GENERATE 1-2 $.113.0.203.in-addr.arpa. CNAME $.x.113.0.203.in-addr.arpa.\n$GENERATE 4-5 $.113.0.203.in-addr.arpa. CNAME $.x.113.0.203.in-addr.arpa."},
		{"two servers", "1 NS a.example.\n1 NS b.example.\n2 NS a.example.\n2 NS b.example.",
			"$GENERATE 1-2 $.113.0.203.in-addr.arpa. NS a.example.\n$GENERATE 1-2 $.113.0.203.in-addr.arpa. NS b.example."},
		{"other octet", "1 CNAME 2.x\n2 CNAME 2.x",
			"1.113.0.203.in-addr.arpa. CNAME 2.x.113.0.203.in-addr.arpa.\n2.113.0.203.in-addr.arpa. CNAME 2.x.113.0.203.in-addr.arpa."},
		{"marks of $GENERATE", "1 CNAME 1.a$b\n2 CNAME 2.a$b\n1 NS $.example.\n2 NS $.example.\n1 CNAME 1.a\\.b\n2 CNAME 2.a\\.b",
			"1.113.0.203.in-addr.arpa. CNAME 1.a\\$b.113.0.203.in-addr.arpa.\n2.113.0.203.in-addr.arpa. CNAME 2.a\\$b.113.0.203.in-addr.arpa.\n" +
				"1.113.0.203.in-addr.arpa. NS \\$.example.\n2.113.0.203.in-addr.arpa. NS \\$.example.\n" +
				"1.113.0.203.in-addr.arpa. CNAME 1.a\\.b.113.0.203.in-addr.arpa.\n2.113.0.203.in-addr.arpa. CNAME 2.a\\.b.113.0.203.in-addr.arpa."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			list := read(tt.text)
			got := strings.Join(Lines(list, true), "\n")
			if got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
			same := func(a, b zone.Record) bool {
				return a.Owner.Equal(b.Owner) && a.Type == b.Type && string(a.Data) == string(b.Data)
			}
			sorted := func(list []zone.Record) []zone.Record {
				slices.SortStableFunc(list, func(a, b zone.Record) int { return strings.Compare(Line(a), Line(b)) })
				return list
			}
			for _, generate := range []bool{false, true} {
				if back := read(strings.Join(Lines(list, generate), "\n")); !slices.EqualFunc(sorted(back), sorted(slices.Clone(list)), same) {
					t.Errorf("generate %v: %v is read back", generate, back)
				}
			}
		})
	}
}
