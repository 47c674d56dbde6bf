package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// AccessRemedy returns what lets this process read a file whose opening failed with
// [fs.ErrPermission]. Directories of other services, such as those of DHCP servers, often let
// only their own user in, so that the mode of the file does not matter.
func AccessRemedy(err error) string { return accessRemedy(err, os.Lstat) }

func accessRemedy(err error, lstat func(path string) (fs.FileInfo, error)) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		switch dir := closedDirectory(filepath.Clean(pe.Path), lstat); dir {
		case "":
		case "/home", "/root", "/run/user": // as the unit of systemd shows them
			return fmt.Sprintf("move it out of %s, or write `ProtectHome=read-only` in the unit, if ptrd is run by one", dir)
		default:
			return fmt.Sprintf("let the user that ptrd runs as into the directory %[1]s, as with `setfacl -m u:USER:rx %[1]s`", dir)
		}
	}
	return "make it readable for the user that ptrd runs as"
}

// closedDirectory returns the topmost directory on a path that may not be entered; empty: none.
func closedDirectory(path string, lstat func(path string) (fs.FileInfo, error)) string {
	parent := filepath.Dir(path)
	if parent == path {
		return ""
	}
	if dir := closedDirectory(parent, lstat); dir != "" {
		return dir
	}
	if _, err := lstat(path); errors.Is(err, fs.ErrPermission) {
		return parent
	}
	return ""
}
