// Package history answers who changed what and when, undoes changes, and keeps the
// journal small: it writes the contents of kept zones anew when much of them
// changed, and trims what nobody changed for long.
//
//	log.go       `ptrd log`: the lines of a zone's history
//	diff.go      `ptrd diff`: what differs between two serials
//	rollback.go  the changeset that brings back the content of an earlier serial
//	keeper.go    what is done in the background
package history
