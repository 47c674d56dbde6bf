package peer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Ptrd returns the peer for a binary of ptrd. Several can be compared, each under a
// name of its own.
func Ptrd(name, path string) (*Peer, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("%s: %w; make build makes it", name, err)
	}
	return &Peer{
		Name: name, program: path, path: path,
		files: []config{{
			name: "config.yaml",
			head: "listen: {dns: [\"127.0.0.1:$PORT\"]${ROLE}}\nstate_dir: $DIR/state\n${EXTRA}zones:\n",
			zone: "  - {name: $ZONE, file: $ZONES/$ZONE.zone}\n",
		}},
		roles: map[Role]role{
			Updates:     {zone: "  - {name: $ZONE, dynamic: {seed: $ZONES/$ZONE.zone}, update: {from: 127.0.0.0/8}}\n"},
			Forward:     {zone: "  - {name: $ZONE, file: $ZONES/$ZONE.zone}\n" + forwardItem},
			Derived:     {zone: "  - {name: $ZONE, file: $ZONES/$ZONE.zone, derive: [" + ForwardZone + "]}\n" + forwardItem},
			FileUpdates: {zone: "  - {name: $ZONE, file: $ZONES/$ZONE.zone, update: {from: 127.0.0.0/8}, transfer: {allow: [127.0.0.0/8]}}\n"},
			Transfers:   {zone: "  - {name: $ZONE, file: $ZONES/$ZONE.zone, transfer: {allow: [127.0.0.0/8]}}\n"},
			Hosted: {
				head: ", route53: \"127.0.0.1:$CONTROL\"",
				zone: "  - {name: $ZONE, dynamic: {seed: $ZONES/$ZONE.zone}, update: [{key: bench.}, {from: 127.0.0.0/8}]}\n",
			},
			ManyRanges: {zone: "  - {name: $ZONE, file: $ZONES/$ZONE.zone, synth: [$RANGES]}\n"},
			Ranges:     {zone: "  - {name: $ZONE, file: $ZONES/$ZONE.zone, synth: [{range: \"$RANGE\", name: \"dyn-$FIELD.example.net\", ttl: 1h}]}\n"},
			Secondary:  {zone: "  - {name: $ZONE, secondary: {primaries: \"127.0.0.1:$PRIMARY\"}}\n"},
		},
		args:   []string{"serve", "--config", "$DIR/config.yaml"},
		reload: []string{path, "reload", "--config", "$DIR/config.yaml"},
		asked:  []string{"version"},
		version: func(out string) string {
			line, _, _ := strings.Cut(out, "\n")
			return strings.TrimPrefix(line, "ptrd ")
		},
	}, nil
}

// forwardItem is the item of the configuration for ForwardZone.
const forwardItem = "  - {name: " + ForwardZone + ", nameservers: [ns1.example.net], dynamic: , update: {from: 127.0.0.0/8}}\n"
