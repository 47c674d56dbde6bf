package peer

import "strings"

// coreDNS: the plugin file alone, with a server block for each zone.
func coreDNS() *Peer {
	return &Peer{
		Name: "CoreDNS", program: "coredns",
		files: []config{{
			name: "Corefile",
			zone: "$ZONE:$PORT {\n\tbind 127.0.0.1\n\tfile $ZONES/$ZONE.zone {\n\t\treload $WATCH\n\t}\n}\n",
		}},
		roles:   map[Role]role{Ranges: {zone: coreDNSRanges()}},
		args:    []string{"-quiet", "-conf", "$DIR/Corefile"},
		asked:   []string{"-version"},
		version: after("CoreDNS-"),
	}
}

// coreDNSRanges returns the server block of a zone in which names are made by regular expressions.
func coreDNSRanges() string {
	nibbles, groups := "", ""
	for i := range 24 {
		name, class := string(rune('a'+i)), "[0-9a-f]"
		if i == 23 {
			class = "[0-7]"
		}
		nibbles += "(?P<" + name + ">" + class + ")[.]"
		groups = "{{ .Group." + name + " }}" + groups
		if i%4 == 3 {
			groups = "-" + groups
		}
	}
	return `$ZONE:$PORT {
	bind 127.0.0.1
	template IN PTR 10.in-addr.arpa {
		match ^(?P<d>[0-9]+)[.](?P<c>[0-9]+)[.](?P<b>[0-9]|[1-9][0-9]|1[01][0-9]|12[0-7])[.]10[.]in-addr[.]arpa[.]
		answer "{{ .Name }} 3600 IN PTR dyn-10-{{ .Group.b }}-{{ .Group.c }}-{{ .Group.d }}.example.net."
		fallthrough
	}
	template IN PTR ip6.arpa {
		match ^` + nibbles + `8[.]b[.]d[.]0[.]1[.]0[.]0[.]2[.]ip6[.]arpa[.]
		answer "{{ .Name }} 3600 IN PTR dyn-2001-0db8` + strings.TrimSuffix(groups, "-") + `.example.net."
		fallthrough
	}
	file $ZONES/$ZONE.zone
}
`
}
