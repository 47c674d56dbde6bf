package assemble

import (
	"errors"
	"hash/maphash"
	"io"
	"io/fs"
	"slices"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone/infile"
)

// maxFile is the largest source file that is read. With some 50 octets a line
// this is eighty million records; what is larger is no zone but a disk image or a
// log, and reading it would keep a core busy for minutes.
const maxFile = 4 << 30 // octets

// fileState is what is remembered of a source file, in place of its content.
type fileState struct {
	path   string
	fault  string          // why it cannot be read; the rest is zero then
	id     infile.Identity // from before it was read
	sum    sum             // of the octets that were read
	failed bool            // it was not read to its end
}

// sum tells contents of a file apart. One change in 2^64 is not seen, and which
// one nobody can arrange, since the seed is of this process. A cryptographic sum
// would see it, and take a tenth of the time of a load.
type sum struct {
	seed  maphash.Seed
	value uint64
}

// isProved reports whether the file has the content that was read without a doubt.
func (fs *fileState) isProved(w *worker) bool {
	now, err := w.task.Stat(fs.path)
	return err == nil && !fs.failed && fs.id.Proves(now.Identity)
}

// isUnchanged reports whether the file still has the content that was read. The
// sum decides; reading for it is spared where the identity proves the same. It
// moves fs on to a later identity of the same content.
func (fs *fileState) isUnchanged(w *worker) bool {
	switch {
	case fs.failed:
		return false // it may be readable now
	case fs.isProved(w):
		return true
	}
	f, fault := openSource(w.task, fs.path)
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
	fs.id = f.Identity
	return true
}

// fileReader sums what is read of the files of one item.
type fileReader struct {
	files  []*fileState
	sums   []*maphash.Hash
	worker *worker
}

// open opens a file that the configuration names, and remembers it; without one
// the fault says why.
func (r *fileReader) open(path string) (f *infile.File, fault string) {
	f, fault = openSource(r.worker.task, path)
	if r.index(path) < 0 {
		r.add(stateOf(path, f, fault))
	}
	return f, fault
}

// note remembers a file that was looked for, or that something else opens.
func (r *fileReader) note(path string) (index int) {
	if i := r.index(path); i >= 0 {
		return i
	}
	f, fault := openSource(r.worker.task, path)
	if f != nil {
		f.Close()
	}
	return r.add(stateOf(path, f, fault))
}

func stateOf(path string, f *infile.File, fault string) *fileState {
	fs := &fileState{path: path, fault: fault}
	if f != nil {
		fs.id = f.Identity
	}
	return fs
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
	i := r.note(path)
	r.sums[i].Reset()
	return tapped{io.TeeReader(r.worker.reader(from), r.sums[i]), r.files[i]}
}

// tapped takes note in state that reading failed.
type tapped struct {
	io.Reader
	state *fileState
}

func (t tapped) Read(b []byte) (int, error) {
	n, err := t.Reader.Read(b)
	if err != nil && err != io.EOF {
		t.state.failed = true
	}
	return n, err
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

// openSource opens a source file, or says in the words of a finding why it cannot
// be read.
func openSource(t *infile.Task, path string) (f *infile.File, fault string) {
	f, err := t.Open(path, maxFile)
	if err != nil {
		return nil, pathFault(err)
	}
	return f, ""
}

// sourceOctets returns the size of all files of an item that are there.
func (w *worker) sourceOctets(item *config.Zone) (n int64) {
	for _, files := range [][]config.File{item.Files, item.Hosts} {
		for i := range files {
			if info, err := w.task.Stat(files[i].Path); err == nil {
				n += info.Size
			}
		}
	}
	return n
}

func pathFault(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "does not exist; correct the path or create the file"
	case errors.Is(err, fs.ErrPermission):
		return "cannot be read: permission denied; make it readable for the user that ptrd runs as"
	case errors.Is(err, infile.ErrDirectory):
		return "is a directory; name the file in it"
	case errors.Is(err, infile.ErrNotRegular):
		return "is not a regular file; name one that is"
	case errors.Is(err, infile.ErrTooLarge):
		return "is larger than 4 GiB; split the zone at an octet or nibble boundary"
	case errors.Is(err, infile.ErrHung):
		return "cannot be read: its file system does not answer; make it available again"
	}
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return "cannot be read: " + err.Error() + "; correct the path"
}
