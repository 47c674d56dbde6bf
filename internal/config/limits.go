package config

import "time"

// Limits bound what clients and zone data can use. A new limit is a field here with its
// default and its key, and a field of the package that applies it.
type Limits struct {
	UDPSize int // octets, largest UDP response
	TransportLimits
	GenerateSteps int   // $GENERATE steps of one master file
	ZoneMemory    int64 // octets, while one zone is loaded; 0: half of the machine's
	Materialize   int   // records of a zone for the names of its ranges
}

// TransportLimits has the fields of [server.Limits], in the same order, so that the
// daemon can convert one to the other: a field that only one of them has does not
// compile.
type TransportLimits struct {
	TCPClients    int           // connections in all
	TCPClientsPer int           // connections of one client address (IPv6: its /56)
	TCPIdle       time.Duration // without a query
	TCPWrite      time.Duration // for a client to receive 64 KiB of answers, and to send a whole query
	TCPPipeline   int           // deferred queries of one connection
	Transfers     int           // concurrent outgoing transfers
	TransfersPer  int           // of one client address (IPv6: its /56)
	TransferStall time.Duration // without progress of a transfer
	LogQueries    int           // log one query of so many; 0: none (key `log.queries`)
}

func defaultLimits() Limits {
	return Limits{
		UDPSize: 1232, // RFC 9715 appendix A: 1280 of IPv6 less the headers
		TransportLimits: TransportLimits{
			TCPClients:    1024,             // each costs a descriptor, some KiB of the kernel and half a KiB here
			TCPClientsPer: 32,               // a resolver needs a few; its users behind one NAT some more
			TCPIdle:       10 * time.Second, // RFC 7766 §6.2.3: a few seconds
			TCPWrite:      5 * time.Second,  // a slow link carries 64 KiB in that time
			TCPPipeline:   64,               // a resolver's burst; more wait in the socket
			Transfers:     16,               // each uses a buffer of 64 KiB and retains the snapshot it started with
			TransfersPer:  4,                // a secondary opens few connections to one primary
			TransferStall: time.Minute,      // TCP may take as long to recover a lost path
		},
		GenerateSteps: 1 << 16, // every address of a /16
		Materialize:   1 << 16, // so is this
	}
}

func (v value) limits(l *Limits) {
	const shortest = 100 * time.Millisecond
	v.mapping(
		// RFC 6891 §6.2.3: less than 512 counts as 512; §6.2.5: start with at most 4096
		field{"udp_size", number(&l.UDPSize, 512, 4096, "octets")},
		field{"tcp_clients", number(&l.TCPClients, 1, 1<<20, "connections")},
		field{"tcp_clients_per_address", number(&l.TCPClientsPer, 1, 1<<20, "connections")},
		field{"tcp_idle", duration(&l.TCPIdle, shortest, time.Hour)},
		field{"tcp_message", duration(&l.TCPWrite, shortest, time.Hour)},
		field{"tcp_pipeline", number(&l.TCPPipeline, 1, 1<<16, "queries")},
		field{"transfers", number(&l.Transfers, 1, 1<<16, "transfers")},
		field{"transfers_per_address", number(&l.TransfersPer, 1, 1<<16, "transfers")},
		field{"zone_memory", number(&l.ZoneMemory, 0, 1<<44, "octets")},
		field{"transfer_stall", duration(&l.TransferStall, shortest, 24*time.Hour)},
		field{"materialize", number(&l.Materialize, 0, 1<<24, "records")},
		field{"generate_steps", number(&l.GenerateSteps, 0, 1<<24, "steps")},
	)
}
