// Package stream answers on connections: TCP (RFC 7766) and TLS (RFC 7858). A [Set] has the
// connections of all addresses, and the limits on them; messages are framed by their length
// in two octets (RFC 1035 §4.2.2).
//
//	set.go         Set: which connections there are, and who may have another
//	evict.go       whose connection is closed to make room
//	listen.go      Listener: the listening sockets of an address
//	conn.go        tcpConn: what a connection waits for and for how long; answers what was read
//	queue.go       sendQueue: messages that the client has not read yet
//	loop_linux.go, loopconn_linux.go, socket_linux.go   few workers, connections are states
//	portable.go    a goroutine a connection: TLS, and other systems
//	tls.go         identity and handshake
//
// # Many clients, and hostile ones
//
// UDP and TCP workers take turns: a UDP worker that always finds queries looks once a
// millisecond whether TCP has something to do, a TCP worker yields the processor after half
// of one, and reads from a connection once while others have something to read. A connection
// has a place in a table with a limit for all and one for each client, and a time for
// whatever it waits for (tcpPhase), which ends whether or not octets drip in. Where the
// table is full, a new client gets the place of the connection with the highest eviction
// score. What the kernel holds of answers and queries is bounded for each (setTCPOptions).
//
// TCP Fast Open (RFC 7413), which RFC 7766 §9 leaves to servers, is off. It saves a round
// trip to a client that comes back without having kept its connection; keeping it
// (RFC 7766 §6.2.1) saves the same and the handshake. A query in a SYN may come twice
// (RFC 7413 §6.1), and a client that got a Fast Open cookie for an address may use it from
// elsewhere (§5): TCP would no longer prove that the address is the client's own,
// which is what the answer to a flood, truncation over UDP, counts on.
package stream
