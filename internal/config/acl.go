package config

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
	"gopkg.in/yaml.v3"
)

// acl is an access list: an entry of `acls`.
type acl struct {
	pos      finding.Position // of its name
	value    value
	prefixes []netip.Prefix
	isRead   bool
	isOpen   bool // it is being read
}

// readACLs reads the access lists of all files.
func (r *reading) readACLs(all values) {
	r.acls = map[string]*acl{}
	var names []value
	for _, v := range all {
		v.entries(func(name, v value) {
			s := name.node.Value
			switch before := r.acls[s]; {
			case !isACLName(s):
				name.fail("%q is not the name of an access list; begin it with a letter, and go on with letters, digits, - and _", s)
			case before != nil:
				name.fail("the access list %q is in another file already (%v); remove one of the two", s, before.pos)
			default:
				r.acls[s] = &acl{pos: name.pos(), value: v}
				names = append(names, name)
			}
		})
	}
	for _, name := range names { // those that are not used have errors too
		name.acl(name.node.Value)
	}
}

// isACLName reports whether a string can name an access list. No address is one, because an
// address has a colon or begins with a digit.
func isACLName(s string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	return s != "" && strings.Contains(letters, s[:1]) && strings.Trim(s, letters+"0123456789-_") == ""
}

// acl returns the prefixes of an access list that the value names.
func (v value) acl(name string) []netip.Prefix {
	a := v.doc.acls[name]
	switch {
	case a == nil:
		v.fail("%q %s", name, v.doc.unknownACL(name))
		return nil
	case a.isOpen:
		v.fail("the access list %q contains itself; remove it here", name)
		return nil
	case !a.isRead:
		a.isOpen = true
		a.prefixes = prefixes(a.value.oneOrMore) // an empty one could be taken for none, which means every client
		a.isOpen, a.isRead = false, true
	}
	return a.prefixes
}

// wordsOfOthers are names that other servers have for lists of addresses.
var wordsOfOthers = map[string]string{
	"any":       "write 0.0.0.0/0 and \"::/0\"",
	"all":       "write 0.0.0.0/0 and \"::/0\"",
	"none":      "write an empty list: []",
	"localhost": "write 127.0.0.0/8 and \"::1\"",
	"localnets": "write the prefixes of these networks",
}

// unknownACL returns why a word is no access list, as the end of a message.
func (r *reading) unknownACL(name string) string {
	if n, err := dname.Parse(name); err == nil && r.keys[n.Key()] {
		return fmt.Sprintf("is a key, must be an address, a prefix or an access list; where clients are identified by keys too, write {key: %s}", name)
	}
	if hint, ok := wordsOfOthers[name]; ok {
		return "is neither a prefix nor an access list here; " + hint
	}
	if best := nearest(name, slices.Collect(maps.Keys(r.acls))); best != "" {
		return fmt.Sprintf("is not among `acls`; did you mean %q?", best)
	}
	return "is neither an address, a prefix nor an access list; write it like 192.0.2.0/24 or 2001:db8::/32, or define it under `acls`"
}

// clients reads an address, a prefix or the name of an access list; ok is false after an error.
func (v value) clients() (list []netip.Prefix, as word, ok bool) {
	before := v.doc.errors()
	if s := v.node.Value; v.node.Kind == yaml.ScalarNode && isACLName(s) && !v.isNull() {
		return v.acl(s), word(s), v.doc.errors() == before
	}
	p := v.prefix(true)
	return []netip.Prefix{p}, word(p.String()), p.IsValid()
}

// word is the text of an item of a list, by which duplicates are found: the name of an access
// list, or a prefix.
type word string

// prefixes reads addresses, prefixes and names of access lists, of which several may have a
// prefix; the method each visits the values.
func prefixes(each func(func(value))) (list []netip.Prefix) {
	lists := distinct(each, value.clients)
	seen := make(map[netip.Prefix]bool, len(lists))
	for _, p := range slices.Concat(lists...) {
		if !seen[p] {
			seen[p] = true
			list = append(list, p)
		}
	}
	return list
}
