package explain

import (
	"fmt"

	"github.com/ptrd/ptrd/internal/commit"
	"github.com/ptrd/ptrd/internal/derive"
	"github.com/ptrd/ptrd/internal/history"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/spelling"
)

// maxOthers is how many names are listed that an address could have as well.
const maxOthers = 3

// derivedFrom returns where a derived PTR comes from, and which other names the address could have, unless it
// has all of them. rules may be nil.
func derivedFrom(rules *derive.Rules, set *zone.Set, z *zone.Zone, r *zone.Record) string {
	text, others := "derived", []string{}
	for _, o := range rules.Describe(set, z.Apex(), r.Owner) {
		if !o.Name.Equal(dname.Name(r.Data)) {
			others = append(others, o.String())
			continue
		}
		text = fmt.Sprintf("derived from %v", &o)
		if !o.End.IsZero() {
			text += ", ends " + history.Moment(o.End)
		}
		text += fmt.Sprintf(", by %v", o.Source)
	}
	if derived := commit.ReadRRset(z.Layers().Derived, r.Owner, r.Type); len(derived.Data) > 1 || len(others) == 0 {
		return text
	}
	return text + "; not chosen: " + spelling.Some(others, maxOthers)
}
