// Package zone holds zones in memory, answers from them, and changes them.
//
// # What is stored
//
// A [Zone] is one trie over the nibbles of the names below its apex, in chunks
// of octets without pointers (node.go has the bits). A label of an IPv4
// reverse name is two nibbles, one of an IPv6 reverse name is one, every other
// label is spelled in its octets (key.go). Runs without branches are one node.
// The RRsets of a name are its value (value.go): a lone PTR, CNAME or NS takes 7
// octets and its first label, the rest of the target being stored once for all
// names that share it.
//
// Three facts of reverse zones decide the shape:
//
//  1. A depth is not always a name. Below in-addr.arpa only whole octets are
//     labels: an odd depth is neither an owner name nor an empty non-terminal.
//  2. Not every name is an address. `0/25`, `01`, `256`, `*`, `_dmarc`, a label
//     below a full address, a 33rd nibble are ordinary labels. They hang on the
//     ordinary branch, which any node at the end of a label may have, and
//     everything below that branch is ordinary: the apexes of RFC 2317 live
//     there, and a zone outside the reverse trees is nothing else.
//  3. Hex digits and letters compare without case (RFC 4343). Owner names are
//     stored in lower case.
//
// # How a query walks it
//
// [Set.Find] looks for the QNAME's ancestors among the apexes, the longest first,
// and only at lengths that some apex has. [Zone.Lookup] turns the labels below the
// apex into nibbles and walks node by node: a comparison with the node's run,
// then one table of bits selects the next child (find.go). It ends at a zone
// cut, at a DNAME, at the name, inside a run (an empty non-terminal) or nowhere.
// What follows from each is lookup.go, step by step of RFC 1034 §4.3.2; the file
// decides between NXDOMAIN and NODATA. Denials of signed zones are in denial.go.
//
// Nearly every question is for a PTR at the name of a whole address. That name is
// read as a number ([dname.ReadAddress]), its zone found by the prefix it lies in,
// and the walk taken step by step ([Descent]), so that the walks of a batch of
// questions wait for memory together. It handles the plain outcomes only and returns
// nothing that Lookup would not.
//
// The canonical order of names (RFC 4034 §6.1) is not the order of the trie, as
// 10 < 100 < 2. Ordered walks and predecessors (walk.go) go by a table of the 256
// octets in canonical order and merge the ordinary labels in.
//
// # What is computed when
//
// When a zone is built or changed: which nodes are zone cuts or have a DNAME, how
// many wildcards there are, the SOA and negative TTL, the parameters of NSEC3,
// totals and the [Digest]. A query derives nothing.
//
// # Change
//
// Everything reachable from a Zone is immutable. [Zone.Apply] sorts the changes as
// the trie has them and walks it once: each node on the path to a changed name is
// written once behind the end of a chunk (graft.go), all the rest is shared;
// readers of the old Zone see the old data. What was there before leaves holes, which
// are not filled, since older zones may read there. When a sixth of the storage is
// holes, a sweep begins (sweep.go): each further Apply moves a bounded amount of
// what is in use out of the sparse chunks, in proportion to what it writes itself, so
// that no change waits for the whole zone and a zone under constant change takes about
// 1.25 times its fresh size. For a while it can take 1.6 times: when suffixes have to
// move, all chunks are swept together, and where the records came in an order of their
// own none of them is empty before the end. A chunk goes when the last Zone that has it
// does.
//
// It could as well be rewritten in the background and published when done; but then
// all changes made meanwhile would have to be made twice, a zone would for a while
// take twice its size, and need a goroutine that someone owns.
//
// [Diff] walks two tries at once and skips what they share. [Store] orders the
// writers and publishes batches of zones in one step.
//
// # How a zone is built
//
// [Builder] writes the value of a record at a whole address at once to where the
// zone will have it, and keeps the address (8 octets, IPv6 16) and its tag (one or
// two) next to it. All other records wait in a log. Both are sorted by their digits
// when the zone is built, and the trie is written from its leaves up (spine.go).
// While a zone is built it takes 10 octets a name more than it will (IPv6 18). Records
// that come again and again are dropped at once (repeat.go).
//
// # Octets a name
//
// In a /24 with 200 hosts a PTR is a leaf of 4 (header) + 1 (room for a run of one
// nibble, mostly not needed) + 7 + its first label, rounded up to 4, and a ref of 4
// in its parent; the 16 nodes of a /24 add 4 each, 0.3 a name. With first labels of
// 5 octets (two names in five) and 14, and 50,000 suffixes of 28 octets for a million
// names, that is 24.8 + 4.3 + 1.4, about 30 octets a name; 64-bit random host parts
// of IPv6 add a run of some 14 nibbles, about 8 octets with the branches above. The
// BenchmarkBuild of this package measures 30 and 38.
//
// # Files
//
//	zone.go, set.go, table.go  Zone; Set, all zones at one moment
//	key.go, path.go            names as nibbles
//	node.go, storage.go        nodes and the chunks that they lie in
//	value.go, suffix.go        the RRsets of a name
//	find.go, lookup.go         Lookup; denial.go for signed zones
//	descent.go                 the walk of a batch of questions
//	walk.go, exact.go          ordered walks; exact names
//	build.go, owner.go         Builder; address.go, entry.go, order.go, slot.go, spine.go
//	apply.go, graft.go         Apply; writer.go, sweep.go
//	diff.go, condense.go       changesets
//	check.go, recheck.go       what is wrong with a zone
//	invariant.go               Check, for tests
package zone
