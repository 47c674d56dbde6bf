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

func TestSome(t *testing.T) {
	list := []int{1, 2, 3, 4}
	for want, got := range map[string]string{
		"":                Some(list[:0], 2),
		"1":               Some(list[:1], 2),
		"1, 2":            Some(list[:2], 2),
		"1, 2 and 1 more": Some(list[:3], 2),
		"1, 2 and 2 more": Some(list, 2),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
