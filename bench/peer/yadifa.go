package peer

import (
	"os"
	"path/filepath"
	"syscall"
)

func yadifa() *Peer {
	return &Peer{
		Name: "YADIFA", program: "yadifad",
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
	allow-control any
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
		signal:  syscall.SIGHUP,
		asked:   []string{"--version"},
		version: after("yadifad"),
	}
}
