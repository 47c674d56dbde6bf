package daemon

import (
	"net/netip"
	"slices"
	"time"
)

// tellWithin is how long the changes of a reload that nobody asked for are kept to
// be told to the next one who asks. Who saves a file and then says `ptrd reload`
// wants to know what became of it, and the watcher was mostly quicker. It covers
// a person's way to the prompt; older news would be somebody else's.
const tellWithin = 10 * time.Second

// earlier are the outcomes of reloads that nobody was told of.
type earlier struct{ list []*Outcome }

// keep remembers an outcome for the next one who asks.
func (e *earlier) keep(o *Outcome) {
	if o.InForce && len(o.Changed)+len(o.Opened)+len(o.Closed) > 0 {
		e.list = append(e.list, o)
	}
	e.forget(o.At)
}

// forget drops what is too old at the given time.
func (e *earlier) forget(now time.Time) {
	e.list = slices.DeleteFunc(e.list, func(o *Outcome) bool { return now.Sub(o.At) > tellWithin })
}

// tell returns o with the changes of the reloads before it that nobody was told
// of. They are told once, if o is in force.
func (e *earlier) tell(o *Outcome) *Outcome {
	e.forget(o.At)
	if !o.InForce || len(e.list) == 0 {
		return o
	}
	sum := *o
	sum.Changed, sum.Opened, sum.Closed = []ChangedZone{}, nil, nil
	for _, part := range append(e.list, o) {
		sum.Changed = followed(sum.Changed, part.Changed)
		sum.Opened, sum.Closed = crossed(sum.Opened, part.Opened, sum.Closed, part.Closed)
	}
	e.list = nil
	return &sum
}

// followed returns the changes of zones that two steps make together.
func followed(first, second []ChangedZone) []ChangedZone {
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

// crossed returns the addresses opened and closed by two steps together: those
// that one opens and the other closes are neither.
func crossed(opened, opened2, closed, closed2 []netip.AddrPort) (open, close []netip.AddrPort) {
	open = append(without(opened, closed2), without(opened2, closed)...)
	close = append(without(closed, opened2), without(closed2, opened)...)
	return open, close
}
