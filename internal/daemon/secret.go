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

	"github.com/ptrd/ptrd/zone/infile"
)

// secretName is the file in the state directory with the secret that cookies
// are made by where none is configured (RFC 7873 §5.5).
const secretName = "cookie.secret"

// maxSecret bounds that file, in octets; it has 33.
const maxSecret = 1 << 10

// cookieSecret returns the secret kept in the state directory, made at the first
// start, so that cookies stay good over restarts.
func cookieSecret(stateDir string) ([]byte, error) {
	path := filepath.Join(stateDir, secretName)
	data, err := (*infile.Task)(nil).ReadFile(path, maxSecret)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("the secret for cookies: %w", err)
	default:
		secret, err := hex.DecodeString(string(bytes.TrimSpace(data)))
		if err != nil || len(secret) != 16 {
			return nil, fmt.Errorf("%s: is not a secret of 32 hexadecimal digits; remove the file, and a new one is made", path)
		}
		return secret, nil
	}
	secret := make([]byte, 16)
	rand.Read(secret) // never fails
	// Whole or not at all: a kill in between leaves no half of a secret.
	f, err := os.CreateTemp(stateDir, secretName+".new-*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("the secret for cookies: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = fmt.Fprintf(f, "%x\n", secret)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("the secret for cookies: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return nil, fmt.Errorf("the secret for cookies: %w", err)
	}
	return secret, nil
}
