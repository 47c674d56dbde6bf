//go:build !linux

package faulttest

import "errors"

// DropCache does nothing.
func (v *Volume) DropCache() {}

// Mount mounts an empty Volume at dir, on Linux.
func Mount(dir string, seed uint64) (*Volume, error) {
	return nil, errors.New("FUSE is only spoken on Linux")
}
