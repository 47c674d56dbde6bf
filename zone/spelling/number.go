package spelling

import (
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
