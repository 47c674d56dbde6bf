package rr

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/ptrd/ptrd/zone/rule"
)

// svcParams are the parameters of SVCB and HTTPS, by ascending key (RFC 9460 §2.1, §2.2).
type svcParams struct{}

const (
	keyMandatory     = 0
	keyALPN          = 1
	keyNoDefaultALPN = 2
	keyIPv6Hint      = 6
	keyDoHPath       = 7
	keyInvalid       = 65535
)

// svcKey is a key that has a name: its value is a list of at most so many items.
type svcKey struct {
	name string
	item kind // nil: the value is octets
	most int
	want string // what the value is, for a message
}

// svcKeys are the keys that have names, by number (RFC 9460 §14.3.2, RFC 9461 §5, RFC 9540 §4,
// RFC 9848 §3). Read only.
var svcKeys = [...]svcKey{
	{"mandatory", mandatoryKey{}, math.MaxUint16, "a list of other keys, each once"},
	{"alpn", protocol{}, math.MaxUint16, "a list of protocols of 1 to 255 octets"},
	{"no-default-alpn", ip4, 0, "empty, which it must be"},
	{"port", number(2), 1, "a whole number from 0 to 65535"},
	{"ipv4hint", ip4, math.MaxUint16, "a list of IPv4 addresses"},
	{"ech", base64Data(1), 1, "base64 of at least one octet"},
	{"ipv6hint", ip6, math.MaxUint16, "a list of IPv6 addresses"},
	{"dohpath", nil, 0, ""},
	{"ohttp", ip4, 0, "empty, which it must be"},
	{"tls-supported-groups", number(2), math.MaxUint16, "a list of whole numbers from 0 to 65535"},
}

// svcKeyOf returns what is known of a key.
func svcKeyOf(k int) *svcKey {
	if k < len(svcKeys) {
		return &svcKeys[k]
	}
	return &svcKey{}
}

func parseSvcKey(s string) (int, bool) {
	if k := slices.IndexFunc(svcKeys[:], func(k svcKey) bool { return k.name == s }); k >= 0 {
		return k, true
	}
	digits, ok := strings.CutPrefix(s, "key")
	v, isNumber := ParseUint([]byte(digits), keyInvalid)
	return int(v), ok && isNumber && (digits == "0" || digits[0] != '0')
}

func appendSvcKey(dst []byte, k int) []byte {
	if k <= keyIPv6Hint { // Knot 3.2 reads the others as numbers only
		return append(dst, svcKeys[k].name...)
	}
	return strconv.AppendInt(append(dst, "key"...), int64(k), 10)
}

// mandatoryKey is a key in the list of those that are mandatory, above the one before it.
type mandatoryKey struct{}

func (mandatoryKey) parse(p *Parser, name string) {
	k, ok := parseSvcKey(string(p.next(name).Text))
	if !ok {
		p.fail(0, "bad-svcparam", "not a key")
	}
	p.appendUint(uint64(k), 2)
}

func (mandatoryKey) size(d []byte, at int) (int, string) {
	if len(d)-at >= 2 && uintOf(d[max(at-2, 0):at]) >= uintOf(d[at:at+2]) { // 0 is mandatory itself
		return 0, "it is not above the key before it"
	}
	return exactly(d, at, 2)
}

func (mandatoryKey) print(dst, d []byte, at, n int) []byte {
	return appendSvcKey(dst, int(uintOf(d[at:at+n])))
}

// protocol is an item of alpn.
type protocol struct{}

func (protocol) parse(p *Parser, name string) {
	w := p.next(name)
	if len(w.Text) > math.MaxUint8 {
		p.fail(0, "bad-svcparam", "too long")
	}
	p.out = append(append(p.out, byte(len(w.Text))), w.Text...)
}

func (protocol) size(d []byte, at int) (int, string) {
	if at < len(d) && d[at] == 0 {
		return 0, "it is empty"
	}
	return countedSize(d, at)
}
func (protocol) print(dst, d []byte, at, n int) []byte { return append(dst, d[at+1:at+n]...) }

// svcParam is where a parameter lies in the octets that parse collects.
type svcParam struct {
	key, start, end int
	word            int
}

func (svcParams) parse(p *Parser, _ string) {
	first := len(p.out)
	p.params = p.params[:0]
	for p.word < len(p.words) {
		w := p.next("")
		keyText, value, hasValue := bytes.Cut(w.Text, []byte{'='})
		key, ok := parseSvcKey(string(keyText))
		if !ok || w.Quoted {
			p.fail(0, "bad-svcparam", "%s is not a key; write one of %s or keyN (N to 65535), then = and the value", Quote(keyText), svcNames())
			return
		}
		param := svcParam{key: key, start: len(p.out), word: p.word - 1}
		if p.word < len(p.words) && hasValue && len(value) == 0 && p.words[p.word].Quoted && p.words[p.word].Joined {
			w = p.next("")
			value = w.Text
		}
		p.appendUnescaped(&Word{Text: value})
		if string(keyText[:min(3, len(keyText))]) != "key" { // the value of keyN is octets
			octets := slices.Clone(p.out[param.start:])
			if p.out, ok = svcKeyOf(key).appendValue(p.out[:param.start], key, octets); !ok {
				p.fail(0, "bad-svcparam", "value %s of %s is not %s", Quote(value), keyText, svcKeyOf(key).want)
			}
		}
		param.end = len(p.out)
		if i := slices.IndexFunc(p.params, func(o svcParam) bool { return o.key == key }); i >= 0 {
			p.failAt(param.word, 0, "bad-svcparam", "key %s is there twice (RFC 9460 §2.1); remove one", keyText)
		}
		p.params = append(p.params, param)
	}
	slices.SortFunc(p.params, func(a, b svcParam) int { return a.key - b.key })
	values := slices.Clone(p.out[first:])
	p.out = p.out[:first]
	for _, param := range p.params {
		p.appendUint(uint64(param.key), 2)
		p.appendUint(uint64(param.end-param.start), 2)
		p.out = append(p.out, values[param.start-first:param.end-first]...)
	}
}

// appendValue appends the wire format of the value of key k, whose escapes were decoded.
func (k *svcKey) appendValue(dst []byte, key int, value []byte) (out []byte, ok bool) {
	if k.item == nil || len(value) == 0 {
		return append(dst, value...), true
	}
	items := splitList(value)
	if key == keyMandatory {
		slices.SortFunc(items, func(a, b Word) int {
			x, _ := parseSvcKey(string(a.Text))
			y, _ := parseSvcKey(string(b.Text))
			return x - y
		})
	}
	// A list, so that each item is read as if it were the only one.
	q := Parser{out: dst}
	for i := range items {
		q.words, q.word = items[i:i+1], 0
		k.item.parse(&q, k.name)
	}
	return q.out, q.bad == nil && len(items) <= k.most
}

func svcNames() string {
	names := make([]string, len(svcKeys))
	for i := range svcKeys {
		names[i] = svcKeys[i].name
	}
	return strings.Join(names, ", ")
}

// splitList splits a list at its commas, and decodes its escapes of commas and backslashes (RFC
// 9460 §A.1).
func splitList(value []byte) (items []Word) {
	var item []byte
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == ',':
			items = append(items, Word{Text: item})
			item = nil
		case c == '\\' && i+1 < len(value):
			i++
			item = append(item, value[i])
		default:
			item = append(item, c)
		}
	}
	return append(items, Word{Text: item})
}

// next returns the key, the offset of the value and the offset behind it of the parameter at i.
func (svcParams) next(d []byte, i int) (key, value, end int) {
	if len(d)-i < 4 || len(d)-i < 4+int(binary.BigEndian.Uint16(d[i+2:])) {
		return 0, 0, 0
	}
	return int(binary.BigEndian.Uint16(d[i:])), i + 4, i + 4 + int(binary.BigEndian.Uint16(d[i+2:]))
}

func (s svcParams) size(d []byte, at int) (int, string) {
	last := -1
	for i := at; i < len(d); {
		key, value, end := s.next(d, i)
		switch {
		case end == 0:
			return 0, "a parameter is cut short"
		case key <= last:
			return 0, fmt.Sprintf("key %s is not above the key before it", appendSvcKey(nil, key))
		}
		if k := svcKeyOf(key); !k.isValue(d[value:end]) {
			return 0, fmt.Sprintf("the value of %s is not %s", appendSvcKey(nil, key), k.want)
		}
		last, i = key, end
	}
	return len(d) - at, ""
}

// isValue reports whether v is a value of the key.
func (k *svcKey) isValue(v []byte) bool {
	if k.item == nil {
		return true
	}
	n := 0
	for i := 0; i < len(v); n++ {
		octets, reason := k.item.size(v, i)
		if reason != "" {
			return false
		}
		i += octets
	}
	return n <= k.most && (n > 0 || k.most == 0)
}

func (s svcParams) print(dst, d []byte, at, n int) []byte {
	for i := at; i < at+n; {
		if i > at {
			dst = append(dst, ' ')
		}
		key, value, end := s.next(d, i)
		v := d[value:end]
		if key == keyALPN && confusesKnot(v) {
			dst = appendQuoted(append(dst, "key1="...), v)
		} else if dst = appendSvcKey(dst, key); len(v) > 0 {
			dst = svcKeyOf(key).appendText(append(dst, '='), key, v)
		}
		i = end
	}
	return dst
}

// confusesKnot reports whether Knot 3.2 misreads the value of alpn as a list: it finds an empty item
// in a protocol of one octet that is not the last, and loses escapes of commas and backslashes.
func confusesKnot(v []byte) bool {
	for i := 0; i < len(v); i += 1 + int(v[i]) {
		if v[i] == 1 && i+2 < len(v) || bytes.ContainsAny(v[i+1:i+1+int(v[i])], `,\`) {
			return true
		}
	}
	return false
}

func (k *svcKey) appendText(dst []byte, key int, v []byte) []byte {
	if k.item == nil || key > keyIPv6Hint {
		return appendQuoted(dst, v)
	}
	start := len(dst)
	for i := 0; i < len(v); {
		if i > 0 {
			dst = append(dst, ',')
		}
		n, _ := k.item.size(v, i)
		dst = k.item.print(dst, v, i, n)
		i += n
	}
	if key == keyALPN {
		return appendQuoted(dst[:start], slices.Clone(dst[start:]))
	}
	return dst
}

func (s svcParams) judge(d []byte, at, _ int) (string, string) {
	if binary.BigEndian.Uint16(d) == 0 {
		if at < len(d) {
			return rule.SVCBAlias, "there are parameters, but priority 0 makes the record an alias, whose parameters clients ignore"
		}
		return "", ""
	}
	keys := map[int][]byte{}
	for i := at; i < len(d); {
		key, value, end := s.next(d, i)
		keys[key] = d[value:end]
		i = end
	}
	if _, ok := keys[keyInvalid]; ok {
		return rule.SVCBKey, "key65535 is there"
	}
	for v := keys[keyMandatory]; len(v) > 0; v = v[2:] {
		k := int(binary.BigEndian.Uint16(v))
		if _, ok := keys[k]; !ok {
			return rule.Mandatory, fmt.Sprintf("mandatory lists %s, which is not there", appendSvcKey(nil, k))
		}
	}
	if _, ok := keys[keyNoDefaultALPN]; ok && keys[keyALPN] == nil {
		return rule.DefaultALPN, "no-default-alpn is there without alpn"
	}
	if v, ok := keys[keyDoHPath]; ok && (len(v) == 0 || v[0] != '/' || !hasDNSVariable(v)) {
		return rule.DoHPath, fmt.Sprintf("dohpath %s is not a path with the variable dns, as in /dns-query{?dns}", Quote(v))
	}
	return "", ""
}

// hasDNSVariable reports whether a URI template has the variable dns (RFC 6570 §2.2).
func hasDNSVariable(template []byte) bool {
	for _, part := range bytes.Split(template, []byte{'{'})[1:] {
		expression, _, _ := bytes.Cut(part, []byte{'}'})
		for _, name := range bytes.Split(bytes.TrimLeft(expression, "+#./;?&"), []byte{','}) {
			if string(bytes.TrimRight(name, "*")) == "dns" {
				return true
			}
		}
	}
	return false
}
