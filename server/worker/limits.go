package worker

import (
	"fmt"
	"time"
)

// Limits bound what clients can use of the transports. They can be exchanged
// while the server runs.
type Limits struct {
	TCPClients    int           // connections in all
	TCPClientsPer int           // connections of one client: an IPv4 address or an IPv6 /56
	TCPIdle       time.Duration // that a connection may stay without a query
	TCPWrite      time.Duration // for a client to read its answers, or 64 KiB of them, and to send a complete query
	TCPPipeline   int           // queries of one connection in the deferred lane
	Transfers     int           // of zones at a time, in all; further ones wait
	TransfersPer  int           // of one client, which is what counts as one for TCPClientsPer
	TransferStall time.Duration // for a client to read any octet of a transfer
	LogQueries    int           // log one query of so many; 0: none
}

func (l *Limits) check() error {
	switch {
	case l.TCPClients < 1:
		return fmt.Errorf("limit of TCP connections: %d is less than 1; without TCP a server is not one (RFC 7766 §5)", l.TCPClients)
	case l.TCPClientsPer < 1:
		return fmt.Errorf("limit of TCP connections of a client: %d is less than 1", l.TCPClientsPer)
	case l.TCPIdle <= 0:
		return fmt.Errorf("idle limit of TCP connections: %v is not positive", l.TCPIdle)
	case l.TCPWrite <= 0:
		return fmt.Errorf("time for a TCP client to take an answer: %v is not positive", l.TCPWrite)
	case l.TCPPipeline < 1:
		return fmt.Errorf("limit of queries in work of a TCP connection: %d is less than 1", l.TCPPipeline)
	case l.Transfers < 1:
		return fmt.Errorf("limit of transfers: %d is less than 1; where there are to be none, let nobody have one", l.Transfers)
	case l.TransfersPer < 1:
		return fmt.Errorf("limit of transfers of a client: %d is less than 1; where there are to be none, let nobody have one", l.TransfersPer)
	case l.TransferStall <= 0:
		return fmt.Errorf("time for a client to go on taking a transfer: %v is not positive", l.TransferStall)
	case l.LogQueries < 0:
		return fmt.Errorf("query log: one of %d queries; give a positive number, or 0 for none", l.LogQueries)
	}
	return nil
}

// isShedding reports whether there are so many open connections that clients are asked to close
// theirs: more than three quarters of the limit, so that the last quarter is for new clients
// while the old connections end.
func (l *Limits) isShedding(open int) bool { return open > l.TCPClients-l.TCPClients/4 }

// Idle returns how long a connection may stay without a query while so many are
// open. Shedding cuts it to a quarter.
func (l *Limits) Idle(open int) time.Duration {
	if l.isShedding(open) {
		return max(l.TCPIdle/4, time.Millisecond)
	}
	return l.TCPIdle
}

// Message returns how long a client may take to send a query, or to read answers, while so many
// connections are open. Shedding cuts it to a quarter.
func (l *Limits) Message(open int) time.Duration {
	if l.isShedding(open) {
		return max(l.TCPWrite/4, time.Millisecond)
	}
	return l.TCPWrite
}

// Keepalive returns the timeout to advertise, in units of 100 ms; 0 asks the
// client to close (RFC 7828 §3.4).
func (l *Limits) Keepalive(open int) uint16 {
	if l.isShedding(open) {
		return 0
	}
	return uint16(min(max(l.TCPIdle/(100*time.Millisecond), 1), 0xffff))
}
