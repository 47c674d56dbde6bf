package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"github.com/ptrd/ptrd/zone/infile"
	"github.com/ptrd/ptrd/zone/spelling"
	"github.com/ptrd/ptrd/zone/zonefile"
)

// ZonesFrom is an item of `zones_from`: a directory whose files are zones.
type ZonesFrom struct {
	Path string           // key path, `zones_from[0]`
	Pos  finding.Position // of the item
	Directory
	naming  string      // what names a zone: soa, file, prefix
	style   dname.Style // of classless zones that a prefix names
	options *ZoneOptions
}

// zoneName is the name of a zone, or a prefix that has a name.
type zoneName struct {
	name   dname.Name
	prefix netip.Prefix
}

// zonesFrom reads one item of `zones_from`.
func (v value) zonesFrom(defaults *Defaults) (z ZonesFrom, ok bool) {
	before := v.doc.errors()
	z = ZonesFrom{Path: v.path, Pos: v.pos(), Directory: Directory{Pattern: "*.zone"}}
	own := &ZoneOptions{Defaults: *defaults}
	z.options, z.naming = own, "soa"
	keys := append([]field{
		{"dir", func(v value) { z.Directory.Path = v.sourcePath() }},
		{"pattern", func(v value) {
			if s, ok := v.text(); ok {
				z.Pattern = s
			}
		}},
		{"name", func(v value) { z.naming = v.oneOf("soa", "file", "prefix") }},
		{"style", func(v value) {
			z.style, _ = dname.ParseStyle(v.oneOf("range", "slash", "rfc4183"))
			if z.naming != "prefix" {
				v.fail("`style` completes the names of prefixes; give `name: prefix`, or remove `style`")
			}
		}},
	}, own.fields()...)
	if !v.isMapping() {
		v.fail("%s, must be a mapping with `dir`, such as `- {dir: zones, pattern: \"*.zone\"}`", v.describe())
		return z, false
	}
	v.mapping(keys...)
	v.doc.checkHosts(&own.Checks)
	switch {
	case !v.hasKey("dir"):
		v.fail("there is no directory; give `dir`")
	case v.doc.errors() > before:
	case z.naming != "soa" && (strings.Count(z.Pattern, "*") != 1 || strings.ContainsAny(z.Pattern, "?[\\")):
		v.fail("the pattern %q does not show which part of a file name is the name of the zone; write it with one *, such as *.zone or db.*", z.Pattern)
	default:
		z.Directory, _ = v.directory(z.Directory.Path, z.Pattern)
	}
	v.completeContact(own, v.path)
	v.reportUseless(own)
	return z, v.doc.errors() == before
}

// stem returns the part of a file name that the * of the pattern stands for.
func (d *Directory) stem(path string) string {
	before, after, _ := strings.Cut(d.Pattern, "*")
	return strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), before), after)
}

// nameOfFile reads the name of a zone in that of a file, where the slash of a classless zone
// (RFC 2317) is written as %2F or _.
func nameOfFile(stem string) (dname.Name, error) {
	s, err := url.PathUnescape(stem)
	if err != nil {
		s = stem
	}
	n, err := dname.Parse(s)
	if err != nil || n.IsRoot() {
		return nil, fmt.Errorf("%q is not the name of a zone; rename the file, or leave it out by `pattern`", s)
	}
	if label := string(n.Label()); strings.Contains(label, "_") {
		if _, ok := dname.ToClassless(n); ok {
			n, err = n.Parent().Prepend([]byte(strings.Replace(label, "_", "/", 1)))
		}
	}
	return n, err
}

// prefixOfFile reads a prefix in the name of a file, where the slash is written as -, _ or %2F,
// and a colon may be -.
func prefixOfFile(stem string) (netip.Prefix, error) {
	s, err := url.PathUnescape(stem)
	if err != nil {
		s = stem
	}
	i := strings.LastIndexAny(s, "-_/")
	if i >= 0 {
		address := s[:i]
		if !strings.ContainsAny(address, ".:") {
			address = strings.ReplaceAll(address, "-", ":")
		}
		s = address + "/" + s[i+1:]
	}
	p, err := netip.ParsePrefix(s)
	switch {
	case err != nil || p.Addr().Is4In6():
		return netip.Prefix{}, fmt.Errorf("%q is not a prefix; rename the file, such as 192.0.2.0-24 or 2001:db8::-32, or leave it out by `pattern`", stem)
	case p != p.Masked():
		return netip.Prefix{}, fmt.Errorf("the prefix %v has host bits; rename the file after %v, or after %v/%d", p, p.Masked(), p.Addr(), p.Addr().BitLen())
	}
	return p, nil
}

// zoneFile is a file in such a directory.
type zoneFile struct {
	zoneName
	info  infile.Info       // of the file when its name was determined
	fault []finding.Finding // about its name
	zone  Zone              // of the item zone.From
}

func (f *zoneFile) hasName() bool { return f != nil && (f.name != nil || f.prefix.IsValid()) }

// zoneFilesKey says how the zones of files are determined.
type zoneFilesKey struct {
	Directory
	naming string
}

// zoneFiles are the files of a directory.
type zoneFiles struct {
	paths []string
	files map[string]*zoneFile // by path
}

// look determines the zone of a file; was is what is known of it, nil: nothing.
func (z *ZonesFrom) look(l *Loader, path string, was *zoneFile) *zoneFile {
	if was != nil && (z.naming != "soa" || l.isNamed(path, was) || l.isUnfinished(path)) {
		return was
	}
	now := &zoneFile{}
	now.info, _ = l.task.Stat(path)
	var err error
	switch stem := z.stem(path); z.naming {
	case "file":
		now.name, err = nameOfFile(stem)
	case "prefix":
		now.prefix, err = prefixOfFile(stem)
	default:
		var fault finding.Finding
		if now.name, fault = zonefile.FindApex(l.task, path); now.name == nil && was.hasName() {
			now.zoneName = was.zoneName // errors in its content are those of this zone
		} else if now.name == nil {
			now.fault = []finding.Finding{fault}
		}
	}
	if err != nil {
		now.fault = append(now.fault, z.finding(path, finding.Error, "zone-name", "%v", err))
	}
	if now.hasName() && was.hasName() && now.prefix == was.prefix && now.name.Equal(was.name) {
		was.info = now.info
		return was
	}
	return now
}

// isNamed reports whether a file was not changed since its SOA was read.
func (l *Loader) isNamed(path string, f *zoneFile) bool {
	now, err := l.task.Stat(path)
	return err != nil && f.hasName() || err == nil && f.info.Identity.Proves(now.Identity)
}

// complete sets the zone of a file that names one.
func (z *ZonesFrom) complete(path string, f *zoneFile) {
	pos := finding.Position{File: path}
	f.zone = Zone{Path: z.Path, Pos: pos, From: z, Files: []File{{path, pos}}, ZoneOptions: z.options}
	if f.prefix.IsValid() {
		f.zone.setPrefix(f.prefix, z.style)
		return
	}
	f.zone.setName(f.name)
	if slip := spelling.ReverseName(f.name); slip.Text != "" {
		if one := z.finding(path, finding.Warning, "reverse-name", "%v: %v", f.name, slip); one.Apply(&z.options.Checks) {
			f.fault = []finding.Finding{one}
		}
	}
}

func (z *ZonesFrom) finding(path string, s finding.Severity, name, format string, args ...any) finding.Finding {
	f := errorAt(finding.Position{File: path}, z.Path, format, args...)
	f.Severity, f.Rule = s, name
	return f
}

// fromDirectories are the zones of all items of `zones_from`.
type fromDirectories struct {
	of       *Config // that they are of
	zones    []Zone  // of the configuration, and these
	findings []finding.Finding
	seen     map[zoneFilesKey]*zoneFiles
}

// addZones adds the zones of `zones_from` to the configuration. A file that does not name a
// zone, or one that another file or item has, costs only this zone.
func (l *Loader) addZones(cfg, parsed *Config) error {
	if len(cfg.ZonesFrom) == 0 {
		return nil
	}
	seen := map[zoneFilesKey]*zoneFiles{}
	same := l.from.of == parsed
	var errs Errors
	var faults []finding.Finding
	for i := range cfg.ZonesFrom {
		z := &cfg.ZonesFrom[i]
		key := zoneFilesKey{z.Directory, z.naming}
		was := l.from.seen[key]
		if was == nil {
			was = &zoneFiles{}
		}
		now := &zoneFiles{files: make(map[string]*zoneFile, len(was.files))}
		var err error
		if now.paths, err = l.list(z.Directory); err != nil {
			if len(was.paths) == 0 {
				errs = append(errs, errorAt(z.Pos, z.Path, "%v", err))
				continue
			}
			now.paths = was.paths
			one := errorAt(z.Pos, z.Path, "%v; until then its %d zones stay as they are", err, len(now.paths))
			one.Rule = "unreadable-directory"
			faults = append(faults, one)
		} else if len(now.paths) == 0 {
			one := errorAt(z.Pos, z.Path, "no file in %s matches %s, so that there is no zone; correct one of the two, or put a file there", z.Directory.Path, z.Pattern)
			one.Severity, one.Rule = finding.Warning, "no-zone-files"
			faults = append(faults, one)
		}
		same = same && slices.Equal(was.paths, now.paths)
		for _, path := range now.paths {
			before := was.files[path]
			f := z.look(l, path, before)
			now.files[path] = f
			same = same && f == before
		}
		l.Files = append(l.Files, now.paths...)
		seen[key] = now
	}
	if len(errs) > 0 {
		finding.Sort(errs)
		return errs
	}
	l.from.seen = seen
	if !same {
		l.from.of, l.from.findings = parsed, nil
		l.from.zones = l.from.merge(cfg)
		if n := len(l.from.findings) - finding.MaxListed; n > 1 {
			rest := l.from.findings[finding.MaxListed]
			rest.More, rest.Text = n, fmt.Sprintf("%d more files like this one name no zone of their own", n)
			l.from.findings = append(l.from.findings[:finding.MaxListed], rest)
		}
	}
	cfg.Zones = l.from.zones
	cfg.Warnings = append(append(slices.Clip(cfg.Warnings), l.from.findings...), faults...)
	return nil
}

// merge returns the zones of the configuration and those of directories.
func (d *fromDirectories) merge(cfg *Config) []Zone {
	type owner struct {
		path string // of the item
		pos  finding.Position
		zone *Zone // nil: a catalog
	}
	taken := map[string]owner{} // by dname.Name.Key of the apex
	for i := range cfg.Zones {
		z := &cfg.Zones[i]
		for _, apex := range z.Apexes {
			taken[apex.Key()] = owner{z.Path, z.Pos, z}
		}
	}
	for i := range cfg.Catalogs {
		c := &cfg.Catalogs[i]
		if c.Name != nil { // nil in a configuration with errors
			taken[c.Name.Key()] = owner{c.Path, c.Pos, nil}
		}
	}
	zones := slices.Clone(cfg.Zones)
	for i := range cfg.ZonesFrom {
		z := &cfg.ZonesFrom[i]
		of := d.seen[zoneFilesKey{z.Directory, z.naming}]
		for _, path := range of.paths {
			f := of.files[path]
			if !f.hasName() {
				d.findings = append(d.findings, f.fault...)
				continue
			}
			if f.zone.From != z {
				z.complete(path, f)
			}
			d.findings = append(d.findings, f.fault...)
			isTaken := false
			for _, apex := range f.zone.Apexes {
				other, twice := taken[apex.Key()]
				isTaken = isTaken || twice
				switch {
				case twice && other.zone != nil && slices.ContainsFunc(other.zone.Files, func(f File) bool { return f.Path == path }):
					// The item has this zone of the directory with other settings.
				case twice:
					d.findings = append(d.findings, z.finding(path, finding.Error, "zone-twice", "the zone %v is in %s already (%v), so that this file is not used; remove one of the two, or name this file there", apex, other.path, other.pos))
				}
			}
			if isTaken {
				continue
			}
			zones = append(zones, f.zone)
			for _, apex := range f.zone.Apexes {
				taken[apex.Key()] = owner{z.Path, f.zone.Pos, &f.zone}
			}
		}
	}
	return zones
}
