package siphash

import "testing"

// The vectors that the authors of SipHash publish for the key 00 01 … 0f and the
// messages 00 01 … of growing length.
func TestSipHash(t *testing.T) {
	var key [16]byte
	var msg [64]byte
	for i := range key {
		key[i] = byte(i)
	}
	for i := range msg {
		msg[i] = byte(i)
	}
	for n, want := range map[int]uint64{
		0:  0x726fdb47dd0e0e31,
		1:  0x74f839c593dc67fd,
		15: 0xa129ca6149be45e5,
		63: 0x958a324ceb064572,
	} {
		if got := New(key[:]).Sum(msg[:n]); got != want {
			t.Errorf("%d octets: %016x, want %016x", n, got, want)
		}
	}
}
