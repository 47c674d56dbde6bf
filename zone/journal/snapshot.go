package journal

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	bolt "go.etcd.io/bbolt"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/disk"
	"github.com/ptrd/ptrd/zone/dname"
)

// Files of snapshots. Package doc has their layout.
const (
	snapshotDir   = "zones"
	snapshotEnd   = ".zone"
	snapshotMagic = "ptrd zone 1\n"
)

// ErrNotCurrent says that a zone is not the one that was published last.
var ErrNotCurrent = errors.New("the zone is not the one that was published last")

// name returns the name of the file, which no other content of the zone has.
func (s *snapshot) name(apex dname.Name) string {
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
	return fmt.Sprintf("%s.%d.%s%s", text, s.serial, hex.EncodeToString(s.digest[:8]), snapshotEnd)
}

func (j *Journal) snapshotPath(name string) string {
	return filepath.Join(filepath.Dir(j.path), snapshotDir, name)
}

// Keep writes the content of a kept zone to disk ahead of the change that its
// history begins with, so that Append, and everybody who waits for it, need not
// wait for that. pause is called every few microseconds; it may be nil.
func (j *Journal) Keep(z *zone.Zone, pause func()) error {
	file, err := j.writeSnapshot(z, pause)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	s, err := j.state(z.Apex())
	if err != nil {
		return err
	}
	if old, ok := j.prepared[z.Key()]; ok && old.name(z.Apex()) != s.snapshot.name(z.Apex()) {
		j.dropSnapshot(z.Key(), old, file) // it came to nothing
	}
	j.prepared[z.Key()] = file
	return nil
}

// Save writes the content of a zone to a file from which it can be restored where the
// journal is lost. It is for a journal that cannot be used any more.
func (j *Journal) Save(z *zone.Zone, pause func()) error {
	_, err := j.writeSnapshot(z, pause)
	return err
}

// IsDue reports whether so much of a kept zone changed since its content was
// written that it is to be written again, by [Journal.Snapshot].
func (j *Journal) IsDue(apex dname.Name) (bool, error) {
	s, err := j.state(apex)
	// Less than a block of changes is not worth a file.
	return s.Kept && !s.Gone && s.since > max(s.snapshot.octets/2, blockMost), err
}

// Snapshot writes the content of a kept zone as it was published last, so that the
// changes until now are not needed to restore it any more. It takes no lock while it
// writes; pause is called every few microseconds and may be nil. [ErrNotCurrent]
// says that z is not what was published last.
func (j *Journal) Snapshot(z *zone.Zone, pause func()) error {
	s, err := j.state(z.Apex())
	if err != nil {
		return err
	}
	if !s.Kept || s.Gone || s.Serial != z.Serial() || s.Digest != z.Digest() {
		return fmt.Errorf("zone %v: %w", z.Apex(), ErrNotCurrent)
	}
	file, err := j.writeSnapshot(z, pause)
	if err != nil {
		return err
	}
	file.sequence = s.Sequence
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.adopt(z.Apex(), file, s.since)
}

// adopt makes a file the one that a zone is restored from; before is what changed
// until then. The caller holds mu.
func (j *Journal) adopt(apex dname.Name, file snapshot, before uint64) (err error) {
	key := apex.Key()
	was, now := file, snapshot{}
	err = j.write(func(tx *bolt.Tx) error {
		s, err := j.stateIn(tx, apex)
		if err != nil || !s.Kept || s.snapshot.sequence >= file.sequence {
			now = s.snapshot
			return err // there is a later one, or its history began anew
		}
		was, now = s.snapshot, file
		s.snapshot = file
		s.since -= min(s.since, before)
		return begin(tx).zones.Put([]byte(key), s.encode([]byte(key)))
	})
	if err == nil {
		j.dropSnapshot(key, was, now)
	}
	return err
}

// dropSnapshot removes the file of a zone that its entry named before now. One that
// stays for whatever reason is removed at the next start.
func (j *Journal) dropSnapshot(key string, was, now snapshot) {
	apex := dname.FromWire([]byte(key))
	if was != (snapshot{}) && (now == (snapshot{}) || was.name(apex) != now.name(apex)) {
		j.removeContent(j.snapshotPath(was.name(apex)))
	}
}

// writeSnapshot writes the file of a zone's content.
func (j *Journal) writeSnapshot(z *zone.Zone, pause func()) (s snapshot, err error) {
	s = snapshot{serial: z.Serial(), digest: z.Digest()}
	path := j.snapshotPath(s.name(z.Apex()))
	fail := func(err error) (snapshot, error) {
		return snapshot{}, fmt.Errorf("keep the content of zone %v: %w", z.Apex(), err)
	}
	dir := filepath.Dir(path)
	if err := j.disk.MkdirAll(dir, 0o700); err != nil {
		return fail(err)
	}
	if err := j.disk.SyncDir(filepath.Dir(dir)); err != nil {
		return fail(err)
	}
	var count counter
	if err := disk.Replace(j.disk, path, func(w io.Writer) error { return writeZone(io.MultiWriter(w, &count), z, pause) }); err != nil {
		return fail(err)
	}
	s.octets = uint64(count)
	return s, nil
}

// chunkTarget is the size at which a chunk of a snapshot ends, each with a sum of
// its own: reading finds damage before it goes on with it.
const chunkTarget = 64 << 10

// maxRecord is more than the octets that any record takes.
const maxRecord = 70 << 10

// writeZone writes the head and the records of a zone.
func writeZone(to io.Writer, z *zone.Zone, pause func()) error {
	w := bufio.NewWriterSize(to, 2*chunkTarget)
	chunk := append([]byte(snapshotMagic), byte(len(z.Apex())))
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
		if pause != nil {
			pause()
		}
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
		coder.keep()
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
	magic := head.octets(uint64(len(snapshotMagic)))
	name := head.octets(uint64(head.octet()))
	number := head.octets(4)
	sum := head.octets(uint64(len(digest)))
	if head.bad || string(magic) != snapshotMagic || len(name) == 0 || len(dname.FromWire(name)) != len(name) {
		return nil, 0, digest, errDamaged
	}
	return dname.Name(name).Clone(), zone.Serial(binary.BigEndian.Uint32(number)), zone.Digest(sum), nil
}

// records calls take with each record of the zone at apex, which is valid until take
// returns. The only error is errDamaged.
func (z *zoneReader) records(apex dname.Name, take func(zone.Record)) error {
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
			take(rec)
		}
	}
}

// counter counts the octets written to it.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}
