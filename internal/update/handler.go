package update

import (
	"context"

	"github.com/ptrd/ptrd/server/deferred"
	"github.com/ptrd/ptrd/server/wire"
)

// Handle handles an UPDATE that the server deferred. The server has verified its
// signature and signs the answer. Handle does not wait for the disk.
func (u *Updater) Handle(_ context.Context, r *deferred.Request) {
	r.Hold()
	req := &Request{Message: r.Message, Client: r.Client, Drop: r.End, Answer: func(c wire.RCode, ede uint16, text string) {
		// A client that does not get the response asks again; the server has counted the error.
		_ = r.Fail(c, ede, text)
		r.End()
	}}
	if r.Key != nil {
		req.Key = r.Key.Name()
	}
	req.Stream = !r.Transport.IsDatagram()
	req.Proven = r.Key != nil || req.Stream
	u.Submit(req)
}
