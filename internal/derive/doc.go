// Package derive gives addresses of reverse zones the names that forward data have for them:
// `derive` of the configuration.
//
// The names of the addresses of a reverse zone are an index, a [zone.Zone] that is the derived layer
// of that zone ([zone.Layers]). So it is part of the snapshot: it fits the forward zones of the same
// snapshot, is dropped with a batch that is not published, and costs a change what it changes.
//
//	rules.go   what the configuration asks for: sources, precedence, which zone has an address
//	index.go   the index: candidates of each address in their order, and the PTRs chosen
//	bulk.go    new indexes, of all candidates in the order of addresses
//	change.go  which names of forward zones have which addresses, before and after a batch
//	work.go    from there to the indexes that change
//	stage.go   the [commit.Stage], and changes of files of other programs
//	plan.go    the zones of a new configuration
//	report.go  where a PTR comes from, and what operators should look at
//
// A batch comes in with changes of forward zones, whatever their source. The names that these touch
// are looked up in the zones before and after the batch, and the index changes accordingly; package
// commit makes the change of the reverse zone of that. It is part of the same batch.
package derive
