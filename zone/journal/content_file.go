package journal

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/disk"
	"github.com/ptrd/ptrd/zone/dname"
)

// Content files. Package doc has their layout.
const (
	contentDir    = "zones"
	contentSuffix = ".zone"
	contentMagic  = "ptrd zone 1\n"
)

// name returns the name of the file, which no other content of the zone has.
func (s *contentFile) name(apex dname.Name) string {
	var b strings.Builder
	for _, c := range []byte(strings.TrimSuffix(strings.ToLower(apex.String()), ".")) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_', c == '.' && b.Len() > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02x", c)
		}
	}
	text := b.String()
	if len(text) > 150 { // file names have 255 octets at most
		text = fmt.Sprintf("%s~%08x", text[:140], crc([]byte(apex.Key())))
	}
	return fmt.Sprintf("%s.%d.%s%s", text, s.serial, hex.EncodeToString(s.digest[:8]), contentSuffix)
}

// content is a file with the content of a zone, as its head describes it.
type foundFile struct {
	name   string // of the file
	serial zone.Serial
	digest zone.Digest
	octets uint64
}

// readContents reads the heads of the files in a directory but those to skip, by key of
// the apex, the latest serial last. Files without a valid head are returned by name.
func readContents(on disk.FS, dir string, skip map[string]bool) (contents map[string][]foundFile, invalid []string, err error) {
	contents = map[string][]foundFile{}
	list, err := on.ReadDir(dir)
	for _, e := range list {
		if skip[e.Name()] || !strings.HasSuffix(e.Name(), contentSuffix) {
			continue
		}
		apex, c, err := readContentHead(on, filepath.Join(dir, e.Name()))
		if err != nil {
			invalid = append(invalid, e.Name())
			continue
		}
		contents[apex.Key()] = append(contents[apex.Key()], c)
	}
	for _, list := range contents {
		sortContents(list)
	}
	return contents, invalid, err
}

// sortContents sorts files of one zone by their serials, the latest last.
func sortContents(list []foundFile) {
	slices.SortStableFunc(list, func(a, b foundFile) int {
		switch {
		case a.serial.Before(b.serial):
			return -1
		case b.serial.Before(a.serial):
			return 1
		}
		return 0
	})
}

// readContentHead reads the head of a file.
func readContentHead(on disk.FS, path string) (apex dname.Name, c foundFile, err error) {
	f, err := disk.OpenRegular(on, path)
	if err != nil {
		return nil, c, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, c, err
	}
	apex, c.serial, c.digest, err = newZoneReader(f).head()
	c.name, c.octets = filepath.Base(path), uint64(fi.Size())
	return apex, c, err
}

// chunkTarget is the size at which a chunk of a content file ends. Each has its own
// checksum, so that damage is found before the records are used.
const chunkTarget = 64 << 10

// maxRecord is more than the octets that any record takes.
const maxRecord = 70 << 10

// writeZone writes the head and the records of a zone.
func writeZone(to io.Writer, z *zone.Zone, pause func()) error {
	w := bufio.NewWriterSize(to, 2*chunkTarget)
	chunk := append([]byte(contentMagic), byte(len(z.Apex())))
	chunk = append(chunk, z.Apex()...)
	chunk = binary.BigEndian.AppendUint32(chunk, uint32(z.Serial()))
	digest := z.Digest()
	chunk = append(chunk, digest[:]...)
	flush := func() error {
		var head [8]byte
		binary.BigEndian.PutUint32(head[:], uint32(len(chunk)))
		binary.BigEndian.PutUint32(head[4:], crc(chunk))
		w.Write(head[:])
		_, err := w.Write(chunk)
		chunk = chunk[:0]
		return err
	}
	if err := flush(); err != nil {
		return err
	}
	coder := recordCoder{apex: z.Apex()}
	for r := range z.All() {
		pause()
		var err error
		if chunk, err = coder.append(chunk, &r); err != nil {
			return err
		}
		if len(chunk) >= chunkTarget {
			if err := flush(); err != nil {
				return err
			}
			coder = recordCoder{apex: z.Apex()}
			continue
		}
		// A record is valid until the next one.
		coder.copyLast()
	}
	if len(chunk) > 0 {
		if err := flush(); err != nil {
			return err
		}
	}
	if err := flush(); err != nil { // the empty chunk at the end
		return err
	}
	return w.Flush()
}

// counter counts the octets written to it.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

// zoneReader reads what writeZone wrote.
type zoneReader struct {
	in    *bufio.Reader
	chunk []byte
}

func newZoneReader(from io.Reader) *zoneReader {
	return &zoneReader{in: bufio.NewReaderSize(from, 2*chunkTarget)}
}

// next reads the next chunk; false: it is damaged or not there.
func (z *zoneReader) next() bool {
	var head [8]byte
	if _, err := io.ReadFull(z.in, head[:]); err != nil {
		return false
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > chunkTarget+maxRecord {
		return false
	}
	if uint32(cap(z.chunk)) < n {
		z.chunk = make([]byte, n)
	}
	z.chunk = z.chunk[:n]
	if _, err := io.ReadFull(z.in, z.chunk); err != nil {
		return false
	}
	return crc(z.chunk) == binary.BigEndian.Uint32(head[4:])
}

// head reads the head. The only error is errDamaged.
func (z *zoneReader) head() (apex dname.Name, serial zone.Serial, digest zone.Digest, err error) {
	if !z.next() {
		return nil, 0, digest, errDamaged
	}
	head := reader{b: z.chunk}
	magic := head.octets(uint64(len(contentMagic)))
	name := head.octets(uint64(head.octet()))
	number := head.octets(4)
	sum := head.octets(uint64(len(digest)))
	if head.bad || string(magic) != contentMagic || len(name) == 0 || len(dname.FromWire(name)) != len(name) {
		return nil, 0, digest, errDamaged
	}
	return dname.Name(name).Clone(), zone.Serial(binary.BigEndian.Uint32(number)), zone.Digest(sum), nil
}

// records calls visit with each record of the zone at apex, which is valid until visit
// returns. The only error is errDamaged.
func (z *zoneReader) records(apex dname.Name, visit func(zone.Record)) error {
	for {
		if !z.next() {
			return errDamaged
		}
		if len(z.chunk) == 0 {
			if _, err := z.in.ReadByte(); err != io.EOF {
				return errDamaged
			}
			return nil
		}
		r, coder := reader{b: z.chunk}, recordCoder{apex: apex}
		for len(r.b) > 0 {
			rec := coder.read(&r)
			if r.bad {
				return errDamaged
			}
			visit(rec)
		}
	}
}
