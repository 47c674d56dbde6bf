package answer

import "strconv"

// Transport is how a request was received. What answers and counters depend on is in this file:
// a new transport is added here.
type Transport uint8

// The transports.
const (
	UDP Transport = iota
	TCP
	TLS // over TCP
	NumTransports
)

// Properties of transports, as sets.
const (
	// datagrams: a response is a datagram, of a size that the client accepts, and the
	// client tries again where one is lost. Its address may be forged, so that rates are
	// limited and cookies are of use.
	datagrams transportSet = 1 << UDP
	// encrypted: padding hides the length of a response (RFC 7830 §6).
	encrypted transportSet = 1 << TLS
)

type transportSet uint8

// IsDatagram reports whether each message is a datagram, whose source address may be forged.
func (t Transport) IsDatagram() bool { return datagrams>>(t&7)&1 != 0 }

func (t Transport) isEncrypted() bool { return encrypted>>(t&7)&1 != 0 }

// String returns the transport's name in logs and metrics.
func (t Transport) String() string {
	if t < NumTransports {
		return [NumTransports]string{"udp", "tcp", "tls"}[t]
	}
	return "transport " + strconv.Itoa(int(t))
}
