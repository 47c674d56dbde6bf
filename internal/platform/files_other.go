//go:build !unix

package platform

// OpenFiles reports that the limit of file descriptors is not known.
func OpenFiles() (n int, ok bool) { return 0, false }
