package plan

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/handover"
	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/zonefile"
)

// File is a text of a plan for one of the parties.
type File struct {
	Kind  string `json:"kind"` // one of Kinds
	Name  string `json:"name"` // of the file, with a directory
	Title string `json:"title"`
	Text  string `json:"text"`
}

// Kinds are the values of File.Kind: the lines of the parent zone, and what to remove there; the
// same as configuration of ptrd; the zones of the parts as master files and as configuration; documents for
// the owner of the addresses.
var Kinds = []string{"parent", "parent-config", "child", "child-config", "document"}

// files returns what the operator of the parent zone needs: a file for each of its zones, and the
// configuration for all of them.
func (p *parent) files(o *Options) (list []File) {
	var zones []dname.Name
	for _, m := range p.parts {
		if !slices.ContainsFunc(zones, m.Parent.Equal) {
			zones = append(zones, m.Parent)
		}
	}
	for _, apex := range zones {
		var b strings.Builder
		for _, m := range p.parts {
			if !m.Parent.Equal(apex) {
				continue
			}
			fmt.Fprintf(&b, "; %s\n", m.title())
			add, remove := m.changes(p.today)
			for _, line := range zonefile.Lines(remove, false) {
				fmt.Fprintf(&b, "; remove: %s\n", line)
			}
			if len(add) == 0 {
				b.WriteString("; nothing to add\n")
			}
			for _, line := range zonefile.Lines(add, o.Generate) {
				b.WriteString(line + "\n")
			}
		}
		list = append(list, File{Kind: "parent", Name: "parent/" + fileName(apex) + ".zone", Title: fmt.Sprintf("lines for zone %v", apex), Text: b.String()})
	}
	return append(list, File{Kind: "parent-config", Name: "parent/" + prefixName(p.prefix) + ".yaml", Title: fmt.Sprintf("the same as configuration of ptrd, in the item of %v", p.prefix), Text: p.config})
}

func (m *Made) title() string {
	if m.Note != "" {
		return fmt.Sprintf("%v, %s", m.Prefix, m.Note)
	}
	return m.Prefix.String()
}

// files returns what the operator of the part needs.
func (m *Made) files() (list []File) {
	for _, z := range m.zones {
		list = append(list, File{Kind: "child", Name: "child/" + fileName(z.Apex()) + ".zone", Title: fmt.Sprintf("%s: master file of zone %v", m.title(), z.Apex()), Text: text(z)})
	}
	return append(list, File{Kind: "child-config", Name: "child/" + prefixName(m.Prefix) + ".yaml", Title: fmt.Sprintf("%s: configuration of ptrd", m.title()), Text: m.config})
}

// document adds what the owner of the addresses needs to delegate the zones of a part.
func (p *Plan) document(owner *handover.Owner, m *Made) error {
	if m.part.DName != "" {
		p.Notes = append(p.Notes, fmt.Sprintf("%s: %v is redirected by a DNAME, which has no document; send the lines of the parent zone", m.part.where, m.Prefix))
		return nil
	}
	var zones []handover.Zone
	for _, apex := range m.Zones {
		z := handover.Zone{Apex: apex, Prefix: m.Prefix, Parent: m.Parent, Servers: m.part.Servers}
		if own, ok := dname.ToPrefix(apex); ok {
			z.Prefix = own
		}
		for _, text := range m.part.DS {
			r, err := dns.NewRR(fmt.Sprintf("%v 0 IN DS %s", apex, text))
			ds, ok := r.(*dns.DS)
			if err != nil || !ok {
				return fmt.Errorf("%s: %q is not a DS record: %w", m.part.where, text, err)
			}
			z.DS = append(z.DS, ds)
		}
		if why := owner.Refuses(&z); why != "" {
			p.Notes = append(p.Notes, fmt.Sprintf("%s: %s refuses %v: %s", m.part.where, owner.Name, apex, why))
			continue
		}
		zones = append(zones, z)
	}
	if len(zones) == 0 {
		return nil
	}
	for _, n := range owner.Notes(zones) {
		if !slices.Contains(p.Notes, n) {
			p.Notes = append(p.Notes, n)
		}
	}
	text, err := owner.Document(m.title(), zones)
	if err != nil {
		return err
	}
	p.Files = append(p.Files, File{Kind: "document", Name: fmt.Sprintf("document/%s.%s.txt", prefixName(m.Prefix), owner.Key), Title: fmt.Sprintf("%s: for %s", m.title(), owner.Name), Text: text})
	return nil
}

// text returns a zone as a master file.
func text(z *zone.Zone) string {
	var b bytes.Buffer
	_ = zonefile.Write(&b, z) // to memory
	return b.String()
}

// fileName returns the name of a zone as a file name.
func fileName(apex dname.Name) string {
	return strings.NewReplacer("/", "_", `\`, "_").Replace(strings.TrimSuffix(apex.String(), "."))
}

func prefixName(p netip.Prefix) string {
	return strings.NewReplacer("/", "_", ":", "-").Replace(p.String())
}

// Only leaves out the files of other kinds.
func (p *Plan) Only(kinds []string) error {
	for _, k := range kinds {
		if !slices.Contains(Kinds, k) {
			return fmt.Errorf("%q cannot be printed; give one or more of %s", k, strings.Join(Kinds, ", "))
		}
	}
	p.Files = slices.DeleteFunc(p.Files, func(f File) bool { return len(kinds) > 0 && !slices.Contains(kinds, f.Kind) })
	return nil
}

// Print writes the files one after the other, each with its title as a comment.
func (p *Plan) Print(w io.Writer) error {
	b := bufio.NewWriter(w)
	for i, f := range p.Files {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(b, "%s --- %s\n%s", f.comment(), f.Title, f.Text)
	}
	return b.Flush()
}

func (f *File) comment() string {
	if strings.HasSuffix(f.Name, ".yaml") {
		return "#"
	}
	return ";"
}

// Write writes the files into a directory, which it makes. It replaces no file.
func (p *Plan) Write(dir string) error {
	for _, f := range p.Files {
		path := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return err
		}
		out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s exists; remove it, or give another directory", path)
		}
		if err != nil {
			return err
		}
		_, err = io.WriteString(out, f.Text)
		if err := errors.Join(err, out.Close()); err != nil {
			return err
		}
	}
	return nil
}
