package source

import (
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

func TestAccessRemedy(t *testing.T) {
	for _, c := range []struct{ path, closed, want string }{
		{"/var/lib/kea/leases.csv", "/var/lib/kea", "into the directory /var/lib/kea,"},
		{"/var/lib/kea/leases.csv", "/var", "into the directory /var,"},
		{"/var/lib/kea/leases.csv", "", "make it readable"},
		{"/home/user/leases.csv", "/home", "ProtectHome=read-only"},
		{"/run/user/1000/leases.csv", "/run/user", "ProtectHome=read-only"},
		{"/run/user/1000/leases.csv", "/run/user/1000", "into the directory /run/user/1000,"},
		{"../kea/leases.csv", "../kea", "into the directory ../kea,"},
	} {
		path, closed := filepath.FromSlash(c.path), filepath.FromSlash(c.closed)
		lstat := func(p string) (fs.FileInfo, error) {
			if closed != "" && strings.HasPrefix(p, closed+string(filepath.Separator)) {
				return nil, &fs.PathError{Op: "lstat", Path: p, Err: fs.ErrPermission}
			}
			return nil, nil
		}
		got := accessRemedy(&fs.PathError{Op: "open", Path: path, Err: fs.ErrPermission}, lstat)
		if !strings.Contains(filepath.ToSlash(got), c.want) {
			t.Errorf("%s below %s: %s", c.path, c.closed, got)
		}
	}
}
