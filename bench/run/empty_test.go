//go:build bench

package main

import (
	"slices"
	"strings"
	"testing"
)

func TestEmpty(t *testing.T) {
	const src = "package p\n\nfunc (a *A) count(n int) { a.n += n }\n\nfunc (b B) count() { println() }\n\nfunc plain() {\n\tif true {\n\t}\n}\n"
	got, found, err := empty("p.go", []byte(src), map[string]bool{"A.count": true, "plain": true, "A.gone": true})
	if err != nil {
		t.Fatal(err)
	}
	const want = "package p\n\nfunc (a *A) count(n int) { if false { a.n += n } }\n\nfunc (b B) count() { println() }\n\nfunc plain() { if false {\n\tif true {\n\t}\n} }\n"
	if string(got) != want || !slices.Equal(found, []string{"A.count", "plain"}) {
		t.Errorf("%q\n%s", found, got)
	}
}

// TestEmptied: every function of the lists is still there.
func TestEmptied(t *testing.T) {
	if _, err := emptied("../../server", t.TempDir(), append(metricsFunctions, logFunctions...)); err != nil {
		t.Error(err)
	}
	if _, err := emptied("../../server", t.TempDir(), []string{"Responder.gone"}); err == nil || !strings.Contains(err.Error(), "Responder.gone") {
		t.Errorf("%v", err)
	}
}
