package secondary

import (
	"encoding/binary"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/rr"
)

// FuzzReceiver hands any messages to a Receiver: an octet that says whether AXFR or
// IXFR was asked for, then messages with their lengths in front. Whatever comes of them
// is a zone that a Builder makes as well, and what was there before stays.
func FuzzReceiver(f *testing.F) {
	base := mustBuild(f, oracle(f, soa1+rest))
	before := base.Digest()
	types := []rr.Type{rr.TypeAXFR, rr.TypeIXFR}
	for _, text := range []string{
		soa2 + rest + soa2,                                     // a zone
		soa2 + soa1 + "a 60 PTR x.\n" + soa2 + soa2,            // a difference
		soa3 + soa1 + soa2 + soa2 + "c PTR c.\n" + soa3 + soa3, // two
		soa1,                                   // nothing new
		soa2 + rest + "a 60 CNAME c.\n" + soa2, // no zone at all
		soa2 + rest + "x 60 RRSIG PTR 13 2 60 20370101000000 20200101000000 1 @ AAAA\nt TXT a b\n* MX 1 @\n" + soa2,
		soa2 + rest + lone + odd + soa2,
		soa3 + soa1 + soa2 + lone + odd + soa2 + "b 60 PTR y.\n" + soa3 + soa3,
	} {
		for i, typ := range types {
			for _, each := range []int{1, 3} {
				seed := []byte{byte(i)}
				for _, m := range messages(f, base.Apex(), typ, parse(f, text), func() int { return each }) {
					seed = append(binary.BigEndian.AppendUint16(seed, uint16(len(m))), m...)
				}
				f.Add(seed)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 {
			return
		}
		r := newReceiver(request{id: testID, typ: types[data[0]&1], apex: base.Apex(), base: base, maxOctets: 1 << 16})
		data = data[1:]
		done := false
		for !done && len(data) >= 2 {
			n := min(int(binary.BigEndian.Uint16(data)), len(data)-2)
			var err error
			if done, err = r.addMessage(data[2 : 2+n]); err != nil {
				break
			}
			data = data[2+n:]
		}
		if base.Digest() != before {
			t.Fatal("what was there is changed")
		}
		if !done {
			return
		}
		got := r.result()
		if got.zone == nil {
			if base.Serial().Before(got.serial) {
				t.Fatalf("serial %d, and nothing came", got.serial)
			}
			return
		}
		if err := got.zone.Check(); err != nil {
			t.Fatal(err)
		}
		if err := base.Check(); err != nil {
			t.Fatal(err)
		}
		if got.serial != got.zone.Serial() || !base.Serial().Before(got.serial) {
			t.Fatalf("serial %d of the zone, %d of the answer", got.zone.Serial(), got.serial)
		}
		b := zone.NewBuilder(base.Apex())
		b.SetVerbatim()
		for rec := range got.zone.All() {
			b.Add(rec)
		}
		again, findings := b.Build()
		if again == nil || again.Digest() != got.zone.Digest() {
			t.Fatalf("a Builder makes another zone of the records: %v", findings)
		}
	})
}
