package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// credentialPrefix is before the name of a file that a unit has by LoadCredential=: systemd reads it
// as root, and only the server can read the copy (systemd.exec(5)).
const credentialPrefix = "credential:"

// unitCredentials is where the credentials of ptrd.service are while it runs, for commands that the
// unit does not run, such as `ptrd check`.
const unitCredentials = "/run/credentials/ptrd.service"

// credentialDir returns the directory of the credentials. It is where all files of this name are:
// the environment of a process does not change.
func credentialDir() string {
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" {
		return dir
	}
	return unitCredentials
}

// credential returns the path of a credential.
func (v value) credential(name string) string {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		v.fail("%q is not the name of a credential; write it as in `LoadCredential=NAME:PATH` of the unit", name)
		return ""
	}
	return filepath.Join(credentialDir(), name)
}

// credentialRemedy returns what to do if a file cannot be read that is a credential.
func credentialRemedy(path string, err error) string {
	dir, name := filepath.Split(path)
	if filepath.Clean(dir) != credentialDir() || !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	remedy := fmt.Sprintf("; write `LoadCredential=%s:PATH` below [Service] of the unit, as by `systemctl edit ptrd`", name)
	if dir == unitCredentials+"/" {
		remedy += ", and start it: credentials exist while it runs"
	}
	return remedy
}
