package assemble

import (
	"os"
	"syscall"
	"time"
)

// changeTime returns when the inode was last changed, which no program can set.
func changeTime(info os.FileInfo) time.Time {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return time.Time{}
	}
	return time.Unix(int64(st.Ctim.Sec), int64(st.Ctim.Nsec))
}
