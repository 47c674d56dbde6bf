// Package loadgen asks a DNS server many questions and measures how it answers.
//
// The way of a query:
//
//	source.go     questions: a set of them, or random addresses of a prefix
//	queryfile.go, zone.go, prefix.go    where the questions come from
//	schedule.go   when a query is due: at its time (open loop), or as soon as there
//	              is room for it (closed loop)
//	worker.go     the loop of one worker: receive, expire, send, wait
//	flow.go       what is in flight on one socket or connection
//	answer.go     what came back: does it answer a query in flight, and how
//	expect.go     comparison with the answers that were expected
//	histogram.go  times
//	result.go     the results; print.go prints them
//
// transport.go says what the loop needs of sockets. On Linux it gets it by
// sendmmsg, recvmmsg and ppoll (transport_linux.go, udp_linux.go, tcp_linux.go),
// elsewhere from the net package (portable.go), which behaves the same, slower. The
// server has calls of its own for its batches, with the addresses and control
// messages that only a server needs; packages of the server cannot import this
// one, nor the other way round.
//
// The open loop is free of coordinated omission: a time is measured from the
// moment at which the query was due, whatever kept it from being sent then, this
// generator included. How late queries were sent is a figure of its own.
//
// Each query that was sent ends as exactly one of answered, timed out, disconnected and
// abandoned; a message that came and answers no query in flight is counted as
// duplicate, late, wrong id, wrong question or malformed, and ends none.
//
// A worker goroutine owns its flows, its counts and its histograms, and allocates nothing
// while it runs. Run owns the workers and returns after they have ended.
package loadgen
