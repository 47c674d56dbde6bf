package journal

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// writerEnv names the journal that a test process started by TestKill writes to.
const writerEnv = "JOURNAL_TEST_WRITER"

// killZones is the number of zones in each batch of the writer.
const killZones = 40

func killApex(i int) dname.Name {
	return dname.MustParse(fmt.Sprintf("%d.0.192.in-addr.arpa", i))
}

// TestMain runs the writer in the process that is going to be killed: batch after
// batch, every zone of a batch with the same serial, and the serial on
// standard output once it is durable.
func TestMain(m *testing.M) {
	path := os.Getenv(writerEnv)
	if path == "" {
		os.Exit(m.Run())
	}
	j, err := Open(path, Options{})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	last, _, err := j.Last(killApex(0))
	for s := last.Serial + 1; err == nil; s++ {
		var edits []edit
		for i := range killZones {
			edits = append(edits, edit{apex: killApex(i), served: true, entry: Entry{Serial: s, Digest: zone.Digest{byte(s), byte(i)}}})
		}
		if err = j.update(edits); err == nil {
			fmt.Println(s)
		}
	}
	fmt.Println("error", err)
	os.Exit(1)
}

// A writer killed at any moment leaves a journal that opens, holds every batch
// that was acknowledged, and holds no batch by half.
func TestKill(t *testing.T) {
	path := newPath(t)
	acked := zone.Serial(0)
	for round := range 8 {
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), writerEnv+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// The first round kills before anything was heard, while the journal is
		// perhaps being made; the later ones in the middle of writing.
		lines := bufio.NewScanner(out)
		for n := 0; n < round*3 && lines.Scan(); n++ {
			s, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Fatalf("writer: %s", lines.Text())
			}
			acked = zone.Serial(s)
		}
		cmd.Process.Kill()
		for lines.Scan() {
			if s, err := strconv.Atoi(lines.Text()); err == nil {
				acked = zone.Serial(s)
			}
		}
		cmd.Wait()

		j := mustOpen(t, path)
		first, ok, err := j.Last(killApex(0))
		if err != nil {
			t.Fatal(err)
		}
		if first.Serial.Before(acked) {
			t.Errorf("round %d: serial %d was acknowledged, %d is kept", round, acked, first.Serial)
		}
		for i := range killZones {
			e, _, err := j.Last(killApex(i))
			if err != nil {
				t.Fatal(err)
			}
			if ok && (e.Serial != first.Serial || e.Digest != zone.Digest{byte(e.Serial), byte(i)} || e.Sequence != first.Sequence) {
				t.Errorf("round %d: zone %d has %+v, zone 0 %+v", round, i, e, first)
			}
		}
		j.Close()
	}
	if acked == 0 {
		t.Error("no batch was ever acknowledged")
	}
}
