//go:build !linux

package server

// newTCPWay returns the way of this system.
func newTCPWay(s *Server, conns *tcpConns) tcpWay { return newConnWay(s, conns) }
