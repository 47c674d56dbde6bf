package update

import "github.com/ptrd/ptrd/server/wire"

// result is what became of a request.
type result uint8

const (
	resultDone         result = iota // all of it is as the request says
	resultPartial                    // a part has no effect
	resultPrerequisite               // a prerequisite is not met
	resultForbidden                  // the client may not do this
	resultRefused                    // the zone cannot be changed in this way
	resultDerived                    // likewise, because of data that PTRs are derived from
	resultZone                       // no zone served here, or a name outside of the zone
	resultMalformed
	resultFailed // the disk, the queue, or a zone without data
)

// results are the names of results in metrics.
var results = [...]string{"done", "partial", "prerequisite", "forbidden", "refused", "derived", "not_zone", "malformed", "failed"}

// result returns what became of a job.
func (j *job) result() result {
	switch {
	case j.undecided:
		return resultFailed
	case j.fault == nil && len(j.ignored) > 0:
		return resultPartial
	case j.fault == nil:
		return resultDone
	case j.fault.byPolicy:
		return resultForbidden
	case j.fault.isDerived:
		return resultDerived
	}
	switch j.fault.RCode {
	case wire.RCodeNXDomain, wire.RCodeYXDomain, wire.RCodeNXRRSet, wire.RCodeYXRRSet:
		return resultPrerequisite
	case wire.RCodeRefused:
		return resultRefused
	case wire.RCodeNotAuth, wire.RCodeNotZone:
		return resultZone
	case wire.RCodeFormErr:
		return resultMalformed
	}
	return resultFailed
}

// Totals returns how many requests had each result since the start.
func (u *Updater) Totals() map[string]uint64 {
	out := map[string]uint64{}
	for i := range results {
		out[results[i]] = u.counts[i].Load()
	}
	return out
}
