package lease

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ptrd/ptrd/zone/disk"
	"github.com/ptrd/ptrd/zone/dname"
)

// The names of each file are saved in the state directory, so that they are served after a restart even if
// the file cannot be used then. A saved file has a line that names the other one, a line with
// address, end and name for each name, and a line with the sum of the lines before it.
const (
	savedPrefix = "leases-"
	savedSum    = "sum "
	// maxSaved bounds a saved file: it has some 50 octets for a name.
	maxSaved = math.MaxInt32
	// saveEvery is how often a file is saved that changes, besides at the end. So much time may be
	// missing after a crash.
	saveEvery = 10 * time.Minute
)

func (s *Source) savedPath() string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %v %q", s.Format, s.File.Path, s.Domain, s.Columns))
	return filepath.Join(s.o.Dir, savedPrefix+hex.EncodeToString(sum[:8]))
}

// savedVersion is the number of the form of saved files.
const savedVersion = 1

func (s *Source) savedHead() string {
	return fmt.Sprintf("ptrd names %d of %s %q\n", savedVersion, s.Format, s.File.Path)
}

// save saves the names if they are not saved and it is time to; isLast: at once.
func (s *Source) save(isLast bool) {
	now := s.o.Now()
	if s.o.Dir == "" || s.isSaved || !isLast && !s.savedAt.IsZero() && now.Sub(s.savedAt) < saveEvery {
		return
	}
	s.savedAt = now
	if err := disk.Replace(s.o.Disk, s.savedPath(), s.writeTo); err != nil {
		s.o.Log.Warn("names of addresses cannot be saved; after a restart there are none until their file can be read", "file", s.File.Path, "err", err)
		return
	}
	s.isSaved = true
}

func (s *Source) writeTo(to io.Writer) error {
	sum := crc32.NewIEEE()
	w := bufio.NewWriterSize(io.MultiWriter(to, sum), maxRecord)
	fmt.Fprint(w, s.savedHead())
	for e := range s.All() {
		end := int64(forever)
		if !e.End.IsZero() {
			end = e.End.Unix()
		}
		fmt.Fprintln(w, e.Addr, end, e.Name)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(to, "%s%08x\n", savedSum, sum.Sum32())
	return err
}

// restore has the names be those that were saved, if there are any.
func (s *Source) restore() {
	if s.o.Dir == "" {
		return
	}
	data, err := disk.Read(s.o.Disk, s.savedPath(), maxSaved)
	var c *content
	if err == nil {
		c, err = s.parseSaved(data)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		s.o.Log.Warn("names of addresses that were saved cannot be read", "file", s.File.Path, "saved", s.savedPath(), "err", err)
	default:
		s.mu.Lock()
		defer s.mu.Unlock()
		c.faults, c.skipped = s.c.faults, s.c.skipped
		s.c, s.isRestored, s.isSaved = c, true, true
	}
}

var errDamaged = errors.New("the file is damaged")

func (s *Source) parseSaved(data []byte) (*content, error) {
	version := 0
	if _, err := fmt.Fscanf(bytes.NewReader(data), "ptrd names %d of ", &version); err == nil && version != savedVersion {
		return nil, fmt.Errorf("it has version %d, this ptrd knows version %d; it is written again when the names are read from their file", version, savedVersion)
	}
	at := bytes.LastIndex(data, []byte("\n"+savedSum)) + 1
	body, isOurs := strings.CutPrefix(string(data[:at]), s.savedHead())
	if !isOurs || string(data[at:]) != fmt.Sprintf("%s%08x\n", savedSum, crc32.ChecksumIEEE(data[:at])) {
		return nil, errDamaged
	}
	c := newContent(s.o.Now().Unix())
	c.paths = []string{s.File.Path}
	for line := range strings.Lines(body) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			return nil, errDamaged
		}
		a, err1 := netip.ParseAddr(fields[0])
		end, err2 := strconv.ParseInt(fields[1], 10, 64)
		name, err3 := dname.Parse(fields[2])
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, err
		}
		c.put(&entry{addr: a, name: string(name), end: end}, true)
	}
	return c, nil
}

// removeSaved removes saved files of sources that are not in list.
func (x *Sources) removeSaved(list []*Source) {
	if x.o.Dir == "" {
		return
	}
	keep := map[string]bool{}
	for _, s := range list {
		keep[filepath.Base(s.savedPath())] = true
	}
	files, _ := x.o.Disk.ReadDir(x.o.Dir)
	for _, f := range files {
		if strings.HasPrefix(f.Name(), savedPrefix) && !keep[f.Name()] {
			_ = x.o.Disk.Remove(filepath.Join(x.o.Dir, f.Name())) // or next time
		}
	}
}
