// Package freeport has ports for servers that tests and benchmarks start as other processes, or
// start again at the same port. No two processes on a machine get the same port while both run,
// and none gets a port twice, so that tests can run at the same time.
//
// A port that was free when it was looked for may have another owner when a server binds it.
// Therefore each process claims blocks of ports: it listens at the first port of a block until it
// ends, and the others belong to it.
package freeport

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
)

// The ports are below those that systems choose for clients, from 32768 on (Linux) or 49152 on (RFC
// 6335 §6), and above those of well-known services. A test program of one package seldom needs more
// than one block.
const (
	first     = 10_000
	end       = 32_768
	blockSize = 128
	blocks    = (end - first) / blockSize
)

// claims are the blocks of this process, and the unused part of the last one.
var claims struct {
	sync.Mutex
	held       []net.Listener // of the first port of each block
	next, last uint16
}

// Address returns an address of loopback whose port is free for UDP and TCP.
func Address() (netip.AddrPort, error) {
	claims.Lock()
	defer claims.Unlock()
	for {
		for claims.next < claims.last {
			at := loopback(claims.next)
			claims.next++
			if isFree(at) {
				return at, nil
			}
		}
		if err := claimBlock(); err != nil {
			return netip.AddrPort{}, err
		}
	}
}

// Must is as Address, for a test.
func Must(t interface {
	Helper()
	Fatal(...any)
}) netip.AddrPort {
	t.Helper()
	at, err := Address()
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// claimBlock claims a block that no process has. The search starts at random, so that a process
// seldom gets the ports of one that has just ended, which late messages may be for.
func claimBlock() error {
	start := rand.IntN(blocks)
	for i := range blocks {
		port := uint16(first + (start+i)%blocks*blockSize)
		l, err := net.Listen("tcp4", loopback(port).String())
		if err != nil {
			continue
		}
		claims.held = append(claims.held, l)
		claims.next, claims.last = port+1, port+blockSize
		return nil
	}
	return errors.New("no block of ports is free: other processes have claimed all of them")
}

func loopback(port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
}

// isFree reports whether no socket has the port: those of other programs, which claim none, or of a
// server that has outlived its test.
func isFree(at netip.AddrPort) bool {
	l, err := net.Listen("tcp4", at.String())
	if err != nil {
		return false
	}
	defer l.Close()
	c, err := net.ListenPacket("udp4", at.String())
	if err != nil {
		return false
	}
	return c.Close() == nil
}
