// Package server answers DNS requests over UDP, TCP and TLS from a [View].
//
// # The way of a request
//
//	UDP   recvmmsg → Respond each → sendmmsg             one worker a core and address
//	TCP   read     → Respond each → one write            one worker a core, connections are states
//	TLS   read     → Respond each → one write            a goroutine a connection, as many at work as cores
//	slow  what Respond defers → bounded queue → front    few workers, may wait for a disk
//	        front → NOTIFY, UPDATE: handlers of Options
//	        front → AXFR, IXFR    → bounded queue → handler, a goroutine each
//	        their answers         → bounded queue of the connection, which sends them
//
// Linux has these calls; elsewhere a UDP worker moves one datagram at a time, and
// a TCP connection is a goroutine. A worker loads the View once a batch. It never
// waits for anything but its sockets: what needs a disk, a signature or a long answer goes
// to the slow lane, and a full slow lane costs the request, not the worker.
//
// Most requests are plain ([Plain]): one question for the PTR of a whole address. Those
// of a batch are looked up together before the first of them is answered, and
// Respond writes their responses straight over them. For all else, and for whatever
// the lookup ahead knows nothing of, Respond takes the general way; tests hold both
// to the same octets and counts.
//
// A datagram is deferred only after it took a token of its client's rate limit, where
// there is one, and while its client's share of the queue lasts (Responder.admit,
// [Known]): a stranger can cause no signature to be verified, and no response, beyond
// that.
//
// No goroutine that works for several clients waits for one of them. A worker of the
// slow lane, or a handler that answers later, hands each message of an answer over: the
// kernel takes it, or it waits in the queue of its connection (sendQueue), and whoever
// serves the connection sends it as the client reads. A client that does not read is
// asked nothing more, has as long for its answers as the fast lane's, and loses the
// connection where more than maxQueued octets wait. A transfer, of which a connection
// may have more than fits into any queue, waits for the client before each message, in
// a goroutine of its own and with one of Limits.Transfers places; it ends when its
// client takes nothing for Limits.TransferStall.
//
// The front of the slow lane (RespondDeferred) verifies TSIG records, answers signed
// queries as any other, and says no where no is the answer. What it hands on has
// its signature checked and taken off, and is answered through the [SlowRequest],
// which signs.
//
// # Goroutines
//
// Each goroutine has one owner, which starts it, ends it and waits for its end.
//
//	goroutine               owner         ends when
//	Serve                   the caller    its context ends or a worker cannot go on
//	UDP worker              udpListener   the address is removed or Serve ends; it answers what the socket still holds
//	TCP worker              tcpWay        Serve ends, after the slow lane
//	  or TCP accept loop    tcpWay        the address is removed or Serve ends
//	  and connection (TLS)  tcpWay        the client or a limit ends it; on removal and stop once its queries are answered
//	  and its writer        tcpWay        the answers of the slow lane are written, or cannot be
//	transfer                transferLane  its client took it, takes no more of it or is gone, or Serve ends
//	slow lane worker        slowLane      Serve ends, after the connections and UDP workers that defer to it
//	query log writer        queryLog      Serve ends, last
//
// A worker that cannot go on ends Serve with its error. A panic while one
// message is answered is a fault of ours that a client must not be able to turn
// into an outage: it costs that message its answer, is logged with its stack and
// counted, and the worker goes on. So does a part that panics elsewhere (keepRunning);
// it loses what was in work, its counts among that, is counted in Totals.Faults, and
// too many such panics end Serve with an error that says so. What a panic passes is
// given back by defer: turns, desks, places and requests.
//
// # Many clients, and hostile ones
//
// UDP and TCP workers take turns: a UDP worker that always finds queries looks once a
// millisecond whether TCP has something to do, a TCP worker gives the processor away
// after half of one, and takes no more than one read of a connection while others
// have something to say. A connection has a place in a table with a limit for all and one
// for each client, and a time for whatever it waits for (tcpPhase), which ends
// whether or not octets drip in. Where the table is full a new client
// gets the place of the connection that least deserves its own (guilt). What the
// kernel holds of answers and queries is bounded for each (setTCPOptions).
//
// TCP Fast Open (RFC 7413), which RFC 7766 §9 leaves to us, is off. It saves a round
// trip to a client that comes back without having kept its connection; keeping it
// (RFC 7766 §6.2.1) saves the same and the handshake. A query in a SYN may come twice
// (RFC 7413 §6.1), and whoever got a Fast Open cookie for an address may use it from
// elsewhere (§5): TCP would no longer prove that the address is the client's own,
// which is what the answer to a flood, truncation over UDP, counts on.
//
// # Counters
//
// [Totals] holds sums over all workers. While requests are in work they may be a
// batch apart; at rest they obey, for each transport,
//
//	Received = Answered + Deferred + Σ Dropped
//	Answered = sent + Σ Unsent
//	Accepted = Open + Σ Closed
//	UDP.Deferred + TCP.Deferred + TLS.Deferred = Slow.Waiting + Slow.Working + Slow.Done
//
// Of Slow.Replies, messages that the slow lane made, Slow.Unsent were not sent. A TCP or
// TLS request that the full slow lane turns away is Answered (with SERVFAIL), and counted
// in Slow.Full as well; a UDP request is Dropped there.
// KernelDropped datagrams were never received and are part of no sum. Requests
// that a transport drops for what they are never come to Respond, whose own sums
// [Counter] tells:
//
//	Respond[CountUDP] = UDP.Received − UDP.Dropped[port_zero, too_long, not_unicast, fault]
//	Respond[CountTCP] = TCP.Received − TCP.Dropped[fault], and TLS likewise
package server
