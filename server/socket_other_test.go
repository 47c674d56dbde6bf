//go:build !linux

package server

import (
	"errors"
	"syscall"
)

func allowBroadcast(syscall.RawConn) error { return errors.New("tested on Linux only") }
