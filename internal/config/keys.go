package config

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/finding"
)

// Key is a TSIG key (RFC 8945).
type Key struct {
	Path      string     // key path, `keys[3]`
	Name      dname.Name // in lower case
	Algorithm tsig.Algorithm
	MinMAC    int       // octets of the shortest MAC that is accepted; 0: only complete ones
	Secret    int       // octets of the secret; 0: it was not read yet
	TSIG      *tsig.Key // never prints its secret; nil: File has the secret and was not read yet
	File      File      // with the secret; without a path: the configuration has it
	Pos       finding.Position
}

// maxKeyFile bounds a file with a secret, in octets.
const maxKeyFile = 1 << 16

// readKeys reads the lists of keys of all files.
func (r *reading) readKeys(all values) []Key {
	r.keys = map[string]bool{}
	return distinct(all.list, func(v value) (k Key, key nameKey, ok bool) {
		if k, ok = v.key(); k.Name != nil {
			r.keys[k.Name.Key()] = true // with another error as well: what names it is right
		}
		return k, nameKey(k.Name), ok // in lower case
	})
}

func (v value) key() (k Key, ok bool) {
	k = Key{Path: v.path, Pos: v.pos(), Algorithm: tsig.HMACSHA256}
	var secret []byte
	var given, file bool
	before := v.doc.errors()
	v.mapping(
		field{"name", func(v value) { k.Name = v.keyName() }},
		field{"algorithm", func(v value) { k.Algorithm = v.algorithm() }},
		field{"min_mac", number(&k.MinMAC, 10, 64, "octets")},
		field{"secret", func(v value) {
			given = true
			if s, ok := v.scalar(); ok {
				var err error
				if secret, err = parseKeySecret(s); err != nil {
					v.fail("%v", err)
				}
			}
		}},
		field{"secret_file", func(v value) { k.File, file = v.file(), true }},
	)
	switch {
	case v.doc.errors() > before:
		return k, false
	case k.Name == nil:
		v.fail("the key has no `name`; give it the name that the other side uses")
	case given == file:
		v.fail("key %v needs either `secret` or `secret_file`; make one with `ptrd key generate %v`", k.Name, k.Name)
	case given:
		var err error
		if k, err = k.withSecret(secret); err != nil {
			v.fail("%v", err)
		}
	}
	return k, v.doc.errors() == before
}

func (v value) keyName() dname.Name {
	s, ok := v.text()
	if !ok {
		return nil
	}
	n, err := dname.Parse(s)
	if err != nil {
		v.fail("%q is not a key name: %v; key names have the syntax of host names", s, err)
		return nil
	}
	return n.AppendLower(nil)
}

// noMD5 is the advice about keys of other servers with this algorithm.
const noMD5 = "hmac-md5 is not supported, because RFC 8945 §6 forbids its use; make a new key with `ptrd key generate NAME` and write it here and on the other side, in its syntax with --for"

// IsMD5 reports whether s is a name of HMAC-MD5.
func IsMD5(s string) bool {
	switch strings.TrimSuffix(strings.ToLower(s), ".") {
	case "md5", "hmac-md5", "hmac-md5.sig-alg.reg.int":
		return true
	}
	return false
}

func (v value) algorithm() tsig.Algorithm {
	if IsMD5(v.node.Value) {
		v.fail("%s", noMD5)
		return 0
	}
	var names []string
	for _, a := range tsig.Algorithms() {
		names = append(names, a.String())
	}
	a, _ := tsig.ParseAlgorithm(v.oneOf(names...))
	return a
}

// with returns the key with its secret.
func (k Key) withSecret(secret []byte) (Key, error) {
	var err error
	k.Secret = len(secret)
	k.TSIG, err = tsig.NewKey(tsig.KeyOptions{Name: k.Name, Algorithm: k.Algorithm, Secret: secret, MinMAC: k.MinMAC})
	return k, err
}

// parseKeySecret reads the secret of a key. The error does not repeat it.
func parseKeySecret(s string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil || len(b) == 0 {
		return nil, fmt.Errorf("the secret has %d characters and is not base64; make one with `ptrd key generate NAME`", len(s))
	}
	return b, nil
}

// readKeys returns the keys with the secrets from their files.
func readKeys(list []Key, read reader) ([]Key, error) {
	out := make([]Key, len(list))
	var errs Errors
	for i, k := range list {
		if k.File.Path != "" {
			var err error
			if k, err = k.readFile(read); err != nil {
				errs = append(errs, errorAt(k.File.Pos, k.Path+".secret_file", "%v", err))
			}
		}
		out[i] = k
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return out, nil
}

// warnShort returns a warning for each key whose secret is shorter than the MACs that it makes.
func warnShort(list []Key) (warnings []finding.Finding) {
	for _, k := range list {
		if k.Secret == 0 || k.Secret >= k.Algorithm.Size() {
			continue
		}
		pos := k.Pos
		if k.File.Path != "" {
			pos = k.File.Pos
		}
		warnings = append(warnings, finding.Finding{Position: pos, Rule: "short-secret", Text: fmt.Sprintf(
			"key %v: the secret has %d octets, should have %d as the MACs of %v, because a shorter one is easier to guess (RFC 8945 §8); make one with `ptrd key generate --algorithm %[4]v %[1]v` for both sides",
			k.Name, k.Secret, k.Algorithm.Size(), k.Algorithm)})
	}
	return warnings
}

// readFile reads the secret: base64, or a key clause as written by the tools of BIND, with
// the name and algorithm of the configuration.
func (k Key) readFile(read reader) (Key, error) {
	data, err := read(k.File.Path, maxKeyFile)
	if err != nil {
		return k, err
	}
	text := string(data)
	if !strings.Contains(text, "{") {
		secret, err := parseKeySecret(text)
		if err != nil {
			return k, fmt.Errorf("%s: %w", k.File.Path, err)
		}
		return k.withSecret(secret)
	}
	c, err := parseKeyClause(text)
	if err != nil {
		return k, fmt.Errorf("%s: %w", k.File.Path, err)
	}
	if n, err := dname.Parse(c.name); err != nil || !n.Equal(k.Name) {
		return k, fmt.Errorf("%s: the key in the file is named %q, here %v; use the same name", k.File.Path, c.name, k.Name)
	}
	if IsMD5(c.algorithm) {
		return k, fmt.Errorf("%s: %s", k.File.Path, noMD5)
	}
	if c.algorithm != k.Algorithm.String() {
		return k, fmt.Errorf("%s: the algorithm of the key in the file is %q, here %v; use the same `algorithm`", k.File.Path, c.algorithm, k.Algorithm)
	}
	secret, err := parseKeySecret(c.secret)
	if err != nil {
		return k, fmt.Errorf("%s: %w", k.File.Path, err)
	}
	return k.withSecret(secret)
}

// keyClause is the content of `key "name" { algorithm a; secret "s"; };`.
type keyClause struct{ name, algorithm, secret string }

func parseKeyClause(text string) (c keyClause, err error) {
	var words []string
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		line = strings.NewReplacer("{", " { ", "}", " } ", ";", " ; ", `"`, " ").Replace(line)
		words = append(words, strings.Fields(line)...)
	}
	const form = "is not `key NAME { algorithm …; secret …; };` with one key; make one with `ptrd key generate NAME`"
	if len(words) < 3 || words[0] != "key" || words[2] != "{" {
		return c, fmt.Errorf("the file %s", form)
	}
	c.name = words[1]
	rest := words[3:]
	for len(rest) >= 3 && rest[2] == ";" {
		switch rest[0] {
		case "algorithm":
			c.algorithm = strings.TrimSuffix(strings.ToLower(rest[1]), ".")
		case "secret":
			c.secret = rest[1]
		}
		rest = rest[3:]
	}
	if end := strings.Join(rest, " "); c.algorithm == "" || c.secret == "" || end != "} ;" && end != "}" {
		return keyClause{}, fmt.Errorf("the file %s", form)
	}
	return c, nil
}
