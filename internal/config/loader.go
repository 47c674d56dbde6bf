package config

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"

	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/infile"
)

// Loader loads one configuration repeatedly, as a server does on each reload. It parses
// the file only if its content changed: parsing a hundred thousand PTR records takes a
// second, comparing them some milliseconds. It must not be used concurrently.
type Loader struct {
	// Path is the configuration file.
	Path string
	// Open opens the files; nil: the Loader has its own.
	Open *infile.Files
	// IsComplete reports whether a changed file may be read. If it is still being written,
	// the previous content is used. nil: all files may be read.
	IsComplete func(t *infile.Task, path string) bool
	// Files are the files that the last Load needed, the configuration first, and
	// Unfinished those that it did not read because of IsComplete.
	Files, Unfinished []string

	task   *infile.Task      // of the running Load
	sum    [sha256.Size]byte // of the content that was parsed
	parsed *Config           // without the content of other files; nil: never parsed successfully
	tls    tlsFiles
	apiTLS [2]tlsFiles
	files  map[string][]byte // last content of the files that the configuration names
}

// reader reads the files that a configuration names, of at most limit octets.
type reader func(path string, limit int64) ([]byte, error)

// Load returns the same as [Load], or the cause of ctx if that ends while a file is read.
// The configurations of one Loader share unchanged parts; callers must not modify them.
func (l *Loader) Load(ctx context.Context) (cfg *Config, err error) {
	if l.Open == nil {
		l.Open = new(infile.Files)
	}
	if stopped := l.Open.Run(ctx, func(t *infile.Task) { cfg, err = l.load(t) }); stopped != nil {
		return nil, stopped
	}
	return cfg, err
}

func (l *Loader) load(t *infile.Task) (*Config, error) {
	l.task = t
	l.Files, l.Unfinished = []string{l.Path}, nil
	if err := l.parse(); err != nil {
		return nil, err
	}
	cfg := *l.parsed
	cfg.Cookies.Secrets = slices.Clone(cfg.Cookies.Secrets)
	if err := cfg.Cookies.readFiles(l.read); err != nil {
		return nil, err
	}
	cfg.Warnings = append(slices.Clip(cfg.Warnings), exposed(l.task, l.parsed.credentials())...)
	var err error
	if cfg.Keys, err = readKeys(cfg.Keys, l.read); err != nil {
		return nil, err
	}
	if cfg.Route53.AccessKeys, err = readAccessKeys(cfg.Route53.AccessKeys, l.read); err != nil {
		return nil, err
	}
	for i, to := range []**ListenAPI{&cfg.Listen.Route53, &cfg.Listen.EC2} {
		if *to == nil || (*to).TLS == nil {
			continue
		}
		own := **to
		if own.TLS, err = l.apiTLS[i].read(own.TLS, l.read); err != nil {
			return nil, err
		}
		*to = &own
	}
	if cfg.Listen.TLS != nil {
		if cfg.Listen.TLS, err = l.tls.read(cfg.Listen.TLS, l.read); err != nil {
			return nil, err
		}
	}
	return &cfg, nil
}

// parse parses the configuration file if it changed and is complete.
func (l *Loader) parse() error {
	if l.parsed != nil && l.isUnfinished(l.Path) {
		return nil
	}
	data, err := readFile(l.task, l.Path, maxFile)
	switch {
	case l.parsed != nil && l.isUnfinished(l.Path):
		return nil
	case errors.Is(err, infile.ErrTooLarge):
		return Errors{errorAt(finding.Position{File: l.Path}, "", tooLarge)}
	case err != nil:
		return err
	}
	sum := sha256.Sum256(data)
	if l.parsed != nil && sum == l.sum {
		return nil
	}
	parsed, err := Parse(l.Path, data)
	if err != nil {
		return err
	}
	l.parsed, l.sum = parsed, sum
	return nil
}

// read reads one of the files that the configuration names, or returns the previous
// content of one that is unfinished.
func (l *Loader) read(path string, limit int64) ([]byte, error) {
	l.Files = append(l.Files, path)
	was, known := l.files[path]
	if known && l.isUnfinished(path) {
		return was, nil
	}
	data, err := readFile(l.task, path, limit)
	switch {
	case known && l.isUnfinished(path): // a change began meanwhile
		return was, nil
	case err != nil:
		return nil, err
	}
	if l.files == nil {
		l.files = map[string][]byte{}
	}
	l.files[path] = data
	return data, nil
}

// isUnfinished reports whether a file must not be read yet, and records it in Unfinished.
func (l *Loader) isUnfinished(path string) bool {
	if l.IsComplete == nil || l.IsComplete(l.task, path) {
		return false
	}
	if !slices.Contains(l.Unfinished, path) {
		l.Unfinished = append(l.Unfinished, path)
	}
	return true
}
