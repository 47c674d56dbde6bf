package deferred

import "github.com/ptrd/ptrd/server/answer"

// Totals count what the deferred lane does.
type Totals struct {
	Waiting int // in the queue
	Working int // in the hands of a worker
	Done    uint64
	Replies uint64 // messages made; a transfer is many
	Unsent  uint64 // of Replies: messages that were not sent
	Full    uint64 // requests turned away because the queue was full
	Latency answer.Latency

	Transfers        int // of Working: transfers
	TransferClients  int // clients that have transfers, made or waiting
	TransfersWaiting int // of Working: transfers that wait for their turn
}
