// Package backup copies the state directory, while the server runs or is stopped, and
// restores such a copy.
//
// A backup is a directory with the journal, the content files that it names, and the
// secret for cookies, all as they were at one moment. The file backup.json has the size and SHA-256 of
// each; it is written last, so that a backup without it is incomplete. The configuration,
// zone files and keys are not part of it.
package backup

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ptrd/ptrd/zone/disk"
	"github.com/ptrd/ptrd/zone/journal"
)

// The names of files in the state directory.
const (
	JournalName = "journal.db"
	SecretName  = "cookie.secret"
	contentDir  = "zones"

	// RestoredName exists from a restore until the server has asked secondaries for their
	// serials.
	RestoredName = "restored"
)

const (
	manifestName = "backup.json"
	maxManifest  = 256 << 20 // a million zones
	maxSecret    = 1 << 10
)

// Manifest describes a complete backup.
type Manifest struct {
	Made  time.Time            `json:"made"`
	Files []journal.BackupFile `json:"files"` // sorted by name
}

// Print writes a summary for a person.
func (m *Manifest) Print(w io.Writer) error {
	var octets int64
	for _, f := range m.Files {
		octets += f.Size
	}
	_, err := fmt.Fprintf(w, "backup of %s: %d files, %d octets, verified\n", m.Made.UTC().Format(time.RFC3339), len(m.Files), octets)
	return err
}

// Stream writes the state of a running server as a tar archive.
func Stream(j *journal.Journal, stateDir string, w io.Writer) error {
	t := tar.NewWriter(w)
	err := j.Backup(func(name string, size int64, from io.Reader) error { return put(t, name, size, from) })
	if err == nil {
		err = putSecret(t, stateDir)
	}
	if err != nil {
		return err
	}
	return t.Close()
}

// StreamStopped writes the state of a stopped server as a tar archive.
func StreamStopped(stateDir string, w io.Writer) error {
	names, err := journal.Verify(filepath.Join(stateDir, JournalName))
	if err != nil {
		return err
	}
	t := tar.NewWriter(w)
	for _, name := range append([]string{JournalName}, names...) {
		f, err := os.Open(filepath.Join(stateDir, name))
		if err != nil {
			return err
		}
		fi, err := f.Stat()
		if err == nil {
			err = put(t, name, fi.Size(), f)
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	if err := putSecret(t, stateDir); err != nil {
		return err
	}
	return t.Close()
}

func put(t *tar.Writer, name string, size int64, from io.Reader) error {
	if err := t.WriteHeader(&tar.Header{Name: name, Size: size, Mode: 0o600, Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	_, err := io.Copy(t, from)
	return err
}

// putSecret writes the secret for cookies, if there is one.
func putSecret(t *tar.Writer, stateDir string) error {
	data, err := disk.Read(disk.OS{}, filepath.Join(stateDir, SecretName), maxSecret)
	if err != nil {
		return nil // the server creates a new one
	}
	return put(t, SecretName, int64(len(data)), strings.NewReader(string(data)))
}

// isName reports whether a file of a backup may have a name.
func isName(name string) bool {
	if rest, ok := strings.CutPrefix(name, contentDir+"/"); ok {
		return filepath.IsLocal(rest) && !strings.ContainsAny(rest, `/\`) && strings.HasSuffix(rest, ".zone")
	}
	return name == JournalName || name == SecretName
}

// Receive writes an archive as a backup into a directory, which must be empty or not
// exist, and verifies it.
func Receive(dir string, r io.Reader) (*Manifest, error) {
	if list, err := os.ReadDir(dir); err == nil && len(list) > 0 {
		return nil, fmt.Errorf("%s: is not empty; name a new directory", dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, contentDir), 0o700); err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, err
	}
	m := &Manifest{Made: time.Now().UTC()}
	for t := tar.NewReader(r); ; {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s is not complete: %w", dir, err)
		}
		if !isName(h.Name) {
			return nil, fmt.Errorf("%s is not complete: the server sent an unknown file %q", dir, h.Name)
		}
		if err := disk.Replace(disk.OS{}, filepath.Join(dir, filepath.FromSlash(h.Name)), func(w io.Writer) error {
			_, err := io.Copy(w, t)
			return err
		}); err != nil {
			return nil, fmt.Errorf("%s is not complete: %w", dir, err)
		}
		m.Files = append(m.Files, journal.BackupFile{Name: h.Name})
	}
	slices.SortFunc(m.Files, func(a, b journal.BackupFile) int { return strings.Compare(a.Name, b.Name) })
	for i := range m.Files {
		f := &m.Files[i]
		var err error
		if f.Size, f.SHA256, err = sum(dir, f.Name); err != nil {
			return nil, err
		}
	}
	if err := verifyState(dir, m); err != nil {
		return nil, fmt.Errorf("%s is not a good backup: %w", dir, err)
	}
	text, err := json.MarshalIndent(m, "", " ")
	if err == nil {
		err = disk.Write(disk.OS{}, filepath.Join(dir, manifestName), append(text, '\n'))
	}
	if err == nil {
		err = disk.OS{}.SyncDir(filepath.Dir(filepath.Clean(dir)))
	}
	return m, err
}

func sum(dir, name string) (size int64, text string, err error) {
	f, err := os.Open(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	return journal.SHA256(f)
}

// verifyState verifies the journal and that all content files that it names exist.
func verifyState(dir string, m *Manifest) error {
	names, err := journal.Verify(filepath.Join(dir, JournalName))
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.ContainsFunc(m.Files, func(f journal.BackupFile) bool { return f.Name == name }) {
			return fmt.Errorf("%s is not part of it", name)
		}
	}
	return nil
}

// Verify reads a backup, and returns an error unless it is complete and undamaged.
func Verify(dir string) (*Manifest, error) {
	text, err := disk.Read(disk.OS{}, filepath.Join(dir, manifestName), maxManifest)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: is no complete backup: it has no %s; make another one with `ptrd backup`", dir, manifestName)
	}
	if err != nil {
		return nil, err
	}
	m := new(Manifest)
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", dir, manifestName, err)
	}
	for _, f := range m.Files {
		if !isName(f.Name) {
			return nil, fmt.Errorf("%s: %s names a file %q", dir, manifestName, f.Name)
		}
	}
	if err := checkSums(dir, m); err != nil {
		return nil, fmt.Errorf("%w; use another backup", err)
	}
	return m, verifyState(dir, m)
}

// Restored is the result of a restore.
type Restored struct {
	Manifest
	Aside []string `json:"aside"` // where the previous state is kept
}

// Print writes a summary for a person.
func (r *Restored) Print(w io.Writer) error {
	if err := r.Manifest.Print(w); err != nil {
		return err
	}
	for _, path := range r.Aside {
		fmt.Fprintf(w, "the previous state is kept as %s\n", path)
	}
	_, err := fmt.Fprintln(w, "restored; start the server")
	return err
}

// Restore writes a backup into a state directory that no server uses. Existing files are
// set aside. own, if not nil, is called with each path that is created. The serials in
// the journal that is set aside are adopted, so that none goes back.
func Restore(dir, stateDir string, own func(path string) error) (*Restored, error) {
	m, err := Verify(dir)
	if err == nil {
		err = journal.CheckUnlocked(filepath.Join(stateDir, JournalName))
	}
	if err != nil {
		return nil, err
	}
	if own == nil {
		own = func(string) error { return nil }
	}
	on := disk.OS{}
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return nil, err
	}
	// Copy all files first, so that a full disk changes nothing.
	next, err := os.MkdirTemp(stateDir, "restore"+disk.TempPattern)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(next) // files that were not moved
	if err := os.Mkdir(filepath.Join(next, contentDir), 0o700); err != nil {
		return nil, err
	}
	for _, f := range m.Files {
		if err := copyFile(filepath.Join(dir, filepath.FromSlash(f.Name)), filepath.Join(next, filepath.FromSlash(f.Name))); err != nil {
			return nil, err
		}
	}
	if err := checkSums(next, m); err != nil {
		return nil, fmt.Errorf("the copy: %w", err)
	}
	r := &Restored{Manifest: *m, Aside: []string{}}
	if err := disk.Write(on, filepath.Join(stateDir, RestoredName), []byte(m.Made.Format(time.RFC3339)+"\n")); err != nil {
		return nil, err
	}
	for _, name := range []string{contentDir, SecretName, JournalName} {
		path := filepath.Join(stateDir, name)
		if _, err := os.Lstat(path); err == nil {
			aside, err := disk.SetAside(on, path)
			if err != nil {
				return nil, err
			}
			r.Aside = append(r.Aside, aside)
		}
		if err := os.Rename(filepath.Join(next, name), path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if err := on.SyncDir(stateDir); err != nil {
		return nil, err
	}
	j, err := journal.Open(filepath.Join(stateDir, JournalName), journal.Options{})
	if err != nil {
		return nil, err
	}
	if err := errors.Join(j.RecallSerials(), j.Close()); err != nil {
		return nil, err
	}
	return r, filepath.WalkDir(stateDir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || disk.IsAside(path) {
			return err
		}
		return own(path)
	})
}

// checkSums returns an error unless the files match the manifest.
func checkSums(dir string, m *Manifest) error {
	for _, f := range m.Files {
		switch size, text, err := sum(dir, f.Name); {
		case err != nil:
			return err
		case size != f.Size || text != f.SHA256:
			return fmt.Errorf("%s: %s is damaged", dir, f.Name)
		}
	}
	return nil
}

func copyFile(from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	return disk.Replace(disk.OS{}, to, func(w io.Writer) error {
		_, err := io.Copy(w, f)
		return err
	})
}

// IsRestored reports whether a state directory was restored and secondaries have not been
// asked since.
func IsRestored(stateDir string) bool {
	_, err := os.Lstat(filepath.Join(stateDir, RestoredName))
	return err == nil
}

// Forget removes the mark that a state directory was restored.
func Forget(stateDir string) error {
	err := os.Remove(filepath.Join(stateDir, RestoredName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
