package spelling

import "testing"

func TestNumber(t *testing.T) {
	for want, got := range map[string]string{
		"0 zones":     Number(0, "zone"),
		"1 address":   Number(1, "address"),
		"2 addresses": Number(2, "address"),
		"1 query":     Number(1, "query"),
		"3 queries":   Number(3, "query"),
		"2 keys":      Number(2, "key"),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
