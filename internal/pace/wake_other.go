//go:build !unix

package pace

// wake does not exist where files do not go through the poller.
type wake struct{}

func newWake() *wake { return nil }

func (*wake) poll()  {}
func (*wake) close() {}
