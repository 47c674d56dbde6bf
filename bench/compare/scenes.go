package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/ptrd/ptrd/zone/zonetest"

	"github.com/ptrd/ptrd/zone"
)

// scene is a set of zones that are served together for some time.
type scene struct {
	name  string
	zones []sceneZone
	names []dname.Name // worth asking for
	fresh bool         // it begins with an empty state directory, so that any serial will do
	// edit returns other content of some zones; nil: they stay as they are.
	edit func(*generator) []sceneZone
}

type sceneZone struct{ apex, file, text string }

func (s *scene) apexes() (list []string) {
	for _, z := range s.zones {
		list = append(list, z.apex)
	}
	return list
}

// readScenes returns a scene for each zone set of a directory.
func readScenes(dir string) ([]*scene, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("%s: no zone sets (%v)", dir, err)
	}
	var out []*scene
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		archive := txtar.Parse(b)
		isSigned := bytes.Contains(archive.Comment, []byte("\nsign "))
		s := &scene{name: strings.TrimSuffix(filepath.Base(path), ".txtar"), fresh: isSigned}
		for line := range strings.Lines(string(archive.Comment)) {
			f := strings.Fields(line)
			switch {
			case len(f) == 3 && f[0] == "zone":
				i := slices.IndexFunc(archive.Files, func(x txtar.File) bool { return x.Name == f[2] })
				if i < 0 {
					return nil, fmt.Errorf("%s: no file %s", path, f[2])
				}
				s.zones = append(s.zones, sceneZone{f[1], s.name + "-" + f[2], string(archive.Files[i].Data)})
			case len(f) == 2 && f[0] == "ask":
				if n, err := dname.Parse(dns.Fqdn(f[1])); err == nil {
					s.names = append(s.names, n)
				}
			}
		}
		for _, z := range s.zones {
			more, err := namesIn(z)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", path, err)
			}
			s.names = append(s.names, more...)
		}
		out = append(out, s)
	}
	return out, nil
}

// namesIn returns the owner names of a master file and those near them.
func namesIn(z sceneZone) ([]dname.Name, error) {
	apex, err := dname.Parse(dns.Fqdn(z.apex))
	if err != nil {
		return nil, err
	}
	o := zonetest.New(apex)
	p := dns.NewZoneParser(bytes.NewReader([]byte(z.text)), dns.Fqdn(z.apex), z.file)
	p.SetDefaultTTL(3600)
	for r, ok := p.Next(); ok; r, ok = p.Next() {
		if owner, err := dname.Parse(r.Header().Name); err == nil && owner.IsAtOrBelow(apex) {
			o.Add(zone.Record{Owner: owner, Type: rr.TypeTXT, TTL: 1, Data: []byte{0}})
		}
	}
	if p.Err() != nil {
		return nil, p.Err()
	}
	return withOwners(zonetest.NewRandom(1).Neighbours(o), o), nil
}

// withOwners adds the names that exist often enough that a good part of all queries is for
// them.
func withOwners(names []dname.Name, o *zonetest.Oracle) []dname.Name {
	for range 15 {
		names = append(names, o.Owners()...)
	}
	return names
}

// randomScene returns zones of chance, of which some are signed.
func randomScene(seed uint64) *scene {
	g := zonetest.NewRandom(seed)
	choice := rand.New(rand.NewPCG(seed, 7))
	s := &scene{name: fmt.Sprintf("random %d", seed), fresh: true}
	all := zonetest.Apexes()
	choice.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	var oracles []*zonetest.Oracle
	how := make([]*zonetest.Denial, 0, 5)
	for i, apex := range all[:5] {
		o := g.Zone(dname.MustParse(apex), 40+choice.IntN(200))
		var d *zonetest.Denial
		if len(o.Apex) < 200 && choice.IntN(2) == 0 {
			d = &zonetest.Denial{NSEC3: choice.IntN(2) == 0, Iterations: choice.IntN(3), Salt: "\xab\xcd"[:choice.IntN(3)]}
			d.OptOut = d.NSEC3 && choice.IntN(2) == 0
		}
		oracles, how = append(oracles, o), append(how, d)
		s.names = append(s.names, withOwners(g.Neighbours(o), o)...)
		s.zones = append(s.zones, randomZone(o, d, fmt.Sprintf("random%d-%d.zone", seed, i)))
	}
	s.edit = func(*generator) []sceneZone {
		var out []sceneZone
		for i := range oracles {
			if choice.IntN(2) == 0 {
				continue
			}
			oracles[i] = g.Edit(oracles[i])
			out = append(out, randomZone(oracles[i], how[i], s.zones[i].file))
		}
		return out
	}
	return s
}

// randomZone returns a zone as a master file, without what ptrd refuses in one: name
// servers at a wildcard.
func randomZone(o *zonetest.Oracle, d *zonetest.Denial, file string) sceneZone {
	o = o.Clone()
	for _, owner := range slices.Clone(o.Owners()) {
		if owner.IsWildcard() && o.Get(owner, rr.TypeNS) != nil {
			o.Remove(owner, rr.TypeNS)
		}
	}
	if d != nil {
		// Some random names are none that the signer can sign: such a zone stays unsigned.
		if signed, err := zonetest.Sign(o, 9, *d); err == nil {
			o = signed
		}
	}
	var b strings.Builder
	for _, r := range o.Records() {
		text := zonetest.DataText(r.Type, string(r.Data))
		if r.Type >= 65280 {
			text = fmt.Sprintf(`\# %d %x`, len(r.Data), r.Data)
		}
		fmt.Fprintf(&b, "%v %d IN %v %s\n", r.Owner, r.TTL, r.Type, text)
	}
	return sceneZone{o.Apex.String(), file, b.String()}
}
