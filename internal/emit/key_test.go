package emit

import (
	"strings"
	"testing"

	"github.com/ptrd/ptrd/internal/peertest"
	"github.com/ptrd/ptrd/zone/dname"
)

// TestKeyText: the checkers of the programs accept a key with its comment.
func TestKeyText(t *testing.T) {
	key := Key{dname.MustParse("transfer-key.example"), "hmac-sha512"}
	for _, c := range []struct {
		program string
		target  Target
		config  string // that includes the file KEY; DIR is its directory
		args    string // of the checker; CONF is the configuration
	}{
		{"named-checkconf", bind, "include \"KEY\";\n", "CONF"},
		{"nsd-checkconf", nsd, "server:\n\tusername: \"\"\n\tzonesdir: \"DIR\"\ninclude: \"KEY\"\n", "CONF"},
		{"knotc", knot, "server:\n    listen: 127.0.0.1@5399\ndatabase:\n    storage: \"DIR\"\ninclude: \"KEY\"\n", "-c CONF conf-check"},
		{"kea-dhcp-ddns", kea, "{\"DhcpDdns\": {\"tsig-keys\": [\n<?include \"KEY\"?>\n]}}\n", "-t CONF"},
		{"dhcpd", iscDHCPD, "include \"KEY\";\nsubnet 192.0.2.0 netmask 255.255.255.0 {}\n", "-t -cf CONF"},
	} {
		t.Run(c.target.Name, func(t *testing.T) {
			text, err := c.target.KeyText(key, sampleSecret)
			if err != nil {
				t.Fatal(err)
			}
			item, _ := ptrd.KeyText(key, sampleSecret)
			dir := t.TempDir()
			file := writeFile(t, dir, "key", c.target.Comment("An item for `keys` of ptrd:", item)+"\n"+text+"\n")
			program := peertest.Require(t, c.program)
			conf := writeFile(t, dir, "conf", strings.NewReplacer("KEY", file, "DIR", dir).Replace(c.config))
			run(t, dir, program, strings.Fields(strings.ReplaceAll(c.args, "CONF", conf))...)
		})
	}
	if _, err := bind.KeyText(Key{dname.MustParse(`a\"b`), "hmac-sha512"}, sampleSecret); err == nil {
		t.Error("a quote in a name is accepted")
	}
}
