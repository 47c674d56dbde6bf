package spelling

import (
	"fmt"
	"strconv"
	"strings"
)

// Number returns a number with its noun, as in "1 address" and "2 addresses". noun is in the singular and
// has a regular plural.
func Number(n int, noun string) string {
	text := strconv.Itoa(n) + " "
	stem, endsInY := strings.CutSuffix(noun, "y")
	switch {
	case n == 1:
		return text + noun
	case strings.HasSuffix(noun, "s"):
		return text + noun + "es"
	case endsInY && !strings.HasSuffix(stem, "e"):
		return text + stem + "ies"
	}
	return text + noun + "s"
}

// Some returns the first most values of a list as text, and how many more there are, as in "a, b and 3 more".
func Some[T any](list []T, most int) string {
	text := make([]string, 0, min(len(list), most))
	for _, v := range list[:cap(text)] {
		text = append(text, fmt.Sprint(v))
	}
	out := strings.Join(text, ", ")
	if n := len(list) - most; n > 0 {
		out += fmt.Sprintf(" and %d more", n)
	}
	return out
}
