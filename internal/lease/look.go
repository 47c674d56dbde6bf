package lease

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ptrd/ptrd/zone/infile"
	"github.com/ptrd/ptrd/zone/source"
)

const (
	// DefaultQuiet is longer than a program takes that writes its file anew, and short for those who
	// wait for a name.
	DefaultQuiet = time.Second
	// DefaultEmpty is how long a file is empty before it counts as one without names.
	DefaultEmpty = 10 * time.Second
	// maxSettle bounds the wait for a quiet moment of a file that is appended to all the time.
	maxSettle = 5 * time.Second
	// renameTries is how often the files are opened again because one was renamed meanwhile.
	renameTries = 3
)

// errRenamed is reported when that was not enough.
var errRenamed = errors.New("it is renamed again and again")

// part is an open file that has a part of the content.
type part struct {
	path string
	*infile.File
	reader *reader // that has read it up to its offset, where the file is; nil: none has
}

// isSameFile reports whether two files are one. Where the system does not know, they may be.
func isSameFile(a, b infile.Identity) bool { return a.Device == b.Device && a.Inode == b.Inode }

// isSame reports whether nothing shows that a file was changed.
func isSame(a, b infile.Info) bool {
	return isSameFile(a.Identity, b.Identity) && a.Identity.Changed == b.Identity.Changed && a.Size == b.Size
}

// open opens the files as they are at one moment.
func (s *Source) open(t *infile.Task) (parts []part, err error) {
	for range renameTries {
		if parts, err = s.openAll(t); err != nil || s.isCurrent(t, parts) {
			return parts, err
		}
		closeAll(parts)
	}
	return nil, errRenamed
}

func closeAll(parts []part) {
	for _, p := range parts {
		p.Close()
	}
}

func (s *Source) openAll(t *infile.Task) (parts []part, err error) {
	paths, without := s.format.files(s.File.Path)
	for _, path := range paths {
		f, err := t.Open(path, math.MaxInt64)
		switch {
		case err == nil && slices.Contains(without, path):
			closeAll(parts)
			parts = []part{{path, f, nil}}
		case err == nil:
			parts = append(parts, part{path, f, nil})
		case path == s.File.Path || !errors.Is(err, fs.ErrNotExist):
			closeAll(parts)
			return nil, err
		}
	}
	return parts, nil
}

// isCurrent reports whether these are the files at their paths, and there are no others.
func (s *Source) isCurrent(t *infile.Task, parts []part) bool {
	paths, without := s.format.files(s.File.Path)
	for _, path := range paths {
		info, err := t.Stat(path)
		i := slices.IndexFunc(parts, func(p part) bool { return p.path == path })
		switch {
		case i >= 0 && (err != nil || !isSameFile(info.Identity, parts[i].Identity)):
			return false
		case i < 0 && err == nil && !slices.Contains(without, parts[0].path):
			return false
		}
	}
	return true
}

// read reads what changed. again is after which time to look again, without a change of the files; 0: not.
func (s *Source) read(t *infile.Task) (again time.Duration, err error) {
	parts, err := s.open(t)
	if err != nil {
		s.seen = nil // so that the files count when they are there again, although they did not change
		return s.o.Quiet, err
	}
	defer closeAll(parts)
	isUnchanged := len(parts) == len(s.seen)
	infos := make([]infile.Info, len(parts))
	for i, p := range parts {
		infos[i] = p.Info
		isUnchanged = isUnchanged && s.seen[i].Identity.Proves(p.Identity) && s.seen[i].Size == p.Size
	}
	if isUnchanged {
		s.settling = settling{}
		return 0, errAsBefore
	}
	continued, err := s.continues(parts)
	switch {
	case err != nil:
		return 0, err
	case continued:
		if err = s.readOn(parts); err == nil {
			s.seen = infos
		}
		return 0, err
	}
	if again = s.settle(parts); again > 0 {
		return again, errAsBefore
	}
	if err = s.readAll(parts); err != nil && !errors.Is(err, errUnfit) {
		return 0, err
	}
	if now, statErr := t.Stat(s.File.Path); !s.format.appends && (statErr != nil || !isSame(now, infos[0])) {
		return s.o.Quiet, errAsBefore // it changed while it was read
	}
	s.seen, s.settling = infos, settling{}
	return 0, err
}

// errAsBefore means that what is known of the file is as it was.
var errAsBefore = errors.New("as before")

// errUnfit is why a file is not used.
var errUnfit = errors.New("")

// continues finds the readers of files that only have more than what was read of them, and reports
// whether the files are those and others after them.
func (s *Source) continues(parts []part) (bool, error) {
	if !s.format.appends {
		return false, nil
	}
	for i := range parts {
		p := &parts[i]
		for _, r := range s.readers {
			if i < len(parts)-1 && p.path == r.c.paths[r.file] && p.Identity.Changed != r.id.Changed {
				continue // it is another, as only the last file grows
			}
			isIt, err := r.hasRead(p)
			if err != nil {
				return false, err
			}
			if isIt {
				p.reader = r
				break
			}
		}
	}
	for i, r := range s.readers {
		if i >= len(parts) || parts[i].reader != r {
			return false, nil
		}
	}
	return s.readers != nil, nil
}

// hasRead reports whether r has read the start of a file, by the octets before its offset, and moves
// to there.
func (r *reader) hasRead(p *part) (bool, error) {
	if !isSameFile(r.id, p.Identity) || p.Size < r.offset {
		return false, nil
	}
	tail := make([]byte, len(r.tail))
	err := p.SeekTo(r.offset - int64(len(tail)))
	if err == nil {
		_, err = io.ReadFull(p, tail)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, errors.ErrUnsupported) {
		return false, nil
	}
	return err == nil && bytes.Equal(tail, r.tail), err
}

// readOn reads what follows in the files, and those that follow them.
func (s *Source) readOn(parts []part) error {
	for i, p := range parts {
		if i == len(s.readers) {
			s.mu.Lock()
			r := newReader(&s.Neighbour, s.c, p.path)
			s.mu.Unlock()
			s.readers = append(s.readers, r)
		}
		r := s.readers[i]
		s.mu.Lock()
		s.c.paths[r.file] = p.path
		s.mu.Unlock()
		r.id = p.Identity
		if err := r.records(p, &s.mu); err != nil {
			return err
		}
	}
	return s.unfit(s.c)
}

// unfit returns why a content cannot be used.
func (s *Source) unfit(c *content) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.unfit != "" {
		return fmt.Errorf("%w%s", errUnfit, c.unfit)
	}
	return nil
}

// readAll reads the files from their start, and replaces the content.
func (s *Source) readAll(parts []part) error {
	c := newContent(s.c.now)
	var readers []*reader
	for _, p := range parts {
		r := newReader(&s.Neighbour, c, p.path)
		r.id = p.Identity
		readers = append(readers, r)
		err := p.SeekTo(0)
		if err == nil {
			err = r.records(p, new(sync.Mutex))
		}
		if err != nil {
			return err
		}
		switch {
		case c.unfit != "":
		case r.format.whole == nil && !s.format.appends && r.offset < p.Size:
			c.unfit = "its last line is not complete"
		case c.good == 0 && c.skipped > 0:
			c.unfit = "no line of it is valid"
		}
	}
	other := ""
	if c.unfit != "" || c.good == 0 {
		other = s.suggestion(parts[0])
	}
	if c.unfit == "" && other != "" {
		c.unfit = "it has no leases of " + s.Format
	}
	if c.unfit != "" {
		c.unfit += other
		s.mu.Lock()
		s.c.faults, s.c.skipped = c.faults, c.skipped
		s.mu.Unlock()
		return s.unfit(c)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c.changed = s.c.changed
	c.compare(s.c)
	s.c, s.readers, s.isRestored = c, readers, false
	s.readAt = s.o.Now()
	return nil
}

// suggestion returns the remedy for a file that seems to be of another program.
func (s *Source) suggestion(p part) string {
	head := make([]byte, 4096)
	if p.SeekTo(0) != nil {
		return ""
	}
	n, _ := io.ReadFull(p, head)
	if format := formatOf(string(head[:n])); format != "" && format != s.Format {
		return fmt.Sprintf("; it looks like a file of %s: give its path as `%[1]s`", format)
	}
	return ""
}

// formatOf returns of which program a file seems to be by the first line that can be recognized; empty: of none. CSV
// files have no form of their own.
func formatOf(head string) string {
	for line := range strings.Lines(head) {
		fields := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "address,hwaddr,"), strings.HasPrefix(line, "address,duid,"):
			return "kea"
		case len(fields) == 0 || fields[0][0] == '#':
		case isAddress(fields[0]) && len(fields) > 1:
			return "hosts"
		case len(fields) >= 4 && isAddress(fields[2]) || fields[0] == "duid":
			return "dnsmasq"
		case len(fields) == 3 && fields[2] == "{" || fields[0] == "authoring-byte-order" || fields[0] == "server-duid":
			return "dhcpd"
		}
	}
	return ""
}

// settling is what is known of files that changed otherwise than by appending.
type settling struct {
	infos        []infile.Info
	first, since time.Time // of the change, and of the last one; first is zero before one
	isRewritten  bool      // the files were written anew since, and not only continued
}

// settle returns how long to wait until the files count.
func (s *Source) settle(parts []part) time.Duration {
	now := s.o.Now()
	size := int64(0)
	for _, p := range parts {
		size += p.Size
	}
	wait := s.o.Quiet
	if size == 0 {
		wait = s.o.Empty
	}
	isOld := true
	var infos []infile.Info
	for _, p := range parts {
		info := p.Info
		isOld = isOld && info.Identity.Changed != 0 && time.Duration(info.Identity.At-info.Identity.Changed) >= wait
		if p.reader != nil {
			info.Size, info.Identity.Changed = 0, 0 // what is appended to it does not matter
		}
		infos = append(infos, info)
	}
	if s.readers == nil && (isOld || s.format.appends && size > 0 && !s.isRestored) {
		return 0 // no name would go
	}
	was := &s.settling
	if !slices.EqualFunc(infos, was.infos, isSame) || now.Before(was.since) {
		grew := slices.EqualFunc(infos, was.infos, func(a, b infile.Info) bool { return isSameFile(a.Identity, b.Identity) && a.Size >= b.Size })
		was.isRewritten = was.isRewritten || !grew && !was.first.IsZero()
		if was.first.IsZero() || now.Before(was.since) || s.format.appends && !grew {
			was.first = now
		}
		was.infos, was.since = infos, now
	}
	all, pause := now.Sub(was.first), now.Sub(was.since)
	switch {
	case size == 0:
	case s.format.appends:
		wait = min(wait, maxSettle-all+pause)
	case all > wait && (was.isRewritten || !s.format.byHand): // it may never be quiet for so long: the longer that lasts, the less is enough
		wait = time.Duration(float64(wait) * float64(wait) / float64(all))
	}
	return max(wait-pause, 0)
}

// problem returns the text of an error of read for operators.
func problem(err error) string {
	if errors.Is(err, errUnfit) {
		return err.Error()
	}
	var table source.Table
	return table.Add("").Unreadable(err).Text
}
