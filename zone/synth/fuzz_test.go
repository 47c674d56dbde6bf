package synth

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/ptrd/ptrd/zone/dname"
)

// slowName writes a name piece by piece, as the template describes it.
func slowName(t *Template, a netip.Addr) (name []byte) {
	n := numberOf(a)
	for _, l := range t.labels {
		at := len(name)
		name = append(name, 0)
		for i := range l {
			if v := n; l[i].permuted {
				v = t.permutation.apply(n.and(t.mask.not()))
				name = l[i].append(name, v)
			} else {
				name = l[i].append(name, v)
			}
		}
		name[at] = byte(len(name) - at - 1)
	}
	return append(name, t.base...)
}

// Any template that is accepted gives each address one name that leads back, and no name leads to an
// address that has another; what is written a word at a time is what the pieces say.
func FuzzTemplate(f *testing.F) {
	long := strings.Repeat("\x3f"+strings.Repeat("a-", 31)+"a", 3) + "\x3d" + strings.Repeat("-", 61) + "\x00"
	for _, text := range sampleTemplates {
		f.Add(text, []byte{192, 0, 2, 7}, byte(24), []byte("\x0b192-0-2-255\x04pool\x07example\x03net\x00"))
		f.Add(text, []byte("\x20\x01\x0d\xb8\x40\x00\x00\x00\x00\x00\x00\x00\x00\x0f\xff\x00"), byte(36), []byte(long))
	}
	f.Add("a{hex:2-4}-{padded}.{reversed}.x", []byte{10, 200, 30, 4}, byte(0), []byte("\x012\x00"))
	f.Fuzz(func(t *testing.T, text string, address []byte, length byte, wire []byte) {
		a, ok := netip.AddrFromSlice(address)
		if !ok || len(text) > 300 {
			return
		}
		p, err := a.Prefix(int(length) % (a.BitLen() + 1))
		if err != nil {
			return
		}
		template, err := New(text, p, testKey)
		if err != nil {
			return
		}
		name := dname.Name(template.Append(nil, a))
		if slow := slowName(template, a); !bytes.Equal(name, slow) {
			t.Fatalf("%s in %v of %v: %q, want %q", text, p, a, name, slow)
		}
		if len(name) > dname.MaxWire || !dname.FromWire(name).Equal(name) {
			t.Fatalf("%s in %v of %v: %q", text, p, a, name)
		}
		if got, m := template.Find(dname.Name(bytes.ToUpper(name))); m != Exact || got != a {
			t.Fatalf("%s in %v: %v is of %v (%d), want %v", text, p, name, got, m, a)
		}
		other, err := dname.Parse(dname.Name(name).Parent().String())
		if q, n := dname.FromWire(wire), len(wire); err == nil && q != nil && len(q) == n {
			other = q
		}
		names := newNames([]*Template{template})
		for ; len(other) > 1; other = other.Parent() {
			got, m := template.Find(other)
			if m == Exact && (!p.Contains(got) || !dname.Name(template.Append(nil, got)).Equal(other)) {
				t.Fatalf("%s in %v: %v is of %v", text, p, other, got)
			}
			if !other.IsAtOrBelow(template.Base()) {
				break
			}
			if a, _, match := names.Find(other); match != m || m == Exact && a != got {
				t.Fatalf("%s in %v: %v is %d of %v among others, %d of %v", text, p, other, match, a, m, got)
			}
		}
	})
}
