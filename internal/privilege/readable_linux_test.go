package privilege

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestUnreadable: root asks for a user, and is root afterwards.
func TestUnreadable(t *testing.T) {
	if !IsRoot() {
		t.Skip("only root can ask for other users")
	}
	dir, err := os.MkdirTemp("", "ptrd") // where others may go
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	const uid, primary, other = 54321, 54322, 54323 // of no user
	paths := map[string]string{}
	for _, f := range []struct {
		name     string
		uid, gid int
		mode     os.FileMode
	}{
		{"all", 0, 0, 0o644}, {"root", 0, 0, 0o600}, {"own", uid, 0, 0o400}, {"own-closed", uid, 0, 0o044},
		{"group", 0, primary, 0o640}, {"groups", 0, other, 0o640}, {"below/file", 0, 0, 0o644}, {"root-group", 0, 0, 0o640},
	} {
		path := filepath.Join(dir, f.name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(path, f.uid, f.gid); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, f.mode); err != nil {
			t.Fatal(err)
		}
		paths[f.name] = path
	}
	if err := os.Chmod(filepath.Join(dir, "below"), 0o700); err != nil {
		t.Fatal(err)
	}
	var asked []string
	for _, name := range []string{"all", "root", "own", "own-closed", "group", "groups", "below/file", "root-group"} {
		asked = append(asked, paths[name])
	}
	asked = append(asked, filepath.Join(dir, "none"))
	got, err := Unreadable(Account{Name: "someone", UID: uid, GID: primary, Groups: []int{other}}, asked)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{paths["root"], paths["own-closed"], paths["below/file"], paths["root-group"]}
	if !slices.Equal(got, want) {
		t.Errorf("cannot read %v, want %v", got, want)
	}
	for range 64 { // on whatever thread
		if _, err := os.ReadFile(paths["root"]); err != nil {
			t.Fatal(err)
		}
	}
}
