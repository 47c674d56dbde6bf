// Package server answers DNS requests over UDP and TCP from a [View].
//
// # The way of a request
//
//	UDP   recvmmsg → Respond each → sendmmsg             one worker a core and address
//	TCP   read     → Respond each → one write            one goroutine a connection
//	slow  what Respond defers → bounded queue → handler  few workers, may wait for a disk
//
// A worker loads the View and reads the clock once a batch. It never waits for
// anything but its socket: what needs a disk, a signature or a long answer goes
// to the slow lane, and a full slow lane costs the request, not the worker.
//
// # Goroutines
//
// Each goroutine has one owner, which starts it, ends it and waits for its end.
//
//	goroutine               owner         ends when
//	Serve                   the caller    its context ends or a worker cannot go on
//	UDP worker              udpListener   the address is removed or Serve ends; it answers what the socket still holds
//	TCP accept loop         tcpListener   the address is removed or Serve ends
//	TCP connection          Server.conns  the client or a limit ends it; on removal and stop once its queries are answered
//	slow lane worker        slowLane      Serve ends, after the connections and UDP workers that defer to it
//	query log writer        queryLog      Serve ends, last
//
// A worker that cannot go on ends Serve with its error. A panic while one
// message is answered is a fault of ours that a client must not be able to turn
// into an outage: it costs that message its answer, is logged with its stack and
// counted, and the worker goes on.
//
// # Counters
//
// [Totals] holds sums over all workers. While requests are in work they may be a
// batch apart; at rest they obey, for each transport,
//
//	Received = Answered + Deferred + Σ Dropped
//	Answered = sent + Σ Unsent
//	Accepted = Open + Σ Closed
//	UDP.Deferred + TCP.Deferred = Slow.Waiting + Slow.Working + Slow.Done
//
// A TCP request that the full slow lane turns away is Answered (with SERVFAIL),
// and counted in Slow.Full beside that; a UDP request is Dropped there.
// KernelDropped datagrams were never received and are part of no sum. Requests
// that a transport drops for what they are never come to Respond, whose own sums
// [Counter] tells:
//
//	Respond[CountUDP] = UDP.Received − UDP.Dropped[port_zero, too_long, not_unicast, fault]
//	Respond[CountTCP] = TCP.Received − TCP.Dropped[fault]
package server
