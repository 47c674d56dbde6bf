package hosted

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/ptrd/ptrd/zone"
	"github.com/ptrd/ptrd/zone/dname"
)

// Zone is a hosted zone, without its records. It is immutable.
type Zone struct {
	Apex            dname.Name `json:"-"`
	ID              string     `json:"id"`
	CallerReference string     `json:"reference"`
	Comment         string     `json:"comment,omitempty"`
	NameServers     []string   `json:"name_servers"`  // of its delegation set, as dname.Name.String has them
	Set             string     `json:"set,omitempty"` // id of the delegation set if it is reusable
	Created         int64      `json:"created"`       // Unix milliseconds
	Tags            []Tag      `json:"tags,omitempty"`

	From     string `json:"-"` // what makes it; empty: it is hosted
	Writable bool   `json:"-"` // records of a zone that is not hosted can be changed
}

// IsHosted reports whether the zone is hosted, and not one of another owner that is listed.
func (z *Zone) IsHosted() bool { return z.From == "" }

// Tag is a tag of a zone.
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// DelegationSet is a reusable delegation set. It is immutable.
type DelegationSet struct {
	ID              string   `json:"id"`
	CallerReference string   `json:"reference"`
	NameServers     []string `json:"name_servers"`
	By              string   `json:"by,omitempty"` // the client that created it
}

// removed is what stays known of a zone that was removed.
type removed struct {
	ID              string `json:"id"`
	CallerReference string `json:"reference"`
	At              int64  `json:"at"` // Unix milliseconds
	Name            string `json:"name,omitempty"`
}

// NotePrefix begins the keys of all notes of this package.
const NotePrefix = "hosted/"

// The keys of notes: of a zone, its own and one for each RRset whose text differs from ours or
// that is an alias (its rr.Key follows); of shared, one for each delegation set and removed zone
// (the id follows), and the secret of the ids of changes.
const (
	noteZone    = NotePrefix + "zone"
	noteText    = NotePrefix + "text/"
	noteAlias   = NotePrefix + "alias/"
	noteSet     = NotePrefix + "set/"
	noteRemoved = NotePrefix + "removed/"
	noteSecret  = NotePrefix + "secret"
)

// shared has the notes that belong to no zone. The label begins with an octet that no
// configuration of a zone and no query of a resolver has.
var shared = dname.Name("\x08\x00route53\x00") // never changed

// noteOf returns a note with a value in JSON.
func noteOf(key string, v any) zone.Note {
	b, err := json.Marshal(v)
	if err != nil {
		panic("hosted: " + err.Error()) // there is nothing in v that JSON has not
	}
	return zone.Note{Key: key, Value: b}
}

// WithTags returns the zone with tags added, or replaced, and removed.
func (z Zone) WithTags(add []Tag, remove []string) Zone {
	z.Tags = slices.DeleteFunc(slices.Clone(z.Tags), func(t Tag) bool {
		return slices.Contains(remove, t.Key) || slices.ContainsFunc(add, func(a Tag) bool { return a.Key == t.Key })
	})
	z.Tags = append(z.Tags, add...)
	slices.SortFunc(z.Tags, func(a, b Tag) int { return cmp.Compare(a.Key, b.Key) })
	return z
}
