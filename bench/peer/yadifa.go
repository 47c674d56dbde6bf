package peer

import (
	"os"
	"path/filepath"
)

// controlHMAC is the key of the configuration, which protects a loopback port.
const controlHMAC = "hmac-sha256:k:YmVuY2ggYmVuY2ggYmVuY2g="

func yadifa() *Peer {
	return &Peer{
		Name: "YADIFA", program: "yadifad", control: "yadifa",
		files: []config{{
			name: "yadifad.conf",
			head: `<main>
	chroot off
	daemon off
	logpath "$DIR"
	pidfile "$DIR/yadifad.pid"
	datapath "$ZONES"
	keyspath "$DIR/keys"
	xfrpath "$DIR/xfr"
	listen 127.0.0.1 port $PORT
	hostname-chaos x
	version-chaos x
	uid $UID
	gid $UID
	allow-query any
	allow-control key k
	statistics off
	answer-formerr-packets on
	cpu-count-override 1
	thread-count-by-address 1
	max-tcp-queries 200
</main>
<rrl>
	enabled off
</rrl>
<nsid>
</nsid>
<key>
	name k
	algorithm hmac-sha256
	secret YmVuY2ggYmVuY2ggYmVuY2g=
</key>
<channels>
	log yadifad.log 0644
</channels>
<loggers>
	* EMERG,ALERT,CRIT,ERR,WARNING log
</loggers>
`,
			zone: "<zone>\n domain $ZONE\n file $ZONE.zone\n type master\n</zone>\n",
		}},
		prepare: func(s *Site) error {
			for _, d := range []string{"keys", "xfr"} {
				if err := os.MkdirAll(filepath.Join(s.Dir, d), 0o755); err != nil {
					return err
				}
			}
			return nil
		},
		args:    []string{"-c", "$DIR/yadifad.conf"},
		reload:  []string{"yadifa", "ctrl", "-s", "127.0.0.1 port $PORT", "-y", controlHMAC, "-t", "RELOAD", "-q", "$ZONE"},
		asked:   []string{"--version"},
		version: after("yadifad"),
	}
}
