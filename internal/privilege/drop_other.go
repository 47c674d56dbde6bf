//go:build !unix

package privilege

import "errors"

// Drop fails: these systems have no users to change to.
func Drop(Account) (kept bool, err error) {
	return false, errors.New("there are no users to change to on this system; remove `user`")
}

// IsRoot reports whether the process runs as root, which it never does here.
func IsRoot() bool { return false }
