// Package handover is the hand-over of a zone to the owner of the addresses, who delegates it: the
// data that this party needs, in its own form, and the tests that it makes before.
//
// In flow the zones of a prefix with their name servers ([Zones]); out flow documents
// ([Owner.Document]). The owners with what they refuse are a table (registry.go); their documents are
// templates.
package handover
