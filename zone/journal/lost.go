package journal

import (
	bolt "go.etcd.io/bbolt"

	"github.com/ptrd/ptrd/zone/dname"
)

// lostAny is the key, in the bucket of zones that lost notes, for all zones without an
// entry.
// It is no name in wire form.
const lostAny = "*"

// loadLost reads which zones lost notes.
func (j *Journal) loadLost() error {
	values, err := j.readSummed(bucketLost)
	j.lostNotes = map[string]string{}
	for key, text := range values {
		j.lostNotes[key] = string(text)
	}
	return err
}

// lost returns why the notes of a zone are not all there; empty: they are. Of a zone
// without an entry they may be among those whose zones are not known; that it was
// asked for is kept, so that the next process knows it too.
func (j *Journal) lost(apex dname.Name, hasEntry bool) (string, error) {
	key := apex.Key()
	j.lostMu.Lock()
	why, any := j.lostNotes[key], j.lostNotes[lostAny]
	j.lostMu.Unlock()
	if why != "" || hasEntry || any == "" {
		return why, nil
	}
	return any, j.setLost(key, any)
}

// clearLost forgets that notes of secondary zones were lost that come from their
// primaries now.
func (j *Journal) clearLost(edits []*edit) error {
	j.lostMu.Lock()
	var keys []string
	for _, e := range edits {
		if len(j.lostNotes) == 0 {
			break
		}
		if c := e.change; c.Kept && c.Verbatim && e.content() != nil && len(c.Notes) > 0 && j.lostNotes[e.key] != "" {
			keys = append(keys, e.key)
		}
	}
	j.lostMu.Unlock()
	for _, key := range keys {
		if err := j.writeLost(key, ""); err != nil {
			return err
		}
	}
	return nil
}

// setLost keeps why the notes of a zone are not all there; empty: they are, or that
// they are not is accepted.
func (j *Journal) setLost(key, why string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.writeLost(key, why)
}

// writeLost is setLost for callers that hold mu.
func (j *Journal) writeLost(key, why string) error {
	if err := j.write(func(tx *bolt.Tx) error {
		countTransaction(tx)
		b := tx.Bucket([]byte(bucketLost))
		k := []byte(key)
		if why == "" {
			return b.Delete(k)
		}
		return b.Put(k, withSum(bucketLost, k, []byte(why)))
	}); err != nil {
		return err
	}
	j.lostMu.Lock()
	defer j.lostMu.Unlock()
	if delete(j.lostNotes, key); why != "" {
		j.lostNotes[key] = why
	}
	return nil
}
