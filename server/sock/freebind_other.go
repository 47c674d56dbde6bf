//go:build !linux

package sock

import "errors"

// SetFreebind says that this system cannot do it.
func SetFreebind(uintptr, bool) error {
	return errors.New("freebind is there on Linux only")
}
