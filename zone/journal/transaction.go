package journal

import (
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/ptrd/ptrd/zone/dname"
)

// transaction is a transaction of the journal.
type transaction struct {
	*bolt.Tx
	j     *Journal
	pause func()
}

// update is [Journal.write] for callers that do not hold mu.
func (j *Journal) update(f func(*transaction) error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.write(f)
}

func (t *transaction) bucket(name string) *bolt.Bucket { return t.Bucket([]byte(name)) }

// state returns the entry that has the key; the zero value: there is none.
func (t *transaction) state(key string) (state, error) {
	v := t.bucket(bucketZones).Get([]byte(key))
	if v == nil {
		return state{}, nil
	}
	s, ok := decode([]byte(key), v)
	if !ok {
		return state{}, corrupt(t.j.path, fmt.Sprintf("entry of %v", dname.Name(key)))
	}
	return s, nil
}

func (t *transaction) putState(key string, s *state) error {
	return t.bucket(bucketZones).Put([]byte(key), s.encode([]byte(key)))
}

// summed returns a value of a bucket; nil where there is none, or a damaged one.
func (t *transaction) summed(bucket, key string) []byte {
	v, _ := summed(bucket, []byte(key), t.bucket(bucket).Get([]byte(key)))
	return v
}

func (t *transaction) putSummed(bucket string, key, value []byte) error {
	return t.bucket(bucket).Put(key, withSum(bucket, key, value))
}

// isEmpty reports whether a bucket has no values.
func (t *transaction) isEmpty(bucket string) bool {
	k, _ := t.bucket(bucket).Cursor().First()
	return k == nil
}

// countTransaction gives the root page that is going to be written a number, by which
// the latest is found when the heads of the file are damaged. It is a time, so that the
// root of a transaction that failed has an earlier one than any that was committed later.
func countTransaction(tx *bolt.Tx) {
	meta := tx.Bucket([]byte(bucketMeta))
	_ = meta.SetSequence(max(meta.Sequence()+1, uint64(time.Now().UnixNano()))) // fails only in a transaction that cannot write
}
