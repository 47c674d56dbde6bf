package lease

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/infile"
)

// follower is a source whose clock a test sets, and which counts the octets that it reads.
type follower struct {
	*Source
	t     *testing.T
	clock *clockAt
	path  string
	read  int64
	fail  int64 // after so many of them reads fail; 0: none does
	isOld bool  // files that are opened were last changed an hour before
}

type countingOS struct {
	infile.OS
	*follower
}

type countingHandle struct {
	infile.Handle
	*follower
}

func (c countingOS) Open(path string) (infile.Handle, infile.Info, error) {
	h, info, err := c.OS.Open(path)
	if err != nil {
		return nil, info, err
	}
	if c.isOld {
		info.Identity.At = info.Identity.Changed + int64(time.Hour)
	}
	return countingHandle{h, c.follower}, info, nil
}

func (h countingHandle) Read(b []byte) (int, error) {
	if h.fail > 0 {
		if h.read >= h.fail {
			return 0, syscall.EIO
		}
		b = b[:min(int64(len(b)), h.fail-h.read)]
	}
	n, err := h.Handle.Read(b)
	h.read += int64(n)
	return n, err
}

func (h countingHandle) Seek(offset int64, from int) (int64, error) {
	return h.Handle.(interface {
		Seek(int64, int) (int64, error)
	}).Seek(offset, from)
}

func follow(t *testing.T, format, text string) *follower {
	t.Helper()
	f := &follower{t: t, clock: &clockAt{noon}, path: filepath.Join(t.TempDir(), "leases")}
	if text != "" {
		write(t, f.path, text)
	}
	x := New(Options{Now: f.clock.now, Quiet: time.Nanosecond, Files: &infile.Files{System: countingOS{follower: f}}})
	n := neighbour(format, f.path)
	n.Columns = config.Columns{Address: "1", Name: "2"}
	f.Source = prepare(t, x, n)
	x.o.Quiet = time.Second
	return f
}

// step looks d later, and checks which addresses changed, and all that there is.
func (f *follower) step(what string, d time.Duration, changed string, want ...string) (again time.Duration) {
	f.t.Helper()
	f.clock.Time = f.clock.Add(d)
	addrs, again := f.look(context.Background())
	var got []string
	for _, a := range addrs {
		got = append(got, a.String())
	}
	slices.Sort(got)
	if strings.Join(got, " ") != changed {
		f.t.Errorf("%s: %q changed, want %q", what, got, changed)
	}
	var names []string
	for _, l := range list(f.Source) {
		names = append(names, strings.TrimSuffix(strings.Join(strings.Fields(l)[:2], " "), ".lan.example."))
	}
	mustEqual(f.t, what, names, want...)
	return again
}

func (f *follower) append(path, text string) {
	f.t.Helper()
	w, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o666)
	if err == nil {
		_, err = w.WriteString(text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *follower) rename(from, to string) {
	f.t.Helper()
	if err := os.Rename(from, to); err != nil {
		f.t.Fatal(err)
	}
}

func (f *follower) remove(path string) {
	f.t.Helper()
	if err := os.Remove(path); err != nil {
		f.t.Fatal(err)
	}
}

func keaLine(n int, name string, end int) string {
	return fmt.Sprintf("10.0.0.%d,00:01,,3600,%d,1,0,0,%s,0,\n", n, noon.Unix()+int64(end), name)
}

// TestAppend: what is appended counts at once, without what was before being read again; a line that
// is not complete waits.
func TestAppend(t *testing.T) {
	var text strings.Builder
	text.WriteString(kea4)
	for range 50_000 {
		text.WriteString(keaLine(1, "a", 3600))
	}
	f := follow(t, "kea", text.String())
	f.step("read", 0, "", "10.0.0.1 a")
	f.read = 0
	f.append(f.path, keaLine(2, "b", 3600)+keaLine(1, "c", 3600))
	f.step("two lines", 0, "10.0.0.1 10.0.0.2", "10.0.0.1 c", "10.0.0.2 b")
	f.append(f.path, "10.0.0.3,00:01,,3600,1796043600,1,0,0,thr")
	f.step("half a line", 0, "", "10.0.0.1 c", "10.0.0.2 b")
	f.step("half a line, later", time.Minute, "", "10.0.0.1 c", "10.0.0.2 b")
	f.append(f.path, "ee,0,\n")
	f.step("the rest", 0, "10.0.0.3", "10.0.0.1 c", "10.0.0.2 b", "10.0.0.3 three")
	f.append(f.path, keaLine(2, "b", 7200)+strings.Replace(keaLine(3, "three", 0), ",3600,", ",0,", 1))
	f.step("renewed, deleted", 0, "10.0.0.3", "10.0.0.1 c", "10.0.0.2 b")
	if f.read > 3000 {
		t.Errorf("%d octets were read, of a file of %d", f.read, text.Len())
	}
	if st := f.Status(); st.Skipped != 0 || st.Problem != "" {
		t.Errorf("%+v", st)
	}
}

// TestCleanup goes through the steps of Kea's lease file cleanup. The names are the same all the
// time, and what Kea appends meanwhile counts at once.
func TestCleanup(t *testing.T) {
	f := follow(t, "kea", kea4+keaLine(1, "old", 3600)+keaLine(1, "a", 3600)+keaLine(2, "b", 3600))
	f.step("read", 0, "", "10.0.0.1 a", "10.0.0.2 b")
	for round := range 3 {
		at := fmt.Sprintf("round %d: ", round)
		name := fmt.Sprintf("c%d", round)
		f.rename(f.path, f.path+".1")
		f.step(at+"renamed", 0, "", "10.0.0.1 a", "10.0.0.2 b")
		f.append(f.path, kea4)
		f.step(at+"new file", 0, "", "10.0.0.1 a", "10.0.0.2 b")
		f.append(f.path, keaLine(3, name, 3600))
		f.step(at+"new lease", 0, "10.0.0.3", "10.0.0.1 a", "10.0.0.2 b", "10.0.0.3 "+name)
		all := []string{"10.0.0.1 a", "10.0.0.2 b", "10.0.0.3 " + name}
		f.append(f.path+".output", kea4+keaLine(1, "a", 3600))
		f.step(at+"output", 0, "", all...)
		result := kea4 + keaLine(1, "a", 3600) + keaLine(2, "b", 3600)
		if round > 0 {
			result += keaLine(3, fmt.Sprintf("c%d", round-1), 3600)
		}
		f.remove(f.path + ".output")
		f.append(f.path+".output", result)
		f.rename(f.path+".output", f.path+".completed")
		f.step(at+"completed", 0, "", all...)
		if round > 0 {
			f.remove(f.path + ".2")
		}
		f.remove(f.path + ".1")
		f.step(at+"inputs removed", time.Second, "", all...)
		f.rename(f.path+".completed", f.path+".2")
		f.step(at+"done", time.Second, "", all...)
		f.append(f.path, strings.Replace(keaLine(3, name, 0), ",3600,", ",0,", 1))
		f.step(at+"deleted", time.Second, "10.0.0.3", "10.0.0.1 a", "10.0.0.2 b")
		for _, l := range list(f.Source) {
			if want := "leases.2:"; !strings.Contains(l, want) {
				t.Errorf("%s%q is not from %s", at, l, want)
			}
		}
	}
	if st := f.Status(); st.Skipped != 0 || st.Problem != "" {
		t.Errorf("%+v", st)
	}
}

// TestReusedInode: the result of another cleanup in the place of that of the last, with its inode and
// its last lines, is not taken for it.
func TestReusedInode(t *testing.T) {
	f := follow(t, "kea", kea4)
	label := strings.Repeat("z", 60)
	end := keaLine(9, label+"."+label+"."+label+"."+label[:50], 3600) // longer than maxTail
	z := "10.0.0.9 " + strings.Split(end, ",")[8] + "."
	write(t, f.path+".2", kea4+keaLine(1, "a", 3600)+end)
	f.step("new", 0, "")
	f.step("quiet", time.Second, "10.0.0.1 10.0.0.9", "10.0.0.1 a", z)
	write(t, f.path+".2", kea4+keaLine(2, "b", 3600)+end)
	f.step("another", 0, "", "10.0.0.1 a", z)
	f.step("another, quiet", time.Second, "10.0.0.1 10.0.0.2", "10.0.0.2 b", z)
}

// TestRewrite: a file that is written anew, truncated, missing or replaced by something else keeps
// its names until it is complete.
func TestRewrite(t *testing.T) {
	for _, c := range []struct{ format, head, line string }{
		{"kea", kea4, "10.0.0.%d,00:01,,3600,1796043600,1,0,0,%s,0,\n"},
		{"dhcpd", "# dhcpd\n", "lease 10.0.0.%d {\n ends never;\n client-hostname %q;\n}\n"},
		{"dnsmasq", "", "0 52:54:00:00:00:02 10.0.0.%d %s *\n"},
		{"hosts", "127.0.0.1 localhost\n", "10.0.0.%d %s\n"},
		{"csv", "", "10.0.0.%d,%s\n"},
	} {
		t.Run(c.format, func(t *testing.T) {
			line := func(n int, name string) string { return fmt.Sprintf(c.line, n, name) }
			var local []string
			if c.format == "hosts" {
				local = []string{"127.0.0.1 localhost."}
			}
			f := follow(t, c.format, c.head+line(1, "a")+line(2, "b"))
			both := append([]string{"10.0.0.1 a", "10.0.0.2 b"}, local...)
			f.step("read", 0, "", both...)
			write(t, f.path, "")
			f.step("truncated", 0, "", both...)
			f.step("truncated, a moment later", 2*time.Second, "", both...)
			write(t, f.path, c.head+line(1, "a"))
			f.step("half written", 0, "", both...)
			write(t, f.path, c.head+line(1, "a")+line(3, "c"))
			f.step("written", 0, "", both...)
			f.step("quiet", time.Second, "10.0.0.2 10.0.0.3", append([]string{"10.0.0.1 a", "10.0.0.3 c"}, local...)...)
			after := append([]string{"10.0.0.1 a", "10.0.0.3 c"}, local...)

			f.remove(f.path)
			f.step("missing", time.Second, "", after...)
			f.step("missing for long", time.Minute, "", after...)
			if p := f.Status().Problem; !strings.Contains(p, "no such file") {
				t.Errorf("the problem is %q", p)
			}
			if err := os.Mkdir(f.path, 0o777); err != nil {
				t.Fatal(err)
			}
			f.step("a directory", time.Second, "", after...)
			f.remove(f.path)
			write(t, f.path+"~", c.head+line(2, "b"))
			f.rename(f.path+"~", f.path)
			f.step("replaced", 0, "", after...)
			f.step("replaced, quiet", time.Second, "10.0.0.1 10.0.0.2 10.0.0.3", append([]string{"10.0.0.2 b"}, local...)...)
			if st := f.Status(); st.Problem != "" || st.Skipped > 0 {
				t.Errorf("%+v", st)
			}
			if c.format == "hosts" { // it always has a line: without one it is not complete
				for _, text := range []string{"", "# of this network\n"} {
					write(t, f.path, text)
					f.step("empty", 0, "", append([]string{"10.0.0.2 b"}, local...)...)
					f.step("empty for long", time.Minute, "", append([]string{"10.0.0.2 b"}, local...)...)
				}
				return
			}
			write(t, f.path, "")
			f.step("empty", 0, "", "10.0.0.2 b")
			f.step("empty for long", DefaultEmpty, "10.0.0.2")
		})
	}
}

// TestBusy: a file that replaced another and is appended to all the time counts after some seconds.
func TestBusy(t *testing.T) {
	f := follow(t, "kea", kea4+keaLine(1, "a", 3600))
	write(t, f.path+"~", kea4+keaLine(2, "b", 3600))
	f.rename(f.path+"~", f.path)
	for i := range 10 {
		f.append(f.path, keaLine(3, "c", 3600+i))
		f.step(fmt.Sprint("after ", i), 500*time.Millisecond, "", "10.0.0.1 a")
	}
	f.append(f.path, keaLine(3, "c", 3600))
	f.step("at last", 500*time.Millisecond, "10.0.0.1 10.0.0.2 10.0.0.3", "10.0.0.2 b", "10.0.0.3 c")
}

// TestBusyRewrite: a file that is written anew all the time counts although it is never quiet for long; a
// moment in which it is empty does not.
func TestBusyRewrite(t *testing.T) {
	for _, c := range []struct {
		format, line string
		pause        time.Duration
	}{
		{"dnsmasq", "0 52:54:00:00:00:02 10.0.0.1 a%d *\n", 500 * time.Millisecond},
		{"dnsmasq", "0 52:54:00:00:00:02 10.0.0.1 a%d *\n", 30 * time.Millisecond},
		{"hosts", "10.0.0.1 a%d\n", 500 * time.Millisecond},
	} {
		line, pause := func(n int) string { return fmt.Sprintf(c.line, n) }, c.pause
		f := follow(t, c.format, line(0))
		began, n, next := f.clock.Time, 0, f.clock.Time
		for len(f.At(netip.MustParseAddr("10.0.0.1"))) != 1 || f.At(netip.MustParseAddr("10.0.0.1"))[0].Name.Equal(dname.MustParse("a0.lan.example.")) {
			if f.clock.Sub(began) > time.Minute {
				t.Fatalf("a file that changes every %v is not read", pause)
			}
			if !f.clock.Before(next) {
				n++
				next = next.Add(pause)
				write(t, f.path, "")
				f.look(t.Context())
				write(t, f.path, line(n))
				if n < 5 { // there is a new lease each time
					write(t, f.path, strings.Repeat(line(n), n))
				}
			}
			_, again := f.look(t.Context())
			if again <= 0 || f.clock.Add(again).After(next) {
				again = next.Sub(f.clock.Time)
			}
			f.clock.Time = f.clock.Add(again)
		}
		if took := f.clock.Sub(began); took > 40*time.Second {
			t.Errorf("a file that changes every %v is read after %v", pause, took)
		}
	}
}

// TestSlowWriter: a file that is written line by line does not count before it is complete.
func TestSlowWriter(t *testing.T) {
	for format, line := range map[string]string{"hosts": "10.0.0.%d a\n", "csv": "10.0.0.%d,a\n"} {
		f := follow(t, format, fmt.Sprintf(line, 99))
		write(t, f.path, "")
		for i := range 90 {
			f.append(f.path, fmt.Sprintf(line, 10+i))
			f.step("being written", 500*time.Millisecond, "", "10.0.0.99 a")
		}
		f.clock.Time = f.clock.Add(time.Second)
		if changed, _ := f.look(t.Context()); len(changed) != 89 {
			t.Errorf("%s: %d names are new, want 89", format, len(changed))
		}
	}
}

// TestReplacedInPlace: a longer file in the place of one of the same inode is not taken for a
// continuation.
func TestReplacedInPlace(t *testing.T) {
	f := follow(t, "kea", kea4+keaLine(1, "a", 3600))
	write(t, f.path, kea4+keaLine(2, "b", 3600)+keaLine(3, "c", 3600))
	f.step("at once", 0, "", "10.0.0.1 a")
	f.step("quiet", time.Second, "10.0.0.1 10.0.0.2 10.0.0.3", "10.0.0.2 b", "10.0.0.3 c")
}

// TestEnds: names go at their end without a change of the file, are not there if it has passed
// already, and are back if the clock is set back.
func TestEnds(t *testing.T) {
	f := follow(t, "kea", kea4+keaLine(1, "a", 60)+keaLine(2, "b", 120)+keaLine(3, "gone", -1))
	if again := f.step("start", 0, "", "10.0.0.1 a", "10.0.0.2 b"); again != time.Minute {
		t.Errorf("looks again after %v", again)
	}
	f.step("just before the end", time.Minute-time.Second, "", "10.0.0.1 a", "10.0.0.2 b")
	f.step("the end", time.Second, "10.0.0.1", "10.0.0.2 b")
	f.step("after it", time.Second, "", "10.0.0.2 b")
	f.append(f.path, keaLine(1, "a", 180)+keaLine(2, "b", 90))
	f.step("leased again, and shortened", 0, "10.0.0.1", "10.0.0.1 a", "10.0.0.2 b")
	f.step("the shorter end", 29*time.Second, "10.0.0.2", "10.0.0.1 a")
	f.step("asleep for an hour", time.Hour, "10.0.0.1")
	f.step("the clock is set back", -time.Hour, "10.0.0.1", "10.0.0.1 a")
	f.step("further back", -time.Minute-32*time.Second, "10.0.0.2 10.0.0.3", "10.0.0.1 a", "10.0.0.2 b", "10.0.0.3 gone")
	f.step("and on", time.Hour, "10.0.0.1 10.0.0.2 10.0.0.3")
}

// TestEndTogether: leases that end in the same second are one change, and a clock that jumps over their end and
// back brings all of them back.
func TestEndTogether(t *testing.T) {
	const leases = 20_000
	var text strings.Builder
	text.WriteString(kea4)
	for i := range leases {
		fmt.Fprintf(&text, "10.1.%d.%d,00:01,,3600,%d,1,0,0,h%d,0,\n", i>>8, i&255, noon.Unix()+60, i)
	}
	f := follow(t, "kea", text.String())
	for _, step := range []struct {
		what          string
		d             time.Duration
		changed, left int
	}{
		{"just before", time.Minute - time.Nanosecond, 0, leases},
		{"the end", time.Nanosecond, leases, 0},
		{"after it", time.Second, 0, 0},
		{"back", -2 * time.Second, leases, leases},
		{"to the start of time", -1 << 62, 0, leases},
		{"to its end", 1<<63 - 1, leases, 0},
	} {
		f.clock.Time = f.clock.Add(step.d)
		changed, _ := f.look(t.Context())
		if n := len(list(f.Source)); len(changed) != step.changed || n != step.left {
			t.Errorf("%s: %d change and %d are left, want %d and %d", step.what, len(changed), n, step.changed, step.left)
		}
	}
}

// TestLongRecord: a record that is too long is skipped, and those after it are read.
func TestLongRecord(t *testing.T) {
	long := strings.Repeat("x", 3*maxRecord)
	for _, c := range []struct {
		format, text, want string
		skipped            int
	}{
		{"kea", kea4 + long + "\n" + keaLine(1, "a", 60), "10.0.0.1 a.lan.example. 60 f:3", 1},
		{"dhcpd", "lease 10.0.0.9 {\n " + long + "\n ends never;\n}\nlease 10.0.0.1 { ends never; client-hostname \"a\"; }\n", "10.0.0.1 a.lan.example. forever f:5", 1},
		{"dhcpd", strings.Repeat("lease\n{\n", 100_000) + "\nlease 10.0.0.1 { ends never; client-hostname \"a\"; }\n", "10.0.0.1 a.lan.example. forever f:200002", 1}, // not one fault each
		{"dnsmasq", long + "\n0 x 10.0.0.1 a *\n", "10.0.0.1 a.lan.example. forever f:2", 1},
		{"hosts", "10.0.0.1 a\n" + long, "10.0.0.1 a.lan.example. forever f:1", 1},
		{"csv", "\"" + long + "\n10.0.0.1,a\n", "10.0.0.1 a.lan.example. forever f:2", 1},
	} {
		n := neighbour(c.format, "f")
		n.Columns = config.Columns{Address: "1", Name: "2"}
		c2, _ := parse(n, strings.NewReader(c.text))
		mustEqual(t, c.format, list(&Source{c: c2}), c.want)
		if c2.skipped != c.skipped {
			t.Errorf("%s: %d skipped", c.format, c2.skipped)
		}
	}
}
