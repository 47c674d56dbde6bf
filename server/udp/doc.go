// Package udp answers datagrams. A [Listener] has the sockets of one address and a worker
// for each processor.
//
//	listen.go      Listener: binds sockets, starts and stops workers
//	udp.go         the worker: receive a batch, answer each, send the batch
//	mmsg_linux.go, port_linux.go   batches by recvmmsg and sendmmsg, waiting by epoll
//	portable.go    one datagram a call, for other systems
//	drops.go       datagrams that the kernel dropped
//
// A worker that always finds queries calls ListenOptions.Attend once a millisecond, so
// that streams get the processor too.
package udp
