package peer

// dnsmasq only takes part where names are made: it has no master files.
func dnsmasq() *Peer {
	return &Peer{
		Name: "dnsmasq", program: "dnsmasq",
		files: []config{{
			name: "dnsmasq.conf",
			head: `no-resolv
no-hosts
pid-file=
user=
listen-address=127.0.0.1
port=$PORT
bind-interfaces
auth-server=ns1.example.net,127.0.0.1
auth-zone=example.net,10.0.0.0/8,2001:db8::/32
`,
		}},
		roles:   map[Role]role{Ranges: {zone: "synth-domain=example.net,$RANGE,dyn-\n"}},
		args:    []string{"--keep-in-foreground", "--conf-file=$DIR/dnsmasq.conf"},
		asked:   []string{"--version"},
		version: after("version"),
	}
}
