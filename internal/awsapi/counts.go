package awsapi

import (
	"maps"
	"sync"
)

// Result is how a request ended. All of its values are from fixed lists.
type Result struct {
	API       string // Service.Name
	Operation string // "none" of a request that was refused before that was known
	Code      string // of the error; "OK" without one; "closed" without a response
}

// Counts counts requests. The zero value is ready; a nil one counts nothing. Its methods may be
// called by several goroutines.
type Counts struct {
	mu       sync.Mutex
	requests map[Result]uint64
}

func (c *Counts) add(r Result) {
	if c == nil {
		return
	}
	if r.Operation == "" {
		r.Operation = "none"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.requests == nil {
		c.requests = map[Result]uint64{}
	}
	c.requests[r]++
}

// Requests returns the number of requests so far.
func (c *Counts) Requests() map[Result]uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.requests)
}
