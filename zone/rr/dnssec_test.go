package rr

import (
	"testing"
	"time"
)

// TestSignatureEnd: expirations are serial numbers of 32 bits (RFC 4034 §3.1.5).
func TestSignatureEnd(t *testing.T) {
	for _, c := range []struct{ now, field, want int64 }{
		{1_800_000_000, 1_800_086_400, 1_800_086_400},
		{1_800_000_000, 1_700_000_000, 1_700_000_000},
		{1<<32 - 100, 50, 1<<32 + 50},
		{1<<32 + 100, 1<<32 - 50, 1<<32 - 50},
	} {
		data := []byte{0, byte(TypePTR), 8, 2, 0, 0, 0, 60, byte(c.field >> 24), byte(c.field >> 16), byte(c.field >> 8), byte(c.field)}
		if got := SignatureEnd(data, time.Unix(c.now, 0)); got.Unix() != c.want {
			t.Errorf("%d at %d: %d, want %d", c.field, c.now, got.Unix(), c.want)
		}
	}
}
