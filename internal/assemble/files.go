package assemble

import (
	"errors"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"
)

// maxFile is the largest source file that is read. With some 50 octets a line
// this is eighty million records; what is larger is no zone but a disk image or a
// log, and reading it would keep a core busy for minutes.
const maxFile = 4 << 30 // octets

// racy is how old a change must be for the inode's time to prove that nothing
// followed it. Most file systems stamp by the kernel's tick of some milliseconds,
// a few by two seconds; younger changes are told by reading the file.
const racy = 2 * time.Second

// fileState is what is remembered of a source file, in place of its content.
type fileState struct {
	path  string
	fault string   // why it cannot be read; the rest is zero then
	id    identity // from before it was read
	sum   sum      // of the octets that were read
}

// sum tells contents of a file apart. One change in 2^64 is not seen, and which
// one nobody can arrange, since the seed is of this process. A cryptographic sum
// would see it, and take a tenth of the time of a load.
type sum struct {
	seed  maphash.Seed
	value uint64
}

// isUnchanged reports whether the file still has the content that was read. The
// sum decides; reading for it is spared where the identity proves the same. It
// moves fs on to a later identity of the same content.
func (fs *fileState) isUnchanged(p *pauser) bool {
	now, err := identify(fs.path)
	if err == nil && fs.id.proves(now) {
		return true
	}
	if fault := fileFault(fs.path); fault != "" || fs.fault != "" {
		return fault == fs.fault
	}
	f, err := os.Open(fs.path)
	if err != nil {
		return false
	}
	defer f.Close()
	var h maphash.Hash
	h.SetSeed(fs.sum.seed)
	if _, err := io.Copy(&h, p.reader(f)); err != nil || h.Sum64() != fs.sum.value {
		return false
	}
	fs.id = now
	return true
}

// fileReader sums what is read of the files of one item.
type fileReader struct {
	files  []*fileState
	sums   []*maphash.Hash
	pauser *pauser
}

// note begins to remember a file that is about to be opened.
func (r *fileReader) note(path string) *fileState {
	for _, fs := range r.files {
		if fs.path == path {
			return fs
		}
	}
	fs := &fileState{path: path}
	if id, fault := examine(path); fault == "" {
		fs.id = id
	} else {
		fs.fault = fault
	}
	r.files = append(r.files, fs)
	r.sums = append(r.sums, new(maphash.Hash))
	return fs
}

// tap returns a reader of the same octets that sums them.
func (r *fileReader) tap(path string, from io.Reader) io.Reader {
	i := slices.Index(r.files, r.note(path))
	r.sums[i].Reset()
	return io.TeeReader(r.pauser.reader(from), r.sums[i])
}

// done returns the states of all files; looked are the paths that were looked for
// as well.
func (r *fileReader) done(looked []string) []*fileState {
	for _, path := range looked {
		r.note(path)
	}
	for i, fs := range r.files {
		fs.sum = sum{r.sums[i].Seed(), r.sums[i].Sum64()}
	}
	return r.files
}

// identity is what the file system tells of a file without reading it.
type identity struct {
	info    os.FileInfo
	changed time.Time
	at      time.Time // when it was asked
}

func identify(path string) (identity, error) {
	info, err := os.Stat(path)
	if err != nil {
		return identity{}, err
	}
	return identity{info, changeTime(info), time.Now()}, nil
}

// proves reports whether a file of identity later, asked for after id, surely
// has the same content.
func (id identity) proves(later identity) bool {
	return id.info != nil && os.SameFile(id.info, later.info) && id.changed.Equal(later.changed) &&
		!id.changed.IsZero() && id.at.Sub(id.changed) > racy
}

// fileFault says in the words of a finding why path cannot be read; empty: it can.
func fileFault(path string) string {
	_, fault := examine(path)
	return fault
}

// examine returns the identity of a file and its fileFault.
func examine(path string) (id identity, fault string) {
	id, err := identify(path)
	if err != nil {
		return id, pathFault(err)
	}
	switch {
	case id.info.IsDir():
		return id, "is a directory; name the file in it"
	case !id.info.Mode().IsRegular():
		return id, "is not a regular file; name one that is"
	case id.info.Size() > maxFile:
		return id, "is larger than 4 GiB; split the zone at an octet or nibble boundary"
	}
	f, err := os.Open(path)
	if err != nil {
		return id, pathFault(err)
	}
	f.Close()
	return id, ""
}

func pathFault(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "does not exist; mend the path or create the file"
	case errors.Is(err, fs.ErrPermission):
		return "cannot be read: permission denied; make it readable for the user that ptrd runs as"
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return "cannot be read: " + err.Error() + "; mend the path"
}
