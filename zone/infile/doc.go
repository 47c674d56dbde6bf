// Package infile opens and reads the files that an operator names: the
// configuration, master files and what they include, hosts files, secrets,
// certificates. None of them can block the server.
//
// A path leads to a regular file or to an error. A FIFO, a socket, a device or a
// directory is refused before it is opened, and again after it: the open itself
// is non-blocking, so that a FIFO put there in between does not wait for a writer.
// Every file has a size limit.
//
// No system call of a file can be interrupted when its file system does not answer (a
// server of NFS that is gone, a FUSE process that hangs, a failing disk). [Files.Run]
// therefore watches over the goroutine that makes these calls, a [Task]. The calls
// cost two atomic stores more than without it. When one of them takes longer than
// [Files.Wait], or its context has ended, Run goes on without the goroutine: the
// path is marked, the work starts once more in another goroutine, and now finds
// [ErrHung] at this path at once. The abandoned goroutine is counted, touches nothing
// more when its call returns, and takes the mark away.
//
//	infile.go   Files, Run: which calls are abandoned, and after how long
//	task.go     Task: the calls
//	file.go     File: a regular file open for reading
//	system*.go  the operating system's calls
package infile
