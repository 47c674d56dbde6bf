// Package worker has what every goroutine that answers requests needs, for any transport
// it serves: a [Worker] with a Responder, counters and samples for the query log, and a
// [Group] with what the workers of a server share (view, limits, clock, log).
//
//	worker.go     Worker: answers with counts and samples, contains panics; Pool
//	group.go      Group
//	limits.go     Limits: what clients can use. A new limit is a field and a check here
//	querylog.go   sampled queries to a logger
//	watch.go      and to those who ask for them
package worker
