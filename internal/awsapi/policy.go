package awsapi

import (
	"sync"
	"time"

	"github.com/ptrd/ptrd/internal/sigv4"
	"github.com/ptrd/ptrd/zone/dname"
)

// Key is an access key and what it may do.
type Key struct {
	sigv4.Key
	Permits func(operation string, changes bool) bool
	Allows  func(name dname.Name) bool // of a zone, or of an address
}

// Policy says who may use an API. It is immutable.
type Policy struct {
	Keys      map[string]*Key
	Anonymous bool // signatures are not looked at
	Throttle  int  // requests per second of a key; 0: any number
}

// anonymous is the key of requests that nobody signs.
var anonymous = &Key{
	Key:     sigv4.Key{ID: "anonymous"},
	Permits: func(string, bool) bool { return true },
	Allows:  func(dname.Name) bool { return true },
}

// throttle counts the requests of each key in the current second.
type throttle struct {
	mu     sync.Mutex
	second int64
	counts map[string]int
}

func (t *throttle) allow(key string, limit int, now time.Time) bool {
	if limit == 0 {
		return true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if unix := now.Unix(); t.counts == nil || t.second != unix {
		t.second, t.counts = unix, map[string]int{}
	}
	t.counts[key]++
	return t.counts[key] <= limit
}
