// Package privilege drops the privileges of root after the first sockets are bound, except
// the capability to bind more of them.
package privilege

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
)

// Account is a user as the kernel knows it.
type Account struct {
	Name     string
	UID, GID int
	Groups   []int // supplementary
}

// Lookup returns the account of a user.
func Lookup(name string) (Account, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return Account{}, fmt.Errorf("user %q: there is no such user; create it, as with `useradd --system %s`, or name another one", name, name)
	}
	a := Account{Name: name}
	if a.UID, err = strconv.Atoi(u.Uid); err != nil {
		return Account{}, fmt.Errorf("user %q: its id %q is not a number", name, u.Uid)
	}
	if a.GID, err = strconv.Atoi(u.Gid); err != nil {
		return Account{}, fmt.Errorf("user %q: its group id %q is not a number", name, u.Gid)
	}
	ids, err := u.GroupIds()
	if err != nil {
		ids = nil // the system cannot list them; use the primary group only
	}
	for _, id := range ids {
		if g, err := strconv.Atoi(id); err == nil {
			a.Groups = append(a.Groups, g)
		}
	}
	return a, nil
}

// MakeDir creates a missing directory and its parents. A directory that it creates belongs
// to the account, if one is given.
func MakeDir(dir string, owner *Account) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o750); err != nil && !os.IsExist(err) {
		return err
	}
	if owner == nil {
		return nil
	}
	return os.Chown(dir, owner.UID, owner.GID)
}
