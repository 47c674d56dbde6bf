package journal

// lostAny is the key, in the bucket of zones that lost notes, for all zones without an
// entry.
// It is no name in wire form.
const lostAny = "*"

// lost returns why the notes of a zone are not all there; empty: they are. Those of a zone
// without an entry may be among the notes of unknown zones, then isOfAny is set.
func (t *transaction) lost(key string, hasEntry bool) (why string, isOfAny bool) {
	if why = string(t.summed(bucketLost, key)); why != "" || hasEntry {
		return why, false
	}
	why = string(t.summed(bucketLost, lostAny))
	return why, why != ""
}

// clearLost forgets that notes of secondary zones were lost that come from their
// primaries now.
func (t *transaction) clearLost(edits []*edit) error {
	if t.isEmpty(bucketLost) {
		return nil
	}
	for _, e := range edits {
		if c := e.change; c.Kept && c.Verbatim && e.content() != nil && len(c.Notes) > 0 {
			if err := t.setLost(e.key, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// setLost keeps why the notes of a zone are not all there; empty: they are, or that
// they are not is accepted.
func (t *transaction) setLost(key, why string) error {
	if why == "" {
		return t.bucket(bucketLost).Delete([]byte(key))
	}
	return t.putSummed(bucketLost, []byte(key), []byte(why))
}
