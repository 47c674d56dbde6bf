//go:build !linux

package loadgen

// newGroup returns the group of a worker with n flows.
func newGroup(o *Options, n int) group { return newConnGroup(o, n) }

// fineTimer does nothing: there is no such setting here.
func fineTimer() {}
