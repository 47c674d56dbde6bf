// Package handover is the hand-over of a zone to the owner of the addresses, who delegates it: the
// tests that this party makes, the data that it needs, in its own form, and what the zone above has
// afterwards.
//
// In flow a prefix or a zone with its name servers ([Request]); out flow findings, documents and a
// comparison with the zone above ([Result]). It queries by package delegation only ([NewSource]).
//
//   - result.go: [Make], the order of all steps, and the result as text
//   - zone.go: zones with their name servers, and the records for the parent zone
//   - registry.go, document.go, templates: the owners, what they delegate, and their documents
//   - collect.go, facts.go, source.go: which questions are asked, and the replies as [Facts]
//   - rules.go, rules_*.go: the rules, a table with one row for each tag of Zonemaster
//   - wait.go, parent.go: waiting for secondaries; the zone above
//
// A new rule is a row of a table, a fault in faults_test.go that breaks it, and `go test -update` for
// docs/handover.md. A new owner is an entry in registry.go with a template.
package handover
