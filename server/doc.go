// Package server connects the transports of a DNS server: it binds and removes
// listen addresses, starts and stops what serves them in order, and adds up the counters.
// The answers come from package answer, which has no sockets; callers that only need views,
// policies or a Responder import that package alone.
//
// # Packages
//
//	wire, tsig   message octets; signatures
//	answer       Responder, policy, access lists, cookies, rate limits, counters
//	worker       what a goroutine that answers has: a Responder, counters, the query log, limits
//	deferred     what Respond defers: the bounded queue, handlers, transfers
//	sock         socket options and control messages by operating system
//	udp          datagrams
//	stream       connections: TCP and TLS
//	server       listeners, absent addresses, inherited sockets, start and stop
//	await, workertest, servertest   what tests of several packages share
//
// Each imports only those above it.
//
// # The way of a request
//
//	UDP       recvmmsg → Respond each → sendmmsg         one worker a core and address
//	TCP       read     → Respond each → one write        one worker a core, connections are states
//	TLS       read     → Respond each → one write        a goroutine a connection, as many at work as cores
//	deferred  what Respond defers → bounded queue → Respond again   few workers, may wait for a disk
//	          → NOTIFY, UPDATE: handlers of Options
//	          → AXFR, IXFR    → bounded queue → handler, a goroutine each
//	          their answers   → bounded queue of the connection, which sends them
//
// Linux has these calls. Elsewhere a UDP worker moves one datagram at a time, and
// a TCP connection is a goroutine. A worker loads the View once for each batch, and waits
// only for its sockets: requests that need a disk, a signature or a long answer go to the
// deferred lane. If the lane is full, the request fails, and the worker goes on.
//
// No goroutine that works for several clients waits for one of them; see package deferred.
//
// # Goroutines
//
// Each goroutine has one owner, which starts it, ends it and waits for its end.
//
//	goroutine               owner             ends when
//	Serve                   the caller        its context ends or a worker cannot go on
//	UDP worker              udp.Listener      the address is removed or Serve ends; it answers what the socket still holds
//	TCP worker              stream.Set        Serve ends, after the deferred lane
//	  or TCP accept loop    stream.Set        the address is removed or Serve ends
//	  and connection (TLS)  stream.Set        the client or a limit ends it; on removal and stop once its queries are answered
//	  and its writer        stream.Set        the answers of the deferred lane are written, or cannot be
//	  and time limits       stream.Set        Serve ends; started with the first address
//	transfer                deferred.Lane     its client has received it, stalls or is gone, or Serve ends
//	deferred lane worker    deferred.Lane     Serve ends, after the connections and UDP workers that defer to it
//	query log writer        worker.Group      Serve ends, last
//
// A worker that cannot go on ends Serve with its error. A panic while a message is answered is
// a defect of ptrd, which must not allow a client to cause an outage: the message gets no
// answer, the panic is logged with its stack and counted, and the worker goes on. After a panic
// elsewhere (worker.Group.KeepRunning) the part is started again without what was in work. It is
// counted in Totals.Faults, and too many such panics end Serve with an error.
//
// # Counters
//
// [Totals] holds sums over all workers. Besides those of package answer, at rest
//
//	Accepted = Open + Σ Closed
//	Σ Deferred of all transports = Deferred.Waiting + Deferred.Working + Deferred.Done
//
// Of Deferred.Replies, messages that the deferred lane made, Deferred.Unsent were not sent. A
// request on a connection that the full lane turns away is Answered (with SERVFAIL), and
// counted in Deferred.Full as well; a datagram is Dropped there. KernelDropped datagrams were
// never received and are part of no sum.
//
// # A new transport
//
// Add a constant and its properties to answer/transport.go, write a package for it with
// worker.Group and deferred.Lane (udp is the smaller example), and bind it in listen.go,
// where its service is listed. A new kind of stream is another engine of stream.Set.
package server
