package peer

// coreDNS: the plugin file alone, with a server block for each zone.
func coreDNS() *Peer {
	return &Peer{
		Name: "CoreDNS", program: "coredns",
		files: []config{{
			name: "Corefile",
			zone: "$ZONE:$PORT {\n\tbind 127.0.0.1\n\tfile $ZONES/$ZONE.zone {\n\t\treload $WATCH\n\t}\n}\n",
		}},
		args:    []string{"-quiet", "-conf", "$DIR/Corefile"},
		asked:   []string{"-version"},
		version: after("CoreDNS-"),
	}
}
