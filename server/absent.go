package server

import (
	"errors"
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/server/sock"
)

// Absent is an address that the server should listen on and cannot: no interface has it, or
// binding failed for a reason that came up later.
type Absent struct {
	Addr    netip.AddrPort
	Service Service
	Err     error // of the last try, with the address and the remedy
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

// Recheck binds absent addresses that now exist, and closes the sockets of link-local
// addresses whose interface was removed or created again: such a socket belongs to the
// number that the interface had, and receives nothing any more. It reports whether every
// address is bound.
func (s *Server) Recheck() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stopped {
		s.dropStale()
		for _, a := range s.Absent() {
			e := endpoint{a.Addr, a.Service}
			if l, err := s.bind(e, nil); err != nil {
				s.setAbsent(e, err)
			} else {
				s.add(e, l)
			}
		}
	}
	return len(s.Absent()) == 0
}

// dropStale makes the addresses absent whose interface has changed since they were bound.
// The caller holds mu.
func (s *Server) dropStale() {
	for e, l := range s.listeners {
		if zone := e.addr.Addr().Zone(); zone == "" || sock.InterfaceIndex(zone) == l.index {
			continue
		}
		delete(s.listeners, e)
		s.noteBound()
		l.stop(s.state == serving)
		transports := transportsOf[e.service]
		s.setAbsent(e, sock.BindError(transports[len(transports)-1].String(), e.addr, errStale))
	}
}

var errStale = errors.New("its interface has gone or was created again")

// setAbsent adds an address and its error to the list of absent ones, or removes it if err
// is nil. The list is copied: Absent reads it without mu. The caller holds mu.
func (s *Server) setAbsent(e endpoint, err error) {
	list := slices.DeleteFunc(slices.Clone(s.Absent()), func(a Absent) bool { return e == endpoint{a.Addr, a.Service} })
	if err != nil {
		list = append(list, Absent{e.addr, e.service, err})
		slices.SortFunc(list, func(a, b Absent) int { return a.Addr.Compare(b.Addr) })
	}
	s.absent.Store(&list)
}

// keepAbsent removes what is no longer wanted from the list. The caller holds mu.
func (s *Server) keepAbsent(wanted []endpoint) {
	for _, a := range s.Absent() {
		if e := (endpoint{a.Addr, a.Service}); !slices.Contains(wanted, e) {
			s.setAbsent(e, nil)
		}
	}
}
