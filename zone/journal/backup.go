package journal

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/ptrd/ptrd/zone/disk"
	"github.com/ptrd/ptrd/zone/dname"
)

// BackupFile is one file of a backup, by its path below the directory of the journal.
type BackupFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Backup calls put with the journal and each content file that it names, as they are at
// one moment, while changes go on. The journal is copied to a file next to it before put
// is called, so that a slow put holds nothing up.
func (j *Journal) Backup(put func(name string, size int64, from io.Reader) error) error {
	f, err := os.CreateTemp(filepath.Dir(j.path), filepath.Base(j.path)+disk.TempPattern) // removed at the next start if not below
	if err != nil {
		return fmt.Errorf("copy the journal: %w", err)
	}
	defer func() { _ = j.disk.Remove(f.Name()) }()
	defer f.Close()
	j.pin()
	defer j.unpin()
	var files []string
	if err := j.view(func(t *transaction) error {
		files = t.contentFiles()
		_, err := t.WriteTo(f)
		return err
	}); err != nil {
		return fmt.Errorf("copy the journal: %w", err)
	}
	if err := putFile(f, filepath.Base(j.path), put); err != nil {
		return err
	}
	slices.Sort(files)
	for _, name := range files {
		c, err := os.Open(j.contentPath(name))
		if err != nil {
			return fmt.Errorf("the content of a zone: %w", err)
		}
		err = putFile(c, contentDir+"/"+name, put)
		c.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// contentFiles returns the names of the content files that entries name.
func (t *transaction) contentFiles() (files []string) {
	c := t.bucket(bucketZones).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		if s, ok := decode(k, v); ok && s.content != (contentFile{}) {
			files = append(files, s.content.name(dname.FromWire(k)))
		}
	}
	return files
}

func putFile(f *os.File, name string, put func(string, int64, io.Reader) error) error {
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	return put(name, size, io.LimitReader(f, size))
}

// pin keeps content files that are superseded until unpin.
func (j *Journal) pin() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.pins++
}

func (j *Journal) unpin() {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.pins--; j.pins > 0 {
		return
	}
	j.foundMu.Lock()
	defer j.foundMu.Unlock()
	for _, path := range j.dropLater {
		_ = j.disk.Remove(path) // or at the next start
	}
	j.dropLater = nil
}

// removeContent removes a content file that is superseded; the caller holds mu.
func (j *Journal) removeContent(path string) {
	if j.pins > 0 {
		j.foundMu.Lock()
		defer j.foundMu.Unlock()
		j.dropLater = append(j.dropLater, path)
		return
	}
	_ = j.disk.Remove(path) // or at the next start
}

// Verify reads a journal that no process has open, and the content files that it names,
// and returns an error unless all of it is whole. It changes nothing.
func Verify(path string) (files []string, err error) {
	release, err := lockShared(path, Options{LockWait: lockWait, Disk: disk.OS{}})
	if err != nil {
		return nil, err
	}
	defer release()
	v, err := openSurvey(path)
	if err != nil {
		return nil, err
	}
	defer v.file.Close()
	bad := func(what string) ([]string, error) { return nil, fmt.Errorf("%s: %w (%s)", path, ErrCorrupt, what) }
	if v.p == nil {
		return bad(v.unusable.Error())
	}
	if err := v.readFormat(path); err != nil {
		return nil, err
	}
	v.check()
	switch {
	case v.p.faults > 0:
		return bad(v.p.example)
	case v.format != format:
		return nil, fmt.Errorf("%s: has the format of an older ptrd; start this one once, which takes it over", path)
	}
	j := &Journal{path: path, disk: disk.OS{}}
	var list []string
	v.p.secondPass().walk(bucketZones, func(it item) {
		s, _ := decode(it.key, it.value)
		apex := dname.FromWire(it.key)
		if err != nil || s.content == (contentFile{}) {
			return
		}
		name := s.content.name(apex)
		if _, _, _, readErr := j.readContent(apex, name, s.Verbatim); readErr != nil {
			err = fmt.Errorf("%s: %w", j.contentPath(name), errors.Join(ErrCorrupt, readErr))
		}
		list = append(list, contentDir+"/"+name)
	})
	slices.Sort(list)
	if len(slices.Compact(slices.Clone(list))) != len(list) && err == nil {
		return bad("two zones name one content")
	}
	return list, err
}

// CheckUnlocked returns ErrLocked if a process has the journal at path open.
func CheckUnlocked(path string) error {
	if _, err := os.Stat(path); err != nil {
		return nil // a missing file is not open
	}
	release, err := lockShared(path, Options{LockWait: lockWait, Disk: disk.OS{}})
	if err == nil {
		release()
	}
	return err
}

// SHA256 returns what a BackupFile has of an open file.
func SHA256(from io.Reader) (size int64, sum string, err error) {
	h := sha256.New()
	size, err = io.Copy(h, from)
	return size, hex.EncodeToString(h.Sum(nil)), err
}
