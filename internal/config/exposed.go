package config

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/infile"
)

// credential is a file for authentication.
type credential struct {
	File
	isSecret bool // a secret or a private key; otherwise a certificate
}

// credentials returns the files with secrets, and those with the certificates for
// connections to primaries, each file once.
func (c *Config) credentials() (list []credential) {
	index := map[string]int{} // in list, by path
	add := func(isSecret bool, files ...File) {
		for _, f := range files {
			switch i, known := index[f.Path]; {
			case f.Path == "":
			case known:
				list[i].isSecret = list[i].isSecret || isSecret
			default:
				index[f.Path] = len(list)
				list = append(list, credential{f, isSecret})
			}
		}
	}
	secret := func(in File, pos finding.Position) { // without a path, the configuration has it
		if in.Path == "" {
			in = File{Path: pos.File, Pos: finding.Position{File: pos.File}}
		}
		add(true, in)
	}
	for _, k := range c.Keys {
		secret(k.File, k.Pos)
	}
	for _, k := range c.Route53.AccessKeys {
		secret(k.File, k.Pos)
	}
	if c.Cookies.Pos.File != "" {
		secret(File{}, c.Cookies.Pos)
	}
	add(true, c.Cookies.Files...)
	if t := c.Listen.TLS; t != nil {
		add(true, t.Key)
	}
	for _, l := range []*ListenAPI{c.Listen.Route53, c.Listen.EC2} {
		if l != nil && l.TLS != nil {
			add(true, l.TLS.Key)
		}
	}
	primaries := func(s *Secondary) {
		if s == nil {
			return
		}
		for _, p := range s.Primaries {
			if p.TLS != nil {
				add(true, p.TLS.Key)
				add(false, p.TLS.CA, p.TLS.Cert)
			}
		}
	}
	for i := range c.Zones {
		primaries(c.Zones[i].Secondary)
	}
	for i := range c.Catalogs {
		if f := c.Catalogs[i].Follow; f != nil {
			primaries(f.Secondary)
			primaries(f.Members.Secondary)
			for _, g := range f.Groups {
				primaries(g.Secondary)
			}
		}
	}
	return list
}

// Sources returns the files that a reload reads, each once: those that read lists, as
// [Loader.Files], and those with zone data, with names of addresses (`derive`) and for authentication.
func (c *Config) Sources(read []string) (list []File) {
	known := map[string]bool{}
	add := func(files ...File) {
		for _, f := range files {
			if !known[f.Path] {
				known[f.Path] = true
				list = append(list, f)
			}
		}
	}
	for i := range c.Zones {
		add(c.Zones[i].Files...)
		add(c.Zones[i].Hosts...)
		if d := c.Zones[i].Derive; d != nil {
			for j := range d.From {
				if n := d.From[j].File; n != nil {
					add(n.File)
				}
			}
		}
	}
	for _, f := range c.credentials() {
		add(f.File)
	}
	for _, path := range read {
		add(File{Path: path, Pos: finding.Position{File: path}})
	}
	return list
}

// exposed returns a warning for each file with a secret that every user of the host can
// read, judged by its mode and the modes of the directories above it.
func exposed(t *infile.Task, files []credential) (list []finding.Finding) {
	if runtime.GOOS == "windows" {
		return nil // there, the mode does not show who can read a file
	}
	for _, f := range files {
		if !f.isSecret {
			continue
		}
		open := false
		_ = t.Do(f.Path, func() error { // reading the file reports the error
			open = isOpenToAll(f.Path)
			return nil
		})
		if open {
			list = append(list, finding.Finding{Position: f.Pos, Rule: "exposed-secret", Text: fmt.Sprintf("%s has a secret, and every user of this host can read it; run `chmod o-r %[1]s`", f.Path)})
		}
	}
	return list
}

func isOpenToAll(path string) bool {
	const readers, searchers fs.FileMode = 0o004, 0o001
	path, err := filepath.Abs(path)
	if err != nil {
		return false
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return false
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode()&readers == 0 {
		return false
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil || info.Mode()&searchers == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

// Unreadable returns an error for each file with keys or certificates that cannot be read
// now. Some of them are read only for a connection to a primary.
func (c *Config) Unreadable(t *infile.Task) (errs Errors) {
	for _, f := range c.credentials() {
		if _, err := readFile(t, f.Path, maxFile); err != nil {
			errs = append(errs, errorAt(f.Pos, "", "%v", err))
		}
	}
	return errs
}
