package privilege

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// Unreadable returns those of the files that the account cannot read, so that root finds out
// before it becomes the account. The kernel decides. Files that do not exist are not among them.
func Unreadable(a Account, paths []string) (list []string, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and not unlocked: the thread, with its changed rights, ends with the goroutine
		if err = becomeForFiles(a); err != nil {
			return
		}
		for _, path := range paths {
			if unix.Faccessat2(unix.AT_FDCWD, path, unix.R_OK, unix.AT_EACCESS) == unix.EACCES {
				list = append(list, path)
			}
		}
	}()
	<-done
	return list, err
}

// becomeForFiles gives this thread, and no other, the rights to files that the account has. The
// kernel takes the capabilities of root over files from it.
func becomeForFiles(a Account) error {
	if err := unix.Setgroups(a.Groups); err != nil { // of this thread, unlike that of syscall
		return fmt.Errorf("setting the groups of user %q: %w", a.Name, err)
	}
	if _, err := unix.SetfsgidRetGid(a.GID); err != nil {
		return fmt.Errorf("becoming user %q for files: %w", a.Name, err)
	}
	if _, err := unix.SetfsuidRetUid(a.UID); err != nil {
		return fmt.Errorf("becoming user %q for files: %w", a.Name, err)
	}
	return nil
}
