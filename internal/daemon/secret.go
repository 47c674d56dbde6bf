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

// secretName is the file in the state directory with the secret of DNS cookies, which is used if none
// is configured (RFC 7873 §5.5).
const secretName = "cookie.secret"

// maxSecret bounds the size of that file, which has 33 octets.
const maxSecret = 1 << 10

// hasSecret reports whether the state directory has a secret, as it has after an earlier process.
func hasSecret(stateDir string) bool {
	_, err := os.Lstat(filepath.Join(stateDir, secretName))
	return err == nil
}

// cookieSecret returns the secret in the state directory. It is created at the first start, so that
// cookies stay valid over restarts. A secret that cannot be used is replaced; then clients get new
// cookies.
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
		d.log.Warn("the secret for cookies cannot be used, and is replaced", "err", err)
	}
	if err := disk.Write(disk.OS{}, path, fmt.Appendf(nil, "%x\n", secret)); err != nil {
		d.log.Warn("the secret for cookies cannot be written, and changes at the next restart", "err", err)
	}
	return secret
}
