// Package floor is the least that a server can do with sockets of the kernel: it sets
// QR in what it receives and sends it back. What a DNS server costs above that is the cost of
// its code; no server with the same system calls costs less than the floor.
//
// Over UDP it moves batches by recvmmsg and sendmmsg, over TCP it waits by epoll and
// writes at once what one read brought. It works on Linux only.
package floor
