//go:build !unix

package disk

// nonBlocking is of no use where there are no FIFOs in directories.
const nonBlocking = 0
