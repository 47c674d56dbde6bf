package assemble

import (
	"fmt"
	"strings"
)

// checkQuotes returns what is wrong with data in presentation form without double quotes; empty if
// nothing is. In a master file it is well known that a ; starts a comment and that a blank ends a
// string of a TXT. In YAML, whose own quotes are removed by its parser, `TXT: v=DMARC1; p=none`
// looks right and is not.
func checkQuotes(typ, data string) string {
	if strings.HasPrefix(data, `\#`) {
		return "" // octets in hexadecimal (RFC 3597 §5)
	}
	words, bare := 0, false
	for i := 0; i < len(data); words++ {
		i += len(data[i:]) - len(strings.TrimLeft(data[i:], " \t"))
		switch {
		case i == len(data):
			words--
		case data[i] == ';':
			return fmt.Sprintf("a ; outside of double quotes starts a comment, and %q would be lost; write the data as '\"…\"', or the comment behind a #", data[i:])
		case data[i] == '"':
			i = endOfWord(data, i+1, `"`) + 1
		default:
			bare = true
			i = endOfWord(data, i, " \t;\"")
		}
	}
	if typ == "TXT" && words > 1 && bare {
		return fmt.Sprintf("%d words without double quotes are strings of their own, which programs join without the blanks; write '\"…\"' to make them one, or quote each", words)
	}
	return ""
}

// endOfWord returns the position of the first octet at or after i that is in ends and has no
// backslash before it, at most the length of s.
func endOfWord(s string, i int, ends string) int {
	for ; i < len(s) && strings.IndexByte(ends, s[i]) < 0; i++ {
		if s[i] == '\\' {
			i++
		}
	}
	return min(i, len(s))
}
