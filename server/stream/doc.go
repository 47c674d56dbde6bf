// Package stream answers requests on connections: TCP (RFC 7766) and TLS (RFC 7858). A [Set] has
// the connections of all addresses and their limits. Each message follows its length in two
// octets (RFC 1035 §4.2.2).
//
//	set.go         Set: the connections, and whether a client may have another one
//	evict.go       which connection is closed to make room
//	listen.go      Listener: the listening sockets of an address
//	conn.go        tcpConn: the states of a connection and their time limits; answers what was read
//	queue.go       sendQueue: messages that the client has not read yet
//	loop_linux.go, loopconn_linux.go, socket_linux.go, poller_linux.go
//	               an engine with few workers, whose connections are states
//	portable.go    an engine with a goroutine for each connection: TLS, and other systems
//	tls.go         identity and handshake
//
// # Many clients, and hostile ones
//
// UDP and TCP workers take turns: a UDP worker that always finds queries checks once a
// millisecond whether TCP has work, a TCP worker yields the processor after half a millisecond,
// and reads from a connection once while others can be read. The number of connections is
// limited, in all and for each client, and so is the time of each state of a connection
// (tcpPhase), even if single octets arrive. If there is no place, a new client gets that of
// the connection with the highest eviction score. What the kernel buffers is bounded for each
// connection (setTCPOptions).
//
// TCP Fast Open (RFC 7413), which is optional for servers (RFC 7766 §9), is off. It saves a round
// trip for a client that connects again; keeping the connection (RFC 7766 §6.2.1) saves that and
// the handshake. A query in a SYN may be delivered twice (RFC 7413 §6.1), and a client that got a
// Fast Open cookie for an address may use it from elsewhere (§5). TCP would then no longer prove
// the address of the client, on which the answer to a flood, truncation over UDP, depends.
package stream
