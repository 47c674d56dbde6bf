package tsig

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"io"

	"github.com/ptrd/ptrd/zone/dname"
)

// Algorithm is an algorithm of RFC 8945 §6. HMAC-MD5 and GSS-TSIG are not supported.
type Algorithm uint8

// The algorithms. HMAC-SHA1 is for old peers: RFC 8945 §6 requires its implementation and advises
// against its use.
const (
	HMACSHA1 Algorithm = iota
	HMACSHA224
	HMACSHA256
	HMACSHA384
	HMACSHA512
	numAlgorithms
)

// Algorithms returns the algorithms, the weakest first.
func Algorithms() []Algorithm {
	return []Algorithm{HMACSHA1, HMACSHA224, HMACSHA256, HMACSHA384, HMACSHA512}
}

// ParseAlgorithm reads the name of an algorithm as String writes it.
func ParseAlgorithm(s string) (Algorithm, bool) {
	for a := range numAlgorithms {
		if a.String() == s {
			return a, true
		}
	}
	return 0, false
}

// String returns the name without its final dot.
func (a Algorithm) String() string {
	return [numAlgorithms]string{"hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"}[a]
}

// Size returns the number of octets of a whole MAC.
func (a Algorithm) Size() int { return [numAlgorithms]int{20, 28, 32, 48, 64}[a] }

// name returns the name as records have it.
func (a Algorithm) name() dname.Name { return dname.MustParse(a.String()) }

func (a Algorithm) hash() func() hash.Hash {
	return [numAlgorithms]func() hash.Hash{sha1.New, sha256.New224, sha256.New, sha512.New384, sha512.New}[a]
}

// leastMAC is the length of the shortest MAC that any key accepts: ten octets, or half of the
// whole MAC if that is more (RFC 8945 §5.2.2.1).
func (a Algorithm) leastMAC() int { return max(10, a.Size()/2) }

// KeyOptions are the options of a Key.
type KeyOptions struct {
	Name      dname.Name
	Algorithm Algorithm
	Secret    []byte
	// MinMAC is the length of the shortest truncated MAC to accept, in octets; 0: only whole
	// ones, which every implementation sends by default.
	MinMAC int
}

// Key is a shared key. It is immutable.
type Key struct {
	name      dname.Name // in lower case
	algorithm Algorithm
	wire      dname.Name // of the algorithm
	secret    []byte
	minMAC    int
}

// NewKey returns the key. The error does not contain the secret.
func NewKey(o KeyOptions) (*Key, error) {
	switch {
	case o.Name.IsRoot():
		return nil, fmt.Errorf("the root is no name of a key; give it one that both sides write")
	case len(o.Secret) == 0:
		return nil, fmt.Errorf("the secret of key %v is empty; make one with `ptrd key generate %v`", o.Name, o.Name)
	case o.MinMAC != 0 && (o.MinMAC < o.Algorithm.leastMAC() || o.MinMAC > o.Algorithm.Size()):
		return nil, fmt.Errorf("key %v: MACs of %d octets, %v has %d to %d (RFC 8945 §5.2.2.1); choose one of these", o.Name, o.MinMAC, o.Algorithm, o.Algorithm.leastMAC(), o.Algorithm.Size())
	}
	k := &Key{
		name: o.Name.AppendLower(nil), algorithm: o.Algorithm, wire: o.Algorithm.name(),
		secret: append([]byte(nil), o.Secret...), minMAC: o.MinMAC,
	}
	if k.minMAC == 0 {
		k.minMAC = k.algorithm.Size()
	}
	return k, nil
}

// Name returns the name, in lower case.
func (k *Key) Name() dname.Name { return k.name }

// Algorithm returns the algorithm.
func (k *Key) Algorithm() Algorithm { return k.algorithm }

// Format writes the name for every verb: a secret is never printed.
func (k Key) Format(f fmt.State, _ rune) { io.WriteString(f, k.name.String()) }

func (k *Key) mac() hash.Hash { return hmac.New(k.algorithm.hash(), k.secret) }

// Derive returns 32 octets that depend on the secret and a purpose other than TSIG, and do not
// lead back to the secret.
func (k *Key) Derive(purpose string) []byte {
	h := hmac.New(sha256.New, k.secret)
	io.WriteString(h, purpose)
	return h.Sum(nil)
}

// recordLen returns the length of a TSIG record with a MAC of the key and other data of a length.
func (k *Key) recordLen(other int) int {
	return len(k.name) + recordFixed + len(k.wire) + dataFixed + k.algorithm.Size() + other
}

// Keys are the known keys, by name. nil has no keys. It is immutable.
type Keys struct{ byName map[string]*Key }

// NewKeys returns the keys. Of two with one name the last counts.
func NewKeys(list []*Key) *Keys {
	k := &Keys{make(map[string]*Key, len(list))}
	for _, key := range list {
		k.byName[string(key.name)] = key
	}
	return k
}

// Get returns the key of the name; nil if there is none.
func (k *Keys) Get(name dname.Name) *Key {
	if k == nil {
		return nil
	}
	return k.byName[name.Key()]
}
