// Package delegation asks the name servers of the DNS about a name, from the root down to
// its zone, and returns facts: which server answered what, at which address, over which
// transport, when, and after how long. It decides nothing. Commands present its facts, and
// judge them by their own rules.
//
//	c := delegation.New(delegation.Options{})
//	w := c.Walk(ctx, name)           // all levels from the root to the zone of name
//	l := c.Resolve(ctx, name, rr.TypeA)  // one lookup, with aliases
//	s := c.Survey(ctx, zone, servers) // a zone that is not delegated yet
//	f := c.Ask(ctx, server, question, delegation.UDP)
//
// # Files
//
//   - client.go: [Client], its options, limits and cache of one run
//   - fact.go: [Fact], what became of one question to one server
//   - exchange.go: one message over UDP or TCP, and which response is accepted
//   - read.go: [Read], what a response means, and which of its records are trusted
//   - descend.go: the way from one zone cut to the next
//   - signature.go: [Verify], signatures of DNSSEC by the keys of a zone
//   - walk.go, survey.go: [Walk] and [Level], all servers of each level
//   - resolve.go: [Lookup], one name and type, and why it failed
//   - hints.go: the root servers
//   - print.go: a walk as text
//
// Package delegationtest has a network in memory for tests. There, and in a bubble of
// testing/synctest, time and everything else is deterministic.
//
// # What is trusted
//
// A response counts only if it comes from the address and port that was asked, and has the
// ID, the question and the case of its letters (which is random) of the request. Of a
// response, only records count that the asked zone is responsible for: a referral must lead
// to a zone below it that contains the name in question, addresses in a referral must be
// names of the asked zone, and aliases count only from names of the asked zone. The target of
// an alias is always looked up itself. Other records are kept in the fact and not used.
//
// # Bounds
//
// Each bound is in [Limits]. With the default values:
//
//   - One question to one address over UDP has at most three attempts of 2 s: with EDNS, with
//     EDNS from another socket, and without EDNS. Over TCP it has at most two attempts, of 4 s
//     together with all octets; the second only after a connection that failed.
//   - An address that answered nothing is not asked a second question over that transport, and
//     one that left three questions without answer is asked no more. So one address costs at
//     most 18 s over UDP and 12 s over TCP, at the same time as all others.
//   - Of one zone, at most 20 server names and 40 addresses are asked. To find the way, at
//     most 5 server names without address are looked up for each zone, 6 levels deep, 100 for
//     other lookups in all.
//   - At most 10 aliases are followed.
//   - Of one attempt over UDP, at most 64 responses are read. A response with more than 1,000
//     records is [Malformed], and so are all that exceed 32 MiB together.
//   - One call takes at most 60 s, and all calls of a Client send at most 2,000 messages, 64
//     at once. What these limits prevent is a fact of its own, [NotAsked] with the reason.
//
// So a zone of which some servers are silent takes about 12 s longer: 6 s for the first
// question to each, and 6 s for lookups that only such servers could answer. Other errors cost
// no time.
package delegation
