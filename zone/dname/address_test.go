package dname

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// addressOf is ReadAddress by way of the general functions.
func addressOf(b []byte) (k AddressKey, n int) {
	name := FromWire(b)
	if name == nil {
		return k, 0
	}
	p, ok := ToPrefix(name)
	if !ok || !p.IsSingleIP() {
		return k, 0
	}
	a := p.Addr().AsSlice()
	if len(a) == 4 {
		return AddressKey{Hi: uint64(binary.BigEndian.Uint32(a)) << 32, Family: InAddr}, len(name)
	}
	return AddressKey{Hi: binary.BigEndian.Uint64(a), Lo: binary.BigEndian.Uint64(a[8:]), Family: IP6}, len(name)
}

func checkAddress(t *testing.T, b []byte) {
	t.Helper()
	for _, behind := range []byte{0, 1, '1', 0xff} {
		room := [AddressRoom]byte(bytes.Repeat([]byte{behind}, AddressRoom))
		copy(room[:], b)
		wantKey, wantLen := addressOf(room[:])
		var k AddressKey
		if n := ReadAddress(&room, &k); n != wantLen || n > 0 && k != wantKey {
			t.Errorf("ReadAddress(%q) = %x, %d, want %x, %d", room, k, n, wantKey, wantLen)
		}
	}
	wantKey, wantLen := addressOf(b)
	var k AddressKey
	if ok := Name(b).Address(&k); ok != (wantLen == len(b) && wantLen > 0) || ok && k != wantKey {
		t.Errorf("Address of %q = %x, %v, want %x", b, k, ok, wantKey)
	}
}

// Every octet at every place of a good name, of both families.
func TestReadAddressEveryOctet(t *testing.T) {
	for _, a := range []string{"192.0.2.1", "10.20.30.40", "0.0.0.0", "255.255.255.255", "2001:db8::9af:1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"} {
		name := FromAddr(netip.MustParseAddr(a))
		if !name.Address(new(AddressKey)) {
			t.Fatalf("%s is not read", a)
		}
		for i := range name {
			b := bytes.Clone(name)
			for c := range 256 {
				b[i] = byte(c)
				checkAddress(t, b)
			}
		}
		for n := range name {
			checkAddress(t, name[:n])
		}
	}
}

func TestReadAddressRandom(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 20000 {
		var a netip.Addr
		if rng.IntN(2) == 0 {
			a = netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, rng.Uint32()>>(8*rng.IntN(4)))))
		} else {
			a = netip.AddrFrom16([16]byte(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, rng.Uint64()), rng.Uint64())))
		}
		b := []byte(FromAddr(a))
		for i, c := range b { // 0x20
			if 'a' <= c && c <= 'z' && rng.IntN(2) == 0 {
				b[i] -= 'a' - 'A'
			}
		}
		checkAddress(t, b)
		b[rng.IntN(len(b))] = byte(rng.Uint32())
		checkAddress(t, b)
	}
}

func FuzzReadAddress(f *testing.F) {
	for _, a := range []string{"192.0.2.1", "2001:db8::1"} {
		f.Add([]byte(FromAddr(netip.MustParseAddr(a))))
	}
	f.Fuzz(func(t *testing.T, b []byte) { checkAddress(t, b) })
}

func BenchmarkReadAddress(b *testing.B) {
	for _, a := range []string{"192.0.2.1", "2001:db8::9af:1"} {
		var name [AddressRoom]byte
		copy(name[:], FromAddr(netip.MustParseAddr(a)))
		b.Run(a, func(b *testing.B) {
			for b.Loop() {
				var k AddressKey
				if ReadAddress(&name, &k) == 0 {
					b.Fatal("not read")
				}
			}
		})
	}
}
