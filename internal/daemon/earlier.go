package daemon

import (
	"net/netip"
	"slices"
	"time"
)

// mergeWithin is the age up to which changes of reloads that no client waited for are part of
// the next outcome that a client gets. An operator who saves a file and then enters `ptrd
// reload` wants to know the effect of the file, and the watcher has mostly loaded it already.
// Older changes are probably those of another operator.
const mergeWithin = 10 * time.Second

// earlier are the outcomes of reloads that no client waited for.
type earlier struct{ list []*Outcome }

// add stores an outcome for the next client.
func (e *earlier) add(o *Outcome) {
	if o.InForce && len(o.Changed)+len(o.Opened)+len(o.Closed) > 0 {
		e.list = append(e.list, o)
	}
	e.removeOld(o.At)
}

// removeOld removes the outcomes that are too old at the given time.
func (e *earlier) removeOld(now time.Time) {
	e.list = slices.DeleteFunc(e.list, func(o *Outcome) bool { return now.Sub(o.At) > mergeWithin })
}

// merge returns o with the changes of the stored outcomes, which are then removed. If the
// reload of o failed, they stay for the next one.
func (e *earlier) merge(o *Outcome) *Outcome {
	e.removeOld(o.At)
	if !o.InForce || len(e.list) == 0 {
		return o
	}
	sum := *o
	sum.Changed, sum.Opened, sum.Closed = []ChangedZone{}, nil, nil
	for _, part := range append(e.list, o) {
		sum.Changed = mergeZones(sum.Changed, part.Changed)
		sum.Opened, sum.Closed = mergeAddresses(sum.Opened, part.Opened, sum.Closed, part.Closed)
	}
	e.list = nil
	return &sum
}

// mergeZones returns the changes of zones that two steps make together.
func mergeZones(first, second []ChangedZone) []ChangedZone {
	out := slices.Clone(first)
	for _, c := range second {
		i := slices.IndexFunc(out, func(o ChangedZone) bool { return o.Zone == c.Zone })
		if i < 0 {
			out = append(out, c)
			continue
		}
		switch was := &out[i]; {
		case was.What == "added" && c.What == "removed":
			out = slices.Delete(out, i, i+1)
		case was.What == "added":
			was.To = c.To
		case was.What == "removed":
			*was = ChangedZone{Zone: c.Zone, What: "changed", From: was.From, To: c.To}
		default:
			was.What, was.To = c.What, c.To
		}
	}
	return out
}

// mergeAddresses returns the addresses opened and closed by two steps together: those
// that one opens and the other closes are neither.
func mergeAddresses(opened, opened2, closed, closed2 []netip.AddrPort) (open, close []netip.AddrPort) {
	open = append(without(opened, closed2), without(opened2, closed)...)
	close = append(without(closed, opened2), without(closed2, opened)...)
	return open, close
}
