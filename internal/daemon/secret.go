package daemon

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ptrd/ptrd/zone/disk"
)

// secretName is the file in the state directory with the secret that cookies
// are made by where none is configured (RFC 7873 §5.5).
const secretName = "cookie.secret"

// maxSecret bounds that file, in octets; it has 33.
const maxSecret = 1 << 10

// hasSecret reports whether the state directory has a secret: an earlier process used it.
func hasSecret(stateDir string) bool {
	_, err := os.Lstat(filepath.Join(stateDir, secretName))
	return err == nil
}

// cookieSecret returns the secret kept in the state directory, made at the first
// start, so that cookies stay good over restarts. One that cannot be used is made
// again: all it costs is that clients get new cookies.
func (d *Daemon) cookieSecret(stateDir string) []byte {
	path := filepath.Join(stateDir, secretName)
	data, err := disk.Read(disk.OS{}, path, maxSecret)
	if err == nil {
		secret, hexErr := hex.DecodeString(string(bytes.TrimSpace(data)))
		if hexErr == nil && len(secret) == 16 {
			return secret
		}
		err = fmt.Errorf("%s: is not a secret of 32 hexadecimal digits", path)
	}
	secret := make([]byte, 16)
	rand.Read(secret) // never fails
	if errors.Is(err, disk.ErrUnusable) {
		if _, asideErr := disk.SetAside(disk.OS{}, path); asideErr != nil {
			err = errors.Join(err, asideErr)
		}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		d.log.Warn("the secret for cookies is made again", "err", err)
	}
	if err := disk.Write(disk.OS{}, path, fmt.Appendf(nil, "%x\n", secret)); err != nil {
		d.log.Warn("the secret for cookies cannot be kept, and is another one after a restart", "err", err)
	}
	return secret
}
