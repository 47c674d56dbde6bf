package assemble

import (
	"strings"
	"testing"
)

func TestUnquoted(t *testing.T) {
	for _, c := range []struct{ typ, data, want string }{
		{"TXT", `"v=DMARC1; p=none"`, ""},
		{"TXT", `"a" "b"`, ""},
		{"TXT", `"a;\" b" "c"`, ""},
		{"TXT", `word`, ""},
		{"TXT", `  word  `, ""},
		{"TXT", `a\;b`, ""},
		{"TXT", `a\ b`, ""},
		{"TXT", `\# 3 026869`, ""},
		{"MX", `10 mail.example.com.`, ""},
		{"CAA", `0 issue "ca.example; account=1"`, ""},
		{"TXT", `v=DMARC1; p=none`, `"; p=none" would be lost`},
		{"TXT", `"v=DMARC1"; p=none`, `"; p=none" would be lost`},
		{"A", `192.0.2.1 ; the printer`, `"; the printer" would be lost`},
		{"TXT", `v=spf1 mx -all`, "3 words without double quotes"},
		{"TXT", `"a" b`, "2 words without double quotes"},
		{"TXT", `a"b"`, "2 words without double quotes"},
		{"TXT", `"never closed`, ""}, // the reader of the data says so
		{"TXT", `\`, ""},
		{"TXT", ``, ""},
	} {
		if got := checkQuotes(c.typ, c.data); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s %s: %q, want %q in it", c.typ, c.data, got, c.want)
		}
	}
}
