package server

import (
	"errors"
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/server/answer"
	"github.com/ptrd/ptrd/server/sock"
)

// Absent is an address that the server is to listen on and that no interface has, or
// cannot be bound for another reason that came up later.
type Absent struct {
	Addr netip.AddrPort
	TLS  bool
	Err  error // of the last try, with the address and what to do
}

// IsAbsent reports whether binding addr failed because no interface has it, or not yet.
func IsAbsent(err error, addr netip.Addr) bool { return err != nil && sock.IsAbsent(err, addr) }

// Absent returns the addresses that could not be bound, in order. Recheck tries them again.
func (s *Server) Absent() []Absent {
	list := s.absent.Load()
	if list == nil {
		return nil
	}
	return *list
}

// Recheck binds the addresses that have come since, and gives up the sockets of link-local
// addresses whose interface has gone or was created again: such a socket belongs to the
// number that the interface had, and receives nothing any more. It reports whether every
// address is bound.
func (s *Server) Recheck() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stopped {
		s.dropStale()
		s.bindAbsent()
	}
	return len(s.Absent()) == 0
}

// dropStale makes absent the addresses whose interface is another one than when they were
// bound. The caller holds mu.
func (s *Server) dropStale() {
	for k, l := range s.listeners {
		if zone := k.addr.Addr().Zone(); zone == "" || sock.InterfaceIndex(zone) == l.index {
			continue
		}
		delete(s.listeners, k)
		s.noteBound()
		if s.state == serving {
			l.stop()
		} else {
			l.discard()
		}
		s.setAbsent(k, sock.BindError(s.transportOf(k), k.addr, errStale))
	}
}

var errStale = errors.New("its interface has gone or was created again")

// bindAbsent tries every absent address once. The caller holds mu.
func (s *Server) bindAbsent() {
	for _, a := range s.Absent() {
		k := listenKey{a.Addr, a.TLS}
		l, err := s.bind(k, nil)
		if err != nil {
			s.setAbsent(k, err)
			continue
		}
		s.setAbsent(k, nil)
		s.listeners[k] = l
		s.noteBound()
		if s.state == serving {
			l.start()
		}
	}
}

// setAbsent puts an address and its error into the list of absent ones, or takes it out,
// without an error. The list is copied: it is read without mu. The caller holds mu.
func (s *Server) setAbsent(k listenKey, err error) {
	list := slices.DeleteFunc(slices.Clone(s.Absent()), func(a Absent) bool { return a.Addr == k.addr && a.TLS == k.tls })
	if err != nil {
		list = append(list, Absent{k.addr, k.tls, err})
		slices.SortFunc(list, func(a, b Absent) int { return a.Addr.Compare(b.Addr) })
	}
	s.absent.Store(&list)
}

// keepAbsent takes out of the list what is no longer wanted. The caller holds mu.
func (s *Server) keepAbsent(wanted []listenKey) {
	for _, a := range s.Absent() {
		if k := (listenKey{a.Addr, a.TLS}); !slices.Contains(wanted, k) {
			s.setAbsent(k, nil)
		}
	}
}

func (s *Server) transportOf(k listenKey) string {
	if k.tls {
		return answer.TLS.String()
	}
	return answer.UDP.String()
}
