// Package deferred answers what the transports must not wait for: transfers, updates,
// NOTIFY and signed requests. A [Lane] is a bounded queue and a few workers. Each request
// is given to Respond a second time, which verifies signatures and answers errors and
// signed queries; the rest is for the [Handler] of its kind. A transfer has a goroutine of
// its own.
//
// A datagram is deferred only after it took a token of its client's rate limit, where
// there is one, and while its client's share of the queue lasts: an unknown client can
// cause no signature to be verified, and no response, beyond that.
//
// No goroutine that works for several clients waits for one of them. A message of an answer
// is sent at once, or queued on its connection and sent as the client reads. A client that
// does not read is asked nothing more, has as long for its answers as for those of the
// transport's own workers, and loses the connection above a bound of queued octets. A
// transfer, of which a connection may have more than fits into any queue, waits for the
// client before each message, in its own goroutine and with one of Limits.Transfers places;
// it ends when its client accepts nothing for Limits.TransferStall.
//
//	lane.go       Lane: queue, shares of it, workers; Request and Handler
//	reply.go      how a handler writes, signs and sends its answer
//	transfers.go  places for transfers, and whose turn it is
//	clientkey.go  which addresses count as one client
package deferred
