// Package sock sets options of sockets and reads their control messages, by operating
// system: sockopt_*.go and freebind_*.go have the options, sock.go what all systems share,
// and epoll_linux.go an epoll descriptor that waits in the runtime's poller.
package sock
