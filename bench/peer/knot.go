package peer

import (
	"os"
	"path/filepath"

	"github.com/ptrd/ptrd/bench/dataset"
)

// knot: no journal, whole zone files; what changed between two is not computed.
func knot() *Peer {
	return &Peer{
		Name: "Knot", program: "knotd", control: "knotc",
		files: []config{{
			name: "knot.conf",
			head: `server:
    rundir: "$DIR"
    listen: 127.0.0.1@$PORT
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    tcp-max-clients: 200
    tcp-idle-timeout: 60
    tcp-reuseport: off
control:
    listen: "$DIR/control"
log:
  - target: "$DIR/knot.log"
    any: warning
database:
    storage: "$DIR/db"
${ROLE}template:
  - id: default
    storage: "$ZONES"
    file: "%s.zone"
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
    semantic-checks: off
zone:
`,
			zone: "  - domain: \"$ZONE\"\n",
		}},
		roles: map[Role]role{
			Updates:   {"acl:\n  - id: loopback\n    address: 127.0.0.0/8\n    action: update\n", "  - domain: \"$ZONE\"\n    journal-content: changes\n    acl: loopback\n"},
			Transfers: {"acl:\n  - id: loopback\n    address: 127.0.0.0/8\n    action: transfer\n", "  - domain: \"$ZONE\"\n    acl: loopback\n"},
			Ranges: {`mod-synthrecord:
  - id: made
    type: reverse
    prefix: dyn-
    origin: example.net
    reverse-short: off
    network: [ ` + dataset.Made4 + ", " + dataset.Made6 + " ]\n",
				"  - domain: \"$ZONE\"\n    module: mod-synthrecord/made\n"},
			Secondary: {"remote:\n  - id: primary\n    address: 127.0.0.1@$PRIMARY\n",
				"  - domain: \"$ZONE\"\n    storage: \"$DIR\"\n    zonefile-load: none\n    journal-content: changes\n    master: primary\n"},
		},
		prepare: func(s *Site) error { return os.MkdirAll(filepath.Join(s.Dir, "db"), 0o755) },
		args:    []string{"-c", "$DIR/knot.conf"},
		reload:  []string{"knotc", "-s", "$DIR/control", "zone-reload", "$ZONE"},
		asked:   []string{"-V"},
		version: after("version"),
	}
}
