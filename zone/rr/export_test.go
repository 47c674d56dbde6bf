package rr

// HasText reports whether RDATA of the type has a form of its own in text.
func HasText(t Type) bool {
	r := rowOf(t)
	return r != nil && r.fields != nil
}
