package daemon

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/hosted"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

var (
	corruptions    = flag.Int("corruptions", 50, "how often TestCorruptedState damages a state directory")
	corruptionSeed = flag.Uint64("corruption-seed", 0, "repeat TestCorruptedState with this seed; 0: a random one")
)

// served is what is served of a zone.
type served struct {
	serial    zone.Serial
	digest    zone.Digest
	available bool
}

func (l *lab) servedZones() map[string]served {
	out := map[string]served{}
	for z := range l.zones.Set().All() {
		s := served{available: z.IsAvailable()}
		if s.available {
			s.serial, s.digest = z.Serial(), z.Digest()
		}
		out[z.Apex().String()] = s
	}
	return out
}

// addRecord adds a record by an update.
func (l *lab) addRecord(t *testing.T, apex, record string) {
	t.Helper()
	rr, err := dns.NewRR(record)
	if err != nil {
		t.Fatal(err)
	}
	m := new(dns.Msg)
	m.SetUpdate(apex)
	m.Insert([]dns.RR{rr})
	c := dns.Client{Timeout: patience}
	r, _, err := c.Exchange(m, l.dns)
	if err != nil || r.Rcode != dns.RcodeSuccess {
		t.Fatalf("update of %s: %v %v", apex, err, r)
	}
}

// names reports whether the operator is told about a zone: in the damage that status
// shows, among the zones that have no data, or in a warning of the log.
func (l *lab) names(apex string) bool {
	s := l.Status()
	for _, d := range s.Damage {
		if d.Zone == apex {
			return true
		}
	}
	for _, b := range l.state.Load().outcome.Broken {
		if b.Zone == apex {
			return true
		}
	}
	for line := range strings.Lines(l.log.String()) {
		if (strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR")) && strings.Contains(line, "zone="+apex) {
			return true
		}
	}
	return false
}

// copyTree copies a directory of directories and regular files.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o700); err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		a, b := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		switch {
		case e.IsDir():
			copyTree(t, a, b)
		case e.Type().IsRegular():
			data, err := os.ReadFile(a)
			if err == nil {
				err = os.WriteFile(b, data, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// stateOfAllKinds makes a state directory with zones of all kinds below dir, and
// returns the configuration and what was served in the end.
func stateOfAllKinds(t *testing.T, dir string) (config string, want map[string]served) {
	t.Helper()
	var primary, text strings.Builder
	primaryDir := shortDir(t)
	fmt.Fprint(&primary, "listen: {dns: [\"127.0.0.1:0\"]}\nstate_dir: ./state\ndefaults: {nameservers: [ns1.example.com], transfer: {allow: [127.0.0.1]}}\nzones:\n")
	for i := range 6 {
		fmt.Fprintf(&primary, "  - {name: s%d.example, records: {x: {TXT: hello}}}\n", i)
	}
	p := start(t, primaryDir, primary.String())
	fmt.Fprint(&text, "listen: {dns: [\"127.0.0.1:0\"]}\nstate_dir: ./state\ndefaults: {nameservers: [ns1.example.com]}\nzones:\n")
	for i := range 6 {
		fmt.Fprintf(&text, "  - {name: s%d.example, secondary: {primaries: [\"%s\"]}}\n", i, p.dns)
	}
	for i := range 12 {
		fmt.Fprintf(&text, "  - {name: d%d.example, dynamic: , update: [{from: 127.0.0.1, lifetime: }]}\n", i)
	}
	for i := range 12 {
		file := fmt.Sprintf("f%d.zone", i)
		replace(t, filepath.Join(dir, file), fmt.Sprintf("@ 60 SOA ns1.example.com. h.example.com. %d 60 60 3600 60\n@ 60 NS ns1.example.com.\nx 60 TXT %d\n", i+1, i))
		fmt.Fprintf(&text, "  - {name: f%d.example, file: %s, update: [127.0.0.1]}\n", i, file)
	}
	for i := range 40 {
		fmt.Fprintf(&text, "  - {prefix: 192.0.%d.0/24, ptr: {192.0.%d.1: h%d.example.com}, update: [127.0.0.1]}\n", i, i, i)
	}
	config = strings.ReplaceAll(text.String(), "{from: 127.0.0.1, lifetime: }", "127.0.0.1")
	l := start(t, dir, config)
	for i := range 12 {
		for n := range 4 {
			l.addRecord(t, fmt.Sprintf("d%d.example.", i), fmt.Sprintf("r%d.d%d.example. 60 TXT %q", n, i, strings.Repeat("x", 40)))
			l.addRecord(t, fmt.Sprintf("f%d.example.", i), fmt.Sprintf("r%d.f%d.example. 60 A 192.0.2.%d", n, i, n))
		}
	}
	for i := range 20 {
		l.addRecord(t, fmt.Sprintf("%d.0.192.in-addr.arpa.", i), fmt.Sprintf("9.%d.0.192.in-addr.arpa. 60 PTR nine.example.com.", i))
	}
	for i := range 6 {
		if _, _, err := l.hosted.CreateZone(&hosted.Creation{Apex: dname.MustParse(fmt.Sprintf("h%d.example", i)), CallerReference: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	latest := int64(0)
	for deadline := time.Now().Add(patience); ; {
		want = l.servedZones()
		all := true
		for apex, s := range want {
			all = all && s.available
			if !strings.HasPrefix(apex, "s") && !strings.HasPrefix(apex, "f") {
				latest = max(latest, int64(uint32(s.serial)))
			}
		}
		// A serial that is ahead of the clock would go back with a lost journal, which is
		// what secondaries are asked for.
		if all && time.Now().Unix() > latest {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("not all zones came\n%s", l.log)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	return config, want
}

// corrupt damages a file of a state directory, or puts one there, and says how. single
// is set where no more than one zone may suffer.
func corrupt(t *testing.T, random *rand.Rand, state string) (what string, single bool) {
	t.Helper()
	journal := filepath.Join(state, journalName)
	contents, err := filepath.Glob(filepath.Join(state, "zones", "*.zone"))
	if err != nil || len(contents) == 0 {
		t.Fatal(contents, err)
	}
	file := journal
	switch n := random.IntN(10); {
	case n < 3:
		file = contents[random.IntN(len(contents))]
	case n < 4:
		file = filepath.Join(state, secretName)
	}
	data, err := os.ReadFile(file)
	if err != nil || len(data) == 0 {
		return "nothing more", false // it is gone already
	}
	// Most of the journal is room that is not used yet.
	used := len(data)
	if file == journal {
		used = len(bytes.TrimRight(data, "\x00"))
	}
	used = max(used, 1)
	name := filepath.Base(file)
	// A range at a page or anywhere.
	span := func() (from, to int) {
		if random.IntN(2) == 0 && used > 8192 {
			from = random.IntN(used/4096) * 4096
			return from, min(from+4096*(1+random.IntN(3)), len(data))
		}
		from = random.IntN(used)
		return from, min(from+1+random.IntN(3000), len(data))
	}
	write := func() {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	switch random.IntN(11) {
	case 0, 1, 2:
		at := random.IntN(used * 8)
		data[at/8] ^= 1 << (at % 8)
		write()
		return fmt.Sprintf("bit %d of %s flipped", at, name), true
	case 3:
		n := 2 + random.IntN(50)
		for range n {
			data[random.IntN(used)] ^= 1 << random.IntN(8)
		}
		write()
		return fmt.Sprintf("%d bits of %s flipped", n, name), file != journal
	case 4:
		from, to := span()
		clear(data[from:to])
		write()
		return fmt.Sprintf("octets %d to %d of %s zeroed", from, to, name), file != journal
	case 5:
		from, to := span()
		other, _ := span()
		copy(data[other:], bytes.Clone(data[from:to]))
		write()
		return fmt.Sprintf("octets %d to %d of %s copied to %d", from, to, name, other), file != journal
	case 6:
		from, to := span()
		other, _ := span()
		n := min(to-from, len(data)-other)
		a := bytes.Clone(data[from : from+n])
		copy(data[from:], data[other:other+n])
		copy(data[other:], a)
		write()
		return fmt.Sprintf("%d octets at %d and %d of %s swapped", n, from, other, name), file != journal
	case 7:
		data = data[:random.IntN(used)]
		write()
		return fmt.Sprintf("%s cut to %d octets", name, len(data)), file != journal
	case 8:
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if random.IntN(3) == 0 {
			if err := os.MkdirAll(filepath.Join(file, "sub"), 0o700); err != nil {
				t.Fatal(err)
			}
			return name + " is a directory", file != journal
		}
		return name + " removed", file != journal
	case 9:
		other := contents[random.IntN(len(contents))]
		if data, err = os.ReadFile(other); err != nil {
			return "nothing more", false
		}
		write()
		return fmt.Sprintf("%s in the place of %s", filepath.Base(other), name), file != journal
	}
	extra := filepath.Join(state, []string{"journal.db.new-17", "journal.db.aside-20260101T000000.000000000Z", "cookie.secret.new-1",
		"zones/x.zone", "zones/x.example.7.0123456789abcdef.zone", "zones/y.zone.new-3", "other", "lost+found/x"}[random.IntN(8)])
	if err := errors.Join(os.MkdirAll(filepath.Dir(extra), 0o700), os.WriteFile(extra, data, 0o600)); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s copied to %s", name, strings.TrimPrefix(extra, state)), true
}

// hasContent reports whether there is a file with the content of a zone.
func hasContent(state, apex string) bool {
	list, err := filepath.Glob(filepath.Join(state, "zones", apex+"*.zone"))
	return err != nil || len(list) > 0
}

// A state directory may be damaged in any way: the server starts, serves every zone that
// is not damaged as before, names the others, gives no serial again to other content,
// deletes no file that may be an only copy, and takes no more memory than usual.
func TestCorruptedState(t *testing.T) {
	seed := *corruptionSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("repeat with -corruption-seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	template := shortDir(t)
	config, want := stateOfAllKinds(t, template)
	var harmless, lost, restored, largest int
	for n := range *corruptions {
		ok := t.Run(fmt.Sprint(n), func(t *testing.T) {
			dir := shortDir(t)
			copyTree(t, template, dir)
			what, single := corrupt(t, random, filepath.Join(dir, "state"))
			if random.IntN(5) == 0 {
				more, _ := corrupt(t, random, filepath.Join(dir, "state"))
				what, single = what+", "+more, false
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			l := start(t, dir, config)
			runtime.ReadMemStats(&after)
			if octets := int(after.TotalAlloc - before.TotalAlloc); octets > largest {
				largest = octets
			}
			if octets := after.TotalAlloc - before.TotalAlloc; octets > 200<<20 {
				t.Errorf("%s: the start allocated %d MB", what, octets>>20)
			}
			forgotten := map[string]bool{}
			for _, d := range l.Status().Damage {
				forgotten[d.Zone] = forgotten[d.Zone] || strings.Contains(d.Text, "entry")
			}
			spare := 0 // zones of a last transaction that may be lost
			for _, d := range l.Status().Damage {
				if strings.HasPrefix(d.Text, "the last change of a zone") {
					spare = 1
				}
			}
			different := 0
			now := l.servedZones()
			for apex, was := range want {
				is, isThere := now[apex]
				switch {
				case is == was:
					continue
				case !isThere && l.names(apex): // a hosted zone whose notes are all lost
				case !isThere && len(l.Status().Damage) > 0 && !hasContent(filepath.Join(dir, "state"), apex): // and its content
				case strings.HasPrefix(apex, "s") && !is.available:
					// Its primary has it; status shows that it is not there yet, and the log
					// has one line for all of these.
				case !l.names(apex) && spare > 0:
					spare--
				case !l.names(apex):
					t.Errorf("%s: zone %s was %+v, is %+v, and nothing says so", what, apex, was, is)
				case forgotten[apex] && strings.HasPrefix(apex, "f"):
					// Only secondaries know that updates counted on from the serial of the file.
				case is.available && is.digest != was.digest && !was.serial.Before(is.serial):
					t.Errorf("%s: zone %s has other content with serial %d, after %d", what, apex, is.serial, was.serial)
				case is.available && is.serial.Before(was.serial):
					t.Errorf("%s: zone %s went from serial %d to %d", what, apex, was.serial, is.serial)
				}
				if is.available {
					restored++
				} else {
					lost++
				}
				different++
			}
			if different == 0 {
				harmless++
			}
			if single && different > 1 {
				t.Errorf("%s: %d zones are not as before", what, different)
			}
			// A second start finds nothing new to repair.
			if err := l.stop(); err != nil {
				t.Fatal(err)
			}
			os.RemoveAll(dir)
		})
		if !ok {
			t.Fatalf("repeat with -run '^TestCorruptedState$' -corruption-seed %d -corruptions %d", seed, n+1)
		}
	}
	t.Logf("%d corruptions of %d zones: %d cost nothing; %d zones without data, %d with other content or a later serial; a start allocated %d MB at most",
		*corruptions, len(want), harmless, lost, restored, largest>>20)
}

// What `ptrd recover` promises: a zone whose content is damaged is served again with
// what is left, under a later serial, and stays so.
func TestRecover(t *testing.T) {
	dir := shortDir(t)
	replace(t, filepath.Join(dir, "file.zone"), "x 60 TXT x\n")
	l := start(t, dir, updating)
	for n := range 3 {
		l.addRecord(t, "dynamic.example.", fmt.Sprintf("r%d.dynamic.example. 60 TXT x", n))
		l.addRecord(t, "file.example.", fmt.Sprintf("r%d.file.example. 60 TXT x", n))
	}
	want := l.servedZones()
	if _, err := l.recover(t.Context(), url.Values{"what": {"dynamic.example"}}); err == nil || !strings.Contains(err.Error(), "nothing to recover") {
		t.Errorf("a zone that is served: %v", err)
	}
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	// The last changes of the dynamic zone and a note of the other one.
	path := filepath.Join(dir, "state", journalName)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damage := func(text string) {
		for at := 0; ; {
			i := bytes.Index(data[at:], []byte(text))
			if i < 0 {
				return
			}
			at += i + len(text)
			data[at-1] ^= 1
		}
	}
	damage("\x02r1\x07dynamic")
	damage("\x02r1\x00\x10") // in a block
	damage("update/rrset/\x02r1\x04file")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the loss is not forgotten
		l = start(t, dir, updating)
		for apex, s := range l.servedZones() {
			if s.available && s != want[apex] {
				t.Errorf("zone %s is served with %+v, was %+v", apex, s, want[apex])
			}
			if !s.available && !l.names(apex) {
				t.Errorf("zone %s is not named", apex)
			}
			var reason string
			for _, b := range l.state.Load().outcome.Broken {
				if b.Zone == apex {
					reason = b.Reason
				}
			}
			if !s.available && !strings.Contains(reason, "`ptrd recover "+apex+"`") {
				t.Errorf("zone %s: no remedy in %q", apex, reason)
			}
		}
		if err := l.stop(); err != nil {
			t.Fatal(err)
		}
	}
	l = start(t, dir, updating)
	recovered := 0
	for apex, s := range l.servedZones() {
		if s.available {
			continue
		}
		o, err := l.recover(t.Context(), url.Values{"what": {apex}})
		if err != nil {
			t.Fatal(err)
		}
		now := l.servedZones()[apex]
		if !o.(*Outcome).InForce || !now.available || !want[apex].serial.Before(now.serial) {
			t.Errorf("zone %s is %+v after recover, was %+v\n%+v", apex, now, want[apex], o)
		}
		recovered++
	}
	if recovered == 0 {
		t.Errorf("nothing was damaged\n%s", l.log)
	}
	for _, apex := range []string{"dynamic.example.", "file.example."} {
		l.addRecord(t, apex, "again."+apex+" 60 TXT x")
	}
	after := l.servedZones()
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	l = start(t, dir, updating)
	if got := l.servedZones(); !slices.Equal(sortedZones(got), sortedZones(after)) {
		t.Errorf("after a restart %v, want %v", got, after)
	}
	if len(l.Status().Damage) > 0 {
		t.Errorf("still damaged: %+v", l.Status().Damage)
	}
}

func sortedZones(m map[string]served) (out []string) {
	for apex, s := range m {
		out = append(out, fmt.Sprintf("%s %+v", apex, s))
	}
	slices.Sort(out)
	return out
}

// Without the journal, as after it was moved away, dynamic zones are restored from what
// is left of them, and no serial goes back.
func TestJournalMovedAway(t *testing.T) {
	dir := shortDir(t)
	replace(t, filepath.Join(dir, "file.zone"), "x 60 TXT x\n")
	l := start(t, dir, updating)
	for n := range 50 { // the serial runs ahead of the clock
		l.addRecord(t, "dynamic.example.", fmt.Sprintf("r%d.dynamic.example. 60 TXT x", n))
	}
	z := l.zones.Set().Get(dname.MustParse("dynamic.example"))
	if err := l.journal.UpdateContent(z); err != nil {
		t.Fatal(err)
	}
	want := l.servedZones()["dynamic.example."]
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "state", journalName)
	if err := os.Rename(path, path+".bad"); err != nil {
		t.Fatal(err)
	}
	l = start(t, dir, updating)
	got := l.servedZones()["dynamic.example."]
	if got.digest != want.digest || !want.serial.Before(got.serial) || !l.names("dynamic.example.") {
		t.Errorf("restored %+v, was %+v\n%s", got, want, l.log)
	}
}
