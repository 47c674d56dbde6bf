package answer

import (
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/ptrd/ptrd/zone/siphash"
)

// Lengths in octets of RFC 7873 §4 and RFC 9018 §4.
const (
	clientCookieLen    = 8
	serverCookieLen    = 16 // of the cookies that we make
	minServerCookieLen = 8  // of those that others make
	maxServerCookieLen = 32
	cookieSecretLen    = 16
)

// The lifetime of a server cookie (RFC 9018 §4.3), in seconds.
const (
	cookieLifetime = 60 * 60 // since it was made
	cookieRenewal  = 30 * 60 // then the client gets a new one in time
	cookieFuture   = 5 * 60  // how much the clocks of an anycast set may differ
)

// Cookies makes and checks DNS server cookies (RFC 7873, RFC 9018). It is
// immutable.
type Cookies struct{ keys []siphash.Key }

// NewCookies returns Cookies that makes cookies with the first secret and accepts those of
// all; each secret has 16 octets. To change the secret of several servers that share an
// address, add the new one at the end of the list of each, then move it to the front, then
// remove the old one an hour later (RFC 9018 §5).
func NewCookies(secrets [][]byte) (*Cookies, error) {
	if len(secrets) == 0 {
		return nil, fmt.Errorf("no cookie secret, at least one is needed")
	}
	c := &Cookies{keys: make([]siphash.Key, len(secrets))}
	for i, s := range secrets {
		if len(s) != cookieSecretLen {
			return nil, fmt.Errorf("cookie secret %d has %d octets, exactly %d are needed (RFC 9018 §4.4)", i+1, len(s), cookieSecretLen)
		}
		c.keys[i] = siphash.New(s)
	}
	return c, nil
}

// cookieState is the result of checking a COOKIE option.
type cookieState uint8

const (
	cookieNone       cookieState = iota // no option, or cookies are off
	cookieMalformed                     // RFC 7873 §5.2.2
	cookieClientOnly                    // RFC 7873 §5.2.3
	cookieInvalid                       // RFC 7873 §5.2.4
	cookieValid                         // RFC 7873 §5.2.5
)

// cookie is a COOKIE option: the one of a request, and after [Cookies.check] the
// one of the response.
type cookie [clientCookieLen + serverCookieLen]byte

// check checks the data of a COOKIE option from a client, and writes the option of the
// response to out: the client cookie and a server cookie, which is the one of the request
// while that is valid and recent.
func (c *Cookies) check(data []byte, client netip.Addr, now int64, out *cookie) cookieState {
	n := len(data) - clientCookieLen
	if n != 0 && (n < minServerCookieLen || n > maxServerCookieLen) {
		return cookieMalformed
	}
	copy(out[:], data[:clientCookieLen])
	state := cookieClientOnly
	if n != 0 {
		state = cookieInvalid
		// RFC 9018 §4.1: only version 1 is defined.
		if n == serverCookieLen && data[clientCookieLen] == 1 {
			made := binary.BigEndian.Uint32(data[clientCookieLen+4:])
			age := int32(uint32(now) - made) // RFC 9018 §4.3: serial number arithmetic
			if age >= -cookieFuture && age <= cookieLifetime {
				copy(out[clientCookieLen:], data[clientCookieLen:])
				for i := range c.keys {
					h := c.hash(i, out, client)
					if subtle.ConstantTimeCompare(h[:], data[len(out)-len(h):]) == 0 {
						continue
					}
					if i == 0 && age <= cookieRenewal {
						return cookieValid
					}
					state = cookieValid
					break
				}
			}
		}
	}
	b := out[clientCookieLen:]
	b[0], b[1], b[2], b[3] = 1, 0, 0, 0
	binary.BigEndian.PutUint32(b[4:], uint32(now))
	h := c.hash(0, out, client)
	copy(b[8:], h[:])
	return state
}

// hash returns the hash of a cookie with key i (RFC 9018 §4.4): over client
// cookie, version, reserved octets, timestamp and client address.
func (c *Cookies) hash(i int, k *cookie, client netip.Addr) (h [8]byte) {
	var b [16 + 16]byte
	n := copy(b[:], k[:16])
	if client.Is4() || client.Is4In6() {
		a := client.As4()
		n += copy(b[n:], a[:])
	} else {
		a := client.As16()
		n += copy(b[n:], a[:])
	}
	binary.LittleEndian.PutUint64(h[:], c.keys[i].Sum(b[:n]))
	return h
}
