package config

import (
	"crypto/sha256"
	"slices"
)

// Loader loads one configuration again and again, as a server does that reloads
// because a zone's file has changed: it parses the file only if its content is
// another than the last time. A hundred thousand PTR records take a second to
// parse, and some milliseconds to be found unchanged. It serves one goroutine at
// a time.
type Loader struct {
	// Path is the configuration file.
	Path string

	sum    [sha256.Size]byte // of the content that was parsed
	parsed *Config           // without what its files hold; nil: nothing good yet
	tls    tlsFiles
}

// Load returns what [Load] would. Configurations returned by one Loader share
// what is the same in them, and none of it may be changed.
func (l *Loader) Load() (*Config, error) {
	data, err := readFile(l.Path, maxFile)
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(data); l.parsed == nil || sum != l.sum {
		parsed, err := Parse(l.Path, data)
		if err != nil {
			return nil, err
		}
		l.parsed, l.sum = parsed, sum
	}
	cfg := *l.parsed
	cfg.Cookies.Secrets = slices.Clone(cfg.Cookies.Secrets)
	if err := cfg.Cookies.readFiles(); err != nil {
		return nil, err
	}
	if cfg.Keys, err = readKeys(cfg.Keys); err != nil {
		return nil, err
	}
	if cfg.Listen.TLS != nil {
		if cfg.Listen.TLS, err = l.tls.read(cfg.Listen.TLS); err != nil {
			return nil, err
		}
	}
	return &cfg, nil
}
