package assemble

import (
	"errors"
	"hash/maphash"
	"io"
	"io/fs"
	"slices"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone/infile"
	"github.com/ptrd/ptrd/zone/source"
)

// maxFile is the largest source file that is read, in octets. At some 50 octets a line it has
// eighty million records. A larger file is not a zone but a disk image or a log, and reading it
// would occupy a processor for minutes.
const maxFile = 4 << 30

// sourceFiles returns the master files and hosts files of an item.
func sourceFiles(item *config.Zone) []config.File { return slices.Concat(item.Files, item.Hosts) }

// fileState is what is remembered of a source file instead of its content.
type fileState struct {
	path   string
	fault  string          // why it cannot be read; the other fields are zero then
	id     infile.Identity // from before it was read
	sum    uint64          // of the octets that were read, with the seed of the Assembler
	failed bool            // it was not read to its end
}

// isProved reports whether the identity of the file proves that its content did not change.
func (fs *fileState) isProved(w *worker) bool {
	now, err := w.task.Stat(fs.path)
	return err == nil && !fs.failed && fs.id.Proves(now.Identity)
}

// isUnchanged reports whether the file still has the content that was read. If its identity does
// not prove it, the file is read and its checksum compared; then fs gets the later identity. One
// change in 2^64 goes unnoticed. Since the seed belongs to this process, no one can construct
// such a change. A cryptographic checksum would take a tenth of the time of a load.
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
	h.SetSeed(w.seed)
	if _, err := io.Copy(&h, w.reader(f)); err != nil || h.Sum64() != fs.sum {
		return false
	}
	fs.id = f.Identity
	return true
}

// fileReader remembers the files of one item and computes checksums while they are read.
type fileReader struct {
	files  []*fileState
	sums   []*maphash.Hash
	worker *worker
}

// open opens a file that the configuration names and remembers it. If it cannot be opened, fault
// is the reason.
func (r *fileReader) open(path string) (f *infile.File, fault string) {
	f, fault = openSource(r.worker.task, path)
	if r.index(path) < 0 {
		r.add(path, f, fault)
	}
	return f, fault
}

// indexOf returns the index of a file, and remembers the file if it is not known yet.
func (r *fileReader) indexOf(path string) int {
	if i := r.index(path); i >= 0 {
		return i
	}
	f, fault := openSource(r.worker.task, path)
	if f != nil {
		f.Close()
	}
	return r.add(path, f, fault)
}

func (r *fileReader) index(path string) int {
	return slices.IndexFunc(r.files, func(fs *fileState) bool { return fs.path == path })
}

func (r *fileReader) add(path string, f *infile.File, fault string) (index int) {
	fs := &fileState{path: path, fault: fault}
	if f != nil {
		fs.id = f.Identity
	}
	h := new(maphash.Hash)
	h.SetSeed(r.worker.seed)
	r.files, r.sums = append(r.files, fs), append(r.sums, h)
	return len(r.files) - 1
}

// tap returns a reader of the same octets that adds them to the checksum of the file.
func (r *fileReader) tap(path string, from io.Reader) io.Reader {
	i := r.indexOf(path)
	r.sums[i].Reset()
	return tapped{io.TeeReader(r.worker.reader(from), r.sums[i]), r.files[i]}
}

// tapped records in state that reading failed.
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

// states returns the states of all files, including the paths in looked, which were looked for.
func (r *fileReader) states(looked []string) []*fileState {
	for _, path := range looked {
		r.indexOf(path)
	}
	for i, fs := range r.files {
		fs.sum = r.sums[i].Sum64()
	}
	return r.files
}

// openSource opens a source file. If it cannot be read, fault is the reason in the words of a
// finding.
func openSource(t *infile.Task, path string) (f *infile.File, fault string) {
	f, err := t.Open(path, maxFile)
	if err != nil {
		return nil, pathFault(err)
	}
	return f, ""
}

// sourceOctets returns the total size of the files of an item.
func (w *worker) sourceOctets(item *config.Zone) (n int64) {
	for _, f := range sourceFiles(item) {
		if info, err := w.task.Stat(f.Path); err == nil {
			n += info.Size
		}
	}
	return n
}

func pathFault(err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "does not exist; correct the path or create the file"
	case errors.Is(err, fs.ErrPermission):
		return "cannot be read: permission denied; " + source.AccessRemedy(err)
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
