package infile_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/faulttest"
	"github.com/ptrd/ptrd/zone/infile"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	text := strings.Repeat("0123456789abcdef", 10_000)
	path := write(t, dir+"/file", text)
	var f infile.Files
	for _, c := range []struct {
		path  string
		limit int64
		want  error
	}{
		{path, int64(len(text)), nil},
		{path, int64(len(text)) - 1, infile.ErrTooLarge},
		{dir, 100, infile.ErrDirectory},
		{"/dev/zero", 100, infile.ErrNotRegular},
		{dir + "/none", 100, fs.ErrNotExist},
		// Its size is unknown: 0.
		{"/proc/self/status", 1 << 20, nil},
		{"/proc/self/status", 20, infile.ErrTooLarge},
	} {
		if _, err := os.Stat(c.path); err != nil && !errors.Is(c.want, fs.ErrNotExist) {
			t.Logf("%s is not on this system", c.path)
			continue
		}
		err := f.Run(t.Context(), func(task *infile.Task) {
			for _, task := range []*infile.Task{task, nil} {
				data, err := task.ReadFile(c.path, c.limit)
				if !errors.Is(err, c.want) || c.path == path && err == nil && string(data) != text {
					t.Errorf("%s, at most %d octets: %d octets, %v, want %v", c.path, c.limit, len(data), err, c.want)
				}
				var pe *fs.PathError
				if err != nil && !errors.As(err, &pe) {
					t.Errorf("%s: %T does not name the path", c.path, err)
				}
			}
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func TestOpenIn(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	write(t, root+"/a/file", "in")
	write(t, dir+"/outside", "out")
	for link, to := range map[string]string{"in": "a/file", "out": "../outside", "a/up": "../../root/a/file"} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Skip(err)
		}
	}
	for _, c := range []struct {
		path     string
		resolved string // empty: there is none
		want     error
	}{
		{"a/file", "a/file", nil},
		{"in", "a/file", nil},
		{"a/up", "a/file", nil},
		{"out", "../outside", infile.ErrOutside},
		{"a", "a", infile.ErrDirectory},
		{"none", "", fs.ErrNotExist},
	} {
		var task *infile.Task
		f, resolved, err := task.OpenIn(root, filepath.Join(root, c.path), 100)
		want := c.resolved
		if want != "" {
			real, _ := filepath.EvalSymlinks(root)
			want = filepath.Join(real, want)
		}
		if !errors.Is(err, c.want) || resolved != want {
			t.Errorf("%s: %q %v, want %q %v", c.path, resolved, err, want, c.want)
		}
		if err == nil {
			if text, err := io.ReadAll(f); string(text) != "in" || err != nil || f.Size != 2 {
				t.Errorf("%s: read %q, %v, size %d", c.path, text, err, f.Size)
			}
			f.Close()
		}
	}
}

// TestHungRead: a read that does not return is given up, its file is not tried again
// until it has returned, and other files are read as ever.
func TestHungRead(t *testing.T) {
	dir := t.TempDir()
	hung, other := write(t, dir+"/hung", "late"), write(t, dir+"/other", "text")
	s := faulttest.NewHang()
	s.Read(hung)
	answered := make(chan string, 1)
	given := 0
	f := s.Files()
	f.Hung, f.Answered = func(string) { given++ }, func(path string) { answered <- path }
	read := func(want error) {
		t.Helper()
		runs := 0
		if err := f.Run(t.Context(), func(task *infile.Task) {
			runs++
			if data, err := task.ReadFile(other, 100); string(data) != "text" || err != nil {
				t.Errorf("other file: %q %v", data, err)
			}
			data, err := task.ReadFile(hung, 100)
			if !errors.Is(err, want) || err == nil && string(data) != "late" {
				t.Errorf("hung file: %q %v, want %v", data, err, want)
			}
		}); err != nil {
			t.Error(err)
		}
		if runs > 2 {
			t.Errorf("started %d times", runs)
		}
	}
	read(infile.ErrHung)
	read(infile.ErrHung)
	if len(s.Entered) != 1 || f.Count() != 1 || given != 1 {
		t.Errorf("%d reads were begun, %d are counted, %d reported, want 1", len(s.Entered), f.Count(), given)
	}
	s.Release()
	if path := <-answered; path != hung || f.Count() != 0 {
		t.Errorf("%s answered, %d hang", path, f.Count())
	}
	read(nil)
}

// TestHungStops: Run returns when its context ends, though a call hangs.
func TestHungStops(t *testing.T) {
	path := write(t, t.TempDir()+"/file", "")
	s := faulttest.NewHang()
	s.Call(path)
	defer s.Release()
	f := infile.Files{Wait: time.Hour, System: s}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stop")
	go func() {
		<-s.Entered
		cancel(stop)
	}()
	if err := f.Run(ctx, func(task *infile.Task) {
		task.ReadFile(path, 100)
		t.Error("the call has returned")
	}); err != stop {
		t.Errorf("got %v", err)
	}
}

// TestStoppedTask: after the end of the context no call is made.
func TestStoppedTask(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var f infile.Files
	if err := f.Run(ctx, func(task *infile.Task) {
		cancel()
		if _, err := task.Stat("/"); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}); err != nil {
		t.Error(err)
	}
}

// TestManyHung: a file system that is gone takes few threads, whatever the number of
// files, and the files in other directories are read.
func TestManyHung(t *testing.T) {
	dir := t.TempDir()
	s := faulttest.NewHang()
	var paths []string
	for i := range 100 {
		path := filepath.Join(dir, "gone", string(rune('A'+i)))
		s.Call(path)
		paths = append(paths, path)
	}
	there := write(t, dir+"/there/file", "text")
	f := s.Files()
	defer s.Release()
	failed := 0
	if err := f.Run(t.Context(), func(task *infile.Task) {
		failed = 0
		for _, path := range paths {
			if _, err := task.Open(path, 100); errors.Is(err, infile.ErrHung) {
				failed++
			}
		}
		if data, err := task.ReadFile(there, 100); string(data) != "text" || err != nil {
			t.Errorf("%q %v", data, err)
		}
	}); err != nil {
		t.Error(err)
	}
	if failed != len(paths) || f.Count() > 8 {
		t.Errorf("%d failed, %d calls hang", failed, f.Count())
	}
}

func TestPanicOfTask(t *testing.T) {
	defer func() {
		if v, _ := recover().(string); !strings.HasPrefix(v, "the fault") || !strings.Contains(v, "TestPanicOfTask") {
			t.Errorf("panicked with %q", v)
		}
	}()
	var f infile.Files
	f.Run(t.Context(), func(*infile.Task) { panic("the fault") })
}

// unseekable hides the Seek of handles.
type unseekable struct{ infile.OS }

func (s unseekable) Open(path string) (infile.Handle, infile.Info, error) {
	h, info, err := s.OS.Open(path)
	return struct{ infile.Handle }{h}, info, err
}

func TestSeekTo(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "file"), "0123456789")
	var f infile.Files
	if err := f.Run(t.Context(), func(task *infile.Task) {
		file, err := task.Open(path, 10)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		for _, c := range []struct {
			at   int64
			want string
		}{{7, "789"}, {2, "23456789"}, {0, "0123456789"}, {10, ""}} {
			if err := file.SeekTo(c.at); err != nil {
				t.Error(err)
			}
			if got, err := io.ReadAll(file); string(got) != c.want || err != nil {
				t.Errorf("from %d on: %q, %v", c.at, got, err)
			}
		}
		if err := file.SeekTo(11); !errors.Is(err, infile.ErrTooLarge) {
			t.Errorf("beyond the limit: %v", err)
		}
	}); err != nil {
		t.Error(err)
	}
	f = infile.Files{System: unseekable{}}
	if err := f.Run(t.Context(), func(task *infile.Task) {
		file, err := task.Open(path, 10)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if err := file.SeekTo(1); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("without Seek: %v", err)
		}
		if got, err := io.ReadAll(file); len(got) != 10 || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}); err != nil {
		t.Error(err)
	}
}
