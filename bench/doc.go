// Package bench holds the benchmarks of ptrd as a whole.
//
//	bench/         Go benchmarks (`make bench`, `make benchcmp`): Respond for each kind of
//	               answer, loading, changing; their names stay, so that results of years
//	               can be compared
//	bench/run      all measurements, one subcommand each: next to other servers, of growth, of the
//	               load generator, of instructions, of updates, of transfers, of the latency
//	               of queries meanwhile, of names made for ranges, and of floods (`make bench-peers` and the other
//	               targets bench-…); it writes docs/benchmarks.md
//	bench/flood    the floods and hostile connections of the subcommand floods
//	bench/compare  two binaries of ptrd and what they send, octet by octet (`make compare`)
//	bench/dataset  zones and questions of any size, the same on every machine
//	bench/peer     how each server is configured, started and reloaded, in each role
//	bench/floor    the least that a server can do: it sends back what it gets
//	bench/machine  processes on processors of their own, and what they cost
//	bench/report   medians, tables, charts, parts of documents
//
// How to read bench/run: main.go reads the flags and pins the process to the generator's
// processor; lab.go has the data sets and the servers; load.go, start.go, reload.go,
// updates.go, transfers.go and latency.go measure; record.go writes each measured run to a
// file at once, so that a long measurement can be made in pieces; tables.go and growth.go
// make the text. Every load is bounded in time, goes to loopback addresses, and every
// server that was started is stopped by its process id.
//
// The tests of these packages have the build tag bench: `make test-bench` runs them, and
// `make vet` vets them. `go test ./...` does not, since they start servers and measure times.
//
// Nothing else imports these packages; a test of internal/architecture sees to it.
package bench
