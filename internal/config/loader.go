package config

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/infile"
)

// Loader loads one configuration repeatedly, as a server does on each reload. It parses
// the files only if their content changed: parsing a hundred thousand PTR records takes a
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
	// Unfinished those that it did not read because of IsComplete. In Directories, another
	// file may appear that it needs.
	Files, Unfinished []string
	Directories       []Directory

	task     *infile.Task // of the running Load
	sums     []fileSum    // of the contents that were parsed
	patterns []listing    // of `include`, likewise
	parsed   *Config      // without the content of other files; nil: never parsed successfully
	tls      tlsFiles
	apiTLS   [2]tlsFiles
	files    map[string][]byte      // last content of the files that the configuration names
	listed   map[Directory][]string // the files in directories when they were last listed
	from     fromDirectories
}

// listing is the files in a directory.
type listing struct {
	Directory
	paths []string
}

// fileSum is the checksum of a file.
type fileSum struct {
	path string
	sum  [sha256.Size]byte
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
	cfg, err := l.loadAll(t)
	if err != nil {
		return nil, err
	}
	return cfg, nil
}

// Examine returns all findings about the configuration and the files with secrets that it names, and
// those of its zones that have no errors; nil if they are not known. The error is the cause of ctx.
func (l *Loader) Examine(ctx context.Context) (cfg *Config, list []finding.Finding, err error) {
	if l.Open == nil {
		l.Open = new(infile.Files)
	}
	err = l.Open.Run(ctx, func(t *infile.Task) {
		var faults error
		if cfg, faults = l.loadAll(t); faults != nil {
			list = FindingsOf(faults)
		}
	})
	if cfg != nil {
		list = slices.Concat(list, cfg.Warnings)
	}
	return cfg, finding.Limit(list), err
}

// loadAll is load, but returns what has no errors together with all errors.
func (l *Loader) loadAll(t *infile.Task) (*Config, error) {
	l.task = t
	l.Files, l.Unfinished, l.Directories = []string{l.Path}, nil, nil
	parsed, err := l.parse()
	if parsed == nil {
		return nil, err
	}
	var errs Errors
	add := func(err error) {
		if err != nil {
			errs = append(errs, FindingsOf(err)...)
		}
	}
	add(err)
	cfg := *parsed
	add(l.addZones(&cfg, parsed))
	cfg.Cookies.Secrets = slices.Clone(cfg.Cookies.Secrets)
	add(cfg.Cookies.readFiles(l.read))
	cfg.Warnings = append(slices.Clip(cfg.Warnings), exposed(l.task, parsed.credentials())...)
	cfg.Keys, err = readKeys(cfg.Keys, l.read)
	add(err)
	cfg.Warnings = append(slices.Clip(cfg.Warnings), warnShort(cfg.Keys)...)
	finding.Sort(cfg.Warnings)
	cfg.Route53.AccessKeys, err = readAccessKeys(cfg.Route53.AccessKeys, l.read)
	add(err)
	for i, to := range []**ListenAPI{&cfg.Listen.Route53, &cfg.Listen.EC2} {
		if *to == nil || (*to).TLS == nil {
			continue
		}
		own := **to
		own.TLS, err = l.apiTLS[i].read(own.TLS, l.read)
		add(err)
		*to = &own
	}
	if cfg.Listen.TLS != nil {
		cfg.Listen.TLS, err = l.tls.read(cfg.Listen.TLS, l.read)
		add(err)
	}
	if errs != nil {
		finding.Sort(errs)
		return &cfg, errs
	}
	return &cfg, nil
}

// parse parses the configuration and the files that it includes if one of them changed and is
// complete. With an error it returns what has none; nil if that is not known.
func (l *Loader) parse() (*Config, error) {
	if l.parsed != nil && l.isUnfinished(l.Path) {
		l.isUnchanged(l.sums[0].sum) // for what is to be watched
		return l.parsed, nil
	}
	data, err := readFile(l.task, l.Path, maxFile)
	switch {
	case l.parsed != nil && l.isUnfinished(l.Path):
		l.isUnchanged(l.sums[0].sum)
		return l.parsed, nil
	case errors.Is(err, infile.ErrTooLarge):
		return nil, Errors{errorAt(finding.Position{File: l.Path}, "", tooLarge)}
	case err != nil:
		return nil, err
	}
	sums := []fileSum{{l.Path, sha256.Sum256(data)}}
	if l.parsed != nil && l.isUnchanged(sums[0].sum) {
		return l.parsed, nil
	}
	var patterns []listing
	parsed, err := parseAll(l.Path, data, includedFiles{
		read: func(path string) ([]byte, error) {
			data, err := l.read(path, maxFile)
			sums = append(sums, fileSum{path, sha256.Sum256(data)})
			return data, err
		},
		list: func(d Directory) ([]string, error) {
			list, err := l.list(d)
			patterns = append(patterns, listing{d, list})
			return list, err
		},
	})
	if err != nil {
		return parsed, err
	}
	l.parsed, l.sums, l.patterns = parsed, sums, patterns
	return l.parsed, nil
}

// isUnchanged reports whether the files are as they were parsed, of which the main one has the
// checksum sum now.
func (l *Loader) isUnchanged(sum [sha256.Size]byte) bool {
	same := sum == l.sums[0].sum
	for _, f := range l.sums[1:] {
		data, err := l.read(f.path, maxFile)
		same = same && err == nil && sha256.Sum256(data) == f.sum
	}
	for _, p := range l.patterns {
		now, err := l.list(p.Directory)
		same = same && err == nil && slices.Equal(p.paths, now)
	}
	return same
}

// list returns the paths of the files in a directory, sorted. Files that are not complete are
// as they were when it was listed before: one that was there then is still there, because an
// editor may replace it, and a new one is not.
func (l *Loader) list(d Directory) ([]string, error) {
	if !slices.Contains(l.Directories, d) {
		l.Directories = append(l.Directories, d)
	}
	names, err := l.task.ReadDir(d.Path)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, fmt.Errorf("the directory %s cannot be read: %w; correct the path, or make it readable for the user that ptrd runs as", d.Path, err)
	}
	before, known := l.listed[d]
	var list []string
	for _, name := range names {
		if path := filepath.Join(d.Path, name); d.Matches(name) {
			if _, was := slices.BinarySearch(before, path); was || !known || !l.isUnfinished(path) {
				list = append(list, path)
			}
		}
	}
	for _, path := range before {
		if _, is := slices.BinarySearch(list, path); !is && l.isUnfinished(path) {
			list = append(list, path)
		}
	}
	slices.Sort(list)
	if l.listed == nil {
		l.listed = map[Directory][]string{}
	}
	l.listed[d] = list
	return list, nil
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
		l.Files = append(l.Files, path)
	}
	return true
}
