// Package journal keeps what must outlive the process in a file of the state
// directory: the last serial of every zone that was ever served, so that none goes
// back over a restart, a crash or a zone that comes and goes; the history of every
// zone, who changed what and when; the content of zones that have no other source;
// and notes that others have it keep.
//
// # The file
//
// The file is a bbolt database, which is whole after a kill at any moment: a
// transaction either is in it or is not, and each batch is one. Its buckets are flat,
// numbers big endian:
//
//	meta          "format" → 4 octets, [format]; "format sum" → 4, its checksum
//	zones         key of the apex → entry
//	names         number of the zone (4) → key of its apex
//	changes       number of the zone (4), number of the change (8), part (4) → block
//	summed notes  number of the zone (4), key of the note → value
//	lost notes    key of the apex → why notes of the zone are not all there
//	serial floors key of the apex → serial that a kept zone was served with, for all
//	              others know, although its entry has an earlier one
//
// Every value has a CRC-32C, in its first 4 octets unless stated otherwise. It covers the
// first octet of the bucket's name, the key, and the rest of the value.
//
// The key of an apex is its name in lower-case wire form. A zone gets its number
// when it is first kept, and never loses it; its changes are numbered from 1, so that they
// lie together and in order of time whatever its serials do. An entry is:
//
//	octets  what
//	4       CRC-32C; of the rest of the value alone where flag 16 is not set
//	1       flags: 1 gone, 2 verbatim, 4 declared is set, 8 kept, 16 since format 3,
//	        32 there is the number of records
//	4       serial
//	16      digest
//	4       declared
//	8       number of the last change
//	        since format 2:
//	4       number of the zone
//	8       number of the oldest change that is there
//	4       how often the serial wrapped around
//	8       octets of the changes, with their keys
//	8       octets of those since the content file
//	8, 8    when the oldest and the last were made, Unix milliseconds
//	        since format 3:
//	4       number of its notes
//	4       number of its records, where flag 32 is set
//	        if there is a content file:
//	8       number of the last change in it
//	4, 16   its serial and digest
//	8       octets of its file
//
// Fields are only ever added at the end, and a reader leaves what it does not
// know; format rises when an older ptrd would damage a newer file, and then the
// older one refuses it. Format 1 had neither changes nor notes, and format 2 had notes
// without checksums in a bucket "notes", no names, and checksums that did not cover
// keys; such files are taken over into a new one when they are opened.
//
// # Damage
//
// bbolt trusts its pages, so Open reads all of the file first (pages.go), checks
// every number against the page and the file and every value against its checksum.
// Where something is wrong (survey.go, resolve.go, salvage.go), a new journal is made of all values that agree
// with their checksums and takes the place of the damaged one, which stays in the
// directory under another name. A head of the file that is lost is made up for by the root
// page of the latest transaction: the sequence of bucket meta counts them. What lay below
// a damaged page is found among the pages that are neither in the tree nor free. A
// lost entry is rebuilt from the zone's name and history.
//
// Free pages have values of earlier transactions, with valid checksums. So a page that lies
// in the place of another one is not read as that one, and the serials of all zones are
// looked for in all pages of the damaged file (floor.go): a zone whose last change is lost is
// reported, and what is served next gets a later serial.
//
// A loss concerns one zone: a content that cannot be restored is an
// error of [Journal.Restore], a missing note one of [Journal.Notes], until
// [Journal.Release] accepts the loss. [Journal.Damage] lists all of it.
// Without an entry, the serial of a zone is known from its content and from journals that
// were set aside ([Journal.Raise] is for what others know), and its content can be had
// by [Journal.Found].
//
// Nothing is deleted here that may be the only copy of something.
//
// # The history
//
// A block (block.go) is some steps that follow each other, about 1.8 KiB of them, under
// the number of the first:
//
//	4  CRC-32C; of the rest of the value alone where bit 128 of the next is not set
//	1  0: steps; 1: the history restarted; 2: the zone went; 3: part of a block; + 128
//	8  serial that the first step leads from, above it how often it had wrapped around
//	8  when the first step was made
//
// and then the steps, or what is to be known of the event. A change that finds room
// in the last block joins it. The numbers of wraps make the serials of a zone's blocks grow
// all the way, so that a serial is found by halving. A step of more than 128 KiB has
// a block of its own, in parts. Each step and each record is written relative to
// the one before it in its block (codec.go), numbers as varints:
//
//	step     flags; serials that it leaps; milliseconds since the step before; source
//	         (length, text), unless the same; how many records are removed and added,
//	         and these; SOAs that differ in the serial alone are only a flag
//	record   flags; labels left of the apex (length, octets), unless the same owner;
//	         type and TTL, unless the same; RDATA (length, octets) without what it
//	         ends with in common with the RDATA before, and the length of that
//
// The change of a PTR from one name of a pool to another takes some 45 octets so, one
// with nothing in common some 80; the first of a block 120 more.
//
// Each change trims (limits.go) what is beyond the limits of its zone: size, age.
// What becomes free in the file is used again; the file does not shrink.
//
// # When the disk fails
//
// A write that fails leaves unknown what the file holds, and the next sync proves nothing
// (database.go). So the last acknowledged transaction is made the one that the file holds,
// by writing its meta page again, and the file is opened again; until that succeeds
// nothing else is written, and a change whose fate is open is [zone.ErrUndecided]. A panic
// or memory fault in a transaction is such a failure, and never leaves a lock held.
// [Journal.Run] tries until the disk works again; [Journal.Condition] has the reason
// meanwhile. The content of zones is in memory, so that queries do not depend on it.
//
// Each write looks whether the open file is still the one at the journal's path and holds
// what was written last, before and after its commit. Where the file or its directory was
// removed or moved away, it is written there again from the open one, with the contents
// of kept zones. Where there is another file, or another program wrote to this one,
// nothing is written any more: either may be a backup that the operator puts back, and
// only the operator knows which content is to go on.
//
// # Zones that have no other source
//
// The content of a kept zone is in a file of its own in the directory zones next to the
// journal, named by apex, serial and digest, and in the changes since. It is written
// when the zone's history begins, before that change, and again when the
// changes since are half as large. The entry names the file that counts. What no
// entry names, because a process ended in between, is removed once the zone was restored
// from a later one (found.go); it is set aside if it is later itself or damaged. The file is
// chunks: length (4), CRC-32C (4), octets. The first has the head, the others
// records as above, the last is empty:
//
//	12  "ptrd zone 1\n"
//	    apex: length (1), wire form
//	4   serial
//	16  digest
//
// # Files
//
//	journal.go       Journal, Open, entries
//	database.go      the bbolt file: transactions, undo after a failed commit
//	transaction.go   transactions with the buckets of the journal
//	health.go        Run, Recover: what happens when the disk fails
//	append.go        Append: a batch in one transaction
//	entry.go         the entry of a zone
//	block.go         blocks of the history
//	codec.go         steps and records within a block or content file
//	history.go       Chain, Log
//	limits.go        limits of the history, Trim, Forget
//	notes.go         notes
//	lost.go          zones whose notes were lost
//	floor.go         serials that others know of
//	content.go       Restore, and when contents are written
//	content_file.go  the format of content files
//	found.go         content files that no entry names
//	page.go          pages of bbolt, pages.go walks them without trusting any
//	survey.go        what of a damaged journal can be verified
//	salvage.go       inspect: sets the damaged journal aside for the new one
//	resolve.go       what the new journal gets of each zone
//	backup.go        Backup, Verify
package journal
