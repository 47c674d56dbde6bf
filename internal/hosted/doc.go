// Package hosted keeps hosted zones: zones that the Route 53 API makes, changes and removes,
// and that have no other source. It knows names, records and the rules of the API, but neither
// XML nor HTTP (package route53), and nothing of the configuration.
//
//	store.go    Store: which hosted zones there are
//	load.go     hosted zones of an earlier process; what is damaged of them
//	zone.go     what is known of a zone besides its records, and how notes store it
//	listed.go   zones of other owners that are listed, and may be changed if they are dynamic
//	place.go    creation and removal of zones
//	set.go      reusable delegation sets
//	batch.go    a batch of changes and a zone → a changeset, or all faults
//	alias.go    aliases within a zone, which follow their targets
//	round.go    batches that wait together → one commit, with a step for each
//	value.go    texts of records ↔ RDATA; submitted texts that differ from ours
//	list.go     pages of record sets and zones; index.go and order.go keep their order
//	exchange.go  JSON of the AWS CLI ↔ records, for `ptrd import` and `export`
//	change.go   ids of changes, which can be verified and need not be stored
//	name.go     names with octal escapes, and their order
//
// All of it is durable in notes of the journal that are written in the same transaction as the
// zone's changeset: the zone's own note is removed with the zone, and what outlives zones
// (CallerReferences of removed zones, reusable delegation sets) is in notes of a name that
// cannot be queried.
package hosted
