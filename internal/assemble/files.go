package assemble

import (
	"errors"
	"hash/maphash"
	"io"
	"io/fs"
	"slices"
	"time"

	"github.com/ptrd/ptrd/internal/config"
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

// isProved reports whether the file has the content that was read without a doubt.
func (fs *fileState) isProved() bool {
	now, _, err := identify(fs.path)
	return err == nil && fs.id.proves(now)
}

// isUnchanged reports whether the file still has the content that was read. The
// sum decides; reading for it is spared where the identity proves the same. It
// moves fs on to a later identity of the same content.
func (fs *fileState) isUnchanged(w *worker) bool {
	now, _, err := identify(fs.path)
	if err == nil && fs.id.proves(now) {
		return true
	}
	f, now, _, fault := openSource(fs.path)
	if fault != "" || fs.fault != "" {
		if f != nil {
			f.Close()
		}
		return fault == fs.fault
	}
	defer f.Close()
	var h maphash.Hash
	h.SetSeed(fs.sum.seed)
	if _, err := io.Copy(&h, w.reader(f)); err != nil || h.Sum64() != fs.sum.value {
		return false
	}
	fs.id = now
	return true
}

// fileReader sums what is read of the files of one item.
type fileReader struct {
	files  []*fileState
	sums   []*maphash.Hash
	worker *worker
}

// open opens a file that the configuration names, and remembers it; without one
// the fault says why. size is that of its content, in octets.
func (r *fileReader) open(path string) (f io.ReadCloser, size int64, fault string) {
	f, id, size, fault := openSource(path)
	if r.index(path) < 0 {
		r.add(&fileState{path: path, id: id, fault: fault})
	}
	return f, size, fault
}

// note remembers a file that was looked for, or that something else opens.
func (r *fileReader) note(path string) (index int) {
	if i := r.index(path); i >= 0 {
		return i
	}
	f, id, _, fault := openSource(path)
	if f != nil {
		f.Close()
	}
	return r.add(&fileState{path: path, id: id, fault: fault})
}

func (r *fileReader) index(path string) int {
	return slices.IndexFunc(r.files, func(fs *fileState) bool { return fs.path == path })
}

func (r *fileReader) add(fs *fileState) (index int) {
	r.files = append(r.files, fs)
	r.sums = append(r.sums, new(maphash.Hash))
	return len(r.files) - 1
}

// tap returns a reader of the same octets that sums them.
func (r *fileReader) tap(path string, from io.Reader) io.Reader {
	s := r.sums[r.note(path)]
	s.Reset()
	return io.TeeReader(r.worker.reader(from), s)
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

// identity is what the file system tells of a file without reading it. The zero
// value is that of no file.
type identity struct {
	device, inode uint64
	changed       int64 // when the inode was last changed, which no program can set; Unix nanoseconds
	at            int64 // when it was asked, likewise
}

// isOf reports whether later is an identity of the same file without a change in
// between that shows.
func (id identity) isOf(later identity) bool {
	return id.changed != 0 && id.device == later.device && id.inode == later.inode && id.changed == later.changed
}

// proves reports whether a file of identity later, asked for after id, surely
// has the same content.
func (id identity) proves(later identity) bool {
	return id.isOf(later) && id.at-id.changed > int64(racy)
}

// fileKind is what a path leads to.
type fileKind uint8

const (
	regularFile fileKind = iota
	directory
	otherFile
)

// openSource opens a source file. It returns what identity it had before, and its
// size in octets, or says in the words of a finding why it cannot be read.
func openSource(path string) (f io.ReadCloser, id identity, size int64, fault string) {
	id, what, err := identify(path)
	switch {
	case err != nil:
		return nil, identity{}, 0, pathFault(err)
	case what.kind == directory:
		return nil, identity{}, 0, "is a directory; name the file in it"
	case what.kind != regularFile:
		return nil, identity{}, 0, "is not a regular file; name one that is"
	case what.size > maxFile:
		return nil, identity{}, 0, "is larger than 4 GiB; split the zone at an octet or nibble boundary"
	}
	if f, err = open(path); err != nil {
		return nil, identity{}, 0, pathFault(err)
	}
	return f, id, what.size, ""
}

// fileFault says in the words of a finding why path cannot be read; empty: it can.
func fileFault(path string) string {
	f, _, _, fault := openSource(path)
	if f != nil {
		f.Close()
	}
	return fault
}

// sourceOctets returns the size of all files of an item that are there.
func sourceOctets(item *config.Zone) (n int64) {
	for _, files := range [][]config.File{item.Files, item.Hosts} {
		for i := range files {
			if _, what, err := identify(files[i].Path); err == nil {
				n += what.size
			}
		}
	}
	return n
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
