package rr

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/ptrd/ptrd/zone/dname"
)

// gateway is nothing, an address or a name. Which, say those bits of the second octet of RDATA
// that are set here (RFC 4025 §2.3, RFC 8777 §4.2.3).
type gateway byte

const (
	gatewayNone = iota
	gatewayIP4
	gatewayIP6
	gatewayName
)

// field returns the kind of field that the gateway is.
func (k gateway) field(d []byte) kind {
	switch d[1] & byte(k) {
	case gatewayIP4:
		return ip4
	case gatewayIP6:
		return ip6
	case gatewayName:
		return plainName
	}
	return nil
}

func (k gateway) parse(p *Parser, name string) {
	d := p.out[p.start:]
	if f := k.field(d); f != nil {
		f.parse(p, name)
		return
	}
	w := p.next(name)
	switch {
	case d[1]&byte(k) != gatewayNone:
		p.fail(0, "bad-gateway", "%s type %d is not one of 0 (none), 1 (IPv4), 2 (IPv6) and 3 (name)", name, d[1]&byte(k))
	case w.Quoted || string(w.Text) != ".":
		p.fail(0, "bad-gateway", "%s %s, but type 0 means that there is none; write a dot", name, Quote(w.Text))
	}
}

func (k gateway) size(d []byte, at int) (int, string) {
	if f := k.field(d); f != nil {
		return f.size(d, at)
	}
	if t := d[1] & byte(k); t != gatewayNone {
		return 0, fmt.Sprintf("its type %d is not one of 0 (none), 1 (IPv4), 2 (IPv6) and 3 (name)", t)
	}
	return 0, ""
}

func (k gateway) print(dst, d []byte, at, n int) []byte {
	if f := k.field(d); f != nil {
		return f.print(dst, d, at, n)
	}
	return append(dst, '.')
}

// relayType is the discovery bit and the type of a relay in one octet, in two words (RFC 8777 §4.2).
type relayType struct{}

func (relayType) parse(p *Parser, name string) {
	var v [2]uint64
	for i, limit := range [...]uint64{1, 127} {
		w := p.next([...]string{"discovery-optional bit", "relay type"}[i])
		var ok bool
		if v[i], ok = ParseUint(w.Text, limit); !ok || w.Quoted {
			p.fail(0, "bad-number", "%s is not a whole number from 0 to %d", Quote(w.Text), limit)
		}
	}
	p.out = append(p.out, byte(v[0]<<7|v[1]))
}

func (relayType) size(d []byte, at int) (int, string) { return exactly(d, at, 1) }
func (relayType) print(dst, d []byte, at, _ int) []byte {
	return fmt.Appendf(dst, "%d %d", d[at]>>7, d[at]&0x7f)
}

// hostIdentity is the algorithm, identity tag and public key of a host in words of their own, the lengths
// in front (RFC 8005 §5).
type hostIdentity struct{}

func (hostIdentity) parse(p *Parser, _ string) {
	head := len(p.out)
	p.out = append(p.out, 0)
	number(1).parse(p, "algorithm")
	p.out = append(p.out, 0, 0)
	p.hexWord("host identity tag", p.next("host identity tag"))
	tagOctets := len(p.out) - head - 4
	w := p.next("public key")
	out, err := base64.StdEncoding.AppendDecode(p.out, w.Text)
	key := len(out) - len(p.out)
	if err != nil || w.Quoted || key == 0 || key > 0xffff {
		p.fail(0, "bad-base64", "public key %s is not base64", Quote(w.Text))
	}
	p.out = out
	if tagOctets > 255 {
		p.fail(0, "long-tag", "the host identity tag has %d octets, at most 255 are allowed", tagOctets)
	}
	p.out[head] = byte(tagOctets)
	binary.BigEndian.PutUint16(p.out[head+2:], uint16(key))
}

func (hostIdentity) size(d []byte, at int) (int, string) {
	if len(d)-at < 4 {
		return exactly(d, at, 4)
	}
	tagOctets, key := int(d[at]), int(binary.BigEndian.Uint16(d[at+2:]))
	if tagOctets == 0 || key == 0 {
		return 0, "the host identity tag or the key is empty"
	}
	return exactly(d, at, 4+tagOctets+key)
}

func (hostIdentity) print(dst, d []byte, at, n int) []byte {
	keyAt := at + 4 + int(d[at])
	dst = fmt.Appendf(dst, "%d ", d[at+1])
	dst = append(appendHex(dst, d[at+4:keyAt]), ' ')
	return base64.StdEncoding.AppendEncode(dst, d[keyAt:at+n])
}

// a6Suffix is the length of the prefix and the other bits of the address (RFC 2874 §3.1).
type a6Suffix struct{}

func (a6Suffix) parse(p *Parser, _ string) {
	w := p.next("prefix length")
	length, ok := ParseUint(w.Text, 128)
	if !ok || w.Quoted {
		p.fail(0, "bad-number", "prefix length %s is not a whole number from 0 to 128", Quote(w.Text))
	}
	p.out = append(p.out, byte(length))
	if length == 128 {
		return
	}
	at := len(p.out)
	ip6.parse(p, "address suffix")
	p.out = append(p.out[:at], p.out[at+int(length)/8:]...)
	p.out[at] &= 0xff >> (length % 8)
}

func (a6Suffix) size(d []byte, at int) (int, string) {
	if at == len(d) || d[at] > 128 {
		return 0, "the prefix length is missing or above 128"
	}
	length := int(d[at])
	n := 1 + (135-length)/8
	if len(d)-at >= n && length < 128 && d[at+1]&^(0xff>>(length%8)) != 0 {
		return 0, "bits of the prefix are set in the suffix"
	}
	return exactly(d, at, n)
}

func (a6Suffix) print(dst, d []byte, at, n int) []byte {
	dst = fmt.Appendf(dst, "%d", d[at])
	if n == 1 {
		return dst
	}
	var a [16]byte
	copy(a[17-n:], d[at+1:at+n])
	return netip.AddrFrom16(a).AppendTo(append(dst, ' '))
}

// a6Name is the name of the prefix, if it has bits.
type a6Name struct{}

func (a6Name) parse(p *Parser, name string) {
	if p.out[p.start] == 0 {
		return
	}
	plainName.parse(p, name)
}

func (a6Name) size(d []byte, at int) (int, string) {
	if d[0] == 0 {
		return 0, ""
	}
	return plainName.size(d, at)
}

func (a6Name) print(dst, d []byte, at, n int) []byte {
	if n == 0 {
		return dst
	}
	return dname.Name(d[at : at+n]).AppendString(dst)
}
