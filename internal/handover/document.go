package handover

import (
	"bytes"
	"embed"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"github.com/ptrd/ptrd/zone/dname"
)

//go:embed templates/*.tmpl
var files embed.FS

// page is what a template gets.
type page struct {
	Owner *Owner
	Title string // the prefix, or the names of the zones
	Zones []Zone
}

// Document returns the text for the owner of the addresses: an object, a form or a mail. All zones
// have the same parent zone. Words in capitals are for the reader to replace.
func (o *Owner) Document(title string, zones []Zone) (string, error) {
	t, err := template.New("").Funcs(template.FuncMap{
		"bare":  bare,
		"upper": strings.ToUpper,
		"list":  func(l []string, indent string) string { return indent + strings.Join(l, "\n"+indent) },
		"cut":   func(z Zone) string { return strings.Join(slices.Concat(z.Records(), z.CNAMEs()), "\n") },
	}).ParseFS(files, "templates/"+o.template+".tmpl")
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = t.ExecuteTemplate(&out, o.template+".tmpl", page{Owner: o, Title: title, Zones: zones})
	return out.String(), err
}

// Notes returns what is special about the zones at the owner, and what is missing for the document.
func (o *Owner) Notes(zones []Zone) []string {
	var out []string
	for i := range zones {
		z := &zones[i]
		if o.notes != nil {
			if n := o.notes(z); n != "" {
				out = append(out, n)
			}
		}
		for _, s := range z.withoutGlue() {
			out = append(out, fmt.Sprintf("%v is in the zone itself, so that the parent zone needs its addresses; give them under `nameservers` in the configuration, or as --ns %v=ADDRESS", s.Name, bare(s.Name)))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// bare returns the name without the final dot, as registries write it.
func bare(n dname.Name) string { return strings.TrimSuffix(n.String(), ".") }
