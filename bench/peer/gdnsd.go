package peer

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

func gdnsd() *Peer {
	return &Peer{
		Name: "gdnsd", program: "gdnsd", control: "gdnsdctl",
		files: []config{{
			name: "config",
			head: `options => {
  listen => [ "127.0.0.1:$PORT" ]
  run_dir => "$DIR/run"
  state_dir => "$DIR/state"
  udp_threads => 1
  tcp_threads => 1
  tcp_clients_per_thread => 200
  tcp_timeout => 300
  chaos_response => "x"
}
`,
		}},
		prepare: linkZones,
		args:    []string{"-c", "$DIR", "start"},
		reload:  []string{"gdnsdctl", "-c", "$DIR", "reload-zones"},
		asked:   []string{"-h"},
		version: after("gdnsd version"),
	}
}

// linkZones makes gdnsd's directory, in which a file has the name of its zone.
func linkZones(s *Site) error {
	for _, d := range []string{"run", "state", "zones"} {
		if err := os.MkdirAll(filepath.Join(s.Dir, d), 0o755); err != nil {
			return err
		}
	}
	for _, z := range s.Apexes {
		from, to := filepath.Join(s.Zones, z+".zone"), filepath.Join(s.Dir, "zones", z)
		if err := os.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if os.Link(from, to) == nil {
			continue
		}
		if err := CopyFile(from, to); err != nil { // on another file system
			return err
		}
	}
	return nil
}

// CopyFile makes to a copy of the file from.
func CopyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
