//go:build !linux

package faulttest

import "errors"

// Mount mounts an empty Volume at dir, on Linux.
func Mount(dir string, seed uint64) (*Volume, error) {
	return nil, errors.New("FUSE is only spoken on Linux")
}
