// Package journal keeps, in one file of the state directory, what must outlive
// the process: today the last serial of every zone that was ever served, so that
// no serial goes back over a restart, a crash or a zone that comes and goes.
//
// # The file
//
// The file is a bbolt database, which is whole after a kill at any moment: a
// transaction either is in it or is not. Its buckets are flat:
//
//	meta     "format" → uint32 big endian, [format]
//	zones    key of the apex → entry, see below
//	changes  key of the apex, then a sequence number (uint64 big endian) → changeset
//
// The key of an apex is its name in lower-case wire form. Such a key ends in
// the root's zero octet and is never the beginning of another one, so the keys of
// one zone in changes lie together and in order of time, whatever its serials do.
// The bucket changes is reserved for the history: it is not made yet, and a
// file without it is a file whose history begins later. Entry.Sequence counts a
// zone's changes from 1 already and is the number that its changeset gets.
//
// An entry is, in order and big endian:
//
//	octets  what
//	4       CRC-32C of all that follows
//	1       flags: 1 gone, 2 verbatim, 4 declared is set
//	4       serial
//	16      digest
//	4       declared
//	8       sequence
//
// Fields are only ever added at the end, and a reader leaves what it does not
// know; format rises when an older ptrd would damage a newer file, and then the
// older one refuses it.
//
// Without the file nothing is lost but the memory of serials: a generated serial
// is at least the Unix time, and so is later than one given out before.
package journal
