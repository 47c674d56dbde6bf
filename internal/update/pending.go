package update

import (
	"crypto/sha256"
	"net/netip"
	"sync"
)

// pending knows the requests that wait for the disk, so that one that its client
// sends again meanwhile, as over UDP, is carried out once and answered twice. One
// that comes after the answer is carried out again: what it adds is there then, and
// what it deletes is gone (RFC 2136 §5).
type pending struct {
	mu   sync.Mutex
	jobs map[pendingKey]*job
}

type pendingKey struct {
	client netip.AddrPort
	sum    [sha256.Size]byte // of the message
}

// join reports whether the same request waits already; it is then answered together
// with that one.
func (p *pending) join(j *job) bool {
	j.key = pendingKey{j.Client, sha256.Sum256(j.Message)}
	p.mu.Lock()
	defer p.mu.Unlock()
	if first := p.jobs[j.key]; first != nil {
		first.again = append(first.again, j.Request)
		return true
	}
	p.jobs[j.key] = j
	return false
}

// leave ends the wait and returns who else is to be answered.
func (p *pending) leave(j *job) []*Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.jobs[j.key] == j {
		delete(p.jobs, j.key)
	}
	return j.again
}
