// Package history reads the history of zones from the journal, restores the content of earlier
// serials, and bounds the size of the journal: in the background it writes zone contents again
// when they have changed a lot, and removes changes that are older than the limits.
//
//	log.go       `ptrd log`: the changes of zones, merged by time
//	follow.go    `ptrd log --follow`: changes as they are made
//	past.go      `ptrd at`: a zone as it was, and the changes that records come from
//	diff.go      `ptrd diff`: the difference between two serials
//	rollback.go  the changeset that restores the content of an earlier serial (package update commits it)
//	keeper.go    the work in the background
package history
