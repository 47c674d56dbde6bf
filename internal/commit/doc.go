// Package commit is the only writer of zones.
//
// A source of zone data (reloads, updates, transfers, catalogs, rollback) hands a
// [Request] to [Writer.Commit], which takes it through these steps:
//
//	snapshot → Propose → Stages → conflict check → journal → new snapshot → After
//
// Propose and the stages compute outside any lock, from a snapshot that stays as it
// is. If another commit changed one of the zones meanwhile, they are called once
// more, this time while others that change these zones wait. A batch is durable before it is
// visible, and it becomes visible as a whole.
//
// Within a zone, sources are layers. Static data, such as files and the configuration, come
// first, then data derived from other zones, dynamic data, such as updates, and what rules
// make ([Merge]). A zone carries its layers ([zone.Layers]), so that a source sees them in the
// snapshot that it proposes for; the dynamic layer is in notes of the journal.
//
// An error of Commit means that what is served is as it was; [ErrNotDurable],
// [zone.ErrUndecided] and [ErrConflict] are three of the reasons, any other error is
// that of Propose or of a stage. What fails after the batch is visible cannot undo
// it and is a warning in the [Report].
//
// Two kinds of writes to the journal need no Writer, because they change nothing that is
// served and conflict with nothing: notes of a zone that does not change (times of a
// confirmed secondary zone, ends of lifetimes after the clock was set), and discarding what
// is kept of a zone that is not served.
//
// To add a source, write its Propose: a function from a snapshot to a [zone.Batch].
// To add records that are derived from others, or signatures, write a [Stage]. One that changes a
// layer of a zone hands the names to a [Refresh], which brings the zone up to date; one that changes
// records of its own uses [ChangeOf] and [AddRecords].
package commit
