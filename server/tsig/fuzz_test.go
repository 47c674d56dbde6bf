package tsig

import (
	"testing"

	"github.com/miekg/dns"
)

// FuzzVerify: whatever comes, neither side panics, nothing but what was signed
// verifies, and what an error is answered with can be read.
func FuzzVerify(f *testing.F) {
	k := newKey(f, HMACSHA256, 16)
	keys := NewKeys([]*Key{k})
	good, _ := k.Request(question(f), now)
	f.Add(good)               // verifies
	f.Add(good[:len(good)-1]) // cut short
	f.Add(question(f))        // no TSIG record
	late, _ := k.Request(question(f), now-1000)
	f.Add(late)                                                                       // BADTIME
	f.Add(append(append([]byte(nil), good[:len(good)-5]...), 0, 6, 1, 2, 3, 4, 5, 6)) // other data
	f.Fuzz(func(t *testing.T, msg []byte) {
		original := string(msg)
		if s, ok := verify(keys, msg, now); ok {
			if s.Err() == NoError && original != string(good) {
				at, _ := find(good)
				// The ID of the header, and the case of the key's and algorithm's names, are not
				// signed as they are.
				if len(msg) != len(good) || original[2:at] != string(good[2:at]) {
					t.Fatalf("%x verifies", msg)
				}
			}
			reply := s.Sign([]byte{1, 2, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0}, now)
			if len(reply) != headerLen+s.Len() {
				t.Fatalf("%d octets, %d were promised", len(reply), headerLen+s.Len())
			}
			if err := new(dns.Msg).Unpack(reply); err != nil {
				t.Fatalf("%x: %v", reply, err)
			}
		}
		if string(msg) != original {
			t.Fatal("the request was changed")
		}
		_, v := k.Request(question(t), now)
		for range 2 {
			if _, err := v.Verify(append([]byte(nil), msg...), now); err == nil {
				t.Fatalf("%x is an answer", msg)
			}
		}
	})
}
