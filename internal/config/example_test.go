package config

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/zone/dname"
	"gopkg.in/yaml.v3"
)

const examplePath = "../../config.example.yaml"

func example(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var (
	commentedKey  = regexp.MustCompile(`(?m)^( *)#([a-z0-9_-]+:)`)
	commentedItem = regexp.MustCompile(`(?m)^( *)#(- |  )`) // a line of an item that needs servers of others
)

// uncommented returns the example with its commented defaults.
func uncommented(t *testing.T) string {
	return commentedKey.ReplaceAllString(example(t), "$1$2")
}

// whole returns the example with its commented items and defaults.
func whole(t *testing.T) string {
	items := commentedItem.ReplaceAllString(example(t), "$1$2")
	return commentedKey.ReplaceAllString(items, "$1$2")
}

// TestExampleDefaults: uncommenting what config.example.yaml calls a default
// changes nothing, and the defaults named in prose are the real ones.
func TestExampleDefaults(t *testing.T) {
	plain, err := Parse(examplePath, []byte(example(t)))
	if err != nil {
		t.Fatal(err)
	}
	full, err := Parse(examplePath, []byte(uncommented(t)))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(commentedKey.FindAllString(example(t), -1)); n < 20 {
		t.Errorf("%d commented defaults only", n)
	}
	if !reflect.DeepEqual(plain, full) {
		t.Errorf("uncommented defaults differ:\n%+v\n%+v", plain, full)
	}
	d := defaultConfig()
	prose := regexp.MustCompile(`\s*\n\s*# `).ReplaceAllString(example(t), " ")
	for _, want := range []string{
		fmt.Sprintf("Default %v and %v;", d.Listen.DNS[0], d.Listen.DNS[1]),
		fmt.Sprintf("Default %s.", d.StateDir),
	} {
		if !strings.Contains(prose, want) {
			t.Errorf("the example does not say %q", want)
		}
	}
	if d.Listen.Admin.IsValid() {
		t.Error("the example says that there is no admin listener by default")
	}
}

// TestExampleIsWhole puts an unknown key into each mapping of the example, reads
// from the message which keys there could be, and asks that each is used
// somewhere at that place. Sections that the example leaves out would be missed,
// but for being keys of others.
func TestExampleIsWhole(t *testing.T) {
	var doc yaml.Node
	text := whole(t)
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	used := map[string][]string{}    // keys by place: the key path without numbers and data
	allowed := map[string][]string{} // by place
	for _, m := range mappings(doc.Content[0], "") {
		used[m.place] = append(used[m.place], m.keys()...)
		bogus := &yaml.Node{Kind: yaml.ScalarNode, Value: "not_a_key_at_all"}
		m.node.Content = append(m.node.Content, bogus, &yaml.Node{Kind: yaml.ScalarNode, Value: "x"})
		out, err := yaml.Marshal(&doc)
		if err != nil {
			t.Fatal(err)
		}
		m.node.Content = m.node.Content[:len(m.node.Content)-2]
		_, err = Parse(examplePath, out)
		if err == nil {
			t.Errorf("%s: an unknown key was accepted", m.place)
			continue
		}
		found := regexp.MustCompile(`unknown key "not_a_key_at_all"; the keys allowed here are (.*)`).FindStringSubmatch(err.Error())
		if found == nil {
			continue // keys are data there
		}
		allowed[m.place] = strings.Split(found[1], ", ")
	}
	count := 0
	for place, keys := range allowed {
		for _, key := range keys {
			count++
			if !slices.Contains(used[place], key) && !slices.Contains(used[explained(place)], key) {
				t.Errorf("%s.%s is not in the example", place, key)
			}
		}
	}
	if count < 55 {
		t.Errorf("%d keys found only", count)
	}
}

// explained returns where the example explains a mapping of a catalog that
// is the same in zones, or in another mapping of it.
func explained(place string) string {
	place = strings.Replace(place, ".catalogs[].groups.lab", ".catalogs[].members", 1)
	place = strings.Replace(place, ".zones_from[]", ".zones[]", 1)
	place = strings.Replace(place, ".zones[].checks", ".defaults.checks", 1)
	return regexp.MustCompile(`^\.catalogs\[\]\.(?:members\.)?(secondary|transfer|access)`).ReplaceAllString(place, ".zones[].$1")
}

type mapping struct {
	place string
	node  *yaml.Node
}

func (m mapping) keys() (keys []string) {
	for i := 0; i < len(m.node.Content); i += 2 {
		keys = append(keys, m.node.Content[i].Value)
	}
	return keys
}

func mappings(n *yaml.Node, place string) (list []mapping) {
	switch n.Kind {
	case yaml.SequenceNode:
		for _, c := range n.Content {
			list = append(list, mappings(c, place+"[]")...)
		}
	case yaml.MappingNode:
		list = append(list, mapping{place, n})
		isData := strings.HasSuffix(place, ".ptr") || strings.Contains(place, ".records") && !strings.HasSuffix(place, "{}{}")
		for i := 0; i < len(n.Content); i += 2 {
			at := place + "." + n.Content[i].Value
			if isData {
				at = place + "{}"
			}
			list = append(list, mappings(n.Content[i+1], at)...)
		}
	}
	return list
}

// TestExampleConfirms: each PTR record that the example serves in reverse zones
// leads to a name that has the address, in the forward zones of the example.
func TestExampleConfirms(t *testing.T) {
	cfg, err := Load(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	type pair struct {
		owner string // of a PTR record
		name  string
	}
	forward := map[pair]bool{}
	var reverse []pair
	for _, z := range cfg.Zones {
		for _, p := range z.PTR {
			for _, n := range p.Targets {
				reverse = append(reverse, pair{dname.FromAddr(p.Addr).String(), n.String()})
			}
		}
		for _, f := range z.Files {
			for _, r := range masterFile(t, f.Path, z.Origin.String()) {
				switch r := r.(type) {
				case *dns.A:
					a, _ := netip.AddrFromSlice(r.A.To4())
					forward[pair{dname.FromAddr(a).String(), r.Hdr.Name}] = true
				case *dns.AAAA:
					a, _ := netip.AddrFromSlice(r.AAAA)
					forward[pair{dname.FromAddr(a).String(), r.Hdr.Name}] = true
				case *dns.PTR:
					reverse = append(reverse, pair{r.Hdr.Name, r.Ptr})
				}
			}
		}
		for _, h := range z.Hosts {
			data, err := os.ReadFile(h.Path)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(data)) {
				f := strings.Fields(line)
				if len(f) < 2 || f[0] == "#" {
					continue
				}
				if a := netip.MustParseAddr(f[0]); z.Prefix.Contains(a) {
					reverse = append(reverse, pair{dname.FromAddr(a).String(), f[1] + "."})
				}
			}
		}
		for _, ns := range z.NameServers {
			for _, a := range ns.Addresses {
				forward[pair{dname.FromAddr(a).String(), ns.Name.String()}] = true
			}
		}
	}
	if len(reverse) < 30 {
		t.Errorf("%d PTR records only", len(reverse))
	}
	for _, p := range reverse {
		if !forward[p] {
			t.Errorf("%s PTR %s does not lead back", p.owner, p.name)
		}
	}
}

func masterFile(t *testing.T, path, origin string) (list []dns.RR) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := dns.NewZoneParser(f, origin, path)
	for r, ok := p.Next(); ok; r, ok = p.Next() {
		list = append(list, r)
	}
	if err := p.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestExampleIsForDocumentation: addresses and names are those of RFC 5737, RFC
// 3849 and RFC 2606, and it listens on loopback alone.
func TestExampleIsForDocumentation(t *testing.T) {
	cfg, err := Load(examplePath)
	if err != nil {
		t.Fatal(err)
	}
	allowed := regexp.MustCompile(`^(192\.0\.2\.|198\.51\.100\.|203\.0\.113\.|127\.|2001:db8:|::1$|0\.0\.0\.0|::)`)
	paths, err := filepath.Glob("../../examples/*")
	if err != nil {
		t.Fatal(err)
	}
	included, err := filepath.Glob("../../examples/*/*")
	if err != nil {
		t.Fatal(err)
	}
	paths = slices.DeleteFunc(append(paths, included...), func(path string) bool {
		return strings.Contains(path, "-state") || filepath.Ext(path) == ".d" || filepath.Ext(path) == "" && filepath.Base(path) == "zones"
	})
	for _, path := range append(paths, examplePath) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		text := regexp.MustCompile(`\S*\.arpa`).ReplaceAllString(string(data), "")
		for _, s := range regexp.MustCompile(`[0-9a-f.:]+`).FindAllString(text, -1) {
			s = strings.TrimRight(s, ".")
			if a, err := netip.ParseAddr(s); err == nil && !allowed.MatchString(a.String()) {
				t.Errorf("%s: %v is not an address for documentation", path, a)
			}
		}
	}
	for _, ap := range append(cfg.Listen.DNS, cfg.Listen.Admin) {
		if !ap.Addr().IsLoopback() || ap.Port() < 1024 {
			t.Errorf("listens on %v", ap)
		}
	}
}
