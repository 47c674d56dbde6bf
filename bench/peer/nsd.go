package peer

// nsd: one server process, which has no nsd.db.
func nsd() *Peer {
	return &Peer{
		Name: "NSD", program: "nsd", control: "nsd-control",
		files: []config{{
			name: "nsd.conf",
			head: `server:
	server-count: 1
	ip-address: 127.0.0.1@$PORT
	do-ip6: no
	reuseport: yes
	username: ""
	chroot: ""
	database: ""
	zonesdir: "$ZONES"
	pidfile: "$DIR/nsd.pid"
	logfile: "$DIR/nsd.log"
	xfrdfile: "$DIR/xfrd.state"
	xfrdir: "$DIR"
	zonelistfile: "$DIR/zone.list"
	tcp-count: 200
	tcp-query-count: 0
	tcp-timeout: 60
	minimal-responses: yes
	hide-version: yes
	rrl-ratelimit: 0
	statistics: 0
	verbosity: 0
remote-control:
	control-enable: yes
	control-interface: "$DIR/control"
`,
			zone: "zone:\n\tname: \"$ZONE\"\n\tzonefile: \"$ZONE.zone\"\n",
		}},
		roles: map[Role]role{
			Transfers: {zone: "zone:\n\tname: \"$ZONE\"\n\tzonefile: \"$ZONE.zone\"\n\tprovide-xfr: 127.0.0.0/8 NOKEY\n"},
			Secondary: {zone: "zone:\n\tname: \"$ZONE\"\n\trequest-xfr: AXFR 127.0.0.1@$PRIMARY NOKEY\n"},
		},
		args:    []string{"-d", "-c", "$DIR/nsd.conf"},
		reload:  []string{"nsd-control", "-c", "$DIR/nsd.conf", "reload", "$ZONE"},
		asked:   []string{"-v"},
		version: after("NSD version"),
	}
}
