package peer

// The key protects a port of the loopback address for as long as a run lasts.
const controlKey = `key k { algorithm hmac-sha256; secret "YmVuY2ggYmVuY2ggYmVuY2g="; };` + "\n"

func bind() *Peer {
	return &Peer{
		Name: "BIND", program: "named", control: "rndc",
		files: []config{{
			name: "named.conf",
			head: `options {
	directory "$DIR";
	pid-file "$DIR/named.pid";
	session-keyfile "$DIR/session.key";
	listen-on port $PORT { 127.0.0.1; };
	listen-on-v6 { none; };
	recursion no;
	allow-transfer { none; };
	notify no;
	minimal-responses yes;
	minimal-any yes;
	empty-zones-enable no;
	dnssec-validation no;
	zone-statistics none;
	querylog no;
	tcp-clients 200;
	tcp-idle-timeout 600;
	max-cache-size 16m;
};
logging {
	channel f { file "$DIR/named.log"; severity warning; };
	category default { f; };
	category lame-servers { null; };
	category queries { null; };
};
` + controlKey + `controls { inet 127.0.0.1 port $CONTROL allow { 127.0.0.1; } keys { k; }; };
`,
			zone: "zone \"$ZONE\" { type primary; file \"$ZONES/$ZONE.zone\"; };\n",
		}, {
			name: "rndc.conf",
			head: controlKey + "options { default-key k; default-server 127.0.0.1; default-port $CONTROL; };\n",
		}},
		roles: map[Role]role{
			Updates: {zone: "zone \"$ZONE\" { type primary; file \"$ZONES/$ZONE.zone\"; journal \"$DIR/$ZONE.jnl\"; allow-update { 127.0.0.0/8; }; };\n"},
		},
		args:    []string{"-4", "-f", "-n", "1", "-c", "$DIR/named.conf"},
		reload:  []string{"rndc", "-c", "$DIR/rndc.conf", "reload", "$ZONE"},
		asked:   []string{"-v"},
		version: after("BIND"),
	}
}
