package journal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/disk"
	"github.com/ptrd/ptrd/zone/dname"
)

// Damage is something in the state directory that Open found damaged or lost.
type Damage struct {
	Apex dname.Name // of the zone that it concerns; nil: no one zone
	Text string     // what is damaged and what was done, without the name of the zone
}

// survey is what of a database can be verified.
type survey struct {
	p      *pages
	format uint32
	bad    map[string]int // damaged pages and values, by bucket

	zones   map[string]*state   // by key of the apex: entries
	names   map[uint32]string   // keys of apexes by number
	history map[uint32][]record // blocks, by number of the zone
	notes   map[uint32]uint32   // how many there are, by number of the zone
}

// record is what a salvage needs to know of a block.
type record struct {
	first, last   uint64 // numbers of its steps
	begin, end    uint64 // extended serials before and after it
	octets        uint64 // with its keys
	at, ended     int64
	kind          byte
	parts, bigger int // parts that follow, and whether some must
}

// lostAny stands in the bucket of zones that lost notes for all zones without an entry.
// It is no name in wire form.
const lostAny = "*"

// bucketNotes2 is where format 2 had notes, without checksums.
const bucketNotes2 = "notes"

// check reads all of a database and counts what is damaged. It returns the names of
// the files that the entries of kept zones name.
func (v *survey) check() (files map[string]bool) {
	files = map[string]bool{}
	if v.format == format {
		for _, bucket := range buckets {
			if _, ok := v.p.roots[bucket]; !ok {
				v.p.fault("bucket %s is not there", bucket)
			}
		}
		for bucket := range v.p.roots {
			if !slices.Contains(buckets[:], bucket) {
				v.p.fault("bucket %q is not ptrd's", bucket)
			}
		}
		v.p.walk(bucketMeta, func(item) {})
		for _, bucket := range []string{bucketLost, bucketFloors} {
			v.p.walk(bucket, func(it item) {
				if !isWhole(bucket, it) {
					v.p.fault("bucket %s: value of %q", bucket, it.key)
				}
			})
		}
	}
	v.walk(v.p, func(bucket string, it item, ok bool) {
		if !ok {
			v.p.fault("bucket %s: value of %q", bucket, it.key)
		} else if bucket == bucketZones {
			if s, _ := decode(it.key, it.value); s.snapshot != (snapshot{}) {
				files[s.snapshot.name(dname.FromWire(it.key))] = true
			}
		}
	})
	return files
}

// readFormat finds out which format a database has. A newer one is an error.
func (v *survey) readFormat(path string) error {
	v.format = format
	var number, sum []byte
	v.p.again().walk(bucketMeta, func(it item) {
		switch string(it.key) {
		case keyFormat:
			number = bytes.Clone(it.value)
		case keyFormatSum:
			sum = bytes.Clone(it.value)
		}
	})
	if len(number) != 4 {
		v.p.fault("no format")
		return nil
	}
	n := binary.BigEndian.Uint32(number)
	switch isSummed := len(sum) == 4 && binary.BigEndian.Uint32(sum) == keyedSum(bucketMeta, []byte(keyFormat), number); {
	case n < formatSummed && n > 0 && sum == nil:
		v.format = n
	case !isSummed:
		v.p.fault("format %d", n)
	case n > format:
		return fmt.Errorf("%s: journal has format %d, this ptrd knows up to %d; use the newer ptrd again, or restore a backup that this one made", path, n, format)
	default:
		v.format = n
	}
	return nil
}

// walk calls visit with all items of a database, and whether each agrees with its
// checksum.
func (v *survey) walk(p *pages, visit func(bucket string, it item, ok bool)) {
	for _, bucket := range []string{bucketZones, bucketNames, bucketChanges, bucketNotes, bucketNotes2} {
		if bucket == bucketNotes2 && v.format >= formatSummed {
			continue
		}
		before := p.faults
		p.walk(bucket, func(it item) { visit(bucket, it, isWhole(bucket, it)) })
		if v.bad != nil {
			v.bad[bucket] += p.faults - before
		}
	}
}

// walkAll is walk with what lies below damaged pages.
func (v *survey) walkAll(visit func(bucket string, it item, ok bool)) {
	p := v.p.again()
	v.walk(p, visit)
	p.strays(func(it item) {
		for _, bucket := range []string{bucketZones, bucketNames, bucketChanges, bucketNotes} {
			if isKeyed(bucket, it) && isWhole(bucket, it) {
				visit(bucket, it, true)
			}
		}
	})
}

// isWhole reports whether the value of an item agrees with its checksum.
func isWhole(bucket string, it item) bool {
	switch bucket {
	case bucketZones:
		_, ok := decode(it.key, it.value)
		return ok && len(dname.FromWire(it.key)) == len(it.key)
	case bucketChanges:
		_, ok := blockKind(it.key, it.value)
		return ok
	case bucketNotes2:
		return len(it.key) > 4
	}
	_, ok := summed(bucket, it.key, it.value)
	return ok && (len(it.key) >= 4 || bucket == bucketLost || bucket == bucketFloors)
}

// isKeyed reports whether the checksum of an item, if it is one of the bucket, covers
// its key and so tells that it is.
func isKeyed(bucket string, it item) bool {
	switch bucket {
	case bucketZones:
		return len(it.value) > 4 && it.value[4]&flagKeyed != 0
	case bucketChanges:
		return len(it.value) > 4 && it.value[4]&blockKeyed != 0
	}
	return true
}

// collect reads what a new journal is made from.
func (v *survey) collect() {
	v.bad = map[string]int{}
	v.zones, v.names = map[string]*state{}, map[uint32]string{}
	v.history, v.notes = map[uint32][]record{}, map[uint32]uint32{}
	v.walkAll(func(bucket string, it item, ok bool) {
		switch {
		case !ok:
			v.bad[bucket]++
		case bucket == bucketZones:
			s, _ := decode(it.key, it.value)
			key := string(it.key)
			if it.page == nil && v.zones[key] != nil {
				return
			}
			v.zones[key] = &s
			if s.id != 0 {
				v.names[s.id] = key
			}
		case bucket == bucketNames:
			id, name := binary.BigEndian.Uint32(it.key), it.value[4:]
			if v.names[id] == "" && len(dname.FromWire(name)) == len(name) {
				v.names[id] = string(name)
			}
		}
	})
	seen := map[string]bool{} // keys of notes
	v.walkAll(func(bucket string, it item, ok bool) {
		switch {
		case !ok || len(it.key) < 4:
		case bucket == bucketChanges:
			v.collectBlock(it)
		case bucket == bucketNotes, bucket == bucketNotes2:
			if it.page != nil {
				seen[string(it.key)] = true
			} else if seen[string(it.key)] {
				return // an older one
			}
			v.notes[binary.BigEndian.Uint32(it.key)]++
		}
	})
	for id, list := range v.history {
		slices.SortStableFunc(list, func(a, b record) int {
			if a.first != b.first {
				if a.first < b.first {
					return -1
				}
				return 1
			}
			return a.parts - b.parts // the block itself before its parts
		})
		v.history[id] = joinParts(list)
	}
}

// collectBlock notes a block, or a part of one.
func (v *survey) collectBlock(it item) {
	id, sequence, part := splitKey(it.key)
	name := v.names[id]
	if name == "" {
		return // no zone is known that it is of
	}
	r := record{first: sequence, last: sequence, octets: uint64(len(it.key) + len(it.value)), parts: int(part)}
	if part > 0 {
		v.history[id] = append(v.history[id], r)
		return
	}
	kind, _ := blockKind(it.key, it.value)
	b := &block{id: id, sequence: sequence, value: it.value, kind: kind, extended: binary.BigEndian.Uint64(it.value[5:]), at: blockTime(it.value)}
	r.kind, r.begin, r.end, r.at, r.ended = kind, b.extended, b.extended, b.at, b.at
	switch {
	case kind != blockSteps:
		to, _, _, ok := b.event()
		if !ok {
			return
		}
		r.end += uint64(uint32(to) - uint32(b.extended))
	case len(it.value) >= blockMost:
		// The first part of one step, of which the head is enough.
		r.bigger = 1
		steps := b.steps(dname.Name(name))
		h := steps.coder.readHead(&steps.r)
		if steps.r.bad {
			return
		}
		r.end += uint64(uint32(h.to - h.from))
		r.ended = h.at
	default:
		steps := b.steps(dname.Name(name))
		for steps.next() {
			r.end += uint64(uint32(steps.head.to - steps.head.from))
			r.last, r.ended = steps.sequence, steps.head.at
		}
		if steps.err != nil {
			return
		}
	}
	v.history[id] = append(v.history[id], r)
}

// joinParts adds the parts of blocks to these. A block of which one is not there is
// left out.
func joinParts(list []record) (out []record) {
	for i := 0; i < len(list); {
		r := list[i]
		n := i + 1
		whole := r.parts == 0
		parts := 1
		for ; n < len(list) && list[n].first == r.first; n++ {
			if list[n].parts == list[n-1].parts {
				continue // an older one
			}
			whole = whole && list[n].parts == parts
			parts++
			r.octets += list[n].octets
		}
		if whole && parts > r.bigger {
			out = append(out, r)
		}
		i = n
	}
	return out
}

// resolve decides what the new journal has of each zone, given the files of contents,
// and returns what is lost.
func (v *survey) resolve(contents map[string][]content) (lost []Damage, noted map[string]string) {
	noted = map[string]string{}
	tell := func(key, format string, args ...any) {
		lost = append(lost, Damage{dname.Name(key), fmt.Sprintf(format, args...)})
	}
	for _, id := range slices.Sorted(maps.Keys(v.names)) {
		key := v.names[id]
		s := v.zones[key]
		// An entry that is older than the history is one of a page that was free.
		run := lastRun(v.history[id])
		made := s == nil || s.id != id || len(run) > 0 && run[len(run)-1].last > s.Sequence
		if made {
			if s != nil && s.id != id {
				continue // an older number of a zone that has another one now
			}
			s = v.rebuild(id, contents[key])
			v.zones[key] = s
			if s.Sequence > 0 {
				tell(key, "its entry in the journal was damaged and was made again from its history, with serial %d", s.Serial)
			} else {
				tell(key, "its entry in the journal was damaged: its serial is not known")
			}
		}
		if n := v.trimHistory(s, v.history[id]); n > 0 && !made {
			tell(key, "part of its history is lost: no change before number %d can be read", s.first)
		}
		count := v.notes[id]
		if why := ""; made && v.bad[bucketNotes] > 0 || v.format < formatSummed && v.bad[bucketNotes2] > 0 || !made && v.format >= formatSummed && count != s.notes {
			if why = "some of what updates noted about it is lost"; !made && s.notes > count {
				why = fmt.Sprintf("%d of %d notes about it (records that updates added, lifetimes, times of a secondary) are lost", s.notes-count, s.notes)
			}
			tell(key, "%s", why)
			noted[key] = why
		}
		s.notes = count
	}
	unknown := 0
	for id := range v.notes {
		if v.names[id] == "" {
			unknown++
		}
	}
	if unknown > 0 {
		noted[lostAny] = "the journal has notes of zones whose names are lost, and no entry of this one"
		lost = append(lost, Damage{Text: fmt.Sprintf("the names of %d zones that the journal has notes about are lost", unknown)})
	}
	return lost, noted
}

// trimHistory takes that part of the history of a zone out of its entry which cannot
// be read, with all before it. It returns how many changes these are.
func (v *survey) trimHistory(s *state, list []record) uint64 {
	had := s.Sequence + 1 - min(s.first, s.Sequence+1)
	run := lastRun(list)
	for len(run) > 0 && run[0].last < s.first {
		run = run[1:] // trimmed
	}
	if len(run) == 0 || run[len(run)-1].last != s.Sequence || run[0].first > s.Sequence {
		s.first, s.octets, s.since, s.oldest = s.Sequence+1, 0, 0, s.at
		return had
	}
	s.first, s.octets, s.since, s.oldest = run[0].first, 0, 0, run[0].at
	for _, r := range run {
		s.octets += r.octets
		if s.snapshot != (snapshot{}) && r.first > s.snapshot.sequence {
			s.since += r.octets
		}
	}
	return had - min(had, s.Sequence+1-s.first)
}

// lastRun returns the blocks at the end that follow each other without a gap.
func lastRun(list []record) []record {
	i := len(list) - 1
	for ; i > 0 && list[i-1].last+1 == list[i].first; i-- {
	}
	if i < 0 {
		return nil
	}
	return list[i:]
}

// rebuild makes the entry of a zone from its history. A content whose serial is in it is
// the one that it was kept in. The digest is not known, and zero.
func (v *survey) rebuild(id uint32, contents []content) *state {
	s := &state{id: id, history: history{first: 1}}
	run := lastRun(v.history[id])
	if len(run) == 0 {
		return s
	}
	last := run[len(run)-1]
	s.Sequence, s.first = last.last, run[0].first
	s.Serial, s.epoch = zone.Serial(uint32(last.end)), uint32(last.end>>32)
	s.at, s.oldest = last.ended, run[0].at
	s.Gone = last.kind == blockEnded
	if v.bad[bucketChanges] > 0 {
		return s // later changes may be lost: what is served next gets a later serial
	}
	for _, c := range contents {
		if n, ok := v.sequenceOf(id, run, c.serial); ok && n >= s.snapshot.sequence {
			s.Kept = true
			s.snapshot = snapshot{sequence: n, serial: c.serial, digest: c.digest, octets: c.octets}
		}
	}
	return s
}

// sequenceOf returns the number of the last change that led to a serial.
func (v *survey) sequenceOf(id uint32, run []record, serial zone.Serial) (n uint64, ok bool) {
	if run[0].kind == blockSteps && zone.Serial(uint32(run[0].begin)) == serial {
		n, ok = run[0].first-1, true
	}
	inside := map[uint64]bool{}
	for _, r := range run {
		switch s := r.begin + uint64(uint32(serial)-uint32(r.begin)); {
		case zone.Serial(uint32(r.end)) == serial:
			n, ok = r.last, true
		case r.kind == blockSteps && s > r.begin && s < r.end:
			inside[r.first] = true
		}
	}
	if len(inside) == 0 {
		return n, ok
	}
	v.p.again().walk(bucketChanges, func(it item) {
		of, sequence, part := splitKey(it.key)
		if of != id || part != 0 || !inside[sequence] || !isWhole(bucketChanges, it) {
			return
		}
		b := &block{id: id, sequence: sequence, value: it.value, kind: blockSteps, extended: binary.BigEndian.Uint64(it.value[5:]), at: blockTime(it.value)}
		for steps := b.steps(dname.Name(v.names[id])); steps.next(); {
			if steps.head.to == serial && steps.sequence > n {
				n, ok = steps.sequence, true
			}
		}
	})
	return n, ok
}

// copyBatch is how many octets a transaction of a salvage takes: they are in memory.
const copyBatch = 4 << 20

// copyTo writes what resolve decided on into an empty database.
func (v *survey) copyTo(db *bolt.DB, noted map[string]string) error {
	var most uint32
	for id := range v.names {
		most = max(most, id)
	}
	for _, root := range v.p.roots {
		if root.sequence < 1<<32 { // the number of zones so far
			most = max(most, uint32(min(root.sequence, 1<<31)))
		}
	}
	w := &copier{db: db}
	defer w.rollback()
	v.p.again().walk(bucketLost, func(it item) { // of an earlier time
		if text, ok := summed(bucketLost, it.key, it.value); ok && noted[string(it.key)] == "" {
			noted[string(it.key)] = string(text)
		}
	})
	v.p.again().walk(bucketFloors, func(it item) {
		if isWhole(bucketFloors, it) {
			w.put(bucketFloors, it.key, it.value)
		}
	})
	w.edit(func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucketChanges)).SetSequence(uint64(most)) })
	for _, key := range slices.Sorted(maps.Keys(v.zones)) {
		w.put(bucketZones, []byte(key), v.zones[key].encode([]byte(key)))
	}
	for _, id := range slices.Sorted(maps.Keys(v.names)) {
		if s := v.zones[v.names[id]]; s != nil && s.id == id {
			key := binary.BigEndian.AppendUint32(nil, id)
			w.put(bucketNames, key, withSum(bucketNames, key, []byte(v.names[id])))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(noted)) {
		w.put(bucketLost, []byte(key), withSum(bucketLost, []byte(key), []byte(noted[key])))
	}
	v.walkAll(func(bucket string, it item, ok bool) {
		if !ok || len(it.key) < 4 {
			return
		}
		id := binary.BigEndian.Uint32(it.key)
		s := v.zones[v.names[id]]
		if s == nil || s.id != id {
			return
		}
		switch bucket {
		case bucketChanges:
			if _, sequence, _ := splitKey(it.key); sequence >= s.first && sequence <= s.Sequence {
				w.add(bucketChanges, it)
			}
		case bucketNotes:
			w.add(bucketNotes, it)
		case bucketNotes2:
			w.put(bucketNotes, it.key, withSum(bucketNotes, it.key, it.value))
		}
	})
	return w.end()
}

// copier puts items into a database, some in each transaction.
type copier struct {
	db     *bolt.DB
	tx     *bolt.Tx
	octets int
	err    error
}

func (w *copier) edit(f func(*bolt.Tx) error) {
	if w.err == nil && w.tx == nil {
		w.tx, w.err = w.db.Begin(true)
		w.octets = 0
		if w.err == nil {
			countTransaction(w.tx)
		}
	}
	if w.err == nil {
		w.err = f(w.tx)
	}
	if w.err == nil && w.octets > copyBatch {
		w.err = w.tx.Commit()
		w.tx = nil
	}
}

func (w *copier) put(bucket string, key, value []byte) {
	w.octets += len(key) + len(value)
	w.edit(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucket))
		b.FillPercent = changesFill
		return b.Put(bytes.Clone(key), bytes.Clone(value))
	})
}

// add puts an item unless a newer one is there.
func (w *copier) add(bucket string, it item) {
	if it.page == nil {
		isThere := false
		w.edit(func(tx *bolt.Tx) error {
			isThere = tx.Bucket([]byte(bucket)).Get(it.key) != nil
			return nil
		})
		if isThere {
			return
		}
	}
	w.put(bucket, it.key, it.value)
}

func (w *copier) end() error {
	if w.err == nil && w.tx != nil {
		w.err = w.tx.Commit()
		w.tx = nil
	}
	return w.err
}

func (w *copier) rollback() {
	if w.tx != nil {
		_ = w.tx.Rollback() // after an error that is returned
	}
}

// inspect reads all of the journal at path before the database does. Where it is
// damaged, or of an older format, a new one takes its place with all that could be
// verified, and a damaged one is set aside. It returns the names of the files that
// the entries of kept zones name.
func inspect(path string, o Options) (files map[string]bool, damage []Damage, err error) {
	release, err := lockShared(path, o)
	if err != nil {
		return nil, nil, err
	}
	defer func() { release() }()
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	v := &survey{format: format}
	var why string
	v.p, err = openPages(f, fi.Size())
	if err != nil {
		why = err.Error()
		v.p = nil
	} else {
		if err := v.readFormat(path); err != nil {
			return nil, nil, err
		}
		files = v.check()
		if v.p.faults == 0 && v.format == format {
			return files, nil, nil
		}
		if why = v.p.example; v.p.faults > 1 {
			why += fmt.Sprintf(" and %d places more", v.p.faults-1)
		}
	}
	contents, _ := readContents(o.Disk, filepath.Join(filepath.Dir(path), snapshotDir))
	noted := map[string]string{}
	if v.p != nil {
		v.collect()
		damage, noted = v.resolve(contents)
		if v.p.mayBeOld {
			damage = append(damage, Damage{Text: "the last change of a zone before the damage may be lost, and cannot be told from what is there"})
		}
	}
	next, err := v.makeNext(path, o, noted)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = o.Disk.Remove(next) }() // of no effect once it was renamed
	isOlder := v.p != nil && v.p.faults == 0
	entries := len(v.zones)
	release() // or it could not be renamed everywhere
	release = func() {}
	f.Close()
	if !isOlder {
		aside, err := keepAside(path, o)
		if err != nil {
			return nil, nil, fmt.Errorf("set the damaged journal aside: %w", err)
		}
		damage = append([]Damage{{Text: fmt.Sprintf("the journal was damaged (%s); the entries of %d zones were taken over into a new one, and the damaged file is kept as %s", why, entries, aside)}}, damage...)
	}
	if err := o.Disk.Rename(next, path); err != nil {
		return nil, nil, fmt.Errorf("put the new journal in its place: %w", err)
	}
	if err := o.Disk.SyncDir(filepath.Dir(path)); err != nil {
		return nil, nil, err
	}
	files = map[string]bool{}
	for key, s := range v.zones {
		if s.snapshot != (snapshot{}) {
			files[s.snapshot.name(dname.Name(key))] = true
		}
	}
	return files, damage, nil
}

// makeNext makes a new journal of a survey and returns its path.
func (v *survey) makeNext(path string, o Options, noted map[string]string) (next string, err error) {
	next, err = createTemp(path, o, func(db *bolt.DB) error {
		if v.p == nil {
			return nil
		}
		return v.copyTo(db, noted)
	})
	if err != nil {
		return "", fmt.Errorf("make a new journal of what can be read of %s: %w", path, err)
	}
	return next, nil
}

// keepAside gives a damaged journal a second name: the first one is that of the new
// journal soon. Where the file system has no links it is renamed, and after a crash
// in between the next start finds it by that name.
func keepAside(path string, o Options) (string, error) {
	aside := disk.AsidePath(o.Disk, path)
	if err := o.Disk.Link(path, aside); err == nil {
		return aside, o.Disk.SyncDir(filepath.Dir(path))
	}
	return disk.SetAside(o.Disk, path)
}

// lockShared keeps other processes from writing to the journal. Where its heads are
// so damaged that the database does not open it, nothing is locked.
func lockShared(path string, o Options) (release func(), err error) {
	var db *bolt.DB
	func() {
		defer guard(path, &err)()
		db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: o.LockWait, ReadOnly: true, NoStatistics: true})
	}()
	switch {
	case err == nil:
		return func() { db.Close() }, nil
	case isLocked(err):
		return nil, lockedError(path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	return func() {}, nil
}

// RecallSerials takes over the serials of zones from journals that were set aside: what
// is served next gets later ones. What else is in them is older than what was served
// since, or was taken over already.
func (j *Journal) RecallSerials() error {
	serials := map[string]zone.Serial{}
	for _, path := range disk.Aside(j.disk, j.path) {
		f, err := os.Open(path) // that of a database
		if err != nil {
			continue // it can only help
		}
		if fi, err := f.Stat(); err == nil {
			if p, err := openPages(f, fi.Size()); err == nil {
				(&survey{p: p, format: format}).recall(serials)
			}
		}
		f.Close()
	}
	if len(serials) == 0 {
		return nil
	}
	return j.Raise(serials)
}

// recall adds the serials of all entries that can be verified.
func (v *survey) recall(serials map[string]zone.Serial) {
	v.walkAll(func(bucket string, it item, ok bool) {
		if !ok || bucket != bucketZones {
			return
		}
		s, _ := decode(it.key, it.value)
		if old, known := serials[string(it.key)]; s.Sequence > 0 && (!known || old.Before(s.Serial)) {
			serials[string(it.key)] = s.Serial
		}
	})
}

// loadLost reads which zones lost notes.
func (j *Journal) loadLost() error {
	j.lostNotes = map[string]string{}
	return j.view(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucketLost))
		if b == nil {
			return nil
		}
		return b.ForEach(func(k, v []byte) error {
			if text, ok := summed(bucketLost, k, v); ok {
				j.lostNotes[string(k)] = string(text)
			}
			return nil
		})
	})
}

// lost returns why the notes of a zone are not all there; empty: they are. Of a zone
// without an entry they may be among those whose zones are not known; that it was
// asked for is kept, so that the next process knows it too.
func (j *Journal) lost(apex dname.Name, hasEntry bool) (string, error) {
	key := apex.Key()
	j.lostMu.Lock()
	why, any := j.lostNotes[key], j.lostNotes[lostAny]
	j.lostMu.Unlock()
	if why != "" || hasEntry || any == "" {
		return why, nil
	}
	return any, j.setLost(key, any)
}

// forgetLost forgets that notes of secondary zones were lost that come from their
// primaries now.
func (j *Journal) forgetLost(edits []*edit) error {
	j.lostMu.Lock()
	var keys []string
	for _, e := range edits {
		if len(j.lostNotes) == 0 {
			break
		}
		if c := e.change; c.Kept && c.Verbatim && e.content() != nil && len(c.Notes) > 0 && j.lostNotes[e.key] != "" {
			keys = append(keys, e.key)
		}
	}
	j.lostMu.Unlock()
	for _, key := range keys {
		if err := j.writeLost(key, ""); err != nil {
			return err
		}
	}
	return nil
}

// setLost keeps why the notes of a zone are not all there; empty: they are, or that
// they are not is accepted.
func (j *Journal) setLost(key, why string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.writeLost(key, why)
}

// writeLost is setLost for callers that hold mu.
func (j *Journal) writeLost(key, why string) error {
	if err := j.write(func(tx *bolt.Tx) error {
		countTransaction(tx)
		b := tx.Bucket([]byte(bucketLost))
		k := []byte(key)
		if why == "" {
			return b.Delete(k)
		}
		return b.Put(k, withSum(bucketLost, k, []byte(why)))
	}); err != nil {
		return err
	}
	j.lostMu.Lock()
	defer j.lostMu.Unlock()
	if delete(j.lostNotes, key); why != "" {
		j.lostNotes[key] = why
	}
	return nil
}

// Damage returns what Open found damaged or lost, and did about it.
func (j *Journal) Damage() []Damage { return j.damage }
