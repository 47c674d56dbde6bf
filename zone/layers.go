package zone

// Layers describe what a zone was merged from. They are not part of its data: neither the
// digest nor the journal has them. [Zone.Apply] leaves them as they are.
//
// The layers of a zone, the highest precedence first, are its static data, what is derived from
// other zones, dynamic data (updates, which the journal has as notes), and what rules make.
type Layers struct {
	// Static is the data of the zone's static sources, such as files and the
	// configuration. No other layer removes, changes or hides it. nil: the zone has no
	// static source, or no other layer.
	Static *Zone
	// Derived and Made are zones of the same apex, with the records of their layer as they
	// would be served if no other layer had any; see commit.NewLayer and commit.Merge. Nil: none.
	Derived *Zone
	Made    *Zone
	// Declared is set if the serial of Static is one that its source declares.
	Declared bool
	// Hidden counts changes of the dynamic layer that do not show, so that each makes another zone:
	// what was proposed from the zone before may not fit the layer any more.
	Hidden uint32
	// Signed is set if this server made the signatures of the zone.
	Signed bool
}

// Layers returns what the zone was merged from; the zero value if it has one layer only.
func (z *Zone) Layers() Layers { return z.layers }

// WithLayers returns the same zone with other layers.
func (z *Zone) WithLayers(l Layers) *Zone {
	if z.layers == l {
		return z
	}
	n := *z
	n.layers = l
	return &n
}

// IsPreSigned reports whether the zone is signed and the signatures came with its data, so
// that a change here would invalidate them.
func (z *Zone) IsPreSigned() bool { return z.IsSigned() && !z.layers.Signed }
