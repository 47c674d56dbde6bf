// Package bench holds the benchmarks of ptrd as a whole.
//
//	bench/         Go benchmarks (`make bench`, `make benchcmp`): Respond for each kind of
//	               answer, loading, changing; their names stay, so that results of years
//	               can be compared
//	bench/run      the measurements beside other servers, of growth, of the load
//	               generator, and of instructions (`make bench-peers`, `bench-growth`,
//	               `bench-generators`, `bench-instructions`); it writes docs/benchmarks.md
//	bench/update   a server under updates, beside BIND and Knot
//	bench/flood    a server under floods and hostile connections (`make bench-floods`)
//	bench/dataset  zones and questions of any size, the same on every machine
//	bench/peer     how other servers are configured, started and told to reload
//	bench/floor    the least that a server can do: it sends back what it gets
//	bench/machine  processes on processors of their own, and what they cost
//	bench/report   medians, tables, charts, parts of documents
//
// A way through bench/run: main.go reads the flags and puts the process on the
// generator's processor; lab.go has the data sets and the servers; load.go, start.go and
// reload.go measure; record.go keeps each measured run in a file at once, so
// that a long measurement can be made in pieces; tables.go and growth.go make the text.
// Every load is bounded in time, goes to loopback addresses, and every server that was
// started is ended by its process id.
//
// Nothing else imports these packages; a test of internal/architecture sees to it.
package bench
