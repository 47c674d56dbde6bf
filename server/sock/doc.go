// Package sock sets socket options and reads control messages, for each operating system:
// sockopt_*.go have the options, pktinfo_*.go the destination addresses of datagrams, sock.go
// what all systems share, and epoll_linux.go an epoll descriptor in the runtime's poller.
package sock
