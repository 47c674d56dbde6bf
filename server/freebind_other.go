//go:build !linux

package server

import "errors"

// setFreebind says that this system cannot do it.
func setFreebind(uintptr, bool) error {
	return errors.New("freebind is there on Linux only")
}
