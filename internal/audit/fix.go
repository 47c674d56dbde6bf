package audit

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/hosted"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
)

// Fix is what adds the records that are missing.
type Fix struct {
	Dir     string   `json:"dir,omitempty"` // that the file names in Diff are relative to
	Diff    string   `json:"diff"`          // of files, in unified format; empty: none
	Scripts []Script `json:"scripts"`       // for what no file has
}

// Script is what to do about a zone whose source is no file that can be edited.
type Script struct {
	Zone string `json:"zone"`
	What string `json:"what"`
	Text string `json:"text"`
}

// fixer collects what to add.
type fixer struct {
	cfg     *config.Config
	items   map[string]map[string][]*config.Addition // by file, then by key path of the item
	of      map[string][]*Missing                    // that an item is to have, by file
	lines   map[string][]string                      // to append to master files and hosts files
	scripts map[string]*Script                       // by zone and what
	order   []string                                 // keys of scripts
}

// Propose returns what makes the addresses of a report ok. The sources are not changed.
func Propose(cfg *config.Config, r *Report) (*Fix, error) {
	f := fixer{
		cfg: cfg, items: map[string]map[string][]*config.Addition{}, of: map[string][]*Missing{},
		lines: map[string][]string{}, scripts: map[string]*Script{},
	}
	for i := range r.Findings {
		f.add(&r.Findings[i])
	}
	return f.fix()
}

// add decides where a record belongs.
func (f *fixer) add(one *Finding) {
	m := one.Missing
	if m == nil {
		if one.State == Mismatch || one.State == NoAddress {
			f.script(one.Zone, "these names are in zones of other servers: correct the PTRs, or ask the operators of the zones for", fmt.Sprintf("%s %v %v\n", one.Names[0], rr.AddressType(one.Address), one.Address))
		}
		return
	}
	switch m.Source.Kind {
	case Secondary:
		f.script(m.Zone, "a secondary zone: ask the operator of its primary ("+strings.Join(m.Source.Primaries, ", ")+") for", m.line()+"\n")
	case Signed:
		f.script(m.Zone, "a signed zone: add to its source, and sign it again", m.line()+"\n")
	case Dynamic:
		f.script(m.Zone, "by nsupdate, with the key that may update the zone", f.update(m))
	case Hosted:
		f.script(m.Zone, "by the API of Route 53", f.batch(m))
	default:
		if item := f.item(m.Zone); item != nil {
			f.toItem(item, m)
		}
	}
}

func (f *fixer) item(apex string) *config.Zone {
	n := dname.MustParse(apex)
	for i := range f.cfg.Zones {
		if slices.ContainsFunc(f.cfg.Zones[i].Apexes, n.Equal) {
			return &f.cfg.Zones[i]
		}
	}
	return nil
}

// script adds text to the script of a zone.
func (f *fixer) script(zone, what, text string) {
	key := zone + " " + what
	if f.scripts[key] == nil {
		f.scripts[key] = &Script{Zone: zone, What: what}
		f.order = append(f.order, key)
	}
	f.scripts[key].Text += text
}

// toItem adds a record to the sources of an item: to the place that has records of its kind
// already, else to its first file, else to the configuration.
func (f *fixer) toItem(item *config.Zone, m *Missing) {
	owner := dname.MustParse(m.Owner)
	isHere := slices.ContainsFunc(item.Records, func(r config.Record) bool { return r.Owner.Equal(owner) && r.Type == m.Type.String() })
	inPTR := m.Type == rr.TypePTR && item.Prefix.IsValid()
	switch {
	case isHere || inPTR && len(item.PTR) > 0:
	case len(item.Files) > 0:
		line := m.line()
		if len(m.Others) > 0 { // all records of an RRset have the same TTL (RFC 2181 §5.2)
			line = fmt.Sprintf("%s %d %v %s", m.Owner, m.TTL, m.Type, m.Data)
		}
		f.append(item.Files[0].Path, line)
		return
	case inPTR && len(item.Hosts) > 0:
		address, _ := f.address(item, owner)
		f.append(item.Hosts[0].Path, address.String()+" "+strings.TrimSuffix(m.Data, "."))
		return
	}
	file := item.Pos.File
	if f.items[file] == nil {
		f.items[file] = map[string][]*config.Addition{}
	}
	list := f.items[file][item.Path]
	if address, ok := f.address(item, owner); inPTR && !isHere && ok {
		f.items[file][item.Path] = addBelow(list, "ptr", &config.Addition{Key: quote(address.String()), Values: []string{quote(m.Data)}, Is: func(key string) bool {
			a, err := netip.ParseAddr(key)
			return err == nil && a == address
		}})
	} else {
		isOwner := func(key string) bool {
			n, err := dname.ParseIn(key, item.Origin)
			return err == nil && n.Equal(owner) || key == m.Owner
		}
		name := &config.Addition{Key: quote(m.Owner), Is: isOwner, Below: []*config.Addition{{Key: m.Type.String(), Values: []string{quote(m.Data)}}}}
		f.items[file][item.Path] = addBelow(list, "records", name)
	}
	f.of[file] = append(f.of[file], m)
}

// addBelow adds an entry to that with a key in a list, where entries with the same key become one.
func addBelow(list []*config.Addition, key string, entry *config.Addition) []*config.Addition {
	i := slices.IndexFunc(list, func(a *config.Addition) bool { return a.Key == key })
	if i < 0 {
		return append(list, &config.Addition{Key: key, Below: []*config.Addition{entry}})
	}
	below := list[i].Below
	j := slices.IndexFunc(below, func(a *config.Addition) bool { return a.Key == entry.Key })
	switch {
	case j < 0:
		list[i].Below = append(below, entry)
	case entry.Below == nil:
		below[j].Values = append(below[j].Values, entry.Values...)
	default:
		for _, b := range entry.Below {
			k := slices.IndexFunc(below[j].Below, func(a *config.Addition) bool { return a.Key == b.Key })
			if k < 0 {
				below[j].Below = append(below[j].Below, b)
			} else {
				below[j].Below[k].Values = append(below[j].Below[k].Values, b.Values...)
			}
		}
	}
	return list
}

// quote quotes what YAML might read as something else.
func quote(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == "" {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// address returns the address that an owner name in a zone of an item stands for.
func (f *fixer) address(item *config.Zone, owner dname.Name) (netip.Addr, bool) {
	s := Settings{Item: func(dname.Name) *config.Zone { return item }}
	return s.address(item.Name, owner)
}

// append adds a line to the end of a file.
func (f *fixer) append(path, line string) {
	if !slices.Contains(f.lines[path], line) {
		f.lines[path] = append(f.lines[path], line)
	}
}

// update returns the lines of nsupdate for a record.
func (f *fixer) update(m *Missing) string {
	server := "127.0.0.1 53"
	if listen := f.cfg.Listen.DNS; len(listen) > 0 {
		at := listen[0]
		if at.Addr().IsUnspecified() {
			at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
		}
		server = fmt.Sprintf("%v %d", at.Addr(), at.Port())
	}
	return fmt.Sprintf("server %s\nzone %s\nupdate add %s %d %v %s\nsend\n", server, m.Zone, m.Owner, m.TTL, m.Type, m.Data)
}

// batch returns the command for a record of a hosted zone. A change batch replaces the RRset.
func (f *fixer) batch(m *Missing) string {
	apex := dname.MustParse(m.Zone)
	b := zone.NewBuilder(apex)
	ns := dname.MustParse("ns.invalid.")
	b.Add(zone.Record{Owner: apex, Type: rr.TypeSOA, Data: append(slices.Concat(ns, ns), make([]byte, rr.SOANumbersLen)...)}) // Export leaves these two out
	b.Add(zone.Record{Owner: apex, Type: rr.TypeNS, Data: ns})
	for _, text := range append(slices.Clone(m.Others), m.Data) {
		data := []byte(nil)
		if m.Type == rr.TypePTR {
			data = dname.MustParse(text)
		} else {
			data = netip.MustParseAddr(text).AsSlice()
		}
		b.Add(zone.Record{Owner: dname.MustParse(m.Owner), Type: m.Type, TTL: m.TTL, Data: data})
	}
	z, _ := b.Build()
	if z == nil {
		return m.line() + "\n"
	}
	batches, _, err := hosted.Export(z)
	if err != nil || len(batches) != 1 {
		return m.line() + "\n"
	}
	return fmt.Sprintf("aws route53 change-resource-record-sets --hosted-zone-id %s --change-batch '%s'\n", m.Source.ID, batches[0])
}

// fix reads the files and returns their differences to what they should be.
func (f *fixer) fix() (*Fix, error) {
	type change struct {
		path     string
		old, new []byte
	}
	var changes []change
	for path, items := range f.items {
		old, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		text, err := config.Edit(old, items)
		if err != nil {
			for _, m := range f.of[path] {
				f.script(m.Zone, fmt.Sprintf("%s is written in a way that cannot be edited here (%v): add to it", path, err), m.line()+"\n")
			}
			continue
		}
		changes = append(changes, change{path, old, text})
	}
	for path, lines := range f.lines {
		old, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		text := bytes.Clone(old)
		if len(text) > 0 && text[len(text)-1] != '\n' {
			text = append(text, '\n')
		}
		changes = append(changes, change{path, old, append(text, strings.Join(lines, "\n")+"\n"...)})
	}
	slices.SortFunc(changes, func(a, b change) int { return strings.Compare(a.path, b.path) })
	out := &Fix{Scripts: []Script{}}
	for _, key := range f.order {
		out.Scripts = append(out.Scripts, *f.scripts[key])
	}
	if len(changes) == 0 {
		return out, nil
	}
	paths := make([]string, len(changes))
	for i, c := range changes {
		var err error
		if paths[i], err = filepath.Abs(c.path); err != nil {
			return nil, err
		}
	}
	var err error
	if out.Dir, err = filepath.Abs(f.cfg.Dir); err != nil {
		return nil, err
	}
	// patch refuses names that lead out of its directory.
	for _, p := range paths {
		if rel, err := filepath.Rel(out.Dir, p); err != nil || !filepath.IsLocal(rel) {
			out.Dir = "/"
		}
	}
	var text bytes.Buffer
	for i, c := range changes {
		name, err := filepath.Rel(out.Dir, paths[i])
		if err != nil {
			return nil, err
		}
		text.Write(diff.Diff(name, c.old, name, c.new))
	}
	out.Diff = text.String()
	return out, nil
}

// Print writes the diff, and as comments that patch ignores what else there is to do.
func (x *Fix) Print(out io.Writer) error {
	var b strings.Builder
	if x.Diff != "" {
		fmt.Fprintf(&b, "# apply it by: patch -p0 -d %s\n%s", x.Dir, x.Diff)
	}
	for _, s := range x.Scripts {
		fmt.Fprintf(&b, "\n# zone %s, %s:\n%s", s.Zone, s.What, s.Text)
	}
	_, err := io.WriteString(out, b.String())
	return err
}
