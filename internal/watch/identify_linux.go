package watch

import (
	"io/fs"
	"syscall"
	"time"
)

// fileID tells one inode from another.
type fileID struct{ dev, ino uint64 }

// identify returns the inode and when it was last changed in any way, renames
// included.
func identify(info fs.FileInfo) (fileID, time.Time) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fileID{}, info.ModTime()
	}
	return fileID{uint64(st.Dev), st.Ino}, time.Unix(int64(st.Ctim.Sec), int64(st.Ctim.Nsec))
}
