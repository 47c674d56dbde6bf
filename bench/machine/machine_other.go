//go:build !linux

package machine

import (
	"os/exec"
	"runtime"
	"time"
)

// Process is a process; there are none here.
type Process struct{}

// Pin returns ErrSystem.
func Pin(int) error { return ErrSystem }

// Start returns ErrSystem.
func Start(*exec.Cmd, string, ...int) (*Process, error) { return nil, ErrSystem }

// StayAwake returns ErrSystem.
func StayAwake(int) error { return ErrSystem }

// KeepAwake returns ErrSystem.
func KeepAwake(*exec.Cmd) (stop func(), err error) { return nil, ErrSystem }

// Leisurely calls f.
func Leisurely(f func() error) error { return f() }

// The methods of Process and the readings are there for the compiler.
func (*Process) Ended() bool    { return true }
func (*Process) PID() int       { return 0 }
func (*Process) Stop()          {}
func (*Process) Usage() Usage   { return Usage{} }
func (*Process) Memory() Memory { return Memory{} }

// CPU returns nothing.
func CPU(int) Load { return Load{} }

// Settle returns at once.
func Settle(time.Duration, ...int) {}

// Own returns nothing.
func Own() (all, user time.Duration) { return 0, 0 }

// Describe returns the system.
func Describe() string { return runtime.GOOS + "/" + runtime.GOARCH }
