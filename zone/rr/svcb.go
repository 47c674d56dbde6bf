package rr

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// svcParams are the parameters of SVCB and HTTPS, by ascending key (RFC 9460 §2.1, §2.2).
type svcParams struct{}

const (
	keyMandatory     = 0
	keyALPN          = 1
	keyNoDefaultALPN = 2
	keyPort          = 3
	keyIPv4Hint      = 4
	keyECH           = 5
	keyIPv6Hint      = 6
	keyDoHPath       = 7
	keyOHTTP         = 8
	keyGroups        = 9
	keyInvalid       = 65535
)

// svcKeys are the names of keys by number (RFC 9460 §14.3.2, RFC 9461 §5, RFC 9540 §4, RFC 9848 §3).
// Read only.
var svcKeys = [...]string{"mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath", "ohttp", "tls-supported-groups"}

func parseSvcKey(s string) (int, bool) {
	if k := slices.Index(svcKeys[:], s); k >= 0 {
		return k, true
	}
	digits, ok := strings.CutPrefix(s, "key")
	v, isNumber := ParseUint([]byte(digits), keyInvalid)
	return int(v), ok && isNumber && (digits == "0" || digits[0] != '0')
}

func appendSvcKey(dst []byte, k int) []byte {
	if k <= keyIPv6Hint { // Knot 3.2 reads the others as numbers only
		return append(dst, svcKeys[k]...)
	}
	return strconv.AppendInt(append(dst, "key"...), int64(k), 10)
}

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
			p.fail(0, "bad-svcparam", "%s is not a key; write one of %s or keyN (N to 65535), then = and the value", Quote(keyText), strings.Join(svcKeys[:], ", "))
			return
		}
		param := svcParam{key: key, start: len(p.out), word: p.word - 1}
		if p.word < len(p.words) && hasValue && len(value) == 0 && p.words[p.word].Quoted && p.words[p.word].Joined {
			w = p.next("")
			value = w.Text
		}
		p.appendUnescaped(&Word{Text: value})
		octets := slices.Clone(p.out[param.start:])
		if string(keyText[:min(3, len(keyText))]) != "key" { // the value of keyN is octets
			out, reason := appendSvcValue(p.out[:param.start], key, octets)
			if reason != "" {
				p.fail(0, "bad-svcparam", "value %s of %s is not %s", Quote(value), keyText, reason)
			}
			p.out = out
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

// appendSvcValue appends the wire format of the value of key, whose escapes were decoded, or
// returns what it should be.
func appendSvcValue(dst []byte, key int, value []byte) (out []byte, reason string) {
	items := strings.Split(string(value), ",")
	switch key {
	case keyMandatory:
		var keys []int
		for _, item := range items {
			k, ok := parseSvcKey(item)
			if !ok {
				return dst, "a list of keys"
			}
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			dst = binary.BigEndian.AppendUint16(dst, uint16(k))
		}
	case keyALPN:
		for _, item := range splitList(value) {
			if len(item) > math.MaxUint8 {
				return dst, "a list of protocols of at most 255 octets"
			}
			dst = append(append(dst, byte(len(item))), item...)
		}
	case keyNoDefaultALPN, keyOHTTP:
		if len(value) > 0 {
			return dst, "empty, which it must be"
		}
	case keyPort, keyGroups:
		for _, item := range items {
			v, ok := ParseUint([]byte(item), math.MaxUint16)
			if !ok || key == keyPort && len(items) > 1 {
				return dst, "a whole number from 0 to 65535"
			}
			dst = binary.BigEndian.AppendUint16(dst, uint16(v))
		}
	case keyIPv4Hint, keyIPv6Hint:
		for _, item := range items {
			a, err := netip.ParseAddr(item)
			if err != nil || a.Zone() != "" || a.Is4() != (key == keyIPv4Hint) {
				return dst, "a list of IPv" + svcKeys[key][3:4] + " addresses"
			}
			dst = append(dst, a.AsSlice()...)
		}
	case keyECH:
		out, err := base64.StdEncoding.AppendDecode(dst, value)
		if err != nil {
			return dst, "base64"
		}
		dst = out
	default:
		dst = append(dst, value...)
	}
	return dst, ""
}

// splitList splits a list at its commas, and decodes its escapes of commas and backslashes (RFC
// 9460 §A.1).
func splitList(value []byte) (items [][]byte) {
	item := []byte{}
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == ',':
			items = append(items, item)
			item = []byte{}
		case c == '\\' && i+1 < len(value):
			i++
			item = append(item, value[i])
		default:
			item = append(item, c)
		}
	}
	return append(items, item)
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
		if want := svcValueFault(key, d[value:end]); want != "" {
			return 0, fmt.Sprintf("the value of %s is not %s", appendSvcKey(nil, key), want)
		}
		last, i = key, end
	}
	return len(d) - at, ""
}

// svcValueFault returns what the value of key should be, if it is not.
func svcValueFault(key int, v []byte) (want string) {
	multiple := func(n int) bool { return len(v) > 0 && len(v)%n == 0 }
	switch key {
	case keyMandatory:
		for i := 2; i+1 < len(v); i += 2 {
			if binary.BigEndian.Uint16(v[i:]) <= binary.BigEndian.Uint16(v[i-2:]) {
				return "a list of keys, each once"
			}
		}
		if !multiple(2) || binary.BigEndian.Uint16(v) == keyMandatory {
			return "a list of other keys"
		}
	case keyALPN:
		for i := 0; i == 0 || i < len(v); i += 1 + int(v[i]) {
			if i >= len(v) || v[i] == 0 || i+1+int(v[i]) > len(v) {
				return "a list of protocols of 1 to 255 octets"
			}
		}
	case keyNoDefaultALPN, keyOHTTP:
		if len(v) > 0 {
			return "empty, which it must be"
		}
	case keyPort:
		if len(v) != 2 {
			return "2 octets"
		}
	case keyIPv4Hint:
		if !multiple(4) {
			return "IPv4 addresses"
		}
	case keyIPv6Hint:
		if !multiple(16) {
			return "IPv6 addresses"
		}
	case keyECH:
		if len(v) == 0 {
			return "at least one octet"
		}
	case keyGroups:
		if !multiple(2) {
			return "a list of 16-bit numbers"
		}
	}
	return ""
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
			dst = appendSvcText(append(dst, '='), key, v)
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

func appendSvcText(dst []byte, key int, v []byte) []byte {
	separate := func(i int) {
		if i > 0 {
			dst = append(dst, ',')
		}
	}
	switch key {
	case keyMandatory:
		for i := 0; i < len(v); i += 2 {
			separate(i)
			dst = appendSvcKey(dst, int(binary.BigEndian.Uint16(v[i:])))
		}
	case keyALPN:
		var list []byte
		for i := 0; i < len(v); i += 1 + int(v[i]) {
			if i > 0 {
				list = append(list, ',')
			}
			for _, c := range v[i+1 : i+1+int(v[i])] {
				if c == ',' || c == '\\' {
					list = append(list, '\\')
				}
				list = append(list, c)
			}
		}
		return appendQuoted(dst, list)
	case keyPort:
		dst = strconv.AppendUint(dst, uintOf(v), 10)
	case keyIPv4Hint:
		for i := 0; i < len(v); i += 4 {
			separate(i)
			dst = ip4{}.print(dst, v, i, 4)
		}
	case keyIPv6Hint:
		for i := 0; i < len(v); i += 16 {
			separate(i)
			dst = ip6{}.print(dst, v, i, 16)
		}
	case keyECH:
		dst = base64.StdEncoding.AppendEncode(dst, v)
	default:
		dst = appendQuoted(dst, v)
	}
	return dst
}

func (s svcParams) judge(d []byte, at, _ int) (rule, string) {
	if binary.BigEndian.Uint16(d) == 0 {
		if at < len(d) {
			return ruleAlias, "there are parameters, but priority 0 makes the record an alias, whose parameters clients ignore"
		}
		return 0, ""
	}
	keys := map[int][]byte{}
	for i := at; i < len(d); {
		key, value, end := s.next(d, i)
		keys[key] = d[value:end]
		i = end
	}
	if _, ok := keys[keyInvalid]; ok {
		return ruleKey, "key65535 is there"
	}
	for v := keys[keyMandatory]; len(v) > 0; v = v[2:] {
		k := int(binary.BigEndian.Uint16(v))
		if _, ok := keys[k]; !ok {
			return ruleMandatory, fmt.Sprintf("mandatory lists %s, which is not there", appendSvcKey(nil, k))
		}
	}
	if _, ok := keys[keyNoDefaultALPN]; ok && keys[keyALPN] == nil {
		return ruleDefaultALPN, "no-default-alpn is there without alpn"
	}
	if v, ok := keys[keyDoHPath]; ok && (len(v) == 0 || v[0] != '/' || !hasDNSVariable(v)) {
		return ruleDoHPath, fmt.Sprintf("dohpath %s is not a path with the variable dns, as in /dns-query{?dns}", Quote(v))
	}
	return 0, ""
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
